from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from wayside.clock._clock import UtcNs

_MINUTE_NS = 60_000_000_000
_HOUR_NS = 60 * _MINUTE_NS


class MinuteOfYear(NamedTuple):
    """A UTC instant as V2X messages write it: year, minute of that year, millisecond of that minute."""

    year: int
    minute: int
    millisecond: int


def _year_start_ns(year: int) -> int:
    return int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000_000


def minute_of_year(utc_ns: UtcNs) -> MinuteOfYear:
    """Split an instant into year, minute of the year (0..527039) and millisecond (0..59999).

    Source: SAE J2735 DE_MinuteOfTheYear and DE_DSecond; T/CSAE 53 the same.
    """
    year = datetime.fromtimestamp(utc_ns // 1_000_000_000, tz=UTC).year
    minute, rest_ns = divmod(utc_ns - _year_start_ns(year), _MINUTE_NS)
    return MinuteOfYear(year, minute, rest_ns // 1_000_000)


def utc_from_moy(minute: int, millisecond: int, near: UtcNs) -> UtcNs:
    """Instant of a minute of the year and millisecond, in the year that puts it nearest to `near`.

    The year is not on the wire, so a message of 31 December read on 1 January must not land a year
    ahead.
    """
    year = datetime.fromtimestamp(near // 1_000_000_000, tz=UTC).year
    candidates = (
        _year_start_ns(y) + minute * _MINUTE_NS + millisecond * 1_000_000 for y in (year - 1, year, year + 1)
    )
    return UtcNs(min(candidates, key=lambda ns: abs(ns - near)))


def resolve_minute_mark(millisecond: int, near: UtcNs) -> UtcNs:
    """Instant of a millisecond within the minute (0..59999), in the minute that is nearest to `near`."""
    base = near - near % _MINUTE_NS
    candidates = (base + k * _MINUTE_NS + millisecond * 1_000_000 for k in (-1, 0, 1))
    return UtcNs(min(candidates, key=lambda ns: abs(ns - near)))


def resolve_hour_mark(tenths: int, near: UtcNs) -> UtcNs:
    """Instant of a time mark (0.1 s within the UTC hour, 0..35999), in the hour nearest to `near`.

    `near` is the moment of the message that carries the mark, never the reader's own now: a mark just
    past stays past instead of becoming 59 minutes ahead. Source: SAE J2735 DE_TimeMark.
    """
    base = near - near % _HOUR_NS
    candidates = (base + k * _HOUR_NS + tenths * 100_000_000 for k in (-1, 0, 1))
    return UtcNs(min(candidates, key=lambda ns: abs(ns - near)))
