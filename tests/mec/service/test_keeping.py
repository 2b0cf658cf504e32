"""What the core puts on disk for the side, and answers it, while disk and side come and go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from wayside.clock import VirtualClock
from wayside.mec.ports.side import CommandTaken, CommandUp, PageIs, PageWanted, RecordsKept, RecordUp
from wayside.mec.rollup import RollupError, RollupReason
from wayside.mec.service._keeping import Keeping
from wayside.observe import Counters
from wayside.records import CommandState, DeviceRecord, ResultRecord
from wayside.runtime import TaskOwner

RESULT = ResultRecord("c-1", CommandState.DONE)
RECORD = RecordUp(7, "haihe", DeviceRecord("rsu-1", "rsu", "online"))


class Place:
    """A core's disk that takes its time, its orders, and the port to a side."""

    def __init__(self, clock: VirtualClock) -> None:
        self.up = True
        self.told: list[Any] = []
        self.written: list[Any] = []
        self.disk = asyncio.Event()
        self.disk.set()
        self.broken = False
        self.instance = "i"
        self.state = SimpleNamespace(rows=0, held=0)
        this = cast(Any, self)
        self.keeping = Keeping(this, this, this, this, clock, Counters(), site="haihe", on_order=lambda: None)
        self.keeping.side_came()
        self.told.clear()

    def keep(self, message: Any) -> None:
        self.told.append(message)

    async def commit(self) -> None:
        if self.broken:
            raise RollupError(RollupReason.DISK_FAILED, "no disk")

    async def append(self, items: list[Any]) -> None:
        await self.disk.wait()
        self.written += [body for _, body in items]

    async def page(self, limit: int, max_bytes: int) -> list[Any]:
        await self.disk.wait()
        return []

    async def take(self, data: bytes) -> tuple[ResultRecord, ...]:
        return (RESULT,)


@pytest.fixture
def place(clock: VirtualClock) -> Place:
    return Place(clock)


@pytest.fixture
async def owner() -> AsyncIterator[TaskOwner]:
    async with TaskOwner("test") as tasks:
        yield tasks


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_records_are_kept_when_they_are_on_disk_and_not_before(place: Place, owner: TaskOwner) -> None:
    owner.start(place.keeping.keep(), "keep")
    place.broken = True
    place.keeping.side_record(RECORD)
    await turns()
    assert not place.told and place.keeping.unkept is not None
    place.broken = False
    place.state.held = 1
    place.keeping.touch()
    await turns()
    assert RecordsKept(7) not in place.told
    place.state.held = 0
    place.keeping.touch()
    await turns()
    assert RecordsKept(7) in place.told and place.keeping.unkept is None


async def test_a_command_is_taken_when_another_has_written_its_result(place: Place, owner: TaskOwner) -> None:
    owner.start(place.keeping.keep(), "keep")
    owner.start(place.keeping.answer(), "answer")
    place.disk.clear()
    place.keeping.ask(CommandUp(1, b""))
    await turns()
    assert not place.told and not place.written
    place.disk.set()
    await turns()
    assert place.told == [CommandTaken(1)] and place.written == [RESULT]


@pytest.mark.parametrize("asked", [CommandUp(1, b""), PageWanted(1, 1, 1)])
async def test_the_next_run_of_the_side_is_not_answered_what_the_one_before_asked(
    place: Place, owner: TaskOwner, asked: Any
) -> None:
    owner.start(place.keeping.answer(), "answer")
    place.disk.clear()
    place.keeping.ask(asked)
    await turns()
    place.keeping.side_came()
    place.keeping.ask(PageWanted(1, 1, 1))
    place.told.clear()
    place.disk.set()
    await turns()
    assert place.told == [PageIs(1)]


async def test_the_next_run_of_the_side_is_not_told_of_records_of_the_one_before(
    place: Place, owner: TaskOwner
) -> None:
    owner.start(place.keeping.keep(), "keep")
    place.disk.clear()
    place.keeping.side_record(RECORD)
    await turns()
    place.keeping.side_came()
    place.keeping.side_record(RecordUp(1, RECORD.key, RECORD.body))
    place.told.clear()
    place.disk.set()
    await turns()
    assert place.told == [RecordsKept(1)]
