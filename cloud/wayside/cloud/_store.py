from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from wayside.clock import UtcNs
from wayside.cloud._reasons import CloudError, CloudReason
from wayside.cloud._schema import INSTANCES, STEPS
from wayside.cloud._views import ViewChanges, class_of, insert
from wayside.records import EventRecord, Record, RecordId, RecordReason, SiteRecord, encode_record

_PRUNE_STEP = 1_000
# Of 4 KiB: pages that many transactions change are brought into the file once.
_CHECKPOINT_PAGES = 4_000
_CACHE_KIB = 32_768
_DAY_NS = 86_400_000_000_000
_LEAST, _MOST = -(2**63), 2**63 - 1
_INTO_RECORDS = (
    "INSERT INTO records (row, site, boot, seq, class, key, utc_ns, received_utc_ns, digest, body)"
)
_KNOWN = "ON CONFLICT (site, boot, seq) DO NOTHING"


class Kept(msgspec.Struct, frozen=True):
    """Outcome of one page. committed: stored now or before. refused: place in the page and reason.

    fresh: those that were not there before. postponed: records that are neither stored nor refused for good,
    by place: of sites that are one too many (SITE_LIMIT), or whose id is another edge's (SITE_TAKEN).
    """

    committed: list[RecordId]
    refused: list[tuple[int, CloudReason | RecordReason]]
    fresh: list[Record]
    postponed: list[tuple[int, CloudReason]]


def _columns(key: RecordId) -> tuple[str, int, int]:
    """The columns of a record's identity."""
    return key.site, key.boot, key.seq


def _storable(record: Record) -> bool:
    """Whether all integers that become columns fit 64 bits with sign, and lanes can be told as JSON."""
    key, body = record.id, record.body
    if key.boot > _MOST or key.seq > _MOST or not _LEAST <= record.utc_ns <= _MOST:
        return False
    if isinstance(body, SiteRecord):
        try:
            msgspec.json.encode(body.lanes)
        except (TypeError, ValueError, RecursionError):
            return False
    if not isinstance(body, EventRecord):
        return True
    return (
        body.revision <= _MOST
        and _LEAST <= body.severity <= _MOST
        and _LEAST <= body.opened_utc_ns <= _MOST
        and (body.closed_utc_ns is None or _LEAST <= body.closed_utc_ns <= _MOST)
    )


@contextmanager
def typed(path: Path) -> Iterator[None]:
    """Raise what SQLite or the system says of the store as CloudError STORE_FAILED."""
    try:
        yield
    except sqlite3.Error as error:
        raise CloudError(
            CloudReason.STORE_FAILED, f"store: {error}", where=str(path), advice="check the disk's free space"
        ) from None
    except OSError as error:
        raise CloudError(
            CloudReason.STORE_FAILED,
            f"store: {error.strerror or error}",
            where=str(path),
            advice="give a folder that can be written with --data",
        ) from None


def connect(path: Path, *, writer: bool) -> sqlite3.Connection:
    """Open the store's file; the writer creates it. Raises CloudError STORE_FAILED."""
    with typed(path):
        if writer:
            path.parent.mkdir(parents=True, exist_ok=True)
        sql = sqlite3.connect(path, timeout=5.0, isolation_level=None, check_same_thread=False)
        sql.row_factory = sqlite3.Row
        sql.execute("PRAGMA busy_timeout = 5000")
        if not writer:
            sql.execute("PRAGMA query_only = 1")
            return sql
        sql.execute("PRAGMA journal_mode = WAL")
        sql.execute("PRAGMA synchronous = FULL")
        sql.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        sql.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        (version,) = sql.execute("PRAGMA user_version").fetchone()
        if version > len(STEPS):
            raise CloudError(
                CloudReason.STORE_FAILED,
                f"store: schema version {version}, this software knows {len(STEPS)}",
                where=str(path),
            )
        for number, step in enumerate(STEPS[version:], version + 1):
            sql.executescript(f"BEGIN IMMEDIATE; {step} PRAGMA user_version = {number}; COMMIT;")
        return sql


