from __future__ import annotations

from collections.abc import Callable, Sequence

from wayside.asn1.geometry import Movement
from wayside.link import Action, Severity
from wayside.mec.apps._contract import Concern
from wayside.mec.apps._red import RED, passes_red
from wayside.mec.apps._ways import Crossing, OnWay, Ways, signal_key
from wayside.mec.world import TrackView, World

_WAITS_MPS = 1.0
_WAITS_M = 15.0


def cross_traffic(
    world: World,
    ways: Ways,
    runner: TrackView,
    runner_gap_m: float,
    movements: Sequence[Movement],
    horizon_s: float,
    window_s: float,
    right_on_red: bool,
    trusted: Callable[[TrackView], bool],
) -> list[Concern]:
    """Connected vehicles whose movement conflicts with those of a vehicle that passes a red light.

    A vehicle that is still before a red light of its own is left out. Urgent where both are at the conflict
    within `window_s` of each other; else a vehicle that is there within `horizon_s`, or waits at its line
    with right of way, is told to watch. runner_gap_m: from the runner's front to its stop line. trusted:
    whether a vehicle's place is known well enough to tell it.
    """
    met: dict[object, tuple[Crossing, float]] = {}
    for movement in movements:
        for crossing in ways.crossings[movement.key]:
            runner_s = (runner_gap_m + crossing.at_m) / max(runner.speed_mps, 1.0)
            if runner_s > -1.0 and crossing.other.key not in met:
                met[crossing.other.key] = (crossing, runner_s)
    if not met:
        return []
    out: list[Concern] = []
    for view in world.tracks.views:
        if not view.session or view.track_id == runner.track_id:
            continue
        best: Concern | None = None
        for on in ways.ahead(view):
            if on.way.movement is None or on.way.movement.key not in met:
                continue
            crossing, runner_s = met[on.way.movement.key]
            concern = _concern(world, view, on, crossing, runner_s, horizon_s, window_s, right_on_red)
            if concern is not None and (best is None or concern.severity > best.severity):
                best = concern
        if best is not None and trusted(view):
            out.append(best)
    return out


def _concern(
    world: World,
    view: TrackView,
    on: OnWay,
    crossing: Crossing,
    runner_s: float,
    horizon_s: float,
    window_s: float,
    right_on_red: bool,
) -> Concern | None:
    to_line_m = on.to_stop_line_m(view.length_m)
    distance_m = to_line_m + crossing.other_at_m
    if distance_m < 0.0:
        return None
    key = signal_key(crossing.other)
    state = world.signals.get(key) if key is not None else None
    if to_line_m > 0.0 and state is not None and state.light in RED:
        if not passes_red(crossing.other, right_on_red):
            return None
    if view.speed_mps < _WAITS_MPS:
        if to_line_m > _WAITS_M:
            return None
        return Concern(view.track_id, distance_m, None, Severity.ADVISE, Action.WATCH)
    in_s = distance_m / view.speed_mps
    if in_s > horizon_s:
        return None
    if abs(in_s - runner_s) <= window_s:
        return Concern(view.track_id, distance_m, in_s, Severity.URGENT, Action.BRAKE)
    return Concern(view.track_id, distance_m, in_s, Severity.ADVISE, Action.WATCH)
