"""Event numbers of the two families: GB/T 29100 (CSAE eventType) and ITIS (SAE J2540-2, in the TIM).

Only the events that the applications know of stand here; every other number is carried as it is. GB/T 29100
numbers are class x 100 + sequence as public implementations list them (OpenV2X edge constants, AirOS event
configuration); those marked private are extensions of implementers, and a vendor may mean something else.
ITIS numbers are those that public ASN.1 headers generated from SAE J2540-2 give under these names.
"""

from __future__ import annotations

from enum import IntEnum

from wayside.asn1.messages import RoadEvent


class EventCode(IntEnum):
    """GB/T 29100 numbers that the applications use."""

    ACCIDENT = 101
    BREAKDOWN = 103
    RAIN = 301
    FOG = 305
    OBJECT = 401
    PEDESTRIAN = 405
    ANIMAL = 406
    STANDING_WATER = 407
    SLIPPERY = 408
    ICY = 409
    SIGNAL_FAULT = 410
    """Private."""
    STOPPED_VEHICLE = 412
    """Private: a vehicle that stands where none should."""
    ROADWORKS = 501
    CONGESTION = 707
    SLOW_VEHICLE = 902
    """Private."""
    STOPPED_IN_TRAFFIC = 903
    """Private: used beside 412 for a standing vehicle."""
    WRONG_WAY = 904
    """Private."""
    EMERGENCY_VEHICLE = 905
    """Private."""


# Sent for an event: SAE J2540-2 name in the remark.
_ITIS_OF = {
    EventCode.ACCIDENT: 513,  # accident
    EventCode.BREAKDOWN: 534,  # disabled-vehicle
    EventCode.RAIN: 4885,  # rain
    EventCode.FOG: 5378,  # fog
    EventCode.OBJECT: 1282,  # object-on-roadway
    EventCode.PEDESTRIAN: 1286,  # people-on-roadway
    EventCode.ANIMAL: 1290,  # animal-on-roadway
    EventCode.STANDING_WATER: 5893,  # surface-water-hazard
    EventCode.SLIPPERY: 5897,  # slippery
    EventCode.ICY: 5906,  # ice
    EventCode.SIGNAL_FAULT: 2313,  # traffic-lights-not-working
    EventCode.STOPPED_VEHICLE: 532,  # stalled-vehicle
    EventCode.ROADWORKS: 1025,  # road-construction
    EventCode.CONGESTION: 263,  # traffic-congestion
    EventCode.SLOW_VEHICLE: 2052,  # slow-vehicle
    EventCode.STOPPED_IN_TRAFFIC: 532,  # stalled-vehicle
    EventCode.WRONG_WAY: 1793,  # vehicle-traveling-wrong-way
    EventCode.EMERGENCY_VEHICLE: 1796,  # emergency-vehicles-on-roadway
}
# Understood on receive: the above, and near relations.
_CODE_OF = {
    **{itis: code for code, itis in reversed(_ITIS_OF.items())},
    257: EventCode.CONGESTION,  # stopped-traffic
    258: EventCode.CONGESTION,  # stop-and-go-traffic
    259: EventCode.CONGESTION,  # slow-traffic
    262: EventCode.CONGESTION,  # long-queues
    514: EventCode.ACCIDENT,  # serious-accident
    515: EventCode.ACCIDENT,  # injury-accident
    517: EventCode.ACCIDENT,  # multi-vehicle-accident
    533: EventCode.STOPPED_VEHICLE,  # abandoned-vehicle
    1026: EventCode.ROADWORKS,  # major-road-construction
    1028: EventCode.ROADWORKS,  # construction-work
    1036: EventCode.ROADWORKS,  # road-maintenance-operations
    1281: EventCode.OBJECT,  # obstruction-on-roadway
    1284: EventCode.OBJECT,  # debris-on-roadway
    1301: EventCode.STANDING_WATER,  # flooding
    5377: EventCode.FOG,  # dense-fog
    5908: EventCode.ICY,  # black-ice
}


def itis_of(code: int) -> int | None:
    """ITIS code of a GB/T 29100 number, None where no pair is known."""
    return _ITIS_OF.get(code)  # type: ignore[call-overload, no-any-return]


def code_of(itis: int) -> int | None:
    """GB/T 29100 number of an ITIS code, None where no pair is known."""
    code = _CODE_OF.get(itis)
    return None if code is None else int(code)


def event_code(event: RoadEvent) -> int | None:
    """GB/T 29100 number of an event of either family: its own, else that of its first ITIS code that has
    one."""
    if event.code is not None:
        return event.code
    return next((code for itis in event.itis if (code := code_of(itis)) is not None), None)
