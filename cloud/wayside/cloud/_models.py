from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

Value = float | int | str | bool | None


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ErrorOut(_Model):
    """Why a request was refused."""

    reason: str
    detail: str


class SiteOut(_Model):
    """A site. heard_utc_ns: last record; live_age_ms: age of its live view, None without one.

    The rest is None until the site has told what it is.
    """

    site: str
    heard_utc_ns: int | None
    live_age_ms: float | None
    name: str | None
    lat_deg: float | None
    lon_deg: float | None
    software: str | None


class SitesOut(_Model):
    sites: list[SiteOut]


class StepOut(_Model):
    """One step of a warning's way; see the records' TraceStep."""

    name: str
    at_utc_ns: int
    detail: dict[str, Any]


class EventOut(_Model):
    """Newest revision of an event; times in UTC nanoseconds, latency in milliseconds by stage."""

    site: str
    event_id: str
    revision: int
    state: str
    kind: str
    severity: int
    lat_deg: float
    lon_deg: float
    opened_utc_ns: int
    closed_utc_ns: int | None
    received_utc_ns: int
    app: str
    trace_id: str
    lane: str
    warned: int
    evidence: dict[str, Value]
    latency_ms: dict[str, float | None]
    trace: list[StepOut] = Field(description="empty in lists")


class EventsOut(_Model):
    """A page of events, newest first. next: cursor of the next page, None at the end."""

    events: list[EventOut]
    next: str | None


class DeliveryOut(_Model):
    """How far a message to a roadside unit came."""

    delivery_id: str
    device_id: str
    message: str
    state: str
    reason: str
    trace_id: str


class TraceOut(_Model):
    """The way of a warning. total_ms: sum of the stages. record_id: `site/boot/sequence`."""

    trace_id: str
    site: str | None
    event_id: str | None
    kind: str | None
    severity: int | None
    record_id: str | None
    received_utc_ns: int
    steps: list[StepOut]
    latency_ms: dict[str, float | None]
    total_ms: float | None
    deliveries: list[DeliveryOut]


class DeviceOut(_Model):
    """Newest state of a roadside unit or sensor."""

    site: str
    device_id: str
    kind: str
    state: str
    vendor: str
    lat_deg: float | None
    lon_deg: float | None
    utc_ns: int
    received_utc_ns: int
    detail: dict[str, Value]


class DevicesOut(_Model):
    devices: list[DeviceOut]


class LatencyOut(_Model):
    """Distribution of one stage's latency in one window."""

    count: int
    p50_ms: float | None
    p99_ms: float | None
    max_ms: float | None


class SummaryOut(_Model):
    """Counts of the edges' windows together. latency: site → stage → newest window. events: kind → state →
    number opened in that time."""

    since_utc_ns: int
    windows: int
    counts: dict[str, dict[str, int]]
    dropped: dict[str, dict[str, int]]
    latency: dict[str, dict[str, LatencyOut]]
    events: dict[str, dict[str, int]]


class StoredOut(_Model):
    """taken: records taken in since ever; kept: distinct identities stored now."""

    taken: int
    kept: int


class StatsOut(_Model):
    """stored: site → class → numbers. counts, dropped: of this process since its start."""

    stored: dict[str, dict[str, StoredOut]]
    counts: dict[str, dict[str, int]]
    dropped: dict[str, dict[str, int]]
