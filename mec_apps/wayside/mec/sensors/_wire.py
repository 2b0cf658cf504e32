from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from wayside.geo import LocalPlane, within_wgs84, wrap_rad, yaw_from_heading
from wayside.mec.sensors._reasons import SensorError, SensorReason
from wayside.mec.sensors._scan import Detection, ParticipantClass

WIRE_VERSION = 1
MAX_SCAN_BYTES = 65_536
MAX_OBJECTS = 512
_MAX_SPEED_MPS = 100.0
_MAX_SIZE_M = 60.0
_MAX_STD_M = 50.0


class WireObject(msgspec.Struct, frozen=True, omit_defaults=True):
    """One object of a scan on the wire; units and rules in docs/sensors.md.

    Exactly one of the pairs x and y, lat and lon, range and bearing is given.
    """

    x: float | None = None
    y: float | None = None
    lat: float | None = None
    lon: float | None = None
    range: float | None = None
    bearing: float | None = None
    vx: float | None = None
    vy: float | None = None
    range_rate: float | None = None
    length: float | None = None
    width: float | None = None
    yaw: float | None = None
    heading_deg: float | None = None
    cls: ParticipantClass = ParticipantClass.UNKNOWN
    conf: float = 1.0
    std: float | tuple[float, float] | None = None


class WireHead(msgspec.Struct, frozen=True):
    """A scan on the wire, its objects not yet looked at. t_ns: UTC nanoseconds of the exposure."""

    v: int
    sensor: Annotated[str, Meta(min_length=1, max_length=64)]
    seq: Annotated[int, Meta(ge=0, lt=1 << 53)]
    t_ns: Annotated[int, Meta(ge=0, lt=1 << 62)]
    objects: list[msgspec.Raw]


class SensorPose(msgspec.Struct, frozen=True):
    """Where a sensor stands on the site's plane, and how far it sees."""

    x_m: float
    y_m: float
    yaw_rad: float
    range_m: float


_head = msgspec.msgpack.Decoder(WireHead)
_object = msgspec.msgpack.Decoder(WireObject)
_encoder = msgspec.msgpack.Encoder()


def encode_scan(sensor: str, seq: int, t_ns: int, objects: Sequence[WireObject]) -> bytes:
    """Octets of a scan, as a sensor sends them."""
    return _encoder.encode(
        {"v": WIRE_VERSION, "sensor": sensor, "seq": seq, "t_ns": t_ns, "objects": list(objects)}
    )


def wire_object(detection: Detection) -> WireObject:
    """The wire form of a detection on the site's plane."""
    return WireObject(
        x=detection.x_m,
        y=detection.y_m,
        vx=detection.vx_mps,
        vy=detection.vy_mps,
        range_rate=detection.range_rate_mps,
        length=detection.length_m,
        width=detection.width_m,
        yaw=detection.yaw_rad,
        cls=detection.kind,
        conf=detection.confidence,
        std=detection.std_m,
    )


def decode_head(data: bytes | memoryview) -> WireHead:
    """The scan without its objects. Raises SensorError TOO_LARGE, MALFORMED, WRONG_VERSION."""
    if len(data) > MAX_SCAN_BYTES:
        raise SensorError(
            SensorReason.TOO_LARGE, f"scan of {len(data)} octets", advice=f"at most {MAX_SCAN_BYTES}"
        )
    try:
        head = _head.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise SensorError(SensorReason.MALFORMED, f"scan: {error}", advice="see docs/sensors.md") from None
    if head.v != WIRE_VERSION:
        raise SensorError(
            SensorReason.WRONG_VERSION, f"scan of version {head.v}", advice=f"send version {WIRE_VERSION}"
        )
    return head


def decode_objects(
    head: WireHead, pose: SensorPose, plane: LocalPlane
) -> tuple[tuple[Detection, ...], list[SensorError]]:
    """The sound objects of a scan as detections, and an error for each of the others.

    Raises SensorError TOO_MANY_OBJECTS.
    """
    if len(head.objects) > MAX_OBJECTS:
        raise SensorError(
            SensorReason.TOO_MANY_OBJECTS, f"{len(head.objects)} objects", advice=f"at most {MAX_OBJECTS}"
        )
    detections: list[Detection] = []
    errors: list[SensorError] = []
    for index, raw in enumerate(head.objects):
        try:
            detections.append(_detection(_decoded(raw), pose, plane))
        except SensorError as error:
            errors.append(SensorError(error.reason, error.what, where=f"objects[{index}]"))
    return tuple(detections), errors


