from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wayside.geo import Polyline

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

MARGIN_M = 1.0
"""How far beyond the edge or the end of a strip a point may lie and still be matched to it: the error of a
good position and of the map together."""

_CHUNK = 256


class Foot(NamedTuple):
    """Nearest strips of n points; strip is -1 where none is near enough.

    along_m: from the start, beyond 0..length where the point lies before the start or past the end.
    across_m: left positive. confidence: share of the best strip among all that come into question, 0..1.
    """

    strip: Ints
    along_m: Floats
    across_m: Floats
    confidence: Floats


class Strips:
    """Straight pieces of many directed strips of road, for one search over all of them.

    A strip is a centre line with a half width; one_way tells whether traffic runs in its direction only.
    """

    def __init__(self, lines: list[Polyline], half_width_m: list[float], one_way: list[bool]) -> None:
        self._count = len(lines)
        self._half: Floats = np.array(half_width_m, dtype=np.float64)
        self._one_way: Bools = np.array(one_way, dtype=np.bool_)
        if not lines:
            return
        points = [line.points for line in lines]
        starts = np.vstack([p[:-1] for p in points])
        steps = np.vstack([p[1:] - p[:-1] for p in points])
        self._length: Floats = np.hypot(steps[:, 0], steps[:, 1])
        self._x, self._y = np.ascontiguousarray(starts[:, 0]), np.ascontiguousarray(starts[:, 1])
        self._ux, self._uy = steps[:, 0] / self._length, steps[:, 1] / self._length
        sizes = np.array([len(p) - 1 for p in points])
        self._first: Ints = np.concatenate(([0], np.cumsum(sizes)[:-1])).astype(np.int64)
        self._last: Ints = (np.cumsum(sizes) - 1).astype(np.int64)
        self._strip: Ints = np.repeat(np.arange(self._count), sizes)
        self._before: Floats = np.concatenate(
            [np.concatenate(([0.0], np.cumsum(np.hypot(*(p[1:] - p[:-1]).T))[:-1])) for p in points]
        )
        self._both: Bools = ~self._one_way[self._strip]
        reach = self._half + MARGIN_M
        corners = [(p.min(axis=0) - r, p.max(axis=0) + r) for p, r in zip(points, reach, strict=True)]
        self._low: Floats = np.array([low for low, _ in corners])
        self._high: Floats = np.array([high for _, high in corners])

    def nearest(self, xy: Floats, yaw_rad: Floats | None, allowed: Bools) -> Foot:
        """Best strip for each of n points.

        xy: (n, 2). yaw_rad: (n,), NaN where unknown, or None; a one-way strip that points more than 90°
        elsewhere does not come into question. allowed: (number of strips,). Of the strips whose half width
        plus MARGIN_M reaches the point the likeliest is taken: by the distance in half widths and, with a
        yaw, by the angle.
        """
        n = len(xy)
        foot = Foot(np.full(n, -1, np.int64), np.zeros(n), np.zeros(n), np.zeros(n))
        if not self._count:
            return foot
        for i in range(0, n, _CHUNK):
            part = slice(i, i + _CHUNK)
            yaw = None if yaw_rad is None else yaw_rad[part]
            found = self._chunk(xy[part], yaw, allowed)
            for whole, piece in zip(foot, found, strict=True):
                whole[part] = piece
        return foot

    def _chunk(self, xy: Floats, yaw_rad: Floats | None, allowed: Bools) -> Foot:
        low, high = xy.min(axis=0), xy.max(axis=0)
        near = allowed & ((self._low <= high) & (self._high >= low)).all(axis=1)
        pick = np.flatnonzero(near[self._strip])
        n = len(xy)
        foot = Foot(np.full(n, -1, np.int64), np.zeros(n), np.zeros(n), np.zeros(n))
        if not len(pick):
            return foot
        strip, length, ux, uy = self._strip[pick], self._length[pick], self._ux[pick], self._uy[pick]
        dx, dy = xy[:, :1] - self._x[pick], xy[:, 1:] - self._y[pick]
        along = dx * ux + dy * uy
        inside = np.minimum(np.maximum(along, 0.0), length)
        ax, ay = dx - inside * ux, dy - inside * uy
        distance2 = ax * ax + ay * ay
        half = self._half[strip]
        cost = distance2 / (half * half)
        reach = half + MARGIN_M
        bad = distance2 > reach * reach
        if yaw_rad is not None:
            agree = np.cos(yaw_rad)[:, None] * ux + np.sin(yaw_rad)[:, None] * uy
            agree = np.where(self._both[pick], np.abs(agree), agree)
            known = ~np.isnan(yaw_rad)[:, None]
            bad |= known & (agree < 0.0)
            # An angle of 30° counts as much as a distance of one half width.
            cost = cost + np.where(known, (1.0 - np.where(known, agree, 1.0)) / 0.134, 0.0)
        cost = np.where(bad, np.inf, cost)
        # The best piece of each strip: pieces of a strip stand together.
        starts = np.flatnonzero(np.concatenate(([True], strip[1:] != strip[:-1])))
        per_strip = np.minimum.reduceat(cost, starts, axis=1)
        best = np.argmin(per_strip, axis=1)
        rows = np.arange(n)
        lowest = per_strip[rows, best]
        hit = np.isfinite(lowest)
        if not hit.any():
            return foot
        piece = np.argmin(np.where(strip == strip[starts[best]][:, None], cost, np.inf), axis=1)
        weights = np.exp(-0.5 * (per_strip - np.where(hit, lowest, 0.0)[:, None]))
        chosen = pick[piece]
        raw = along[rows, piece]
        clamped = inside[rows, piece]
        ends = ((chosen == self._first[self._strip[chosen]]) & (raw < 0.0)) | (
            (chosen == self._last[self._strip[chosen]]) & (raw > clamped)
        )
        side = ux[piece] * dy[rows, piece] - uy[piece] * dx[rows, piece]
        foot.strip[hit] = self._strip[chosen][hit]
        foot.along_m[hit] = (self._before[chosen] + np.where(ends, raw, clamped))[hit]
        away = np.sqrt(distance2[rows, piece])
        foot.across_m[hit] = np.where(ends, side, np.copysign(away, side))[hit]
        foot.confidence[hit] = 1.0 / weights[hit].sum(axis=1)
        return foot

    def covers(self, xy: Floats, allowed: Bools, margin_m: float) -> Bools:
        """Whether each of n points lies on a strip, or within `margin_m` of its edge or end."""
        out = np.zeros(len(xy), np.bool_)
        if not self._count:
            return out
        pick = np.flatnonzero(allowed[self._strip])
        if not len(pick):
            return out
        reach2 = (self._half[self._strip[pick]] + margin_m) ** 2
        ux, uy, length = self._ux[pick], self._uy[pick], self._length[pick]
        for i in range(0, len(xy), _CHUNK):
            part = xy[i : i + _CHUNK]
            dx, dy = part[:, :1] - self._x[pick], part[:, 1:] - self._y[pick]
            along = np.minimum(np.maximum(dx * ux + dy * uy, 0.0), length)
            out[i : i + _CHUNK] = ((dx - along * ux) ** 2 + (dy - along * uy) ** 2 <= reach2).any(axis=1)
        return out
