"""MAP of both families: direction, reference of the points, computed lanes, crossing."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from wayside.asn1 import load
from wayside.asn1.messages import (
    Connection,
    Direction,
    Intersection,
    IntersectionId,
    Lane,
    LaneKind,
    Maneuver,
    Position,
    RoadMap,
    SpeedLimit,
)
from wayside.asn1.translate import TranslateError, TranslateReason, to_message, to_wire
from wayside.clock import UtcNs
from wayside.geo import LocalPlane

CSAE, J2735 = "csae53-2020", "j2735-2024"
NEAR = UtcNs(1_773_993_600_000_000_000)
VECTORS = Path(__file__).parents[1] / "vectors"
A, B = IntersectionId(10, 1), IntersectionId(11, 1)
CENTRE = Position(39.0, 117.3, 2.0)
PLANE = LocalPlane(39.0, 117.3)


def at(x_m: float, y_m: float, elevation_m: float | None = 2.0) -> Position:
    lat, lon = PLANE.to_lat_lon(x_m, y_m)
    return Position(lat, lon, elevation_m)


def xy(position: Position) -> tuple[float, float]:
    return PLANE.to_xy(position.lat_deg, position.lon_deg)


def ingress(number: int = 1, **changes: Any) -> Lane:
    """Comes from the west and ends at the stop line 15 m west of the centre."""
    points = (at(-100, -2), at(-50, -2), at(-15, -2))
    return Lane(
        **(
            {"lane_id": number, "kind": LaneKind.VEHICLE, "direction": Direction.INGRESS, "points": points}
            | changes
        )
    )


def egress(number: int = 2, **changes: Any) -> Lane:
    """Begins 15 m east of the centre and leads away to the east."""
    points = (at(15, -2), at(60, -2), at(120, -4))
    return Lane(
        **(
            {"lane_id": number, "kind": LaneKind.VEHICLE, "direction": Direction.EGRESS, "points": points}
            | changes
        )
    )


def road(*lanes: Lane, **changes: Any) -> RoadMap:
    return RoadMap(3, (Intersection(**({"id": A, "reference": CENTRE, "lanes": lanes} | changes)),))


def again(dialect: str, message: RoadMap, **options: Any) -> RoadMap:
    octets = load(dialect).encode(to_wire(dialect, message, **options).value)
    found = to_message(dialect, load(dialect).decode(octets), near=NEAR).message
    assert isinstance(found, RoadMap)
    return found


def lane_set(message: RoadMap) -> list[dict[str, Any]]:
    lanes: list[dict[str, Any]] = to_wire(J2735, message).value["value"]["intersections"][0]["laneSet"]
    return lanes


def nodes(lane: dict[str, Any]) -> list[tuple[int, int]]:
    return [(n["delta"][1]["x"], n["delta"][1]["y"]) for n in lane["nodeList"][1]]


def real_maps() -> list[Any]:
    found = []
    for i, entry in enumerate(json.loads((VECTORS / "j2735.json").read_text("utf-8"))):
        if entry["message"] == "MapData" and "random" not in entry.get("notes", ""):
            value = load(J2735).decode(bytes.fromhex(entry["hex"]))
            found.append(pytest.param(to_message(J2735, value, near=NEAR).message, id=f"j2735-{i}"))
    return found


# -- direction ----------------------------------------------------------------------------------------


def test_j2735_ingress_lanes_run_away_from_the_stop_line_each_node_relative_to_the_one_before() -> None:
    lane = lane_set(road(ingress()))[0]
    assert nodes(lane) == [(-1500, -200), (-3500, 0), (-5000, 0)]
    assert lane["laneAttributes"]["directionalUse"] == (b"\x80", 2)


def test_j2735_egress_lanes_run_away_from_the_intersection_as_traffic_does() -> None:
    lane = lane_set(road(egress()))[0]
    assert nodes(lane) == [(1500, -200), (4500, 0), (6000, -200)]
    assert lane["laneAttributes"]["directionalUse"] == (b"\x40", 2)


def test_in_the_message_every_lane_is_in_driving_direction_whatever_the_family() -> None:
    for dialect in (J2735, CSAE):
        lanes = {
            lane.lane_id: lane
            for node in again(dialect, road(ingress(), egress())).intersections
            for lane in node.lanes
        }
        assert [round(xy(p)[0]) for p in lanes[1].points] == [-100, -50, -15]
        assert [round(xy(p)[0]) for p in lanes[2].points] == [15, 60, 120]


@pytest.mark.parametrize("message", real_maps())
def test_real_ingress_lanes_end_and_egress_lanes_begin_near_the_intersection(message: RoadMap) -> None:
    node = message.intersections[0]
    plane = LocalPlane(node.reference.lat_deg, node.reference.lon_deg)
    for lane in node.lanes:
        first, last = (
            math.hypot(*plane.to_xy(p.lat_deg, p.lon_deg)) for p in (lane.points[0], lane.points[-1])
        )
        if lane.direction is Direction.INGRESS:
            assert last < first
        elif lane.direction is Direction.EGRESS:
            assert first < last


def test_csae_points_are_offsets_from_the_node_longitude_first() -> None:
    node = to_wire(CSAE, road(ingress(points=(at(-1, 0), at(-0.5, 0))))).value[1]["nodes"][0]
    points = node["inLinks"][0]["lanes"][0]["points"]
    offsets = [p["posOffset"]["offsetLL"] for p in points]
    assert [name for name, _ in offsets] == ["position-LL1", "position-LL1"]
    assert [list(offset) for _, offset in offsets] == [["lon", "lat"], ["lon", "lat"]]
    assert offsets[1][1]["lon"] == round(offsets[0][1]["lon"] / 2)
    assert offsets[0][1]["lat"] == 0


def geometry(message: RoadMap) -> dict[tuple[IntersectionId, int], Lane]:
    return {(node.id, lane.lane_id): lane for node in message.intersections for lane in node.lanes}


def assert_same_places(found: Lane, expected: Lane, plane: LocalPlane) -> None:
    assert found.direction is expected.direction and found.kind is expected.kind
    assert len(found.points) == len(expected.points)
    for a, b in zip(found.points, expected.points, strict=True):
        dx, dy = (
            m - n
            for m, n in zip(plane.to_xy(a.lat_deg, a.lon_deg), plane.to_xy(b.lat_deg, b.lon_deg), strict=True)
        )
        assert math.hypot(dx, dy) < 0.1


@pytest.mark.parametrize("message", real_maps())
def test_a_real_j2735_map_comes_back_from_csae_in_place(message: RoadMap) -> None:
    node = message.intersections[0]
    plane = LocalPlane(node.reference.lat_deg, node.reference.lon_deg)
    carried = again(CSAE, message)
    assert all(lane.direction is not Direction.EGRESS for n in carried.intersections for lane in n.lanes)
    back = again(J2735, carried)
    assert [n.id for n in back.intersections] == [node.id]
    expected, found = geometry(message), geometry(back)
    assert found.keys() == expected.keys()
    for key, lane in expected.items():
        if lane.direction is Direction.NONE:  # One map has vehicle lanes of no direction; CSAE knows none.
            continue
        assert_same_places(found[key], lane, plane)
        # Some of these maps state lanes that are led into as ingress lanes: CSAE has no way to say so.
        groups = {
            (c.lane_id, c.signal_group)
            for c in lane.connections
            if c.remote is None and expected[(node.id, c.lane_id or 0)].direction is Direction.EGRESS
        }
        assert {(c.lane_id, c.signal_group) for c in found[key].connections} >= groups


def hand_made() -> RoadMap:
    """Two CSAE nodes 300 m apart with the link from A to B, and links into A from the west and the north."""
    west, north = IntersectionId(20, 1), IntersectionId(21, 1)
    through = Connection(1, B, (Maneuver.STRAIGHT,), 5)
    into_a = (
        Lane(
            1,
            LaneKind.VEHICLE,
            Direction.INGRESS,
            (at(-100, -2), at(-15, -2)),
            3.5,
            (Maneuver.STRAIGHT,),
            (through,),
            upstream=west,
        ),
        Lane(
            1,
            LaneKind.VEHICLE,
            Direction.INGRESS,
            (at(-2, 90), at(-2, 15)),
            3.25,
            (),
            (Connection(1, B, (Maneuver.LEFT,), 7),),
            upstream=north,
        ),
    )
    into_b = (
        Lane(
            1,
            LaneKind.VEHICLE,
            Direction.INGRESS,
            (at(15, -2), at(285, -2)),
            3.5,
            (),
            (),
            (SpeedLimit("vehicleMaxSpeed", 13.9),),
            upstream=A,
        ),
    )
    return RoadMap(9, (Intersection(A, CENTRE, into_a, "A"), Intersection(B, at(300, 0), into_b)))


def test_a_csae_map_survives_csae() -> None:
    assert_equal_maps(again(CSAE, hand_made()), hand_made())


def assert_equal_maps(found: RoadMap, expected: RoadMap) -> None:
    assert [n.id for n in found.intersections] == [n.id for n in expected.intersections]
    for a, b in zip(found.intersections, expected.intersections, strict=True):
        assert [(x.lane_id, x.upstream, x.connections, x.speed_limits, x.width_m) for x in a.lanes] == [
            (x.lane_id, x.upstream, x.connections, x.speed_limits, x.width_m) for x in b.lanes
        ]
        for x, y in zip(a.lanes, b.lanes, strict=True):
            assert_same_places(x, y, PLANE)


def test_a_csae_link_to_the_next_node_is_an_egress_lane_in_j2735() -> None:
    message = again(J2735, hand_made())
    (node,) = message.intersections
    by_direction = {d: [lane for lane in node.lanes if lane.direction is d] for d in Direction}
    (leaving,) = by_direction[Direction.EGRESS]
    assert [round(xy(p)[0]) for p in leaving.points] == [15, 285]
    west, north = by_direction[Direction.INGRESS]
    assert [round(xy(p)[0]) for p in west.points] == [-100, -15]
    assert west.connections == (Connection(leaving.lane_id, None, (Maneuver.STRAIGHT,), 5),)
    assert north.connections == (Connection(leaving.lane_id, None, (Maneuver.LEFT,), 7),)
    assert len({lane.lane_id for lane in node.lanes}) == 3
    assert [lane.approach for lane in node.lanes] == [1, 2, 3]


def test_lane_numbers_that_are_unique_in_a_link_only_are_renumbered_for_j2735_and_noted() -> None:
    lost = to_wire(J2735, hand_made()).lost
    assert "intersections[0].lanes[1].lane_id: 1 carried as 2" in lost
    assert "intersections[1].lanes[0].lane_id: 1 carried as 3" in lost


def test_the_caller_names_the_neighbours_else_a_node_stands_in_and_is_noted() -> None:
    message = road(ingress(approach=1, connections=(Connection(2),)), egress(approach=2))
    value, lost = to_wire(CSAE, message, neighbours={(A, 1): IntersectionId(20, 1), (A, 2): B})
    assert not any("stands in" in line for line in lost)
    assert [n["id"]["id"] for n in value[1]["nodes"]] == [10, 11]
    assert value[1]["nodes"][0]["inLinks"][0]["upstreamNodeId"] == {"region": 1, "id": 20}
    assert value[1]["nodes"][1]["inLinks"][0]["upstreamNodeId"] == {"region": 1, "id": 10}
    lost = to_wire(CSAE, message).lost
    assert "neighbour of 1-10 by egress 2: unknown, 1-65534 stands in" in lost


# -- nodes --------------------------------------------------------------------------------------------


def node_lane(*deltas: Any, lane_id: int = 1, **members: Any) -> dict[str, Any]:
    return {
        "laneID": lane_id,
        "laneAttributes": {
            "directionalUse": (b"\x40", 2),
            "sharedWith": (b"\0\0", 10),
            "laneType": ("vehicle", (b"\0", 8)),
        },
        "nodeList": ("nodes", [{"delta": delta} if isinstance(delta, tuple) else delta for delta in deltas]),
    } | members


def read_lanes(*lanes: dict[str, Any], **changes: Any) -> tuple[tuple[Lane, ...], tuple[str, ...]]:
    entry = {
        "id": {"id": 10},
        "revision": 1,
        "refPoint": {"lat": 390000000, "long": 1173000000, "elevation": 20},
        "laneWidth": 350,
        "laneSet": list(lanes),
    } | changes
    value = {"messageId": 18, "value": {"msgIssueRevision": 1, "intersections": [entry]}}
    found = to_message(J2735, value, near=NEAR)
    assert isinstance(found.message, RoadMap)
    return found.message.intersections[0].lanes, found.lost


STEP = ("node-XY3", {"x": 1000, "y": 0})


def test_an_absolute_node_stands_where_it_says_and_the_next_is_relative_to_it() -> None:
    place = at(50, 30)
    absolute = ("node-LatLon", {"lon": round(place.lon_deg * 1e7), "lat": round(place.lat_deg * 1e7)})
    ((lane,), lost) = read_lanes(node_lane(STEP, absolute, STEP))
    assert [pytest.approx(xy(p), abs=0.02) for p in lane.points] == [(10, 0), (50, 30), (60, 30)]
    assert not lost


def test_a_step_beyond_327_m_becomes_an_absolute_node() -> None:
    message = road(egress(points=(at(15, 0), at(500, 0), at(510, 0))))
    kinds = [node["delta"][0] for node in lane_set(message)[0]["nodeList"][1]]
    assert kinds == ["node-XY3", "node-LatLon", "node-XY2"]
    assert_same_places(
        again(J2735, message).intersections[0].lanes[0], message.intersections[0].lanes[0], PLANE
    )


@pytest.mark.parametrize(
    ("cm", "name"),
    (
        (511, "node-XY1"),
        (512, "node-XY2"),
        (1024, "node-XY3"),
        (2048, "node-XY4"),
        (4096, "node-XY5"),
        (8192, "node-XY6"),
        (-512, "node-XY1"),
        (-513, "node-XY2"),
    ),
)
def test_nodes_take_the_smallest_alternative_that_fits(cm: int, name: str) -> None:
    points = (at(0, 0), at(cm / 100, 0))
    assert lane_set(road(egress(points=points)))[0]["nodeList"][1][1]["delta"][0] == name


def test_rounding_does_not_add_up_along_a_lane_of_63_nodes() -> None:
    points = tuple(at(15 + 3.3333 * i, 0.0049 * i) for i in range(63))
    lane = again(J2735, road(egress(points=points))).intersections[0].lanes[0]
    for found, expected in zip(lane.points, points, strict=True):
        assert xy(found) == pytest.approx(xy(expected), abs=0.0075)


def test_elevations_add_up_from_the_reference() -> None:
    points = (at(15, 0, 2.5), at(30, 0, 3.0), at(45, 0, 2.0))
    lane = lane_set(road(egress(points=points)))[0]
    steps = [node.get("attributes", {}).get("dElevation") for node in lane["nodeList"][1]]
    assert steps == [5, 5, -10]
    found = again(J2735, road(egress(points=points))).intersections[0].lanes[0]
    assert [p.elevation_m for p in found.points] == [2.5, 3.0, 2.0]


def test_widths_and_limits_of_the_first_node_are_the_lanes_those_of_others_are_noted() -> None:
    first = {
        "delta": STEP,
        "attributes": {
            "dWidth": -50,
            "data": [("speedLimits", [{"type": "vehicleMaxSpeed", "speed": 695}]), ("laneAngle", 3)],
        },
    }
    later = {"delta": STEP, "attributes": {"dWidth": 10, "localNode": ["stopLine"]}}
    ((lane,), lost) = read_lanes(node_lane(first, later))
    assert lane.width_m == 3.0
    assert lane.speed_limits == (SpeedLimit("vehicleMaxSpeed", 13.9),)
    at_ = "intersections[0].lanes[0].nodes"
    assert set(lost) == {f"{at_}: dWidth", f"{at_}: localNode", f"{at_}: laneAngle of the first"}
    message = road(egress(width_m=3.0, speed_limits=lane.speed_limits), width_m=3.5)
    found = again(J2735, message).intersections[0]
    assert (found.width_m, found.lanes[0].width_m, found.lanes[0].speed_limits) == (
        3.5,
        3.0,
        lane.speed_limits,
    )


def computed(reference: int, x: Any, y: Any, lane_id: int, **members: int) -> dict[str, Any]:
    form = {"referenceLaneId": reference, "offsetXaxis": x, "offsetYaxis": y} | members
    return node_lane(lane_id=lane_id) | {"nodeList": ("computed", form)}


def test_a_computed_lane_is_its_reference_shifted() -> None:
    base = node_lane(STEP, STEP)
    shifted = computed(1, ("small", 0), ("large", -350), 2)
    lanes, lost = read_lanes(shifted, base)
    assert [pytest.approx(xy(p), abs=0.01) for p in lanes[0].points] == [(10, -3.5), (20, -3.5)]
    assert not lost


def test_a_computed_lane_is_stretched_and_turned_about_its_first_point() -> None:
    turned = computed(1, ("small", 0), ("small", 0), 2, rotateXY=90 * 80, scaleXaxis=2000)
    lanes, _ = read_lanes(node_lane(STEP, STEP), turned)
    assert [pytest.approx(xy(p), abs=0.01) for p in lanes[1].points] == [(10, 0), (10, -20)]


def test_computed_lanes_that_lead_in_a_circle_or_nowhere_have_no_points_and_are_named() -> None:
    lanes, lost = read_lanes(
        computed(2, ("small", 0), ("small", 0), 1),
        computed(1, ("small", 0), ("small", 0), 2),
        computed(99, ("small", 0), ("small", 0), 3),
        computed(5, ("small", 100), ("small", 0), 4),
        node_lane(STEP, STEP, lane_id=5),
    )
    assert [len(lane.points) for lane in lanes] == [0, 0, 0, 2, 2]
    assert [line for line in lost if "computed" in line] == [
        f"intersections[0].lanes[{i}].nodes: computed from a lane that has no place" for i in range(3)
    ]


@pytest.mark.parametrize(
    "delta",
    (
        ("regional", {"regionId": 3, "regExtValue": b"\0"}),
        ("node-LatLon", {"lon": 1800000001, "lat": 0}),
        (None, None),
    ),
)
def test_a_lane_with_a_node_that_has_no_place_keeps_its_connections(delta: Any) -> None:
    connects = [{"connectingLane": {"lane": 4}, "signalGroup": 9}]
    ((lane,), lost) = read_lanes(node_lane(STEP, delta, connectsTo=connects))
    assert lane.points == ()
    assert lane.connections == (Connection(4, None, (), 9),)
    assert lost == ("intersections[0].lanes[0].nodes: a node has no place",)


def test_a_kind_of_lane_without_a_name_is_nothing_to_drive_on() -> None:
    lane = node_lane(STEP, STEP)
    lane["laneAttributes"]["laneType"] = ("...", (9, b"\0"))
    ((found,), lost) = read_lanes(lane)
    assert found.kind is LaneKind.STRIPING
    assert "intersections[0].lanes[0].kind: unknown, taken for striping, which nothing drives on" in lost


# -- CSAE details -------------------------------------------------------------------------------------


def csae_map(link: dict[str, Any]) -> tuple[tuple[Lane, ...], tuple[str, ...]]:
    node = {
        "id": {"id": 10},
        "refPos": {"lat": 390000000, "long": 1173000000},
        "inLinks": [{"upstreamNodeId": {"id": 20}} | link],
    }
    found = to_message(CSAE, ("mapFrame", {"msgCnt": 1, "nodes": [node]}), near=NEAR)
    assert isinstance(found.message, RoadMap)
    return found.message.intersections[0].lanes, found.lost


def point(lon: int, lat: int) -> dict[str, Any]:
    return {"posOffset": {"offsetLL": ("position-LL3", {"lon": lon, "lat": lat})}}


def test_a_csae_lane_without_points_takes_those_of_its_link_and_says_so() -> None:
    ((lane,), lost) = csae_map({"points": [point(-9000, 0), point(-900, 0)], "lanes": [{"laneID": 1}]})
    assert [p.lon_deg for p in lane.points] == [117.2991, 117.29991]
    assert lost == ("nodes[0].inLinks[0].lanes[0].points: none, the link's are taken",)


def test_csae_movements_of_a_link_give_its_lanes_their_phases() -> None:
    movements = [{"remoteIntersection": {"id": 30}, "phaseId": 4}]
    points = [point(-9000, 0), point(-900, 0)]
    ((lane,), _) = csae_map({"movements": movements, "lanes": [{"laneID": 1, "points": points}]})
    assert lane.connections == (Connection(None, IntersectionId(30), (), 4),)
    own = [{"remoteIntersection": {"id": 30}, "connectingLane": {"lane": 2}}]
    ((lane,), _) = csae_map({"movements": movements, "lanes": [{"laneID": 1, "connectsTo": own}]})
    assert lane.connections == (Connection(2, IntersectionId(30), (), 4),)


def test_a_limit_of_a_csae_lane_overrides_that_of_its_link() -> None:
    limits = [{"type": "vehicleMaxSpeed", "speed": 500}]
    own = [{"type": "vehicleMaxSpeed", "speed": 250}]
    lanes, _ = csae_map({"speedLimits": limits, "lanes": [{"laneID": 1}, {"laneID": 2, "speedLimits": own}]})
    assert [lane.speed_limits[0].speed_mps for lane in lanes] == [10.0, 5.0]


def test_csae_lanes_of_more_than_31_points_are_thinned_and_that_is_noted() -> None:
    points = tuple(at(-200 + 4 * i, 3.0 * math.sin(i / 10)) for i in range(45))
    value, lost = to_wire(CSAE, road(ingress(points=points)))
    assert len(value[1]["nodes"][0]["inLinks"][0]["lanes"][0]["points"]) == 31
    (note,) = (line for line in lost if "thinned" in line)
    assert note.startswith("intersections[0].lanes[0].points: 45 points thinned to 31, up to 0.0")


def test_movements_and_points_of_a_link_are_written_for_receivers_that_read_no_lanes() -> None:
    link = to_wire(CSAE, hand_made()).value[1]["nodes"][0]["inLinks"][0]
    assert link["movements"] == [{"remoteIntersection": {"region": 1, "id": 11}, "phaseId": 5}]
    assert link["points"] == link["lanes"][0]["points"]


# -- refusals -----------------------------------------------------------------------------------------


@pytest.mark.drops(TranslateReason.MISSING)
@pytest.mark.parametrize("dialect", (CSAE, J2735))
def test_a_map_without_a_lane_is_refused(dialect: str) -> None:
    for message in (RoadMap(1, ()), road(), road(ingress(points=(at(0, 0),)))):
        with pytest.raises(TranslateError) as refused:
            to_wire(dialect, message)
        assert refused.value.reason is TranslateReason.MISSING


@pytest.mark.drops(TranslateReason.TOO_MANY)
@pytest.mark.parametrize("dialect", (CSAE, J2735))
def test_more_connections_than_the_list_holds_are_refused(dialect: str) -> None:
    many = tuple(Connection(n, B) for n in range(17))
    with pytest.raises(TranslateError) as refused:
        to_wire(dialect, road(ingress(connections=many, upstream=B)))
    assert refused.value.reason is TranslateReason.TOO_MANY


@pytest.mark.drops(TranslateReason.NO_POSITION)
def test_an_intersection_without_a_place_is_refused() -> None:
    with pytest.raises(TranslateError) as refused:
        read_lanes(node_lane(STEP, STEP), refPoint={"lat": 900000001, "long": 0})
    assert refused.value.reason is TranslateReason.NO_POSITION


@pytest.mark.drops(TranslateReason.OUT_OF_RANGE)
def test_a_place_near_a_pole_has_no_metric_offsets() -> None:
    with pytest.raises(TranslateError) as refused:
        to_wire(J2735, road(ingress(), reference=Position(88.0, 0.0)))
    assert refused.value.reason is TranslateReason.OUT_OF_RANGE


@pytest.mark.parametrize("kind", LaneKind)
@pytest.mark.parametrize("dialect", (CSAE, J2735))
def test_every_kind_of_lane_survives(dialect: str, kind: LaneKind) -> None:
    lane = again(dialect, road(ingress(kind=kind))).intersections[0].lanes[0]
    assert lane.kind is kind


@pytest.mark.parametrize("maneuver", Maneuver)
@pytest.mark.parametrize("dialect", (CSAE, J2735))
def test_every_manoeuvre_survives(dialect: str, maneuver: Maneuver) -> None:
    lane = ingress(maneuvers=(maneuver,), connections=(Connection(3, B, (maneuver,), 1),), upstream=B)
    found = again(dialect, road(lane)).intersections[0].lanes[0]
    assert found.maneuvers == (maneuver,)
    assert found.connections[0].maneuvers == (maneuver,)