def decode_scan(
    data: bytes | memoryview, pose: SensorPose, plane: LocalPlane
) -> tuple[WireHead, tuple[Detection, ...], list[SensorError]]:
    """Head, sound detections and errors of the unsound objects of one scan; no state, no clock.

    Raises SensorError as `decode_head` and `decode_objects`.
    """
    head = decode_head(data)
    return head, *decode_objects(head, pose, plane)


def _decoded(raw: msgspec.Raw) -> WireObject:
    try:
        return _object.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise SensorError(SensorReason.OBJECT_MALFORMED, f"object: {error}") from None


def _detection(o: WireObject, pose: SensorPose, plane: LocalPlane) -> Detection:
    std = (o.std, o.std) if isinstance(o.std, float) else o.std
    numbers = (
        *(o.x, o.y, o.lat, o.lon, o.range, o.bearing, o.vx, o.vy, o.range_rate),
        *(o.length, o.width, o.yaw, o.heading_deg, o.conf),
        *(std or ()),
    )
    if not all(number is None or math.isfinite(number) for number in numbers):
        raise SensorError(SensorReason.OBJECT_NOT_FINITE, "a number is NaN or infinite")
    if (o.vx is None) != (o.vy is None):
        raise SensorError(SensorReason.OBJECT_MALFORMED, "vx and vy are given together or not at all")
    if o.yaw is not None and o.heading_deg is not None:
        raise SensorError(SensorReason.OBJECT_MALFORMED, "yaw and heading_deg are given both")
    x, y = _place(o, pose, plane)
    if math.hypot(x - pose.x_m, y - pose.y_m) > pose.range_m * 1.05 + 2.0:
        raise SensorError(SensorReason.OBJECT_OUT_OF_RANGE, f"at {x:.1f}, {y:.1f} m")
    speeds = (o.vx or 0.0, o.vy or 0.0, o.range_rate or 0.0)
    sizes = tuple(size for size in (o.length, o.width) if size is not None)
    if (
        max(map(abs, speeds)) > _MAX_SPEED_MPS
        or not all(0.0 < size <= _MAX_SIZE_M for size in sizes)
        or not 0.0 <= o.conf <= 1.0
        or (std is not None and not all(0.0 < one <= _MAX_STD_M for one in std))
    ):
        raise SensorError(SensorReason.OBJECT_IMPLAUSIBLE, "a speed, size, confidence or std cannot be")
    yaw = o.yaw if o.heading_deg is None else yaw_from_heading(o.heading_deg)
    if std is not None:
        # Nothing is known to a centimetre; a smaller std would make the tracker deaf to all others.
        std = (max(std[0], 0.02), max(std[1], 0.02))
    return Detection(
        x,
        y,
        o.cls,
        o.conf,
        o.vx,
        o.vy,
        o.range_rate,
        o.length,
        o.width,
        None if yaw is None else wrap_rad(yaw),
        std,
    )


def _place(o: WireObject, pose: SensorPose, plane: LocalPlane) -> tuple[float, float]:
    given = [name for name in ("x", "y", "lat", "lon", "range", "bearing") if getattr(o, name) is not None]
    if o.x is not None and o.y is not None and len(given) == 2:
        return o.x, o.y
    if o.lat is not None and o.lon is not None and len(given) == 2:
        if not within_wgs84(o.lat, o.lon):
            raise SensorError(SensorReason.OBJECT_OUT_OF_RANGE, f"at latitude {o.lat}, longitude {o.lon}")
        return plane.to_xy(o.lat, o.lon)
    if o.range is not None and o.bearing is not None and len(given) == 2:
        if o.range < 0.0:
            raise SensorError(SensorReason.OBJECT_OUT_OF_RANGE, f"at range {o.range}")
        angle = pose.yaw_rad - math.radians(o.bearing)
        return pose.x_m + o.range * math.cos(angle), pose.y_m + o.range * math.sin(angle)
    raise SensorError(
        SensorReason.OBJECT_MALFORMED,
        f"place given by {', '.join(given) or 'nothing'}; give x and y, lat and lon, or range and bearing",
    )
