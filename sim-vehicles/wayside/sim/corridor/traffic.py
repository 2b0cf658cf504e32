"""The traffic process: `python -m wayside.sim.corridor.traffic`, SUMO inside, frames over stdin and stdout.

Started by its parent (`TrafficProcess`); it is the only place that imports libsumo.
"""

from __future__ import annotations

import math
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from wayside.geo import yaw_from_heading
from wayside.sim.corridor._demand import Arrival, Demand
from wayside.sim.corridor._frames import (
    Enter,
    Entered,
    Failed,
    KeepLane,
    Lights,
    Moved,
    Order,
    Ready,
    Resume,
    SetSpeed,
    Setup,
    SlowDown,
    State,
    Step,
    Stop,
    TrafficError,
    TrafficReason,
    frame,
    read_body,
    request_of,
)
from wayside.sim.corridor._net import Net
from wayside.sim.corridor._places import (
    BUS_STOP,
    BUS_STOP_FRONT_M,
    BUS_STOP_LENGTH_M,
    FIRST_VEHICLE_LANE,
    JUNCTIONS,
    edge_id,
)
from wayside.sim.corridor._types import EMERGENCY, MOTOR, PEDESTRIAN, TYPES, additional_xml

# Bits of SUMO's speed mode. All: keep gaps, bounds of acceleration and deceleration, right of way, signals.
_OWN_MODE = 31
_HARD_MODE = _OWN_MODE - 4
_EMERGENCY_MODE = 1 + 2 + 4
# Arrivals beyond this share of the number wanted at once turn back: a full road does not fill up for ever.
_MOST = 1.15


