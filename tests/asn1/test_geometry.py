"""Lanes and movements on the local plane."""

import itertools
import json
import math
import timeit
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayside.asn1 import load
from wayside.asn1.geometry import (
    CARRIAGEWAY,
    DEFAULT_WIDTH_M,
    VEHICLE,
    LaneKey,
    RoadGeometry,
    Skipped,
)
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
from wayside.asn1.translate import to_message, to_wire
from wayside.clock import UtcNs
from wayside.geo import LocalPlane, wrap_rad

PLANE = LocalPlane(39.0, 117.3)
HERE = IntersectionId(10)
NEXT = IntersectionId(11)
NEAR = UtcNs(1_773_993_600_000_000_000)
VECTORS = Path(__file__).parents[1] / "vectors"
EAST, NORTH, WEST, SOUTH = 0.0, math.pi / 2, math.pi, -math.pi / 2


def at(x_m: float, y_m: float) -> Position:
    return Position(*PLANE.to_lat_lon(x_m, y_m))


def lane(number: int, direction: Direction, *points: tuple[float, float], **changes: Any) -> Lane:
    fields = {"lane_id": number, "kind": LaneKind.VEHICLE, "direction": direction}
    return Lane(**(fields | {"points": tuple(at(x, y) for x, y in points)} | changes))


def crossing() -> RoadMap:
    """A crossing of two roads: from the west straight on, left and right; a crosswalk over the east arm."""
    ways = (
        Connection(2, None, (), 5),
        Connection(3, None, (Maneuver.LEFT,), 6),
        Connection(4, None, (), 5),
    )
    lanes = (
        lane(1, Direction.INGRESS, (-150, -2), (-60, -2), (-12, -2), connections=ways),
        lane(2, Direction.EGRESS, (12, -2), (150, -2), speed_limits=(SpeedLimit("vehicleMaxSpeed", 13.9),)),
        lane(3, Direction.EGRESS, (2, 12), (2, 120), width_m=3.0),
        lane(4, Direction.EGRESS, (-2, -12), (-2, -120)),
        lane(5, Direction.INGRESS, (150, 2), (12, 2)),
        lane(6, Direction.BOTH, (14, -10), (14, 10), kind=LaneKind.CROSSWALK, width_m=4.0),
        lane(7, Direction.BOTH, (-150, -6), (-20, -6), kind=LaneKind.SIDEWALK),
    )
    limits = (SpeedLimit("vehicleMinSpeed", 5.0), SpeedLimit("vehicleMaxSpeed", 16.7))
    return RoadMap(1, (Intersection(HERE, at(0, 0), lanes, width_m=3.5, speed_limits=limits),))


@pytest.fixture(name="road")
def road_fixture() -> RoadGeometry:
    return RoadGeometry.from_map(crossing(), PLANE)


def key(number: int) -> LaneKey:
    return LaneKey("0-10", number)


def test_a_lane_key_prints_as_intersection_and_lane() -> None:
    assert str(key(3)) == "0-10/3"
    assert str(LaneKey.of(IntersectionId(10, 1), 3, IntersectionId(9, 1))) == "1-9>1-10/3"
    assert {key(3): 1}[LaneKey("0-10", 3)] == 1


def test_lanes_have_their_stop_line_width_and_limit(road: RoadGeometry) -> None:
    first = road.lanes[key(1)]
    assert first.stop_line == pytest.approx((-12, -2), abs=0.01)
    assert first.stop_yaw_rad == pytest.approx(EAST, abs=1e-3)
    assert (first.width_m, first.speed_limit_mps) == (3.5, 16.7)
    assert road.lanes[key(2)].stop_line is None
    assert road.lanes[key(2)].speed_limit_mps == 13.9
    assert road.lanes[key(3)].width_m == 3.0
    bare = RoadGeometry.from_map(
        RoadMap(1, (Intersection(HERE, at(0, 0), crossing().intersections[0].lanes),)), PLANE
    )
    assert bare.lanes[key(1)].width_m == DEFAULT_WIDTH_M[LaneKind.VEHICLE]
    assert bare.lanes[key(7)].width_m == DEFAULT_WIDTH_M[LaneKind.SIDEWALK]
    assert bare.lanes[key(1)].speed_limit_mps is None


