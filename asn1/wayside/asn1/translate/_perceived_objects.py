"""PerceivedObjects: T/CSAE 53-2020 Msg_RSM and SAE J2735 (J3224) MSG_SensorDataSharingMessage."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from wayside.asn1.messages import ObjectKind, ObjectSource, PerceivedObject, PerceivedObjects, Position, Size
from wayside.asn1.translate._errors import TranslateError, TranslateReason
from wayside.asn1.translate._motion import (
    read_acceleration,
    read_confidence,
    read_ellipse,
    read_size,
    write_acceleration,
    write_confidence,
    write_ellipse,
    write_size,
)
from wayside.asn1.translate._names import alternative, enum_name, given, pad_free, read_octets, write_octets
from wayside.asn1.translate._places import (
    plane_at,
    read_offset,
    read_reference,
    to_grid,
    write_offset,
    write_position,
)
from wayside.asn1.translate._times import read_date_time, read_dsecond, write_date_time, write_dsecond
from wayside.asn1.translate._units import (
    HEADING_DEG,
    HEIGHT_M,
    OBSTACLE_M,
    PERCENT,
    SPEED_MPS,
    STEERING_DEG,
    Lost,
    count,
    limit,
    write_heading,
)
from wayside.clock import UtcNs
from wayside.geo import LocalPlane

Fields = dict[str, Any]

RSM_OBJECTS = 15
"""Objects in one RSM: 16 participants, of which one is the unit itself."""
SDSM_OBJECTS = 256
"""Objects in one SDSM."""

_PARTICIPANT = {
    "motor": ObjectKind.VEHICLE,
    "non-motor": ObjectKind.NON_MOTOR,
    "pedestrian": ObjectKind.PEDESTRIAN,
    "rsu": ObjectKind.RSU,
}
_PARTICIPANT_NAME = {kind: name for name, kind in _PARTICIPANT.items()} | {ObjectKind.UNKNOWN: "unknown"}
_SOURCE = {
    "selfinfo": ObjectSource.SELF,
    "v2x": ObjectSource.V2X,
    "video": ObjectSource.CAMERA,
    "microwaveRadar": ObjectSource.RADAR,
    "loop": ObjectSource.LOOP,
    "lidar": ObjectSource.LIDAR,
    "integrated": ObjectSource.FUSED,
}
_SOURCE_NAME = {source: name for name, source in _SOURCE.items()} | {ObjectSource.UNKNOWN: "unknown"}
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


class ParticipantNumbers:
    """Numbers 1..255 for the objects of one sender, the same for an object as long as it is seen.

    The number that was used longest ago is given away first. One sender keeps one of these.
    Source: T/CSAE 159-2020, RSM: participants have unique numbers 1..255.
    """

    def __init__(self) -> None:
        self._number: dict[int, int] = {}
        self._free = list(range(255, 0, -1))

    def of(self, object_ids: Iterable[int]) -> list[int]:
        """Numbers of the objects of one message. Raises TranslateError(TOO_MANY) beyond 255 objects."""
        wanted = list(object_ids)
        limit(len(wanted), 255, "objects")
        for object_id in wanted:
            known = self._number.pop(object_id, None)
            if known is not None:
                self._number[object_id] = known
        for object_id in wanted:
            if object_id not in self._number:
                if not self._free:
                    self._free.append(self._number.pop(next(iter(self._number))))
                self._number[object_id] = self._free.pop()
        return [self._number[object_id] for object_id in wanted]


def split(message: PerceivedObjects, objects_each: int) -> Iterator[PerceivedObjects]:
    """The same objects over as many messages as it takes, in order, message counts running on modulo 128."""
    for i in range(0, max(len(message.objects), 1), objects_each):
        yield msgspec.structs.replace(
            message,
            objects=message.objects[i : i + objects_each],
            msg_count=(message.msg_count + i // objects_each) % 128,
        )


def read_csae(value: Fields, near: UtcNs, lost: Lost) -> PerceivedObjects:
    """PerceivedObjects of an RSM.

    The unit's own entry (ptcId 0, type rsu) is no perceived object and gives the time of the message.
    A participant without a usable position is left out and noted as lost.
    """
    reference = read_reference(value["refPos"], "refPos")
    objects: list[PerceivedObject] = []
    own_utc: UtcNs | None = None
    for i, entry in enumerate(value["participants"]):
        at = f"participants[{i}]"
        utc_ns = read_dsecond(entry["secMark"], near)
        kind = _PARTICIPANT.get(enum_name(entry["ptcType"]), ObjectKind.UNKNOWN)
        if kind is ObjectKind.RSU and entry["ptcId"] == 0:
            own_utc = utc_ns
            continue
        position = read_offset(reference, entry["pos"], lost, at + ".pos")
        if position is None:
            lost.append(f"{at}.pos: no position")
            continue
        acceleration = entry.get("accelSet")
        vehicle_class = entry.get("vehicleClass")
        if vehicle_class is not None and vehicle_class.get("fuelType"):
            lost.append(f"{at}.vehicleClass.fuelType")
        if STEERING_DEG.read(entry.get("angle")) is not None:
            lost.append(f"{at}.angle")
        if given(entry.get("transmission")):
            lost.append(f"{at}.transmission")
        if any(given(confidence) for confidence in entry.get("motionCfd", {}).values()):
            lost.append(f"{at}.motionCfd")
        vehicle_id = entry.get("id")
        objects.append(
            PerceivedObject(
                object_id=entry["ptcId"],
                kind=kind,
                position=position,
                utc_ns=utc_ns,
                source=_SOURCE.get(enum_name(entry["source"]), ObjectSource.UNKNOWN),
                speed_mps=SPEED_MPS.read(entry["speed"]),
                heading_deg=HEADING_DEG.read(entry["heading"]),
                accuracy_m=read_confidence(entry["posConfidence"], lost, at + ".posConfidence"),
                acceleration=None if acceleration is None else read_acceleration(acceleration),
                size=read_size(entry["size"]),
                vehicle_class=None if vehicle_class is None else vehicle_class["classification"] or None,
                vehicle_id=None if vehicle_id is None else read_octets(vehicle_id),
            )
        )
    return PerceivedObjects(
        source_id=read_octets(value["id"]),
        msg_count=value["msgCnt"],
        reference=reference,
        objects=tuple(objects),
        utc_ns=own_utc if own_utc is not None else _newest(objects),
    )


def _newest(objects: list[PerceivedObject] | tuple[PerceivedObject, ...]) -> int | None:
    return max((o.utc_ns for o in objects if o.utc_ns is not None), default=None)


def write_csae(
    message: PerceivedObjects, lost: Lost, participants: ParticipantNumbers | None = None
) -> Fields:
    """RSM: the unit's own entry (ptcId 0, type rsu, at the reference), then the objects.

    Objects take their numbers from `participants`; without it they keep their own, and 0 and a number used
    twice give way to the highest free one of 1..255, noted as lost. Raises TranslateError(TOO_MANY) beyond 15 objects: `split` before. Source: T/CSAE 159-2020, RSM.
    """
    limit(len(message.objects), RSM_OBJECTS, "objects")
    moment = message.utc_ns if message.utc_ns is not None else _newest(message.objects)
    own: Fields = {
        "ptcType": "rsu",
        "ptcId": 0,
        "source": "selfinfo",
        "secMark": write_dsecond(moment),
        "pos": write_offset(message.reference, message.reference, lost, "reference"),
        "posConfidence": {"pos": "unavailable"},
        "speed": 0,
        "heading": HEADING_DEG.unavailable,
        "size": {"width": 0, "length": 0},
    }
    if message.equipment != "rsu":
        lost.append(f"equipment: {message.equipment}")
    if message.reference_accuracy is not None:
        lost.append("reference_accuracy")
    if participants is None:
        numbers = _own_numbers(message.objects, lost)
    else:
        numbers = participants.of(item.object_id for item in message.objects)
    return {
        "msgCnt": count(message.msg_count, 127, "msg_count"),
        "id": write_octets(pad_free(message.source_id, 4), 8, lost, "source_id"),
        "refPos": write_position(message.reference, lost, "reference"),
        "participants": [own]
        + [
            _write_participant(o, numbers[i], message.reference, lost, f"objects[{i}]")
            for i, o in enumerate(message.objects)
        ],
    }


def _own_numbers(objects: tuple[PerceivedObject, ...], lost: Lost) -> list[int]:
    used: set[int] = set()
    numbers: list[int] = []
    wanted = {o.object_id for o in objects}
    free = (n for n in range(255, 0, -1) if n not in wanted)
    for i, item in enumerate(objects):
        number = count(item.object_id, 65535, f"objects[{i}].object_id")
        if number == 0 or number in used:
            number = next(free)
            lost.append(f"objects[{i}].object_id: {item.object_id} carried as {number}")
        used.add(number)
        numbers.append(number)
    return numbers


def _write_participant(
    item: PerceivedObject, number: int, reference: Position, lost: Lost, at: str
) -> Fields:
    name = _PARTICIPANT_NAME.get(item.kind)
    if name is None:
        lost.append(f"{at}.kind: {item.kind}")
    value: Fields = {
        "ptcType": name or "unknown",
        "ptcId": number,
        "source": _SOURCE_NAME[item.source],
        "secMark": write_dsecond(item.utc_ns),
        "pos": write_offset(reference, item.position, lost, at + ".position"),
        "posConfidence": {"pos": write_confidence(item.accuracy_m, lost, at + ".accuracy_m")},
        "speed": SPEED_MPS.write(item.speed_mps, lost, at + ".speed_mps"),
        "heading": write_heading(item.heading_deg, lost, at + ".heading_deg"),
        "size": write_size(item.size, lost, at + ".size"),
    }
    if item.size.height_m is not None:
        value["size"]["height"] = HEIGHT_M.write(item.size.height_m, lost, at + ".size.height_m")
    if item.vehicle_id is not None:
        value["id"] = write_octets(pad_free(item.vehicle_id, 4), 8, lost, at + ".vehicle_id")
    if item.acceleration is not None:
        value["accelSet"] = write_acceleration(item.acceleration, lost, at + ".acceleration")
    if item.vehicle_class is not None:
        value["vehicleClass"] = {"classification": count(item.vehicle_class, 255, at + ".vehicle_class")}
    if item.kind_confidence is not None:
        lost.append(f"{at}.kind_confidence")
    return value


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
    stamp = message.utc_ns if message.utc_ns is not None else _newest(message.objects)
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
