from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple


class Box(NamedTuple):
    """Footprint and height of a participant: centre, direction, size in metres."""

    x_m: float
    y_m: float
    yaw_rad: float
    length_m: float
    width_m: float
    height_m: float = 1.5

    @property
    def radius_m(self) -> float:
        """Half the diagonal."""
        return 0.5 * math.hypot(self.length_m, self.width_m)


def overlap_interval(
    a: Box, va: tuple[float, float], b: Box, vb: tuple[float, float], horizon_s: float
) -> tuple[float, float] | None:
    """Seconds from now between which two boxes that move straight without turning overlap.

    Exact (separating axes); None when they do not touch within 0..horizon_s.
    """
    begin, end = 0.0, horizon_s
    rx, ry = b.x_m - a.x_m, b.y_m - a.y_m
    wx, wy = vb[0] - va[0], vb[1] - va[1]
    for yaw in (a.yaw_rad, a.yaw_rad + math.pi / 2, b.yaw_rad, b.yaw_rad + math.pi / 2):
        ux, uy = math.cos(yaw), math.sin(yaw)
        reach = _extent(a, ux, uy) + _extent(b, ux, uy)
        distance, speed = rx * ux + ry * uy, wx * ux + wy * uy
        if abs(speed) < 1e-9:
            if abs(distance) > reach:
                return None
            continue
        t0, t1 = (-reach - distance) / speed, (reach - distance) / speed
        begin, end = max(begin, min(t0, t1)), min(end, max(t0, t1))
        if begin > end:
            return None
    return begin, end


def overlaps(a: Box, b: Box) -> bool:
    """Whether two boxes touch now."""
    return overlap_interval(a, (0.0, 0.0), b, (0.0, 0.0), 0.0) is not None


def sees(
    eye: tuple[float, float, float], target: tuple[float, float, float], obstacles: Iterable[Box]
) -> bool:
    """Whether the straight line from `eye` to `target` (x, y, height; metres) passes all boxes.

    A box that contains either end is no obstacle. The height of the line is taken where it is over the box.
    """
    ex, ey, ez = eye
    dx, dy, dz = target[0] - ex, target[1] - ey, target[2] - ez
    for box in obstacles:
        c, s = math.cos(box.yaw_rad), math.sin(box.yaw_rad)
        px, py = ex - box.x_m, ey - box.y_m
        enter, leave = 0.0, 1.0
        for start, step, half in (
            (px * c + py * s, dx * c + dy * s, 0.5 * box.length_m),
            (-px * s + py * c, -dx * s + dy * c, 0.5 * box.width_m),
        ):
            if abs(step) < 1e-12:
                if abs(start) > half:
                    enter = 2.0
                continue
            t0, t1 = (-half - start) / step, (half - start) / step
            enter, leave = max(enter, min(t0, t1)), min(leave, max(t0, t1))
        if enter >= leave or enter <= 0.0 or leave >= 1.0:
            continue
        if min(ez + enter * dz, ez + leave * dz) < box.height_m:
            return False
    return True


def _extent(box: Box, ux: float, uy: float) -> float:
    c, s = math.cos(box.yaw_rad), math.sin(box.yaw_rad)
    return 0.5 * (abs(c * ux + s * uy) * box.length_m + abs(-s * ux + c * uy) * box.width_m)
