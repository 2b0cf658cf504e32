from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from wayside.clock import UtcNs
from wayside.cloud._reasons import CloudError, CloudReason
from wayside.cloud._store import connect, typed
from wayside.records import MAX_COMMANDS, CommandPage, CommandRecord, decode_command, encode_command

# A page is bounded in octets too; one command is far smaller than it may be.
_PAGE_BYTES = 262_144


class AuditEntry(msgspec.Struct, frozen=True):
    """Who did what at the centre. operator: as he names himself; address: where the request came from."""

    utc_ns: int
    operator: str
    address: str
    action: str
    site: str
    detail: str


class StoredCommand(msgspec.Struct, frozen=True):
    """A command and what became of it.

    state: `pending` until the edge has answered, then that of its result. fetched_utc_ns: when the edge was
    first handed it over HTTP, else None. result_utc_ns: of the answer, None without one.
    """

    row: int
    command: CommandRecord
    state: str
    reason: str
    detail: str
    fetched_utc_ns: int | None
    result_utc_ns: int | None


class CommandWriter:
    """The writing side of commands and audit in the centre's store, for one thread at a time.

    Raises CloudError STORE_FAILED.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sql = connect(path, writer=True)

    def add(self, command: CommandRecord, entry: AuditEntry, limit: int) -> None:
        """Store a command with its audit entry, in one transaction.

        Raises CloudError COMMAND_LIMIT when `limit` commands of the site wait for an answer.
        """
        with self._writing() as sql:
            (waiting,) = sql.execute(
                "SELECT count(*) FROM commands"
                " WHERE site = ? AND state = 'pending' AND valid_until_utc_ns > ?",
                (command.site, command.issued_utc_ns),
            ).fetchone()
            if waiting >= limit:
                raise CloudError(CloudReason.COMMAND_LIMIT, f"{waiting} commands wait for an answer")
            sql.execute(
                "INSERT INTO commands (command_id, site, kind, operator, issued_utc_ns, valid_until_utc_ns,"
                " body, state) VALUES (?, ?, ?, ?, ?, ?, ?, 'pending')",
                (
                    command.command_id,
                    command.site,
                    command.body.__struct_config__.tag,
                    command.operator,
                    command.issued_utc_ns,
                    command.valid_until_utc_ns,
                    encode_command(command),
                ),
            )
            self._note(sql, entry)

    def note(self, entry: AuditEntry) -> None:
        """Store an audit entry."""
        with self._writing() as sql:
            self._note(sql, entry)

    def hand_over(self, site: str, after: int, now: UtcNs) -> CommandPage:
        """The site's commands after a number that still wait for an answer, oldest first.

        A number beyond all that were ever given is of a store that was lost: all that wait come again.
        """
        with self._writing() as sql:
            row = sql.execute("SELECT seq FROM sqlite_sequence WHERE name = 'commands'").fetchone()
            newest = 0 if row is None else int(row[0])
            rows = sql.execute(
                "SELECT row, body FROM commands WHERE site = ? AND row > ? AND state = 'pending'"
                " AND valid_until_utc_ns > ? ORDER BY row LIMIT ?",
                (site, after if after <= newest else 0, now, MAX_COMMANDS),
            ).fetchall()
            given: list[tuple[int, bytes]] = []
            size = 0
            for number, body in rows:
                size += len(body)
                if given and size > _PAGE_BYTES:
                    break
                given.append((number, body))
            sql.executemany(
                "UPDATE commands SET fetched_utc_ns = coalesce(fetched_utc_ns, ?) WHERE row = ?",
                [(now, number) for number, _ in given],
            )
        last = given[-1][0] if given else min(after, newest)
        return CommandPage(tuple(body for _, body in given), last)

    def unpublished(self, now: UtcNs) -> list[tuple[int, str, bytes]]:
        """Number, site and octets of the commands that the brokers have not taken, oldest first."""
        with typed(self._path):
            rows = self._sql.execute(
                "SELECT row, site, body FROM commands WHERE published = 0 AND state = 'pending'"
                " AND valid_until_utc_ns > ? ORDER BY row LIMIT ?",
                (now, MAX_COMMANDS),
            ).fetchall()
        return [(row["row"], row["site"], row["body"]) for row in rows]

    def published(self, number: int) -> None:
        """Note that the brokers have taken a command."""
        with self._writing() as sql:
            sql.execute("UPDATE commands SET published = 1 WHERE row = ?", (number,))

    def close(self) -> None:
        """Close the file."""
        self._sql.close()

    def _note(self, sql: sqlite3.Connection, entry: AuditEntry) -> None:
        sql.execute(
            "INSERT INTO audit (utc_ns, operator, address, action, site, detail) VALUES (?, ?, ?, ?, ?, ?)",
            msgspec.structs.astuple(entry),
        )

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with typed(self._path):
            self._sql.execute("BEGIN IMMEDIATE")
            try:
                yield self._sql
                self._sql.execute("COMMIT")
            except BaseException:
                if self._sql.in_transaction:
                    self._sql.execute("ROLLBACK")
                raise


def stored_command(row: sqlite3.Row) -> StoredCommand:
    """A row of the commands."""
    return StoredCommand(
        row["row"],
        decode_command(row["body"]),
        row["state"],
        row["reason"],
        row["detail"],
        row["fetched_utc_ns"],
        row["result_utc_ns"],
    )
