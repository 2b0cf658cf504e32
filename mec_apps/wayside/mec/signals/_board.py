from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from wayside.asn1.messages import Light, SignalEvent, SignalIntersection, SignalStates
from wayside.clock import Clock, MonoNs, UtcNs
from wayside.mec.signals._lights import overlap_light, pedestrian_light, vehicle_light
from wayside.mec.signals._reasons import SignalError, SignalReason
from wayside.mec.signals._table import SignalKey, SignalNow, SignalTable
from wayside.mec.signals.tscbm import Tscbm, decode_tscbm
from wayside.observe import Counters

SPAT, TSCBM = "spat", "tscbm"
_MAX_INTERSECTIONS = 64
_MAX_GROUPS = 256
_CLOCK_STEP_NS = 5_000_000_000
_ZERO_STAYS = 3
_DEFAULT_AGE_MS = 500.0


class SignalSource(msgspec.Struct, frozen=True):
    """Where the site takes an intersection's signals from.

    intersection: `region-id`. source: spat or tscbm. device: the only one whose SPAT counts, "" for any.
    address: host of the controller, "" for any. vehicle, pedestrian, overlap: TSCBM phase or overlap →
    signal group. permissive: vehicle phases whose green is permissive. max_age_ms: older input is stale.
    """

    intersection: str
    source: str = SPAT
    device: str = ""
    address: str = ""
    vehicle: dict[int, int] = {}
    pedestrian: dict[int, int] = {}
    overlap: dict[int, int] = {}
    permissive: frozenset[int] = frozenset()
    max_age_ms: float = _DEFAULT_AGE_MS


class _Ends(NamedTuple):
    """Likely end of a group as last told, and how often in a row it lay at the message's own moment."""

    light: Light
    at_once: int


