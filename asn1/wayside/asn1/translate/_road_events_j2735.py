"""RoadEvents: SAE J2735 MSG_TravelerInformation (TIM).

A data frame is one event or, when it is signage, one sign; its regions are paths, or a circle about it.
"""

from __future__ import annotations

from typing import Any

from wayside.asn1.messages import EventOrigin, Path, Position, RoadEvent, RoadEvents, RoadSign
from wayside.asn1.translate._errors import TranslateError, TranslateReason
from wayside.asn1.translate._names import (
    BitNames,
    alternative,
    enum_name,
    read_octets,
    write_ascii,
    write_octets,
)
from wayside.asn1.translate._nodes import NODES, NodeLine, read_ll, read_xy, thin, write_ll
from wayside.asn1.translate._places import read_position, write_position
from wayside.asn1.translate._times import MINUTE_NS, read_moy, write_moy, year_minute
from wayside.asn1.translate._units import LANE_WIDTH_M, Lost, count, limit
from wayside.asn1.translate.event_codes import code_of, itis_of
from wayside.clock import UtcNs

Fields = dict[str, Any]

DEFAULT_PATH_RADIUS_M = 1.75
"""Half of a 3.5 m lane, for a region that states no width."""

_FRAMES, _REGIONS, _ITEMS, _TEXT = 8, 16, 100, 500
_FOREVER = 32000
_MOY_INVALID = 527040
_SECTOR_DEG = 22.5
_SECTORS = BitNames(16)
_ALL_SECTORS = (b"\xff\xff", 16)
_SIGNAGE = ("roadSignage", "commercialSignage")
# DistanceUnits in metres; of those that write a radius equally well the first is taken.
_UNITS = {
    "centimeter": 0.01,
    "decimeter": 0.1,
    "meter": 1.0,
    "kilometer": 1000.0,
    "cm2-5": 0.025,
    "foot": 0.3048,
    "yard": 0.9144,
    "mile": 1609.344,
}
_RADIUS_STEPS = 4095


class _Place:
    """Where a frame's content is: collected from its regions and its sign."""

    def __init__(self, position: Position | None) -> None:
        self.position = position
        self.radius_m: float | None = None
        self.paths: list[Path] = []


def read_j2735(value: Fields, near: UtcNs, lost: Lost) -> RoadEvents:
    """RoadEvents of a TIM. Events and signs are numbered by their frame; `code` stays None (`event_code`)."""
    events: list[RoadEvent] = []
    signs: list[RoadSign] = []
    for i, frame in enumerate(value["dataFrames"]):
        at = f"dataFrames[{i}]"
        itis, text = _read_content(frame["content"], lost, at)
        place = _read_place(frame, lost, at)
        start, end = _read_times(frame, near)
        common: Fields = {
            "itis": itis,
            "text": text,
            "position": place.position,
            "start_utc_ns": start,
            "end_utc_ns": end,
            "priority": frame["priority"],
            "paths": tuple(place.paths),
        }
        lost.extend(f"{at}.{name}" for name in ("url", "contentNew") if name in frame)
        if enum_name(frame["frameType"]) in _SIGNAGE:
            if place.radius_m is not None:
                lost.append(f"{at}: circle about a sign")
            signs.append(RoadSign(sign_id=i, **common))
        else:
            events.append(RoadEvent(event_id=i, radius_m=place.radius_m, **common))
    lost.extend(name for name in ("urlB", "regional") if name in value)
    packet = value.get("packetID")
    return RoadEvents(
        b"" if packet is None else read_octets(packet),
        value["msgCnt"],
        None,
        tuple(events),
        tuple(signs),
        read_moy(value.get("timeStamp"), near),
    )


def _read_times(frame: Fields, near: UtcNs) -> tuple[int | None, int | None]:
    minute, year = frame["startTime"], frame.get("startYear")
    if minute >= _MOY_INVALID:
        return None, None
    start = year_minute(year, minute) if year else read_moy(minute, near)
    if start is None or frame["durationTime"] >= _FOREVER:
        return start, None
    return start, start + frame["durationTime"] * MINUTE_NS


