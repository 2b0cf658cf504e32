from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Along(NamedTuple):
    """Where a point lies relative to a polyline.

    along_m: distance from the start to the foot of the point, 0..length. across_m: signed distance, left
    of the direction of travel positive. beyond_m: how far the point lies before the start (negative) or
    past the end (positive), 0 beside the line. yaw_rad: direction of the line there.
    """

    along_m: float
    across_m: float
    beyond_m: float
    yaw_rad: float


class Polyline:
    """A directed line on the local plane with at least two distinct points.

    Points that repeat their predecessor are left out. Raises ValueError where fewer than two remain or a
    coordinate is not finite.
    """

    __slots__ = ("_cumulative", "_lengths", "_units", "length_m", "points")

    def __init__(self, points: Sequence[tuple[float, float]] | NDArray[np.float64]) -> None:
        array = np.asarray(points, dtype=np.float64).reshape(-1, 2)
        if not np.isfinite(array).all():
            raise ValueError("a polyline needs finite coordinates")
        if len(array) > 1:
            keep = np.concatenate(([True], np.hypot(*(array[1:] - array[:-1]).T) > 1e-6))
            array = array[keep]
        if len(array) < 2:
            raise ValueError("a polyline needs two distinct points")
        self.points: NDArray[np.float64] = array
        steps = array[1:] - array[:-1]
        self._lengths: NDArray[np.float64] = np.hypot(steps[:, 0], steps[:, 1])
        self._units: NDArray[np.float64] = steps / self._lengths[:, None]
        self._cumulative: NDArray[np.float64] = np.concatenate(([0.0], np.cumsum(self._lengths)))
        self.length_m = float(self._cumulative[-1])

    def project(self, x_m: float, y_m: float) -> Along:
        """Foot of a point on the nearest segment."""
        rel = np.array((x_m, y_m)) - self.points[:-1]
        t = np.einsum("ij,ij->i", rel, self._units)
        clamped = np.clip(t, 0.0, self._lengths)
        away = rel - clamped[:, None] * self._units
        i = int(np.argmin(np.einsum("ij,ij->i", away, away)))
        ux, uy = self._units[i]
        across = float(ux * rel[i, 1] - uy * rel[i, 0])
        last = len(self._lengths) - 1
        beyond = 0.0
        if i == 0 and t[0] < 0.0:
            beyond = float(t[0])
        elif i == last and t[last] > self._lengths[last]:
            beyond = float(t[last] - self._lengths[last])
        elif not 0.0 <= t[i] <= self._lengths[i]:
            across = math.copysign(float(np.hypot(*away[i])), across)
        return Along(float(self._cumulative[i] + clamped[i]), across, beyond, math.atan2(uy, ux))

    def project_many(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """As `project` for points of shape (n, 2): array (n, 2) of along_m and signed distance across_m.

        Before the start and past the end the distance is the straight one to the end point.
        """
        rel = xy[:, None, :] - self.points[None, :-1, :]
        t = np.clip(np.einsum("nij,ij->ni", rel, self._units), 0.0, self._lengths)
        away = rel - t[:, :, None] * self._units
        d2 = np.einsum("nij,nij->ni", away, away)
        i = np.argmin(d2, axis=1)
        rows = np.arange(len(xy))
        side = self._units[i, 0] * rel[rows, i, 1] - self._units[i, 1] * rel[rows, i, 0]
        out = np.empty((len(xy), 2))
        out[:, 0] = self._cumulative[i] + t[rows, i]
        out[:, 1] = np.copysign(np.sqrt(d2[rows, i]), side)
        return out

    def point_at(self, along_m: float) -> tuple[float, float]:
        """Point at a distance from the start; clamped to the ends."""
        i, rest = self._segment(along_m)
        x, y = self.points[i] + rest * self._units[i]
        return float(x), float(y)

    def yaw_at(self, along_m: float) -> float:
        """Direction of the line at a distance from the start, radians."""
        i, _ = self._segment(along_m)
        return math.atan2(self._units[i, 1], self._units[i, 0])

    def offset(self, left_m: float) -> Polyline:
        """The line moved sideways by `left_m` (left positive), mitred at its corners."""
        normals = np.stack((-self._units[:, 1], self._units[:, 0]), axis=1)
        at_points = np.vstack((normals[:1], normals[:-1] + normals[1:], normals[-1:]))
        dots = np.maximum(np.einsum("ij,ij->i", at_points, at_points) / 2.0, 0.25)
        dots[0] = dots[-1] = 1.0
        return Polyline(self.points + left_m * at_points / dots[:, None])

    def slice(self, from_m: float, to_m: float) -> Polyline:
        """The part between two distances from the start (clamped; `to_m` > `from_m`)."""
        inside = self.points[(self._cumulative > from_m) & (self._cumulative < to_m)]
        return Polyline(
            [self.point_at(from_m), *((float(x), float(y)) for x, y in inside), self.point_at(to_m)]
        )

    def reversed(self) -> Polyline:
        """The same line in the other direction."""
        return Polyline(self.points[::-1])

    def _segment(self, along_m: float) -> tuple[int, float]:
        s = min(max(along_m, 0.0), self.length_m)
        i = min(int(np.searchsorted(self._cumulative, s, side="right")) - 1, len(self._lengths) - 1)
        return i, s - float(self._cumulative[i])
