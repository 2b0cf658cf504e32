from __future__ import annotations

from typing import NamedTuple

from wayside.sim._crossing import Turn
from wayside.sim.corridor._places import BIKE_LANE, FIRST_VEHICLE_LANE, Junction, Side


class Link(NamedTuple):
    """A connection of two lanes over a crossing, by which leg it comes and leaves."""

    junction: Junction
    side: Side
    out_side: Side
    from_lane: int
    to_lane: int
    turn: Turn


def out_side(side: Side, turn: Turn) -> Side:
    """Leg on which a movement from a leg leaves."""
    return list(Side)[(side.number + {Turn.LEFT: 1, Turn.STRAIGHT: 2, Turn.RIGHT: 3}[turn]) % 4]


def links(junction: Junction) -> list[Link]:
    """All connections of a crossing, motor vehicles and bicycles.

    With three lanes the innermost turns left where it can, the others go straight, the outermost also right.
    Where there is no way straight on, the inner lane turns left and the outer right.
    """
    out: list[Link] = []
    for side, leg in junction.legs.items():
        inner = FIRST_VEHICLE_LANE + leg.lanes - 1
        for turn in Turn:
            target = out_side(side, turn)
            if target not in junction.legs:
                continue
            last = FIRST_VEHICLE_LANE + junction.legs[target].lanes - 1
            if turn is Turn.LEFT:
                out.append(Link(junction, side, target, inner, last, turn))
            elif turn is Turn.RIGHT:
                out.append(Link(junction, side, target, FIRST_VEHICLE_LANE, FIRST_VEHICLE_LANE, turn))
                out.append(Link(junction, side, target, BIKE_LANE, BIKE_LANE, turn))
            else:
                left_too = out_side(side, Turn.LEFT) in junction.legs
                for lane in range(FIRST_VEHICLE_LANE, inner if left_too else inner + 1):
                    out.append(Link(junction, side, target, lane, lane, turn))
                out.append(Link(junction, side, target, BIKE_LANE, BIKE_LANE, turn))
    return out


def group_of(side: Side, turn: Turn) -> int:
    """Signal group that governs a movement."""
    return side.left_group if turn is Turn.LEFT else side.through_group


def walk_group(junction: Junction, side: Side) -> int:
    """Signal group that people who cross a leg walk with: straight traffic that runs beside them."""
    for step in (1, 3):
        beside = list(Side)[(side.number + step) % 4]
        if beside in junction.legs:
            return beside.through_group
    raise ValueError(f"nothing runs beside the {side} leg of {junction.node}")
