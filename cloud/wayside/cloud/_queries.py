from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from wayside.cloud._command_store import AuditEntry, StoredCommand, stored_command
from wayside.cloud._reasons import CloudError, CloudReason
from wayside.cloud._store import connect
from wayside.records import (
    DeliveryRecord,
    DeviceRecord,
    EventRecord,
    Record,
    SiteRecord,
    SummaryRecord,
    decode_record,
)

_event = msgspec.msgpack.Decoder(EventRecord)
_device = msgspec.msgpack.Decoder(DeviceRecord)
_site = msgspec.msgpack.Decoder(SiteRecord)
_SUMMARIES = 10_000


class StoredEvent(msgspec.Struct, frozen=True):
    """An event's newest revision at the centre."""

    site: str
    received_utc_ns: int
    event: EventRecord


class StoredDevice(msgspec.Struct, frozen=True):
    """A device's newest state at the centre."""

    site: str
    utc_ns: int
    received_utc_ns: int
    device: DeviceRecord


class StoredSite(msgspec.Struct, frozen=True):
    """A site the centre has heard of; record is None until it has told what it is."""

    site: str
    heard_utc_ns: int
    record: SiteRecord | None


class StoredTrace(msgspec.Struct, frozen=True):
    """What is stored under a trace: the event's newest revision with that trace, its record, deliveries."""

    record: Record | None
    received_utc_ns: int
    deliveries: list[DeliveryRecord]


class StoredDelivery(msgspec.Struct, frozen=True):
    """How the newest recorded message of a kind to a device fared."""

    site: str
    device_id: str
    message: str
    utc_ns: int
    state: str
    reason: str


class EventFilter(msgspec.Struct, frozen=True):
    """Which events. before: `opened_utc_ns/site/event_id` of the last one of the page before; newest first.
    text: a part of identity, trace, lane, kind or app, whatever its case."""

    site: str | None = None
    state: str | None = None
    kind: str | None = None
    severity: int | None = None
    since_utc_ns: int | None = None
    until_utc_ns: int | None = None
    before: tuple[int, str, str] | None = None
    limit: int = 100
    text: str | None = None


