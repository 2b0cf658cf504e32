"""The corridor as a simulated road: SUMO's traffic, scripted conflicts, drivers, sensors, signals."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator

import pytest

from wayside.asn1.messages import Light
from wayside.clock import UtcNs
from wayside.link import Action, Place, Severity, Warning, WarningKind
from wayside.mec.sensors import ParticipantClass
from wayside.sim import SimulatedRoad, Turn
from wayside.sim.corridor import (
    JUNCTIONS,
    CorridorDemand,
    CorridorScenario,
    CorridorSimulation,
    single,
)
from wayside.sim.corridor._frames import KeepLane, SlowDown
from wayside.sim.corridor._movements import group_of, links
from wayside.sim.corridor._net import corridor_net
from wayside.sim.corridor._places import ARTERIAL_MPS, edge_id
from wayside.sim.corridor._users import SumoVehicle

pytestmark = [pytest.mark.joint, pytest.mark.usefixtures("libsumo")]
EMPTY = CorridorDemand(present=0.0, walkers_per_s=0.0, cyclists_per_s=0.0)
UTC = UtcNs(1_774_828_800_000_000_000)

Open = Callable[..., CorridorSimulation]


@pytest.fixture
def opened() -> Iterator[Open]:
    """Opens a corridor that is closed after the test."""
    roads: list[CorridorSimulation] = []

    def open_(**given: object) -> CorridorSimulation:
        roads.append(CorridorSimulation(**({"seed": 1, "demand": EMPTY} | given)))  # type: ignore[arg-type]
        return roads[-1]

    yield open_
    for road in roads:
        road.close()


def trail(road: CorridorSimulation, seconds: float) -> str:
    digest = hashlib.blake2b(digest_size=12)
    while road.now_s < seconds:
        for look in road.advance():
            digest.update(f"{look.sensor_id} {look.arrives_s:.6f} {len(look.detections)};".encode())
        for user in road.everyone():
            box = user.box()
            digest.update(f"{user.id} {box.x_m:.4f} {box.y_m:.4f} {user.speed_mps:.4f};".encode())
    return digest.hexdigest()


def warning(severity: Severity, action: Action, distance_m: float) -> Warning:
    return Warning(
        kind=WarningKind.HAZARDOUS_LOCATION,
        severity=severity,
        event_id="e",
        trace_id="t",
        place=Place(lat_deg=38.981, lon_deg=117.34),
        action=action,
        distance_m=distance_m,
    )


def alone(road: CorridorSimulation, speed_mps: float = 15.0) -> SumoVehicle:
    """A car alone on the way from the gate to Hehui South Road."""
    number = road.enter(
        "car",
        (edge_id("b", "c"), edge_id("c", "e")),
        3,
        place_m=200.0,
        speed_mps=speed_mps,
        speed_factor=speed_mps / ARTERIAL_MPS,
    )
    while road.sumo_vehicle(number) is None:
        road.advance()
        assert road.now_s < 5.0
    vehicle = road.sumo_vehicle(number)
    assert vehicle is not None
    return vehicle


def test_the_same_seed_gives_the_same_run(opened: Open) -> None:
    demand = CorridorDemand(present=60.0)
    first, again = opened(seed=5, demand=demand), opened(seed=5, demand=demand)
    other = opened(seed=6, demand=demand)
    assert trail(first, 8.0) == trail(again, 8.0) != trail(other, 8.0)


def test_everybody_is_there_and_where_the_net_is(opened: Open) -> None:
    road: SimulatedRoad = opened(demand=CorridorDemand(100.0, 0.7, 0.7))
    while road.now_s < 10.0:
        looks = road.advance()
    kinds = {user.kind for user in road.everyone()}
    assert {
        ParticipantClass.CAR,
        ParticipantClass.TRUCK,
        ParticipantClass.BUS,
        ParticipantClass.BICYCLE,
        ParticipantClass.PEDESTRIAN,
    } <= kinds
    assert 60 <= len(road.vehicles) <= 130
    assert 0.5 < len(road.connected()) / len(road.vehicles) < 0.9
    assert {look.sensor_id for look in looks} == {s.spec.id for s in road.sensors}
    lanes = [lane for lane in corridor_net().lanes.values()]
    for vehicle in road.vehicles.values():
        box = vehicle.box()
        off_m = min(abs(lane.line.project(box.x_m, box.y_m).across_m) for lane in lanes)
        assert off_m < 4.0
    travel = road.travel()
    assert travel.vehicles >= len(road.vehicles) and travel.distance_m > 1000.0


@pytest.mark.parametrize("begin_s", [0.0, 37.0])
def test_lights_of_sumo_are_those_of_the_plans(opened: Open, begin_s: float) -> None:
    road, net = opened(begin_s=begin_s), corridor_net()
    seen: set[Light] = set()
    while road.now_s < 97.0:
        road.advance()
        for junction in JUNCTIONS:
            plan = road.plans[junction.id]
            for link in links(junction):
                start = f"{edge_id(junction.legs[link.side].other, junction.node)}_{link.from_lane}"
                found = net.link(start, edge_id(junction.node, junction.legs[link.out_side].other))
                assert found is not None
                # The state is that of the step that has just been made.
                now = plan.group(group_of(link.side, link.turn), road.now_s - 0.05)
                letter = road.lights[junction.node][found.signal_index].lower()
                wanted = {Light.RED: "r", Light.YELLOW: "y"}.get(now.light, "g")
                assert letter == wanted, f"{junction.node} {link} at {road.now_s}"
                seen.add(now.light)
    assert seen == {Light.RED, Light.YELLOW, Light.PROTECTED_GREEN, Light.PERMISSIVE_GREEN}


def test_a_driver_brakes_for_an_urgent_warning_after_the_reaction_time_and_goes_on_after_it(
    opened: Open,
) -> None:
    road = opened()
    vehicle = alone(road)
    warned_s, reacts_s = road.now_s, vehicle.driver.reactions.warned_s
    assert road.warn(vehicle.session, 7, warning(Severity.URGENT, Action.BRAKE, 60.0), 2.5)
    while road.now_s < warned_s + reacts_s - 0.1:
        road.advance()
    assert vehicle.speed_mps == pytest.approx(15.0, abs=0.3)
    while road.now_s < warned_s + 2.4:
        road.advance()
    assert vehicle.accel_mps2 < -3.0 and vehicle.speed_mps < 13.0
    slow = vehicle.speed_mps
    road.cancel(vehicle.session, 7)
    while road.now_s < warned_s + 11.0:
        road.advance()
    assert vehicle.speed_mps > slow + 3.0 and not vehicle.held
    assert not road.warn("nobody", 1, warning(Severity.URGENT, Action.BRAKE, 60.0), 2.5)


def test_a_warning_only_to_watch_slows_nobody_down(opened: Open) -> None:
    road = opened()
    vehicle = alone(road)
    road.warn(vehicle.session, 7, warning(Severity.INFORM, Action.WATCH, 60.0), 5.0)
    for _ in range(40):
        road.advance()
    assert vehicle.speed_mps == pytest.approx(15.0, abs=0.3)


def test_an_order_takes_a_vehicle_to_another_lane(opened: Open) -> None:
    road = opened()
    vehicle = alone(road)
    road.order(KeepLane(vehicle.id, 2, 20.0))
    beside_m = vehicle.box().y_m
    for _ in range(60):
        road.advance()
    assert vehicle.lane.endswith("_2")
    assert beside_m - vehicle.box().y_m == pytest.approx(3.25, abs=0.6)


def test_an_order_slows_a_vehicle_down_evenly(opened: Open) -> None:
    road = opened()
    vehicle = alone(road)
    road.order(SlowDown(vehicle.id, 6.0, 5.0))
    speeds = []
    for _ in range(50):
        road.advance()
        speeds.append(vehicle.speed_mps)
    assert vehicle.brakes and speeds[-1] == pytest.approx(6.0, abs=0.3)
    assert speeds[24] == pytest.approx(10.5, abs=0.7)


def test_who_turns_says_so_before_the_crossing(opened: Open) -> None:
    road = opened()
    number = road.enter("car", ("b-c", "c-cn"), 4, place_m=900.0, speed_mps=10.0)
    while (vehicle := road.sumo_vehicle(number)) is None:
        road.advance()
        assert road.now_s < 5.0
    for _ in range(30):
        road.advance()
    assert vehicle.turn is vehicle.blinker is Turn.LEFT
    assert vehicle.junction is JUNCTIONS[2]


def test_a_vehicle_says_where_it_is_within_the_error_of_its_receiver(opened: Open) -> None:
    road = opened()
    vehicle = alone(road)
    said = road.basic_safety(vehicle, UTC, 130)
    x_m, y_m = road.plane.to_xy(said.position.lat_deg, said.position.lon_deg)
    box = vehicle.box()
    assert math.hypot(x_m - box.x_m, y_m - box.y_m) < 2.0
    assert said.msg_count == 2 and said.speed_mps == pytest.approx(15.0, abs=0.2)
    assert said.heading_deg == pytest.approx(89.7, abs=0.5)
    assert said.emergency is None


SCRIPTED = [s for s in CorridorScenario if s is not CorridorScenario.CLEAN]
WITH_HAZARD = [s for s in SCRIPTED if s not in (CorridorScenario.JAM, CorridorScenario.EMERGENCY)]


@pytest.mark.parametrize("scenario", WITH_HAZARD)
def test_unwarned_the_subject_and_the_hazard_come_into_conflict(scenario: CorridorScenario) -> None:
    road = single(scenario, 2)
    try:
        while road.now_s < 60.0:
            road.advance()
            if road.scenes_played and road.scene_name == "":
                break
        (played,) = road.scenes_played
        assert played.name == scenario and len(played.hazards) == 1
        subject = road.played[0].subject
        met = [p for p in road.pairs() if {p.a, p.b} == {subject, *played.hazards}]
        assert met and met[0].conflict, f"{met}"
    finally:
        road.close()


def test_a_red_runner_is_counted_and_one_who_is_warned_in_time_stops() -> None:
    runs: list[int] = []
    for warned in (False, True):
        road = single(CorridorScenario.RED_RUNNER, 2)
        try:
            while road.now_s < 24.0:
                road.advance()
                for runner in road.actors.values():
                    assert hasattr(runner, "session")
                    if warned and runner.id in road.played[0].hazards:
                        at_line_m = runner.route.stop_m - runner.front_m
                        road.warn(runner.session, 1, warning(Severity.URGENT, Action.STOP, at_line_m), 0.5)
            runs.append(road.travel().red_runs)
        finally:
            road.close()
    assert runs == [1, 0]


def test_a_jam_stands_and_an_emergency_vehicle_passes_red_and_says_so() -> None:
    road = single(CorridorScenario.JAM, 1)
    try:
        while road.now_s < 40.0:
            road.advance()
        vehicles = [v for v in road.vehicles.values() if isinstance(v, SumoVehicle)]
        standing = [v for v in vehicles if v.scripted and v.speed_mps < 0.1]
        assert len(standing) == 3
    finally:
        road.close()
    road = single(CorridorScenario.EMERGENCY, 3)
    try:
        while road.now_s < 12.0:
            road.advance()
        vehicle = road.sumo_vehicle(road.played[0].subject)
        assert vehicle is not None
        said = road.basic_safety(vehicle, UTC, 1)
        assert said.emergency is not None and said.emergency.siren == "inUse"
    finally:
        road.close()


def test_a_long_vehicle_stays_on_its_way_over_a_crossing() -> None:
    road = single(CorridorScenario.CLEAN, 1, demand=CorridorDemand(present=80.0), measure=False)
    try:
        over = 0
        while road.now_s < 30.0:
            road.advance()
            for vehicle in road.vehicles.values():
                assert isinstance(vehicle, SumoVehicle)
                if vehicle.size.length_m > 9.0 and vehicle.lane.startswith(":") and vehicle.junction:
                    box, motion = vehicle.box(), vehicle.motion()
                    over += 1
                    assert math.hypot(motion.poses[0, 0] - box.x_m, motion.poses[0, 1] - box.y_m) < 2.5
        assert over > 50
    finally:
        road.close()
