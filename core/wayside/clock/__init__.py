"""Time as the project sees it: one injected clock, two kinds of instant.

`UtcNs` says when something is true; `MonoNs` drives timers, ages and expiry. The two never mix: a
monotonic instant has no meaning outside its host, a UTC instant may step.
"""

from __future__ import annotations

from wayside.clock._clock import Clock, MonoNs, SystemClock, UtcNs, VirtualClock
from wayside.clock._utc import (
    MinuteOfYear,
    minute_of_year,
    resolve_hour_mark,
    resolve_minute_mark,
    utc_from_moy,
)

__all__ = [
    "Clock",
    "MinuteOfYear",
    "MonoNs",
    "SystemClock",
    "UtcNs",
    "VirtualClock",
    "minute_of_year",
    "resolve_hour_mark",
    "resolve_minute_mark",
    "utc_from_moy",
]
