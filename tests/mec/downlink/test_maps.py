from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import Any

import msgspec
import pytest

from wayside.asn1 import load
from wayside.asn1.messages import (
    Direction,
    Intersection,
    IntersectionId,
    Lane,
    LaneKind,
    Position,
    RoadMap,
)
from wayside.asn1.translate import to_message
from wayside.clock import UtcNs
from wayside.mec.downlink import DownlinkReason, DownlinkRules, Downlinks
from wayside.mec.downlink._maps import find_neighbours
from wayside.observe import Counters

CSAE, J2735 = "csae53-2020", "j2735-2024"
DEGREE_M = 111_195.0


def crossing(number: int, x_m: float, name: str = "") -> Intersection:
    """A crossing on a road to the east, 200 m to the next one, with lanes of 100 m."""

    def at(offset_m: float, north_m: float = 0.0) -> Position:
        return Position(north_m / DEGREE_M, (x_m + offset_m) / DEGREE_M)

    def lane(lane_id: int, direction: Direction, approach: int, *points: Position) -> Lane:
        return Lane(lane_id, LaneKind.VEHICLE, direction, points, 3.5, approach=approach)

    lanes = (
        lane(1, Direction.INGRESS, 1, at(-100), at(-10)),
        lane(2, Direction.EGRESS, 2, at(10), at(100)),
        lane(3, Direction.INGRESS, 2, at(100, 4), at(10, 4)),
        lane(4, Direction.EGRESS, 1, at(-10, 4), at(-100, 4)),
    )
    return Intersection(IntersectionId(number, 12), at(0), lanes, name)


ROAD = RoadMap(0, (crossing(1, 0.0), crossing(2, 200.0), crossing(3, 400.0)))


def downlinks(
    road: RoadMap | None, *dialects: str, counters: Counters | None = None, **rules: Any
) -> Downlinks:
    return Downlinks(
        Position(0.0, 0.0),
        dialects or (CSAE, J2735),
        b"\0" * 8,
        counters or Counters(),
        Random(7),
        DownlinkRules(**rules),
        road_map=road,
    )


def maps(found: list[Any]) -> list[Any]:
    return [one for one in found if one.message_name == "MAP"]


def test_each_intersection_goes_out_in_each_dialect_at_least_once_a_second(scene: Any) -> None:
    sender = downlinks(ROAD)
    at: dict[str, list[float]] = {}
    for step in range(50):
        scene.advance(0.1)
        for one in maps(sender.step(scene.world((), None), ())):
            at.setdefault(one.key, []).append(step / 10)
            assert one.ttl_ms < 800
    assert sorted(at) == sorted(f"{dialect}/map/12-{n}" for dialect in (CSAE, J2735) for n in (1, 2, 3))
    for times in at.values():
        assert max(b - a for a, b in pairwise(times)) <= 1.0


def test_a_map_says_its_intersection_and_stays_the_same_until_it_changes(scene: Any) -> None:
    scene.advance(0.1)
    first = {one.key: one for one in maps(downlinks(ROAD).step(scene.world((), None), ()))}
    scene.advance(60.0)
    again = {one.key: one.uper for one in maps(downlinks(ROAD).step(scene.world((), None), ()))}
    assert again == {key: one.uper for key, one in first.items()}
    moved = msgspec.structs.replace(
        ROAD, intersections=(crossing(1, 0.0), crossing(2, 200.5), crossing(3, 400.0))
    )
    changed = {one.key: one.uper for one in maps(downlinks(moved).step(scene.world((), None), ()))}
    assert {key for key in changed if changed[key] != again[key]} >= {f"{CSAE}/map/12-2", f"{J2735}/map/12-2"}
    for one in first.values():
        message = to_message(one.dialect, load(one.dialect).decode(one.uper), near=UtcNs(scene.now)).message
        assert isinstance(message, RoadMap)
        assert message.utc_ns is None
        assert IntersectionId(int(one.key[-1]), 12) in {node.id for node in message.intersections}


def test_neighbours_are_told_by_where_their_approaches_point() -> None:
    one, two, three = (IntersectionId(n, 12) for n in (1, 2, 3))
    assert find_neighbours(ROAD) == {(one, 2): two, (two, 1): one, (two, 2): three, (three, 1): two}
    apart = RoadMap(0, (crossing(1, 0.0), crossing(2, 1_600.0)))
    assert find_neighbours(apart) == {}
    aside = msgspec.structs.replace(
        crossing(2, 200.0), reference=Position(100.0 / DEGREE_M, 200.0 / DEGREE_M)
    )
    assert find_neighbours(RoadMap(0, (crossing(1, 0.0), aside))) == {}
    lost = [part for dialect in maps_lost(ROAD) for part in dialect]
    assert not [part for part in lost if part.startswith("neighbour of 12-2")]
    assert [part for part in lost if part.startswith("neighbour of 12-1")]


def maps_lost(road: RoadMap) -> list[tuple[str, ...]]:
    from wayside.mec.downlink._maps import encode_maps

    return [one.lost for one in encode_maps(road, CSAE, load(CSAE))[0]]


@pytest.mark.drops(DownlinkReason.ENCODE)
def test_a_map_that_a_dialect_cannot_carry_is_counted(scene: Any) -> None:
    counters = Counters()
    empty = msgspec.structs.replace(crossing(1, 0.0), lanes=())
    sender = downlinks(RoadMap(0, (empty, crossing(2, 200.0))), CSAE, counters=counters)
    assert counters.dropped(DownlinkReason.ENCODE) == 1
    scene.advance(0.1)
    assert [one.key for one in maps(sender.step(scene.world((), None), ()))] == [f"{CSAE}/map/12-2"]


def test_maps_go_on_while_the_clock_is_doubted_and_without_a_map_there_is_none(scene: Any) -> None:
    scene.advance(0.1)
    world = scene.world((), None, degraded=True)
    assert world.degraded and len(maps(downlinks(ROAD, CSAE).step(world, ()))) == 3
    assert not maps(downlinks(None, CSAE).step(world, ()))