class RecordReader:
    """The reading side of the centre's store, for one thread at a time. Raises CloudError STORE_FAILED."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sql = connect(path, writer=False)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            yield self._sql
        except sqlite3.Error as error:
            raise CloudError(CloudReason.STORE_FAILED, f"store: {error}", where=str(self._path)) from None

    def sites(self) -> list[StoredSite]:
        """All sites by name."""
        with self._reading() as sql:
            rows = sql.execute("SELECT site, heard_utc_ns, body FROM sites ORDER BY site").fetchall()
        return [
            StoredSite(
                row["site"], row["heard_utc_ns"], None if row["body"] is None else _site.decode(row["body"])
            )
            for row in rows
        ]

    def site(self, name: str) -> StoredSite | None:
        """One site."""
        return next((site for site in self.sites() if site.site == name), None)

    def events(self, wanted: EventFilter) -> list[StoredEvent]:
        """Events, newest opened first."""
        terms: list[str] = []
        values: list[Any] = []
        for term, value in (
            ("site = ?", wanted.site),
            ("kind = ?", wanted.kind),
            ("severity >= ?", wanted.severity),
            ("opened_utc_ns >= ?", wanted.since_utc_ns),
            ("opened_utc_ns < ?", wanted.until_utc_ns),
        ):
            if value is not None:
                terms.append(term)
                values.append(value)
        if wanted.state is not None:
            # Written out, so that the index of open events is found.
            terms.append("state = 'open'" if wanted.state == "open" else "state <> 'open'")
        if wanted.text is not None:
            terms.append("instr(words, ?) > 0")
            values.append(wanted.text.lower())
        if wanted.before is not None:
            terms.append("(opened_utc_ns, site, event_id) < (?, ?, ?)")
            values += wanted.before
        where = f"WHERE {' AND '.join(terms)}" if terms else ""
        with self._reading() as sql:
            rows = sql.execute(
                f"SELECT site, received_utc_ns, body FROM events {where}"
                " ORDER BY opened_utc_ns DESC, site DESC, event_id DESC LIMIT ?",
                (*values, wanted.limit),
            ).fetchall()
        return [StoredEvent(row["site"], row["received_utc_ns"], _event.decode(row["body"])) for row in rows]

    def event(self, site: str, event_id: str) -> StoredEvent | None:
        """Newest revision of one event."""
        with self._reading() as sql:
            row = sql.execute(
                "SELECT site, received_utc_ns, body FROM events WHERE site = ? AND event_id = ?",
                (site, event_id),
            ).fetchone()
        return (
            None
            if row is None
            else StoredEvent(row["site"], row["received_utc_ns"], _event.decode(row["body"]))
        )

    def trace(self, trace_id: str) -> StoredTrace | None:
        """All that is stored under a trace, of the site that told of it first."""
        with self._reading() as sql:
            rows = sql.execute(
                "SELECT r.received_utc_ns, r.body FROM traces t JOIN records r ON r.row = t.row"
                " WHERE t.trace_id = ? AND r.site = (SELECT site FROM records WHERE row ="
                "  (SELECT min(row) FROM traces WHERE trace_id = ?)) ORDER BY t.row LIMIT 1000",
                (trace_id, trace_id),
            ).fetchall()
        if not rows:
            return None
        newest: tuple[int, Record] | None = None
        deliveries: list[DeliveryRecord] = []
        for row in rows:
            record = decode_record(row["body"])
            if isinstance(record.body, DeliveryRecord):
                deliveries.append(record.body)
            elif isinstance(record.body, EventRecord) and (
                newest is None or _rank(record.body, trace_id) > _rank(newest[1].body, trace_id)
            ):
                newest = (row["received_utc_ns"], record)
        if newest is None:
            return StoredTrace(None, rows[0]["received_utc_ns"], deliveries)
        return StoredTrace(newest[1], newest[0], deliveries)

    def devices(self, site: str | None) -> list[StoredDevice]:
        """Newest state of each device."""
        with self._reading() as sql:
            rows = sql.execute(
                "SELECT site, utc_ns, received_utc_ns, body FROM devices WHERE ? IS NULL OR site = ?"
                " ORDER BY site, device_id",
                (site, site),
            ).fetchall()
        return [
            StoredDevice(row["site"], row["utc_ns"], row["received_utc_ns"], _device.decode(row["body"]))
            for row in rows
        ]

    def deliveries(self, site: str | None) -> list[StoredDelivery]:
        """Newest recorded delivery of each kind of message to each device."""
        with self._reading() as sql:
            rows = sql.execute(
                "SELECT site, device_id, message, utc_ns, state, reason FROM deliveries"
                " WHERE ? IS NULL OR site = ? ORDER BY site, device_id, message",
                (site, site),
            ).fetchall()
        return [StoredDelivery(**dict(row)) for row in rows]

    def command(self, command_id: str) -> StoredCommand | None:
        """One command."""
        with self._reading() as sql:
            row = sql.execute("SELECT * FROM commands WHERE command_id = ?", (command_id,)).fetchone()
        return None if row is None else stored_command(row)

    def commands(self, site: str | None, before: int | None, limit: int) -> list[StoredCommand]:
        """Commands, newest first. before: row of the last one of the page before."""
        with self._reading() as sql:
            rows = sql.execute(
                "SELECT * FROM commands WHERE (? IS NULL OR site = ?) AND (? IS NULL OR row < ?)"
                " ORDER BY row DESC LIMIT ?",
                (site, site, before, before, limit),
            ).fetchall()
        return [stored_command(row) for row in rows]

    def audit(self, before: int | None, limit: int) -> list[tuple[int, AuditEntry]]:
        """Audit entries with their rows, newest first. before: row of the last one of the page before."""
        with self._reading() as sql:
            rows = sql.execute(
                "SELECT * FROM audit WHERE ? IS NULL OR row < ? ORDER BY row DESC LIMIT ?",
                (before, before, limit),
            ).fetchall()
        return [(row["row"], AuditEntry(*tuple(row)[1:])) for row in rows]

    def summaries(self, site: str | None, since_utc_ns: int) -> list[tuple[str, SummaryRecord]]:
        """Site and summary of each window since an instant, oldest first, at most the newest 10,000."""
        with self._reading() as sql:
            # Site by site, so that the index leads to the windows wanted whatever else is there. Bodies come
            # last, of those alone that are told.
            rows = sql.execute(
                "SELECT body FROM records WHERE row IN (SELECT r.row FROM sites s CROSS JOIN records r"
                "  ON r.class = 'summary' AND r.site = s.site AND r.utc_ns >= ?"
                "  WHERE ? IS NULL OR s.site = ? ORDER BY r.utc_ns DESC LIMIT ?)"
                " ORDER BY utc_ns DESC",
                (since_utc_ns, site, site, _SUMMARIES),
            ).fetchall()
        found: list[tuple[str, SummaryRecord]] = []
        for row in reversed(rows):
            record = decode_record(row["body"])
            if isinstance(record.body, SummaryRecord):
                found.append((record.id.site, record.body))
        return found

    def event_counts(self, site: str | None, since_utc_ns: int) -> dict[str, dict[str, int]]:
        """Kind → state → number of events opened since an instant."""
        with self._reading() as sql:
            rows = sql.execute(
                "SELECT kind, state, count(*) AS number FROM events"
                " WHERE (? IS NULL OR site = ?) AND opened_utc_ns >= ?"
                " GROUP BY kind, state ORDER BY kind, state",
                (site, site, since_utc_ns),
            ).fetchall()
        counts: dict[str, dict[str, int]] = {}
        for row in rows:
            counts.setdefault(row["kind"], {})[row["state"]] = row["number"]
        return counts

    def stored(self) -> dict[str, dict[str, dict[str, int]]]:
        """Site → class → `taken` (records taken in since ever) and `kept` (distinct ids there now)."""
        out: dict[str, dict[str, dict[str, int]]] = {}
        with self._reading() as sql:
            for row in sql.execute("SELECT site, class, records, records - gone AS kept FROM totals"):
                out.setdefault(row["site"], {})[row["class"]] = {
                    "taken": row["records"],
                    "kept": row["kept"],
                }
        return out

    def close(self) -> None:
        """Close the file."""
        self._sql.close()


def _rank(body: object, trace_id: str) -> tuple[bool, bool, int]:
    """Which event record tells most of a trace: its own trace with steps, then the newest revision."""
    if not isinstance(body, EventRecord):
        return (False, False, 0)
    return (body.trace_id == trace_id, bool(body.trace), body.revision)


def summed(
    summaries: list[tuple[str, SummaryRecord]],
) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, int]]]:
    """Counts and drops of all windows together."""
    counts: dict[str, Counter[str]] = {}
    dropped: dict[str, Counter[str]] = {}
    for _, summary in summaries:
        for name, by_label in summary.counts.items():
            counts.setdefault(name, Counter()).update(by_label)
        for stage, by_reason in summary.dropped.items():
            dropped.setdefault(stage, Counter()).update(by_reason)
    return {k: dict(v) for k, v in counts.items()}, {k: dict(v) for k, v in dropped.items()}
