from __future__ import annotations

from enum import StrEnum

import msgspec

from wayside.asn1.messages._basics import IntersectionId, Position


class EventOrigin(StrEnum):
    """Who reported an event (T/CSAE 53 EventSource)."""

    UNKNOWN = "unknown"
    POLICE = "police"
    GOVERNMENT = "government"
    METEOROLOGICAL = "meteorological"
    INTERNET = "internet"
    DETECTION = "detection"


class Path(msgspec.Struct, frozen=True):
    """A stretch of road: points in the direction in which it concerns traffic, half width in metres.

    both_ways: it concerns traffic in both directions. closed: the points enclose an area. headings_deg:
    sectors (from, to), clockwise from north, of the headings it is meant for; empty for all.
    The last three are of the TIM; the RSI says nothing of them.
    """

    points: tuple[Position, ...]
    radius_m: float
    both_ways: bool = False
    closed: bool = False
    headings_deg: tuple[tuple[float, float], ...] = ()


class LinkRef(msgspec.Struct, frozen=True):
    """A link by its two nodes; lanes: numbers 1..15, empty for all."""

    upstream: IntersectionId
    downstream: IntersectionId
    lanes: tuple[int, ...] = ()


class RoadEvent(msgspec.Struct, frozen=True):
    """A traffic event.

    event_id: number in its message's source, 0..255 in CSAE. code: GB/T 29100 number (CSAE eventType) or
    None. itis: ITIS codes (J2735) in their order. priority: 0..7, larger more urgent. confidence: 0..1.
    start_utc_ns, end_utc_ns: None is open.
    """

    event_id: int
    code: int | None = None
    itis: tuple[int, ...] = ()
    origin: EventOrigin = EventOrigin.UNKNOWN
    position: Position | None = None
    radius_m: float | None = None
    text: str = ""
    start_utc_ns: int | None = None
    end_utc_ns: int | None = None
    priority: int | None = None
    paths: tuple[Path, ...] = ()
    links: tuple[LinkRef, ...] = ()
    confidence: float | None = None


class RoadSign(msgspec.Struct, frozen=True):
    """A traffic sign. code: GB 5768.2 number (CSAE signType) or None; the rest as in RoadEvent."""

    sign_id: int
    code: int | None = None
    itis: tuple[int, ...] = ()
    position: Position | None = None
    text: str = ""
    start_utc_ns: int | None = None
    end_utc_ns: int | None = None
    priority: int | None = None
    paths: tuple[Path, ...] = ()
    links: tuple[LinkRef, ...] = ()


class RoadEvents(msgspec.Struct, frozen=True):
    """Events and signs: CSAE RSI, J2735 TIM. source_id: 8 octets (CSAE id) or the TIM's packet id."""

    source_id: bytes
    msg_count: int
    reference: Position | None
    events: tuple[RoadEvent, ...] = ()
    signs: tuple[RoadSign, ...] = ()
    utc_ns: int | None = None
