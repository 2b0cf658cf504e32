from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from wayside.mec.fusion._measurement import BICYCLE, BODY, PEDESTRIAN, Measurement
from wayside.mec.fusion._settings import TrackerSettings
from wayside.mec.fusion._state import (
    AX,
    AY,
    HITS,
    LENGTH,
    LIVELY_S,
    PULL_X,
    PULL_Y,
    SCORE,
    SEEN_S,
    SIZES,
    WIDTH,
    YAW,
    YAW_KNOWN,
    TrackState,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_EYE = np.eye(2)
_MAX_ACCEL_MPS2 = 12.0
_PULL_WEIGHT = 0.25


def predict(state: TrackState, time_s: float, settings: TrackerSettings) -> None:
    """Move all tracks to `time_s` with constant velocity and random acceleration; back in time is no move."""
    if state.time_s is None:
        state.time_s = time_s
    dt = time_s - state.time_s
    if dt <= 0.0:
        return
    state.time_s = time_s
    if not len(state):
        return
    density = _densities(state, time_s, settings)[:, None, None] * _EYE
    cov = state.cov
    pv, vv = cov[:, :2, 2:].copy(), cov[:, 2:, 2:]
    state.x[:, :2] += dt * state.x[:, 2:]
    cov[:, :2, :2] += dt * (pv + pv.transpose(0, 2, 1)) + dt * dt * vv + dt**3 / 3.0 * density
    pv += dt * vv + dt * dt / 2.0 * density
    cov[:, :2, 2:] = pv
    cov[:, 2:, :2] = pv.transpose(0, 2, 1)
    cov[:, 2:, 2:] = vv + dt * density


def _densities(state: TrackState, time_s: float, settings: TrackerSettings) -> Floats:
    kinds = state.kinds()
    on_foot, by_bike = kinds == PEDESTRIAN, kinds == BICYCLE
    lively = np.where(on_foot, settings.ped_accel_density, settings.accel_density)
    calm = np.where(on_foot, settings.calm_ped_density, settings.calm_bike_density)
    is_calm = (on_foot | by_bike) & (state.values[:, LIVELY_S] <= time_s)
    out: Floats = np.where(is_calm, calm, lively)
    return out


def update(state: TrackState, i: Ints, scan: Measurement, j: Ints, settings: TrackerSettings) -> None:
    """Kalman update of the tracks `i` with the detections `j`, and of what else a detection says."""
    cov, x = state.cov[i], state.x[i]
    before = x[:, 2:].copy()
    h = cov[:, :, :2]
    s = cov[:, :2, :2] + scan.cov[j]
    a, b, c = s[:, 0, 0], s[:, 0, 1], s[:, 1, 1]
    det = a * c - b * b
    inverse = np.empty_like(s)
    inverse[:, 0, 0], inverse[:, 1, 1] = c / det, a / det
    inverse[:, 0, 1] = inverse[:, 1, 0] = -b / det
    gain = h @ inverse
    d = scan.xy[j] - x[:, :2]
    m2 = np.einsum("ni,nij,nj->n", d, inverse, d)
    doubt = 3.0 * (1.0 - scan.confidence[j])
    state.values[i, SCORE] += (
        math.log(settings.pd / settings.clutter_per_m2)
        - 0.5 * m2
        - 0.5 * np.log((2.0 * math.pi) ** 2 * det)
        - doubt
    )
    x += np.einsum("nij,nj->ni", gain, d)
    cov = cov - gain @ h.transpose(0, 2, 1)
    starts = _pulled(state, i, d, s, det, settings)
    cov[starts, 2, 2] += settings.start_mps**2
    cov[starts, 3, 3] += settings.start_mps**2
    if scan.has_range_rate:
        away = x[:, :2] - (scan.view.x_m, scan.view.y_m)
        unit = away / (np.hypot(away[:, 0], away[:, 1])[:, None] + 1e-6)
        _along(x, cov, unit, scan.range_rate[j], settings.doppler_std_mps)
    if scan.has_velocity:
        for axis in (0, 1):
            unit = np.zeros((len(i), 2))
            unit[:, axis] = 1.0
            _along(x, cov, unit, scan.velocity[j, axis], settings.velocity_std_mps)
    state.x[i] = x
    state.cov[i] = 0.5 * (cov + cov.transpose(0, 2, 1))
    state.values[i, HITS] += 1.0
    kinds = scan.kind[j]
    known = kinds > 0
    state.votes[i[known], kinds[known]] += scan.confidence[j[known]]
    _accelerations(state, i, x[:, 2:] - before)
    if scan.has_size:
        _sizes(state, i, scan.size[j])
    _directions(state, i, scan.yaw[j] if scan.has_yaw else None)
    assert state.time_s is not None
    state.values[i, SEEN_S] = state.time_s


def _pulled(
    state: TrackState, i: Ints, d: Floats, s: Floats, det: Floats, settings: TrackerSettings
) -> NDArray[np.bool_]:
    """Which calm tracks on foot or bicycle are no longer calm: what they were off by, each by its own
    deviation and averaged, lies too far to one side for noise."""
    assert state.time_s is not None
    # Inverse of the symmetric root of s, which keeps the axes.
    root = np.sqrt(det)
    size = np.sqrt(s[:, 0, 0] + s[:, 1, 1] + 2.0 * root)
    zx = ((s[:, 1, 1] + root) * d[:, 0] - s[:, 0, 1] * d[:, 1]) / (root * size)
    zy = ((s[:, 0, 0] + root) * d[:, 1] - s[:, 0, 1] * d[:, 0]) / (root * size)
    pull = state.values[i, PULL_X : PULL_Y + 1]
    pull += _PULL_WEIGHT * (np.column_stack((zx, zy)) - pull)
    square = (pull * pull).sum(axis=1) * (2.0 - _PULL_WEIGHT) / _PULL_WEIGHT
    kinds = state.kinds()[i]
    lively = (square > settings.pull) & ((kinds == PEDESTRIAN) | (kinds == BICYCLE))
    starts: NDArray[np.bool_] = lively & (state.values[i, LIVELY_S] <= state.time_s)
    pull[starts] = 0.0
    state.values[i, PULL_X : PULL_Y + 1] = pull
    rows = i[lively]
    state.values[rows, LIVELY_S] = state.time_s + settings.lively_s
    return starts


def _along(x: Floats, cov: Floats, unit: Floats, measured: Floats, std_mps: float) -> None:
    """Scalar update in place with the speed `measured` along `unit` (n, 2); nan and outliers do nothing."""
    ph = cov[:, :, 2] * unit[:, 0, None] + cov[:, :, 3] * unit[:, 1, None]
    variance = ph[:, 2] * unit[:, 0] + ph[:, 3] * unit[:, 1] + std_mps**2
    finite = np.isfinite(measured)
    residual = np.where(finite, measured, 0.0) - (unit[:, 0] * x[:, 2] + unit[:, 1] * x[:, 3])
    use = finite & (residual * residual < 16.0 * variance)
    gain = ph / variance[:, None] * use[:, None]
    x += gain * np.where(use, residual, 0.0)[:, None]
    cov -= gain[:, :, None] * ph[:, None, :]


def _accelerations(state: TrackState, i: Ints, correction: Floats) -> None:
    """Low-passed rate at which updates change the velocity: with constant velocity between, that is the
    acceleration."""
    assert state.time_s is not None
    dt = np.maximum(state.time_s - state.values[i, SEEN_S], 0.02)
    weight = 1.0 - np.exp(-dt / 0.5)
    for column, axis in ((AX, 0), (AY, 1)):
        seen = np.clip(correction[:, axis] / dt, -_MAX_ACCEL_MPS2, _MAX_ACCEL_MPS2)
        state.values[i, column] += weight * (seen - state.values[i, column])


def _sizes(state: TrackState, i: Ints, size: Floats) -> None:
    ok = np.isfinite(size).all(axis=1)
    rows = i[ok]
    count = np.minimum(state.values[rows, SIZES] + 1.0, 40.0)
    state.values[rows, SIZES] = count
    state.values[rows, LENGTH] += (size[ok, 0] - state.values[rows, LENGTH]) / count
    state.values[rows, WIDTH] += (size[ok, 1] - state.values[rows, WIDTH]) / count


def _directions(state: TrackState, i: Ints, yaw: Floats | None) -> None:
    """Direction of the body: the course while it moves, a measured yaw turned the nearer way round; kept
    at a stop. Latched below 4 km/h, released above 5 (T/CSAE 159), half of that on foot."""
    values, v = state.values, state.x[i, 2:]
    speed = np.hypot(v[:, 0], v[:, 1])
    course = np.arctan2(v[:, 1], v[:, 0])
    slow = np.where(BODY[state.votes[i].argmax(axis=1)] == 3, 0.5, 1.0)
    known = values[i, YAW_KNOWN] > 0
    moving = speed > slow * np.where(known, 5.0, 4.0) / 3.6
    if yaw is not None:
        given = np.isfinite(yaw)
        towards = np.where(moving, course, np.where(known, values[i, YAW], np.nan_to_num(yaw)))
        off = _wrapped(np.nan_to_num(yaw) - towards)
        nearer = np.nan_to_num(yaw) + np.where(np.abs(off) > math.pi / 2.0, math.pi, 0.0)
        _turn(state, i[given], nearer[given], 0.3)
    _turn(state, i[moving], course[moving], 0.5)


def _turn(state: TrackState, rows: Ints, towards: Floats, weight: float) -> None:
    known = state.values[rows, YAW_KNOWN] > 0
    yaw = state.values[rows, YAW]
    turned = _wrapped(yaw + weight * _wrapped(towards - yaw))
    state.values[rows, YAW] = np.where(known, turned, _wrapped(towards))
    state.values[rows, YAW_KNOWN] = 1.0


def _wrapped(angle: Floats) -> Floats:
    wrapped: Floats = (angle + math.pi) % math.tau - math.pi
    return wrapped
