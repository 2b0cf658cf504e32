from __future__ import annotations

import random
from enum import StrEnum

import numpy as np

from wayside.asn1.messages import Light
from wayside.mec.sensors import ParticipantClass
from wayside.sim._crossing import LEG_END_M, RouteKey, Turn
from wayside.sim._participants import Participant, Vehicle
from wayside.sim._plan import SignalPlan
from wayside.sim._traffic import Traffic, kerb_to_kerb

_SOUTH, _WEST = 2, 3
# Lanes that scripted conflicts need for themselves: without background traffic in runs that have them.
SCENE_LANES = frozenset({(_WEST, 2), (_WEST, 3), (_SOUTH, 1), (_SOUTH, 2)})


class Scenario(StrEnum):
    """What a run is about. CLEAN has no scripted conflict."""

    PEDESTRIAN = "pedestrian"
    RED_RUNNER = "red_runner"
    STOPPED = "stopped"
    CROSSING = "crossing"
    CLEAN = "clean"


class Scene:
    """A scripted conflict, put on the road by `start` and led by `step` until it is `done`.

    hazard: participant that nobody expects. subjects: vehicles that are to meet it. Times, gaps and speeds
    are drawn from the seed.
    """

    scenario: Scenario
    duration_s: float = 24.0

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.hazard: Participant | None = None
        self.subjects: list[Vehicle] = []
        self.began_s = 0.0

    def ready(self, plan: SignalPlan, now_s: float) -> bool:
        """Whether the signals will stand as the scene needs them, if it begins now."""
        return True

    def start(self, traffic: Traffic) -> None:
        """Put the scene on the road."""
        self.began_s = traffic.now_s
        self.place(traffic)

    def place(self, traffic: Traffic) -> None:
        """Put participants on the road; called once."""
        raise NotImplementedError

    def step(self, traffic: Traffic) -> None:
        """Lead the participants; called after each step of the traffic."""

    def done(self, traffic: Traffic) -> bool:
        """Whether the scene is over; what stood still then moves on."""
        return traffic.now_s - self.began_s >= self.duration_s

    def end(self, traffic: Traffic) -> None:
        """Clear the road: what stands goes on, and surprises no one any more."""
        for participant in (self.hazard, *traffic.vehicles.values()):
            if isinstance(participant, Vehicle):
                participant.standing = False
        if self.hazard is not None:
            self.hazard.surprising = False


class PedestrianBehindBus(Scene):
    """A pedestrian walks across the western leg, 128 m before the crossing, in front of a bus at its stop;
    a second bus waits behind it.

    Nobody who comes from behind the bus can see him before he steps out of its shadow.
    """

    scenario = Scenario.PEDESTRIAN
    duration_s = 15.0
    _BUS_FRONT_M = 130.0
    _WALK_M = 128.4

    def place(self, traffic: Traffic) -> None:
        rng = self.rng
        for place in range(2):
            bus = traffic.add_vehicle(
                RouteKey(_WEST, 3, Turn.STRAIGHT),
                kind=ParticipantClass.BUS,
                s_m=LEG_END_M - self._BUS_FRONT_M - 6.0 - 14.0 * place,
                speed_mps=0.0,
                desired_mps=12.0,
                connected=False,
                rng=rng,
            )
            bus.standing = True
        speed = rng.uniform(13.5, 16.0)
        meet_s = LEG_END_M - self._WALK_M
        subject = traffic.add_vehicle(
            RouteKey(_WEST, 2, Turn.STRAIGHT), s_m=meet_s - 9.0 * speed, speed_mps=speed, rng=rng
        )
        follower = traffic.add_vehicle(
            RouteKey(_WEST, 2, Turn.STRAIGHT),
            s_m=subject.s_m - rng.uniform(28.0, 36.0),
            speed_mps=speed,
            rng=rng,
        )
        self.subjects = [subject, follower]
        self._meet_s = meet_s
        self._pace = rng.uniform(1.3, 1.8)
        lane_m = 12.5 - 3.875
        self._lead_s = lane_m / self._pace + rng.uniform(-0.5, 0.5)

    def step(self, traffic: Traffic) -> None:
        subject = self.subjects[0]
        if (
            self.hazard is None
            and (self._meet_s - subject.front_m) / max(subject.speed_mps, 1.0) <= self._lead_s
        ):
            way = kerb_to_kerb(traffic.crossing, _WEST, self._WALK_M, from_ingress=True)
            self.hazard = traffic.add_walker(way, self._pace, surprising=True)


