"""SignalStates: T/CSAE 53-2020 Msg_SPAT. Every time is resolved against the message's own moment."""

from __future__ import annotations

from typing import Literal

from wayside.asn1.messages import (
    Light,
    SignalEvent,
    SignalGroup,
    SignalIntersection,
    SignalStates,
)
from wayside.asn1.translate._errors import TranslateError, TranslateReason
from wayside.asn1.translate._lanes import read_id, write_id
from wayside.asn1.translate._names import SIGNAL_STATUS, alternative, enum_name, given, write_ascii
from wayside.asn1.translate._signal_times import (
    TENTH_NS,
    Fields,
    light_name,
    need,
    own_moment,
    read_mark,
    times_of,
    write_mark,
)
from wayside.asn1.translate._times import read_moment, write_moy
from wayside.asn1.translate._units import FRACTION, Lost, count, limit
from wayside.clock import UtcNs

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
_NAME_CSAE = {light: name for name, light in _LIGHT_CSAE.items()}
_NEAREST_CSAE = {
    Light.RED_YELLOW: "red",
    Light.PERMISSIVE_YELLOW: "yellow",
    Light.PROTECTED_YELLOW: "yellow",
}
_UNKNOWN_CSAE = 36001
_MORE_THAN_AN_HOUR = 36000


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
    moment = own_moment(entry, outer, near, lost, at)
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
            next_end = next_start + duration * TENTH_NS
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
                read_mark(timing["startUTCTime"], moment),
                read_mark(timing.get("minEndUTCTime"), moment),
                read_mark(timing.get("maxEndUTCTime"), moment),
                read_mark(timing["likelyEndUTCTime"], moment),
                FRACTION.read(timing.get("timeConfidence")),
                read_mark(timing.get("nextStartUTCTime"), moment),
                read_mark(timing.get("nextEndUTCTime"), moment),
            ),
            False,
        )
    return SignalEvent(light), False


def _remaining(tenths: int | None, moment: UtcNs) -> int | None:
    return None if tenths is None or tenths >= _MORE_THAN_AN_HOUR else moment + tenths * TENTH_NS


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
    need(value["intersections"], "intersections")
    return value


def _write_csae_intersection(
    entry: SignalIntersection, outer: int | None, lost: Lost, at: str, timing: str
) -> Fields:
    limit(len(entry.groups), 16, at + ".groups")
    need(list(entry.groups), at + ".groups")
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


def _write_csae_state(
    event: SignalEvent, moment: int | None, lost: Lost, at: str, timing: str, current: bool
) -> Fields:
    value: Fields = {"light": light_name(event.light, _NAME_CSAE, _NEAREST_CSAE, lost, at)}
    if all(t is None for t in times_of(event)) and event.confidence is None:
        return value
    if moment is None:
        raise TranslateError(TranslateReason.MISSING, "times without the moment of the states", where=at)
    if timing == "utc":
        times: Fields = {
            "startUTCTime": write_mark(event.start_utc_ns, moment, _UNKNOWN_CSAE, lost, at + ".start_utc_ns"),
            "likelyEndUTCTime": write_mark(
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
                times[name] = write_mark(instant, moment, _UNKNOWN_CSAE, lost, f"{at}.{name}")
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
            tenths = round((event.next_end_utc_ns - event.next_start_utc_ns) / TENTH_NS)
            times["nextDuration"] = min(max(tenths, 0), _MORE_THAN_AN_HOUR)
    elif event.next_end_utc_ns is not None:
        lost.append(f"{at}.next_end_utc_ns: no start with it")
    return times


def _write_remaining(utc_ns: int | None, moment: int, lost: Lost, at: str) -> int:
    if utc_ns is None:
        return _UNKNOWN_CSAE
    tenths = round((utc_ns - moment) / TENTH_NS)
    if tenths < 0:
        lost.append(f"{at}: {-tenths / 10:g} s past counted as 0")
        return 0
    if tenths >= _MORE_THAN_AN_HOUR:
        lost.append(f"{at}: more than an hour ahead")
        return _MORE_THAN_AN_HOUR
    return tenths