class SignalBoard:
    """Signal states of all intersections, from SPAT and from controllers' datagrams. Pure and bounded.

    Ages are counted from the arrival, never from a device's stamp; a message whose own moment does not
    advance does not refresh. An intersection that the site does not name is taken from SPAT of any device,
    64 at most; a new one takes the place of one that has gone stale. What is not used is counted under
    SignalReason.
    """

    def __init__(self, sources: Iterable[SignalSource], clock: Clock, counters: Counters) -> None:
        self._sources: Mapping[str, SignalSource] = {s.intersection: s for s in sources}
        self._controllers = {s.address: s for s in self._sources.values() if s.source == TSCBM}
        self._clock = clock
        self._counters = counters
        self._states: dict[str, dict[int, SignalNow]] = {}
        self._moments: dict[tuple[str, str], UtcNs] = {}
        self._controller_moments: dict[str, tuple[int, ...]] = {}
        self._ends: dict[SignalKey, _Ends] = {}

    def on_signal_states(self, message: SignalStates, *, device: str, arrived: MonoNs) -> bool:
        """Take a SPAT that arrived from a device; whether any of it was used."""
        used = [
            self._intersection(intersection, message.utc_ns, device, arrived)
            for intersection in message.intersections
        ]
        return any(used)

    def on_tscbm(self, data: bytes | memoryview, *, arrived: MonoNs, address: str = "") -> bool:
        """Take a controller's datagram that arrived from a host; whether it was used."""
        source = self._controllers.get(address) or self._controllers.get("")
        if source is None:
            self._counters.drop(SignalReason.UNKNOWN_CONTROLLER)
            return False
        try:
            told = decode_tscbm(data)
        except SignalError as error:
            self._counters.drop(error.reason)
            return False
        moment = (told.sequence, told.hour, told.minute, told.second, told.millisecond)
        if self._controller_moments.get(source.intersection) == moment:
            self._counters.drop(SignalReason.OLD)
            return False
        self._controller_moments[source.intersection] = moment
        self._controller(source, told, arrived)
        return True

    def table(self, now: MonoNs) -> SignalTable:
        """What is fresh, and the keys of what has gone stale."""
        fresh: dict[SignalKey, SignalNow] = {}
        stale: set[SignalKey] = set()
        for intersection, groups in self._states.items():
            source = self._sources.get(intersection)
            limit_ns = (_DEFAULT_AGE_MS if source is None else source.max_age_ms) * 1e6
            for group, state in groups.items():
                key = SignalKey(intersection, group)
                if now - state.heard > limit_ns:
                    stale.add(key)
                else:
                    fresh[key] = state
        return SignalTable(fresh, frozenset(stale))

    def _intersection(
        self, told: SignalIntersection, message_utc_ns: int | None, device: str, arrived: MonoNs
    ) -> bool:
        name = str(told.id)
        source = self._sources.get(name)
        if source is not None and (source.source != SPAT or (source.device and source.device != device)):
            self._counters.drop(SignalReason.OTHER_SOURCE)
            return False
        if source is None and name not in self._states and not self._has_room(arrived):
            self._counters.drop(SignalReason.FULL)
            return False
        moment = told.utc_ns if told.utc_ns is not None else message_utc_ns
        if moment is not None and not self._newer(name, device, UtcNs(moment)):
            self._counters.drop(SignalReason.OLD)
            return False
        groups: dict[int, SignalNow] = {}
        for group in told.groups[:_MAX_GROUPS]:
            key = SignalKey(name, group.group)
            now_ns = moment if moment is not None else self._utc_at(arrived)
            groups[group.group] = self._told(key, group.current, now_ns, arrived)
        if len(told.groups) > _MAX_GROUPS:
            self._counters.drop(SignalReason.FULL, by=len(told.groups) - _MAX_GROUPS)
        self._replace(name, groups)
        return True

    def _has_room(self, now: MonoNs) -> bool:
        """Whether one more intersection that the site does not name can be kept."""
        others = [name for name in self._states if name not in self._sources]
        if len(others) < _MAX_INTERSECTIONS:
            return True
        for name in others:
            groups = self._states[name]
            if all(now - state.heard > _DEFAULT_AGE_MS * 1e6 for state in groups.values()):
                del self._states[name]
                for group in groups:
                    self._ends.pop(SignalKey(name, group), None)
                return True
        return False

    def _newer(self, intersection: str, device: str, moment: UtcNs) -> bool:
        key = (intersection, device)
        before = self._moments.get(key)
        # Far back is a clock that was set, not a message that was late.
        if before is not None and before - _CLOCK_STEP_NS < moment <= before:
            return False
        if before is None and len(self._moments) >= 4 * _MAX_INTERSECTIONS:
            del self._moments[next(iter(self._moments))]
        self._moments[key] = moment
        return True

    def _told(self, key: SignalKey, event: SignalEvent, moment_ns: int, arrived: MonoNs) -> SignalNow:
        likely = event.likely_end_utc_ns
        max_end = event.max_end_utc_ns
        before = self._ends.get(key)
        at_once = 0
        if likely is not None and likely <= moment_ns:
            at_once = 1 if before is None or before.light != event.light else before.at_once + 1
        self._ends[key] = _Ends(event.light, at_once)
        if at_once >= _ZERO_STAYS:
            # "Ends now" that stays true is how devices write an end that they do not know.
            likely = None
            max_end = None if max_end is not None and max_end <= moment_ns else max_end
        return SignalNow(event.light, _utc(event.min_end_utc_ns), _utc(max_end), _utc(likely), arrived, SPAT)

    def _controller(self, source: SignalSource, told: Tscbm, arrived: MonoNs) -> None:
        base = self._utc_at(arrived)
        groups: dict[int, SignalNow] = {}

        def put(group: int, light: Light | None, soonest: int | None, latest: int | None) -> None:
            if light is None:
                self._counters.drop(SignalReason.CONTRADICTION)
                light = Light.UNAVAILABLE
            min_end = None if soonest is None else UtcNs(base + soonest * 100_000_000)
            max_end = None if latest is None else UtcNs(base + latest * 100_000_000)
            likely = min_end if soonest is not None and soonest == latest and soonest > 0 else None
            groups[group] = SignalNow(light, min_end, max_end, likely, arrived, TSCBM)

        unknown = (None,) * 6
        for phase, group in source.vehicle.items():
            times = told.phases.get(phase, unknown)
            light = vehicle_light(told.masks, phase, permissive=phase in source.permissive)
            put(group, light, times[0], times[1])
        for phase, group in source.pedestrian.items():
            times = told.phases.get(phase, unknown)
            put(group, pedestrian_light(told.masks, phase), times[2], times[3])
        for overlap, group in source.overlap.items():
            times = told.phases.get(overlap, unknown)
            put(group, overlap_light(told.masks, overlap), times[4], times[5])
        self._replace(source.intersection, groups)

    def _replace(self, intersection: str, groups: dict[int, SignalNow]) -> None:
        """New states; a group that is no longer told keeps its last state until that is stale."""
        kept = self._states.get(intersection, {})
        merged = {**kept, **groups}
        if len(merged) > _MAX_GROUPS:
            gone = sorted(kept.keys() - groups.keys(), key=lambda group: kept[group].heard)
            for group in gone[: len(merged) - _MAX_GROUPS]:
                del merged[group]
                self._ends.pop(SignalKey(intersection, group), None)
        self._states[intersection] = merged

    def _utc_at(self, arrived: MonoNs) -> UtcNs:
        return UtcNs(self._clock.utc() - (self._clock.mono() - arrived))


def _utc(ns: int | None) -> UtcNs | None:
    return None if ns is None else UtcNs(ns)
