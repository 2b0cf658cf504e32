from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from wayside.clock import SystemClock, VirtualClock
from wayside.mec.rollup import HttpUplink, Outbox, RollupReason, UplinkSettings, UplinkState
from wayside.observe import Counters
from wayside.records import (
    INSTANCE_HEADER,
    MAX_ANSWER_BYTES,
    IngestAnswer,
    LiveView,
    Record,
    RecordError,
    RecordId,
    RefusedRecord,
    SummaryRecord,
    decode_live,
    decode_page,
    encode_answer,
)
from wayside.runtime import Backoff, TaskOwner

SITE = "haihe"
Summary = Callable[[int], SummaryRecord]
Until = Callable[[Callable[[], bool]], Awaitable[None]]


class FakeCentre:
    """Answers pages as a centre would, after the answers that `script` asks for."""

    def __init__(self) -> None:
        self.script: list[httpx.Response | Exception | None] = []
        self.stored: list[RecordId] = []
        self.poison: set[int] = set()
        self.whole_page_poison: set[int] = set()
        self.most_records = 1_000
        self.views: list[LiveView] = []
        self.requests: list[httpx.Request] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        await asyncio.sleep(0)
        if self.script:
            scripted = self.script.pop(0)
            if isinstance(scripted, Exception):
                raise scripted
            if scripted is not None:
                return scripted
        if request.url.path == "/v1/live":
            self.views.append(decode_live(request.content))
            return httpx.Response(204)
        try:
            items = decode_page(request.content)
        except RecordError:
            return httpx.Response(400)
        if len(items) > self.most_records:
            raise httpx.WriteTimeout("the line is slow")
        page = [item for item in items if isinstance(item, Record)]
        if any(item.id.seq in self.whole_page_poison for item in page):
            return httpx.Response(400)
        good = [item.id for item in page if item.id.seq not in self.poison]
        self.stored += [record_id for record_id in good if record_id not in self.stored]
        refused = tuple(
            RefusedRecord(index, "malformed", "bad")
            for index, item in enumerate(items)
            if isinstance(item, RecordError) or item.id.seq in self.poison
        )
        return httpx.Response(200, content=encode_answer(IngestAnswer(tuple(good), refused)))


class Edge:
    def __init__(self, outbox: Outbox, uplink: HttpUplink, counters: Counters, centre: FakeCentre) -> None:
        self.outbox, self.uplink, self.counters, self.centre = outbox, uplink, counters, centre

    async def send(self, summaries: list[SummaryRecord]) -> list[RecordId]:
        ids = await self.outbox.append([(SITE, item) for item in summaries])
        assert await self.uplink.drain(5.0)
        return ids


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[Edge]:
    async with running(tmp_path) as edge:
        yield edge


@asynccontextmanager
async def running(tmp_path: Path, page_records: int = 100) -> AsyncIterator[Edge]:
    counters, centre, clock = Counters(), FakeCentre(), SystemClock()
    settings = UplinkSettings("http://centre", "geheim", page_records=page_records, timeout_s=0.2)
    quick = Backoff(first_s=0.001, ceiling_s=0.002, floor_s=0.0, seed=1)
    async with await Outbox.open(tmp_path / "o.db", SITE, clock, counters) as outbox:
        uplink = HttpUplink(
            settings,
            outbox,
            clock,
            counters,
            backoff=quick,
            live_backoff=quick,
            transport=httpx.MockTransport(centre),
        )
        async with TaskOwner("edge") as owner:
            uplink.start(owner)
            yield Edge(outbox, uplink, counters, centre)
        await uplink.close()


async def test_pages_leave_in_order_with_the_token(tmp_path: Path, summary: Summary) -> None:
    async with running(tmp_path, page_records=3) as edge:
        ids = await edge.send([summary(n) for n in range(8)])
        assert edge.centre.stored == ids and len(edge.centre.requests) == 3
        assert edge.centre.requests[0].headers["authorization"] == "Bearer geheim"
        assert edge.centre.requests[0].headers[INSTANCE_HEADER] == edge.outbox.instance
        assert edge.uplink.state is UplinkState.CONNECTED
        assert edge.counters.value("uplink_records") == 8
        assert "geheim" not in repr(UplinkSettings("http://x", "geheim"))


