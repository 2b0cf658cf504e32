from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from wayside.broker import BrokerAccess

PositiveInt = Annotated[int, Meta(ge=1)]
PositiveFloat = Annotated[float, Meta(gt=0.0)]


class OutboxSettings(msgspec.Struct, frozen=True):
    """Limits of the outbox.

    cap_bytes: of all records on disk. held_records: that wait in memory while the disk refuses. group:
    appends committed by one transaction. busy_s: wait for another process's lock. retry_s: between attempts
    to commit what waits. refused_records: kept aside for a person to look at. reserve_bytes: of the disk,
    kept for deleting when it is full.
    """

    cap_bytes: PositiveInt = 256 * 1024 * 1024
    held_records: PositiveInt = 5_000
    group: PositiveInt = 1_000
    busy_s: PositiveFloat = 1.0
    retry_s: PositiveFloat = 1.0
    refused_records: PositiveInt = 1_000
    reserve_bytes: PositiveInt = 4_194_304


class LedgerSettings(msgspec.Struct, frozen=True):
    """What makes a change of an open event worth a new revision.

    moved_m: shift of its place. interval_s: least time between two revisions, except when the severity
    rises. open_events: most events open at once.
    """

    moved_m: PositiveFloat = 5.0
    interval_s: Annotated[float, Meta(ge=0.0)] = 1.0
    open_events: PositiveInt = 1_000


class UplinkSettings(msgspec.Struct, frozen=True):
    """Where and how to send. url: of the centre, without path. token: shared secret, empty for none.

    timeout_s: for one request as a whole. live_hz: most live views a second.
    """

    url: str
    token: str = ""
    page_records: Annotated[int, Meta(ge=1, le=1_000)] = 500
    page_bytes: PositiveInt = 1_048_576
    timeout_s: PositiveFloat = 10.0
    live_timeout_s: PositiveFloat = 2.0
    live_hz: Annotated[float, Meta(gt=0.0, le=10.0)] = 10.0

    def __repr__(self) -> str:
        return f"UplinkSettings(url={self.url!r}, token={'set' if self.token else 'none'})"


class KafkaSettings(msgspec.Struct, frozen=True):
    """Where and how to send by Kafka.

    page_records, page_bytes: sent before anything is confirmed. batch_bytes: of what is sent as one message;
    the broker has its own limit (`max.message.bytes`, 1 MiB). timeout_s: for a whole page, then the producer
    is built anew.
    """

    access: BrokerAccess
    page_records: Annotated[int, Meta(ge=1, le=10_000)] = 5_000
    page_bytes: PositiveInt = 4_194_304
    batch_bytes: PositiveInt = 917_504
    timeout_s: PositiveFloat = 10.0
    live_timeout_s: PositiveFloat = 2.0
    live_hz: Annotated[float, Meta(gt=0.0, le=10.0)] = 10.0