class SumoTraffic:
    """SUMO with the corridor's net and demand. sumo: the libsumo module, or one with its surface."""

    def __init__(self, sumo: Any, setup: Setup) -> None:
        self._sumo = sumo
        self._present = setup.present
        self._begin_s = setup.begin_s
        net = Net(Path(setup.net).read_text())
        demand = Demand(
            net,
            setup.seed,
            present=setup.present,
            walkers_per_s=setup.walkers_per_s,
            cyclists_per_s=setup.cyclists_per_s,
            closed=frozenset(setup.closed),
        )
        bus_lane = f"{edge_id('a', 'b')}_{FIRST_VEHICLE_LANE}"
        # The distance counts from the middle of the crossing, the lane ends at the stop line.
        x_m, y_m = net.lanes[bus_lane].line.points[-1]
        self._bus_front_m = net.lanes[bus_lane].line.length_m + math.hypot(x_m, y_m) - BUS_STOP_FRONT_M
        c = sumo.constants
        self._variables = [
            c.VAR_POSITION, c.VAR_ANGLE, c.VAR_SPEED, c.VAR_ACCELERATION,
            c.VAR_LANE_ID, c.VAR_LANEPOSITION, c.VAR_LANEPOSITION_LAT, c.VAR_SIGNALS,
        ]  # fmt: skip
        self._walker_variables = [c.VAR_POSITION, c.VAR_ANGLE, c.VAR_SPEED]
        self._entering: dict[int, Entered] = {}
        self._here: dict[int, str] = {}
        self._next_id = 1
        with tempfile.TemporaryDirectory() as folder:
            more = Path(folder, "corridor.add.xml")
            more.write_text(additional_xml(BUS_STOP, bus_lane, self._bus_front_m, BUS_STOP_LENGTH_M))
            words = ["sumo", "-n", setup.net, "-a", str(more), "--seed", str(setup.seed % 2**31)]
            words += [
                "--begin",
                f"{setup.begin_s}",
                "--step-length",
                f"{setup.step_s}",
                "--lanechange.duration",
                "2.5",
            ]
            words += ["--no-step-log", "true", "--no-warnings", "true", "--time-to-teleport", "-1"]
            words += ["--collision.action", "none", "--pedestrian.striping.dawdling", "0"]
            sumo.start(words)
        self._first = demand.first()
        self._arrivals: Iterator[Arrival] = demand.arrivals()
        self._next = next(self._arrivals, None)

    def close(self) -> None:
        """End SUMO."""
        self._sumo.close()

    def step(self, orders: tuple[Order, ...]) -> State:
        """Carry out orders, go on by a step, and say where everybody is."""
        sumo = self._sumo
        for order in orders:
            self._obey(order)
        self._let_in(sumo.simulation.getTime() - self._begin_s)
        sumo.simulationStep()
        entered = self._entered()
        left = self._left()
        moved = self._moved(sumo.vehicle.getAllSubscriptionResults())
        moved += self._walked(sumo.person.getAllSubscriptionResults())
        now_s = sumo.simulation.getTime()
        lights = {
            junction.node: Lights(
                sumo.trafficlight.getRedYellowGreenState(junction.node),
                sumo.trafficlight.getNextSwitch(junction.node) - now_s,
            )
            for junction in JUNCTIONS
        }
        return State(round(now_s - self._begin_s, 6), entered, left, tuple(moved), lights)

    def _entered(self) -> tuple[Entered, ...]:
        sumo = self._sumo
        out: list[Entered] = []
        for name in sumo.simulation.getDepartedIDList():
            sumo.vehicle.subscribe(name, self._variables)
            out.append(self._entering.pop(int(name)))
        for name in sumo.simulation.getDepartedPersonIDList():
            sumo.person.subscribe(name, self._walker_variables)
            out.append(self._entering.pop(int(name)))
        self._here.update((entered.id, entered.type) for entered in out)
        return tuple(out)

    def _left(self) -> tuple[int, ...]:
        sumo = self._sumo
        names = (*sumo.simulation.getArrivedIDList(), *sumo.simulation.getArrivedPersonIDList())
        left = tuple(int(name) for name in names)
        for gone in left:
            self._here.pop(gone, None)
        return left

    def _moved(self, results: dict[str, dict[int, Any]]) -> list[Moved]:
        position, angle, speed, accel, lane, place, aside, signals = self._variables
        out: list[Moved] = []
        for name, of in results.items():
            x_m, y_m = of[position][:2]
            yaw_rad = yaw_from_heading(of[angle])
            more = of[speed], of[accel], of[lane], of[place], of[aside], of[signals]
            out.append(Moved(int(name), x_m, y_m, yaw_rad, *more))
        return out

    def _walked(self, results: dict[str, dict[int, Any]]) -> list[Moved]:
        position, angle, speed = self._walker_variables
        out: list[Moved] = []
        for name, of in results.items():
            x_m, y_m = of[position][:2]
            out.append(
                Moved(int(name), x_m, y_m, yaw_from_heading(of[angle]), of[speed], 0.0, "", 0.0, 0.0, 0)
            )
        return out

    def _let_in(self, now_s: float) -> None:
        for arrival in self._first:
            self._arrive(arrival)
        self._first = []
        while self._next is not None and self._next.at_s <= now_s:
            self._arrive(self._next)
            self._next = next(self._arrivals, None)

    def _own_mode(self, vehicle: int) -> int:
        return _EMERGENCY_MODE if self._here[vehicle] == EMERGENCY else _OWN_MODE

    def _arrive(self, arrival: Arrival) -> None:
        number, sumo = self._next_id, self._sumo
        self._next_id += 1
        if arrival.type in MOTOR:
            here = sum(type_ in MOTOR for type_ in self._here.values())
            waiting = sum(entered.type in MOTOR for entered in self._entering.values())
            if here + waiting >= _MOST * self._present:
                return
        self._entering[number] = Entered(number, arrival.type, arrival.edges, arrival.speed_factor)
        name = str(number)
        if arrival.type == PEDESTRIAN:
            sumo.person.add(name, arrival.edges[0], arrival.place_m, typeID=PEDESTRIAN)
            sumo.person.appendWalkingStage(
                name, list(arrival.edges), arrival.arrive_m, speed=arrival.speed_mps
            )
            return
        self._add(name, arrival.type, arrival.edges, arrival.lane, arrival.place_m, arrival.speed_mps)
        sumo.vehicle.setSpeedFactor(name, arrival.speed_factor)
        if arrival.stop_s > 0.0 and edge_id("a", "b") in arrival.edges:
            ahead = arrival.edges[0] != edge_id("a", "b") or arrival.place_m < self._bus_front_m - 120.0
            if ahead:
                sumo.vehicle.setBusStop(name, BUS_STOP, duration=arrival.stop_s)

    def _add(
        self,
        name: str,
        type_: str,
        edges: tuple[str, ...],
        lane: int | None,
        place_m: float,
        speed_mps: float,
    ) -> None:
        sumo = self._sumo
        route = "/".join(edges)
        if route not in sumo.route.getIDList():
            sumo.route.add(route, list(edges))
        sumo.vehicle.add(
            name,
            route,
            typeID=type_,
            departLane=str(lane),
            departPos=f"{place_m:.3f}",
            departSpeed=f"{speed_mps:.3f}",
        )

    def _obey(self, order: Order) -> None:
        sumo = self._sumo
        if isinstance(order, Enter):
            self._entering[order.vehicle] = Entered(
                order.vehicle, order.type, order.edges, order.speed_factor
            )
            name = str(order.vehicle)
            self._add(name, order.type, order.edges, order.lane, order.place_m, order.speed_mps)
            sumo.vehicle.setSpeedFactor(name, order.speed_factor)
            if order.type == EMERGENCY:
                sumo.vehicle.setSpeedMode(name, _EMERGENCY_MODE)
            return
        if self._here.get(order.vehicle) not in TYPES:
            return
        name = str(order.vehicle)
        match order:
            case SetSpeed(speed_mps=speed, hard=hard):
                sumo.vehicle.setSpeedMode(name, _HARD_MODE if hard else self._own_mode(order.vehicle))
                sumo.vehicle.setSpeed(name, max(0.0, speed))
            case SlowDown(speed_mps=speed, within_s=within_s):
                sumo.vehicle.slowDown(name, max(0.0, speed), within_s)
            case Resume():
                sumo.vehicle.setSpeedMode(name, self._own_mode(order.vehicle))
                sumo.vehicle.setSpeed(name, -1.0)
            case Stop(lane=lane, place_m=place_m, stand_s=stand_s):
                edge, _, index = lane.rpartition("_")
                sumo.vehicle.setStop(name, edge, place_m, int(index), stand_s)
            case KeepLane(index=index, within_s=within_s):
                sumo.vehicle.changeLane(name, index, within_s)


