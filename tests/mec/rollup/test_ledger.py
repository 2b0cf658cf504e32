from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from wayside.clock import VirtualClock
from wayside.mec.rollup import EventFacts, EventLedger, LedgerSettings, Outbox, RollupError, RollupReason
from wayside.observe import Counters, TraceStep
from wayside.records import EventRecord, EventState, Record, decode_record

SITE = "haihe"
Facts = Callable[..., EventFacts]


async def _stored(outbox: Outbox) -> list[EventRecord]:
    bodies = [decode_record(item.body).body for item in await outbox.page(1_000)]
    assert all(isinstance(body, EventRecord) for body in bodies)
    return bodies  # type: ignore[return-value]


async def test_one_event_from_its_opening_to_its_close(
    tmp_path: Path, clock: VirtualClock, facts: Facts
) -> None:
    async with await Outbox.open(tmp_path / "o.db", SITE, clock) as outbox:
        ledger = await EventLedger.adopt(outbox, SITE)
        opened = ledger.observe("hlw/3", facts(), clock.utc())
        assert opened is not None and (opened.revision, opened.state) == (1, EventState.OPEN)
        assert ledger.identity("hlw/3") == opened.event_id
        clock.advance(2)
        assert ledger.observe("hlw/3", facts(evidence={"age_s": 2.0}), clock.utc()) is None
        revised = ledger.observe("hlw/3", facts(warned=1), clock.utc())
        assert revised is not None and (revised.revision, revised.event_id) == (2, opened.event_id)
        assert revised.evidence == {"age_s": 2.0}, "evidence alone is no news, but goes with the next"
        clock.advance(2)
        closed = ledger.finish("hlw/3", clock.utc())
        assert closed is not None and (closed.revision, closed.state) == (3, EventState.CLOSED)
        assert closed.closed_utc_ns == clock.utc() and closed.opened_utc_ns == opened.opened_utc_ns
        assert ledger.finish("hlw/3", clock.utc()) is None
        ids = await ledger.commit()
        assert [record_id.seq for record_id in ids] == [1, 2, 3]
        assert await _stored(outbox) == [opened, revised, closed]
        assert await outbox.open_events() == [] and await ledger.commit() == []
        again = ledger.observe("hlw/3", facts(), clock.utc())
        assert again is not None and again.event_id != opened.event_id


@pytest.mark.parametrize(
    ("change", "worth"),
    [
        ({"severity": 1}, True),
        ({"lane": "1/4"}, True),
        ({"warned": 1}, True),
        ({"latency_ms": {"fused": 1.0}}, True),
        ({"lat_deg": 38.9976 + 6 / 111_195}, True),
        ({"lat_deg": 38.9976 + 4 / 111_195}, False),
        ({"trace_id": "fedcba9876543210"}, False),
        ({"evidence": {"distance_m": 3.0}}, False),
    ],
)
async def test_what_is_worth_a_revision(
    tmp_path: Path, clock: VirtualClock, facts: Facts, change: dict[str, object], worth: bool
) -> None:
    async with await Outbox.open(tmp_path / "o.db", SITE, clock) as outbox:
        ledger = await EventLedger.adopt(outbox, SITE)
        ledger.observe("s", facts(), clock.utc())
        clock.advance(1.0)
        assert (ledger.observe("s", facts(**change), clock.utc()) is not None) is worth


async def test_revisions_keep_their_interval_except_when_it_gets_worse(
    tmp_path: Path, clock: VirtualClock, facts: Facts
) -> None:
    async with await Outbox.open(tmp_path / "o.db", SITE, clock) as outbox:
        ledger = await EventLedger.adopt(outbox, SITE)
        ledger.observe("s", facts(), clock.utc())
        clock.advance(0.1)
        assert ledger.observe("s", facts(warned=1), clock.utc()) is None
        worse = ledger.observe("s", facts(severity=3), clock.utc())
        assert worse is not None and worse.warned == 1
        clock.step_utc(-100.0)
        clock.advance(1.0)
        assert ledger.observe("s", facts(severity=3, warned=2), clock.utc()) is not None


async def test_a_trace_stays_with_its_identity(tmp_path: Path, clock: VirtualClock, facts: Facts) -> None:
    step = TraceStep("detection", 1, {"sensor": "camera-1"})
    async with await Outbox.open(tmp_path / "o.db", SITE, clock) as outbox:
        ledger = await EventLedger.adopt(outbox, SITE)
        ledger.observe("s", facts(trace=(step,)), clock.utc())
        clock.advance(1.0)
        record = ledger.observe("s", facts(trace_id="fedcba9876543210", warned=4), clock.utc())
        assert record is not None
        assert (record.trace_id, record.trace) == ("0123456789abcdef", (step,))


async def test_open_events_are_adopted_by_the_next_run(
    tmp_path: Path, clock: VirtualClock, facts: Facts
) -> None:
    async with await Outbox.open(tmp_path / "o.db", SITE, clock) as outbox:
        ledger = await EventLedger.adopt(outbox, SITE)
        first = ledger.observe("a", facts(), clock.utc())
        ledger.observe("b", facts(), clock.utc())
        await ledger.commit()
        ledger.observe("never committed", facts(), clock.utc())
    async with await Outbox.open(tmp_path / "o.db", SITE, clock) as outbox:
        ledger = await EventLedger.adopt(outbox, SITE)
        assert set(ledger.open_events()) == {"a", "b"} and ledger.open_events()["a"] == first
        clock.advance(1.0)
        assert ledger.observe("a", facts(), clock.utc()) is None
        new = ledger.observe("c", facts(), clock.utc())
        assert new is not None and new.event_id == f"{outbox.boot:x}-1"
        gone = ledger.finish("b", clock.utc())
        assert gone is not None and gone.event_id == f"{outbox.boot - 1:x}-2"
        assert gone.revision == 2 and gone.state is EventState.CLOSED


