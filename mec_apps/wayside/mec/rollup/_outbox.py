from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import msgspec

from wayside.clock import Clock
from wayside.mec.rollup._database import Database, Entry, OpenEvent, Stored
from wayside.mec.rollup._reasons import RollupError, RollupReason
from wayside.mec.rollup._settings import OutboxSettings
from wayside.observe import Counters
from wayside.records import Body, EventRecord, RecordId

T = TypeVar("T")


class OutboxState(msgspec.Struct, frozen=True):
    """What lies in the outbox. held: records in memory that the disk has not taken yet. last: newest
    committed sequence of this boot, 0 for none."""

    rows: int
    bytes: int
    held: int
    boot: int
    last: int


class _Append(msgspec.Struct):
    entry: Entry
    future: asyncio.Future[list[RecordId]] | None


class _Call(msgspec.Struct):
    function: Callable[[Database], Any]
    future: asyncio.Future[Any]


class _Stop(msgspec.Struct):
    future: asyncio.Future[None]


class Outbox:
    """The edge's durable queue: what must reach the centre is committed here first.

    SQLite in WAL mode with synchronous=FULL, on a thread of its own, so the event loop never waits for the
    disk; appends that arrive while a transaction runs share the next one. All methods belong to the loop
    that opened it. Counts `outbox_committed`, `outbox_shed` by kind of record, and RollupReason drops.
    """

    def __init__(
        self, database: Database, path: Path, clock: Clock, counters: Counters, settings: OutboxSettings
    ) -> None:
        self.path = path
        self._database = database
        self.clock = clock
        self._counters = counters
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[_Append | _Call | _Stop] = queue.SimpleQueue()
        self._changed = asyncio.Event()
        self._closed = False
        self._state = OutboxState(database.rows, database.bytes, 0, database.boot, 0)
        self._waiting = 0
        self._writer = _Writer(database, self._jobs, settings, self._report)
        self._thread = threading.Thread(target=self._writer.run, name="outbox", daemon=True)
        self._thread.start()

    @classmethod
    async def open(
        cls,
        path: Path,
        site: str,
        clock: Clock,
        counters: Counters | None = None,
        settings: OutboxSettings | None = None,
    ) -> Outbox:
        """Open or create the file and count this start in it.

        Raises RollupError DISK_FULL, DISK_LOCKED, DISK_FAILED.
        """
        limits = settings or OutboxSettings()
        database = await asyncio.to_thread(Database, path, site, clock.utc(), limits)
        return cls(database, path, clock, Counters() if counters is None else counters, limits)

    @property
    def boot(self) -> int:
        """Number of this start, the middle part of the identities."""
        return self._state.boot

    @property
    def instance(self) -> str:
        """Identity of the file, 32 hexadecimal digits; made with it, kept as long as it is."""
        return self._database.instance

    @property
    def state(self) -> OutboxState:
        """What lies in it, as of the last transaction."""
        return self._state

    async def append(self, items: Sequence[tuple[str, Body]]) -> list[RecordId]:
        """Commit records (key, body) and return their identities, in order.

        All or none. Raises RollupError: UNFIT (lost: too large or not to be encoded), BUFFER_FULL (lost), or
        DISK_FULL, DISK_LOCKED, DISK_FAILED with `kept` set: they wait in memory, keep their order and are
        committed when the disk takes them; the caller does not append them again.
        """
        return await self.append_entry(tuple(items), {})

    async def append_entry(
        self, items: tuple[tuple[str, Body], ...], events: dict[str, EventRecord | None]
    ) -> list[RecordId]:
        """As `append`, with changes of the table of open events (None: over) in the same transaction."""
        self._check_open()
        if not items and not events:
            return []
        if self._waiting + len(items) > self._settings.held_records:
            self._counters.drop(RollupReason.BUFFER_FULL, len(items))
            raise RollupError(RollupReason.BUFFER_FULL, f"{self._waiting} records wait for the disk")
        self._waiting += len(items)
        future: asyncio.Future[list[RecordId]] = self._loop.create_future()
        self._jobs.put(_Append(Entry(items, self.clock.utc(), events), future))
        return await asyncio.shield(future)

    async def page(self, limit: int, max_bytes: int = 1_048_576) -> list[Stored]:
        """Oldest records in order of (boot, seq): at most `limit`, and `max_bytes` beyond the first one."""
        return await self._call(lambda database: database.page(limit, max_bytes))

    async def confirm(self, ids: Iterable[RecordId]) -> int:
        """Delete what the centre has stored; returns how many records that were."""
        wanted = list(ids)
        return await self._call(lambda database: database.confirm(wanted))

    async def set_aside(self, refused: Iterable[tuple[RecordId, str, str]]) -> int:
        """Take records that the centre refuses (id, reason, detail) out of the queue, into a table for a
        person to look at; counted as REFUSED."""
        wanted, now = list(refused), self.clock.utc()
        moved = await self._call(lambda database: database.set_aside(wanted, now))
        self._counters.drop(RollupReason.REFUSED, moved)
        return moved

    async def refused(self) -> list[tuple[int, int, str, str]]:
        """Records kept aside: boot, seq, reason, detail, oldest first."""
        return await self._call(lambda database: database.refused())

    async def open_events(self) -> list[OpenEvent]:
        """Events that are not over, as committed."""
        return await self._call(lambda database: database.open_events())

    async def wait_pending(self) -> None:
        """Return when there is at least one record to send."""
        while self._state.rows == 0:
            self._changed.clear()
            await self._changed.wait()

    async def wait_empty(self) -> None:
        """Return when nothing is left to send or to commit."""
        while self._state.rows or self._waiting:
            self._changed.clear()
            await self._changed.wait()

    async def close(self) -> None:
        """Try once more to commit what waits, end the thread, close the file. Idempotent."""
        if self._closed:
            return
        self._closed = True
        future: asyncio.Future[None] = self._loop.create_future()
        self._jobs.put(_Stop(future))
        await future
        await asyncio.to_thread(self._thread.join)

    async def __aenter__(self) -> Outbox:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("the outbox is closed")

    async def _call(self, function: Callable[[Database], T]) -> T:
        self._check_open()
        future: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put(_Call(function, future))
        return await asyncio.shield(future)

    def _report(self, report: _Report) -> bool:
        """Called on the writer's thread: hand the outcome over to the loop; False when it has ended."""
        try:
            self._loop.call_soon_threadsafe(self._take, report)
        except RuntimeError:
            return False
        return True

    def _take(self, report: _Report) -> None:
        self._state = report.state
        self._waiting -= report.settled
        for name, number in report.committed.items():
            self._counters.count("outbox_committed", name, number)
        for name, number in report.shed.items():
            self._counters.count("outbox_shed", name, number)
            self._counters.drop(RollupReason.SHED, number)
        for reason, number in report.dropped.items():
            self._counters.drop(reason, number)
        for future, outcome in report.answers:
            if future.done():
                continue
            if isinstance(outcome, BaseException):
                future.set_exception(outcome)
                future.exception()  # a caller that was cancelled does not come for it
            else:
                future.set_result(outcome)
        if report.stopped is not None and not report.stopped.done():
            report.stopped.set_result(None)
        self._changed.set()