def serve(sumo: Any, requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until their end. Raises TrafficError for what is no request."""
    traffic: SumoTraffic | None = None
    try:
        while (body := read_body(requests)) is not None:
            request = request_of(body)
            if isinstance(request, Setup):
                if traffic is not None:
                    raise TrafficError(TrafficReason.BAD_FRAME, "set up twice")
                traffic = SumoTraffic(sumo, request)
                answers.write(frame(Ready(str(sumo.getVersion()[1]))))
            elif traffic is None:
                raise TrafficError(TrafficReason.BAD_FRAME, "a step before the set-up")
            else:
                assert isinstance(request, Step)
                answers.write(frame(traffic.step(request.orders)))
            answers.flush()
    finally:
        if traffic is not None:
            traffic.close()


def main() -> int:
    """Serve the parent; 0 when it has closed its end, 1 when something failed, which it is told."""
    # SUMO writes to descriptor 1 as it likes: answers take a descriptor of their own.
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        try:
            import libsumo
        except ImportError as error:
            return _fail(answers, error)
        try:
            serve(libsumo, sys.stdin.buffer, answers)
        except (TrafficError, OSError, libsumo.TraCIException, libsumo.FatalTraCIError) as error:
            return _fail(answers, error)
    return 0


def _fail(answers: BinaryIO, error: Exception) -> int:
    answers.write(frame(Failed(f"{type(error).__name__}: {error}")))
    answers.flush()
    return 1


if __name__ == "__main__":
    sys.exit(main())
