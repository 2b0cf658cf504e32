"""Green light optimal speed advisory: the speeds at which a vehicle meets green."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from typing import Annotated, NamedTuple

from wayside.asn1.geometry import LaneKey
from wayside.asn1.messages import Direction, Maneuver
from wayside.clock import MonoNs
from wayside.link import AdviceKind
from wayside.mec.apps._contract import AdviceReport, Parameters, stated
from wayside.mec.apps._red import GREEN, RED
from wayside.mec.apps._ways import Ways, signal_key
from wayside.mec.sensors import ParticipantClass
from wayside.mec.world import SignalKey, SignalNow, TrackView, World

_TOLERANCE_MPS = 1e-9
_DRIVEN = frozenset(
    {ParticipantClass.CAR, ParticipantClass.TRUCK, ParticipantClass.BUS, ParticipantClass.MOTORCYCLE}
)
_GREENS_KEPT = 3
# Steps that are further apart have missed when a light changed.
_GAP_NS = 1_000_000_000


class SpeedWindow(NamedTuple):
    """Speeds from least to most."""

    least_mps: float
    most_mps: float


def speed_window(
    distance_m: float, green_from_s: float, green_until_s: float, least_mps: float, most_mps: float
) -> SpeedWindow | None:
    """Constant speeds at which a vehicle is at the stop line while it is green; None for none.

    distance_m: to the stop line. green_from_s, green_until_s: start and end of the green from now. The window
    from distance / end to distance / start, cut by the two speeds; compared to 1e-9 m/s. Source: own.
    """
    if distance_m <= 0.0 or green_until_s <= max(green_from_s, 0.0):
        return None
    least = max(least_mps, distance_m / green_until_s)
    most = most_mps if green_from_s <= 0.0 else min(most_mps, distance_m / green_from_s)
    return SpeedWindow(least, max(least, most)) if least <= most + _TOLERANCE_MPS else None


class GlosaParameters(Parameters, frozen=True):
    """Parameters of the green light optimal speed advisory."""

    end_margin_s: Annotated[float, stated("s", "taken off the end of a green", "own, at least 2", 2.0)] = 2.0
    min_width_mps: Annotated[float, stated("m/s", "least width of the window, 5 km/h", "own")] = 1.388
    max_spread_s: Annotated[float, stated("s", "largest doubt about when a light changes", "own")] = 3.0
    max_age_s: Annotated[float, stated("s", "oldest input of the signal", "own")] = 1.0
    least_green_s: Annotated[float, stated("s", "green that is counted on before one was seen", "own")] = 8.0
    least_mps: Annotated[float, stated("m/s", "lowest speed that is advised, 20 km/h", "own", 1.0)] = 5.56
    default_limit_mps: Annotated[float, stated("m/s", "speed limit where the lane gives none", "own")] = 16.7
    min_distance_m: Annotated[float, stated("m", "nearest to the stop line", "own")] = 20.0
    max_distance_m: Annotated[float, stated("m", "farthest from the stop line", "own")] = 300.0
    min_speed_mps: Annotated[float, stated("m/s", "slower vehicles are not advised", "own")] = 2.8
    queue_mps: Annotated[float, stated("m/s", "speed below which a vehicle ahead is a queue", "own")] = 2.8
    accuracy_m: Annotated[float, stated("m", "worst accuracy of a vehicle, one sigma", "T/CSAE 53 bar")] = 1.5
    max_unseen_s: Annotated[float, stated("s", "longest time a track may go unseen", "own")] = 0.6
    min_existence: Annotated[float, stated("", "least existence of a vehicle ahead", "own", 0.0, 1.0)] = 0.5
    look_s: Annotated[float, stated("s", "time between two looks, if no light changes", "own")] = 0.1
    ttl_ms: Annotated[int, stated("ms", "lifetime of an advice", "T/CSAE 53: 2 a second", 100)] = 1000


class _Green(NamedTuple):
    """Green that can be met at a stop line, seconds from now, its margin taken off."""

    key: SignalKey
    light: str
    from_s: float
    until_s: float


class _Group:
    """What is remembered of one signal group: when its green began, and how long the last ones were."""

    __slots__ = ("greens", "seen", "since", "was_green")

    def __init__(self) -> None:
        self.greens: deque[float] = deque(maxlen=_GREENS_KEPT)
        self.since: MonoNs | None = None
        self.was_green: bool | None = None
        self.seen = MonoNs(0)


class Glosa:
    """The speeds at which a vehicle gets over the stop line ahead of it without a stop.

    State: for each signal group when its green began and the length of its last three greens; what the last
    look said, which stands for `look_s` unless a light changes: an advice is sent twice a second.
    """

    name = "glosa"

    def __init__(self, parameters: GlosaParameters | None = None) -> None:
        self.parameters = parameters or GlosaParameters()
        self._ways: Ways | None = None
        self._groups: dict[SignalKey, _Group] = {}
        self._silent: Counter[str] = Counter()
        self._looked: MonoNs | None = None
        self._said: Sequence[AdviceReport] = ()

    def silent_because(self, world: World) -> dict[str, int]:
        """Vehicles of the last step by reason: clock, accuracy, unseen, queue, signal_stale, signal_unknown,
        signal_old, end_doubtful, yellow, no_window, narrow, would_accelerate."""
        return dict(self._silent)

    def step(self, world: World) -> Sequence[AdviceReport]:
        """One advice for each connected vehicle that can meet green."""
        p = self.parameters
        if self._ways is None or self._ways.geometry is not world.geometry:
            self._ways = Ways(world.geometry)
            self._looked = None
        changed = self._watch_lights(world)
        if not changed and self._looked is not None and world.mono - self._looked < p.look_s * 1e9:
            return self._said
        self._looked, self._said = world.mono, self._look(world, self._ways)
        return self._said

    def _look(self, world: World, ways: Ways) -> list[AdviceReport]:
        p = self.parameters
        self._silent.clear()
        near: list[tuple[TrackView, float]] = []
        queues: dict[LaneKey, float] = {}
        for view in world.tracks.views:
            if view.lane is None or view.kind not in _DRIVEN:
                continue
            if view.speed_mps < p.queue_mps and view.existence >= p.min_existence:
                queues[view.lane] = max(queues.get(view.lane, 0.0), view.along_m)
            if view.session and view.speed_mps >= p.min_speed_mps:
                lane = world.geometry.lanes[view.lane]
                to_line_m = lane.polyline.length_m - view.along_m - view.length_m / 2.0
                if lane.direction is Direction.INGRESS and p.min_distance_m <= to_line_m <= p.max_distance_m:
                    near.append((view, to_line_m))
        greens: dict[tuple[LaneKey, Maneuver | None], tuple[_Green, ...] | str] = {}
        out: list[AdviceReport] = []
        for view, to_line_m in near:
            report = self._one(world, ways, view, to_line_m, queues, greens)
            if isinstance(report, AdviceReport):
                out.append(report)
            elif report:
                self._silent[report] += 1
        return out

    def _watch_lights(self, world: World) -> bool:
        """Remember the greens; whether a light has turned green or ended to be."""
        changed = False
        for key, state in world.signals.items():
            group = self._groups.setdefault(key, _Group())
            green = state.light in GREEN
            whole = world.mono - group.seen <= _GAP_NS
            if green and group.was_green is False and whole:
                group.since = world.mono
            elif not green and group.was_green:
                if group.since is not None and whole:
                    group.greens.append((world.mono - group.since) / 1e9)
                group.since = None
            changed |= group.was_green is not green
            group.was_green, group.seen = green, world.mono
        return changed

    def _one(
        self,
        world: World,
        ways: Ways,
        view: TrackView,
        to_line_m: float,
        queues: dict[LaneKey, float],
        greens: dict[tuple[LaneKey, Maneuver | None], tuple[_Green, ...] | str],
    ) -> AdviceReport | str:
        """The advice for a vehicle, or why there is none; "" where no signal governs its way."""
        p = self.parameters
        assert view.lane is not None
        if world.degraded:
            return "clock"
        if view.accuracy_m > p.accuracy_m:
            return "accuracy"
        if view.unseen_s > p.max_unseen_s:
            return "unseen"
        if queues.get(view.lane, 0.0) > view.along_m:
            return "queue"
        asked = view.lane, view.turn
        found = greens.get(asked)
        if found is None:
            found = greens[asked] = self._greens_of(world, ways, view.lane, view.turn)
        if isinstance(found, str):
            return found
        return self._advise(world, view, to_line_m, found)

    def _greens_of(
        self, world: World, ways: Ways, lane: LaneKey, turn: Maneuver | None
    ) -> tuple[_Green, ...] | str:
        """Greens of all movements that a vehicle on a lane may take, each group once; or why none is."""
        movements = [way.movement for way in ways.of_lane.get(lane, ()) if way.movement is not None]
        if turn is not None:
            movements = [m for m in movements if m.maneuver is turn] or movements
        keys = {signal_key(movement) for movement in movements}
        if not keys or None in keys:
            return ""
        out: list[_Green] = []
        for key in sorted(key for key in keys if key is not None):
            state = world.signals.get(key)
            if state is None:
                return "signal_stale" if key in world.signals.stale else "signal_unknown"
            green = self._green_of(world, key, state)
            if isinstance(green, str):
                return green
            out.append(green)
        return tuple(out)

    def _green_of(self, world: World, key: SignalKey, state: SignalNow) -> _Green | str:
        """The running green up to its earliest end, or the next one from the red's latest end on."""
        p = self.parameters
        if world.mono - state.heard > p.max_age_s * 1e9:
            return "signal_old"
        if state.light not in GREEN and state.light not in RED:
            return "yellow"
        if state.min_end is None or state.max_end is None:
            return "end_doubtful"
        soonest_s, latest_s = (state.min_end - world.now) / 1e9, (state.max_end - world.now) / 1e9
        if not 0.0 <= latest_s - soonest_s <= p.max_spread_s or latest_s < 0.0:
            return "end_doubtful"
        if state.light in GREEN:
            return _Green(key, state.light.value, 0.0, soonest_s - p.end_margin_s)
        seen = self._groups[key].greens
        lasts_s = min(seen) if seen else p.least_green_s
        return _Green(key, state.light.value, latest_s, soonest_s + lasts_s - p.end_margin_s)

    def _advise(
        self, world: World, view: TrackView, to_line_m: float, greens: tuple[_Green, ...]
    ) -> AdviceReport | str:
        p = self.parameters
        assert view.lane is not None
        limit = world.geometry.lanes[view.lane].speed_limit_mps or p.default_limit_mps
        least, most = p.least_mps, limit
        for green in greens:
            window = speed_window(to_line_m, green.from_s, green.until_s, least, most)
            if window is None:
                return "no_window"
            least, most = window
        if view.speed_mps < least:
            return "would_accelerate"
        if any(green.from_s <= 0.0 for green in greens):
            most = min(most, view.speed_mps)
        if most - least < p.min_width_mps - _TOLERANCE_MPS:
            return "narrow"
        first = greens[0]
        stop_x, stop_y = world.geometry.lanes[view.lane].polyline.points[-1]
        return AdviceReport(
            app=self.name,
            kind=AdviceKind.GREEN_LIGHT_SPEED,
            track_id=view.track_id,
            x_m=float(stop_x),
            y_m=float(stop_y),
            ttl_ms=p.ttl_ms,
            lane=view.lane,
            values={
                "least_mps": round(least, 2),
                "most_mps": round(most, 2),
                "advised_mps": round(min(max(view.speed_mps, least), most), 2),
                "distance_m": round(to_line_m, 1),
                "light": first.light,
                "signal_group": first.key.group,
                "green_from_s": round(max(green.from_s for green in greens), 1),
                "green_until_s": round(min(green.until_s for green in greens), 1),
                "speed_limit_mps": round(limit, 2),
            },
            prompt=("light", "signal_group"),
        )
