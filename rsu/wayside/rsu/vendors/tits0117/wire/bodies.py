"""RSM, RSI and SPAT as JSON bodies, to and from the values of T/CSAE 53-2020. Pure.

Units as on the wire: 1e-7 degree, 0.02 m/s, 0.0125 degree, 0.1 m. What one side has no room for is named,
and so is what the other demands and this one does not say. Source: as `layout`.
"""

from __future__ import annotations

import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from wayside.clock import UtcNs, minute_of_year
from wayside.rsu import RsuError, RsuReason
from wayside.rsu.vendors.tits0117.wire import names
from wayside.rsu.vendors.tits0117.wire.fields import (
    Account,
    Fields,
    json_position,
    listed,
    malformed,
    offset_of,
    place_of,
    read_position,
)

# Of 16 objects each; together they take the loop some 30 ms. Own.
MAX_MESSAGES = 16
_MINUTE_INVALID = 527_040
_LARGEST_MARK = 35_999
# The year 2100: a later stamp is no ms since 1970.
_LARGEST_MS = 4_102_444_800_000
_TIME_FORM = "%Y-%m-%d %H:%M:%S"


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What a transcoding rests on. source_id: 8 octets of the unit. utc_ns: now. utc_offset_min: zone of the
    times in a SPAT, which name none."""

    source_id: bytes
    utc_ns: UtcNs
    utc_offset_min: int = 480


class Transcoded(msgspec.Struct, frozen=True):
    """A MessageFrame value out of a body, and what was lost, filled in or guessed."""

    value: tuple[str, dict[str, Any]]
    account: Account


def read_rsm(body: Any, context: Context) -> list[Transcoded]:
    """Perceived objects of a body, one value a list member. Raises RsuError MALFORMED, TOO_LARGE."""
    content = body.get("content", body) if isinstance(body, dict) else body
    found = content.get("rsms") if isinstance(content, dict) else None
    if not isinstance(found, list) or not found:
        raise malformed("no list", "content.rsms")
    out = []
    for i, member in enumerate(listed(found, "content.rsms", MAX_MESSAGES)):
        account = Account()
        fields = Fields(member, f"rsms[{i}]", account)
        people = [_participant(one) for one in fields.children("participants", 16)]
        if not people:
            raise malformed("nobody", fields.at("participants"))
        reference = fields.child("refPos")
        place = _first_place(people[0]) if reference is None else read_position(reference)
        if reference is None:
            account.defaulted.append(fields.at("refPos"))
        fields.end()
        account.defaulted.append("msgCnt")
        value = {"msgCnt": 0, "id": context.source_id, "refPos": place, "participants": people}
        out.append(Transcoded(("rsmFrame", value), account))
    return out


def write_rsm(value: dict[str, Any], lost: list[str]) -> dict[str, Any]:
    """Body of perceived objects; `lost` takes the names of what it has no room for."""
    people = []
    for i, one in enumerate(value["participants"]):
        lost += [f"participants[{i}].{key}" for key in one.keys() - _PARTICIPANT_KEYS]
        person: dict[str, Any] = {
            "ptcId": one["ptcId"],
            "ptcType": names.number_of(names.PARTICIPANTS, one["ptcType"]),
            "source": names.number_of(names.SOURCES, one["source"]),
            "secMark": one["secMark"],
            "pos": place_of(one["pos"], value["refPos"]),
            "accuracy": names.number_of(names.POSITION_CONFIDENCES, one["posConfidence"]["pos"]),
            "speed": one["speed"],
            "heading": one["heading"],
            "size": dict(one["size"]),
        }
        people.append(person)
    return {"content": {"rsms": [{"refPos": json_position(value["refPos"]), "participants": people}]}}


def read_rsi(body: Any, context: Context) -> list[Transcoded]:
    """Road events of a body, all in one value. Raises RsuError MALFORMED, TOO_LARGE."""
    found = body.get("rsiDatas") if isinstance(body, dict) else None
    if not isinstance(found, list) or not found:
        raise malformed("no list", "rsiDatas")
    account = Account()
    events: list[dict[str, Any]] = []
    minutes: list[int] = []
    for i, member in enumerate(listed(found, "rsiDatas", 8)):
        events.append(_event(Fields(member, f"rsiDatas[{i}]", account), context, minutes))
    _, first = events[0]["eventPos"]["offsetLL"]
    value: dict[str, Any] = {
        "msgCnt": 0,
        "id": context.source_id,
        "refPos": {"lat": first["lat"], "long": first["lon"]},
        "rtes": events,
    }
    if minutes:
        value["moy"] = minutes[0]
    account.defaulted += ["msgCnt", "refPos"]
    return [Transcoded(("rsiFrame", value), account)]


def write_rsi(value: dict[str, Any], lost: list[str]) -> dict[str, Any]:
    """Body of road events. Raises RsuError UNSUPPORTED where there are only signs, which it cannot say."""
    if not value.get("rtes"):
        raise RsuError(RsuReason.UNSUPPORTED, "this form of RSI carries events, no signs", where="rtss")
    lost += [f"rtss[{i}]" for i in range(len(value.get("rtss", ())))]
    reference = value["refPos"]
    events = []
    for i, event in enumerate(value["rtes"]):
        lost += [f"rtes[{i}].{key}" for key in event.keys() - _EVENT_KEYS]
        position = event.get("eventPos")
        one: dict[str, Any] = {
            "alertID": str(event["rteId"]),
            "eventStatus": True,
            "eventType": event["eventType"],
            "eventSource": names.number_of(names.EVENT_SOURCES, event["eventSource"]),
            "eventPosition": json_position(reference) if position is None else place_of(position, reference),
        }
        for key, name in (("eventRadius", "eventRadius"), ("eventConfidence", "eventConfidence")):
            if key in event:
                one[name] = event[key]
        if "moy" in value:
            one["timeStamp"] = value["moy"]
        if "priority" in event:
            one["eventPriority"] = event["priority"][0] >> 5
        if "description" in event:
            form, text = event["description"]
            one["eventDescription"] = text if form == "textString" else text.decode("gb2312", "replace")
        if "referencePaths" in event:
            one["referencePaths"] = [
                {
                    "activePath": [place_of(point, reference) for point in path["activePath"]],
                    "pathRadius": path["pathRadius"],
                }
                for path in event["referencePaths"]
            ]
        events.append(one)
    return {"rsiDatas": events}


def read_spat(body: Any, context: Context) -> list[Transcoded]:
    """Signal states of a body. Raises RsuError MALFORMED, TOO_LARGE.

    Each phase says one state and, to the second and without a zone, when it is likely to end.
    """
    account = Account()
    fields = Fields(body, "", account)
    intersections = []
    for one in fields.children("intersections", 32):
        phases = []
        for phase in one.children("phases", 16):
            state = phase.demand("phaseStates")
            written: dict[str, Any] = {"light": names.read_named(state, "light", names.LIGHTS)}
            timing = state.text("timing", 40)
            if timing:
                mark = _mark(timing, context, state.at("timing"))
                written["timing"] = ("counting", {"startTime": 0, "likelyEndTime": mark})
                account.defaulted.append(state.at("timing.startTime"))
            state.end()
            phases.append({"id": phase.integer("phaseId", 0, 255), "phaseStates": [written]})
            phase.end()
        if not phases:
            raise malformed("no phase", one.at("phases"))
        node = names.read_node(one.demand("intersectionId"))
        status = one.integer("status", 0, 65_535, 0)
        intersections.append({"intersectionId": node, "status": names.bits(status, 16), "phases": phases})
        one.end()
    if not intersections:
        raise malformed("no intersection", "intersections")
    value: dict[str, Any] = {"msgCnt": 0, "intersections": intersections}
    name = fields.text("name", 63)
    if name.isascii() and name:
        value["name"] = name
    fields.end()
    account.defaulted.append("msgCnt")
    return [Transcoded(("spatFrame", value), account)]


def write_spat(value: dict[str, Any], lost: list[str], context: Context) -> dict[str, Any]:
    """Body of signal states: of each phase the current state with its likely end, to the second."""
    lost += [key for key in value if key in ("moy", "timeStamp")]
    intersections = []
    for i, one in enumerate(value["intersections"]):
        at = f"intersections[{i}]"
        lost += [f"{at}.{key}" for key in one if key in ("moy", "timeStamp", "timeConfidence")]
        phases = []
        for phase in one["phases"]:
            first, *later = phase["phaseStates"]
            if later:
                lost.append(f"{at}.phase {phase['id']}: later states")
            state: dict[str, Any] = {"light": names.number_of(names.LIGHTS, first["light"])}
            ends = _end(first.get("timing"), context)
            if ends is not None:
                state["timing"] = ends
            if "timing" in first:
                lost.append(f"{at}.phase {phase['id']}: timing but its likely end")
            phases.append({"phaseId": phase["id"], "phaseStates": state})
        intersections.append(
            {
                "intersectionId": dict(one["intersectionId"]),
                "status": names.bits_number(one["status"], 16),
                "phases": phases,
            }
        )
    return {"name": value.get("name", ""), "intersections": intersections}


_PARTICIPANT_KEYS = frozenset(
    ("ptcId", "ptcType", "source", "secMark", "pos", "posConfidence", "speed", "heading", "size")
)
_EVENT_KEYS = frozenset(
    (
        "rteId",
        "eventType",
        "eventSource",
        "eventPos",
        "eventRadius",
        "eventConfidence",
        "priority",
        "description",
        "referencePaths",
    )
)


def _participant(fields: Fields) -> dict[str, Any]:
    size = fields.child("size")
    written = {"width": 0, "length": 0}
    if size is None:
        fields.account.defaulted.append(fields.at("size"))
    else:
        written = {"width": size.integer("width", 0, 1023), "length": size.integer("length", 0, 4095)}
        height = size.optional("height", 0, 127)
        if height is not None:
            written["height"] = height
        size.end()
    accuracy = fields.raw("accuracy")
    if isinstance(accuracy, dict):
        accuracy = accuracy.get("pos")
    if isinstance(accuracy, bool) or not isinstance(accuracy, int) or accuracy not in range(16):
        fields.account.defaulted.append(fields.at("posConfidence"))
        accuracy = 0
    person = {
        "ptcType": names.read_named(fields, "ptcType", names.PARTICIPANTS),
        "ptcId": fields.integer("ptcId", 0, 65_535),
        "source": names.read_named(fields, "source", names.SOURCES, 0),
        "secMark": fields.integer("secMark", 0, 65_535),
        "pos": offset_of(read_position(fields.demand("pos"))),
        "posConfidence": {"pos": names.POSITION_CONFIDENCES[accuracy]},
        "speed": fields.integer("speed", 0, 8191, 8191),
        "heading": fields.integer("heading", 0, 28_800, 28_800),
        "size": written,
    }
    fields.end()
    return person


def _first_place(person: dict[str, Any]) -> dict[str, int]:
    _, pair = person["pos"]["offsetLL"]
    return {"lat": pair["lat"], "long": pair["lon"]}


def _event(fields: Fields, context: Context, minutes: list[int]) -> dict[str, Any]:
    event: dict[str, Any] = {
        "rteId": _alert_number(fields),
        "eventType": fields.integer("eventType", 0, 65_535),
        "eventSource": names.read_named(fields, "eventSource", names.EVENT_SOURCES, 0),
        "eventPos": offset_of(read_position(fields.demand("eventPosition"))),
    }
    radius = fields.optional("eventRadius", 0, 65_535)
    if radius is not None:
        event["eventRadius"] = radius
    priority = fields.optional("eventPriority", 0, 7)
    if priority is not None:
        event["priority"] = bytes((priority << 5,))
    confidence = fields.optional("eventConfidence", 0, 200)
    if confidence is not None:
        event["eventConfidence"] = confidence
    text = fields.text("eventDescription", 256)
    if text:
        plain = text.isascii()
        event["description"] = (
            ("textString", text) if plain else ("textGB2312", text.encode("gb2312", "replace"))
        )
    stamp = fields.optional("timeStamp", 0, _LARGEST_MS)
    if stamp is not None:
        # A minute of the year, or ms since 1970: units send either.
        minutes.append(stamp if stamp <= _MINUTE_INVALID else minute_of_year(UtcNs(stamp * 1_000_000)).minute)
    paths = []
    for path in fields.children("referencePaths", 8):
        points = [offset_of(read_position(point)) for point in path.children("activePath", 32)]
        if not points:
            raise malformed("no point", path.at("activePath"))
        paths.append({"activePath": points, "pathRadius": path.integer("pathRadius", 0, 65_535, 0)})
        path.end()
    if paths:
        event["referencePaths"] = paths
    fields.raw("eventStatus")
    fields.end()
    return event


def _alert_number(fields: Fields) -> int:
    """Number 0..255 of an alert; other names are numbered by their check sum."""
    value = fields.raw("alertID")
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 3:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255:
        return value
    if not isinstance(value, str | int):
        raise malformed("no number of the event", fields.at("alertID"))
    fields.account.lost.append(fields.at("alertID"))
    return zlib.crc32(str(value)[:256].encode()) & 0xFF


def _mark(text: str, context: Context, place: str) -> int:
    """Tenths of a second from now to a time without a zone; past ones are 0."""
    try:
        end = datetime.strptime(text, _TIME_FORM).replace(tzinfo=UTC)
    except ValueError:
        raise malformed(f"{text!r} is no time", place) from None
    end_s = end.timestamp() - context.utc_offset_min * 60
    return min(max(round(end_s - context.utc_ns // 1_000_000_000) * 10, 0), _LARGEST_MARK)


def _end(timing: Any, context: Context) -> str | None:
    if timing is None:
        return None
    form, marks = timing
    now_s = context.utc_ns // 1_000_000_000
    if form == "counting":
        mark = marks["likelyEndTime"]
        ahead_s = mark // 10
    else:
        mark = marks["likelyEndUTCTime"]
        ahead_s = (mark // 10 - now_s) % 3600
    if mark > _LARGEST_MARK:
        return None
    end = datetime.fromtimestamp(now_s + ahead_s, tz=UTC) + timedelta(minutes=context.utc_offset_min)
    return end.strftime(_TIME_FORM)