class RecordWriter:
    """The writing side of the centre's store (SQLite, WAL, synchronous=FULL), for one thread at a time.

    A record is stored once by its identity; the views of events, devices and sites follow the newest
    revision. Limits: see CloudSettings. Raises CloudError STORE_FAILED.
    """

    def __init__(self, path: Path, *, sites: int, keep_records: int, keep_days: float) -> None:
        self._path = path
        self._site_limit = sites
        self._keep_records = keep_records
        self._keep_ns = int(keep_days * _DAY_NS)
        self._sql = connect(path, writer=True)
        with typed(path):
            self._sites = {row["site"] for row in self._sql.execute("SELECT site FROM sites")}
            self._sql.execute(INSTANCES)
            self._instances = {
                row["site"]: str(row["instance"]) for row in self._sql.execute("SELECT * FROM instances")
            }

    def check(self) -> None:
        """Write to the disk what is there already. Raises CloudError STORE_FAILED."""
        with typed(self._path):
            self._roll_back()
            self._sql.execute(f"PRAGMA user_version = {len(STEPS)}")

    def admits(self, site: str, instance: str) -> bool:
        """Whether a site is not known as that of another edge; from any thread."""
        return self._instances.get(site, instance) == instance

    def release_site(self, site: str) -> bool:
        """Let the next edge that reports as this site be the one; False when none was bound to it."""
        with typed(self._path):
            self._roll_back()
            released = self._sql.execute("DELETE FROM instances WHERE site = ?", (site,)).rowcount > 0
        self._instances = {name: bound for name, bound in self._instances.items() if name != site}
        return released

    def keep(self, records: Sequence[tuple[int, Record]], now: UtcNs, instances: Sequence[str] = ()) -> Kept:
        """Store (place in the page, record) in their order, in one transaction.

        instances: of the edge that sent each place of the page, "" where it named none; none for all when
        empty. The first that reports as a site is bound to it.
        """
        kept = Kept([], [], [], [])
        sites = set(self._sites)
        bound = dict(self._instances)
        taken: list[tuple[int, Record]] = []
        with typed(self._path):
            self._roll_back()
            self._sql.execute("BEGIN IMMEDIATE")
            try:
                for index, record in records:
                    if not _storable(record):
                        kept.refused.append((index, RecordReason.MALFORMED))
                        continue
                    site, instance = record.id.site, instances[index] if instances else ""
                    if bound.get(site, instance) != instance:
                        kept.postponed.append((index, CloudReason.SITE_TAKEN))
                        continue
                    if site not in sites and len(sites) >= self._site_limit:
                        kept.postponed.append((index, CloudReason.SITE_LIMIT))
                        continue
                    sites.add(site)
                    if instance and site not in bound:
                        self._sql.execute("INSERT INTO instances VALUES (?, ?, ?)", (site, instance, now))
                        bound[site] = instance
                    taken.append((index, record))
                self._store(taken, now, kept)
                self._sql.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise
        self._sites, self._instances = sites, bound
        return kept

    def _store(self, records: Sequence[tuple[int, Record]], now: UtcNs, kept: Kept) -> None:
        (last,) = self._sql.execute("SELECT coalesce(max(row), 0) FROM records").fetchone()
        rows: list[tuple[Any, ...]] = []
        for row, (_, record) in enumerate(records, last + 1):
            key, body = record.id, encode_record(record)
            digest = hashlib.blake2b(body, digest_size=16).digest()
            name = class_of(record)
            rows.append((row, *_columns(key), name, record.key, record.utc_ns, now, digest, body))
        # In the order of the page: the first that comes under an identity is the one.
        whole = insert(self._sql, _INTO_RECORDS, rows, _KNOWN) == len(rows)
        changes = ViewChanges(now)
        for (index, record), (row, *_, digest, _) in zip(records, rows, strict=True):
            there = (row, digest) if whole else self._there(record.id)
            if there[1] != digest:
                kept.refused.append((index, CloudReason.ID_CONFLICT))
                continue
            kept.committed.append(record.id)
            if there[0] == row:
                kept.fresh.append(record)
                changes.add(record, row)
        changes.write(self._sql)

    def _there(self, key: RecordId) -> tuple[int, bytes]:
        row, digest = self._sql.execute(
            "SELECT row, digest FROM records WHERE site = ? AND boot = ? AND seq = ?", _columns(key)
        ).fetchone()
        return row, digest

    def prune(self, now: UtcNs) -> int:
        """Remove what is too old or too much, oldest first; returns how many records."""
        removed = 0
        with typed(self._path):
            for row in self._sql.execute(
                "SELECT class, sum(records - gone) AS number FROM totals GROUP BY class"
            ).fetchall():
                extra = row["number"] - self._keep_records
                while extra > 0:
                    step = self._remove(
                        "SELECT row, site, class FROM records WHERE class = ? ORDER BY row LIMIT ?",
                        (row["class"], min(extra, _PRUNE_STEP)),
                    )
                    if step == 0:
                        break
                    extra -= step
                    removed += step
            limit = now - self._keep_ns
            while step := self._remove(
                "SELECT row, site, class FROM records WHERE received_utc_ns < ? LIMIT ?", (limit, _PRUNE_STEP)
            ):
                removed += step
            # An open event stays however old it is; a closed one goes with its records. What is received is
            # opened before, so that the index of the opening leads to it.
            self._sql.execute(
                "DELETE FROM events WHERE opened_utc_ns < ? AND received_utc_ns < ? AND state = 'closed'",
                (limit, limit),
            )
            self._sql.execute(
                "DELETE FROM events WHERE state = 'closed' AND (opened_utc_ns, site, event_id) <="
                " (SELECT opened_utc_ns, site, event_id FROM events"
                "  ORDER BY opened_utc_ns DESC, site DESC, event_id DESC LIMIT 1 OFFSET ?)",
                (self._keep_records,),
            )
            for table, column in (("commands", "issued_utc_ns"), ("audit", "utc_ns")):
                self._sql.execute(f"DELETE FROM {table} WHERE {column} < ?", (limit,))
                self._sql.execute(
                    f"DELETE FROM {table} WHERE row <= (SELECT max(row) FROM {table}) - ?",
                    (self._keep_records,),
                )
        return removed

    def _remove(self, select: str, values: tuple[Any, ...]) -> int:
        self._roll_back()
        self._sql.execute("BEGIN IMMEDIATE")
        found = self._sql.execute(select, values).fetchall()
        rows = [(row["row"],) for row in found]
        self._sql.executemany("DELETE FROM traces WHERE row = ?", rows)
        self._sql.executemany("DELETE FROM records WHERE row = ?", rows)
        gone = Counter((row["site"], row["class"]) for row in found)
        self._sql.executemany(
            "UPDATE totals SET gone = gone + ? WHERE site = ? AND class = ?",
            [(number, *of) for of, number in gone.items()],
        )
        self._sql.execute("COMMIT")
        return len(rows)

    def _roll_back(self) -> None:
        if self._sql.in_transaction:
            self._sql.execute("ROLLBACK")

    def close(self) -> None:
        """Close the file."""
        self._sql.close()
