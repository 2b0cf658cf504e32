"""What MAP lanes of both families say alike: kinds, bits, limits, manoeuvres."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from wayside.asn1.messages import IntersectionId, LaneKind, Maneuver, SpeedLimit
from wayside.asn1.translate._names import BitNames, alternative, enum_name
from wayside.asn1.translate._units import SPEED_MPS, Lost, count, limit

Fields = dict[str, Any]

_KIND = {
    "vehicle": LaneKind.VEHICLE,
    "crosswalk": LaneKind.CROSSWALK,
    "bikeLane": LaneKind.BIKE,
    "sidewalk": LaneKind.SIDEWALK,
    "median": LaneKind.MEDIAN,
    "striping": LaneKind.STRIPING,
    "trackedVehicle": LaneKind.TRACKED,
    "parking": LaneKind.PARKING,
}
_KIND_NAME = {kind: name for name, kind in _KIND.items()}

_ATTRIBUTES = {
    LaneKind.VEHICLE: BitNames(
        8,
        "isVehicleRevocableLane",
        "isVehicleFlyOverLane",
        "hovLaneUseOnly",
        "restrictedToBusUse",
        "restrictedToTaxiUse",
        "restrictedFromPublicUse",
        "hasIRbeaconCoverage",
        "permissionOnRequest",
    ),
    LaneKind.CROSSWALK: BitNames(
        16,
        "crosswalkRevocableLane",
        "bicyleUseAllowed",
        "isXwalkFlyOverLane",
        "fixedCycleTime",
        "biDirectionalCycleTimes",
        "hasPushToWalkButton",
        "audioSupport",
        "rfSignalRequestPresent",
        "unsignalizedSegmentsPresent",
    ),
    LaneKind.BIKE: BitNames(
        16,
        "bikeRevocableLane",
        "pedestrianUseAllowed",
        "isBikeFlyOverLane",
        "fixedCycleTime",
        "biDirectionalCycleTimes",
        "isolatedByBarrier",
        "unsignalizedSegmentsPresent",
    ),
    LaneKind.SIDEWALK: BitNames(
        16, "sidewalk-RevocableLane", "bicyleUseAllowed", "isSidewalkFlyOverLane", "walkBikes"
    ),
    LaneKind.MEDIAN: BitNames(
        16,
        "median-RevocableLane",
        "median",
        "whiteLineHashing",
        "stripedLines",
        "doubleStripedLines",
        "trafficCones",
        "constructionBarrier",
        "trafficChannels",
        "lowCurbs",
        "highCurbs",
    ),
    LaneKind.STRIPING: BitNames(
        16,
        "stripeToConnectingLanesRevocableLane",
        "stripeDrawOnLeft",
        "stripeDrawOnRight",
        "stripeToConnectingLanesLeft",
        "stripeToConnectingLanesRight",
        "stripeToConnectingLanesAhead",
    ),
    LaneKind.TRACKED: BitNames(
        16,
        "spec-RevocableLane",
        "spec-commuterRailRoadTrack",
        "spec-lightRailRoadTrack",
        "spec-heavyRailRoadTrack",
        "spec-otherRailType",
    ),
    LaneKind.PARKING: BitNames(
        16,
        "parkingRevocableLane",
        "parallelParkingInUse",
        "headInParkingInUse",
        "doNotParkZone",
        "parkingForBusUse",
        "parkingForTaxiUse",
        "noPublicParkingUse",
    ),
}
_SHARE = (
    "overlappingLaneDescriptionProvided",
    "multipleLanesTreatedAsOneLane",
    "otherNonMotorizedTrafficTypes",
    "individualMotorizedVehicleTraffic",
    "busVehicleTraffic",
    "taxiVehicleTraffic",
    "pedestriansTraffic",
    "cyclistVehicleTraffic",
    "trackedVehicleTraffic",
)
SHARE_J2735 = BitNames(10, *_SHARE)
SHARE_CSAE = BitNames(10, *_SHARE, "pedestrianTraffic")

_MANEUVER_BITS = {
    "maneuverStraightAllowed": Maneuver.STRAIGHT,
    "maneuverLeftAllowed": Maneuver.LEFT,
    "maneuverRightAllowed": Maneuver.RIGHT,
    "maneuverUTurnAllowed": Maneuver.U_TURN,
    "maneuverLeftTurnOnRedAllowed": Maneuver.LEFT_ON_RED,
    "maneuverRightTurnOnRedAllowed": Maneuver.RIGHT_ON_RED,
    "maneuverLaneChangeAllowed": Maneuver.LANE_CHANGE,
    "maneuverNoStoppingAllowed": Maneuver.NO_STOPPING,
    "yieldAllwaysRequired": Maneuver.YIELD,
    "goWithHalt": Maneuver.GO_WITH_HALT,
    "caution": Maneuver.CAUTION,
}
_MANEUVERS = BitNames(12, *_MANEUVER_BITS)
_MANEUVER_NAME = {maneuver: name for name, maneuver in _MANEUVER_BITS.items()}
_LIMIT_KINDS = frozenset(
    (
        "unknown",
        "maxSpeedInSchoolZone",
        "maxSpeedInSchoolZoneWhenChildrenArePresent",
        "maxSpeedInConstructionZone",
        "vehicleMinSpeed",
        "vehicleMaxSpeed",
        "vehicleNightMaxSpeed",
        "truckMinSpeed",
        "truckMaxSpeed",
        "truckNightMaxSpeed",
        "vehiclesWithTrailersMinSpeed",
        "vehiclesWithTrailersMaxSpeed",
        "vehiclesWithTrailersNightMaxSpeed",
    )
)


def read_lane_type(value: Any, lost: Lost, at: str) -> tuple[LaneKind, tuple[str, ...]] | None:
    """Kind of a lane and its attributes; None for a kind that the dialect's table does not know."""
    name, bits = alternative(value)
    kind = _KIND.get(name)
    if kind is None:
        return None
    return kind, _ATTRIBUTES[kind].read(bits, lost, at + ".attributes")


