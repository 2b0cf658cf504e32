from __future__ import annotations

from enum import StrEnum

import msgspec

from wayside.asn1.messages._basics import IntersectionId


class Light(StrEnum):
    """State of a signal group; the finest distinctions of either family.

    YELLOW is a clearance of which the family does not say whether it follows a protected green.
    """

    UNAVAILABLE = "unavailable"
    DARK = "dark"
    FLASHING_RED = "flashing_red"
    RED = "red"
    RED_YELLOW = "red_yellow"
    FLASHING_GREEN = "flashing_green"
    PERMISSIVE_GREEN = "permissive_green"
    PROTECTED_GREEN = "protected_green"
    YELLOW = "yellow"
    PERMISSIVE_YELLOW = "permissive_yellow"
    PROTECTED_YELLOW = "protected_yellow"
    FLASHING_YELLOW = "flashing_yellow"


class SignalEvent(msgspec.Struct, frozen=True):
    """One state of a group and its times, UTC nanoseconds; None where unknown or not given.

    confidence: 0..1 that likely_end holds.
    """

    light: Light
    start_utc_ns: int | None = None
    min_end_utc_ns: int | None = None
    max_end_utc_ns: int | None = None
    likely_end_utc_ns: int | None = None
    confidence: float | None = None
    next_start_utc_ns: int | None = None
    next_end_utc_ns: int | None = None


class SignalGroup(msgspec.Struct, frozen=True):
    """A signal group (J2735) or phase (CSAE): the running state, then those that follow, if told."""

    group: int
    current: SignalEvent
    following: tuple[SignalEvent, ...] = ()
    name: str = ""


class SignalIntersection(msgspec.Struct, frozen=True):
    """Signals of one intersection. utc_ns: moment of the states; status: names of the set bits.

    revision: number of the MAP it fits (J2735 only).
    """

    id: IntersectionId
    groups: tuple[SignalGroup, ...]
    utc_ns: int | None = None
    revision: int | None = None
    status: tuple[str, ...] = ()
    name: str = ""


class SignalStates(msgspec.Struct, frozen=True):
    """Signal phase and timing (SPAT of both families)."""

    intersections: tuple[SignalIntersection, ...]
    utc_ns: int | None = None
    msg_count: int | None = None
    name: str = ""
