from __future__ import annotations

import math
from typing import Annotated

import msgspec
from msgspec import Meta

Positive = Annotated[float, Meta(gt=0.0)]
Count = Annotated[int, Meta(ge=1)]


class SensorView(msgspec.Struct, frozen=True):
    """What the tracker needs to know of one sensor, on the site's plane.

    yaw_rad: direction of the optical axis. fov_rad: full opening angle, 2π for all round. range_m: beyond it
    nothing is expected. std_m: one sigma along and across the line of sight where a detection says none.
    keeps_static: False where the sensor filters out what does not move, as many radars do.
    """

    sensor_id: str
    x_m: float
    y_m: float
    yaw_rad: float
    range_m: float
    std_m: tuple[float, float]
    fov_rad: float = math.tau
    keeps_static: bool = True


class TrackerSettings(msgspec.Struct, frozen=True):
    """Parameters of the tracker. Source: own, tuned on recorded trajectories with simulated sensors.

    horizon_s: scans older than the newest by more than this are refused. log_scans: most scans kept for
    roll-back. accel_density: power of the random acceleration, m²/s³, of vehicles; ped_accel_density the
    same of pedestrians. calm_ped_density, calm_bike_density: the same of pedestrians and of cyclists who go
    on as before: small, so that their velocity is steady. pull: how far the detections of late must pull a
    track to one side for it not to be calm, as a squared normalised mean (χ² of two degrees under noise
    alone); for lively_s from then it moves with the larger density, and its velocity is taken to be unsure
    by start_mps more; so it moves for young_s from its birth. gate: largest squared normalised distance of
    a detection to its track. birth_gate: within it of a confirmed track no new one begins. coarse_m: outer
    bound of both. pd, clutter_per_m2: of the existence score. miss: loss of probability per expected
    detection that did not come. confirm_score, confirm_hits: a track is published from then on. coast_s:
    longest life without a detection; after publish_s without one a track is kept, but not published.
    max_tracks: no new ones beyond.
    """

    horizon_s: Positive = 0.6
    log_scans: Count = 64
    accel_density: Positive = 4.0
    ped_accel_density: Positive = 0.8
    calm_ped_density: Positive = 0.15
    calm_bike_density: Positive = 0.5
    pull: Positive = 10.0
    lively_s: Positive = 0.5
    young_s: Positive = 2.0
    start_mps: Positive = 0.9
    gate: Positive = 11.8
    birth_gate: Positive = 25.0
    coarse_m: Positive = 6.0
    birth_speed_mps: Positive = 12.0
    ped_birth_speed_mps: Positive = 2.0
    pd: Annotated[float, Meta(gt=0.0, lt=1.0)] = 0.9
    miss: Annotated[float, Meta(gt=0.0, lt=1.0)] = 0.5
    clutter_per_m2: Positive = 2e-4
    confirm_score: Positive = 14.0
    max_score: Positive = 24.0
    confirm_hits: Count = 3
    doppler_std_mps: Positive = 0.3
    velocity_std_mps: Positive = 0.8
    coast_s: Positive = 2.0
    publish_s: Positive = 0.6
    max_tracks: Count = 1_000
