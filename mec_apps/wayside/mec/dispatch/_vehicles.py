from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wayside.mec.apps import Corridor
from wayside.mec.dispatch._corridors import CorridorIndex
from wayside.mec.world import TrackView, World

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class ConnectedVehicles:
    """Connected vehicles of one world as columns, one row each, for selection.

    stretch: number of the lane or movement path that a vehicle is on, -1 for none. along_m: of its front
    on that stretch.
    """

    def __init__(self, world: World, index: CorridorIndex) -> None:
        self.views: list[TrackView] = [view for view in world.tracks.views if view.session]
        self.row_of = {view.track_id: row for row, view in enumerate(self.views)}
        n = len(self.views)
        number = index.lane_number
        self.stretch: Ints = np.fromiter(
            (-1 if v.lane is None else number.get(v.lane, -1) for v in self.views), np.int64, n
        )
        columns = np.array(
            [
                (v.along_m, v.length_m, v.accuracy_m, v.unseen_s, v.speed_mps, v.x_m, v.y_m, v.track_id)
                for v in self.views
            ],
            dtype=np.float64,
        ).reshape(-1, 8)
        self.along_m: Floats = columns[:, 0] + columns[:, 1] / 2.0
        self.accuracy_m: Floats = columns[:, 2]
        self.unseen_s: Floats = columns[:, 3]
        self.speed_mps: Floats = columns[:, 4]
        self.xy_m: Floats = columns[:, 5:7]
        self.track_id: Ints = columns[:, 7].astype(np.int64)
        for row in np.flatnonzero(self.stretch < 0):
            view = self.views[row]
            match = world.geometry.match_movement(view.x_m, view.y_m, view.yaw_rad)
            if match is not None:
                self.stretch[row] = index.movement_number[match.movement.key]
                self.along_m[row] = match.along_m + view.length_m / 2.0

    def ahead_of(self, corridor: Corridor, index: CorridorIndex) -> InCorridor:
        """Rows of the vehicles that have a corridor's place ahead of them, and how far."""
        to_place = index.to_place(corridor)
        if not len(to_place):
            return InCorridor(np.empty(0, np.int64), np.empty(0))
        distance = to_place[self.stretch] - self.along_m
        with np.errstate(invalid="ignore"):
            inside = (self.stretch >= 0) & (distance > 0.0) & (distance <= corridor.upstream_m)
        rows = np.flatnonzero(inside)
        return InCorridor(rows, distance[rows])

    def off_lane_near(self, x_m: float, y_m: float, within_m: float) -> Ints:
        """Rows of the vehicles on no stretch within a distance of a place."""
        off = np.flatnonzero(self.stretch < 0)
        if not len(off):
            return off
        away = np.hypot(self.xy_m[off, 0] - x_m, self.xy_m[off, 1] - y_m)
        near: Ints = off[away <= within_m]
        return near


class InCorridor(NamedTuple):
    """Vehicles in a corridor: row numbers, and distances of their fronts to the place."""

    rows: Ints
    distance_m: Floats
