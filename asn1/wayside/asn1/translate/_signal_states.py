"""SignalStates: SPAT of both families. Every time is resolved against the message's own moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from wayside.asn1.messages import (
    IntersectionId,
    Light,
    SignalEvent,
    SignalGroup,
    SignalIntersection,
    SignalStates,
)
from wayside.asn1.translate._errors import TranslateError, TranslateReason
from wayside.asn1.translate._lanes import read_id, write_id
from wayside.asn1.translate._names import SIGNAL_STATUS, alternative, enum_name, given, write_ascii
from wayside.asn1.translate._times import read_moment, read_moy, write_moy
from wayside.asn1.translate._units import FRACTION, Lost, count, limit
from wayside.clock import UtcNs, resolve_hour_mark

Fields = dict[str, Any]
GroupKey = tuple[IntersectionId, int]

_TENTH_NS = 100_000_000
_HOUR_TENTHS = 36000
_MORE_THAN_AN_HOUR = 36000
_UNKNOWN_CSAE = 36001
_UNKNOWN_2024 = 36111

_LIGHT_CSAE = {
    "unavailable": Light.UNAVAILABLE,
    "dark": Light.DARK,
    "flashing-red": Light.FLASHING_RED,
    "red": Light.RED,
    "flashing-green": Light.FLASHING_GREEN,
    "permissive-green": Light.PERMISSIVE_GREEN,
    "protected-green": Light.PROTECTED_GREEN,
    "yellow": Light.YELLOW,
    "flashing-yellow": Light.FLASHING_YELLOW,
}
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
_NAME_CSAE = {light: name for name, light in _LIGHT_CSAE.items()}
_NAME_J2735 = {light: name for name, light in _LIGHT_J2735.items()}
# Lights that a family has no name for, and the nearest that it has.
_NEAREST_CSAE = {
    Light.RED_YELLOW: "red",
    Light.PERMISSIVE_YELLOW: "yellow",
    Light.PROTECTED_YELLOW: "yellow",
}
_NEAREST_J2735 = {Light.FLASHING_GREEN: "permissive-Movement-Allowed"}

# J2735 DE_TimeIntervalConfidence: probability of each of its 16 steps (from general knowledge of the
# standard; its text was not at hand).
_PROBABILITY = (0.21, 0.36, 0.47, 0.56, 0.62, 0.68, 0.73, 0.77, 0.81, 0.85, 0.88, 0.91, 0.94, 0.96, 0.98, 1.0)


def remember_greens(message: SignalStates, greens: dict[GroupKey, Light]) -> None:
    """Note the last green of each group, for `write_j2735` to name the yellow that follows it."""
    for intersection in message.intersections:
        for group in intersection.groups:
            if group.current.light in (Light.PERMISSIVE_GREEN, Light.PROTECTED_GREEN, Light.FLASHING_GREEN):
                greens[(intersection.id, group.group)] = group.current.light


def _moment(value: Fields, outer: Fields, near: UtcNs, lost: Lost, at: str) -> UtcNs:
    minute, millisecond = value.get("moy"), value.get("timeStamp")
    own = read_moment(minute, millisecond, near)
    if own is None:
        minute, millisecond = outer.get("moy"), outer.get("timeStamp")
    elif minute is None:
        minute = outer.get("moy")
    elif (millisecond is None or millisecond >= 60000) and outer.get("moy") == minute:
        millisecond = outer.get("timeStamp")
    found = read_moment(minute, millisecond, near)
    if found is None:
        lost.append(f"{at}.utc_ns: the message has no time, the receipt's is taken")
        return near
    if millisecond is None or millisecond >= 60000:
        lost.append(f"{at}.utc_ns: given to the minute only")
    return found


# -- CSAE ---------------------------------------------------------------------------------------------


def read_csae(value: Fields, near: UtcNs, lost: Lost) -> SignalStates:
    """SignalStates of a CSAE SPAT.

    `counting` times are what remains at the message's own moment, `utcTiming` ones lie in the UTC hour
    nearest to it. A state counted as running (start 0) whose end is 0 as well has an unknown end: that is
    how devices in the field send a green without a countdown.
    """
    intersections = tuple(
        _read_csae_intersection(entry, value, near, lost, f"intersections[{i}]")
        for i, entry in enumerate(value["intersections"])
    )
    moment = read_moment(value.get("moy"), value.get("timeStamp"), near)
    return SignalStates(intersections, moment, value["msgCnt"], value.get("name", ""))


def _read_csae_intersection(
    entry: Fields, outer: Fields, near: UtcNs, lost: Lost, at: str
) -> SignalIntersection:
    moment = _moment(entry, outer, near, lost, at)
    if given(entry.get("timeConfidence")):
        lost.append(f"{at}.timeConfidence")
    groups: list[SignalGroup] = []
    for phase in entry["phases"]:
        place = f"{at}.phases[{len(groups)}]"
        states = [_read_csae_state(s, moment, lost, place) for s in phase["phaseStates"]]
        running = _running(states, moment)
        following = states[running + 1 :] + states[:running]
        groups.append(SignalGroup(phase["id"], states[running][0], tuple(s[0] for s in following)))
    return SignalIntersection(
        read_id(entry["intersectionId"]),
        tuple(groups),
        moment,
        None,
        SIGNAL_STATUS.read(entry["status"], lost, at + ".status"),
    )


def _running(states: list[tuple[SignalEvent, bool]], moment: UtcNs) -> int:
    """Index of the state that runs: the first counted as begun, else the one that began last, else 0."""
    best, best_start = 0, None
    for i, (event, begun) in enumerate(states):
        if begun:
            return i
        start = event.start_utc_ns
        if start is not None and start <= moment and (best_start is None or start > best_start):
            best, best_start = i, start
    return best


def _read_csae_state(state: Fields, moment: UtcNs, lost: Lost, at: str) -> tuple[SignalEvent, bool]:
    light = _LIGHT_CSAE.get(enum_name(state["light"]), Light.UNAVAILABLE)
    form, timing = alternative(state.get("timing"))
    if form == "counting":
        begun = timing["startTime"] == 0
        likely = timing["likelyEndTime"]
        next_start = _remaining(timing.get("nextStartTime"), moment)
        duration = timing.get("nextDuration")
        next_end = None
        if next_start is not None and duration is not None and duration < _MORE_THAN_AN_HOUR:
            next_end = next_start + duration * _TENTH_NS
        elif duration:
            lost.append(f"{at}.nextDuration: no start with it")
        return (
            SignalEvent(
                light,
                None if begun else _remaining(timing["startTime"], moment),
                _remaining(timing.get("minEndTime"), moment),
                _remaining(timing.get("maxEndTime"), moment),
                None if begun and likely == 0 else _remaining(likely, moment),
                FRACTION.read(timing.get("timeConfidence")),
                next_start,
                next_end,
            ),
            begun,
        )
    if form == "utcTiming":
        return (
            SignalEvent(
                light,
                _mark(timing["startUTCTime"], moment),
                _mark(timing.get("minEndUTCTime"), moment),
                _mark(timing.get("maxEndUTCTime"), moment),
                _mark(timing["likelyEndUTCTime"], moment),
                FRACTION.read(timing.get("timeConfidence")),
                _mark(timing.get("nextStartUTCTime"), moment),
                _mark(timing.get("nextEndUTCTime"), moment),
            ),
            False,
        )
    return SignalEvent(light), False


def _remaining(tenths: int | None, moment: UtcNs) -> int | None:
    return None if tenths is None or tenths >= _MORE_THAN_AN_HOUR else moment + tenths * _TENTH_NS


def _mark(tenths: int | None, moment: UtcNs) -> int | None:
    """Instant of a time mark; every value from 36000 on is a sentinel or reserved in one edition."""
    return None if tenths is None or tenths >= _HOUR_TENTHS else resolve_hour_mark(tenths, moment)


def write_csae(message: SignalStates, lost: Lost, timing: Literal["counting", "utc"]) -> Fields:
    """CSAE SPAT with `counting` or `utcTiming` times.

    Raises TranslateError: MISSING where an intersection has times but no moment to count from, TOO_MANY.
    """
    limit(len(message.intersections), 32, "intersections")
    value: Fields = {"msgCnt": count(message.msg_count or 0, 127, "msg_count")}
    if message.utc_ns is not None:
        stamp = write_moy(message.utc_ns)
        value |= {"moy": stamp.minute, "timeStamp": stamp.millisecond}
    name = write_ascii(message.name, 63, lost, "name")
    if name is not None:
        value["name"] = name
    value["intersections"] = [
        _write_csae_intersection(entry, message.utc_ns, lost, f"intersections[{i}]", timing)
        for i, entry in enumerate(message.intersections)
    ]
    _need(value["intersections"], "intersections")
    return value


def _need(items: list[Any], at: str) -> None:
    if not items:
        raise TranslateError(TranslateReason.MISSING, "the dialect demands at least one", where=at)


def _write_csae_intersection(
    entry: SignalIntersection, outer: int | None, lost: Lost, at: str, timing: str
) -> Fields:
    limit(len(entry.groups), 16, at + ".groups")
    _need(list(entry.groups), at + ".groups")
    value: Fields = {
        "intersectionId": write_id(entry.id, at + ".id"),
        "status": SIGNAL_STATUS.write(entry.status, lost, at + ".status"),
    }
    if entry.utc_ns is not None:
        stamp = write_moy(entry.utc_ns)
        value |= {"moy": stamp.minute, "timeStamp": stamp.millisecond}
    moment = entry.utc_ns if entry.utc_ns is not None else outer
    if entry.revision:
        lost.append(f"{at}.revision: {entry.revision}")
    if entry.name:
        lost.append(f"{at}.name")
    phases: list[Fields] = []
    for i, group in enumerate(entry.groups):
        place = f"{at}.groups[{i}]"
        limit(1 + len(group.following), 16, place)
        if group.name:
            lost.append(f"{place}.name")
        states = [_write_csae_state(group.current, moment, lost, place + ".current", timing, True)]
        states += [
            _write_csae_state(event, moment, lost, f"{place}.following[{k}]", timing, False)
            for k, event in enumerate(group.following)
        ]
        phases.append({"id": count(group.group, 255, place), "phaseStates": states})
    value["phases"] = phases
    return value


def _times(event: SignalEvent) -> tuple[int | None, ...]:
    return (
        event.start_utc_ns,
        event.min_end_utc_ns,
        event.max_end_utc_ns,
        event.likely_end_utc_ns,
        event.next_start_utc_ns,
        event.next_end_utc_ns,
    )


def _light(light: Light, names: dict[Light, str], nearest: dict[Light, str], lost: Lost, at: str) -> str:
    name = names.get(light)
    if name is None:
        lost.append(f"{at}.light: {light}")
        name = nearest[light]
    return name


def _write_csae_state(
    event: SignalEvent, moment: int | None, lost: Lost, at: str, timing: str, current: bool
) -> Fields:
    value: Fields = {"light": _light(event.light, _NAME_CSAE, _NEAREST_CSAE, lost, at)}
    if all(t is None for t in _times(event)) and event.confidence is None:
        return value
    if moment is None:
        raise TranslateError(TranslateReason.MISSING, "times without the moment of the states", where=at)
    if timing == "utc":
        times: Fields = {
            "startUTCTime": _write_mark(
                event.start_utc_ns, moment, _UNKNOWN_CSAE, lost, at + ".start_utc_ns"
            ),
            "likelyEndUTCTime": _write_mark(
                event.likely_end_utc_ns, moment, _UNKNOWN_CSAE, lost, at + ".likely_end_utc_ns"
            ),
        }
        for name, instant in (
            ("minEndUTCTime", event.min_end_utc_ns),
            ("maxEndUTCTime", event.max_end_utc_ns),
            ("nextStartUTCTime", event.next_start_utc_ns),
            ("nextEndUTCTime", event.next_end_utc_ns),
        ):
            if instant is not None:
                times[name] = _write_mark(instant, moment, _UNKNOWN_CSAE, lost, f"{at}.{name}")
        form = "utcTiming"
    else:
        times = _write_counting(event, moment, lost, at, current)
        form = "counting"
    if event.confidence is not None:
        times["timeConfidence"] = FRACTION.write(event.confidence, lost, at + ".confidence")
    value["timing"] = (form, times)
    return value


def _write_counting(event: SignalEvent, moment: int, lost: Lost, at: str, current: bool) -> Fields:
    start = 0
    if not current:
        start = _write_remaining(event.start_utc_ns, moment, lost, at + ".start_utc_ns")
    elif event.start_utc_ns is not None:
        lost.append(f"{at}.start_utc_ns: counted as running")
    likely = _write_remaining(event.likely_end_utc_ns, moment, lost, at + ".likely_end_utc_ns")
    if start == 0 and likely == 0:
        lost.append(f"{at}.likely_end_utc_ns: reads as unknown")
    times: Fields = {"startTime": start, "likelyEndTime": likely}
    if event.min_end_utc_ns is not None:
        times["minEndTime"] = _write_remaining(event.min_end_utc_ns, moment, lost, at + ".min_end_utc_ns")
    if event.max_end_utc_ns is not None:
        times["maxEndTime"] = _write_remaining(event.max_end_utc_ns, moment, lost, at + ".max_end_utc_ns")
    if event.next_start_utc_ns is not None:
        times["nextStartTime"] = _write_remaining(
            event.next_start_utc_ns, moment, lost, at + ".next_start_utc_ns"
        )
        if event.next_end_utc_ns is not None:
            tenths = round((event.next_end_utc_ns - event.next_start_utc_ns) / _TENTH_NS)
            times["nextDuration"] = min(max(tenths, 0), _MORE_THAN_AN_HOUR)
    elif event.next_end_utc_ns is not None:
        lost.append(f"{at}.next_end_utc_ns: no start with it")
    return times


def _write_remaining(utc_ns: int | None, moment: int, lost: Lost, at: str) -> int:
    if utc_ns is None:
        return _UNKNOWN_CSAE
    tenths = round((utc_ns - moment) / _TENTH_NS)
    if tenths < 0:
        lost.append(f"{at}: {-tenths / 10:g} s past counted as 0")
        return 0
    if tenths >= _MORE_THAN_AN_HOUR:
        lost.append(f"{at}: more than an hour ahead")
        return _MORE_THAN_AN_HOUR
    return tenths


def _write_mark(utc_ns: int | None, moment: int, unknown: int, lost: Lost, at: str) -> int:
    if utc_ns is None:
        return unknown
    tenths = round(utc_ns / _TENTH_NS)
    if abs(tenths * _TENTH_NS - moment) > _HOUR_TENTHS * _TENTH_NS // 2:
        lost.append(f"{at}: more than half an hour from the message")
        return unknown
    return tenths % _HOUR_TENTHS


# -- J2735 --------------------------------------------------------------------------------------------


def read_j2735(value: Fields, near: UtcNs, lost: Lost) -> SignalStates:
    """SignalStates of a J2735 SPAT; time marks lie in the UTC hour nearest to the message's moment."""
    outer = {"moy": value.get("timeStamp")}
    intersections: list[SignalIntersection] = []
    for i, entry in enumerate(value["intersections"]):
        at = f"intersections[{i}]"
        moment = _moment(entry, outer, near, lost, at)
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
                _mark(times.get("startTime"), moment),
                _mark(times.get("minEndTime"), moment),
                _mark(times.get("maxEndTime"), moment),
                _mark(times.get("likelyTime"), moment),
                None if step is None else _PROBABILITY[step],
                _mark(times.get("nextTime"), moment),
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
    _need(value["intersections"], "intersections")
    return value


