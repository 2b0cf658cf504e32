from __future__ import annotations

import heapq
from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

from wayside.asn1.geometry import LaneKey, MovementKey, RoadGeometry
from wayside.mec.apps import Corridor

Floats = NDArray[np.float64]

_KEPT = 512


class CorridorIndex:
    """Stretches of road, lanes and movement paths alike, numbered, and how they follow one another."""

    def __init__(self, geometry: RoadGeometry) -> None:
        self.geometry = geometry
        self.lane_number: dict[LaneKey, int] = {key: i for i, key in enumerate(geometry.lanes)}
        first = len(self.lane_number)
        self.movement_number: dict[MovementKey, int] = {
            m.key: first + i for i, m in enumerate(geometry.movements)
        }
        self._lengths = [lane.polyline.length_m for lane in geometry.lanes.values()]
        self._lengths += [m.path.length_m for m in geometry.movements]
        self._before: dict[int, list[int]] = {}
        for m in geometry.movements:
            number = self.movement_number[m.key]
            if m.to_lane in self.lane_number:
                self._before.setdefault(self.lane_number[m.to_lane], []).append(number)
            self._before.setdefault(number, []).append(self.lane_number[m.from_lane])
        self._known: OrderedDict[Corridor, Floats] = OrderedDict()

    def to_place(self, corridor: Corridor) -> Floats:
        """For each stretch the distance from its start to the corridor's place, NaN where it is not in it.

        The lane of the corridor, and upstream of it every movement and lane that leads there within
        `upstream_m`, by the shortest way. A lane that the map does not know gives all NaN.
        """
        found = self._known.get(corridor)
        if found is None:
            found = self._search(corridor)
            self._known[corridor] = found
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return found

    def _search(self, corridor: Corridor) -> Floats:
        out = np.full(len(self._lengths), np.nan)
        start = self.lane_number.get(corridor.lane)
        if start is None:
            return out
        queue = [(corridor.place_m, start)]
        while queue:
            distance, number = heapq.heappop(queue)
            if not np.isnan(out[number]):
                continue
            out[number] = distance
            if distance >= corridor.upstream_m:
                continue
            for before in self._before.get(number, ()):
                heapq.heappush(queue, (distance + self._lengths[before], before))
        return out
