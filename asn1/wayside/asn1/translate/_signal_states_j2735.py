"""SignalStates: SAE J2735 MSG_SignalPhaseAndTimingMessage (SPAT)."""

from __future__ import annotations

from collections.abc import Mapping

from wayside.asn1.messages import (
    Light,
    SignalEvent,
    SignalGroup,
    SignalIntersection,
    SignalStates,
)
from wayside.asn1.translate._errors import TranslateError, TranslateReason
from wayside.asn1.translate._lanes import read_id, write_id
from wayside.asn1.translate._names import SIGNAL_STATUS, enum_name, write_ascii
from wayside.asn1.translate._signal_times import (
    Fields,
    GroupKey,
    light_name,
    need,
    own_moment,
    read_mark,
    times_of,
    write_mark,
)
from wayside.asn1.translate._times import read_moy, write_moy
from wayside.asn1.translate._units import Lost, count, limit
from wayside.clock import UtcNs

_LIGHT_J2735 = {
    "unavailable": Light.UNAVAILABLE,
    "dark": Light.DARK,
    "stop-Then-Proceed": Light.FLASHING_RED,
    "stop-And-Remain": Light.RED,
    "pre-Movement": Light.RED_YELLOW,
    "permissive-Movement-Allowed": Light.PERMISSIVE_GREEN,
    "protected-Movement-Allowed": Light.PROTECTED_GREEN,
    "permissive-clearance": Light.PERMISSIVE_YELLOW,
    "protected-clearance": Light.PROTECTED_YELLOW,
    "caution-Conflicting-Traffic": Light.FLASHING_YELLOW,
}
_NAME_J2735 = {light: name for name, light in _LIGHT_J2735.items()}
_NEAREST_J2735 = {Light.FLASHING_GREEN: "permissive-Movement-Allowed"}
_UNKNOWN_2024 = 36111

# Probability that each of the 16 steps stands for. Source: SAE J2735 DE_TimeIntervalConfidence, unverified.
_PROBABILITY = (0.21, 0.36, 0.47, 0.56, 0.62, 0.68, 0.73, 0.77, 0.81, 0.85, 0.88, 0.91, 0.94, 0.96, 0.98, 1.0)


def read_j2735(value: Fields, near: UtcNs, lost: Lost) -> SignalStates:
    """SignalStates of a J2735 SPAT; time marks lie in the UTC hour nearest to the message's moment."""
    outer = {"moy": value.get("timeStamp")}
    intersections: list[SignalIntersection] = []
    for i, entry in enumerate(value["intersections"]):
        at = f"intersections[{i}]"
        moment = own_moment(entry, outer, near, lost, at)
        lost.extend(
            f"{at}.{name}"
            for name in ("enabledLanes", "maneuverAssistList", "regional", "roadAuthorityID")
            if name in entry
        )
        intersections.append(
            SignalIntersection(
                read_id(entry["id"]),
                tuple(
                    _read_group(state, moment, lost, f"{at}.states[{k}]")
                    for k, state in enumerate(entry["states"])
                ),
                moment,
                entry["revision"],
                SIGNAL_STATUS.read(entry["status"], lost, at + ".status"),
                entry.get("name", ""),
            )
        )
    if "regional" in value:
        lost.append("regional")
    moment_of_message = read_moy(value.get("timeStamp"), near)
    return SignalStates(tuple(intersections), moment_of_message, None, value.get("name", ""))


def _read_group(state: Fields, moment: UtcNs, lost: Lost, at: str) -> SignalGroup:
    events: list[SignalEvent] = []
    for k, event in enumerate(state["state-time-speed"]):
        lost.extend(f"{at}.state-time-speed[{k}].{name}" for name in ("speeds", "regional") if name in event)
        times = _without_fillers(event.get("timing", {}), lost, f"{at}.state-time-speed[{k}]")
        step = times.get("confidence")
        events.append(
            SignalEvent(
                _LIGHT_J2735.get(enum_name(event["eventState"]), Light.UNAVAILABLE),
                read_mark(times.get("startTime"), moment),
                read_mark(times.get("minEndTime"), moment),
                read_mark(times.get("maxEndTime"), moment),
                read_mark(times.get("likelyTime"), moment),
                None if step is None else _PROBABILITY[step],
                read_mark(times.get("nextTime"), moment),
            )
        )
    lost.extend(f"{at}.{name}" for name in ("maneuverAssistList", "regional") if name in state)
    return SignalGroup(state["signalGroup"], events[0], tuple(events[1:]), state.get("movementName", ""))