def _read_content(content: Any, lost: Lost, at: str) -> tuple[tuple[int, ...], str]:
    kind, items = alternative(content)
    if kind != "advisory":
        lost.append(f"{at}.content: {kind or 'unknown'}")
    itis: list[int] = []
    texts: list[str] = []
    for item in items or ():
        name, piece = alternative(item["item"])
        if name == "itis":
            itis.append(piece)
            if texts:
                lost.append(f"{at}.content: order of codes and texts")
        elif name == "text":
            texts.append(piece)
    return tuple(itis), " ".join(texts)


def _read_place(frame: Fields, lost: Lost, at: str) -> _Place:
    form, identity = alternative(frame["msgId"])
    position = None
    if form == "roadSignID":
        position = read_position(identity["position"])
        if identity["viewAngle"] != _ALL_SECTORS:
            lost.append(f"{at}.roadSignID.viewAngle")
        if enum_name(identity.get("mutcdCode")) not in ("", "none", "warning"):
            lost.append(f"{at}.roadSignID.mutcdCode")
    elif form == "furtherInfoID" and bytes(identity) != b"\0\0":
        lost.append(f"{at}.furtherInfoID")
    place = _Place(position)
    for k, region in enumerate(frame["regions"]):
        _read_region(region, place, lost, f"{at}.regions[{k}]")
    return place


def _read_region(region: Fields, place: _Place, lost: Lost, at: str) -> None:
    if region.get("name"):
        lost.append(f"{at}.name")
    identity = region.get("id", {})
    if identity.get("id") or identity.get("region"):
        lost.append(f"{at}.id")
    if "regional" in region:
        lost.append(f"{at}.regional")
    anchor = read_position(region["anchor"]) if "anchor" in region else None
    form, shape = alternative(region.get("description"))
    use: Fields = {
        "width_m": LANE_WIDTH_M.read(region.get("laneWidth")),
        "use": enum_name(region.get("directionality", "forward")),
        "closed": region.get("closedPath", False),
        "sectors": region.get("direction", _ALL_SECTORS),
    }
    line: NodeLine | None = None
    if form == "path":
        offset, nodes = alternative(shape["offset"])
        line = _read_nodes(anchor, offset, nodes, shape.get("scale", 0), lost, at)
    elif form == "geometry":
        _read_circle(shape["circle"], place, lost, at)
        if shape["direction"] != _ALL_SECTORS:
            lost.append(f"{at}.geometry.direction")
        lost.extend(f"{at}.geometry.{name}" for name in ("extent", "laneWidth", "regional") if name in shape)
        return
    elif form == "oldRegion":
        line = _read_old_region(shape, anchor, place, use, lost, at)
        if line is None and alternative(shape["area"])[0] == "circle":
            return
    if line is None or len(line.points) < 2:
        lost.append(f"{at}: {form or 'no'} description has no line of points")
        return
    if use["width_m"] is None:
        lost.append(f"{at}.laneWidth: none, {2 * DEFAULT_PATH_RADIUS_M:g} m taken")
    if use["use"] not in ("forward", "reverse", "both"):
        lost.append(f"{at}.directionality: {use['use'] or 'unknown'} taken for forward")
    place.paths.append(
        Path(
            line.points[::-1] if use["use"] == "reverse" else line.points,
            DEFAULT_PATH_RADIUS_M if use["width_m"] is None else use["width_m"] / 2,
            use["use"] == "both",
            use["closed"],
            _read_sectors(use["sectors"]),
        )
    )


def _read_nodes(
    anchor: Position | None, offset: str, nodes: Any, zoom: int, lost: Lost, at: str
) -> NodeLine | None:
    form, chain = alternative(nodes)
    if anchor is None or form != "nodes":
        return None
    if offset == "xy":
        line = read_xy(anchor, chain, lost, at, zoom)
    elif offset == "ll":
        line = read_ll(anchor, chain, lost, at, zoom)
    else:
        return None
    if line is not None:
        lost.extend(f"{at}.nodes: {name} of the first" for name in line.first)
    return line


def _read_old_region(
    shape: Fields, anchor: Position | None, place: _Place, use: Fields, lost: Lost, at: str
) -> NodeLine | None:
    area, content = alternative(shape["area"])
    if "extent" in shape:
        lost.append(f"{at}.oldRegion.extent")
    if area == "circle":
        _read_circle(content, place, lost, at)
        return None
    if area != "shapePointSet":
        return None
    use["sectors"] = shape["direction"]
    use["use"] = enum_name(content.get("directionality", "forward"))
    if "laneWidth" in content:
        use["width_m"] = LANE_WIDTH_M.read(content["laneWidth"])
    own = read_position(content["anchor"]) if "anchor" in content else anchor
    return _read_nodes(own, "xy", content["nodeList"], 0, lost, at)


