from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

from wayside.sim.corridor._net import Net
from wayside.sim.corridor._places import (
    BIKE_LANE,
    FIRST_VEHICLE_LANE,
    JUNCTION_OF,
    JUNCTIONS,
    Side,
    edge_id,
)
from wayside.sim.corridor._types import MOTOR, PEDESTRIAN, TYPES

# How much traffic begins and ends at each rim of the corridor, relative; assumed.
_WEIGHTS = {"w": 3.0, "e": 3.0, "as": 1.5, "cs": 1.5, "an": 1.0, "cn": 1.0, "bn": 0.7}
# Mean time that a motor vehicle is on the road, which makes a rate of a number that is wanted at once: 217 s
# in an hour with 90 there at once, longer on a fuller road.
MEAN_STAY_S = 235.0
_STOPS_SHARE = 0.7
_BIKE_TURNS = (2, 3)


class Arrival(NamedTuple):
    """Somebody who comes on the road at a time.

    type: of `TYPES`, or "pedestrian". lane: index, None for whichever is free. place_m: on the first edge.
    arrive_m: where those on foot end on the last. stop_s: that a bus stands at the bus stop.
    """

    at_s: float
    type: str
    edges: tuple[str, ...]
    lane: int | None
    place_m: float
    speed_mps: float
    speed_factor: float
    arrive_m: float = 0.0
    stop_s: float = 0.0


def route(from_node: str, to_node: str) -> tuple[str, ...]:
    """Edges from one rim or crossing of the corridor to another: the only way that turns back nowhere."""
    seen = {from_node: [from_node]}
    queue = [from_node]
    while queue:
        node = queue.pop(0)
        if node == to_node:
            nodes = seen[node]
            return tuple(edge_id(a, b) for a, b in pairwise(nodes))
        for beside in _beside(node):
            if beside not in seen:
                seen[beside] = [*seen[node], beside]
                queue.append(beside)
    raise KeyError(f"no way from {from_node} to {to_node}")