def _never() -> httpx.Response:
    async def body() -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    return httpx.Response(200, content=body())


FAILURES: dict[str, tuple[RollupReason, Callable[[], httpx.Response | Exception]]] = {
    "refused connection": (RollupReason.UNREACHABLE, lambda: httpx.ConnectError("refused")),
    "slow": (RollupReason.UNREACHABLE, _never),
    "cut off": (RollupReason.UNREACHABLE, lambda: httpx.RemoteProtocolError("cut off")),
    "error": (RollupReason.BAD_STATUS, lambda: httpx.Response(500)),
    "no token": (RollupReason.BAD_STATUS, lambda: httpx.Response(401)),
    "moved": (RollupReason.BAD_STATUS, lambda: httpx.Response(302, headers={"location": "http://other/"})),
    "garbage": (RollupReason.BAD_ANSWER, lambda: httpx.Response(200, content=b"<html>")),
    "huge": (RollupReason.BAD_ANSWER, lambda: httpx.Response(200, content=bytes(MAX_ANSWER_BYTES + 1))),
    "names none": (
        RollupReason.BAD_ANSWER,
        lambda: httpx.Response(200, content=encode_answer(IngestAnswer())),
    ),
    "names others": (
        RollupReason.BAD_ANSWER,
        lambda: httpx.Response(200, content=encode_answer(IngestAnswer((RecordId("other", 1, 1),)))),
    ),
    "refuses others": (
        RollupReason.BAD_ANSWER,
        lambda: httpx.Response(200, content=encode_answer(IngestAnswer((), (RefusedRecord(9, "x"),)))),
    ),
}


@pytest.mark.drops(RollupReason.UNREACHABLE, RollupReason.BAD_STATUS, RollupReason.BAD_ANSWER)
@pytest.mark.parametrize("failure", FAILURES)
async def test_whatever_the_centre_does_nothing_is_lost_or_doubled(
    edge: Edge, summary: Summary, failure: str
) -> None:
    reason, make = FAILURES[failure]
    edge.centre.script = [make(), make(), None]
    ids = await edge.send([summary(n) for n in range(5)])
    assert edge.centre.stored == ids
    assert edge.counters.dropped(reason) == 2
    assert edge.outbox.state.rows == 0


async def test_a_centre_that_refuses_is_told_once_and_so_is_its_return(
    edge: Edge, summary: Summary, caplog: pytest.LogCaptureFixture
) -> None:
    edge.centre.script = [httpx.Response(401), httpx.Response(401), None]
    with caplog.at_level("INFO", "wayside"):
        await edge.send([summary(1)])
    (refused, taken) = [line for line in caplog.messages if "the centre takes" in line]
    assert "401" in refused and "geheim" not in refused and taken == "the centre takes records"