def _read_circle(circle: Fields, place: _Place, lost: Lost, at: str) -> None:
    center = read_position(circle["center"])
    unit = _UNITS.get(enum_name(circle["units"]))
    if center is None or unit is None:
        lost.append(f"{at}: circle without a centre or unit")
        return
    if place.radius_m is not None:
        lost.append(f"{at}: a second circle")
        return
    if place.position is not None and place.position != center:
        lost.append(f"{at}: place of the sign apart from the circle's centre")
    place.position, place.radius_m = center, round(circle["radius"] * unit, 6)


def _read_sectors(value: Any) -> tuple[tuple[float, float], ...]:
    bits = _SECTORS.set_bits(value)
    if len(bits) in (0, 16):
        return ()
    ranges: list[tuple[float, float]] = []
    for i in bits:
        if ranges and ranges[-1][1] == i * _SECTOR_DEG:
            ranges[-1] = (ranges[-1][0], (i + 1) * _SECTOR_DEG)
        else:
            ranges.append((i * _SECTOR_DEG, (i + 1) * _SECTOR_DEG))
    return tuple(ranges)


def _write_sectors(ranges: tuple[tuple[float, float], ...]) -> tuple[bytes, int]:
    if not ranges:
        return _ALL_SECTORS
    number = 0
    for i in range(16):
        middle = (i + 0.5) * _SECTOR_DEG
        if any((middle - low) % 360 < (high - low) for low, high in ranges):
            number |= 1 << (15 - i)
    return number.to_bytes(2, "big"), 16


def write_j2735(message: RoadEvents, lost: Lost) -> Fields:
    """TIM, one data frame an event or sign.

    Raises TranslateError: MISSING without an event or sign, or one with neither start nor time of the
    message, or with neither a path nor a place; TOO_MANY beyond 8.
    """
    items: list[tuple[int, RoadEvent | RoadSign, str]] = [
        (event.event_id, event, f"events[{i}]") for i, event in enumerate(message.events)
    ]
    items += [(sign.sign_id, sign, f"signs[{i}]") for i, sign in enumerate(message.signs)]
    items.sort(key=lambda item: item[0])
    limit(len(items), _FRAMES, "events")
    if not items:
        raise TranslateError(TranslateReason.MISSING, "neither an event nor a sign to send", where="events")
    value: Fields = {"msgCnt": count(message.msg_count, 127, "msg_count")}
    if message.utc_ns is not None:
        value["timeStamp"] = write_moy(message.utc_ns).minute
    if message.source_id:
        value["packetID"] = write_octets(message.source_id, 9, lost, "source_id")
    frames: list[Fields] = []
    for i, (number, item, at) in enumerate(items):
        if number != i:
            lost.append(f"{at}: number {number}")
        frames.append(_write_frame(item, message.utc_ns, lost, at))
    value["dataFrames"] = frames
    return value