# -- match --------------------------------------------------------------------------------------------


def test_a_point_on_a_lane_is_matched_with_its_distances(road: RoadGeometry) -> None:
    found = road.match(-52, -1.5, EAST)
    assert found is not None
    assert found.lane is road.lanes[key(1)]
    assert found.along_m == pytest.approx(98, abs=0.1)
    assert found.across_m == pytest.approx(0.5, abs=0.02)
    assert found.to_stop_m == pytest.approx(40, abs=0.1)
    assert found.confidence == pytest.approx(1.0, abs=0.01)


def test_the_distance_to_the_stop_line_goes_negative_past_it(road: RoadGeometry) -> None:
    found = road.match(-11.4, -2, EAST)
    assert found is not None
    assert found.to_stop_m == pytest.approx(-0.6, abs=0.02)
    assert road.match(-10, -2, EAST) is None


def test_an_egress_lane_has_no_stop_line(road: RoadGeometry) -> None:
    found = road.match(50, -2, EAST)
    assert found is not None
    assert found.to_stop_m is None


def test_the_direction_of_travel_chooses_between_lanes_side_by_side(road: RoadGeometry) -> None:
    east, west = road.match(50, 0.2, EAST), road.match(50, -0.2, WEST)
    assert east is not None and west is not None
    assert (east.lane.key, west.lane.key) == (key(2), key(5))
    unsure = road.match(50, 0.2)
    assert unsure is not None
    assert unsure.lane.key == key(5)
    assert unsure.confidence < 0.7


def test_a_vehicle_against_the_traffic_matches_no_lane_of_that_direction(road: RoadGeometry) -> None:
    assert road.match(-52, -2, WEST) is None
    assert road.match(-52, -2) is not None


def test_kinds_narrow_the_search_and_two_way_lanes_go_both_ways(road: RoadGeometry) -> None:
    assert road.match(14, 5, NORTH) is None
    for yaw in (NORTH, SOUTH):
        found = road.match(14, 5, yaw, (LaneKind.CROSSWALK,))
        assert found is not None and found.lane.key == key(6)
    assert road.match(-100, -6, EAST, {LaneKind.SIDEWALK, LaneKind.VEHICLE}) is not None


def test_a_point_off_every_lane_matches_none(road: RoadGeometry) -> None:
    assert road.match(500, 500) is None
    assert road.match(-52, 20) is None


@given(st.lists(st.tuples(st.floats(-160, 160), st.floats(-30, 30), st.floats(-3.2, 3.2)), max_size=20))
def test_many_points_match_as_each_alone(points: list[tuple[float, float, float]]) -> None:
    road = RoadGeometry.from_map(crossing(), PLANE)
    array = np.array(points, dtype=np.float64).reshape(-1, 3)
    many = road.match_many(array[:, :2], array[:, 2])
    for i, (x, y, yaw) in enumerate(points):
        one = road.match(x, y, yaw)
        if one is None:
            assert many.lane[i] == -1 and math.isnan(many.to_stop_m[i])
            continue
        assert road.order[many.lane[i]] == one.lane.key
        assert many.along_m[i] == pytest.approx(one.along_m)
        assert many.across_m[i] == pytest.approx(one.across_m)
        assert many.confidence[i] == pytest.approx(one.confidence)
        assert many.to_stop_m[i] == pytest.approx(
            one.to_stop_m if one.to_stop_m is not None else math.nan, nan_ok=True
        )


def test_an_unknown_yaw_among_many_is_not_a_number(road: RoadGeometry) -> None:
    xy = np.array([(-52.0, -2.0), (-52.0, -2.0)])
    found = road.match_many(xy, np.array([WEST, math.nan]))
    assert found.lane.tolist() == [-1, road.order.index(key(1))]


@given(st.floats(0, 138), st.floats(-1.7, 1.7))
def test_a_match_agrees_with_the_projection_on_its_lane(along: float, across: float) -> None:
    road = RoadGeometry.from_map(crossing(), PLANE)
    line = road.lanes[key(1)].polyline
    x, y = line.point_at(along)
    found = road.match(x, y + across, EAST)
    assert found is not None
    exact = line.project(x, y + across)
    assert found.along_m == pytest.approx(exact.along_m, abs=1e-6)
    assert found.across_m == pytest.approx(exact.across_m, abs=1e-6)


