from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from wayside.geo import angle_between_deg, heading_from_yaw
from wayside.sim._shapes import Box, overlap_interval, overlaps

Floats = NDArray[np.float64]

# TTC: default of the FHWA Surrogate Safety Assessment Model, and the usual bound of a serious conflict. PET:
# serious begins at 1.5 s; 1.0 s here, because giving way to somebody on foot ends with 1 to 1.5 s.
TTC_CONFLICT_S = 1.5
TTC_SERIOUS_S = 1.0
PET_CONFLICT_S = 1.0
PET_KEPT_S = 5.0
PET_SPEED_MPS = 3.0
_CELL_M = 1.0
_ROW = 1 << 32
_CROSSING_DEG = 60.0
# Oncoming traffic on the next lane crosses nobody's way, though both brush one square metre between them.
_ONCOMING_DEG = 160.0
_STANDING_MPS = 0.5


class Motion(NamedTuple):
    """One participant and where it will be if it goes on along its own way at its present speed.

    poses: shape (17, 3), x, y in metres and yaw in radians at each of `TIMES_S`. motor: a motor vehicle; two
    others are no pair.
    """

    id: int
    speed_mps: float
    length_m: float
    width_m: float
    poses: Floats
    motor: bool = True

    def box(self, k: int) -> Box:
        """Footprint at `TIMES_S[k]`."""
        x, y, yaw = self.poses[k]
        return Box(float(x), float(y), float(yaw), self.length_m, self.width_m)


HORIZON_S = 4.0
STEP_S = 0.25
TIMES_S = np.arange(17) * STEP_S


def straight(
    id: int, box: Box, speed_mps: float, *, course_rad: float | None = None, motor: bool = True
) -> Motion:
    """A motion straight ahead (or along `course_rad`) at a constant speed."""
    course = box.yaw_rad if course_rad is None else course_rad
    way = speed_mps * TIMES_S
    poses = np.stack(
        (box.x_m + way * math.cos(course), box.y_m + way * math.sin(course), np.full(17, box.yaw_rad)), axis=1
    )
    return Motion(id, speed_mps, box.length_m, box.width_m, poses, motor)


class PairMeasure(msgspec.Struct):
    """Closest that two participants came. min_ttc_s, min_pet_s: infinite when they never were on a course to
    meet, or never crossed each other's way. collided: their footprints touched."""

    a: int
    b: int
    min_ttc_s: float = math.inf
    min_pet_s: float = math.inf
    collided: bool = False

    @property
    def conflict(self) -> bool:
        """Whether the two came closer than the threshold of either measure, or collided."""
        return self.collided or self.min_ttc_s <= TTC_CONFLICT_S or self.min_pet_s <= PET_CONFLICT_S

    @property
    def serious(self) -> bool:
        """Whether time to collision fell below the bound of a serious conflict, or they collided."""
        return self.collided or self.min_ttc_s < TTC_SERIOUS_S


def time_to_collision(a: Motion, b: Motion) -> float:
    """Seconds until the footprints of two participants meet when both go on along their ways at their present
    speeds; infinite when they do not within 4 s. Two-dimensional: crossing paths as well as one path.
    Between two instants the motion counts as straight.
    """
    ra = 0.5 * math.hypot(a.length_m, a.width_m)
    rb = 0.5 * math.hypot(b.length_m, b.width_m)
    apart = np.hypot(a.poses[:, 0] - b.poses[:, 0], a.poses[:, 1] - b.poses[:, 1])
    near = apart <= ra + rb + (a.speed_mps + b.speed_mps) * STEP_S
    at_a, at_b = a.poses.tolist(), b.poses.tolist()
    for k in np.flatnonzero(near[:-1]).tolist():
        p, q = _box(a, at_a[k]), _box(b, at_b[k])
        met = overlap_interval(p, _velocity(at_a, k), q, _velocity(at_b, k), STEP_S)
        if met is not None:
            return float(TIMES_S[k]) + met[0]
    return math.inf


class _Trace(NamedTuple):
    """Who was on a square metre last: when, which participant, its heading, whether it is a motor vehicle."""

    at_s: float
    id: int
    heading_deg: float
    motor: bool


