from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain, repeat
from typing import Any

import msgspec

from wayside.clock import UtcNs
from wayside.records import (
    TOPICS,
    DeliveryRecord,
    DeviceRecord,
    EventRecord,
    Record,
    ResultRecord,
    SiteRecord,
)

# Rows of one statement: SQLite runs it without the interpreter, which goes on elsewhere meanwhile.
_ROWS = 100

_INTO_TOTALS = "INSERT INTO totals (site, class, records)"
_ADD_TOTALS = "ON CONFLICT (site, class) DO UPDATE SET records = records + excluded.records"
_INTO_SITES = "INSERT INTO sites"
_HEARD = "ON CONFLICT (site) DO UPDATE SET heard_utc_ns = excluded.heard_utc_ns"
_INTO_EVENTS = (
    "INSERT INTO events (site, event_id, revision, state, kind, severity, opened_utc_ns, closed_utc_ns,"
    " received_utc_ns, body, words)"
)
_NEWER_EVENT = (
    "ON CONFLICT (site, event_id) DO UPDATE SET revision = excluded.revision, state = excluded.state,"
    " kind = excluded.kind, severity = excluded.severity, opened_utc_ns = excluded.opened_utc_ns,"
    " closed_utc_ns = excluded.closed_utc_ns, received_utc_ns = excluded.received_utc_ns,"
    " body = excluded.body, words = excluded.words WHERE excluded.revision > events.revision"
)
_INTO_DELIVERIES = "INSERT INTO deliveries"
_NEWER_DELIVERY = (
    "ON CONFLICT (site, device_id, message) DO UPDATE SET boot = excluded.boot, seq = excluded.seq,"
    " utc_ns = excluded.utc_ns, state = excluded.state, reason = excluded.reason"
    " WHERE (excluded.boot, excluded.seq) > (deliveries.boot, deliveries.seq)"
)
_INTO_DEVICES = "INSERT INTO devices"
_NEWER_DEVICE = (
    "ON CONFLICT (site, device_id) DO UPDATE SET boot = excluded.boot, seq = excluded.seq,"
    " utc_ns = excluded.utc_ns, received_utc_ns = excluded.received_utc_ns, body = excluded.body"
    " WHERE (excluded.boot, excluded.seq) > (devices.boot, devices.seq)"
)
_INTO_TRACES = "INSERT OR IGNORE INTO traces"
# An answer that is final stays, and only the site that was asked can give one.
_ANSWERED = (
    "UPDATE commands SET state = ?, reason = ?, detail = ?, result_utc_ns = ?"
    " WHERE command_id = ? AND site = ? AND state IN ('pending', 'accepted')"
)
_NEWER_SITE = "UPDATE sites SET boot = ?, seq = ?, body = ? WHERE site = ? AND (?, ?) > (boot, seq)"

_CLASSES = {kind: str(kind.__struct_config__.tag) for kind in TOPICS}
_pack = msgspec.msgpack.Encoder().encode


def class_of(record: Record) -> str:
    """Name of a record's class: event, summary, device, delivery, result, site."""
    return _CLASSES[type(record.body)]


def words_of(event: EventRecord) -> str:
    """What a search for events looks in: identity, trace, place and kind, in lower case."""
    return " ".join((event.event_id, event.trace_id, event.lane, event.kind, event.app)).lower()


def insert(sql: sqlite3.Connection, into: str, rows: Sequence[tuple[Any, ...]], on_conflict: str = "") -> int:
    """Insert rows of equal width, many a statement; how many were inserted or changed."""
    changed = 0
    for begin in range(0, len(rows), _ROWS):
        part = rows[begin : begin + _ROWS]
        marks = f"({','.join(repeat('?', len(part[0])))})"
        values = ",".join(repeat(marks, len(part)))
        changed += sql.execute(
            f"{into} VALUES {values} {on_conflict}", tuple(chain.from_iterable(part))
        ).rowcount
    return changed


