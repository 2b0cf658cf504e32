from __future__ import annotations

import math
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
_ANGLE_COST = 1.0 / (1.0 - math.cos(math.radians(30.0)))


class Foot(NamedTuple):
    """Nearest strips of n points; strip is -1 where none is near enough.

    along_m: from the start, beyond 0..length where the point lies before the start or past the end.
    across_m: left positive. confidence: share of the best strip among all that come into question, 0..1.
    """

    strip: Ints
    along_m: Floats
    across_m: Floats
    confidence: Floats


class _Piece(NamedTuple):
    strip: int
    x: float
    y: float
    ux: float
    uy: float
    length: float
    half: float
    before: float
    low: float
    high: float
    first: bool
    last: bool
    both: bool


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
        # How far along its own direction a point may lie: past a piece only where the strip goes on.
        self._from: Floats = np.full(len(self._strip), -np.inf)
        self._from[self._first] = -MARGIN_M
        self._to: Floats = np.full(len(self._strip), np.inf)
        self._to[self._last] = self._length[self._last] + MARGIN_M
        self._both: Bools = ~self._one_way[self._strip]
        self._boxes, self._pieces = self._single(starts, starts + steps)
        reach = self._half + MARGIN_M
        corners = [(p.min(axis=0) - r, p.max(axis=0) + r) for p, r in zip(points, reach, strict=True)]
        self._low: Floats = np.array([low for low, _ in corners])
        self._high: Floats = np.array([high for _, high in corners])

    def _single(self, starts: Floats, ends: Floats) -> tuple[tuple[Floats, ...], list[_Piece]]:
        """Boxes and members of the pieces one by one, for `nearest_one`."""
        reach = (self._half[self._strip] + MARGIN_M)[:, None]
        low, high = np.minimum(starts, ends) - reach, np.maximum(starts, ends) + reach
        boxes = tuple(np.ascontiguousarray(side) for side in (low[:, 0], low[:, 1], high[:, 0], high[:, 1]))
        columns = (
            self._strip,
            self._x,
            self._y,
            self._ux,
            self._uy,
            self._length,
            self._half[self._strip],
            self._before,
            self._from,
            self._to,
            np.isfinite(self._from),
            np.isfinite(self._to),
            self._both,
        )
        return boxes, [_Piece(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]

    def nearest(self, xy: Floats, yaw_rad: Floats | None, allowed: Bools) -> Foot:
        """Best strip for each of n points.

        xy: (n, 2). yaw_rad: (n,), NaN where unknown, or None; a one-way strip that points more than 90°
        elsewhere does not come into question. allowed: (number of strips,). Of the strips whose half width
        plus MARGIN_M reaches the point the likeliest is taken: by the distance in half widths and, with a
        yaw, by the angle, of which 30° count as much as one half width.
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

    def nearest_one(
        self, x_m: float, y_m: float, yaw_rad: float | None, allowed: Bools
    ) -> tuple[int, float, float, float] | None:
        """As `nearest` for one point, without the cost of arrays: strip, along_m, across_m, confidence."""
        if not self._count:
            return None
        boxes = self._boxes
        near = (boxes[0] <= x_m) & (boxes[1] <= y_m) & (boxes[2] >= x_m) & (boxes[3] >= y_m)
        best: dict[int, tuple[float, float, float]] = {}
        cos = sin = 0.0
        if yaw_rad is not None:
            cos, sin = math.cos(yaw_rad), math.sin(yaw_rad)
        for i in np.flatnonzero(near).tolist():
            piece = self._pieces[i]
            if not allowed[piece.strip]:
                continue
            dx, dy = x_m - piece.x, y_m - piece.y
            along = dx * piece.ux + dy * piece.uy
            if not piece.low <= along <= piece.high:
                continue
            side = piece.ux * dy - piece.uy * dx
            past = along - min(max(along, 0.0), piece.length)
            distance2 = side * side + past * past
            reach = piece.half + MARGIN_M
            if distance2 > reach * reach:
                continue
            cost = distance2 / (piece.half * piece.half)
            if yaw_rad is not None:
                agree = cos * piece.ux + sin * piece.uy
                if piece.both:
                    agree = abs(agree)
                if agree < 0.0:
                    continue
                cost += (1.0 - agree) * _ANGLE_COST
            known = best.get(piece.strip)
            if known is not None and known[0] <= cost:
                continue
            if (past < 0.0 and piece.first) or (past > 0.0 and piece.last):
                best[piece.strip] = cost, piece.before + along, side
            else:
                best[piece.strip] = (
                    cost,
                    piece.before + along - past,
                    math.copysign(math.sqrt(distance2), side),
                )
        if not best:
            return None
        strip = min(best, key=lambda s: (best[s][0], s))
        lowest, along, across = best[strip]
        total = sum(math.exp(-0.5 * (entry[0] - lowest)) for entry in best.values())
        return strip, along, across, 1.0 / total

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
        bad |= (along < self._from[pick]) | (along > self._to[pick])
        if yaw_rad is not None:
            agree = np.cos(yaw_rad)[:, None] * ux + np.sin(yaw_rad)[:, None] * uy
            agree = np.where(self._both[pick], np.abs(agree), agree)
            known = ~np.isnan(yaw_rad)[:, None]
            bad |= known & (agree < 0.0)
            cost = cost + np.where(known, (1.0 - np.where(known, agree, 1.0)) * _ANGLE_COST, 0.0)
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

    def covers_one(self, x_m: float, y_m: float, allowed: Bools, margin_m: float) -> bool:
        """As `covers` for one point."""
        if not self._count:
            return False
        if margin_m > MARGIN_M:
            return bool(self.covers(np.array(((x_m, y_m),)), allowed, margin_m)[0])
        boxes = self._boxes
        near = (boxes[0] <= x_m) & (boxes[1] <= y_m) & (boxes[2] >= x_m) & (boxes[3] >= y_m)
        for i in np.flatnonzero(near).tolist():
            piece = self._pieces[i]
            if allowed[piece.strip]:
                dx, dy = x_m - piece.x, y_m - piece.y
                along = min(max(dx * piece.ux + dy * piece.uy, 0.0), piece.length)
                if math.hypot(dx - along * piece.ux, dy - along * piece.uy) <= piece.half + margin_m:
                    return True
        return False

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
