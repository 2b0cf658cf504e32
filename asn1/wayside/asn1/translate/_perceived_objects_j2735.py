"""PerceivedObjects: SAE J2735 (J3224) MSG_SensorDataSharingMessage."""

from __future__ import annotations

import math
from typing import Any

from wayside.asn1.messages import ObjectKind, ObjectSource, PerceivedObject, PerceivedObjects, Position, Size
from wayside.asn1.translate._errors import TranslateError, TranslateReason
from wayside.asn1.translate._motion import (
    newest,
    read_acceleration,
    read_confidence,
    read_ellipse,
    read_size,
    write_acceleration,
    write_confidence,
    write_ellipse,
    write_size,
)
from wayside.asn1.translate._names import alternative, enum_name, given, read_octets, write_octets
from wayside.asn1.translate._places import (
    plane_at,
    read_reference,
    to_grid,
    write_position,
)
from wayside.asn1.translate._times import read_date_time, write_date_time
from wayside.asn1.translate._units import (
    HEADING_DEG,
    HEIGHT_M,
    OBSTACLE_M,
    PERCENT,
    SPEED_MPS,
    Lost,
    count,
    limit,
    write_heading,
)
from wayside.clock import UtcNs
from wayside.geo import LocalPlane

Fields = dict[str, Any]

SDSM_OBJECTS = 256
"""Objects in one SDSM."""

_VRU = {
    "aPEDESTRIAN": ObjectKind.PEDESTRIAN,
    "aPEDALCYCLIST": ObjectKind.NON_MOTOR,
    "anANIMAL": ObjectKind.ANIMAL,
}
_EQUIPMENT = ("rsu", "obu", "vru")
_CONFIDENCES = (
    "timeConfidence",
    "speedConfidence",
    "headingConf",
    "accCfdX",
    "accCfdY",
    "accCfdZ",
    "accCfdYaw",
)
_MEASUREMENT_MS = 1500
_REACH = 32767


def read_j2735(value: Fields, near: UtcNs, lost: Lost) -> PerceivedObjects:
    """PerceivedObjects of an SDSM: offsets are 0.1 m east, north and up from the reference.

    A vulnerable road user of no stated kind becomes a pedestrian, the most vulnerable, noted as lost.
    """
    reference = read_reference(value["refPos"], "refPos")
    plane = _plane(reference)
    stamp = read_date_time(value["sDSMTimeStamp"], near)
    if given(value.get("refPosElConf")):
        lost.append("refPosElConf")
    objects: list[PerceivedObject] = []
    for i, entry in enumerate(value["objects"]):
        item = _read_object(entry, reference, plane, stamp, lost, f"objects[{i}]")
        if item is not None:
            objects.append(item)
    equipment = enum_name(value["equipmentType"])
    return PerceivedObjects(
        source_id=read_octets(value["sourceID"]),
        msg_count=value["msgCnt"],
        reference=reference,
        objects=tuple(objects),
        utc_ns=stamp,
        equipment=equipment if equipment in _EQUIPMENT else "unknown",
        reference_accuracy=read_ellipse(value["refPosXYConf"]),
    )


def _plane(reference: Position) -> LocalPlane:
    plane = plane_at(reference)
    if plane is None:
        raise TranslateError(
            TranslateReason.OUT_OF_RANGE,
            f"no metric offsets at latitude {reference.lat_deg}",
            where="reference",
        )
    return plane


