"""Traffic on the crossing: signals, leaders, giving way, and the scripted conflicts."""

from __future__ import annotations

import math

import pytest

from wayside.asn1.messages import Light
from wayside.geo import angle_between_deg, heading_from_yaw
from wayside.sim._crossing import EGRESS_START_M, STOP_LINE_M, Crossing, RouteKey, Turn
from wayside.sim._plan import SignalPlan
from wayside.sim._scenes import SCENES, Scenario
from wayside.sim._simulation import FIRST_SCENE_S, Simulation, single
from wayside.sim._traffic import Demand, Traffic

EMPTY = Demand(0.0, 0.0, 0.0)


def quiet(plan: SignalPlan | None = None) -> Traffic:
    return Traffic(Crossing(), plan or SignalPlan(), EMPTY, 1)


def test_geometry_of_the_ways() -> None:
    crossing = Crossing()
    assert len(crossing.routes) == 16
    for key, route in crossing.routes.items():
        x, y = route.line.point_at(route.stop_m)
        assert math.hypot(x, y) == pytest.approx(math.hypot(STOP_LINE_M, (0.625, 3.875, 7.125)[key.lane - 1]))
        start, end = heading_from_yaw(route.line.yaw_at(0.0)), heading_from_yaw(route.line.yaw_at(1e9))
        turned = (end - start + 180.0) % 360.0 - 180.0
        assert turned == pytest.approx(
            {Turn.LEFT: -90.0, Turn.STRAIGHT: 0.0, Turn.RIGHT: 90.0}[key.turn], abs=2.0
        )
        x, y = route.line.point_at(route.merge_m)
        assert math.hypot(x, y) > EGRESS_START_M
    # Traffic from the west drives east, keeping right of the centre line: south of it.
    west = crossing.routes[RouteKey(3, 2, Turn.STRAIGHT)].line
    assert angle_between_deg(heading_from_yaw(west.yaw_at(0.0)), 90.0) < 1.0
    assert west.point_at(0.0)[1] < -3.0


def test_a_car_stops_at_red_and_goes_on_green() -> None:
    plan = SignalPlan(offset_s=40.0)
    traffic = quiet(plan)
    car = traffic.add_vehicle(RouteKey(0, 2, Turn.STRAIGHT))
    hardest = 0.0
    while plan.group(2, traffic.now_s).light is not Light.PROTECTED_GREEN:
        traffic.step(0.05)
        hardest = min(hardest, car.accel_mps2)
        assert car.front_m < car.route.stop_m
    assert car.speed_mps < 0.5 and car.route.stop_m - car.front_m < 3.0
    assert hardest > -4.0
    for _ in range(int(12 / 0.05)):
        traffic.step(0.05)
    assert car.front_m > car.route.stop_m


def test_a_follower_never_touches_its_leader() -> None:
    traffic = quiet(SignalPlan(offset_s=40.0))
    lead = traffic.add_vehicle(RouteKey(0, 2, Turn.STRAIGHT), s_m=60.0, speed_mps=8.0)
    follow = traffic.add_vehicle(RouteKey(0, 2, Turn.STRAIGHT), s_m=20.0, speed_mps=16.0)
    for _ in range(800):
        traffic.step(0.05)
        assert lead.s_m - follow.s_m - lead.size.length_m > 0.5


@pytest.mark.parametrize("seed", [1, 2])
def test_clean_traffic_has_no_conflicts(seed: int) -> None:
    simulation = single(Scenario.CLEAN, seed)
    while simulation.now_s < 110.0:
        simulation.advance()
    assert len(simulation.traffic.vehicles) > 5
    assert [p for p in simulation.pairs() if p.conflict] == []


def test_arrivals_do_not_depend_on_the_road() -> None:
    def arrivals(blocked: bool) -> dict[int, str]:
        traffic = Traffic(Crossing(), SignalPlan(), Demand(0.2, 0.0, 0.0), 5)
        seen: dict[int, str] = {}
        if blocked:
            traffic.plan.offset_s = 48.0
        while traffic.now_s < 60.0:
            traffic.step(0.1)
            seen |= {i: f"{v.route.key} {v.kind} {v.driver.reactions}" for i, v in traffic.vehicles.items()}
        return seen

    assert arrivals(False) == arrivals(True)


def play(scenario: Scenario, seed: int) -> Simulation:
    simulation = single(scenario, seed)
    while simulation.now_s < FIRST_SCENE_S + SCENES[scenario].duration_s:
        simulation.advance()
    return simulation


@pytest.mark.parametrize("scenario", list(SCENES))
def test_unwarned_each_scripted_conflict_is_a_conflict(scenario: Scenario) -> None:
    happened = 0
    for seed in range(4):
        simulation = play(scenario, seed)
        (scene,) = simulation.played
        assert scene.hazard is not None
        hazard = scene.hazard.id
        happened += any(p.conflict and hazard in (p.a, p.b) for p in simulation.pairs())
        others = [p for p in simulation.pairs() if p.conflict and hazard not in (p.a, p.b)]
        assert others == [], "only the scripted participant is in conflict"
    assert happened >= 3


def test_a_warned_driver_stops_for_the_pedestrian() -> None:
    from wayside.link import Action, Place, Severity, Warning, WarningKind

    simulation = single(Scenario.PEDESTRIAN, 3)
    warned = False
    while simulation.now_s < FIRST_SCENE_S + SCENES[Scenario.PEDESTRIAN].duration_s:
        simulation.advance()
        scene = simulation.scene
        if scene is not None and scene.hazard is not None and not warned:
            subject = scene.subjects[0]
            box = scene.hazard.box()
            lat, lon = simulation.crossing.plane.to_lat_lon(box.x_m, box.y_m)
            body = Warning(
                WarningKind.VULNERABLE_ROAD_USER,
                Severity.URGENT,
                "e",
                "t",
                Place(lat, lon),
                Action.BRAKE,
                distance_m=320.0 - 128.4 - subject.front_m,
            )
            warned = simulation.warn(subject.session, 1, body, 10.0)
    assert warned
    assert not any(p.collided for p in simulation.pairs())


def test_same_seed_same_run() -> None:
    def trail() -> list[tuple[int, float, float]]:
        simulation = play(Scenario.CROSSING, 7)
        return [(p.id, p.s_m, p.speed_mps) for p in simulation.traffic.everyone()]

    assert trail() == trail()
