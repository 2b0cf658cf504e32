from __future__ import annotations

import asyncio
import math

import msgspec

from wayside.clock import Clock, MonoNs, UtcNs
from wayside.mec.rollup._outbox import Outbox
from wayside.mec.rollup._reasons import RollupError, RollupReason
from wayside.mec.rollup._settings import LedgerSettings
from wayside.observe import Counters, TraceStep
from wayside.records import EventRecord, EventState, RecordId

_M_PER_DEG = 111_195.0


class EventFacts(msgspec.Struct, frozen=True):
    """What an app knows of an event now; the names mean what they mean in `records.EventRecord`.

    warned: vehicles warned so far in all. latency_ms, trace: empty when there is nothing newer.
    """

    kind: str
    severity: int
    lat_deg: float
    lon_deg: float
    app: str
    trace_id: str
    lane: str = ""
    warned: int = 0
    evidence: dict[str, float | int | str | bool] = {}
    latency_ms: dict[str, float] = {}
    trace: tuple[TraceStep, ...] = ()


class _Open(msgspec.Struct):
    reported: EventRecord
    reported_at: MonoNs
    known: EventRecord


class EventLedger:
    """Life of the site's events: each is opened once, revised when something has changed, closed once.

    A subject is the app's own name of what the event is about (`hlw/lane 3/…`); while it is open, all that
    is said of it is one event, also across a crash of the edge. `observe` and `finish` are pure and give the
    event's identity at once, so that a warning need not wait for the disk; `commit` makes each new
    revision durable together with the table of open events. outbox: None for a ledger without a disk, as in
    a lockstep run. boot: of the edge, part of each new identity.
    """

    def __init__(
        self,
        site: str,
        clock: Clock,
        settings: LedgerSettings,
        counters: Counters,
        *,
        boot: int = 0,
        outbox: Outbox | None = None,
    ) -> None:
        self._outbox = outbox
        self._clock = clock
        self.boot = boot
        self._site = site
        self._settings = settings
        self._counters = counters
        self._open: dict[str, _Open] = {}
        self._reserved: dict[str, str] = {}
        self._begun = 0
        self._pending: list[tuple[str, EventRecord]] = []

    @classmethod
    async def adopt(
        cls,
        outbox: Outbox,
        site: str,
        settings: LedgerSettings | None = None,
        counters: Counters | None = None,
    ) -> EventLedger:
        """A ledger that goes on with the events left open by the last run of this site.

        Raises RollupError DISK_FAILED.
        """
        ledger = cls(
            site,
            outbox.clock,
            settings or LedgerSettings(),
            Counters() if counters is None else counters,
            boot=outbox.boot,
            outbox=outbox,
        )
        at = outbox.clock.mono()
        for event in await outbox.open_events():
            ledger._open[event.subject] = _Open(event.record, at, event.record)
        return ledger

    def open_events(self) -> dict[str, EventRecord]:
        """Subject → what is known of each open event."""
        return {subject: entry.known for subject, entry in self._open.items()}

    def identity(self, subject: str) -> str:
        """Identity of the open event of a subject, or the one it will have when it is observed."""
        entry = self._open.get(subject)
        if entry is not None:
            return entry.reported.event_id
        if subject not in self._reserved:
            self._begun += 1
            self._reserved[subject] = f"{self.boot:x}-{self._begun}"
        return self._reserved[subject]

    def observe(self, subject: str, facts: EventFacts, now: UtcNs) -> EventRecord | None:
        """Say that an event is there: its first record, a new revision, or None when nothing worth a
        revision has changed.

        Raises RollupError LEDGER_FULL when too many events are open.
        """
        entry = self._open.get(subject)
        if entry is None:
            return self._begin(subject, facts, now)
        entry.known = _revised(entry.known, facts)
        waited_s = (self._clock.mono() - entry.reported_at) / 1e9
        urgent = facts.severity > entry.reported.severity
        due = waited_s >= self._settings.interval_s
        if not (urgent or (due and self._changed(entry.reported, entry.known))):
            return None
        return self._report(subject, entry)

    def finish(self, subject: str, now: UtcNs) -> EventRecord | None:
        """Say that an event is over: its last record, None when no such event is open."""
        entry = self._open.pop(subject, None)
        if entry is None:
            return None
        record = msgspec.structs.replace(
            entry.known,
            revision=entry.reported.revision + 1,
            state=EventState.CLOSED,
            closed_utc_ns=max(now, entry.known.opened_utc_ns),
        )
        self._note(subject, record)
        return record

    async def commit(self) -> list[RecordId]:
        """Make everything since the last commit durable; identities of the records, in order.

        Each revision stands for itself: one that is UNFIT takes no other with it. Raises the first
        RollupError after all have been tried, see `Outbox.append`.
        """
        pending, self._pending = self._pending, []
        if self._outbox is None:
            return []
        outcomes = await asyncio.gather(
            *(_commit(self._outbox, self._site, subject, record) for subject, record in pending),
            return_exceptions=True,
        )
        ids: list[RecordId] = []
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
            ids += outcome
        return ids

    def _begin(self, subject: str, facts: EventFacts, now: UtcNs) -> EventRecord:
        if len(self._open) >= self._settings.open_events:
            self._reserved.pop(subject, None)
            self._counters.drop(RollupReason.LEDGER_FULL)
            raise RollupError(RollupReason.LEDGER_FULL, f"{len(self._open)} events are open")
        event_id = self.identity(subject)
        del self._reserved[subject]
        record = EventRecord(
            event_id=event_id,
            revision=1,
            state=EventState.OPEN,
            kind=facts.kind,
            severity=facts.severity,
            lat_deg=facts.lat_deg,
            lon_deg=facts.lon_deg,
            opened_utc_ns=now,
            closed_utc_ns=None,
            app=facts.app,
            trace_id=facts.trace_id,
            lane=facts.lane,
            warned=facts.warned,
            evidence=facts.evidence,
            latency_ms=facts.latency_ms,
            trace=facts.trace,
        )
        self._open[subject] = _Open(record, self._clock.mono(), record)
        self._note(subject, record)
        return record

    def _note(self, subject: str, record: EventRecord) -> None:
        if self._outbox is not None:
            self._pending.append((subject, record))

    def _report(self, subject: str, entry: _Open) -> EventRecord:
        record = msgspec.structs.replace(entry.known, revision=entry.reported.revision + 1)
        entry.reported = entry.known = record
        entry.reported_at = self._clock.mono()
        self._note(subject, record)
        return record

    def _changed(self, before: EventRecord, after: EventRecord) -> bool:
        if (
            before.severity != after.severity
            or before.lane != after.lane
            or before.kind != after.kind
            or before.warned != after.warned
            or before.trace != after.trace
            or before.latency_ms != after.latency_ms
        ):
            return True
        north_m = (after.lat_deg - before.lat_deg) * _M_PER_DEG
        east_m = (
            math.remainder(after.lon_deg - before.lon_deg, 360.0)
            * _M_PER_DEG
            * math.cos(math.radians(after.lat_deg))
        )
        return math.hypot(north_m, east_m) >= self._settings.moved_m


async def _commit(outbox: Outbox, site: str, subject: str, record: EventRecord) -> list[RecordId]:
    now_open = None if record.state is EventState.CLOSED else record
    return await outbox.append_entry(((site, record),), {subject: now_open})


def _revised(known: EventRecord, facts: EventFacts) -> EventRecord:
    """The event with newer facts. A trace belongs to its `trace_id`: both stay until a newer trace comes."""
    keep_trace = bool(known.trace) and not facts.trace
    return msgspec.structs.replace(
        known,
        kind=facts.kind,
        severity=facts.severity,
        lat_deg=facts.lat_deg,
        lon_deg=facts.lon_deg,
        app=facts.app,
        lane=facts.lane,
        warned=max(known.warned, facts.warned),
        evidence=facts.evidence or known.evidence,
        latency_ms=facts.latency_ms or known.latency_ms,
        trace_id=known.trace_id if keep_trace else facts.trace_id,
        trace=known.trace if keep_trace else facts.trace,
    )
