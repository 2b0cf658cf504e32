from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Latitude = Annotated[float, Meta(ge=-90.0, le=90.0)]
Longitude = Annotated[float, Meta(ge=-180.0, le=180.0)]
Name = Annotated[str, Meta(max_length=128)]


class LiveParticipant(msgspec.Struct, frozen=True):
    """One participant on the map. kind as in link.Party; connected: it speaks to the edge itself."""

    track_id: int
    kind: Name
    lat_deg: Latitude
    lon_deg: Longitude
    heading_deg: float
    speed_mps: float
    length_m: float
    width_m: float
    connected: bool = False


class LiveSignal(msgspec.Struct, frozen=True):
    """Light of one signal group. state: dark, red, yellow, green, flashing_red, flashing_yellow, unknown.

    remaining_s: time to the likely change, None when unknown. lanes: `intersection/lane` it governs.
    """

    intersection: Name
    signal_group: int
    state: Name
    remaining_s: float | None
    lanes: tuple[Name, ...] = ()


class LiveRsu(msgspec.Struct, frozen=True):
    """State of one roadside unit. state: lifecycle name; last_heard_s: age of its last uplink or None."""

    device_id: Name
    vendor: Name
    state: Name
    lat_deg: Latitude
    lon_deg: Longitude
    last_heard_s: float | None
    sent: int = 0
    received: int = 0


class LiveSensor(msgspec.Struct, frozen=True):
    """State of one roadside sensor. kind: camera, radar, lidar. state: awaited, ok, late, silent.

    last_heard_s, rate_hz, delay_ms: None before its first scan.
    """

    device_id: Name
    kind: Name
    state: Name
    lat_deg: Latitude
    lon_deg: Longitude
    last_heard_s: float | None = None
    rate_hz: float | None = None
    delay_ms: float | None = None


class LiveSign(msgspec.Struct, frozen=True):
    """A sign in force. code: sign type of GB 5768.2. source: site, operator, device."""

    sign_id: Name
    code: int
    text: Annotated[str, Meta(max_length=256)]
    speed_limit_mps: float | None
    lat_deg: Latitude
    lon_deg: Longitude
    source: Name = ""


class LiveEvent(msgspec.Struct, frozen=True):
    """An open event on the map. latency_ms: stage → milliseconds of its first delivered warning. lane:
    `intersection/lane` or empty. length_m: how far it reaches upstream (a jam), None where it is a place."""

    event_id: Name
    kind: Name
    severity: int
    lat_deg: Latitude
    lon_deg: Longitude
    opened_utc_ns: int
    trace_id: Name
    warned: int = 0
    latency_ms: dict[str, float] = {}
    lane: Name = ""
    length_m: float | None = None


class LiveView(msgspec.Struct, frozen=True):
    """What the map shows now; never stored, newest wins."""

    site: Name
    utc_ns: int
    seq: int
    participants: Annotated[tuple[LiveParticipant, ...], Meta(max_length=5_000)] = ()
    signals: Annotated[tuple[LiveSignal, ...], Meta(max_length=1_000)] = ()
    rsus: Annotated[tuple[LiveRsu, ...], Meta(max_length=500)] = ()
    events: Annotated[tuple[LiveEvent, ...], Meta(max_length=1_000)] = ()
    sensors: Annotated[tuple[LiveSensor, ...], Meta(max_length=500)] = ()
    signs: Annotated[tuple[LiveSign, ...], Meta(max_length=1_000)] = ()
