"""From the octets of the vehicles' own messages to what their drivers are told at a junction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wayside.asn1 import load
from wayside.asn1.geometry import LaneKey
from wayside.asn1.messages import BasicSafety, EllipseAccuracy, Emergency, Position, RoadEvents, Size
from wayside.asn1.translate import event_code, to_message, to_wire
from wayside.clock import VirtualClock
from wayside.geo import heading_from_yaw
from wayside.link import Action, Severity, Warning
from wayside.mec.apps import Way, Ways
from wayside.mec.core import EdgeCore
from wayside.mec.dispatch import Push
from wayside.mec.downlink import Downlink
from wayside.mec.site import load_site
from wayside.observe import Counters
from wayside.sim import SignalPlan, tscbm

ROOT = Path(__file__).parents[3]
STEP_S = 0.1


class Car:
    """A vehicle that drives along a way at one speed and says so. in_s: from where its way meets another."""

    def __init__(self, session: str, way: Way, along_m: float, speed_mps: float, **said: Any) -> None:
        self.session = session
        self.way = way
        self.along_m = along_m
        self.speed_mps = speed_mps
        self.said = said


class Junction:
    """The edge of the demo's crossing with vehicles on it; each speaks ten times a second."""

    def __init__(self, dialect: str) -> None:
        self.clock = VirtualClock()
        self.counters = Counters()
        self.core = EdgeCore(load_site(ROOT / "deploy/demo/site.yaml"), self.clock, self.counters, seed=1)
        self.ways = Ways(self.core.geometry)
        self.cars: list[Car] = []
        self.told: dict[str, list[Warning]] = {}
        self.sent: list[Downlink] = []
        self._dialect = dialect
        self._count = 0

    def way(self, lane: int, movement: int = 0) -> Way:
        return self.ways.of_lane[LaneKey("12-11201", lane)][movement]

    def meet(self, one: Way, other: Way) -> tuple[float, float]:
        """Where two ways cross, along each."""
        assert one.movement is not None and other.movement is not None
        for crossing in self.ways.crossings[one.movement.key]:
            if crossing.other.key == other.movement.key:
                return one.stop_m + crossing.at_m, other.stop_m + crossing.other_at_m
        raise AssertionError("the ways do not cross")

    def add(self, car: Car) -> None:
        self.cars.append(car)
        self.core.on_session(car.session, True, self._dialect)

    def run(self, seconds: float, plan: SignalPlan | None = None) -> None:
        for _ in range(round(seconds / STEP_S)):
            self.clock.advance(STEP_S)
            self._count += 1
            if plan is not None:
                data = tscbm(plan, 0.0, self.clock.utc(), self._count)
                assert self.core.on_tscbm(data, self.clock.mono(), "127.0.0.1")
            for car in self.cars:
                car.along_m += car.speed_mps * STEP_S
                assert self.core.on_vehicle_frame(car.session, self._frame(car), self.clock.mono())
            result = self.core.step()
            self.sent += result.downlinks
            for push in result.pushes:
                self._take(push)

    def kinds(self, session: str) -> set[str]:
        return {warning.kind.value for warning in self.told.get(session, [])}

    def _take(self, push: Push) -> None:
        if isinstance(push.warning, Warning):
            self.told.setdefault(push.session, []).append(push.warning)

    def _frame(self, car: Car) -> bytes:
        x, y = car.way.line.point_at(car.along_m)
        message = BasicSafety(
            vehicle_id=car.session.encode()[:4].ljust(4, b"\0"),
            msg_count=self._count % 128,
            position=Position(*self.core.plane.to_lat_lon(x, y)),
            utc_ns=self.clock.utc(),
            accuracy=EllipseAccuracy(0.5, 0.5),
            speed_mps=car.speed_mps,
            heading_deg=heading_from_yaw(car.way.line.yaw_at(car.along_m)),
            size=Size(1.8, 4.6),
            **({"vehicle_class": 10} | car.said),
        )
        return load(self._dialect).encode(to_wire(self._dialect, message).value)


@pytest.fixture(params=["csae53-2020", "j2735-2024"])
def junction(request: pytest.FixtureRequest) -> Junction:
    return Junction(request.param)


