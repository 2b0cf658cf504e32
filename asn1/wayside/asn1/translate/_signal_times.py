"""What the SPAT translators of both families share: the moment of a message, time marks, lights."""

from __future__ import annotations

from typing import Any

from wayside.asn1.messages import (
    IntersectionId,
    Light,
    SignalEvent,
    SignalStates,
)
from wayside.asn1.translate._errors import TranslateError, TranslateReason
from wayside.asn1.translate._times import read_moment
from wayside.asn1.translate._units import Lost
from wayside.clock import UtcNs, resolve_hour_mark

Fields = dict[str, Any]
GroupKey = tuple[IntersectionId, int]

TENTH_NS = 100_000_000
_HOUR_TENTHS = 36000


def remember_greens(message: SignalStates, greens: dict[GroupKey, Light]) -> None:
    """Note the last green of each group, for `write_j2735` to name the yellow that follows it."""
    for intersection in message.intersections:
        for group in intersection.groups:
            if group.current.light in (Light.PERMISSIVE_GREEN, Light.PROTECTED_GREEN, Light.FLASHING_GREEN):
                greens[(intersection.id, group.group)] = group.current.light


def own_moment(value: Fields, outer: Fields, near: UtcNs, lost: Lost, at: str) -> UtcNs:
    """Moment of an intersection's states: its own, filled up from the message's, else the receipt's."""
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


def read_mark(tenths: int | None, moment: UtcNs) -> int | None:
    """Instant of a time mark; every value from 36000 on is a sentinel or reserved in one edition."""
    return None if tenths is None or tenths >= _HOUR_TENTHS else resolve_hour_mark(tenths, moment)


def need(items: list[Any], at: str) -> None:
    """Raise TranslateError(MISSING) for an empty list."""
    if not items:
        raise TranslateError(TranslateReason.MISSING, "the dialect demands at least one", where=at)


def times_of(event: SignalEvent) -> tuple[int | None, ...]:
    """All times of an event, the end of the next one last."""
    return (
        event.start_utc_ns,
        event.min_end_utc_ns,
        event.max_end_utc_ns,
        event.likely_end_utc_ns,
        event.next_start_utc_ns,
        event.next_end_utc_ns,
    )


def light_name(light: Light, names: dict[Light, str], nearest: dict[Light, str], lost: Lost, at: str) -> str:
    """Wire name of a light, or the nearest that the family has, which is noted as lost."""
    name = names.get(light)
    if name is None:
        lost.append(f"{at}.light: {light}")
        name = nearest[light]
    return name


def write_mark(utc_ns: int | None, moment: int, unknown: int, lost: Lost, at: str) -> int:
    """Time mark of an instant; unknown for None and for what another hour's mark would be read as."""
    if utc_ns is None:
        return unknown
    tenths = round(utc_ns / TENTH_NS)
    if abs(tenths * TENTH_NS - moment) > _HOUR_TENTHS * TENTH_NS // 2:
        lost.append(f"{at}: more than half an hour from the message")
        return unknown
    return tenths % _HOUR_TENTHS
