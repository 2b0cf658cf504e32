from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from wayside.clock import VirtualClock
from wayside.mec.rollup import Outbox, OutboxSettings, RollupError, RollupReason
from wayside.observe import Counters
from wayside.records import (
    MAX_RECORD_BYTES,
    DeliveryRecord,
    DeviceRecord,
    EventRecord,
    RecordId,
    SummaryRecord,
    decode_record,
)

Summary = Callable[[int], SummaryRecord]
Event = Callable[[int], EventRecord]
SITE = "haihe"


def _ids(page: list[object]) -> list[RecordId]:
    return [item.id for item in page]  # type: ignore[attr-defined]


async def test_append_is_on_disk_when_it_returns(
    tmp_path: Path, clock: VirtualClock, summary: Summary
) -> None:
    path = tmp_path / "outbox.db"
    async with await Outbox.open(path, SITE, clock) as outbox:
        ids = await outbox.append([(SITE, summary(1)), ("rsu-1", summary(2))])
        with sqlite3.connect(path) as other:
            rows = other.execute("SELECT boot, seq, body FROM outbox ORDER BY row").fetchall()
        other.close()
        records = [decode_record(body) for _, _, body in rows]
        assert [record.id for record in records] == ids
        assert [(record.key, record.body) for record in records] == [
            (SITE, summary(1)),
            ("rsu-1", summary(2)),
        ]
        assert {record.utc_ns for record in records} == {clock.utc()}
        assert ids == [RecordId(SITE, outbox.boot, 1), RecordId(SITE, outbox.boot, 2)]


async def test_a_new_file_begins_at_the_utc_second_and_counts_from_there(
    tmp_path: Path, clock: VirtualClock
) -> None:
    boots = []
    for _ in range(3):
        async with await Outbox.open(tmp_path / "o.db", SITE, clock) as outbox:
            boots.append(outbox.boot)
    first = clock.utc() // 1_000_000_000
    assert boots == [first, first + 1, first + 2]
    clock.step_utc(-1e6)
    async with await Outbox.open(tmp_path / "o.db", SITE, clock) as outbox:
        assert outbox.boot == first + 3, "a clock set back must not bring an identity again"


async def test_pages_come_oldest_first_across_boots_and_leave_by_confirmation_only(
    tmp_path: Path, clock: VirtualClock, summary: Summary
) -> None:
    path = tmp_path / "o.db"
    async with await Outbox.open(path, SITE, clock) as outbox:
        old = await outbox.append([(SITE, summary(n)) for n in range(3)])
    async with await Outbox.open(path, SITE, clock) as outbox:
        assert outbox.state.rows == 3
        new = await outbox.append([(SITE, summary(n)) for n in range(3)])
        assert _ids(await outbox.page(4)) == [*old, new[0]]
        assert _ids(await outbox.page(4)) == [*old, new[0]]
        assert await outbox.confirm([old[0], old[2], new[1]]) == 3
        assert await outbox.confirm([old[0]]) == 0
        assert _ids(await outbox.page(10)) == [old[1], new[0], new[2]]
        assert outbox.state.rows == 3


async def test_a_page_stays_below_its_bytes_but_never_empty(
    tmp_path: Path, clock: VirtualClock, summary: Summary
) -> None:
    async with await Outbox.open(tmp_path / "o.db", SITE, clock) as outbox:
        await outbox.append([(SITE, summary(n)) for n in range(10)])
        assert len(await outbox.page(10, max_bytes=1)) == 1
        size = len((await outbox.page(1))[0].body)
        assert len(await outbox.page(10, max_bytes=3 * size + 1)) == 3


async def test_concurrent_appends_share_transactions_and_keep_their_order(
    tmp_path: Path, clock: VirtualClock, summary: Summary
) -> None:
    async with await Outbox.open(tmp_path / "o.db", SITE, clock) as outbox:
        answers = await asyncio.gather(*(outbox.append([(SITE, summary(n))]) for n in range(500)))
        assert [ids[0].seq for ids in answers] == list(range(1, 501))
        stored = [decode_record(item.body) for item in await outbox.page(1_000)]
        assert [record.body.from_utc_ns for record in stored] == list(range(500))  # type: ignore[union-attr]


