from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from wayside.mec.fusion._measurement import BODY, Measurement
from wayside.mec.fusion._settings import SensorView, TrackerSettings
from wayside.mec.fusion._state import CONFIRMED, LENGTH, WIDTH, TrackState

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
_NONE: Ints = np.zeros(0, dtype=np.int64)


class Association(NamedTuple):
    """tracks, detections: rows that belong together. near: per detection, whether it lies too close to a
    confirmed track of a like body to begin one of its own."""

    tracks: Ints
    detections: Ints
    near: Bools


def associate(state: TrackState, scan: Measurement, settings: TrackerSettings) -> Association:
    """Best assignment of detections to tracks inside the gate; optimal where it is ambiguous."""
    near = np.zeros(len(scan), dtype=bool)
    if not len(state) or not len(scan):
        return Association(_NONE, _NONE, near)
    dx = scan.xy[None, :, 0] - state.x[:, 0, None]
    dy = scan.xy[None, :, 1] - state.x[:, 1, None]
    i, j = np.nonzero(dx * dx + dy * dy < settings.coarse_m**2)
    if not len(i):
        return Association(_NONE, _NONE, near)
    dx, dy = dx[i, j], dy[i, j]
    s = state.cov[i, :2, :2] + scan.cov[j]
    a, b, c = s[:, 0, 0], s[:, 0, 1], s[:, 1, 1]
    det = a * c - b * b
    m2 = (c * dx * dx - 2.0 * b * dx * dy + a * dy * dy) / det
    confirmed = state.values[i, CONFIRMED] > 0
    apart = np.abs(BODY[state.kinds()[i]] - BODY[scan.kind[j]])
    both = (BODY[state.kinds()[i]] > 0) & (BODY[scan.kind[j]] > 0)
    unlike = both & (apart >= 2)
    near[j[(m2 < settings.birth_gate) & confirmed & ~unlike]] = True
    ok = (m2 < settings.gate) & ~unlike
    cost = m2 + np.log(det) + 2.0 * (both & (apart == 1)) - 5.0 * confirmed
    i, j, cost = i[ok], j[ok], cost[ok]
    if not len(i):
        return Association(_NONE, _NONE, near)
    easy = (np.bincount(i)[i] == 1) & (np.bincount(j)[j] == 1)
    rows, columns = i[easy], j[easy]
    if not easy.all():
        i, j, cost = i[~easy], j[~easy], cost[~easy]
        tracks, ii = np.unique(i, return_inverse=True)
        detections, jj = np.unique(j, return_inverse=True)
        matrix = np.full((len(tracks), len(detections)), 1e3)
        matrix[ii, jj] = cost - 50.0
        p, q = linear_sum_assignment(matrix)
        good = matrix[p, q] < 500.0
        rows = np.concatenate((rows, tracks[p[good]]))
        columns = np.concatenate((columns, detections[q[good]]))
    return Association(rows, columns, near)


def expected(state: TrackState, view: SensorView, missed: Ints) -> Bools:
    """Of the tracks `missed`, which the sensor should have seen: in range, in view, not behind another."""
    xy = state.x[:, :2] - (view.x_m, view.y_m)
    distance = np.hypot(xy[:, 0], xy[:, 1])
    seen = distance[missed] < view.range_m
    bearing = np.arctan2(xy[:, 1], xy[:, 0])
    if view.fov_rad < math.tau:
        off = np.abs(_wrapped(bearing[missed] - view.yaw_rad))
        seen &= off < view.fov_rad / 2.0
    if not view.keeps_static:
        seen &= np.hypot(state.x[missed, 2], state.x[missed, 3]) > 1.0
    if not seen.any():
        return seen
    blocking = state.values[:, CONFIRMED] > 0
    half = np.hypot(state.values[:, LENGTH], state.values[:, WIDTH]) * 0.35
    half_angle = np.arctan2(half, np.maximum(distance, 1.0))
    apart = np.abs(_wrapped(bearing[missed][:, None] - bearing[None, :]))
    nearer = distance[None, :] < distance[missed][:, None] - 2.0
    hidden = (blocking[None, :] & nearer & (apart < half_angle[None, :])).any(axis=1)
    seen &= ~hidden
    return seen


def _wrapped(angle: NDArray[np.float64]) -> NDArray[np.float64]:
    wrapped: NDArray[np.float64] = (angle + math.pi) % math.tau - math.pi
    return wrapped
