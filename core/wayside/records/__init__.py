"""What edge and centre exchange: durable records through the outbox, and the volatile live view.

A record is identified by (site, boot epoch, sequence); the centre stores by that identity, so that sending
again changes nothing. Records of one key are in order of their sequence.
"""

from __future__ import annotations

from wayside.records._ingest import (
    MAX_ANSWER_BYTES,
    IngestAnswer,
    RefusedRecord,
    decode_answer,
    encode_answer,
)
from wayside.records._live import LiveEvent, LiveParticipant, LiveRsu, LiveSignal, LiveView
from wayside.records._records import (
    MAX_BATCH,
    MAX_RECORD_BYTES,
    TOPICS,
    Body,
    DeliveryRecord,
    DeviceRecord,
    EventRecord,
    EventState,
    Record,
    RecordError,
    RecordId,
    RecordReason,
    SiteRecord,
    SummaryRecord,
    decode_live,
    decode_page,
    decode_record,
    decode_records,
    encode_live,
    encode_record,
    encode_records,
    json_schema,
    topic_of,
)

__all__ = [
    "MAX_ANSWER_BYTES",
    "MAX_BATCH",
    "MAX_RECORD_BYTES",
    "TOPICS",
    "Body",
    "DeliveryRecord",
    "DeviceRecord",
    "EventRecord",
    "EventState",
    "IngestAnswer",
    "LiveEvent",
    "LiveParticipant",
    "LiveRsu",
    "LiveSignal",
    "LiveView",
    "Record",
    "RecordError",
    "RecordId",
    "RecordReason",
    "RefusedRecord",
    "SiteRecord",
    "SummaryRecord",
    "decode_answer",
    "decode_live",
    "decode_page",
    "decode_record",
    "decode_records",
    "encode_answer",
    "encode_live",
    "encode_record",
    "encode_records",
    "json_schema",
    "topic_of",
]
