from __future__ import annotations

from wayside.clock import MonoNs
from wayside.link import Severity
from wayside.mec.apps._contract import Trigger
from wayside.mec.world import TrackView

_FIRST_SIGHT_S = 0.3


def trigger_of(view: TrackView) -> Trigger:
    """The input that last updated a track, as a trigger without confirmation delay."""
    return Trigger(view.trace_id, view.arrived, view.ingested, view.fused, 0, view.track_id)


class Latch:
    """One condition over time: raised by k of the last n frames, cleared when it has not held for a while.

    A frame is the arrival of an input that bears on the condition; several steps on the same input count
    once. The severity rises at once and falls only after it has been lower for `fall_s`.
    """

    __slots__ = ("_bits", "_first", "_frame", "_last_ns", "_lower_since", "raised", "severity", "trigger")

    def __init__(self) -> None:
        self.raised = False
        self.severity = Severity.INFORM
        self.trigger: Trigger | None = None
        self._bits = 0
        self._frame = -1
        self._first: MonoNs | None = None
        self._last_ns = 0
        self._lower_since: int | None = None

    def see(
        self,
        hit: bool,
        subject: TrackView,
        mono: MonoNs,
        *,
        cause: TrackView | None = None,
        need: int,
        of: int,
        clear_s: float,
        gated: bool = False,
    ) -> bool:
        """Take in one step; whether the condition stands as raised after it.

        subject: track whose inputs are the frames. cause: track whose input decided, where that is another
        one. gated: the condition holds but may not raise yet (track too young, existence too low); it
        starts the confirmation delay.
        """
        if hit:
            self._last_ns = mono
            if self._first is None:
                # A condition met at first sight was met by the first detection.
                self._first = subject.born_arrived if subject.age_s < _FIRST_SIGHT_S else subject.arrived
        counted = hit and not gated
        if subject.arrived != self._frame:
            self._frame = subject.arrived
            self._bits = ((self._bits << 1) | counted) & ((1 << of) - 1)
        elif counted:
            self._bits |= 1
        if not self.raised and counted and self._bits.bit_count() >= need:
            self.raised = True
            decisive = cause or subject
            first = decisive.arrived if self._first is None else self._first
            self.trigger = trigger_of(decisive)._replace(confirm_ns=max(0, decisive.arrived - first))
        return self.keep(mono, clear_s)

    def keep(self, mono: MonoNs, clear_s: float) -> bool:
        """Let time pass without a look at the condition; whether it still stands as raised."""
        if mono - self._last_ns > clear_s * 1e9:
            self.raised = False
            self.trigger = None
            self._first = None
            self._bits = 0
            self.severity = Severity.INFORM
            self._lower_since = None
        return self.raised

    def idle(self, mono: MonoNs, clear_s: float) -> bool:
        """Whether nothing is left to remember."""
        return not self.raised and mono - self._last_ns > clear_s * 1e9

    def settle(self, severity: Severity, mono: MonoNs, fall_s: float) -> Severity:
        """Severity to speak of, given the one seen in this step."""
        if severity >= self.severity:
            self.severity = severity
            self._lower_since = None
        elif self._lower_since is None:
            self._lower_since = mono
        elif mono - self._lower_since >= fall_s * 1e9:
            self.severity = severity
            self._lower_since = None
        return self.severity