# -- movements ----------------------------------------------------------------------------------------


def test_every_connection_is_a_smooth_path_from_stop_line_to_target_lane(road: RoadGeometry) -> None:
    assert [str(m.key) for m in road.movements] == [f"0-10/1->0-10/{n}" for n in (2, 3, 4)]
    for movement in road.movements:
        target = road.lanes[movement.to_lane]
        assert movement.path.points[0] == pytest.approx((-12, -2), abs=0.01)
        assert movement.path.points[-1] == pytest.approx(target.polyline.points[0], abs=0.01)
        steps = np.diff(movement.path.points, axis=0)
        yaws = np.arctan2(steps[:, 1], steps[:, 0])
        assert abs(wrap_rad(float(yaws[0]))) < 0.15
        assert abs(wrap_rad(float(yaws[-1]) - target.polyline.yaw_at(0.0))) < 0.15
        assert all(abs(wrap_rad(float(b - a))) < 0.25 for a, b in itertools.pairwise(yaws))


def test_manoeuvres_are_as_stated_else_told_by_the_turn(road: RoadGeometry) -> None:
    assert [m.maneuver for m in road.movements] == [Maneuver.STRAIGHT, Maneuver.LEFT, Maneuver.RIGHT]
    back = Connection(2, None)
    lanes = (
        lane(1, Direction.INGRESS, (-100, -2), (-12, -2), connections=(back,)),
        lane(2, Direction.EGRESS, (-12, 2), (-100, 2)),
    )
    (movement,) = RoadGeometry.from_map(RoadMap(1, (Intersection(HERE, at(0, 0), lanes),)), PLANE).movements
    assert movement.maneuver is Maneuver.U_TURN


def test_a_quarter_turn_is_nearly_an_arc_of_a_circle(road: RoadGeometry) -> None:
    left = road.movements[1].path.points
    distances = np.hypot(left[:, 0] + 12, left[:, 1] - 12)
    assert distances == pytest.approx(14.0, abs=0.05)


def test_movements_carry_their_group_and_are_found_by_lane_key_and_place(road: RoadGeometry) -> None:
    assert [m.signal_group for m in road.movements_from(key(1))] == [5, 6, 5]
    assert road.movements_from(key(2)) == ()
    assert road.signal_groups_of(key(1)) == (5, 6)
    assert road.signal_groups_of(LaneKey("9-9", 1)) == ()
    movement = road.movements[1]
    assert road.movement_of[movement.key] is movement
    assert movement.width_m == 3.0
    x, y = movement.path.point_at(15.0)
    found = road.match_movement(x, y, movement.path.yaw_at(15.0))
    assert found is not None and found.movement is movement
    assert found.along_m == pytest.approx(15.0, abs=0.01)
    assert road.match_movement(300, 300) is None


def test_the_carriageway_is_lanes_paths_and_crosswalks_not_sidewalks(road: RoadGeometry) -> None:
    assert road.on_carriageway(-52, -2)
    assert road.on_carriageway(0, -2)
    assert road.on_carriageway(14, 8)
    assert not road.on_carriageway(-100, -6)
    assert not road.on_carriageway(-52, -4)
    assert road.on_carriageway(-52, -4, margin_m=0.5)
    xy = np.array([(-52.0, -2.0), (-100.0, -6.0), (500.0, 0.0)])
    assert road.on_carriageway_many(xy).tolist() == [True, False, False]
    assert LaneKind.SIDEWALK not in CARRIAGEWAY and VEHICLE <= CARRIAGEWAY


@given(st.floats(-160, 160), st.floats(-130, 130), st.floats(0, 3))
def test_the_carriageway_is_the_same_for_one_point_and_for_many(x: float, y: float, margin: float) -> None:
    road = RoadGeometry.from_map(crossing(), PLANE)
    assert road.on_carriageway(x, y, margin) == bool(road.on_carriageway_many(np.array([(x, y)]), margin)[0])


def test_the_outline_of_a_crosswalk_is_its_area(road: RoadGeometry) -> None:
    corners = road.lanes[key(6)].outline()
    assert corners == pytest.approx(np.array([(12, -10), (12, 10), (16, 10), (16, -10)]), abs=0.02)


