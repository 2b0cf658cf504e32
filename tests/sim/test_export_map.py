"""The exported MAP of both families: current, readable, and true to the crossing."""

from __future__ import annotations

from pathlib import Path

import pytest

from wayside.asn1 import load
from wayside.asn1.messages import Direction, LaneKind, RoadMap
from wayside.asn1.translate import CSAE53_2020, J2735_2024, to_message
from wayside.clock import VirtualClock
from wayside.sim import export_map
from wayside.sim._crossing import Crossing, RouteKey, Turn, lane_id
from wayside.sim._road_map import CROSSING_ID, NEIGHBOUR_IDS

FOLDER = Path(__file__).parents[2] / "deploy" / "demo" / "maps"


def committed(dialect: str) -> RoadMap:
    data = bytes.fromhex((FOLDER / f"haihe-{dialect}.hex").read_text())
    message = to_message(dialect, load(dialect).decode(data), near=VirtualClock().utc()).message
    assert isinstance(message, RoadMap)
    return message


def test_committed_maps_are_what_the_exporter_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export_map.main(["--folder", str(tmp_path)]) == 0
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {path.name for path in FOLDER.iterdir()}
    for name in names:
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes(), f"{name} is stale"
    assert "octets" in capsys.readouterr().out


def test_j2735_map_has_every_lane_and_way() -> None:
    (node,) = committed(J2735_2024).intersections
    assert node.id == CROSSING_ID
    lanes = {lane.lane_id: lane for lane in node.lanes}
    assert len(lanes) == len(node.lanes) == 4 * 8
    assert (
        sum(lane.direction is Direction.INGRESS and lane.kind is LaneKind.VEHICLE for lane in node.lanes)
        == 12
    )
    crossing = Crossing()
    for route in crossing.routes.values():
        start, end = lanes[route.lane_ids[0]], lanes[route.lane_ids[1]]
        (connection,) = [c for c in start.connections if c.lane_id == end.lane_id]
        assert connection.signal_group == route.group
        stop = crossing.plane.to_xy(start.points[-1].lat_deg, start.points[-1].lon_deg)
        assert stop == pytest.approx(route.line.point_at(route.stop_m), abs=0.03)
        merge = crossing.plane.to_xy(end.points[0].lat_deg, end.points[0].lon_deg)
        assert merge == pytest.approx(route.line.point_at(route.merge_m), abs=0.03)
    assert node.speed_limits[0].speed_mps == pytest.approx(60 / 3.6, abs=0.011)


def test_csae_map_names_nodes_beyond_one_octet_and_lanes_per_link() -> None:
    road_map = committed(CSAE53_2020)
    nodes = {node.id: node for node in road_map.intersections}
    assert set(nodes) == {CROSSING_ID, *NEIGHBOUR_IDS}
    assert all(node.id > 255 and node.region == 12 for node in nodes)
    centre = nodes[CROSSING_ID]
    for leg, neighbour in enumerate(NEIGHBOUR_IDS):
        link = [lane for lane in centre.lanes if lane.upstream == neighbour]
        assert sorted(lane.lane_id for lane in link) == [1, 2, 3, 4, 5]
        assert all(lane.lane_id <= 15 for lane in link), "an RSI can name lanes 1 to 15"
        leaving = [lane for lane in nodes[neighbour].lanes if lane.upstream == CROSSING_ID]
        assert [lane.kind for lane in leaving] == [LaneKind.VEHICLE, LaneKind.VEHICLE, LaneKind.BIKE]
        left = next(lane for lane in link if lane.lane_id == 1)
        (connection,) = left.connections
        assert connection.remote == NEIGHBOUR_IDS[(leg + 1) % 4]
        assert connection.signal_group == 2 * leg + 1


def test_both_families_mean_the_same_place() -> None:
    crossing = Crossing()
    (american,) = committed(J2735_2024).intersections
    chinese = next(n for n in committed(CSAE53_2020).intersections if n.id == CROSSING_ID)
    route = crossing.routes[RouteKey(3, 2, Turn.STRAIGHT)]
    a = next(lane for lane in american.lanes if lane.lane_id == lane_id(3, "ingress", 2))
    b = next(lane for lane in chinese.lanes if lane.lane_id == 2 and lane.upstream == NEIGHBOUR_IDS[3])
    for point_a, point_b in zip(a.points, b.points, strict=True):
        here = crossing.plane.to_xy(point_a.lat_deg, point_a.lon_deg)
        there = crossing.plane.to_xy(point_b.lat_deg, point_b.lon_deg)
        assert here == pytest.approx(there, abs=0.05)
    assert here == pytest.approx(route.line.point_at(route.stop_m), abs=0.05)
