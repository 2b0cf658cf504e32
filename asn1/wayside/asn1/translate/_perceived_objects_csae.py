"""PerceivedObjects: T/CSAE 53-2020 Msg_RSM."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from wayside.asn1.messages import ObjectKind, ObjectSource, PerceivedObject, PerceivedObjects, Position
from wayside.asn1.translate._motion import (
    newest,
    read_acceleration,
    read_confidence,
    read_size,
    write_acceleration,
    write_confidence,
    write_size,
)
from wayside.asn1.translate._names import enum_name, given, pad_free, read_octets, write_octets
from wayside.asn1.translate._places import (
    read_offset,
    read_reference,
    write_offset,
    write_position,
)
from wayside.asn1.translate._times import read_dsecond, write_dsecond
from wayside.asn1.translate._units import (
    HEADING_DEG,
    HEIGHT_M,
    SPEED_MPS,
    STEERING_DEG,
    Lost,
    count,
    limit,
    write_heading,
)
from wayside.clock import UtcNs

Fields = dict[str, Any]

RSM_OBJECTS = 15
"""Objects in one RSM: 16 participants, of which one is the unit itself."""

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
        utc_ns=own_utc if own_utc is not None else newest(objects),
    )


def write_csae(
    message: PerceivedObjects, lost: Lost, participants: ParticipantNumbers | None = None
) -> Fields:
    """RSM: the unit's own entry (ptcId 0, type rsu, at the reference), then the objects.

    Objects take their numbers from `participants`; without it they keep their own, and 0 and a number used
    twice give way to the highest free one of 1..255, noted as lost. Raises TranslateError(TOO_MANY) beyond
    15 objects: `split` before. Source: T/CSAE 159-2020, RSM.
    """
    limit(len(message.objects), RSM_OBJECTS, "objects")
    moment = message.utc_ns if message.utc_ns is not None else newest(message.objects)
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