def _without_fillers(times: Fields, lost: Lost, at: str) -> Fields:
    """Times without a start and the marks that equal it: a state that ends when it starts is no state.

    Devices in the field fill the optional marks that they do not know with one number, 0.
    """
    start = times.get("startTime")
    others = [times.get(name) for name in ("maxEndTime", "likelyTime")]
    if start is None or start not in others:
        return times
    lost.append(f"{at}.timing: marks equal to the start")
    return {
        name: mark for name, mark in times.items() if mark != start or name in ("minEndTime", "confidence")
    }


def write_j2735(message: SignalStates, lost: Lost, greens: Mapping[GroupKey, Light]) -> Fields:
    """J2735 SPAT. greens: last green of each group, to tell a permissive yellow from a protected one.

    Raises TranslateError: MISSING without an intersection or group, or times without a moment; TOO_MANY.
    """
    limit(len(message.intersections), 32, "intersections")
    value: Fields = {}
    if message.utc_ns is not None:
        value["timeStamp"] = write_moy(message.utc_ns).minute
    if message.msg_count is not None:
        lost.append("msg_count")
    name = write_ascii(message.name, 63, lost, "name")
    if name is not None:
        value["name"] = name
    value["intersections"] = [
        _write_intersection(entry, message.utc_ns, lost, f"intersections[{i}]", greens)
        for i, entry in enumerate(message.intersections)
    ]
    need(value["intersections"], "intersections")
    return value


def _write_intersection(
    entry: SignalIntersection, outer: int | None, lost: Lost, at: str, greens: Mapping[GroupKey, Light]
) -> Fields:
    limit(len(entry.groups), 255, at + ".groups")
    need(list(entry.groups), at + ".groups")
    value: Fields = {
        "id": write_id(entry.id, at + ".id"),
        "revision": count(entry.revision or 0, 127, at + ".revision"),
        "status": SIGNAL_STATUS.write(entry.status, lost, at + ".status"),
    }
    name = write_ascii(entry.name, 63, lost, at + ".name")
    if name is not None:
        value["name"] = name
    if entry.utc_ns is not None:
        stamp = write_moy(entry.utc_ns)
        value |= {"moy": stamp.minute, "timeStamp": stamp.millisecond}
    moment = entry.utc_ns if entry.utc_ns is not None else outer
    states: list[Fields] = []
    for i, group in enumerate(entry.groups):
        place = f"{at}.groups[{i}]"
        limit(1 + len(group.following), 16, place)
        green = greens.get((entry.id, group.group))
        events: list[Fields] = []
        for k, event in enumerate((group.current, *group.following)):
            where = f"{place}.following[{k - 1}]" if k else f"{place}.current"
            events.append(_write_event(event, green, moment, lost, where))
            if event.light in (Light.PERMISSIVE_GREEN, Light.PROTECTED_GREEN, Light.FLASHING_GREEN):
                green = event.light
        state: Fields = {"signalGroup": count(group.group, 255, place), "state-time-speed": events}
        label = write_ascii(group.name, 63, lost, place + ".name")
        if label is not None:
            state["movementName"] = label
        states.append(state)
    value["states"] = states
    return value


def _write_event(event: SignalEvent, green: Light | None, moment: int | None, lost: Lost, at: str) -> Fields:
    if event.light is Light.YELLOW:
        name = "protected-clearance" if green is Light.PROTECTED_GREEN else "permissive-clearance"
    else:
        name = light_name(event.light, _NAME_J2735, _NEAREST_J2735, lost, at)
    value: Fields = {"eventState": name}
    if event.next_end_utc_ns is not None:
        lost.append(f"{at}.next_end_utc_ns")
    if all(t is None for t in times_of(event)[:5]) and event.confidence is None:
        return value
    if moment is None:
        raise TranslateError(TranslateReason.MISSING, "times without the moment of the states", where=at)
    times: Fields = {
        "minEndTime": write_mark(event.min_end_utc_ns, moment, _UNKNOWN_2024, lost, at + ".min_end_utc_ns")
    }
    for field, instant in (
        ("startTime", event.start_utc_ns),
        ("maxEndTime", event.max_end_utc_ns),
        ("likelyTime", event.likely_end_utc_ns),
        ("nextTime", event.next_start_utc_ns),
    ):
        if instant is not None:
            times[field] = write_mark(instant, moment, _UNKNOWN_2024, lost, f"{at}.{field}")
    if event.confidence is not None:
        confidence = event.confidence
        times["confidence"] = min(range(16), key=lambda k: abs(_PROBABILITY[k] - confidence))
    value["timing"] = times
    return value
