"""The committed net: made of the committed inputs, whole, and where it should be."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from wayside.asn1.messages import Light
from wayside.sim._crossing import Turn
from wayside.sim.corridor import JUNCTIONS, PLANE, corridor_sensors
from wayside.sim.corridor._demand import route
from wayside.sim.corridor._legs import leg_frame
from wayside.sim.corridor._movements import group_of, links, walk_group
from wayside.sim.corridor._net import corridor_net
from wayside.sim.corridor._places import BIKE_LANE, BIKE_LANE_M, ENDS, VEHICLE_LANE_M, Side, edge_id
from wayside.sim.corridor.build_net import HASH_FILE, inputs_hash, phases, plain_files


def test_the_net_was_built_from_the_committed_inputs() -> None:
    assert HASH_FILE.read_text().strip() == inputs_hash(), "run python -m wayside.sim.corridor.build_net"


def test_netconvert_left_the_nodes_where_they_were_put() -> None:
    nodes = corridor_net().nodes
    assert set(nodes) == {n.node for n in (*JUNCTIONS, *ENDS)}
    for place in (*JUNCTIONS, *ENDS):
        assert nodes[place.node] == pytest.approx((place.x_m, place.y_m), abs=0.01)
    gate, hehui = JUNCTIONS[1], JUNCTIONS[2]
    assert PLANE.to_lat_lon(gate.x_m, gate.y_m) == pytest.approx((38.98105, 117.3397))
    assert PLANE.to_lat_lon(hehui.x_m, hehui.y_m) == pytest.approx((38.9811, 117.3518))


def test_every_stated_link_is_in_the_net_and_its_lanes_meet() -> None:
    net = corridor_net()
    for junction in JUNCTIONS:
        for link in links(junction):
            start = f"{edge_id(junction.legs[link.side].other, junction.node)}_{link.from_lane}"
            found = net.link(start, edge_id(junction.node, junction.legs[link.out_side].other))
            assert found is not None and found.signal == junction.node
            assert found.to_lane.endswith(f"_{link.to_lane}")
            lanes = [net.lanes[name] for name in (start, *found.via, found.to_lane)]
            for a, b in itertools.pairwise(lanes):
                assert np.hypot(*(a.line.points[-1] - b.line.points[0])) < 0.3, f"{a.id} {b.id}"
            width_m = BIKE_LANE_M if link.from_lane == BIKE_LANE else VEHICLE_LANE_M
            assert lanes[0].width_m == lanes[-1].width_m == width_m


def test_each_leg_has_a_crosswalk_and_stop_lines_before_it() -> None:
    net = corridor_net()
    assert len(net.crossings) == sum(len(j.legs) for j in JUNCTIONS)
    for junction in JUNCTIONS:
        for side in junction.legs:
            frame = leg_frame(junction.node, side)
            (walk,) = [c for c in net.crossings.values() if c.node == junction.node and frame.into in c.edges]
            x_m, y_m = walk.line.point_at(0.5 * walk.line.length_m)
            mx, my = net.nodes[junction.node]
            middle_m = np.hypot(x_m - mx, y_m - my)
            assert middle_m < frame.stop_m < 35.0
            assert 10.0 < walk.line.length_m < 40.0


@pytest.mark.parametrize("junction", JUNCTIONS, ids=lambda j: j.node)
def test_the_programs_say_at_each_second_what_the_plans_say(junction: object) -> None:
    assert isinstance(junction, type(JUNCTIONS[0]))
    movements = [(group_of(link.side, link.turn), link.turn) for link in links(junction)]
    walks = [(walk_group(junction, side), None) for side in junction.legs]
    program = phases(junction.plan, [*movements, *walks])
    assert sum(duration for _, duration in program) == pytest.approx(junction.plan.cycle_s)
    at = 0.0
    for state, duration in program:
        t_s = at + 0.5 * duration - junction.plan.offset_s
        for letter, (group, turn) in zip(state, [*movements, *walks], strict=True):
            now = junction.plan.group(group, t_s)
            if turn is None:
                assert (letter == "G") == now.walking
            else:
                green = now.light in (Light.PROTECTED_GREEN, Light.PERMISSIVE_GREEN)
                assert letter.lower() == ("g" if green else "y" if now.light is Light.YELLOW else "r")
                assert (letter == "G") == (green and turn is Turn.STRAIGHT)
        at += duration


def test_no_two_crossing_movements_have_a_protected_green_together() -> None:
    for junction in JUNCTIONS:
        for second in range(int(junction.plan.cycle_s)):
            lights = {g: n.light for g, n in junction.plan.states(float(second)).items()}
            green = {g for g, light in lights.items() if light is Light.PROTECTED_GREEN}
            along = {Side.EAST.through_group, Side.WEST.through_group, Side.EAST.left_group}
            across = {Side.NORTH.through_group, Side.SOUTH.through_group, Side.NORTH.left_group}
            assert not (green & along and green & across)


def test_plain_files_say_each_leg_once() -> None:
    files = plain_files()
    edges = files["corridor.edg.xml"].count("<edge ")
    assert edges == 2 * (len(ENDS) + len(JUNCTIONS) - 1)


@pytest.mark.parametrize(("start", "end"), [("w", "e"), ("as", "bn"), ("bn", "cs"), ("e", "an")])
def test_a_route_runs_over_edges_that_join(start: str, end: str) -> None:
    edges = route(start, end)
    assert edges[0].startswith(f"{start}-") and edges[-1].endswith(f"-{end}")
    for a, b in itertools.pairwise(edges):
        assert a.split("-")[1] == b.split("-")[0]


def test_each_crossing_has_two_to_four_sensors_of_several_kinds_beside_the_road() -> None:
    net = corridor_net()
    ids: set[str] = set()
    for node, specs in corridor_sensors().items():
        assert 2 <= len(specs) <= 4 and len({s.kind for s in specs}) >= 2
        for spec in specs:
            ids.add(spec.id)
            mx, my = net.nodes[node]
            assert np.hypot(spec.x_m - mx, spec.y_m - my) < 140.0
    assert len(ids) == sum(len(specs) for specs in corridor_sensors().values())