@pytest.mark.drops(RollupReason.UNFIT)
@pytest.mark.parametrize("bad", ["evidence", "subject"])
async def test_an_event_that_cannot_be_kept_takes_no_other_with_it(
    tmp_path: Path, clock: VirtualClock, facts: Facts, bad: str
) -> None:
    counters = Counters()
    async with await Outbox.open(tmp_path / "o.db", SITE, clock, counters) as outbox:
        ledger = await EventLedger.adopt(outbox, SITE)
        ledger.observe("a", facts(), clock.utc())
        ledger.observe("\ud800" if bad == "subject" else "b", facts(evidence={"x": object()}), clock.utc())
        ledger.observe("c", facts(), clock.utc())
        with pytest.raises(RollupError) as caught:
            await ledger.commit()
        assert caught.value.reason is RollupReason.UNFIT
        assert [record.event_id[-1] for record in await _stored(outbox)] == ["1", "3"]
        assert [event.subject for event in await outbox.open_events()] == ["a", "c"]
        assert counters.dropped(RollupReason.UNFIT) == 1


@pytest.mark.drops(RollupReason.LEDGER_FULL)
async def test_open_events_are_bounded(tmp_path: Path, clock: VirtualClock, facts: Facts) -> None:
    counters = Counters()
    async with await Outbox.open(tmp_path / "o.db", SITE, clock) as outbox:
        ledger = await EventLedger.adopt(outbox, SITE, LedgerSettings(open_events=1), counters)
        ledger.observe("a", facts(), clock.utc())
        with pytest.raises(RollupError) as caught:
            ledger.observe("b", facts(), clock.utc())
        assert caught.value.reason is RollupReason.LEDGER_FULL
        assert counters.dropped(RollupReason.LEDGER_FULL) == 1
        ledger.finish("a", clock.utc())
        assert ledger.observe("b", facts(), clock.utc()) is not None


SUBJECTS = st.sampled_from(["a", "b", "c"])


class Edge(RuleBasedStateMachine):
    """Ledger and outbox against a plain model, with restarts that lose what was not committed."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="wayside-ledger-"))
        self.runner = asyncio.Runner()
        self.clock = VirtualClock()
        self.queue: list[EventRecord] = []
        self.pending: list[tuple[str, EventRecord]] = []
        self.open: dict[str, EventRecord] = {}
        self.seen: dict[str, EventRecord] = {}
        self.delivered: list[Record] = []
        self._start()

    def _start(self) -> None:
        async def start() -> tuple[Outbox, EventLedger]:
            outbox = await Outbox.open(self.folder / "o.db", SITE, self.clock)
            return outbox, await EventLedger.adopt(outbox, SITE)

        self.outbox, self.ledger = self.runner.run(start())

    @rule(subject=SUBJECTS, severity=st.integers(1, 3), warned=st.integers(0, 5))
    def observe(self, subject: str, severity: int, warned: int) -> None:
        facts = EventFacts("hlw", severity, 39.0, 117.3, "hlw", "t", warned=warned)
        record = self.ledger.observe(subject, facts, self.clock.utc())
        if record is None:
            assert subject in self.seen
            return
        before = self.seen.get(subject)
        assert record.revision == (1 if before is None else before.revision + 1)
        assert before is None or before.event_id == record.event_id
        self.seen[subject] = record
        self.pending.append((subject, record))

    @rule(subject=SUBJECTS)
    def finish(self, subject: str) -> None:
        record = self.ledger.finish(subject, self.clock.utc())
        before = self.seen.pop(subject, None)
        assert (record is None) is (before is None)
        if record is not None and before is not None:
            assert (record.event_id, record.revision) == (before.event_id, before.revision + 1)
            self.pending.append((subject, record))

    @rule()
    def commit(self) -> None:
        ids = self.runner.run(self.ledger.commit())
        assert len(ids) == len(self.pending)
        for subject, record in self.pending:
            self.queue.append(record)
            if record.state is EventState.CLOSED:
                self.open.pop(subject, None)
            else:
                self.open[subject] = record
        self.pending.clear()

    @rule(number=st.integers(1, 4))
    def send(self, number: int) -> None:
        async def send() -> list[Record]:
            page = await self.outbox.page(number)
            await self.outbox.confirm([item.id for item in page])
            return [decode_record(item.body) for item in page]

        records = self.runner.run(send())
        assert [record.body for record in records] == self.queue[:number]
        del self.queue[:number]
        self.delivered += records

    @rule(seconds=st.floats(0.0, 3.0))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule()
    def restart(self) -> None:
        self.runner.run(self.outbox.close())
        self.pending.clear()
        self.seen = dict(self.open)
        self._start()
        assert self.ledger.open_events() == self.open

    @invariant()
    def identities_rise_and_each_event_is_open_once(self) -> None:
        ids = [record.id for record in self.delivered]
        assert ids == sorted(set(ids))
        events = [record.event_id for record in self.open.values()]
        assert len(events) == len(set(events))
        assert self.outbox.state.rows == len(self.queue)

    def teardown(self) -> None:
        self.runner.run(self.outbox.close())
        self.runner.close()
        shutil.rmtree(self.folder)


Edge.TestCase.settings = settings(
    max_examples=20,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
TestEdge = Edge.TestCase
