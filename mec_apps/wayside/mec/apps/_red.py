from __future__ import annotations

from wayside.asn1.geometry import Movement
from wayside.asn1.messages import Light, Maneuver
from wayside.mec.apps._kinematics import required_deceleration
from wayside.mec.apps._ways import OnWay, signal_key
from wayside.mec.world import SignalNow, TrackView, World

RED = frozenset({Light.RED, Light.RED_YELLOW})
YELLOW = frozenset({Light.YELLOW, Light.PERMISSIVE_YELLOW, Light.PROTECTED_YELLOW})
GREEN = frozenset({Light.PERMISSIVE_GREEN, Light.PROTECTED_GREEN, Light.FLASHING_GREEN})


def passes_red(movement: Movement, right_on_red: bool) -> bool:
    """Whether a movement may go past a red light."""
    if movement.maneuver is Maneuver.RIGHT_ON_RED:
        return True
    return right_on_red and movement.maneuver is Maneuver.RIGHT


def red_at(
    state: SignalNow, movement: Movement, world: World, in_s: float, right_on_red: bool, yellow_s: float = 3.0
) -> bool:
    """Whether a movement's light is red `in_s` seconds from now, as far as is known.

    A red whose end is unknown, or only bounded from below, stays red; a green ends only where its latest
    end is known. The times are not used while the host's own UTC is in doubt.
    """
    if passes_red(movement, right_on_red):
        return False
    then = world.now + round(in_s * 1e9)
    known = not world.degraded
    if state.light in RED:
        end = state.likely_end if state.likely_end is not None else state.max_end
        # An end that has passed while the light is still red says nothing.
        return not (known and end is not None and world.now < end <= then)
    if state.light in YELLOW:
        end = state.max_end if state.max_end is not None else state.likely_end
        return end <= then if known and end is not None else in_s > yellow_s
    if state.light in GREEN and known and state.max_end is not None:
        return state.max_end + round(yellow_s * 1e9) <= then
    return False


def stops_at_red(
    world: World,
    on: OnWay,
    view: TrackView,
    reaction_s: float,
    *,
    most_decel_mps2: float,
    over_line_m: float,
    crawl_mps: float,
    right_on_red: bool,
) -> bool:
    """Whether a vehicle is taken to wait at the red light of a way: it can stop at the line with at most
    `most_decel_mps2`, or has crept over it by up to `over_line_m` at `crawl_mps` and does not speed up."""
    movement = on.way.movement
    if movement is None:
        return False
    to_line = on.to_stop_line_m(view.length_m)
    if to_line <= 0.0:
        waits = to_line > -over_line_m and view.speed_mps <= crawl_mps
        if not waits or view.accel_mps2 > 0.0:
            return False
    key = signal_key(movement)
    state = world.signals.get(key) if key is not None else None
    if state is None or not red_at(state, movement, world, 0.0, right_on_red):
        return False
    return to_line <= 0.0 or required_deceleration(view.speed_mps, to_line, reaction_s) <= most_decel_mps2
