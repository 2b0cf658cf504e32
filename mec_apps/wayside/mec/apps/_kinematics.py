from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


CANNOT_STOP = math.inf
"""Required deceleration of a vehicle that is past the point within its driver's reaction time."""


def required_deceleration(speed_mps: float, distance_m: float, reaction_s: float = 1.0) -> float:
    """Constant deceleration, m/s², that stops a vehicle within a distance: v² / (2 (d - v t)).

    CANNOT_STOP where the reaction alone takes the whole distance; 0 for a standing vehicle.
    """
    if speed_mps <= 0.0:
        return 0.0
    left_m = distance_m - speed_mps * reaction_s
    return speed_mps * speed_mps / (2.0 * left_m) if left_m > 0.0 else CANNOT_STOP


def reaction_of(
    speed_mps: float, accel_mps2: float, reaction_s: float, slow_mps: float, slow_reaction_s: float
) -> float:
    """Reaction time, s, of a driver: none for one who brakes already, a shorter one up to `slow_mps`, where
    his foot is over the brake."""
    if accel_mps2 <= -1.0:
        return 0.0
    return slow_reaction_s if speed_mps <= slow_mps else reaction_s


def needed_deceleration(speed_mps: float, accel_mps2: float, distance_m: float, reaction_s: float) -> float:
    """As `required_deceleration`, for a driver who goes on speeding up until he reacts."""
    if accel_mps2 <= 0.0:
        return required_deceleration(speed_mps, distance_m, reaction_s)
    gone_m = speed_mps * reaction_s + 0.5 * accel_mps2 * reaction_s**2
    return required_deceleration(speed_mps + accel_mps2 * reaction_s, distance_m - gone_m, 0.0)


def stopping_distance(speed_mps: float, deceleration_mps2: float, reaction_s: float) -> float:
    """Way, m, that a vehicle needs to stop at a constant deceleration after the reaction time."""
    return speed_mps * reaction_s + speed_mps * speed_mps / (2.0 * deceleration_mps2)


def travelled(speed_mps: Floats, accel_mps2: Floats, times_s: Floats, accel_s: float = math.inf) -> Floats:
    """Way, m, of shape (n, t): constant acceleration for `accel_s` and constant speed after that, or
    constant speed where it is 0; nobody backs up.

    speed_mps, accel_mps2: shape (n,), speed ≥ 0. times_s: shape (t,).
    """
    braking = accel_mps2 < 0.0
    stop_s = np.where(braking, speed_mps / np.where(braking, -accel_mps2, 1.0), np.inf)
    t = np.minimum(times_s[None, :], stop_s[:, None])
    burst = np.minimum(t, accel_s)
    out: Floats = speed_mps[:, None] * t + accel_mps2[:, None] * burst * (t - 0.5 * burst)
    return out


def turned(
    x_m: Floats, y_m: Floats, yaw_rad: Floats, rate_rps: Floats, way_m: Floats, speed_mps: Floats
) -> tuple[Floats, Floats, Floats]:
    """Poses, shape (n, t), of vehicles that go `way_m` (n, t) on a circle of rate / speed, or straight.

    x_m, y_m, yaw_rad, rate_rps, speed_mps: shape (n,).
    """
    curvature = np.where(np.abs(rate_rps) > 0.0, rate_rps / np.maximum(speed_mps, 0.5), 0.0)[:, None]
    angle = curvature * way_m
    half = angle / 2.0
    chord = way_m * np.sinc(half / math.pi)
    toward = yaw_rad[:, None] + half
    return (
        x_m[:, None] + chord * np.cos(toward),
        y_m[:, None] + chord * np.sin(toward),
        yaw_rad[:, None] + angle,
    )


class YawHistory:
    """Yaw of each vehicle over the last seconds, for its yaw rate where nothing measures it.

    Source of the limits: OV (more than 4 samples, at least 1.5 s of history).
    """

    def __init__(self, span_s: float, samples: int) -> None:
        self._span_ns = span_s * 1e9
        self._samples = samples
        self._of: dict[int, list[tuple[int, float]]] = {}

    def add(self, track_id: int, mono_ns: int, yaw_rad: float) -> None:
        """Remember one yaw; a second one of the same instant is left out."""
        kept = self._of.setdefault(track_id, [])
        if kept and mono_ns - kept[-1][0] < 50_000_000:
            return
        if kept:
            yaw_rad = kept[-1][1] + math.remainder(yaw_rad - kept[-1][1], math.tau)
        kept.append((mono_ns, yaw_rad))
        while mono_ns - kept[1][0] >= self._span_ns if len(kept) > 2 else False:
            kept.pop(0)

    def rate(self, track_id: int) -> float:
        """Yaw rate, rad/s, by least squares; 0 while the history is too short."""
        kept = self._of.get(track_id, [])
        if len(kept) <= self._samples or kept[-1][0] - kept[0][0] < self._span_ns:
            return 0.0
        times = [(at - kept[0][0]) / 1e9 for at, _ in kept]
        mean_t = sum(times) / len(times)
        mean_y = sum(yaw for _, yaw in kept) / len(kept)
        square = sum((t - mean_t) ** 2 for t in times)
        return sum((t - mean_t) * (yaw - mean_y) for t, (_, yaw) in zip(times, kept, strict=True)) / square

    def keep_only(self, tracks: set[int]) -> None:
        """Forget vehicles that are gone."""
        for gone in self._of.keys() - tracks:
            del self._of[gone]