# -- CSAE ---------------------------------------------------------------------------------------------


def test_csae_lanes_are_told_apart_by_their_link_and_lead_over_to_the_next_node() -> None:
    north, west = IntersectionId(20), IntersectionId(21)
    ahead = (Connection(1, NEXT, (), 3),)
    into_here = (
        lane(1, Direction.INGRESS, (-100, -2), (-12, -2), upstream=west, connections=ahead),
        lane(
            1,
            Direction.INGRESS,
            (-2, 100),
            (-2, 12),
            upstream=north,
            connections=(Connection(None, NEXT, (), 4),),
        ),
    )
    into_next = (
        lane(1, Direction.INGRESS, (12, -2), (288, -2), upstream=HERE),
        lane(2, Direction.INGRESS, (12, -5.5), (288, -5.5), upstream=HERE),
    )
    road_map = RoadMap(
        1, (Intersection(HERE, at(0, 0), into_here), Intersection(NEXT, at(300, 0), into_next))
    )
    road = RoadGeometry.from_map(road_map, PLANE)
    assert [str(k) for k in road.lanes] == ["0-21>0-10/1", "0-20>0-10/1", "0-10>0-11/1", "0-10>0-11/2"]
    assert [str(m.key) for m in road.movements] == ["0-21>0-10/1->0-10>0-11/1", "0-20>0-10/1->0-10>0-11/1"]
    assert [m.maneuver for m in road.movements] == [Maneuver.STRAIGHT, Maneuver.LEFT]
    assert [m.signal_group for m in road.movements] == [3, 4]
    assert road.skipped == ()


# -- maps as they come --------------------------------------------------------------------------------


def test_what_is_broken_is_skipped_with_a_reason_and_the_rest_stands() -> None:
    lanes = (
        lane(
            1,
            Direction.INGRESS,
            (-100, -2),
            (-12, -2),
            connections=(Connection(9), Connection(3), Connection(3)),
        ),
        lane(1, Direction.INGRESS, (-100, -9), (-12, -9)),
        lane(2, Direction.EGRESS, (12, -2)),
        lane(3, Direction.EGRESS, (12, -2), (100, -2)),
        lane(4, Direction.EGRESS, (5, 5), (5, 5), (5, 5)),
        lane(5, Direction.INGRESS, (100, 2), (12, 2), connections=(Connection(6),)),
        lane(6, Direction.EGRESS, (12, 2), (-100, 2)),
        lane(7, Direction.INGRESS),
    )
    road = RoadGeometry.from_map(RoadMap(1, (Intersection(HERE, at(0, 0), lanes),)), PLANE)
    assert list(road.lanes) == [key(n) for n in (1, 3, 5, 6)]
    assert [str(m.key) for m in road.movements] == ["0-10/1->0-10/3"]
    assert set(road.skipped) == {
        Skipped("0-10/1", "another lane has this number"),
        Skipped("0-10/2", "fewer than two distinct points"),
        Skipped("0-10/4", "fewer than two distinct points"),
        Skipped("0-10/7", "fewer than two distinct points"),
        Skipped("0-10/1 to 0-10/9", "the target lane is not in the map"),
        Skipped("0-10/1 to 0-10/3", "stated twice"),
        Skipped("0-10/5 to 0-10/6", "no room between stop line and target lane"),
    }


def test_an_empty_map_is_an_empty_road() -> None:
    road = RoadGeometry.from_map(RoadMap(1, ()), PLANE)
    assert road.match(0, 0) is None
    assert road.match_movement(0, 0) is None
    assert not road.on_carriageway(0, 0)
    assert road.match_many(np.zeros((3, 2))).lane.tolist() == [-1, -1, -1]
    assert road.to_geojson()["features"] == []


