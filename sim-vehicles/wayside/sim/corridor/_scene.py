from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from wayside.sim._participants import Way
from wayside.sim._plan import SignalPlan
from wayside.sim.corridor._actors import ScriptedVehicle
from wayside.sim.corridor._demand import route
from wayside.sim.corridor._frames import KeepLane
from wayside.sim.corridor._net import corridor_net
from wayside.sim.corridor._places import ARTERIAL_MPS, edge_id
from wayside.sim.corridor._users import SumoVehicle

if TYPE_CHECKING:
    from wayside.sim.corridor._simulation import CorridorSimulation

_STAYS_S = 90.0


class CorridorScenario(StrEnum):
    """What a run is about. CLEAN has no scripted conflict."""

    PEDESTRIAN = "pedestrian"
    RED_RUNNER = "red_runner"
    CROSSING = "crossing"
    LEFT_TURN = "left_turn"
    STOPPED = "stopped"
    JAM = "jam"
    EMERGENCY = "emergency"
    CLEAN = "clean"


class CorridorScene(ABC):
    """A scripted conflict, put on the road by `start` and led by `step` until it is `done`.

    hazards: ids of participants that nobody expects. subject: number of the vehicle of SUMO that is to meet
    them. closed: edges on which no traffic of the demand starts in a run of this scene alone. Times, gaps and
    speeds are drawn from the seed.
    """

    scenario: CorridorScenario
    duration_s: float = 24.0
    closed: frozenset[str] = frozenset()

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(f"{seed}/{self.scenario}")
        self.hazards: set[int] = set()
        self.subject = 0
        self.began_s = 0.0

    def ready(self, plans: Mapping[str, SignalPlan], now_s: float) -> bool:
        """Whether the signals will stand as the scene needs them, if it begins now."""
        return True

    def start(self, road: CorridorSimulation) -> None:
        """Put the scene on the road."""
        self.began_s = road.now_s
        self.place(road)

    @abstractmethod
    def place(self, road: CorridorSimulation) -> None:
        """Put participants on the road; called once."""

    @abstractmethod
    def step(self, road: CorridorSimulation) -> None:
        """Lead the participants; called before each later step."""

    def done(self, road: CorridorSimulation) -> bool:
        """Whether the scene is over; what stood still then moves on."""
        return road.now_s - self.began_s >= self.duration_s

    def end(self, road: CorridorSimulation) -> None:
        """Clear the road: what stands goes on, and surprises no one any more."""
        for actor in road.actors.values():
            actor.surprising = False
            if isinstance(actor, ScriptedVehicle):
                actor.standing = False
                actor.obeys = True

    def elapsed_s(self, road: CorridorSimulation) -> float:
        """Time since it began."""
        return road.now_s - self.began_s

    def enter_on(
        self,
        road: CorridorSimulation,
        from_node: str,
        node: str,
        end: str,
        lane: int,
        before_m: float,
        speed_mps: float,
    ) -> int:
        """A connected car of SUMO on a leg, `before_m` before the stop line, that keeps its speed; its id."""
        start = edge_id(from_node, node)
        length_m = corridor_net().lanes[f"{start}_{lane}"].line.length_m
        return road.enter(
            "car",
            (start, *route(node, end)),
            lane,
            place_m=length_m - before_m,
            speed_mps=speed_mps,
            speed_factor=speed_mps / ARTERIAL_MPS,
        )

    def keep_lane(self, road: CorridorSimulation, lane: int) -> SumoVehicle | None:
        """The subject, once it is on the road, kept on its lane."""
        vehicle = road.sumo_vehicle(self.subject)
        if vehicle is not None and vehicle.driven_m == 0.0:
            road.order(KeepLane(vehicle.id, lane, _STAYS_S))
        return vehicle


def meeting(a: Way, b: Way) -> tuple[float, float]:
    """Places along two ways at which they cross."""
    places = np.arange(0.0, a.line.length_m, 0.25)
    found = b.line.project_many(a.points(places, 0.0))
    k = int(np.argmin(np.abs(found[:, 1])))
    return float(places[k]), float(found[k, 0])