def write_lane_type(
    kind: LaneKind, attributes: tuple[str, ...], lost: Lost, at: str
) -> tuple[str, tuple[bytes, int]]:
    """LaneTypeAttributes."""
    return _KIND_NAME[kind], _ATTRIBUTES[kind].write(attributes, lost, at + ".attributes")


def read_maneuvers(value: Any, lost: Lost, at: str) -> tuple[Maneuver, ...]:
    """AllowedManeuvers."""
    return tuple(_MANEUVER_BITS[name] for name in _MANEUVERS.read(value, lost, at + ".maneuvers"))


def write_maneuvers(maneuvers: Iterable[Maneuver], lost: Lost, at: str) -> tuple[bytes, int]:
    """AllowedManeuvers."""
    return _MANEUVERS.write((_MANEUVER_NAME[m] for m in maneuvers), lost, at + ".maneuvers")


def read_limits(value: list[Fields] | None, lost: Lost, at: str) -> tuple[SpeedLimit, ...]:
    """SpeedLimitList; entries that say nothing (unknown kind and 0, or no speed) are left out."""
    limits: list[SpeedLimit] = []
    for entry in value or ():
        kind, speed = enum_name(entry["type"]), SPEED_MPS.read(entry["speed"])
        if speed is None or (kind == "unknown" and speed == 0):
            continue
        if kind not in _LIMIT_KINDS:
            lost.append(f"{at}.speed_limits: a kind without a name")
            continue
        limits.append(SpeedLimit(kind, speed))
    return tuple(limits)


def write_limits(limits: tuple[SpeedLimit, ...], lost: Lost, at: str) -> list[Fields]:
    """SpeedLimitList of 1..9 entries."""
    limit(len(limits), 9, at + ".speed_limits")
    value: list[Fields] = []
    for entry in limits:
        kind = entry.kind
        if kind not in _LIMIT_KINDS:
            lost.append(f"{at}.speed_limits: {kind}")
            kind = "unknown"
        value.append({"type": kind, "speed": SPEED_MPS.write(entry.speed_mps, lost, at + ".speed_limits")})
    return value


def read_id(value: Fields) -> IntersectionId:
    """IntersectionReferenceID or NodeReferenceID."""
    return IntersectionId(value["id"], value.get("region"))


def write_id(identity: IntersectionId, at: str) -> Fields:
    """IntersectionReferenceID or NodeReferenceID."""
    value = {"id": count(identity.id, 65535, at)}
    if identity.region is not None:
        value = {"region": count(identity.region, 65535, at)} | value
    return value