def _write_intersection(
    entry: SignalIntersection, outer: int | None, lost: Lost, at: str, greens: Mapping[GroupKey, Light]
) -> Fields:
    limit(len(entry.groups), 255, at + ".groups")
    _need(list(entry.groups), at + ".groups")
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
        name = _light(event.light, _NAME_J2735, _NEAREST_J2735, lost, at)
    value: Fields = {"eventState": name}
    if event.next_end_utc_ns is not None:
        lost.append(f"{at}.next_end_utc_ns")
    if all(t is None for t in _times(event)[:5]) and event.confidence is None:
        return value
    if moment is None:
        raise TranslateError(TranslateReason.MISSING, "times without the moment of the states", where=at)
    times: Fields = {
        "minEndTime": _write_mark(event.min_end_utc_ns, moment, _UNKNOWN_2024, lost, at + ".min_end_utc_ns")
    }
    for field, instant in (
        ("startTime", event.start_utc_ns),
        ("maxEndTime", event.max_end_utc_ns),
        ("likelyTime", event.likely_end_utc_ns),
        ("nextTime", event.next_start_utc_ns),
    ):
        if instant is not None:
            times[field] = _write_mark(instant, moment, _UNKNOWN_2024, lost, f"{at}.{field}")
    if event.confidence is not None:
        confidence = event.confidence
        times["confidence"] = min(range(16), key=lambda k: abs(_PROBABILITY[k] - confidence))
    value["timing"] = times
    return value