class _Report(msgspec.Struct):
    state: OutboxState
    settled: int = 0
    committed: dict[str, int] = {}
    shed: dict[str, int] = {}
    dropped: dict[RollupReason, int] = {}
    answers: list[tuple[asyncio.Future[Any], Any]] = []
    stopped: asyncio.Future[None] | None = None


class _Writer:
    """The outbox's thread: jobs in order, appends in groups, failed appends held and tried again."""

    def __init__(
        self,
        database: Database,
        jobs: queue.SimpleQueue[_Append | _Call | _Stop],
        settings: OutboxSettings,
        report: Callable[[_Report], bool],
    ) -> None:
        self._database = database
        self._jobs = jobs
        self._settings = settings
        self._report = report
        self._held: deque[_Append] = deque()

    def run(self) -> None:
        """Until stopped, or until the loop has ended without `close`: what is committed is on disk then, and
        nobody is left to tell."""
        while self._step():
            pass
        self._database.close()

    def _step(self) -> bool:
        job: _Append | _Call | _Stop
        try:
            job = self._jobs.get(timeout=self._settings.retry_s if self._held else None)
        except queue.Empty:
            return self._report(self._commit([]))
        appends: list[_Append] = []
        while isinstance(job, _Append):
            appends.append(job)
            if len(appends) >= self._settings.group or self._jobs.empty():
                break
            job = self._jobs.get()
        if appends and not self._report(self._commit(appends)):
            return False
        if isinstance(job, _Call):
            return self._report(self._answer(job))
        if isinstance(job, _Stop):
            report = self._commit([]) if self._held else self._new_report()
            report.stopped = job.future
            self._report(report)
            return False
        return True

    def _commit(self, appends: list[_Append]) -> _Report:
        batch = [*self._held, *appends]
        report = self._new_report()
        try:
            written = self._database.write([item.entry for item in batch])
        except RollupError as error:
            self._held.extend(_Append(item.entry, None) for item in appends)
            error.kept = True
            waits = sum(len(item.entry.items) for item in appends)
            if waits:
                report.dropped[error.reason] = waits
            report.answers = [(item.future, error) for item in appends if item.future is not None]
        else:
            self._held.clear()
            report.shed = written.shed
            for item, outcome in zip(batch, written.outcomes, strict=True):
                _settle(report, item, outcome)
        report.state = self._state()
        return report

    def _answer(self, job: _Call) -> _Report:
        outcome: Any
        try:
            outcome = job.function(self._database)
        except Exception as error:
            outcome = error  # raised where the answer is awaited
        report = self._new_report()
        report.answers = [(job.future, outcome)]
        return report

    def _state(self) -> OutboxState:
        held = sum(len(item.entry.items) for item in self._held)
        return OutboxState(
            self._database.rows, self._database.bytes, held, self._database.boot, self._database.seq
        )

    def _new_report(self) -> _Report:
        return _Report(self._state())


def _settle(report: _Report, item: _Append, outcome: list[RecordId] | RollupError) -> None:
    number = len(item.entry.items)
    report.settled += number
    if isinstance(outcome, RollupError):
        report.dropped[outcome.reason] = report.dropped.get(outcome.reason, 0) + number
    else:
        for _, body in item.entry.items:
            name = type(body).__name__
            report.committed[name] = report.committed.get(name, 0) + 1
    if item.future is not None:
        report.answers.append((item.future, outcome))
