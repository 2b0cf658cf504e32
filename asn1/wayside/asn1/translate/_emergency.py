"""What a vehicle says of its role and of an emergency: VehicleEmergencyExtensions of T/CSAE 53-2020,
EmergencyDetails and BasicVehicleRole of SAE J2735."""

from __future__ import annotations

from typing import Any

from wayside.asn1.messages import Emergency
from wayside.asn1.translate._names import PRIVILEGED_FLAGS, enum_name, given
from wayside.asn1.translate._units import Lost

Fields = dict[str, Any]

_RESPONSES = (
    "notInUseOrNotEquipped",
    "emergency",
    "nonEmergency",
    "pursuit",
    "stationary",
    "slowMoving",
    "stopAndGoMovement",
)
_SIRENS = ("notInUse", "inUse", "reserved")
_LIGHTBARS = (
    "notInUse",
    "inUse",
    "yellowCautionLights",
    "schooldBusLights",
    "arrowSignsActive",
    "slowMovingVehicle",
    "freqStops",
)
_NO_ROLE = "none-unknown"
_ROLES = (
    "basicVehicle",
    "publicTransport",
    "specialTransport",
    "dangerousGoods",
    "roadWork",
    "roadRescue",
    "emergency",
    "safetyCar",
    "truck",
    "motorcycle",
    "roadSideSource",
    "police",
    "fire",
    "ambulance",
    "dot",
    "transit",
    "slowMoving",
    "stopNgo",
    "cyclist",
    "pedestrian",
    "nonMotorized",
    "military",
)


def read_extension(value: Fields) -> Emergency:
    """Emergency state of a VehicleEmergencyExtensions (CSAE)."""
    return _read(value, ())


def read_alerts(value: Fields, lost: Lost, at: str) -> Emergency:
    """Emergency state of an EmergencyDetails (J2735)."""
    flags = PRIVILEGED_FLAGS.read(value.get("events", {}).get("event"), lost, f"{at}.events")
    if given(value["multi"]):
        lost.append(f"{at}.multi")
    return _read(value, flags)


def read_role(value: Any) -> str | None:
    """Name of a BasicVehicleRole; None for absent, unknown and `none-unknown`."""
    role = enum_name(value)
    return role if role in _ROLES else None


def write_extension(emergency: Emergency, lost: Lost) -> Fields:
    """VehicleEmergencyExtensions (CSAE)."""
    value = _write(emergency, lost)
    lost.extend(f"emergency.flags: {flag}" for flag in emergency.flags)
    return value


def write_alerts(emergency: Emergency, lost: Lost) -> Fields:
    """EmergencyDetails (J2735)."""
    unknown = {"doNotUse": 0, "sirenUse": "unavailable", "lightsUse": "unavailable", "multi": "unavailable"}
    value = unknown | _write(emergency, lost)
    if emergency.flags:
        flags = PRIVILEGED_FLAGS.write(emergency.flags, lost, "emergency.flags")
        value["events"] = {"doNotUse": 0, "event": flags}
    return value


def write_role(role: str | None, lost: Lost) -> Fields:
    """A BasicVehicleRole under its name in VehicleClassification (J2735); nothing for None."""
    if role is None:
        return {}
    if role not in _ROLES:
        lost.append(f"role: {role}")
        return {"role": _NO_ROLE}
    return {"role": role}


def _read(value: Fields, flags: tuple[str, ...]) -> Emergency:
    response = enum_name(value.get("responseType"))
    return Emergency(
        response if response in _RESPONSES else None,
        given(value.get("sirenUse")),
        given(value.get("lightsUse")),
        flags,
    )


def _write(emergency: Emergency, lost: Lost) -> Fields:
    value: Fields = {}
    for field, name, names in (
        ("responseType", emergency.response, _RESPONSES),
        ("sirenUse", emergency.siren, _SIRENS),
        ("lightsUse", emergency.lightbar, _LIGHTBARS),
    ):
        if name in names:
            value[field] = name
        elif name is not None:
            lost.append(f"emergency.{field}: {name}")
    return value
