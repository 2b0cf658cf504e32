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

    refused_utc_ns, refused: when another edge last reported as this site, and how often; None, 0 for never.
    The rest is None until the site has told what it is.
    """

    site: str
    heard_utc_ns: int | None
    live_age_ms: float | None
    refused_utc_ns: int | None
    refused: int
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


class LastDeliveryOut(_Model):
    """Newest recorded state of a kind of message to a device, and why where it was refused."""

    utc_ns: int
    state: str
    reason: str


class DeviceOut(_Model):
    """Newest state of a roadside unit or sensor.

    deliveries: message → state → how often it was reached in the minutes asked for. last: message → newest
    recorded delivery. received: message → how many came from it in that time.
    """

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
    deliveries: dict[str, dict[str, int]]
    last: dict[str, LastDeliveryOut]
    received: dict[str, int]


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


class ReadyOut(_Model):
    """Whether the centre does its work. missing: part → what is wrong with it."""

    status: str
    missing: dict[str, str]


class LatencySeriesOut(_Model):
    """One stage's latency over time; None where no window told it. p50_ms: mean of the windows' medians."""

    p50_ms: list[float | None]
    p99_ms: list[float | None]
    max_ms: list[float | None]


class SeriesOut(_Model):
    """What the edges counted, step by step. from_utc_ns: start of each step. dropped: stage → reason →
    numbers; counts: name → numbers; latency: stage → distribution."""

    step_s: float
    from_utc_ns: list[int]
    dropped: dict[str, dict[str, list[int]]]
    counts: dict[str, list[int]]
    latency: dict[str, LatencySeriesOut]


class AccessOut(_Model):
    """Who may give commands: `open` to this computer, with a `token`, or `closed`."""

    commands: str


class CommandOut(_Model):
    """A command and what became of it.

    state: pending, accepted, done, refused, expired, or unanswered when its time is over without an answer.
    body: as it was given, with its `type`.
    """

    command_id: str
    site: str
    operator: str
    issued_utc_ns: int
    valid_until_utc_ns: int
    body: dict[str, Any]
    state: str
    reason: str
    detail: str
    fetched_utc_ns: int | None
    result_utc_ns: int | None


class CommandsOut(_Model):
    """A page of commands, newest first. next: what to ask `before` for the next page, None at the end."""

    commands: list[CommandOut]
    next: int | None


class AuditEntryOut(_Model):
    """Who did what. operator: as he names himself; address: where the request came from."""

    utc_ns: int
    operator: str
    address: str
    action: str
    site: str
    detail: str


class AuditOut(_Model):
    """A page of the audit, newest first. next: as in CommandsOut."""

    entries: list[AuditEntryOut]
    next: int | None


class ReleaseOut(_Model):
    """released: whether an edge was bound to the site."""

    released: bool