def _read_object(
    entry: Fields, reference: Position, plane: LocalPlane, stamp: UtcNs | None, lost: Lost, at: str
) -> PerceivedObject | None:
    common = entry["detObjCommon"]
    offset = common["pos"]
    elevation = None
    if "offsetZ" in offset:
        if reference.elevation_m is None:
            lost.append(f"{at}.pos.offsetZ: the reference has no elevation")
        else:
            elevation = (round(reference.elevation_m * 10) + offset["offsetZ"]) / 10
    lat, lon = plane.to_lat_lon(offset["offsetX"] / 10, offset["offsetY"] / 10)
    branch, extra = alternative(entry.get("detObjOptData"))
    kind = _read_kind(enum_name(common["objType"]), branch, extra, lost, at)
    size, vehicle_class = Size(None, None), None
    if branch == "detVeh":
        size = _vehicle_size(extra)
        vehicle_class = extra.get("vehicleClass") or None
        known = ("size", "height", "vehicleClass")
        lost.extend(f"{at}.detVeh.{name}" for name in extra if name not in known)
    elif branch == "detObst":
        box = extra["obstSize"]
        size = Size(*(OBSTACLE_M.read(box.get(side)) for side in ("width", "length", "height")))
        if any(given(confidence) for confidence in extra["obstSizeConfidence"].values()):
            lost.append(f"{at}.detObst.obstSizeConfidence")
    elif branch == "detVRU":
        lost.extend(f"{at}.detVRU.{name}" for name in extra if name != "basicType")
    for name in _CONFIDENCES:
        if given(common.get(name)):
            lost.append(f"{at}.{name}")
    if SPEED_MPS.read(common.get("speedZ")) is not None:
        lost.append(f"{at}.speedZ")
    acceleration = common.get("accel4way")
    return PerceivedObject(
        object_id=common["objectID"],
        kind=kind,
        position=Position(round(lat, 9), round(lon, 9), elevation),
        utc_ns=None if stamp is None else stamp + common["measurementTime"] * 1_000_000,
        speed_mps=SPEED_MPS.read(common["speed"]),
        heading_deg=HEADING_DEG.read(common["heading"]),
        accuracy_m=read_confidence(common["posConfidence"], lost, at + ".posConfidence"),
        acceleration=None if acceleration is None else read_acceleration(acceleration),
        size=size,
        vehicle_class=vehicle_class,
        kind_confidence=PERCENT.read(common["objTypeCfd"]),
    )


def _read_kind(name: str, branch: str, extra: Any, lost: Lost, at: str) -> ObjectKind:
    if name == "vehicle":
        return ObjectKind.VEHICLE
    if name == "animal":
        return ObjectKind.ANIMAL
    if name == "vru":
        basic = enum_name(extra.get("basicType")) if branch == "detVRU" else ""
        if basic in _VRU:
            return _VRU[basic]
        lost.append(f"{at}.kind: vru {basic or 'of no stated kind'}")
        return ObjectKind.PEDESTRIAN
    return ObjectKind.OBSTACLE if branch == "detObst" else ObjectKind.UNKNOWN


def _vehicle_size(extra: Fields) -> Size:
    box = dict(extra.get("size", {"width": 0, "length": 0}))
    box["height"] = extra.get("height", 0)
    return read_size(box)


def write_j2735(message: PerceivedObjects, lost: Lost) -> Fields:
    """SDSM. Raises TranslateError: MISSING without an object, TOO_MANY beyond 256 (`split` before),
    OUT_OF_RANGE for an object more than 3276.7 m away."""
    limit(len(message.objects), SDSM_OBJECTS, "objects")
    if not message.objects:
        raise TranslateError(TranslateReason.MISSING, "an SDSM needs an object", where="objects")
    plane = _plane(message.reference)
    stamp = message.utc_ns if message.utc_ns is not None else newest(message.objects)
    if stamp is not None:
        stamp -= stamp % 1_000_000
    return {
        "msgCnt": count(message.msg_count, 127, "msg_count"),
        "sourceID": write_octets(message.source_id, 4, lost, "source_id"),
        "equipmentType": message.equipment if message.equipment in _EQUIPMENT else "unknown",
        "sDSMTimeStamp": {} if stamp is None else write_date_time(stamp),
        "refPos": write_position(message.reference, lost, "reference"),
        "refPosXYConf": write_ellipse(message.reference_accuracy, lost, "reference_accuracy"),
        "objects": [
            _write_object(o, message.reference, plane, stamp, lost, f"objects[{i}]")
            for i, o in enumerate(message.objects)
        ],
    }


