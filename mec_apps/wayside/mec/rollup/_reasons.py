from __future__ import annotations

import sqlite3

from aiokafka.errors import KafkaConnectionError

from wayside.observe import Reason, WaysideError


class RollupReason(Reason, stage="rollup"):
    """Why the roll-up could not keep, report or send something.

    DISK_*: records that wait in memory because the disk did not take them. BUFFER_FULL, SHED, UNFIT,
    REFUSED: records lost (the last are kept aside on disk). LEDGER_FULL: an event not followed.
    UNREACHABLE, BAD_STATUS, BAD_ANSWER, SITE_TAKEN: attempts to send that are repeated; in the last, the
    centre knows the site's id as another edge's.
    """

    DISK_FULL = "disk_full"
    DISK_LOCKED = "disk_locked"
    DISK_FAILED = "disk_failed"
    BUFFER_FULL = "buffer_full"
    SHED = "shed"
    UNFIT = "unfit"
    LEDGER_FULL = "ledger_full"
    UNREACHABLE = "unreachable"
    BAD_STATUS = "bad_status"
    BAD_ANSWER = "bad_answer"
    SITE_TAKEN = "site_taken"
    REFUSED = "refused"


class RollupError(WaysideError):
    """The roll-up could not do what was asked. kept: whether the records wait in memory for the disk and
    will be committed later (do not append them again)."""

    reason: RollupReason

    def __init__(
        self, reason: RollupReason, what: str, *, where: str = "", advice: str = "", kept: bool = False
    ) -> None:
        super().__init__(reason, what, where=where, advice=advice)
        self.kept = kept


_ADVICE = {
    RollupReason.DISK_FULL: "free space on the disk or lower the outbox's byte cap",
    RollupReason.DISK_LOCKED: "end the other process that holds the outbox file",
    RollupReason.DISK_FAILED: "check the disk; move the file aside to begin a new outbox",
}


def disk_error(error: sqlite3.Error, path: str) -> RollupError:
    """The typed form of what SQLite says about the outbox file."""
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if code is not None else None
    if primary == sqlite3.SQLITE_FULL:
        reason = RollupReason.DISK_FULL
    elif primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        reason = RollupReason.DISK_LOCKED
    else:
        reason = RollupReason.DISK_FAILED
    return RollupError(reason, f"outbox: {error}", where=path, advice=_ADVICE[reason])


def broker_error(error: Exception) -> RollupError:
    """The typed form of what the Kafka client says: UNREACHABLE, or BAD_STATUS when a broker refuses."""
    what = f"broker: {type(error).__name__} {error}".rstrip()
    if isinstance(error, TimeoutError | OSError | KafkaConnectionError) or getattr(error, "retriable", False):
        return RollupError(RollupReason.UNREACHABLE, what)
    return RollupError(RollupReason.BAD_STATUS, what, advice="check the topics and this client's rights")
