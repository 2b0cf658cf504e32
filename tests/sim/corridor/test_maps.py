"""MAP of the corridor in both families: current, whole, and the same road."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wayside.asn1 import load
from wayside.asn1.geometry import MovementKey, RoadGeometry
from wayside.asn1.messages import Intersection, LaneKind, Maneuver, RoadMap
from wayside.asn1.translate import CSAE53_2020, J2735_2024, to_message
from wayside.clock import UtcNs
from wayside.sim import export_map
from wayside.sim._crossing import Turn
from wayside.sim.corridor import JUNCTIONS, PLANE
from wayside.sim.corridor._movements import group_of, links
from wayside.sim.corridor._net import corridor_net
from wayside.sim.corridor._places import BIKE_LANE, edge_id

FOLDER = Path(__file__).parents[3] / "deploy" / "corridor" / "maps"
DIALECTS = (J2735_2024, CSAE53_2020)
_MANEUVERS = {Turn.LEFT: Maneuver.LEFT, Turn.STRAIGHT: Maneuver.STRAIGHT, Turn.RIGHT: Maneuver.RIGHT}


def committed(dialect: str) -> list[Intersection]:
    found: list[Intersection] = []
    for line in (FOLDER / f"tongyan-{dialect}.hex").read_text().split():
        message = to_message(dialect, load(dialect).decode(bytes.fromhex(line)), near=UtcNs(0)).message
        assert isinstance(message, RoadMap)
        found += message.intersections
    return found


def geometry(dialect: str) -> RoadGeometry:
    return RoadGeometry.from_map(RoadMap(1, tuple(committed(dialect))), PLANE)


def test_committed_maps_are_what_the_exporter_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export_map.main(["--corridor", "--folder", str(tmp_path)]) == 0
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {f"tongyan-{dialect}.hex" for dialect in DIALECTS}
    for name in names:
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes(), f"{name} is stale"
    assert "octets" in capsys.readouterr().out


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_link_of_the_net_is_a_movement_that_meets_its_lanes(dialect: str) -> None:
    road, net = geometry(dialect), corridor_net()
    assert road.skipped == () and road.repaired == ()
    motor = [m for m in road.movements if road.lanes[m.from_lane].kind is LaneKind.VEHICLE]
    for junction in JUNCTIONS:
        for link in links(junction):
            start = net.lanes[f"{edge_id(junction.legs[link.side].other, junction.node)}_{link.from_lane}"]
            end = net.lanes[f"{edge_id(junction.node, junction.legs[link.out_side].other)}_{link.to_lane}"]
            found = [
                m
                for m in road.movements
                if np.hypot(*(m.path.points[0] - start.line.points[-1])) < 0.05
                and np.hypot(*(m.path.points[-1] - end.line.points[0])) < 0.05
            ]
            assert len(found) == 1, f"{junction.node} {link}"
            assert found[0].signal_group == group_of(link.side, link.turn)
            assert found[0].maneuver is _MANEUVERS[link.turn]
    motor_links = [k for j in JUNCTIONS for k in links(j) if k.from_lane != BIKE_LANE]
    assert len(motor) == len(motor_links) == 16 + 16 + 9


def test_both_families_are_one_road() -> None:
    american, chinese = geometry(J2735_2024), geometry(CSAE53_2020)
    assert len(american.lanes) == len(chinese.lanes)
    twins: dict[str, str] = {}
    for lane in american.lanes.values():
        (twin,) = [
            other
            for other in chinese.lanes.values()
            if other.kind is lane.kind
            and len(other.polyline.points) == len(lane.polyline.points)
            and np.abs(other.polyline.points - lane.polyline.points).max() < 0.05
        ]
        assert twin.width_m == pytest.approx(lane.width_m)
        assert twin.speed_limit_mps == pytest.approx(lane.speed_limit_mps, abs=0.02)
        twins[str(lane.key)] = str(twin.key)
    keys = {(str(m.from_lane), str(m.to_lane)): m for m in chinese.movements}
    assert len(keys) == len(american.movements)
    for movement in american.movements:
        other = keys[twins[str(movement.from_lane)], twins[str(movement.to_lane)]]
        assert (other.signal_group, other.maneuver) == (movement.signal_group, movement.maneuver)
        assert other.key != MovementKey(movement.from_lane, movement.to_lane)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_lane_between_crossings_leads_from_one_to_the_next(dialect: str) -> None:
    road = geometry(dialect)
    match = road.match(500.0, -5.0, 0.0)
    assert match is not None and match.to_stop_m is not None
    assert match.to_stop_m == pytest.approx(1047.0 - 24.7 - 500.0, abs=5.0)
    reached = [m.to_lane for m in road.movements_from(match.lane.key)]
    assert reached and all(str(JUNCTIONS[2].id) in str(key) or "11315" in str(key) for key in reached)