@pytest.mark.drops(RollupReason.SHED)
async def test_at_the_byte_cap_summaries_go_first_and_events_last(
    tmp_path: Path,
    clock: VirtualClock,
    summary: Summary,
    event: Event,
    device: Callable[[int], DeviceRecord],
    delivery: Callable[[int], DeliveryRecord],
) -> None:
    counters = Counters()
    settings = OutboxSettings(cap_bytes=4_000)
    async with await Outbox.open(tmp_path / "o.db", SITE, clock, counters, settings) as outbox:
        await outbox.append([(SITE, event(n)) for n in range(8)])
        await outbox.append(
            [("rsu", device(0)), ("rsu", delivery(0)), (SITE, summary(0)), (SITE, summary(1))]
        )
        full = outbox.state.bytes
        assert counters.dropped(RollupReason.SHED) == 0
        lost_order = []
        n = 8
        while counters.dropped(RollupReason.SHED) < 6:
            before = dict(counters.counts().get("outbox_shed", {}))
            await outbox.append([(SITE, event(n))])
            n += 1
            after = counters.counts().get("outbox_shed", {})
            for kind in after:
                lost_order += [kind] * (after[kind] - before.get(kind, 0))
            assert outbox.state.bytes <= 4_000
        assert full < 4_000
        assert lost_order[:2] == ["SummaryRecord", "SummaryRecord"]
        assert sorted(lost_order[2:4]) == ["DeliveryRecord", "DeviceRecord"]
        assert set(lost_order[4:]) == {"EventRecord"}
        left = [decode_record(item.body).body for item in await outbox.page(100)]
        assert [body.event_id for body in left] == [f"e{k}" for k in range(len(lost_order) - 4, n)]  # type: ignore[union-attr]
        assert outbox.state.rows == len(left)


@pytest.mark.drops(RollupReason.UNFIT)
@pytest.mark.parametrize("bad", ["too large", "no wire form"])
async def test_a_record_that_cannot_be_kept_hurts_no_other(
    tmp_path: Path, clock: VirtualClock, summary: Summary, bad: str
) -> None:
    counters = Counters()
    value: object = "x" * MAX_RECORD_BYTES if bad == "too large" else object()
    body = DeviceRecord("rsu", "rsu", "up", detail={"value": value})  # type: ignore[dict-item]
    async with await Outbox.open(tmp_path / "o.db", SITE, clock, counters) as outbox:
        good, refused, more = await asyncio.gather(
            outbox.append([(SITE, summary(1))]),
            outbox.append([("rsu", body)]),
            outbox.append([(SITE, summary(2))]),
            return_exceptions=True,
        )
        assert isinstance(refused, RollupError) and refused.reason is RollupReason.UNFIT and not refused.kept
        assert isinstance(good, list) and isinstance(more, list)
        assert [good[0].seq, more[0].seq] == [1, 2]
        assert counters.dropped(RollupReason.UNFIT) == 1


@pytest.mark.drops(RollupReason.DISK_LOCKED)
async def test_a_locked_file_keeps_records_in_memory_in_order_until_it_is_free(
    tmp_path: Path, clock: VirtualClock, summary: Summary
) -> None:
    counters = Counters()
    settings = OutboxSettings(busy_s=0.01, retry_s=0.02)
    path = tmp_path / "o.db"
    async with await Outbox.open(path, SITE, clock, counters, settings) as outbox:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        for n in (1, 2):
            with pytest.raises(RollupError) as caught:
                await outbox.append([(SITE, summary(n))])
            assert caught.value.reason is RollupReason.DISK_LOCKED and caught.value.kept
        assert outbox.state.held == 2 and outbox.state.rows == 0
        assert counters.dropped(RollupReason.DISK_LOCKED) == 2
        other.execute("ROLLBACK")
        other.close()
        await outbox.wait_pending()
        (third,) = await outbox.append([(SITE, summary(3))])
        stored = [decode_record(item.body) for item in await outbox.page(10)]
        assert [record.body for record in stored] == [summary(1), summary(2), summary(3)]
        assert stored[-1].id == third and outbox.state.held == 0
        assert counters.value("outbox_committed", "SummaryRecord") == 3


