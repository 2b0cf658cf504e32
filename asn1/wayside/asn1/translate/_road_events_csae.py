"""RoadEvents: T/CSAE 53-2020 Msg_RSI with its traffic events (RTE) and signs (RTS)."""

from __future__ import annotations

from typing import Any

from wayside.asn1.messages import EventOrigin, LinkRef, Path, Position, RoadEvent, RoadEvents, RoadSign
from wayside.asn1.translate._errors import TranslateError, TranslateReason
from wayside.asn1.translate._lanes import read_id, write_id
from wayside.asn1.translate._names import BitNames, alternative, enum_name, given, read_octets, write_octets
from wayside.asn1.translate._nodes import thin
from wayside.asn1.translate._places import read_offset, read_reference, write_offset, write_position
from wayside.asn1.translate._times import read_moy, write_moy
from wayside.asn1.translate._units import FRACTION, RADIUS_M, Lost, count, limit
from wayside.asn1.translate.event_codes import event_code
from wayside.clock import UtcNs, utc_from_moy

Fields = dict[str, Any]

_EVENTS, _SIGNS, _PATHS, _LINKS, _POINTS = 8, 16, 8, 16, 32
_TEXT = 512
_HALF_YEAR_NS = 183 * 86_400_000_000_000
_ORIGINS = {origin.value: origin for origin in EventOrigin}
_LANES = BitNames(16, "", *(str(n) for n in range(1, 16)))


def read_csae(value: Fields, near: UtcNs, lost: Lost) -> RoadEvents:
    """RoadEvents of an RSI. Raises TranslateError(NO_POSITION) where the reference is unavailable."""
    reference = read_reference(value["refPos"], "refPos")
    moment = read_moy(value.get("moy"), near)
    events: list[RoadEvent] = []
    for i, entry in enumerate(value.get("rtes", ())):
        at = f"rtes[{i}]"
        events.append(
            RoadEvent(
                event_id=entry["rteId"],
                code=entry["eventType"],
                origin=_ORIGINS.get(enum_name(entry["eventSource"]), EventOrigin.UNKNOWN),
                position=_read_place(entry.get("eventPos"), reference, lost, at + ".eventPos"),
                radius_m=RADIUS_M.read(entry.get("eventRadius")),
                confidence=FRACTION.read(entry.get("eventConfidence")),
                **_read_common(entry, reference, near, lost, at),
            )
        )
    signs: list[RoadSign] = []
    for i, entry in enumerate(value.get("rtss", ())):
        at = f"rtss[{i}]"
        signs.append(
            RoadSign(
                sign_id=entry["rtsId"],
                code=entry["signType"],
                position=_read_place(entry.get("signPos"), reference, lost, at + ".signPos"),
                **_read_common(entry, reference, near, lost, at),
            )
        )
    return RoadEvents(
        read_octets(value["id"]), value["msgCnt"], reference, tuple(events), tuple(signs), moment
    )


def _read_place(value: Fields | None, reference: Position, lost: Lost, at: str) -> Position | None:
    if value is None:
        return None
    place = read_offset(reference, value, lost, at)
    if place is None:
        lost.append(f"{at}: no position")
    return place


def _read_common(entry: Fields, reference: Position, near: UtcNs, lost: Lost, at: str) -> Fields:
    details = entry.get("timeDetails", {})
    if given(details.get("endTimeConfidence")):
        lost.append(f"{at}.endTimeConfidence")
    start = read_moy(details.get("startTime"), near)
    end = read_moy(details.get("endTime"), near)
    if start is not None and end is not None and end < start:
        end = utc_from_moy(details["endTime"], 0, UtcNs(start + _HALF_YEAR_NS))
    priority = entry.get("priority")
    if priority is not None and priority[0] & 0x1F:
        lost.append(f"{at}.priority: 0x{priority[0]:02x}, low bits")
    paths: list[Path] = []
    for k, path in enumerate(entry.get("referencePaths", ())):
        points: list[Position] = []
        for n, point in enumerate(path["activePath"]):
            place = _read_place(point, reference, lost, f"{at}.referencePaths[{k}][{n}]")
            if place is not None:
                points.append(place)
        if points:
            paths.append(Path(tuple(points), path["pathRadius"] / 10))
    return {
        "text": _read_text(entry.get("description"), lost, at),
        "start_utc_ns": start,
        "end_utc_ns": end,
        "priority": None if priority is None else priority[0] >> 5,
        "paths": tuple(paths),
        "links": tuple(
            LinkRef(
                read_id(link["upstreamNodeId"]),
                read_id(link["downstreamNodeId"]),
                tuple(int(n) for n in _LANES.read(link.get("referenceLanes"), lost, at + ".lanes")),
            )
            for link in entry.get("referenceLinks", ())
        ),
    }


def _read_text(value: Any, lost: Lost, at: str) -> str:
    kind, text = alternative(value)
    if kind == "textString":
        return str(text)
    if kind != "textGB2312":
        return ""
    try:
        # GB 18030 contains GB 2312 and what senders use beyond it.
        return bytes(text).decode("gb18030")
    except UnicodeDecodeError:
        lost.append(f"{at}.description: octets that are no GB 2312")
        return bytes(text).decode("gb18030", "replace")