def test_two_that_would_collide_are_told_to_brake_by_one_app(junction: Junction) -> None:
    west, south = junction.way(32), junction.way(22)
    at_west, at_south = junction.meet(west, south)
    junction.add(Car("west", west, at_west - 12.0 * 3.0, 12.0))
    junction.add(Car("south", south, at_south - 12.0 * 3.0, 12.0))
    junction.run(0.5)
    assert not junction.told
    junction.run(1.2)
    assert junction.kinds("west") == junction.kinds("south") == {"icw"}
    for warnings in junction.told.values():
        assert warnings[0].severity is Severity.URGENT and warnings[0].action is Action.BRAKE
        in_s = warnings[0].time_to_conflict_s
        assert in_s is not None and in_s < 2.14
        assert len(warnings[0].parties) == 1


def test_a_red_runner_is_the_red_light_s_alone(junction: Junction) -> None:
    # The north-south straight phase has green; who comes from the west faces red and does not brake.
    plan = SignalPlan(offset_s=8.0)
    west, south = junction.way(32), junction.way(22)
    at_west, at_south = junction.meet(west, south)
    junction.add(Car("west", west, at_west - 14.0 * 4.5, 14.0))
    junction.add(Car("south", south, at_south - 14.0 * 4.5, 14.0))
    junction.run(4.0, plan)
    assert junction.kinds("west") == {"rlvw"}
    assert "rlvw" in junction.kinds("south") and "icw" not in junction.kinds("south")
    assert junction.counters.counts()["icw_silent"]["rlvw"] > 0


def test_a_left_turn_is_the_left_turn_s_alone(junction: Junction) -> None:
    left, oncoming = junction.way(31), junction.way(12)
    at_left, at_oncoming = junction.meet(left, oncoming)
    junction.add(Car("left", left, at_left - 8.0 * 3.5, 8.0))
    junction.add(Car("oncoming", oncoming, at_oncoming - 13.0 * 3.5, 13.0))
    junction.run(2.6)
    assert junction.kinds("left") == {"lta"}
    assert max(w.severity for w in junction.told["left"]) is Severity.URGENT
    # The oncoming driver is told too, once the turn cannot be helped any more.
    assert junction.kinds("oncoming") == {"lta"}


def test_an_ambulance_is_told_of_by_its_siren_and_only_then(junction: Junction) -> None:
    way = junction.way(22)
    siren = {"vehicle_class": 65, "emergency": Emergency("emergency", "inUse", "inUse")}
    ambulance = Car("ambulance", way, 20.0, 15.0, **(siren | {"emergency": None}))
    junction.add(ambulance)
    junction.add(Car("ahead", way, 120.0, 8.0))
    junction.run(1.0)
    assert not junction.told
    ambulance.said = siren
    junction.run(0.5)
    assert junction.kinds("ahead") == {"evw"} and "evw" not in junction.kinds("ambulance")
    warning = junction.told["ahead"][0]
    assert warning.action is Action.GIVE_WAY and warning.severity is Severity.ADVISE
    # The roadside units broadcast it, with 300 m around the place where it is.
    (event,) = junction.core.open_events()
    assert event.kind == "evw"
    last = [each for each in junction.sent if each.message_name == "TIM"][-1]
    said = to_message(last.dialect, load(last.dialect).decode(last.uper), near=junction.clock.utc()).message
    assert isinstance(said, RoadEvents)
    (emergency,) = said.events
    assert event_code(emergency) == 905 and emergency.position is not None


def test_an_ambulance_against_red_is_no_red_light_violation(junction: Junction) -> None:
    plan = SignalPlan(offset_s=8.0)
    west, south = junction.way(32), junction.way(22)
    at_west, at_south = junction.meet(west, south)
    siren = {"vehicle_class": 65, "emergency": Emergency("emergency", "inUse", "inUse")}
    junction.add(Car("west", west, at_west - 12.0 * 5.0, 12.0, **siren))
    junction.add(Car("south", south, at_south - 14.0 * 5.0, 14.0))
    junction.run(4.6, plan)
    assert junction.kinds("west") == set()
    assert junction.kinds("south") == {"evw"}
    assert max(w.severity for w in junction.told["south"]) is Severity.URGENT