class ConflictMeter:
    """Measures every pair of participants of a run: time to collision, post-encroachment time, collisions.

    Post-encroachment time: from the moment one has left a square metre of road to the moment at which
    another, whose way crosses it, enters it at 3 m/s or more: who creeps up is in no conflict. Call
    `observe` about ten times a second.
    """

    def __init__(self) -> None:
        self.pairs: dict[tuple[int, int], PairMeasure] = {}
        self._left: dict[int, _Trace] = {}
        self._cells: dict[int, tuple[Box, set[int]]] = {}
        self._pruned_s = 0.0

    def observe(self, now_s: float, motions: Sequence[Motion]) -> None:
        """Take in all participants at one instant."""
        for i, j in _near_pairs(motions):
            a, b = motions[i], motions[j]
            ttc = time_to_collision(a, b)
            if ttc < math.inf:
                pair = self._pair(a.id, b.id)
                pair.min_ttc_s = min(pair.min_ttc_s, ttc)
                if ttc == 0.0 and overlaps(a.box(0), b.box(0)):
                    pair.collided = True
        self._encroach(now_s, motions)

    def _pair(self, a: int, b: int) -> PairMeasure:
        key = (min(a, b), max(a, b))
        return self.pairs.setdefault(key, PairMeasure(*key))

    def _encroach(self, now_s: float, motions: Sequence[Motion]) -> None:
        entered: dict[int, _Trace] = {}
        for motion in motions:
            box = motion.box(0)
            heading = heading_from_yaw(box.yaw_rad)
            trace = _Trace(now_s, motion.id, heading, motion.motor)
            cells = self._cells_of(motion.id, box)
            entered.update(dict.fromkeys(cells, trace))
            if motion.speed_mps < PET_SPEED_MPS:
                continue
            for cell in cells & self._left.keys():
                before = self._left[cell]
                if (
                    before.id != motion.id
                    and now_s - before.at_s <= PET_KEPT_S
                    and (before.motor or motion.motor)
                    and _CROSSING_DEG < angle_between_deg(before.heading_deg, heading) < _ONCOMING_DEG
                ):
                    pair = self._pair(motion.id, before.id)
                    pair.min_pet_s = min(pair.min_pet_s, now_s - before.at_s)
        self._left.update(entered)
        if now_s - self._pruned_s > PET_KEPT_S:
            self._pruned_s = now_s
            self._left = {k: v for k, v in self._left.items() if now_s - v.at_s <= PET_KEPT_S}
            self._cells = {m.id: self._cells[m.id] for m in motions}

    def _cells_of(self, participant: int, box: Box) -> set[int]:
        # Who stands still covers what it covered before.
        last = self._cells.get(participant)
        if last is None or last[0] != box:
            last = self._cells[participant] = box, _cells(box)
        return last[1]


def _box(motion: Motion, pose: list[float]) -> Box:
    x_m, y_m, yaw_rad = pose
    return Box(x_m, y_m, yaw_rad, motion.length_m, motion.width_m)


def _velocity(poses: list[list[float]], k: int) -> tuple[float, float]:
    (x0, y0, _), (x1, y1, _) = poses[k], poses[k + 1]
    return (x1 - x0) / STEP_S, (y1 - y0) / STEP_S


def _near_pairs(motions: Sequence[Motion]) -> list[tuple[int, int]]:
    if len(motions) < 2:
        return []
    xy = np.stack([m.poses[:, :2] for m in motions])
    speed = np.array([m.speed_mps for m in motions])
    radius = np.array([0.5 * math.hypot(m.length_m, m.width_m) for m in motions])
    motor = np.array([m.motor for m in motions])
    begin = xy[:, 0]
    # Only those can meet whom the horizon brings together: the rest is not looked at in between.
    reach = radius + speed * (HORIZON_S + STEP_S)
    near = np.hypot(*np.moveaxis(begin[:, None] - begin[None, :], -1, 0)) <= reach[:, None] + reach[None, :]
    moving = speed >= _STANDING_MPS
    wanted = near & (moving[:, None] | moving[None, :]) & (motor[:, None] | motor[None, :])
    i, j = np.nonzero(np.triu(wanted, k=1))
    apart = np.min(np.hypot(*np.moveaxis(xy[i] - xy[j], -1, 0)), axis=1)
    close = apart <= radius[i] + radius[j] + (speed[i] + speed[j]) * (0.5 * STEP_S)
    return [(int(a), int(b)) for a, b in zip(i[close], j[close], strict=True)]


@lru_cache(maxsize=64)
def _places(length_m: float, width_m: float) -> Floats:
    """Places over a footprint, shape (n, 2): along and beside its middle, less than a cell apart."""
    n, m = max(2, math.ceil(length_m / 0.9) + 1), max(2, math.ceil(width_m / 0.9) + 1)
    along, beside = np.linspace(-0.5, 0.5, n) * length_m, np.linspace(-0.5, 0.5, m) * width_m
    return np.stack(np.meshgrid(along, beside, indexing="ij"), axis=-1).reshape(-1, 2)


def _cells(box: Box) -> set[int]:
    """Square metres that a footprint covers, each as one number."""
    c, s = math.cos(box.yaw_rad), math.sin(box.yaw_rad)
    places = _places(box.length_m, box.width_m)
    x = np.floor((box.x_m + places[:, 0] * c - places[:, 1] * s) / _CELL_M).astype(np.int64)
    y = np.floor((box.y_m + places[:, 0] * s + places[:, 1] * c) / _CELL_M).astype(np.int64)
    return set((x * _ROW + y).tolist())
