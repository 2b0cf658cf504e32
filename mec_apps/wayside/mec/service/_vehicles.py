from __future__ import annotations

import itertools
import secrets
from collections import OrderedDict
from collections.abc import Callable

from wayside.clock import Clock, MonoNs
from wayside.link import Flag, FrameKind, Warning
from wayside.mec.core import EdgeCore
from wayside.mec.dispatch import CancelPush, Push
from wayside.mec.ports import Port
from wayside.mec.ports.link import (
    LinkToCore,
    PushDown,
    ReceiptUp,
    SessionDown,
    SessionUp,
    VehicleFrame,
    Written,
)
from wayside.observe import Counters

# Pushes whose writing may still be told: as many as receipts are waited for.
_PUSHES = 20_000


class Vehicles:
    """The vehicles as the core deals with them through the link: who is there, what they say, what they are
    told, and what became of it.

    on_moved: a vehicle's own word has moved its track. on_delivered: a receipt may have changed an event.
    A frame of a vehicle that is no longer there is counted as `vehicle_frames` no_session.
    """

    def __init__(
        self,
        port: Port,
        core: EdgeCore,
        clock: Clock,
        counters: Counters,
        *,
        on_moved: Callable[[], None],
        on_delivered: Callable[[], None],
    ) -> None:
        self._port = port
        self._core = core
        self._clock = clock
        self._counters = counters
        self._on_moved = on_moved
        self._on_delivered = on_delivered
        self._sessions: set[str] = set()
        self._pushed: OrderedDict[int, tuple[str, Warning]] = OrderedDict()
        # Begins anywhere: the link's word of an earlier core's push is not taken for one of this one's.
        self._refs = itertools.count(secrets.randbits(62) + 1)

    def __len__(self) -> int:
        return len(self._sessions)

    def take(self, message: LinkToCore) -> None:
        """What the link says."""
        match message:
            case VehicleFrame(session, body, arrived):
                # A vehicle's own word moves its track; the apps look at it with the next scan or signal, or
                # here when nothing else comes: vehicles alone can be in danger too.
                if session not in self._sessions:
                    self._counters.count("vehicle_frames", "no_session")
                elif self._core.on_vehicle_frame(session, body, arrived):
                    self._on_moved()
            case SessionUp(session, dialect):
                self._sessions.add(session)
                self._core.on_session(session, True, dialect)
            case SessionDown(session):
                self._sessions.discard(session)
                self._core.on_session(session, False)
            case Written(session, seq, ref, at):
                pushed = self._pushed.get(ref)
                if pushed is not None:
                    subject, warning = pushed
                    first = bool(warning.marks)
                    self._core.receipts.wrote(session, seq, at, subject, warning, first=first)
            case ReceiptUp(session, receipt):
                delivered = self._core.receipts.received(session, receipt)
                if delivered is not None:
                    self._core.delivered(delivered)
                    self._on_delivered()

    def gone(self) -> None:
        """Whoever was connected is not now; the link tells who is there when it comes back."""
        for session in self._sessions:
            self._core.on_session(session, False)
        self._sessions.clear()

    def push(self, push: Push, flags: Flag) -> None:
        """Send a frame to a vehicle; the newest of its session and key."""
        warning = push.warning
        ref = 0
        if isinstance(warning, Warning):
            self._counters.count("warnings", warning.kind.value)
            ref = next(self._refs)
            self._pushed[ref] = self._core.subject_of(warning.event_id), warning
            if len(self._pushed) > _PUSHES:
                self._pushed.popitem(last=False)
        age_ns = self._clock.utc() - push.created
        expires = MonoNs(self._clock.mono() - age_ns + push.ttl_ms * 1_000_000)
        self._port.send_newest(
            (push.session, push.key),
            PushDown(
                push.session,
                int(push.kind),
                push.key,
                push.priority,
                push.created,
                expires,
                push.ttl_ms,
                push.body,
                int(flags),
                ref,
            ),
        )

    def cancel(self, cancel: CancelPush) -> None:
        """Take back what a vehicle was told under a key."""
        self._counters.count("cancels")
        self._port.send_newest(
            (cancel.session, cancel.key),
            PushDown(
                cancel.session,
                int(FrameKind.CANCEL),
                cancel.key,
                cancel.priority,
                self._clock.utc(),
                self._clock.mono(),
                0,
                cancel.body,
            ),
        )
