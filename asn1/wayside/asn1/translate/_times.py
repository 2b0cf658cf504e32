"""Times of the wire: minute of the year, millisecond of the minute, date and time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from wayside.clock import MinuteOfYear, UtcNs, minute_of_year, resolve_minute_mark, utc_from_moy

MINUTE_NS = 60_000_000_000
DSECOND_UNKNOWN = 65535
_MOY_INVALID = 527040
_DAY_NS = 86_400_000_000_000


def read_dsecond(millisecond: int | None, near: UtcNs) -> UtcNs | None:
    """Instant of a millisecond of the minute in the minute nearest to `near`; None from 60000 on."""
    if millisecond is None or millisecond >= 60000:
        return None
    return resolve_minute_mark(millisecond, near)


def write_dsecond(utc_ns: int | None) -> int:
    """Millisecond of the minute, 65535 for None."""
    return DSECOND_UNKNOWN if utc_ns is None else utc_ns % MINUTE_NS // 1_000_000


def read_moy(minute: int | None, near: UtcNs) -> UtcNs | None:
    """Instant of a minute of the year, in the year nearest to `near`; None for 527040 (invalid)."""
    if minute is None or minute >= _MOY_INVALID:
        return None
    return utc_from_moy(minute, 0, near)


def write_moy(utc_ns: int) -> MinuteOfYear:
    """Year, minute of it and millisecond of that of an instant."""
    return minute_of_year(UtcNs(utc_ns))


def read_moment(minute: int | None, millisecond: int | None, near: UtcNs) -> UtcNs | None:
    """Moment that a message says of itself by its minute of the year and its millisecond.

    With the millisecond alone the nearest such instant; with the minute alone the instant of that minute
    that is nearest to `near`; None with neither.
    """
    start = read_moy(minute, near)
    if millisecond is not None and millisecond < 60000:
        if start is None:
            return resolve_minute_mark(millisecond, near)
        return UtcNs(start + millisecond * 1_000_000)
    if start is None:
        return None
    return UtcNs(min(max(near, start), start + MINUTE_NS - 1_000_000))


def read_date_time(value: dict[str, Any], near: UtcNs) -> UtcNs | None:
    """Instant of a DDateTime, its members all optional.

    Unknown members (year 0, month 0, day 0, hour 24 or more, minute 60, second 60000 or more) count as
    absent. Without hour, minute or second None; without the date the one nearest to `near`. An offset is
    minutes ahead of UTC and is taken off.
    """
    hour, minute, second = value.get("hour"), value.get("minute"), value.get("second")
    if hour is None or minute is None or second is None or hour > 23 or minute > 59 or second > 59999:
        return None
    of_day_ns = (hour * 60 + minute) * MINUTE_NS + second * 1_000_000
    offset_ns = int(value.get("offset", 0)) * MINUTE_NS
    year, month, day = value.get("year") or None, value.get("month") or None, value.get("day") or None
    if year is None or month is None or day is None:
        base = near - near % _DAY_NS + of_day_ns - offset_ns
        return UtcNs(min((base + k * _DAY_NS for k in (-2, -1, 0, 1, 2)), key=lambda ns: abs(ns - near)))
    try:
        date = datetime(year, month, day, tzinfo=UTC)
    except ValueError:
        return None
    return UtcNs(int(date.timestamp()) * 1_000_000_000 + of_day_ns - offset_ns)


def write_date_time(utc_ns: int) -> dict[str, int]:
    """DDateTime in UTC, to the millisecond."""
    date = datetime.fromtimestamp(utc_ns // 1_000_000_000, tz=UTC)
    return {
        "year": date.year,
        "month": date.month,
        "day": date.day,
        "hour": date.hour,
        "minute": date.minute,
        "second": utc_ns % MINUTE_NS // 1_000_000,
        "offset": 0,
    }


def year_minute(year: int, minute: int) -> UtcNs | None:
    """Instant of a minute of a given year, None for a year that no calendar has."""
    try:
        start = datetime(year, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
    except (ValueError, OverflowError):
        return None
    return UtcNs(int(start.timestamp()) * 1_000_000_000)
