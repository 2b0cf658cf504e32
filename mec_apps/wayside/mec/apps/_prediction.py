from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wayside.mec.apps._kinematics import travelled, turned
from wayside.mec.apps._ways import OnWay, Way
from wayside.mec.sensors import ParticipantClass
from wayside.mec.world import TrackView

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_RADIUS_M = {
    ParticipantClass.PEDESTRIAN: 0.4,
    ParticipantClass.BICYCLE: 0.8,
    ParticipantClass.MOTORCYCLE: 0.9,
}
_HARDEST_MPS2 = 6.0
_MOVES_MPS = 0.3


class Hypothesis(NamedTuple):
    """One thing that a vehicle may do. row: its place among the vehicles. on: the way that it follows, or
    None to go on with `rate_rps`. accel_mps2: constant from now on."""

    row: int
    view: TrackView
    on: OnWay | None
    rate_rps: float
    accel_mps2: float


class Predicted(NamedTuple):
    """Poses of hypotheses at the predicted instants: x, y, yaw and way gone, each of shape (h, t)."""

    x: Floats
    y: Floats
    yaw: Floats
    way: Floats
    half_length: Floats
    half_width: Floats


class Courses(NamedTuple):
    """Places of road users at the predicted instants, each of shape (users, t)."""

    x: Floats
    y: Floats


class Meeting(NamedTuple):
    """First meeting of hypothesis `row` with road user `col`. instant: number of the first one
    that meets; time_s: between it and the one before. overlaps: they are in one place already."""

    row: int
    col: int
    instant: int
    time_s: float
    overlaps: bool


def predict(guesses: Sequence[Hypothesis], times_s: Floats, *, accel_s: float = math.inf) -> Predicted:
    """Poses of all hypotheses: constant speed or, for `accel_s`, acceleration; straight, on a circle, or
    along a way."""
    n = len(guesses)
    speed = np.array([g.view.speed_mps for g in guesses])
    accel = np.clip(np.array([g.accel_mps2 for g in guesses]), -_HARDEST_MPS2, _HARDEST_MPS2)
    way = travelled(speed, accel, times_s, accel_s)
    x, y, yaw = (np.empty_like(way) for _ in range(3))
    by_way: dict[int, tuple[Way, list[int]]] = {}
    free: list[int] = []
    for i, guess in enumerate(guesses):
        if guess.on is None:
            free.append(i)
        else:
            by_way.setdefault(id(guess.on.way), (guess.on.way, []))[1].append(i)
    if free:
        views = [guesses[i].view for i in free]
        course = np.array([np.arctan2(v.vy_mps, v.vx_mps) for v in views])
        x[free], y[free], yaw[free] = turned(
            np.array([v.x_m for v in views]),
            np.array([v.y_m for v in views]),
            course,
            np.array([guesses[i].rate_rps for i in free]),
            way[free],
            speed[free],
        )
    for line, rows in by_way.values():
        ons = [on for i in rows if (on := guesses[i].on) is not None]
        along = np.array([on.along_m for on in ons])[:, None] + way[rows]
        x[rows], y[rows], yaw[rows] = line.poses(along, np.array([on.left_m for on in ons]))
    half = np.array([(g.view.length_m / 2.0, g.view.width_m / 2.0) for g in guesses]).reshape(n, 2)
    return Predicted(x, y, yaw, way, half[:, 0], half[:, 1])


def courses(users: Sequence[TrackView], ways: Sequence[OnWay | None], times_s: Floats) -> Courses:
    """Where road users will be: along their way where one is given, else straight on; who stands, stays."""
    state = np.array([(u.x_m, u.y_m, u.vx_mps, u.vy_mps, u.speed_mps) for u in users]).reshape(-1, 5)
    speed = np.where(state[:, 4] >= _MOVES_MPS, state[:, 4], 0.0)
    go = (speed > 0.0)[:, None]
    x = state[:, 0, None] + np.where(go, state[:, 2, None], 0.0) * times_s
    y = state[:, 1, None] + np.where(go, state[:, 3, None], 0.0) * times_s
    for k, on in enumerate(ways):
        if on is not None:
            along = on.along_m + speed[k] * times_s
            (x[k],), (y[k],), _ = on.way.poses(along[None, :], np.array([on.left_m]))
    return Courses(x, y)


def may_meet(poses: Predicted, others: Courses, margin_m: float) -> NDArray[np.bool_]:
    """Whether the areas that a hypothesis and a road user can reach, with a margin, overlap: (h, users)."""
    most_m = max(_RADIUS_M.values()) + margin_m
    reach = (np.hypot(poses.half_length, poses.half_width) + most_m)[:, None]
    out = np.ones((len(poses.x), len(others.x)), dtype=np.bool_)
    for values, theirs in ((poses.x, others.x), (poses.y, others.y)):
        out &= theirs.min(axis=1)[None, :] <= values.max(axis=1)[:, None] + reach
        out &= theirs.max(axis=1)[None, :] >= values.min(axis=1)[:, None] - reach
    return out


def first_meetings(
    poses: Predicted,
    users: Sequence[TrackView],
    others: Courses,
    rows: Ints,
    cols: Ints,
    times_s: Floats,
    margin_m: Floats,
    growth_mps: float,
    growth_m: float,
) -> list[Meeting]:
    """First meetings of pairs (rows[k], cols[k]): an oriented rectangle and a circle.

    others: where the users will be. margin_m: per pair, the gap that counts as a meeting. The circle of a
    road user who moves grows by `growth_mps` up to `growth_m`.
    """
    moves = np.array([u.speed_mps >= _MOVES_MPS for u in users])
    grown = np.where(moves[:, None], np.minimum(growth_mps * times_s, growth_m)[None, :], 0.0)
    radius = np.array([_RADIUS_M[u.kind] for u in users])[:, None] + grown
    cos, sin = np.cos(poses.yaw), np.sin(poses.yaw)
    dx = others.x[cols] - poses.x[rows]
    dy = others.y[cols] - poses.y[rows]
    c, s = cos[rows], sin[rows]
    over_x = np.maximum(np.abs(dx * c + dy * s) - poses.half_length[rows, None], 0.0)
    over_y = np.maximum(np.abs(dy * c - dx * s) - poses.half_width[rows, None], 0.0)
    gap = np.sqrt(over_x * over_x + over_y * over_y) - radius[cols] - margin_m[:, None]
    hit = gap <= 0.0
    out: list[Meeting] = []
    for k in np.flatnonzero(hit.any(axis=1)):
        i = int(np.argmax(hit[k]))
        time_s = float(times_s[i])
        if i > 0:
            before, after = float(gap[k, i - 1]), float(gap[k, i])
            time_s -= float(times_s[i] - times_s[i - 1]) * (-after / (before - after))
        inside = i == 0 and bool(over_x[k, 0] == 0.0 and over_y[k, 0] == 0.0)
        out.append(Meeting(int(rows[k]), int(cols[k]), i, time_s, inside))
    return out
