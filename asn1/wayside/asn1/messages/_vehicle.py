from __future__ import annotations

from enum import StrEnum

import msgspec

from wayside.asn1.messages._basics import Acceleration, EllipseAccuracy, Position, Size


class Transmission(StrEnum):
    """Gear of a vehicle."""

    NEUTRAL = "neutral"
    PARK = "park"
    FORWARD = "forward"
    REVERSE = "reverse"


class PathPoint(msgspec.Struct, frozen=True):
    """Where a vehicle was `age_s` seconds ago; None where the age is unknown."""

    position: Position
    age_s: float | None
    speed_mps: float | None = None
    heading_deg: float | None = None


class Emergency(msgspec.Struct, frozen=True):
    """Emergency state; names as on the wire schema (ResponseType, SirenInUse, LightbarInUse). flags: names
    of the set bits of PrivilegedEventFlags (J2735 only)."""

    response: str | None = None
    siren: str | None = None
    lightbar: str | None = None
    flags: tuple[str, ...] = ()


class BasicSafety(msgspec.Struct, frozen=True):
    """What a vehicle says of itself (BSM of both families).

    vehicle_id: temporary, 4 octets in J2735, 8 in CSAE; it rotates and is no identity. utc_ns: moment of
    the values, resolved from the millisecond of the minute near the receipt, None when the sender does not
    know. accuracy_m: one-sigma bound of PositionConfidence. brakes: names to states as on the wire schema.
    wheel_brakes: wheels that brake, None where unknown. vehicle_class: BasicVehicleClass number. role:
    name of the BasicVehicleRole (J2735 only). events, lights: names of the set bits. path_history: newest
    first. path_radius_m: of the predicted path, positive to the right; None beside a path_confidence (0..1)
    means straight on.
    Source: SAE J2735 MSG_BasicSafetyMessage, T/CSAE 53-2020 Msg_BSM.
    """

    vehicle_id: bytes
    msg_count: int
    position: Position
    utc_ns: int | None = None
    accuracy: EllipseAccuracy | None = None
    accuracy_m: float | None = None
    transmission: Transmission | None = None
    speed_mps: float | None = None
    heading_deg: float | None = None
    steering_wheel_deg: float | None = None
    acceleration: Acceleration = Acceleration()
    brakes: dict[str, str] = {}
    wheel_brakes: tuple[str, ...] | None = None
    size: Size = Size(None, None)
    vehicle_class: int | None = None
    role: str | None = None
    fuel_type: int | None = None
    events: tuple[str, ...] = ()
    lights: tuple[str, ...] = ()
    path_history: tuple[PathPoint, ...] = ()
    path_radius_m: float | None = None
    path_confidence: float | None = None
    emergency: Emergency | None = None
