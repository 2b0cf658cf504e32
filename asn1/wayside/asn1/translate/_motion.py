"""What BSM, RSM and SDSM say alike about a moving thing: acceleration, accuracy, size, brakes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from wayside.asn1.messages import Acceleration, EllipseAccuracy, PerceivedObject, Size
from wayside.asn1.translate._names import WHEEL_BRAKES, enum_name, given
from wayside.asn1.translate._units import (
    ACCELERATION_MPS2,
    HEIGHT_M,
    LENGTH_M,
    ORIENTATION_DEG,
    SEMI_AXIS_M,
    VERTICAL_MPS2,
    WIDTH_M,
    YAW_RATE_DPS,
    Lost,
)

# PositionConfidence: name on the wire and the bound in metres that it states, coarse to fine.
_CONFIDENCE_M = {
    "a500m": 500.0,
    "a200m": 200.0,
    "a100m": 100.0,
    "a50m": 50.0,
    "a20m": 20.0,
    "a10m": 10.0,
    "a5m": 5.0,
    "a2m": 2.0,
    "a1m": 1.0,
    "a50cm": 0.5,
    "a20cm": 0.2,
    "a10cm": 0.1,
    "a5cm": 0.05,
    "a2cm": 0.02,
    "a1cm": 0.01,
}
_BRAKE_STATES = {
    "brakePadel": ("off", "on"),
    "traction": ("off", "on", "engaged"),
    "abs": ("off", "on", "engaged"),
    "scs": ("off", "on", "engaged"),
    "brakeBoost": ("off", "on"),
    "auxBrakes": ("off", "on", "reserved"),
}
BRAKES_CSAE = tuple(_BRAKE_STATES)
BRAKES_J2735 = BRAKES_CSAE[1:]


def read_acceleration(value: dict[str, Any]) -> Acceleration:
    """AccelerationSet4Way. The yaw rate has no sentinel: 0 beside three unavailable values is unknown."""
    long_mps2 = ACCELERATION_MPS2.read(value["long"])
    lat_mps2 = ACCELERATION_MPS2.read(value["lat"])
    vert_mps2 = VERTICAL_MPS2.read(value["vert"])
    yaw = value["yaw"]
    blank = yaw == 0 and long_mps2 is None and lat_mps2 is None and vert_mps2 is None
    return Acceleration(long_mps2, lat_mps2, vert_mps2, None if blank else YAW_RATE_DPS.read(yaw))


def write_acceleration(acceleration: Acceleration, lost: Lost, at: str) -> dict[str, int]:
    """AccelerationSet4Way; an unknown yaw rate is written as 0."""
    others = (acceleration.long_mps2, acceleration.lat_mps2, acceleration.vert_mps2)
    yaw = acceleration.yaw_rate_dps
    if yaw is None and others != (None, None, None):
        lost.append(f"{at}.yaw_rate_dps: unknown written as 0")
    return {
        "long": ACCELERATION_MPS2.write(others[0], lost, at + ".long_mps2"),
        "lat": ACCELERATION_MPS2.write(others[1], lost, at + ".lat_mps2"),
        "vert": VERTICAL_MPS2.write(others[2], lost, at + ".vert_mps2"),
        "yaw": 0 if yaw is None else YAW_RATE_DPS.write(yaw, lost, at + ".yaw_rate_dps"),
    }


def read_ellipse(value: dict[str, Any]) -> EllipseAccuracy | None:
    """PositionalAccuracy; None where a semi-axis is unavailable."""
    major, minor = SEMI_AXIS_M.read(value["semiMajor"]), SEMI_AXIS_M.read(value["semiMinor"])
    if major is None or minor is None:
        return None
    return EllipseAccuracy(major, minor, ORIENTATION_DEG.read(value["orientation"]))


def write_ellipse(accuracy: EllipseAccuracy | None, lost: Lost, at: str) -> dict[str, int]:
    """PositionalAccuracy, all unavailable for None."""
    if accuracy is None:
        return {"semiMajor": 255, "semiMinor": 255, "orientation": 65535}
    return {
        "semiMajor": SEMI_AXIS_M.write(accuracy.semi_major_m, lost, at + ".semi_major_m"),
        "semiMinor": SEMI_AXIS_M.write(accuracy.semi_minor_m, lost, at + ".semi_minor_m"),
        "orientation": ORIENTATION_DEG.write(accuracy.orientation_deg, lost, at + ".orientation_deg"),
    }


def read_confidence(value: dict[str, Any], lost: Lost, at: str) -> float | None:
    """Horizontal bound in metres of a PositionConfidenceSet."""
    if given(value.get("elevation")):
        lost.append(f"{at}.elevation")
    return _CONFIDENCE_M.get(enum_name(value["pos"]))


def write_confidence(accuracy_m: float | None, lost: Lost, at: str) -> str:
    """Finest PositionConfidence that does not claim more than `accuracy_m`."""
    if accuracy_m is None:
        return "unavailable"
    best = "unavailable"
    for name, bound in _CONFIDENCE_M.items():
        if bound >= accuracy_m:
            best = name
    if best == "unavailable":
        lost.append(f"{at}: {accuracy_m:g} m is coarser than any name")
    return best


def read_size(value: dict[str, Any]) -> Size:
    """VehicleSize of either family; 0 is unknown."""
    return Size(
        WIDTH_M.read(value["width"]), LENGTH_M.read(value["length"]), HEIGHT_M.read(value.get("height"))
    )


def write_size(size: Size, lost: Lost, at: str) -> dict[str, int]:
    """VehicleSize without the height."""
    return {
        "width": WIDTH_M.write(size.width_m, lost, at + ".width_m"),
        "length": LENGTH_M.write(size.length_m, lost, at + ".length_m"),
    }


def read_brakes(value: dict[str, Any], lost: Lost) -> tuple[dict[str, str], tuple[str, ...] | None]:
    """BrakeSystemStatus: named states, and the wheels that brake, None where that is unavailable."""
    brakes: dict[str, str] = {}
    for name, states in _BRAKE_STATES.items():
        state = enum_name(value.get(name))
        if state in states:
            brakes[name] = state
    wheels = WHEEL_BRAKES.read(value.get("wheelBrakes"), lost, "wheel_brakes")
    if "unavailable" in wheels:
        if len(wheels) > 1:
            lost.append("wheel_brakes: wheels named beside unavailable")
        return brakes, None
    return brakes, wheels if "wheelBrakes" in value else None


def write_brakes(
    brakes: dict[str, str], wheels: tuple[str, ...] | None, lost: Lost, names: tuple[str, ...], optional: bool
) -> dict[str, Any]:
    """BrakeSystemStatus. optional: unknown states are left out (CSAE) rather than named (J2735)."""
    value: dict[str, Any] = {}
    for name, state in brakes.items():
        if name not in names or state not in _BRAKE_STATES[name]:
            lost.append(f"brakes.{name}: {state}")
    for name in names:
        state = brakes.get(name, "")
        if state in _BRAKE_STATES[name]:
            value[name] = state
        elif not optional:
            value[name] = "unavailable"
    if wheels is not None or not optional:
        marks = ("unavailable",) if wheels is None else wheels
        value["wheelBrakes"] = WHEEL_BRAKES.write(marks, lost, "wheel_brakes")
    return value


def newest(objects: Iterable[PerceivedObject]) -> int | None:
    """Latest moment of the objects' values, None where none is known."""
    return max((o.utc_ns for o in objects if o.utc_ns is not None), default=None)