def test_a_lane_that_is_only_led_into_is_an_egress_lane_whatever_the_map_states() -> None:
    lanes = (
        lane(1, Direction.INGRESS, (-100, -2), (-12, -2), connections=(Connection(2), Connection(3))),
        lane(2, Direction.INGRESS, (100, -2), (12, -2)),
        lane(3, Direction.NONE, (2, 12), (2, 100)),
    )
    road = RoadGeometry.from_map(RoadMap(1, (Intersection(HERE, at(0, 0), lanes),)), PLANE)
    assert [entry.where for entry in road.repaired] == ["0-10/2", "0-10/3"]
    assert all(road.lanes[key(n)].direction is Direction.EGRESS for n in (2, 3))
    found = road.match(50, -2, EAST)
    assert found is not None and found.lane.key == key(2)
    assert [m.maneuver for m in road.movements] == [Maneuver.STRAIGHT, Maneuver.LEFT]


def real_maps() -> list[Any]:
    found = []
    for i, entry in enumerate(json.loads((VECTORS / "j2735.json").read_text("utf-8"))):
        if entry["message"] == "MapData":
            value = load("j2735-2024").decode(bytes.fromhex(entry["hex"]))
            found.append(pytest.param(to_message("j2735-2024", value, near=NEAR).message, id=f"j2735-{i}"))
    return found


def built(road_map: RoadMap) -> RoadGeometry:
    reference = road_map.intersections[0].reference
    return RoadGeometry.from_map(road_map, LocalPlane(reference.lat_deg, reference.lon_deg))


@pytest.mark.parametrize("road_map", real_maps())
def test_real_maps_have_lanes_that_match_themselves(road_map: RoadMap) -> None:
    road = built(road_map)
    assert road.lanes
    for lane_key, item in road.lanes.items():
        if item.kind is not LaneKind.VEHICLE:
            continue
        middle = item.polyline.length_m / 2
        x, y = item.polyline.point_at(middle)
        found = road.match(x, y, item.polyline.yaw_at(middle))
        assert found is not None
        if found.confidence > 0.9:
            assert found.lane.key == lane_key
            assert found.along_m == pytest.approx(middle, abs=0.01)


@pytest.mark.parametrize("road_map", [p for p in real_maps() if p.id != "j2735-39"])
def test_movements_of_real_maps_stay_inside_the_intersection(road_map: RoadMap) -> None:
    road = built(road_map)
    assert len(road.movements) >= 10
    for movement in road.movements:
        assert movement.path.length_m < 100
        assert movement.signal_group is None or 1 <= movement.signal_group <= 255


def test_a_map_that_crossed_the_families_has_the_same_movements() -> None:
    road_map = real_maps()[0].values[0]
    assert isinstance(road_map, RoadMap)
    value = to_wire("csae53-2020", road_map).value
    carried = to_message("csae53-2020", value, near=NEAR).message
    assert isinstance(carried, RoadMap)
    before, after = built(road_map), built(carried)
    assert [(m.maneuver, m.signal_group) for m in after.movements] == [
        (m.maneuver, m.signal_group) for m in before.movements
    ]
    for a, b in zip(after.movements, before.movements, strict=True):
        assert a.path.length_m == pytest.approx(b.path.length_m, abs=0.1)


def test_geojson_has_longitude_first_to_seven_digits(road: RoadGeometry) -> None:
    collection = road.to_geojson(PLANE)
    assert collection["type"] == "FeatureCollection"
    first = collection["features"][0]
    assert first["properties"] == {
        "lane": "0-10/1",
        "kind": "vehicle",
        "direction": "ingress",
        "width_m": 3.5,
        "speed_limit_mps": 16.7,
        "signal_groups": [5, 6],
    }
    assert first["geometry"]["type"] == "LineString"
    lon, lat = first["geometry"]["coordinates"][-1]
    assert PLANE.to_xy(lat, lon) == pytest.approx((-12, -2), abs=0.01)
    assert (lon, lat) == (round(lon, 7), round(lat, 7))
    assert json.loads(json.dumps(collection)) == collection
    assert road.to_geojson() == collection


def test_a_match_among_64_lanes_is_fast() -> None:
    lanes = tuple(
        lane(n, Direction.INGRESS, *((x, 3.5 * n) for x in range(-300, -9, 40))) for n in range(1, 65)
    )
    road = RoadGeometry.from_map(RoadMap(1, (Intersection(HERE, at(0, 0), lanes),)), PLANE)
    best = min(timeit.repeat(lambda: road.match(-50.0, 70.0, EAST), number=50, repeat=20)) / 50
    assert best < 500e-6
