from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from wayside.observe import LatencySummary, Reason, TraceStep, WaysideError
from wayside.records._live import Latitude, LiveView, Longitude, Name

MAX_RECORD_BYTES = 262_144
MAX_BATCH = 1_000


class RecordReason(Reason, stage="record"):
    """Why a record, or a page of them, was refused."""

    MALFORMED = "malformed"
    TOO_LARGE = "too_large"


class RecordError(WaysideError):
    """Octets that are no record."""

    reason: RecordReason


# gc=False: no record can refer to itself, and pages of them are not to be searched for that.
class RecordId(msgspec.Struct, frozen=True, array_like=True, order=True, gc=False):
    """Identity of a record. boot: number of the edge's start, counted on its disk. seq: from 1 per boot."""

    site: Name
    boot: Annotated[int, Meta(ge=0)]
    seq: Annotated[int, Meta(ge=1)]

    def __str__(self) -> str:
        return f"{self.site}/{self.boot}/{self.seq}"


class EventState(StrEnum):
    """Life of an event."""

    OPEN = "open"
    CLOSED = "closed"


class EventRecord(msgspec.Struct, frozen=True, tag="event", gc=False):
    """A road event or danger, as known at one revision; a later revision replaces an earlier one.

    event_id: stable over revisions and restarts of the edge. lane: `intersection/lane` or empty. warned:
    vehicles that were warned so far. latency_ms: stage → milliseconds of the first delivered warning.
    trace: the explained steps, see `wayside trace`.
    """

    event_id: Name
    revision: Annotated[int, Meta(ge=1)]
    state: EventState
    kind: Name
    severity: int
    lat_deg: Latitude
    lon_deg: Longitude
    opened_utc_ns: int
    closed_utc_ns: int | None
    app: Name
    trace_id: Name
    lane: Name = ""
    warned: int = 0
    evidence: dict[str, float | int | str | bool] = {}
    latency_ms: dict[str, float] = {}
    trace: tuple[TraceStep, ...] = ()


class SummaryRecord(msgspec.Struct, frozen=True, tag="summary", gc=False):
    """Counts of one window of an edge. counts, dropped: see observe.Counters; latency: stage → summary."""

    from_utc_ns: int
    to_utc_ns: int
    counts: dict[str, dict[str, int]]
    dropped: dict[str, dict[str, int]]
    latency: dict[str, LatencySummary] = {}


class DeviceRecord(msgspec.Struct, frozen=True, tag="device", gc=False):
    """State of a roadside unit or sensor when it changed. kind: rsu, camera, radar, lidar."""

    device_id: Name
    kind: Name
    state: Name
    vendor: Name = ""
    lat_deg: Latitude | None = None
    lon_deg: Longitude | None = None
    detail: dict[str, float | int | str | bool] = {}


class DeliveryRecord(msgspec.Struct, frozen=True, tag="delivery", gc=False):
    """How far one message came on its way to one roadside unit. state: see rsu.DeliveryState."""

    delivery_id: Name
    device_id: Name
    message: Name
    state: Name
    reason: Name = ""
    trace_id: Name = ""


class ResultRecord(msgspec.Struct, frozen=True, tag="result", gc=False):
    """What became of an operator's command at the edge. state: see CommandState. reason: why it was refused,
    empty otherwise."""

    command_id: Name
    state: Name
    reason: Name = ""
    detail: Annotated[str, Meta(max_length=512)] = ""


class SiteRecord(msgspec.Struct, frozen=True, tag="site"):
    """What a site is: name, centre, and its lanes as GeoJSON for the map.

    lanes: FeatureCollection of LineStrings, properties lane (`intersection/lane`), kind, direction,
    width_m.
    """

    name: Name
    lat_deg: Latitude
    lon_deg: Longitude
    software: Name
    lanes: dict[str, Any]


Body = EventRecord | SummaryRecord | DeviceRecord | DeliveryRecord | ResultRecord | SiteRecord

TOPICS: dict[type[msgspec.Struct], str] = {
    EventRecord: "wayside.events.v1",
    SummaryRecord: "wayside.summaries.v1",
    DeviceRecord: "wayside.devices.v1",
    DeliveryRecord: "wayside.results.v1",
    ResultRecord: "wayside.results.v1",
    SiteRecord: "wayside.devices.v1",
}


class Record(msgspec.Struct, frozen=True, gc=False):
    """A body with its identity. key: the site or device whose order matters."""

    id: RecordId
    key: Name
    utc_ns: int
    body: Body


_encoder = msgspec.msgpack.Encoder()
_record = msgspec.msgpack.Decoder(Record)
_records = msgspec.msgpack.Decoder(list[msgspec.Raw])
_live = msgspec.msgpack.Decoder(LiveView)


def topic_of(record: Record) -> str:
    """Kafka topic of a record."""
    return TOPICS[type(record.body)]


def encode_record(record: Record) -> bytes:
    """Msgpack of a record."""
    return _encoder.encode(record)


def decode_record(data: bytes | memoryview) -> Record:
    """A record from its msgpack. Raises RecordError MALFORMED, TOO_LARGE."""
    if len(data) > MAX_RECORD_BYTES:
        raise RecordError(RecordReason.TOO_LARGE, f"record of {len(data)} octets, limit {MAX_RECORD_BYTES}")
    try:
        return _record.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RecordError(RecordReason.MALFORMED, f"record: {error}") from None


def encode_records(encoded: list[bytes]) -> bytes:
    """A page of already encoded records, as one msgpack array."""
    return _encoder.encode([msgspec.Raw(item) for item in encoded])


def decode_page(data: bytes) -> list[Record | RecordError]:
    """The items of a page in its order: a record, or the error of one that is none.

    Raises RecordError MALFORMED when it is no array, TOO_LARGE when it has more than MAX_BATCH items.
    """
    try:
        raw = _records.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RecordError(RecordReason.MALFORMED, f"page: {error}") from None
    if len(raw) > MAX_BATCH:
        raise RecordError(RecordReason.TOO_LARGE, f"page of {len(raw)} records, limit {MAX_BATCH}")
    items: list[Record | RecordError] = []
    for item in raw:
        try:
            items.append(decode_record(memoryview(item)))
        except RecordError as error:
            items.append(error)
    return items


def decode_records(data: bytes) -> tuple[list[Record], list[RecordError]]:
    """The records of a page and an error for each that is none; raises as `decode_page`."""
    items = decode_page(data)
    good = [item for item in items if isinstance(item, Record)]
    return good, [item for item in items if isinstance(item, RecordError)]


def encode_live(view: LiveView) -> bytes:
    """Msgpack of a live view."""
    return _encoder.encode(view)


def decode_live(data: bytes) -> LiveView:
    """A live view from its msgpack. Raises RecordError MALFORMED."""
    try:
        return _live.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RecordError(RecordReason.MALFORMED, f"live view: {error}") from None


def json_schema() -> dict[str, Any]:
    """JSON Schema of `Record`, as kept in docs/schemas/record.json."""
    return msgspec.json.schema(Record)
