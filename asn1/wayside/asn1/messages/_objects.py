from __future__ import annotations

from enum import StrEnum

import msgspec

from wayside.asn1.messages._basics import Acceleration, EllipseAccuracy, Position, Size


class ObjectKind(StrEnum):
    """What an object is, as finely as either family can say."""

    UNKNOWN = "unknown"
    VEHICLE = "vehicle"
    NON_MOTOR = "non_motor"
    PEDESTRIAN = "pedestrian"
    ANIMAL = "animal"
    OBSTACLE = "obstacle"
    RSU = "rsu"


class ObjectSource(StrEnum):
    """What perceived an object (T/CSAE 53 SourceType)."""

    UNKNOWN = "unknown"
    SELF = "self"
    V2X = "v2x"
    CAMERA = "camera"
    RADAR = "radar"
    LOOP = "loop"
    LIDAR = "lidar"
    FUSED = "fused"


class PerceivedObject(msgspec.Struct, frozen=True):
    """One object as a roadside unit or vehicle perceives it.

    object_id: 0..65535, stable while it is seen. utc_ns: moment of the values. kind_confidence: 0..1.
    vehicle_id: temporary id of the BSM that the object was joined with, else None. accuracy_m: one sigma.
    """

    object_id: int
    kind: ObjectKind
    position: Position
    utc_ns: int | None = None
    source: ObjectSource = ObjectSource.UNKNOWN
    speed_mps: float | None = None
    heading_deg: float | None = None
    accuracy_m: float | None = None
    acceleration: Acceleration | None = None
    size: Size = Size(None, None)
    vehicle_class: int | None = None
    kind_confidence: float | None = None
    vehicle_id: bytes | None = None


class PerceivedObjects(msgspec.Struct, frozen=True):
    """Objects that a roadside unit or vehicle perceives: CSAE RSM, J2735 SDSM.

    source_id: 8 octets in CSAE, 4 in J2735. reference: base of the offsets on the wire. equipment: rsu,
    obu, vru or unknown (J2735 only).
    """

    source_id: bytes
    msg_count: int
    reference: Position
    objects: tuple[PerceivedObject, ...]
    utc_ns: int | None = None
    equipment: str = "rsu"
    reference_accuracy: EllipseAccuracy | None = None