@pytest.mark.drops(RollupReason.SITE_TAKEN)
async def test_a_site_that_is_another_edges_is_told_and_its_records_stay(
    edge: Edge, summary: Summary, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    edge.centre.script = [httpx.Response(409)] * 200
    await edge.outbox.append([(SITE, summary(1))])
    await until(lambda: edge.uplink.state is UplinkState.SITE_TAKEN)
    await until(lambda: edge.counters.dropped(RollupReason.SITE_TAKEN) > 3)
    assert edge.outbox.state.rows == 1 and not edge.centre.stored
    (line,) = [line for line in caplog.messages if "knows" in line]
    assert SITE in line and "release" in line
    edge.centre.script = []
    assert await edge.uplink.drain(5.0)
    assert edge.uplink.state is UplinkState.CONNECTED


@pytest.mark.drops(RollupReason.REFUSED)
async def test_a_poison_record_does_not_hold_up_the_others(edge: Edge, summary: Summary) -> None:
    edge.centre.poison = {2}
    ids = await edge.send([summary(n) for n in range(5)])
    assert edge.centre.stored == [record_id for record_id in ids if record_id.seq != 2]
    assert [row[1:] for row in await edge.outbox.refused()] == [(2, "malformed", "bad")]
    assert edge.counters.dropped(RollupReason.REFUSED) == 1


@pytest.mark.drops(RollupReason.REFUSED)
async def test_a_record_that_makes_the_whole_page_bad_is_found(edge: Edge, summary: Summary) -> None:
    edge.centre.whole_page_poison = {6}
    ids = await edge.send([summary(n) for n in range(20)])
    assert edge.centre.stored == [record_id for record_id in ids if record_id.seq != 6]
    assert [row[1:3] for row in await edge.outbox.refused()] == [(6, "status 400")]


async def test_a_page_that_is_too_much_for_the_line_is_halved_until_it_gets_through(
    edge: Edge, summary: Summary
) -> None:
    edge.centre.most_records = 3
    ids = await edge.send([summary(n) for n in range(40)])
    assert edge.centre.stored == ids
    assert edge.counters.dropped(RollupReason.UNREACHABLE) >= 4


@pytest.mark.drops(RollupReason.REFUSED)
async def test_a_record_that_is_damaged_on_the_disk_does_not_hold_up_the_others(
    tmp_path: Path, summary: Summary
) -> None:
    path = tmp_path / "o.db"
    async with await Outbox.open(path, SITE, SystemClock()) as outbox:
        ids = await outbox.append([(SITE, summary(n)) for n in range(5)])
    with sqlite3.connect(path) as sql:
        sql.execute("UPDATE outbox SET body = x'c1c1c1' WHERE seq = 3")
        sql.execute("UPDATE outbox SET body = x'81a26964a1ff' WHERE seq = 4")
    sql.close()
    async with running(tmp_path) as edge:
        assert await edge.uplink.drain(5.0)
        assert edge.centre.stored == [*ids[:2], ids[4]]
        assert [row[1] for row in await edge.outbox.refused()] == [3, 4]


async def test_part_of_a_page_is_confirmed_and_the_rest_comes_again(edge: Edge, summary: Summary) -> None:
    ids = [RecordId(SITE, edge.outbox.boot, n) for n in range(1, 5)]
    edge.centre.script = [httpx.Response(200, content=encode_answer(IngestAnswer((ids[1], ids[3]))))]
    await edge.send([summary(n) for n in range(4)])
    assert edge.centre.stored == [ids[0], ids[2]]


async def test_the_live_view_is_latest_wins(edge: Edge, until: Until) -> None:
    for n in range(50):
        edge.uplink.show(LiveView(SITE, n, n))
    await until(lambda: bool(edge.centre.views))
    assert [view.seq for view in edge.centre.views] == [49]
    assert edge.counters.value("uplink_live_superseded") == 49


@pytest.mark.drops(RollupReason.BAD_STATUS)
async def test_a_live_view_that_fails_is_not_sent_again(edge: Edge, until: Until) -> None:
    edge.centre.script = [httpx.Response(503)]
    edge.uplink.show(LiveView(SITE, 1, 1))
    await until(lambda: edge.counters.dropped(RollupReason.BAD_STATUS) > 0)
    edge.uplink.show(LiveView(SITE, 2, 2))
    await until(lambda: bool(edge.centre.views))
    assert [view.seq for view in edge.centre.views] == [2]


async def test_live_views_keep_their_rate(tmp_path: Path, clock: VirtualClock) -> None:
    centre = FakeCentre()
    async with await Outbox.open(tmp_path / "o.db", SITE, clock) as outbox:
        uplink = HttpUplink(
            UplinkSettings("http://centre", live_hz=10.0),
            outbox,
            clock,
            transport=httpx.MockTransport(centre),
        )
        async with TaskOwner("edge") as owner:
            uplink.start(owner)
            for n in range(40):
                uplink.show(LiveView(SITE, n, n))
                for _ in range(20):
                    await asyncio.sleep(0)
                clock.advance(0.025)
            assert len(centre.views) == 10
        await uplink.close()


async def test_draining_gives_up_in_time(tmp_path: Path, clock: VirtualClock, summary: Summary) -> None:
    async with await Outbox.open(tmp_path / "o.db", SITE, clock) as outbox:
        uplink = HttpUplink(UplinkSettings("http://centre"), outbox, clock)
        await outbox.append([(SITE, summary(1))])
        drain = asyncio.ensure_future(uplink.drain(3.0))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        clock.advance(3.0)
        assert await drain is False
        await uplink.close()