class StoppedVehicle(Scene):
    """A car breaks down on the western leg. A truck comes up, a car close behind it; the truck changes lanes
    late, and only then can the car's driver see what stands in the lane."""

    scenario = Scenario.STOPPED
    duration_s = 34.0
    _STOP_M = 120.0
    _LATER_S = 13.0

    def place(self, traffic: Traffic) -> None:
        rng = self.rng
        self.hazard = traffic.add_vehicle(
            RouteKey(_WEST, 2, Turn.STRAIGHT),
            s_m=LEG_END_M - self._STOP_M - 18.0,
            speed_mps=12.0,
            connected=False,
            surprising=True,
            rng=rng,
        )
        self.hazard.standing = True
        self._cut_out_m = rng.uniform(20.0, 25.0)
        self._gap_m = rng.uniform(6.0, 10.0)
        self._speed = rng.uniform(13.5, 15.5)
        self._truck: Vehicle | None = None

    def step(self, traffic: Traffic) -> None:
        assert isinstance(self.hazard, Vehicle)
        if self._truck is None:
            if traffic.now_s - self.began_s < self._LATER_S:
                return
            key = RouteKey(_WEST, 2, Turn.STRAIGHT)
            truck = traffic.add_vehicle(
                key,
                kind=ParticipantClass.TRUCK,
                s_m=40.0,
                speed_mps=self._speed,
                connected=False,
                rng=self.rng,
            )
            truck.ignores.add(self.hazard.id)
            truck.swerve_mps = 2.2
            behind = truck.s_m - 5.0 - self._gap_m - 2.3
            subject = traffic.add_vehicle(
                key, s_m=behind, speed_mps=self._speed, desired_mps=self._speed + 0.5, rng=self.rng
            )
            subject.headway_s = max(0.5, (self._gap_m - 2.0) / self._speed)
            self.subjects = [subject]
            self._truck = truck
        rear_m = self.hazard.s_m - 0.5 * self.hazard.size.length_m
        if rear_m - self._truck.front_m <= self._cut_out_m:
            self._truck.target_left_m = -3.25


class _Crossing(Scene):
    """Two vehicles that would meet in the middle: one from the south against red, one from the west on green.
    A truck that waits to turn left hides the one from the other."""

    duration_s = 18.0
    _TIME_S = 10.0

    def ready(self, plan: SignalPlan, now_s: float) -> bool:
        soon, then = plan.group(4, now_s + 1.5), plan.group(4, now_s + self._TIME_S)
        green = Light.PROTECTED_GREEN
        return soon.light is green and then.light is green and then.remaining_s > 5.0

    def place(self, traffic: Traffic) -> None:
        rng = self.rng
        runner_key, subject_key = RouteKey(_SOUTH, 2, Turn.STRAIGHT), RouteKey(_WEST, 2, Turn.STRAIGHT)
        runner_meets, subject_meets = _meeting(traffic, runner_key, subject_key)
        waits = RouteKey(_SOUTH, 1, Turn.LEFT)
        traffic.add_vehicle(
            waits,
            kind=ParticipantClass.TRUCK,
            s_m=traffic.crossing.routes[waits].stop_m - 75.0,
            speed_mps=11.0,
            desired_mps=11.0,
            connected=False,
            rng=rng,
        )
        speed = rng.uniform(14.0, 16.0)
        late = rng.uniform(-0.2, 0.2)
        self.hazard = traffic.add_vehicle(
            runner_key,
            s_m=runner_meets - speed * (self._TIME_S + late),
            speed_mps=speed,
            connected=self.scenario is Scenario.RED_RUNNER,
            obeys=False,
            surprising=True,
            rng=rng,
        )
        own = rng.uniform(13.5, 15.5)
        subject = traffic.add_vehicle(
            subject_key, s_m=subject_meets - own * self._TIME_S, speed_mps=own, rng=rng
        )
        self.subjects = [subject]


class RedRunner(_Crossing):
    """The one who runs the red light is connected: the warning reaches that driver."""

    scenario = Scenario.RED_RUNNER


class CrossingVehicle(_Crossing):
    """The one who runs the red light is not connected: only those whose way it crosses can be warned."""

    scenario = Scenario.CROSSING


SCENES: dict[Scenario, type[Scene]] = {
    Scenario.PEDESTRIAN: PedestrianBehindBus,
    Scenario.RED_RUNNER: RedRunner,
    Scenario.STOPPED: StoppedVehicle,
    Scenario.CROSSING: CrossingVehicle,
}


def plan_offset_s(scene: Scene | None, begin_s: float) -> float:
    """Offset of the signal plan, whole seconds, with which a scene may begin at `begin_s`."""
    if scene is None:
        return 0.0
    cycle = SignalPlan().cycle_s
    return next(float(o) for o in range(int(cycle)) if scene.ready(SignalPlan(float(o)), begin_s))


def _meeting(traffic: Traffic, a: RouteKey, b: RouteKey) -> tuple[float, float]:
    line_a, line_b = traffic.crossing.routes[a].line, traffic.crossing.routes[b].line
    places = np.arange(0.0, line_a.length_m, 0.25)
    points = np.array([line_a.point_at(s) for s in places])
    found = line_b.project_many(points)
    k = int(np.argmin(np.abs(found[:, 1])))
    return float(places[k]), float(found[k, 0])
