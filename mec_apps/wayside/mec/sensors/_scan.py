from __future__ import annotations

from enum import StrEnum

import msgspec

from wayside.clock import MonoNs, UtcNs


class ParticipantClass(StrEnum):
    """What a detector says an object is."""

    UNKNOWN = "unknown"
    CAR = "car"
    TRUCK = "truck"
    BUS = "bus"
    MOTORCYCLE = "motorcycle"
    BICYCLE = "bicycle"
    PEDESTRIAN = "pedestrian"


VULNERABLE = frozenset({ParticipantClass.PEDESTRIAN, ParticipantClass.BICYCLE, ParticipantClass.MOTORCYCLE})


class Detection(msgspec.Struct, frozen=True):
    """One object as one sensor saw it at one instant, on the site's plane.

    x_m, y_m: centre of the object's footprint. vx_mps, vy_mps: only where the sensor measures both.
    range_rate_mps: positive when receding from the sensor. std_m: one sigma along and across the line of
    sight, None for the sensor's default. confidence: 0..1.
    """

    x_m: float
    y_m: float
    kind: ParticipantClass = ParticipantClass.UNKNOWN
    confidence: float = 1.0
    vx_mps: float | None = None
    vy_mps: float | None = None
    range_rate_mps: float | None = None
    length_m: float | None = None
    width_m: float | None = None
    yaw_rad: float | None = None
    std_m: tuple[float, float] | None = None


class Scan(msgspec.Struct, frozen=True):
    """All detections of one sensor at one instant; empty is a valid scan.

    measured: the sensor's stamp, corrected for its known clock offset. arrived: when the datagram or frame
    was read from the socket. ingested: when the scan had been checked. trace_id: given at arrival.
    """

    sensor_id: str
    seq: int
    measured: UtcNs
    arrived: MonoNs
    ingested: MonoNs
    trace_id: str
    detections: tuple[Detection, ...]