class Demand:
    """Everybody who comes on the road, drawn from a seed and nothing else: no event there changes it.

    present: motor vehicles at once that the rate aims at; that many, less those under way to a red light, are
    there at time 0. closed: lanes that nobody starts on.
    """

    def __init__(
        self,
        net: Net,
        seed: int,
        *,
        present: float,
        walkers_per_s: float,
        cyclists_per_s: float,
        closed: frozenset[str] = frozenset(),
    ) -> None:
        self._net = net
        self._seed = seed
        self._present = present
        self._walkers_per_s = walkers_per_s
        self._cyclists_per_s = cyclists_per_s
        self._closed = closed

    def first(self) -> list[Arrival]:
        """Motor vehicles that are on the road when the run begins."""
        rng = random.Random(f"{self._seed}/first")
        out: list[Arrival] = []
        taken: dict[str, list[float]] = {}
        for _ in range(round(self._present)):
            arrival = self._drive(rng, 0.0)
            at = rng.randrange(len(arrival.edges))
            edges = arrival.edges[at:]
            lane = self._lane_towards(rng, edges)
            key = f"{edges[0]}_{lane}"
            length_m = self._net.lanes[key].line.length_m
            place_m = rng.uniform(15.0, length_m - 40.0)
            free = all(abs(place_m - other) > 30.0 for other in taken.get(key, ()))
            if key in self._closed or not free:
                continue
            taken.setdefault(key, []).append(place_m)
            out.append(
                arrival._replace(edges=edges, lane=lane, place_m=place_m, speed_mps=0.6 * arrival.speed_mps)
            )
        return out

    def arrivals(self) -> Iterator[Arrival]:
        """Everybody who comes later, in order of time, without end."""
        streams = (
            self._stream("drive", self._present / MEAN_STAY_S, self._drive),
            self._stream("walk", self._walkers_per_s, self._walk),
            self._stream("ride", self._cyclists_per_s, self._ride),
        )
        for arrival in heapq.merge(*streams, key=lambda a: a.at_s):
            if f"{arrival.edges[0]}_{arrival.lane}" not in self._closed:
                yield arrival

    def _stream(
        self, name: str, per_s: float, draw: Callable[[random.Random, float], Arrival]
    ) -> Iterator[Arrival]:
        rng = random.Random(f"{self._seed}/{name}")
        at_s = 0.0
        while per_s > 0.0:
            at_s += rng.expovariate(per_s)
            # Each draws from a stream of its own, so that one draw more for this one moves no other.
            yield draw(random.Random(rng.getrandbits(64)), at_s)

    def _drive(self, rng: random.Random, at_s: float) -> Arrival:
        names = list(_WEIGHTS)
        start = rng.choices(names, list(_WEIGHTS.values()))[0]
        others = [n for n in names if n != start]
        edges = route(start, rng.choices(others, [_WEIGHTS[n] for n in others])[0])
        kind = rng.choices(MOTOR, [TYPES[n].share for n in MOTOR])[0]
        factor = rng.uniform(0.8, 1.0)
        stops = kind == "bus" and edge_id("a", "b") in edges and rng.random() < _STOPS_SHARE
        stop_s = rng.uniform(12.0, 25.0) if stops else 0.0
        lane = self._lane_towards(rng, edges)
        limit = self._net.lanes[f"{edges[0]}_{lane}"].limit_mps
        return Arrival(at_s, kind, edges, lane, 15.0, 0.8 * factor * limit, factor, stop_s=stop_s)

    def _lane_towards(self, rng: random.Random, edges: tuple[str, ...]) -> int:
        lanes = [
            lane.number
            for lane in self._net.lanes.values()
            if lane.edge == edges[0]
            and lane.number >= FIRST_VEHICLE_LANE
            and (len(edges) == 1 or self._net.link(lane.id, edges[1]) is not None)
        ]
        return rng.choice(lanes)

    def _walk(self, rng: random.Random, at_s: float) -> Arrival:
        junction = rng.choice(JUNCTIONS)
        leg = junction.legs[rng.choice(list(junction.legs))]
        into, out = edge_id(leg.other, junction.node), edge_id(junction.node, leg.other)
        length_m = self._net.lanes[f"{into}_0"].line.length_m
        before_m, behind_m = rng.uniform(8.0, 30.0), rng.uniform(8.0, 30.0)
        pace = rng.uniform(1.2, 1.5)
        if rng.random() < 0.5:
            return Arrival(at_s, PEDESTRIAN, (into, out), 0, length_m - before_m, pace, 1.0, behind_m)
        return Arrival(at_s, PEDESTRIAN, (out, into), 0, before_m, pace, 1.0, length_m - behind_m)

    def _ride(self, rng: random.Random, at_s: float) -> Arrival:
        # On the lanes for bicycles one goes straight on or turns right.
        while True:
            start = rng.choice(list(_WEIGHTS))
            nodes = [start, *_beside(start)]
            while nodes[-1] in JUNCTION_OF:
                junction = JUNCTION_OF[nodes[-1]]
                came = next(s for s, leg in junction.legs.items() if leg.other == nodes[-2])
                ways = [
                    junction.legs[side].other
                    for step in _BIKE_TURNS
                    if (side := list(Side)[(came.number + step) % 4]) in junction.legs
                ]
                if not ways:
                    break
                nodes.append(rng.choice(ways))
            else:
                edges = tuple(edge_id(a, b) for a, b in pairwise(nodes))
                return Arrival(at_s, "bicycle", edges, BIKE_LANE, 3.0, 3.0, rng.uniform(0.8, 1.0))


def _beside(node: str) -> list[str]:
    if node in JUNCTION_OF:
        return [leg.other for leg in JUNCTION_OF[node].legs.values()]
    return [j.node for j in JUNCTIONS for leg in j.legs.values() if leg.other == node]
