"""What the side passes to the core, and asks of its outbox, while the core comes and goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from wayside.mec.ports import Port
from wayside.mec.ports.side import CommandUp, Confirmed, OutboxIs, PageIs, PageWanted, RecordUp, Settled
from wayside.mec.rollup import RollupError, RollupReason, Stored
from wayside.mec.rollup._commands import ReceivedCommand
from wayside.mec.service._handover import CommandHandover, RecordHandover
from wayside.mec.service._remote_outbox import RemoteOutbox
from wayside.observe import Counters
from wayside.records import DeviceRecord, RecordId
from wayside.runtime import TaskOwner


class Core:
    """A port that notes what is sent through it."""

    def __init__(self) -> None:
        self.up = True
        self.got: list[Any] = []

    def keep(self, message: Any) -> None:
        self.got.append(message)

    @property
    def port(self) -> Port:
        return cast(Port, self)


def device(name: str) -> DeviceRecord:
    return DeviceRecord(name, "rsu", "online")


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


# records


async def test_records_are_told_until_they_are_on_disk() -> None:
    core = Core()
    handover = RecordHandover(core.port, Counters())
    for name in "abc":
        handover.tell("site", device(name))
    assert [record.number for record in core.got] == [1, 2, 3]
    handover.kept(2)
    core.got.clear()
    handover.came()
    assert core.got == [RecordUp(3, "site", device("c"))]
    handover.kept(3)
    await handover.wait_kept()


async def test_records_wait_for_a_core_that_is_away_and_the_oldest_go_in_the_end() -> None:
    core, counters = Core(), Counters()
    core.up = False
    handover = RecordHandover(core.port, counters)
    for n in range(4_100):
        handover.tell("site", device(str(n)))
    assert not core.got and counters.value("records_lost_before_outbox") == 4
    handover.came()
    assert [record.number for record in core.got] == list(range(5, 4_101))


# commands


class Source:
    """Commands that come when asked."""

    def __init__(self, *bodies: bytes) -> None:
        self._bodies = bodies
        self.taken: list[bytes] = []

    async def commands(self) -> AsyncIterator[ReceivedCommand]:
        for body in self._bodies:

            async def taken(body: bytes = body) -> None:
                self.taken.append(body)

            yield ReceivedCommand(body, taken)

    async def close(self) -> None:
        pass


async def test_a_command_is_taken_when_the_core_has_done_it_and_the_next_waits() -> None:
    core, source = Core(), Source(b"one", b"two")
    handover = CommandHandover(core.port)
    async with TaskOwner("test") as owner:
        owner.start(handover.run(source), "commands")
        await turns()
        assert core.got == [CommandUp(1, b"one")] and not source.taken
        handover.came()
        assert core.got == [CommandUp(1, b"one")] * 2
        handover.taken(99)
        await turns()
        assert not source.taken
        handover.taken(1)
        await turns()
        assert source.taken == [b"one"] and core.got[-1] == CommandUp(2, b"two")


# the outbox


async def test_a_question_is_asked_again_when_the_core_was_away() -> None:
    core = Core()
    outbox = RemoteOutbox(core.port)
    async with TaskOwner("test") as owner:
        asked = owner.start(outbox.page(10, 1_000), "page")
        await turns()
        outbox.came()
        assert core.got == [PageWanted(1, 10, 1_000)] * 2
        stored = Stored(RecordId("s", 1, 1), b"x")
        outbox.answer(PageIs(7))
        outbox.answer(PageIs(1, (stored,)))
        assert await asked == [stored]
        outbox.answer(PageIs(1, (stored,)))
        settled = owner.start(outbox.confirm([stored.id]), "confirm")
        await turns()
        assert core.got[-1] == Confirmed(2, (stored.id,))
        outbox.answer(Settled(2, 1))
        assert await settled == 1


async def test_a_disk_that_fails_is_told() -> None:
    core = Core()
    outbox = RemoteOutbox(core.port)
    async with TaskOwner("test", lambda *_: None) as owner:
        asked = owner.start(outbox.set_aside([]), "aside")
        await turns()
        outbox.answer(Settled(1, failed="disk I/O error"))
        with pytest.raises(RollupError) as failed:
            await asked
        assert failed.value.reason is RollupReason.DISK_FAILED


async def test_it_is_known_pending_and_empty_by_what_the_core_tells() -> None:
    core = Core()
    outbox = RemoteOutbox(core.port)
    with pytest.raises(RuntimeError):
        _ = outbox.instance
    async with TaskOwner("test") as owner:
        known, pending = owner.start(outbox.known(), "known"), owner.start(outbox.wait_pending(), "pending")
        empty = owner.start(outbox.wait_empty(), "empty")
        await turns()
        outbox.answer(PageIs(1))
        outbox.state(OutboxIs("aa", 0, 2))
        await turns()
        assert known.done() and not pending.done() and not empty.done()
        outbox.state(OutboxIs("aa", 1, 0))
        await turns()
        assert pending.done() and not empty.done()
        outbox.state(OutboxIs("aa", 0, 0))
        await turns()
        assert empty.done() and outbox.instance == "aa"
