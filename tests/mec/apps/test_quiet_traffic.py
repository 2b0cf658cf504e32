"""Normal traffic at a signal, compressed to what may go wrong: nobody is to be alarmed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from wayside.asn1.geometry import LaneKey
from wayside.asn1.messages import Light
from wayside.mec.apps import Evw, Hlw, Icw, Lta, Rlvw, Slw, Tjw, Vrucw
from wayside.mec.sensors import ParticipantClass
from wayside.mec.world import TrackView

STEP_S = 0.2
GREEN_S, YELLOW_S, ALL_RED_S = 28.0, 3.0, 2.0
HALF_S = GREEN_S + YELLOW_S + ALL_RED_S
LIMIT_MPS = 14.0
STOP_LINE_M = -20.0
OFFSET_M = 5.25


def follow(speed_mps: float, gap_m: float, lead_mps: float) -> float:
    """Acceleration of the intelligent driver model behind something `gap_m` ahead that goes `lead_mps`."""
    wish = 2.0 + max(0.0, speed_mps * 1.2 + speed_mps * (speed_mps - lead_mps) / (2 * math.sqrt(1.5 * 2.0)))
    return 1.5 * (1 - (speed_mps / LIMIT_MPS) ** 4 - (wish / max(gap_m, 0.1)) ** 2)


class Traffic:
    """Cars that follow one another (intelligent driver model) on the straight lanes of the four arms, and
    pedestrians who cross in their own green, wait at the kerb and walk beside the road."""

    def __init__(self, scene: Any, place: Any, seed: int) -> None:
        self.scene, self.place = scene, place
        self.rng = np.random.default_rng(seed)
        self.time_s = 0.0
        self.lanes: list[list[dict[str, float]]] = [[], [], [], []]
        self.walkers: list[dict[str, Any]] = []
        self.next_id = 1
        self.spawn_at = [0.0] * 4

    def light(self, heading: int) -> tuple[Light, float]:
        """Light of a heading, and seconds until it changes."""
        phase = (self.time_s + (HALF_S if heading % 2 else 0.0)) % (2 * HALF_S)
        if phase < GREEN_S:
            return Light.PROTECTED_GREEN, GREEN_S - phase
        if phase < GREEN_S + YELLOW_S:
            return Light.YELLOW, GREEN_S + YELLOW_S - phase
        return Light.RED, 2 * HALF_S - phase

    def lights(self) -> dict[int, Any]:
        states: dict[int, Any] = {}
        for heading in range(4):
            light, left = self.light(heading)
            states[2 * heading + 2] = self.scene.light(light, left, left, left)
            states[2 * heading + 1] = self.scene.light(Light.RED)
        return states

    def step(self) -> list[TrackView]:
        self.time_s += STEP_S
        for heading, cars in enumerate(self.lanes):
            self._drive(heading, cars)
        self._walk()
        views = [self._car_view(h, car) for h, cars in enumerate(self.lanes) for car in cars]
        return views + [self._walker_view(walker) for walker in self.walkers]

    def _drive(self, heading: int, cars: list[dict[str, float]]) -> None:
        room = not cars or cars[-1]["s"] > -170.0
        if room and self.time_s >= self.spawn_at[heading]:
            self.spawn_at[heading] = self.time_s + float(self.rng.exponential(5.0)) + 2.0
            speed = LIMIT_MPS if len(cars) < 2 else min(LIMIT_MPS, cars[-1]["v"] + 1.0)
            cars.append({"id": self.next_id, "s": -195.0, "v": speed, "a": 0.0, "go": 0.0})
            self.next_id += 1
        light, _ = self.light(heading)
        ahead: dict[str, float] | None = None
        for car in cars:
            to_line = STOP_LINE_M - car["s"] - 2.3
            if light is Light.PROTECTED_GREEN:
                car["go"] = 0.0
            if light is Light.YELLOW and car["go"] == 0.0 and to_line > 0:
                # Decided once: pass where stopping would take more than 3 m/s².
                car["go"] = 1.0 if car["v"] ** 2 / (2 * to_line) > 3.0 else -1.0
            a = follow(car["v"], 1e9, LIMIT_MPS)
            if ahead is not None:
                a = min(a, follow(car["v"], ahead["s"] - car["s"] - 4.6, ahead["v"]))
            if to_line > -1.0 and light is not Light.PROTECTED_GREEN and car["go"] != 1.0:
                a = min(a, follow(car["v"], to_line + 0.5, 0.0))
            car["a"] = min(max(a, -6.0), 1.5)
            v = max(0.0, car["v"] + car["a"] * STEP_S)
            car["s"] += (car["v"] + v) / 2 * STEP_S
            car["v"] = v
            ahead = car
        while cars and cars[0]["s"] > 190.0:
            cars.pop(0)

    def _walk(self) -> None:
        for heading in range(4):
            light, left = self.light(heading)
            both_red = light is Light.RED and HALF_S - 6.0 < left < HALF_S - 2.0
            if both_red and self.rng.random() < 0.08:
                self.walkers.append({"id": self.next_id, "h": heading, "r": 12.5, "v": -1.4, "s": -16.0})
                self.next_id += 1
        if self.rng.random() < 0.01:
            heading = int(self.rng.integers(4))
            self.walkers.append({"id": self.next_id, "h": heading, "s": -120.0, "r": 12.5, "along": 1.3})
            self.next_id += 1
        if self.rng.random() < 0.005:
            heading = int(self.rng.integers(4))
            wait = {"id": self.next_id, "h": heading, "s": -50.0, "r": 11.5, "wait": self.time_s + 20.0}
            self.walkers.append(wait)
            self.next_id += 1
        for walker in self.walkers:
            walker["r"] += walker.get("v", 0.0) * STEP_S
            walker["s"] += walker.get("along", 0.0) * STEP_S
        self.walkers = [
            w
            for w in self.walkers
            if w["r"] > -12.5 and w["s"] <= -16.0 and w.get("wait", math.inf) > self.time_s
        ]

    def _car_view(self, heading: int, car: dict[str, float]) -> TrackView:
        noise = [float(n) for n in self.rng.normal(0.0, 1.0, 4)]
        s, right = car["s"] + 0.2 * noise[0], OFFSET_M + 0.15 * noise[1]
        speed = max(0.0, car["v"] + 0.15 * noise[2])
        yaw = math.radians(90.0 * heading)
        lane, along = None, 0.0
        if s < STOP_LINE_M:
            lane, along = LaneKey("1-7", 10 * heading + 2), s + 200.0
        elif s > -STOP_LINE_M:
            lane, along = LaneKey("1-7", 10 * heading + 7), s + STOP_LINE_M
        view: TrackView = self.scene.car(int(car["id"]), heading, s, 0.0, right_m=right, match=(lane, along))
        return view._replace(
            speed_mps=speed,
            vx_mps=speed * math.cos(yaw),
            vy_mps=speed * math.sin(yaw),
            accel_mps2=car["a"] + 0.2 * noise[3],
        )

    def _walker_view(self, walker: dict[str, Any]) -> TrackView:
        noise = [float(n) for n in self.rng.normal(0.0, 1.0, 4)]
        heading = walker["h"]
        ux, uy = math.cos(math.radians(90 * heading)), math.sin(math.radians(90 * heading))
        along, across = walker.get("along", 0.0) + 0.08 * noise[0], walker.get("v", 0.0) + 0.08 * noise[1]
        velocity = (along * ux + across * uy, along * uy - across * ux)
        x, y = self.place(heading, walker["s"], walker["r"])
        view: TrackView = self.scene.track(
            int(walker["id"]),
            ParticipantClass.PEDESTRIAN,
            (x + 0.15 * noise[2], y + 0.15 * noise[3]),
            velocity,
            match=(None, 0.0),
        )
        return view


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nobody_is_alarmed_by_normal_queueing(scene: Any, place: Any, seed: int) -> None:
    traffic = Traffic(scene, place, seed)
    apps = (Vrucw(), Rlvw(), Hlw(), Icw(), Lta(), Evw(), Slw(), Tjw())
    vehicles = walkers = waited = 0
    for _ in range(round(4 * HALF_S / STEP_S)):
        scene.advance(STEP_S)
        views = traffic.step()
        vehicles = max(vehicles, sum(1 for v in views if v.kind is ParticipantClass.CAR))
        walkers = max(walkers, sum(1 for v in views if v.kind is ParticipantClass.PEDESTRIAN))
        waited += sum(1 for cars in traffic.lanes for car in cars if car["v"] < 0.5)
        world = scene.world(views, traffic.lights())
        for app in apps:
            reports = list(app.step(world))
            assert not reports, (traffic.time_s, reports[0].subject, reports[0].evidence)
    # It was traffic: queues stood and people walked.
    assert vehicles >= 12 and walkers >= 2 and waited > 500