def _write_object(
    item: PerceivedObject, reference: Position, plane: LocalPlane, stamp: int | None, lost: Lost, at: str
) -> Fields:
    to_grid(item.position, at + ".position")
    east, north = plane.to_xy(item.position.lat_deg, item.position.lon_deg)
    pos = {"offsetX": _decimetres(east, at), "offsetY": _decimetres(north, at)}
    if item.position.elevation_m is not None and reference.elevation_m is not None:
        up = round(item.position.elevation_m * 10) - round(reference.elevation_m * 10)
        pos["offsetZ"] = count(up, _REACH, at + ".position.elevation_m", -_REACH)
    elif item.position.elevation_m is not None:
        lost.append(f"{at}.position.elevation_m: the reference has no elevation")
    late_ms = 0
    if item.utc_ns is not None and stamp is not None:
        late_ms = round((item.utc_ns - stamp) / 1e6)
        if abs(late_ms) > _MEASUREMENT_MS:
            lost.append(f"{at}.utc_ns: {late_ms} ms from the message's time cut to the range")
            late_ms = int(math.copysign(_MEASUREMENT_MS, late_ms))
    elif stamp is not None:
        lost.append(f"{at}.utc_ns: unknown taken for the message's")
    for name in ("vehicle_id", "source"):
        if getattr(item, name) not in (None, ObjectSource.UNKNOWN):
            lost.append(f"{at}.{name}")
    common: Fields = {
        "objType": "unknown",
        "objTypeCfd": PERCENT.write(_scaled_percent(item.kind_confidence), lost, at + ".kind_confidence"),
        "objectID": count(item.object_id, 65535, at + ".object_id"),
        "measurementTime": late_ms,
        "timeConfidence": "unavailable",
        "pos": pos,
        "posConfidence": {
            "pos": write_confidence(item.accuracy_m, lost, at + ".accuracy_m"),
            "elevation": "unavailable",
        },
        "speed": SPEED_MPS.write(item.speed_mps, lost, at + ".speed_mps"),
        "speedConfidence": "unavailable",
        "heading": write_heading(item.heading_deg, lost, at + ".heading_deg"),
        "headingConf": "unavailable",
    }
    if item.acceleration is not None:
        common["accel4way"] = write_acceleration(item.acceleration, lost, at + ".acceleration")
    value: Fields = {"detObjCommon": common}
    extra = _write_extra(item, common, lost, at)
    if extra is not None:
        value["detObjOptData"] = extra
    return value


def _scaled_percent(confidence: float | None) -> float | None:
    return None if confidence is None else min(max(confidence, 0.0), 1.0)


def _decimetres(metres: float, at: str) -> int:
    return count(round(metres * 10), _REACH, at + ".position", -_REACH)


def _write_extra(item: PerceivedObject, common: Fields, lost: Lost, at: str) -> tuple[str, Fields] | None:
    kind, size = item.kind, item.size
    box = size != Size(None, None)
    if kind is ObjectKind.OBSTACLE:
        dimensions = {
            "width": OBSTACLE_M.write(size.width_m, lost, at + ".size.width_m"),
            "length": OBSTACLE_M.write(size.length_m, lost, at + ".size.length_m"),
        }
        if size.height_m is not None:
            dimensions["height"] = OBSTACLE_M.write(size.height_m, lost, at + ".size.height_m")
        unsure = {"widthConfidence": "unavailable", "lengthConfidence": "unavailable"}
        return "detObst", {"obstSize": dimensions, "obstSizeConfidence": unsure}
    if kind is ObjectKind.VEHICLE:
        common["objType"] = "vehicle"
        extra: Fields = {}
        if size.width_m is not None or size.length_m is not None:
            extra["size"] = write_size(size, lost, at + ".size")
        if size.height_m is not None:
            extra["height"] = HEIGHT_M.write(size.height_m, lost, at + ".size.height_m")
        if item.vehicle_class is not None:
            extra["vehicleClass"] = count(item.vehicle_class, 255, at + ".vehicle_class")
        return ("detVeh", extra) if extra else None
    if item.vehicle_class is not None:
        lost.append(f"{at}.vehicle_class")
    if box:
        lost.append(f"{at}.size")
    if kind is ObjectKind.ANIMAL:
        common["objType"] = "animal"
        return None
    for name, vru in _VRU.items():
        if vru is kind:
            common["objType"] = "vru"
            return "detVRU", {"basicType": name}
    if kind is ObjectKind.RSU:
        lost.append(f"{at}.kind: {kind}")
    return None
