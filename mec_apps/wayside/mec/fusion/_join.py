from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from wayside.mec.fusion._measurement import BODY
from wayside.mec.fusion._state import CONFIRMED, ID, LENGTH, SIZES, TrackState
from wayside.mec.fusion._tracker import Ids
from wayside.mec.fusion._vehicles import Predicted, Vehicle

Floats = NDArray[np.float64]

_SURE = 1.0
_DOUBT_S = 0.3
_OUTSIDE_S = 0.5
_NEVER = 1e6
_CLOSE = 0.35
_FAR = 2.5
_MUCH_BETTER = 0.35
_SIGMAS = 3.0


class Joiner:
    """Finds which perceived track is which speaking vehicle, so that a vehicle is never there twice.

    A pair is joined at once where nothing else is near or the two agree well, and after 0.3 s otherwise; it
    is parted after 0.5 s of disagreement, or of agreeing much better with another track that is free. A
    joined pair is published under the vehicle's identity, which is the perceived track's where that was
    there first. Pure; bounded by the tracks and vehicles it is given.
    Source: own.
    """

    def __init__(self, ids: Ids) -> None:
        self._ids = ids
        self._published: dict[int, int] = {}
        self._scores: dict[tuple[int, int], float] = {}
        self._outside_s: dict[int, float] = {}
        self._time_s: float | None = None

    def published(self, core_identity: int) -> int:
        """Identity under which a perceived track is published while it is not joined."""
        return self._published.get(core_identity, core_identity)

    def step(self, vehicles: Sequence[Vehicle], at: Predicted, state: TrackState, time_s: float) -> None:
        """Join and part. at: the vehicles predicted to `time_s`. New vehicles are given their identity."""
        dt = 0.0 if self._time_s is None else min(max(time_s - self._time_s, 0.0), 0.1)
        self._time_s = time_s
        rows = np.flatnonzero(state.values[:, CONFIRMED] > 0)
        row_of = {int(state.marks[row, ID]): k for k, row in enumerate(rows)}
        self._published = {k: v for k, v in self._published.items() if k in row_of}
        if not vehicles:
            self._scores.clear()
            return
        cost = _costs(at, state, rows, time_s) if len(rows) else np.zeros((len(vehicles), 0))
        taken = np.zeros(len(rows), dtype=bool)
        for vehicle in vehicles:
            k = None if vehicle.joined is None else row_of.get(vehicle.joined)
            if k is not None:
                taken[k] = True
        best_free = np.where(taken[None, :], _NEVER, cost).min(axis=1, initial=_NEVER)
        free: list[int] = []
        for v, vehicle in enumerate(vehicles):
            k = None if vehicle.joined is None else row_of.get(vehicle.joined)
            if k is None or self._parted(vehicle, float(cost[v, k]), float(best_free[v]), dt):
                self._part(vehicle, alive=k is not None)
                free.append(v)
                if k is not None:
                    taken[k] = False
        self._find(vehicles, free, state, rows, cost, taken, dt)
        for vehicle in vehicles:
            if not vehicle.identity:
                vehicle.identity = self._ids.take()

    def _parted(self, vehicle: Vehicle, cost: float, best_free: float, dt: float) -> bool:
        if cost < _FAR and cost < best_free + _MUCH_BETTER:
            self._outside_s.pop(vehicle.identity, None)
            return False
        outside = self._outside_s.get(vehicle.identity, 0.0) + dt
        self._outside_s[vehicle.identity] = outside
        return outside > _OUTSIDE_S

    def _part(self, vehicle: Vehicle, *, alive: bool) -> None:
        if vehicle.joined is not None and alive:
            # The vehicle keeps the identity; what it was taken for goes on under a new one.
            self._published[vehicle.joined] = self._ids.take()
        vehicle.joined = None
        self._outside_s.pop(vehicle.identity, None)

    def _find(
        self,
        vehicles: Sequence[Vehicle],
        free: list[int],
        state: TrackState,
        rows: NDArray[np.int64],
        cost: Floats,
        taken: NDArray[np.bool_],
        dt: float,
    ) -> None:
        if not free or taken.all():
            self._scores.clear()
            return
        matrix = np.where(taken[None, :], _NEVER, cost[free])
        near = matrix < 1.0
        if not near.any():
            self._scores.clear()
            return
        matrix = np.where(near, matrix, _NEVER)
        a, b = linear_sum_assignment(matrix)
        scores: dict[tuple[int, int], float] = {}
        for p, k in zip(a.tolist(), b.tolist(), strict=True):
            if not near[p, k]:
                continue
            vehicle, core = vehicles[free[p]], int(state.marks[rows[k], ID])
            alone = near[p].sum() == 1 and near[:, k].sum() == 1
            key = (id(vehicle), core)
            sure = alone or matrix[p, k] < _CLOSE
            score = self._scores.get(key, 0.0) + (_SURE if sure else dt / _DOUBT_S)
            if score >= _SURE:
                self._join(vehicle, core)
            else:
                scores[key] = score
        self._scores = scores

    def _join(self, vehicle: Vehicle, core: int) -> None:
        vehicle.joined = core
        if not vehicle.identity:
            vehicle.identity = self.published(core)
        # Should they part again by the vehicle's silence, the track goes on as what it was published.
        self._published[core] = vehicle.identity


def _costs(at: Predicted, state: TrackState, rows: NDArray[np.int64], time_s: float) -> Floats:
    """Disagreement of each vehicle with each track: below 1 they may be one; shape (vehicles, rows)."""
    x, y, speed, yaw, std, length, _ = (column[:, None] for column in at)
    since = min(max(time_s - (state.time_s or time_s), -0.5), 1.0)
    seen = state.x[rows]
    dx = seen[None, :, 0] + since * seen[None, :, 2] - x
    dy = seen[None, :, 1] + since * seen[None, :, 3] - y
    ux, uy = np.cos(yaw), np.sin(yaw)
    along, across = ux * dx + uy * dy, ux * dy - uy * dx
    cov = state.cov[rows]
    xx, xy, yy = cov[None, :, 0, 0], cov[None, :, 0, 1], cov[None, :, 1, 1]
    var_along = ux * ux * xx + 2.0 * ux * uy * xy + uy * uy * yy
    var_across = uy * uy * xx - 2.0 * ux * uy * xy + ux * ux * yy
    gate_along = np.clip(_SIGMAS * np.sqrt(std * std + var_along), 2.0, 6.0) + 0.25 * length
    gate_across = np.clip(_SIGMAS * np.sqrt(std * std + var_across), 1.75, 5.0)
    cost: Floats = (along / gate_along) ** 2 + (across / gate_across) ** 2
    # Velocity as a vector: speed and direction together, blind to direction at a stop.
    dvx, dvy = seen[None, :, 2] - speed * ux, seen[None, :, 3] - speed * uy
    var_speed = (cov[None, :, 2, 2] + cov[None, :, 3, 3]) / 2.0
    gate_speed = 3.0 + 0.35 * speed + np.minimum(_SIGMAS * np.sqrt(var_speed), 10.0)
    cost += (dvx * dvx + dvy * dvy) / gate_speed**2
    body = BODY[state.kinds()[rows]]
    cost[:, body == 3] = _NEVER
    sized = state.values[rows, SIZES] >= 3.0
    too_other = sized[None, :] & (
        np.abs(state.values[rows, LENGTH][None, :] - length) > np.maximum(3.0, 0.5 * length)
    )
    cost[too_other] += 1.0
    return cost