@pytest.mark.drops(RollupReason.DISK_FULL)
async def test_a_full_disk_keeps_records_in_memory_until_there_is_room(
    tmp_path: Path, clock: VirtualClock, device: Callable[[int], DeviceRecord], summary: Summary
) -> None:
    counters = Counters()
    big = DeviceRecord("rsu", "rsu", "up", detail={"text": "x" * 50_000})
    settings = OutboxSettings(retry_s=0.02)
    async with await Outbox.open(tmp_path / "o.db", SITE, clock, counters, settings) as outbox:
        first = await outbox.append([("rsu", big)])
        pages = await outbox._call(lambda db: db._sql.execute("PRAGMA page_count").fetchone()[0])
        await outbox._call(lambda db: db._sql.execute(f"PRAGMA max_page_count = {pages + 2}").fetchone())
        with pytest.raises(RollupError) as caught:
            await outbox.append([("rsu", big)])
        assert caught.value.reason is RollupReason.DISK_FULL and caught.value.kept
        assert "byte cap" in str(caught.value)
        assert len(await outbox.page(10)) == 1, "what is on disk can still be read and sent"
        assert await outbox.confirm(first) == 1
        await outbox.wait_pending()
        assert [decode_record(item.body).body for item in await outbox.page(10)] == [big]
        assert outbox.state.held == 0 and counters.dropped(RollupReason.DISK_FULL) == 1


@pytest.mark.drops(RollupReason.BUFFER_FULL)
async def test_memory_for_waiting_records_is_bounded(
    tmp_path: Path, clock: VirtualClock, summary: Summary
) -> None:
    counters = Counters()
    settings = OutboxSettings(busy_s=0.01, held_records=3)
    path = tmp_path / "o.db"
    async with await Outbox.open(path, SITE, clock, counters, settings) as outbox:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        for n in range(3):
            with pytest.raises(RollupError):
                await outbox.append([(SITE, summary(n))])
        with pytest.raises(RollupError) as caught:
            await outbox.append([(SITE, summary(9))])
        assert caught.value.reason is RollupReason.BUFFER_FULL and not caught.value.kept
        assert counters.dropped(RollupReason.BUFFER_FULL) == 1
        other.execute("ROLLBACK")
        other.close()
    async with await Outbox.open(path, SITE, clock) as outbox:
        assert outbox.state.rows == 3, "closing tries once more"


@pytest.mark.drops(RollupReason.DISK_FAILED)
@pytest.mark.parametrize("damage", ["no database", "newer schema", "a folder"])
async def test_a_file_that_is_no_outbox_is_refused(tmp_path: Path, clock: VirtualClock, damage: str) -> None:
    path = tmp_path / "o.db"
    if damage == "no database":
        path.write_bytes(b"this is no database" * 500)
    elif damage == "a folder":
        path.mkdir()
    else:
        sql = sqlite3.connect(path)
        sql.execute("PRAGMA user_version = 99")
        sql.close()
    with pytest.raises(RollupError) as caught:
        await Outbox.open(path, SITE, clock)
    assert caught.value.reason is RollupReason.DISK_FAILED
    assert str(path) in str(caught.value)


async def test_refused_records_are_kept_aside_up_to_a_limit(
    tmp_path: Path, clock: VirtualClock, summary: Summary
) -> None:
    counters = Counters()
    settings = OutboxSettings(refused_records=2)
    async with await Outbox.open(tmp_path / "o.db", SITE, clock, counters, settings) as outbox:
        ids = await outbox.append([(SITE, summary(n)) for n in range(4)])
        await outbox.set_aside([(record_id, "malformed", "lat") for record_id in ids[:3]])
        assert counters.dropped(RollupReason.REFUSED) == 3
        assert [row[1:] for row in await outbox.refused()] == [
            (2, "malformed", "lat"),
            (3, "malformed", "lat"),
        ]
        assert _ids(await outbox.page(9)) == [ids[3]]


async def test_a_caller_that_gives_up_loses_nothing(
    tmp_path: Path, clock: VirtualClock, summary: Summary
) -> None:
    async with await Outbox.open(tmp_path / "o.db", SITE, clock) as outbox:
        task = asyncio.ensure_future(outbox.append([(SITE, summary(1))]))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await outbox.wait_pending()
        assert outbox.state.rows == 1


async def test_a_closed_outbox_says_so(tmp_path: Path, clock: VirtualClock, summary: Summary) -> None:
    outbox = await Outbox.open(tmp_path / "o.db", SITE, clock)
    await outbox.close()
    await outbox.close()
    with pytest.raises(RuntimeError, match="closed"):
        await outbox.append([(SITE, summary(1))])
