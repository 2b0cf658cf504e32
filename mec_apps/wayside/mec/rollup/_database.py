from __future__ import annotations

import contextlib
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from wayside.clock import UtcNs
from wayside.mec.rollup._reasons import RollupError, RollupReason, disk_error
from wayside.mec.rollup._reserve import Reserve
from wayside.mec.rollup._settings import OutboxSettings
from wayside.records import (
    MAX_RECORD_BYTES,
    Body,
    DeliveryRecord,
    DeviceRecord,
    EventRecord,
    Record,
    RecordId,
    ResultRecord,
    SiteRecord,
    SummaryRecord,
    encode_record,
)

T = TypeVar("T")

# Of 4 KiB: the log and what of it the file has yet to take stay within the reserve.
_CHECKPOINT_PAGES = 500
_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE outbox (
    row INTEGER PRIMARY KEY, boot INTEGER NOT NULL, seq INTEGER NOT NULL,
    class INTEGER NOT NULL, bytes INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE UNIQUE INDEX outbox_id ON outbox (boot, seq);
CREATE INDEX outbox_class ON outbox (class, row);
CREATE TABLE open_events (subject TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE refused (
    row INTEGER PRIMARY KEY, boot INTEGER NOT NULL, seq INTEGER NOT NULL,
    reason TEXT NOT NULL, detail TEXT NOT NULL, utc_ns INTEGER NOT NULL, body BLOB NOT NULL
);
PRAGMA user_version = 1;
"""

# What goes first when the byte cap is reached: the lowest class, in it the oldest.
_CLASS: dict[type[Body], int] = {
    SummaryRecord: 0,
    DeviceRecord: 1,
    DeliveryRecord: 2,
    SiteRecord: 3,
    EventRecord: 4,
    ResultRecord: 5,
}
_SHED_STEP = 256


class _Identified(msgspec.Struct):
    id: RecordId


_identified = msgspec.msgpack.Decoder(_Identified)
_event = msgspec.msgpack.Decoder(EventRecord)


class OpenEvent(msgspec.Struct, frozen=True):
    """An event that is not over. subject: what the app calls it; record: its newest revision."""

    subject: str
    record: EventRecord


class Entry(msgspec.Struct, frozen=True):
    """What one append writes: records, and the open events that change in the same transaction.

    events: subject → newest revision, None when it is over.
    """

    items: tuple[tuple[str, Body], ...]
    utc_ns: UtcNs
    events: dict[str, EventRecord | None] = {}


class Stored(msgspec.Struct, frozen=True):
    """A record as it lies in the outbox."""

    id: RecordId
    body: bytes


class Written(msgspec.Struct, frozen=True):
    """Outcome of one transaction: for each entry its ids or its error; records shed, by class name."""

    outcomes: list[list[RecordId] | RollupError]
    shed: dict[str, int]


class Database:
    """The outbox file, used by one thread at a time.

    Raises RollupError DISK_FULL, DISK_LOCKED, DISK_FAILED from every method.
    """

    def __init__(self, path: Path, site: str, now: UtcNs, settings: OutboxSettings) -> None:
        self._path = str(path)
        self._site = site
        self._settings = settings
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._sql = sqlite3.connect(
                self._path, timeout=settings.busy_s, isolation_level=None, check_same_thread=False
            )
        except OSError as error:
            raise RollupError(RollupReason.DISK_FAILED, f"outbox: {error}", where=self._path) from None
        except sqlite3.Error as error:
            raise disk_error(error, self._path) from None
        try:
            self._prepare()
            self.boot = self._count_boot(now)
            self.instance = self._know_instance()
            row = self._sql.execute("SELECT count(*), coalesce(sum(bytes), 0) FROM outbox").fetchone()
        except sqlite3.Error as error:
            self._sql.close()
            raise disk_error(error, self._path) from None
        except RollupError:
            self._sql.close()
            raise
        self._reserve = Reserve(path.with_name(path.name + ".reserve"), settings.reserve_bytes)
        self._reserve.lay_in()
        self.seq = 0
        self.rows, self.bytes = int(row[0]), int(row[1])

    def _prepare(self) -> None:
        self._sql.execute("PRAGMA journal_mode = WAL")
        self._sql.execute("PRAGMA synchronous = FULL")
        self._sql.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        (version,) = self._sql.execute("PRAGMA user_version").fetchone()
        if version == 0:
            self._sql.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
        elif version != _SCHEMA_VERSION:
            raise RollupError(
                RollupReason.DISK_FAILED,
                f"outbox: schema version {version}, this software knows {_SCHEMA_VERSION}",
                where=self._path,
            )

    def _count_boot(self, now: UtcNs) -> int:
        """One more than the last start. A new file begins at the UTC second: after the loss of a disk the
        identities that the centre already has are not used again."""
        self._sql.execute("BEGIN IMMEDIATE")
        row = self._sql.execute("SELECT value FROM meta WHERE name = 'boot'").fetchone()
        boot = int(row[0]) + 1 if row else max(1, now // 1_000_000_000)
        self._sql.execute("INSERT OR REPLACE INTO meta VALUES ('boot', ?)", (boot,))
        self._sql.execute("COMMIT")
        return boot

    def _know_instance(self) -> str:
        """Identity of this file, made once: two edges that were given one site id differ in it."""
        self._sql.execute("INSERT OR IGNORE INTO meta VALUES ('instance', ?)", (secrets.token_bytes(16),))
        (value,) = self._sql.execute("SELECT value FROM meta WHERE name = 'instance'").fetchone()
        return bytes(value).hex()

    def write(self, entries: Sequence[Entry]) -> Written:
        """Commit entries in one transaction, sequence numbers in their order. An entry that is UNFIT is left
        out alone; a disk error leaves everything out."""
        seq, rows_bytes = self.seq, self.bytes
        outcomes: list[list[RecordId] | RollupError] = []
        inserts: list[tuple[int, int, int, int, bytes]] = []
        events: dict[str, EventRecord | None] = {}
        for entry in entries:
            try:
                encoded = self._encode(entry, seq)
            except RollupError as error:
                outcomes.append(error)
                continue
            seq += len(encoded)
            inserts += [(self.boot, i.seq, _CLASS[type(b)], len(data), data) for i, b, data in encoded]
            rows_bytes += sum(len(data) for _, _, data in encoded)
            outcomes.append([i for i, _, _ in encoded])
            events.update(entry.events)

        def insert() -> tuple[dict[str, int], int, int]:
            self._sql.executemany(
                "INSERT INTO outbox (boot, seq, class, bytes, body) VALUES (?, ?, ?, ?, ?)", inserts
            )
            self._write_events(events)
            return self._shed(rows_bytes)

        shed, shed_rows, total = self._transaction(insert)
        self.seq, self.bytes = seq, total
        self.rows += len(inserts) - shed_rows
        return Written(outcomes, shed)

    def _encode(self, entry: Entry, seq: int) -> list[tuple[RecordId, Body, bytes]]:
        encoded: list[tuple[RecordId, Body, bytes]] = []
        try:
            for subject in entry.events:
                subject.encode()
        except ValueError as error:
            raise RollupError(RollupReason.UNFIT, f"subject cannot be encoded: {error}") from None
        for n, (key, body) in enumerate(entry.items, seq + 1):
            record = Record(RecordId(self._site, self.boot, n), key, entry.utc_ns, body)
            try:
                data = encode_record(record)
            except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
                raise RollupError(RollupReason.UNFIT, f"record cannot be encoded: {error}") from None
            if len(data) > MAX_RECORD_BYTES:
                raise RollupError(
                    RollupReason.UNFIT, f"record of {len(data)} octets, limit {MAX_RECORD_BYTES}"
                )
            encoded.append((record.id, body, data))
        return encoded

    def _write_events(self, events: dict[str, EventRecord | None]) -> None:
        for subject, record in events.items():
            if record is None:
                self._sql.execute("DELETE FROM open_events WHERE subject = ?", (subject,))
            else:
                self._sql.execute(
                    "INSERT OR REPLACE INTO open_events VALUES (?, ?)",
                    (subject, msgspec.msgpack.encode(record)),
                )

    def _shed(self, total: int) -> tuple[dict[str, int], int, int]:
        names = {number: kind.__name__ for kind, number in _CLASS.items()}
        shed: dict[str, int] = {}
        rows = 0
        while total > self._settings.cap_bytes:
            oldest = self._sql.execute(
                "SELECT row, class, bytes FROM outbox ORDER BY class, row LIMIT ?", (_SHED_STEP,)
            ).fetchall()
            if not oldest:
                break
            for row, number, size in oldest:
                if total <= self._settings.cap_bytes:
                    break
                self._sql.execute("DELETE FROM outbox WHERE row = ?", (row,))
                total -= size
                rows += 1
                shed[names[number]] = shed.get(names[number], 0) + 1
        return shed, rows, total

    def page(self, limit: int, max_bytes: int) -> list[Stored]:
        """Oldest records in sequence order, at most `limit` and (beyond the first) `max_bytes`."""
        page: list[Stored] = []
        size = 0
        try:
            rows = self._sql.execute("SELECT boot, seq, body FROM outbox ORDER BY row LIMIT ?", (limit,))
            for boot, seq, body in rows:
                size += len(body)
                if page and size > max_bytes:
                    break
                page.append(Stored(self._identity(boot, seq, body), body))
        except sqlite3.Error as error:
            raise disk_error(error, self._path) from None
        return page

    def _identity(self, boot: int, seq: int, body: bytes) -> RecordId:
        """As the record says; one that is damaged goes by its row, and is refused where it is read."""
        try:
            return _identified.decode(body).id
        except (msgspec.DecodeError, UnicodeDecodeError):
            return RecordId(self._site, boot, seq)

    def confirm(self, ids: Iterable[RecordId]) -> int:
        """Delete records the centre has; returns how many were there."""
        ids = list(ids)
        return self._forget(self._transaction(lambda: self._remove(ids), may_spend=True))

    def set_aside(self, refused: Iterable[tuple[RecordId, str, str]], now: UtcNs) -> int:
        """Move records that the centre refuses (id, reason, detail) out of the way; how many were there."""
        refused = list(refused)

        def move() -> list[int]:
            for record_id, reason, detail in refused:
                self._sql.execute(
                    "INSERT INTO refused (boot, seq, reason, detail, utc_ns, body)"
                    " SELECT boot, seq, ?, ?, ?, body FROM outbox WHERE boot = ? AND seq = ?",
                    (reason, detail, now, record_id.boot, record_id.seq),
                )
            removed = self._remove(record_id for record_id, _, _ in refused)
            self._sql.execute(
                "DELETE FROM refused WHERE row <= (SELECT max(row) FROM refused) - ?",
                (self._settings.refused_records,),
            )
            return removed

        return self._forget(self._transaction(move, may_spend=True))

    def _transaction(self, work: Callable[[], T], *, may_spend: bool = False) -> T:
        """Run statements in one transaction. may_spend: the reserve, on a full disk, as it makes room."""
        self._roll_back()
        try:
            self._sql.execute("BEGIN IMMEDIATE")
            outcome = work()
            self._sql.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            failure = disk_error(error, self._path)
            if may_spend and failure.reason is RollupReason.DISK_FULL and self._reserve.spend():
                return self._transaction(work)
            raise failure from None
        return outcome

    def _remove(self, ids: Iterable[RecordId]) -> list[int]:
        sizes: list[int] = []
        for record_id in ids:
            row = self._sql.execute(
                "DELETE FROM outbox WHERE boot = ? AND seq = ? RETURNING bytes",
                (record_id.boot, record_id.seq),
            ).fetchone()
            if row is not None:
                sizes.append(int(row[0]))
        return sizes

    def _forget(self, sizes: list[int]) -> int:
        self.rows -= len(sizes)
        self.bytes -= sum(sizes)
        if not self.rows:
            self._reserve.lay_in()
        return len(sizes)

    def refused(self) -> list[tuple[int, int, str, str]]:
        """Records kept aside: boot, seq, reason, detail, oldest first."""
        try:
            return self._sql.execute("SELECT boot, seq, reason, detail FROM refused ORDER BY row").fetchall()
        except sqlite3.Error as error:
            raise disk_error(error, self._path) from None

    def open_events(self) -> list[OpenEvent]:
        """Events that are not over, by subject."""
        try:
            rows = self._sql.execute("SELECT subject, body FROM open_events ORDER BY subject").fetchall()
            return [OpenEvent(subject, _event.decode(body)) for subject, body in rows]
        except (sqlite3.Error, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._failure(error) from None

    def close(self) -> None:
        """Close the file; what was committed stays."""
        self._sql.close()

    def _roll_back(self) -> None:
        if self._sql.in_transaction:
            # The error that led here is the one to tell; what could not be undone now, the next write meets.
            with contextlib.suppress(sqlite3.Error):
                self._sql.execute("ROLLBACK")

    def _failure(self, error: Exception) -> RollupError:
        if isinstance(error, sqlite3.Error):
            return disk_error(error, self._path)
        return RollupError(RollupReason.DISK_FAILED, f"outbox: damaged record: {error}", where=self._path)