class ViewChanges:
    """What the fresh records of one page change in the totals and in the views of events, devices and sites.

    Of what a page tells of one thing only the newest is written.
    """

    def __init__(self, now: UtcNs) -> None:
        self._now = now
        self._totals: Counter[tuple[str, str]] = Counter()
        self._events: dict[tuple[str, str], tuple[Record, EventRecord]] = {}
        self._deliveries: dict[tuple[str, str, str], tuple[Record, DeliveryRecord]] = {}
        self._devices: dict[tuple[str, str], tuple[Record, DeviceRecord]] = {}
        self._traces: list[tuple[str, int]] = []
        self._answers: list[tuple[Any, ...]] = []
        self._sites: list[tuple[Any, ...]] = []

    def add(self, record: Record, row: int) -> None:
        """Take a fresh record in. row: its place in the store."""
        key, body = record.id, record.body
        self._totals[key.site, class_of(record)] += 1
        if isinstance(body, EventRecord):
            shown = self._events.get((key.site, body.event_id))
            if shown is None or body.revision > shown[1].revision:
                self._events[key.site, body.event_id] = record, body
            self._trace(body.trace_id, row)
            for step in body.trace:
                self._trace(step.detail.get("trace_id"), row)
        elif isinstance(body, DeliveryRecord):
            self._trace(body.trace_id, row)
            place = (key.site, body.device_id, body.message)
            if place not in self._deliveries or key > self._deliveries[place][0].id:
                self._deliveries[place] = record, body
        elif isinstance(body, DeviceRecord):
            device = (key.site, body.device_id)
            if device not in self._devices or key > self._devices[device][0].id:
                self._devices[device] = record, body
        elif isinstance(body, ResultRecord):
            answer = (body.state, body.reason, body.detail, record.utc_ns, body.command_id, key.site)
            self._answers.append(answer)
        elif isinstance(body, SiteRecord):
            self._sites.append((key.boot, key.seq, _pack(body), key.site, key.boot, key.seq))

    def _trace(self, trace_id: object, row: int) -> None:
        if isinstance(trace_id, str) and trace_id:
            self._traces.append((trace_id, row))

    def write(self, sql: sqlite3.Connection) -> None:
        """Write all of it, within the caller's transaction."""
        now = self._now
        totals = [(*of, number) for of, number in self._totals.items()]
        insert(sql, _INTO_TOTALS, totals, _ADD_TOTALS)
        heard = [(site, 0, 0, now, None) for site in {site for site, _ in self._totals}]
        insert(sql, _INTO_SITES, heard, _HEARD)
        insert(sql, _INTO_EVENTS, self._event_rows(), _NEWER_EVENT)
        insert(sql, _INTO_TRACES, self._traces)
        told = [
            (*of, record.id.boot, record.id.seq, record.utc_ns, body.state, body.reason)
            for of, (record, body) in self._deliveries.items()
        ]
        insert(sql, _INTO_DELIVERIES, told, _NEWER_DELIVERY)
        devices = [
            (*of, record.id.boot, record.id.seq, record.utc_ns, now, _pack(body))
            for of, (record, body) in self._devices.items()
        ]
        insert(sql, _INTO_DEVICES, devices, _NEWER_DEVICE)
        sql.executemany(_ANSWERED, self._answers)
        sql.executemany(_NEWER_SITE, self._sites)

    def _event_rows(self) -> list[tuple[Any, ...]]:
        return [
            (
                *of,
                body.revision,
                body.state.value,
                body.kind,
                body.severity,
                body.opened_utc_ns,
                body.closed_utc_ns,
                self._now,
                _pack(body),
                words_of(body),
            )
            for of, (_, body) in self._events.items()
        ]


def classes(records: Iterable[Record]) -> Counter[str]:
    """Number of records of each class."""
    return Counter(map(class_of, records))
