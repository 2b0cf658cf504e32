from __future__ import annotations

from wayside.asn1.geometry import Movement
from wayside.asn1.messages import Light, Maneuver
from wayside.mec.world import SignalNow, World

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