def _write_frame(item: RoadEvent | RoadSign, moment: int | None, lost: Lost, at: str) -> Fields:
    start = item.start_utc_ns
    if start is None:
        lost.append(f"{at}.start_utc_ns: open, the message's time is taken")
        start = moment
    if start is None:
        raise TranslateError(TranslateReason.MISSING, "neither a start nor the message's time", where=at)
    begin = write_moy(start)
    duration = _FOREVER
    if item.end_utc_ns is not None:
        minutes = -((start - start % MINUTE_NS - item.end_utc_ns) // MINUTE_NS)
        if minutes >= _FOREVER or minutes < 0:
            lost.append(f"{at}.end_utc_ns")
        duration = min(max(minutes, 0), _FOREVER)
    event = item if isinstance(item, RoadEvent) else None
    if event is not None:
        if event.origin is not EventOrigin.UNKNOWN:
            lost.append(f"{at}.origin: {event.origin}")
        if event.confidence is not None:
            lost.append(f"{at}.confidence")
    if item.links:
        lost.append(f"{at}.links")
    identity: tuple[str, Any] = ("furtherInfoID", b"\0\0")
    if item.position is not None:
        sign_id = {
            "position": write_position(item.position, lost, at + ".position"),
            "viewAngle": _ALL_SECTORS,
            "mutcdCode": "warning",
        }
        identity = ("roadSignID", sign_id)
    if item.priority is None:
        lost.append(f"{at}.priority: none written as 0")
    return {
        "doNotUse1": 0,
        "frameType": "roadSignage" if event is None else "advisory",
        "msgId": identity,
        "startYear": begin.year,
        "startTime": begin.minute,
        "durationTime": duration,
        "priority": count(item.priority or 0, 7, at + ".priority"),
        "doNotUse2": 0,
        "regions": _write_regions(item, lost, at),
        "doNotUse3": 0,
        "doNotUse4": 0,
        "content": ("advisory", _write_content(item, lost, at)),
    }


def _write_content(item: RoadEvent | RoadSign, lost: Lost, at: str) -> list[Fields]:
    codes = list(item.itis)
    if item.code is not None:
        known = itis_of(item.code) if isinstance(item, RoadEvent) else None
        if known is None:
            lost.append(f"{at}.code: {item.code}")
        else:
            if not codes:
                codes.append(known)
            if next((c for c in map(code_of, codes) if c is not None), None) != item.code:
                lost.append(f"{at}.code: {item.code}")
    items: list[Fields] = [{"item": ("itis", count(code, 65535, at + ".itis"))} for code in codes]
    text = write_ascii(item.text, _TEXT, lost, at + ".text")
    if text is not None:
        items.append({"item": ("text", text)})
    if not items:
        kind = "event" if isinstance(item, RoadEvent) else "sign"
        items.append({"item": ("text", kind if item.code is None else f"{kind} {item.code}")})
    limit(len(items), _ITEMS, at + ".itis")
    return items


def _write_regions(item: RoadEvent | RoadSign, lost: Lost, at: str) -> list[Fields]:
    regions: list[Fields] = []
    for k, path in enumerate(item.paths):
        place = f"{at}.paths[{k}]"
        if len(path.points) < 2:
            lost.append(f"{place}: fewer than two points")
            continue
        points = thin(path.points, NODES, lost, place)
        regions.append(
            {
                "anchor": write_position(points[0], lost, place),
                "laneWidth": LANE_WIDTH_M.write(path.radius_m * 2, lost, place + ".radius_m"),
                "directionality": "both" if path.both_ways else "forward",
                "closedPath": path.closed,
                "direction": _write_sectors(path.headings_deg),
                "description": (
                    "path",
                    {"offset": ("ll", ("nodes", write_ll(points[0], points, lost, place)))},
                ),
            }
        )
    radius_m = item.radius_m if isinstance(item, RoadEvent) else None
    if item.position is not None and (radius_m is not None or not regions):
        regions.append(_write_circle(item.position, radius_m or 0.0, lost, at))
        if radius_m is None and isinstance(item, RoadEvent):
            lost.append(f"{at}.radius_m: none written as 0")
    elif radius_m is not None:
        lost.append(f"{at}.radius_m: no place to lay it about")
    if not regions:
        raise TranslateError(TranslateReason.MISSING, "neither a path nor a place", where=at)
    limit(len(regions), _REGIONS, at + ".paths")
    return regions


def _write_circle(center: Position, radius_m: float, lost: Lost, at: str) -> Fields:
    fitting = [name for name, size in _UNITS.items() if round(radius_m / size) <= _RADIUS_STEPS]
    if not fitting:
        raise TranslateError(
            TranslateReason.OUT_OF_RANGE, f"no unit for a radius of {radius_m:g} m", where=at + ".radius_m"
        )
    unit = min(fitting, key=lambda name: round(abs(radius_m - _steps(radius_m, name) * _UNITS[name]), 6))
    circle = {
        "center": write_position(center, lost, at + ".position"),
        "radius": count(_steps(radius_m, unit), _RADIUS_STEPS, at + ".radius_m"),
        "units": unit,
    }
    return {
        "direction": _ALL_SECTORS,
        "description": ("geometry", {"direction": _ALL_SECTORS, "circle": circle}),
    }


def _steps(radius_m: float, unit: str) -> int:
    return round(radius_m / _UNITS[unit])
