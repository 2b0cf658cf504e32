from __future__ import annotations

from typing import NamedTuple

from wayside.asn1.messages import BasicSafety

_FIRST_CLASS, _LAST_CLASS = 60, 69
_ROLES = frozenset({"emergency", "roadRescue", "police", "fire", "ambulance"})
_SIREN_FLAG, _LIGHTS_FLAG = "peEmergencySoundActive", "peEmergencyLightsActive"


class EmergencyVehicle(NamedTuple):
    """What a vehicle of an emergency class or role says of itself.

    vehicle_class: BasicVehicleClass number. role: name of the BasicVehicleRole. siren, lights: in use.
    response: name of the ResponseType. None is not told.
    """

    vehicle_class: int | None
    role: str | None
    siren: bool = False
    lights: bool = False
    response: str | None = None


def emergency_of(message: BasicSafety, before: EmergencyVehicle | None) -> EmergencyVehicle | None:
    """What a message says of an emergency vehicle; None for every other vehicle.

    before: what the same vehicle said last. Class and role stay until others are told, since a part of a BSM
    need not come with each; siren and lights are those of this message.
    Source: SAE J2735 DE_BasicVehicleClass (60 to 69), DE_BasicVehicleRole, DF_EmergencyDetails; T/CSAE
    53-2020 DF_VehicleEmergencyExtensions.
    """
    number, role = message.vehicle_class, message.role
    if number is None and role is None:
        if before is None:
            return None
        number, role = before.vehicle_class, before.role
    elif role not in _ROLES and not (number is not None and _FIRST_CLASS <= number <= _LAST_CLASS):
        return None
    told = message.emergency
    if told is None:
        return EmergencyVehicle(number, role)
    return EmergencyVehicle(
        number,
        role,
        told.siren == "inUse" or _SIREN_FLAG in told.flags,
        told.lightbar == "inUse" or _LIGHTS_FLAG in told.flags,
        told.response,
    )