def write_csae(message: RoadEvents, lost: Lost) -> Fields:
    """RSI.

    An event without a GB/T 29100 number, of its own or known for its ITIS codes, is left out and noted as
    lost. Raises TranslateError: MISSING without a place to refer to or with nothing left, TOO_MANY.
    """
    limit(len(message.events), _EVENTS, "events")
    limit(len(message.signs), _SIGNS, "signs")
    reference = message.reference if message.reference is not None else _some_place(message)
    if reference is None:
        raise TranslateError(TranslateReason.MISSING, "no position to refer to", where="reference")
    value: Fields = {"msgCnt": count(message.msg_count, 127, "msg_count")}
    if message.utc_ns is not None:
        value["moy"] = write_moy(message.utc_ns).minute
    value["id"] = write_octets(message.source_id, 8, lost, "source_id")
    value["refPos"] = write_position(reference, lost, "reference")
    events = [
        entry
        for i, event in enumerate(message.events)
        if (entry := _write_event(event, reference, lost, f"events[{i}]"))
    ]
    signs = [_write_sign(sign, reference, lost, f"signs[{i}]") for i, sign in enumerate(message.signs)]
    if not events and not signs:
        raise TranslateError(TranslateReason.MISSING, "neither an event nor a sign to send", where="events")
    if events:
        value["rtes"] = events
    if signs:
        value["rtss"] = signs
    return value


def _some_place(message: RoadEvents) -> Position | None:
    items: list[RoadEvent | RoadSign] = [*message.events, *message.signs]
    for item in items:
        if item.position is not None:
            return item.position
        for path in item.paths:
            if path.points:
                return path.points[0]
    return None


def _write_event(event: RoadEvent, reference: Position, lost: Lost, at: str) -> Fields | None:
    code = event_code(event)
    if code is None:
        lost.append(f"{at}: no GB/T 29100 number for ITIS {list(event.itis)}")
        return None
    lost.extend(f"{at}.itis: {itis}" for itis in event.itis)
    value: Fields = {
        "rteId": count(event.event_id, 255, at + ".event_id"),
        "eventType": count(code, 65535, at + ".code"),
        "eventSource": event.origin.value,
    }
    if event.position is not None:
        value["eventPos"] = write_offset(reference, event.position, lost, at + ".position")
    if event.radius_m is not None:
        value["eventRadius"] = RADIUS_M.write(event.radius_m, lost, at + ".radius_m")
    _write_common(value, event, reference, lost, at)
    if event.confidence is not None:
        value["eventConfidence"] = FRACTION.write(event.confidence, lost, at + ".confidence")
    return value


def _write_sign(sign: RoadSign, reference: Position, lost: Lost, at: str) -> Fields:
    lost.extend(f"{at}.itis: {itis}" for itis in sign.itis)
    value: Fields = {
        "rtsId": count(sign.sign_id, 255, at + ".sign_id"),
        "signType": count(sign.code or 0, 65535, at + ".code"),
    }
    if sign.position is not None:
        value["signPos"] = write_offset(reference, sign.position, lost, at + ".position")
    _write_common(value, sign, reference, lost, at)
    return value


def _write_common(
    value: Fields, item: RoadEvent | RoadSign, reference: Position, lost: Lost, at: str
) -> None:
    if item.text:
        value["description"] = _write_text(item.text, lost, at)
    times: Fields = {}
    if item.start_utc_ns is not None:
        times["startTime"] = write_moy(item.start_utc_ns).minute
    if item.end_utc_ns is not None:
        times["endTime"] = write_moy(item.end_utc_ns).minute
    if times:
        value["timeDetails"] = times
    if item.priority is not None:
        value["priority"] = bytes((count(item.priority, 7, at + ".priority") << 5,))
    paths = _write_paths(item.paths, reference, lost, at)
    if paths:
        value["referencePaths"] = paths
    limit(len(item.links), _LINKS, at + ".links")
    links: list[Fields] = []
    for link in item.links:
        entry: Fields = {
            "upstreamNodeId": write_id(link.upstream, at + ".links"),
            "downstreamNodeId": write_id(link.downstream, at + ".links"),
        }
        if link.lanes:
            entry["referenceLanes"] = _LANES.write((str(n) for n in link.lanes), lost, at + ".links.lanes")
        links.append(entry)
    if links:
        value["referenceLinks"] = links


def _write_paths(paths: tuple[Path, ...], reference: Position, lost: Lost, at: str) -> list[Fields]:
    written: list[Fields] = []
    for k, path in enumerate(paths):
        place = f"{at}.paths[{k}]"
        if path.closed:
            lost.append(f"{place}.closed")
        if path.headings_deg:
            lost.append(f"{place}.headings_deg")
        if not path.points:
            lost.append(f"{place}: no points")
            continue
        points = thin(path.points, _POINTS, lost, place)
        for line in (points, points[::-1]) if path.both_ways else (points,):
            written.append(
                {
                    "activePath": [write_offset(reference, point, lost, place) for point in line],
                    "pathRadius": RADIUS_M.write(path.radius_m, lost, place + ".radius_m"),
                }
            )
    limit(len(written), _PATHS, at + ".paths")
    return written


def _write_text(text: str, lost: Lost, at: str) -> tuple[str, str | bytes]:
    if text.isascii():
        if len(text) > _TEXT:
            lost.append(f"{at}.text: cut to {_TEXT} characters")
        return "textString", text[:_TEXT]
    octets = text.encode("gb2312", "replace")
    if octets.decode("gb2312") != text:
        lost.append(f"{at}.text: characters that GB 2312 lacks")
    if len(octets) > _TEXT:
        lost.append(f"{at}.text: cut to {_TEXT} octets")
        octets = octets[:_TEXT].decode("gb2312", "ignore").encode("gb2312")
    if octets.isascii():
        return "textString", octets.decode("ascii")
    return "textGB2312", octets
