from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

import msgspec

from wayside.mec.ports import Port
from wayside.mec.ports.side import (
    PAGE_BYTES,
    PAGE_RECORDS,
    Confirmed,
    OutboxIs,
    PageIs,
    PageWanted,
    SetAside,
    Settled,
)
from wayside.mec.rollup import RollupError, RollupReason, Stored
from wayside.records import RecordId

_log = logging.getLogger(__name__)

_Answer = TypeVar("_Answer", PageIs, Settled)


class RemoteOutbox:
    """The core's outbox as the uplink in another process sees it: one question at a time, asked again when
    the core was away in between (each may be asked twice without harm).

    Give it what comes through the port: `state` for OutboxIs, `answer` for PageIs and Settled, `came` when
    the core is there.
    """

    def __init__(self, port: Port) -> None:
        self._port = port
        self._number = 0
        self._state: OutboxIs | None = None
        self._changed = asyncio.Event()
        self._asked: tuple[msgspec.Struct, asyncio.Future[PageIs | Settled]] | None = None
        self._turn = asyncio.Lock()

    # what comes through the port

    def state(self, state: OutboxIs) -> None:
        """What waits now."""
        self._state = state
        self._changed.set()

    def answer(self, answer: PageIs | Settled) -> None:
        """An answer; one that nobody waits for any more is nothing."""
        if self._asked is not None and not self._asked[1].done() and answer.number == self._number:
            self._asked[1].set_result(answer)

    def came(self) -> None:
        """The core is there, perhaps another one: ask again."""
        if self._asked is not None:
            self._port.keep(self._asked[0])

    # what the uplink asks

    @property
    def instance(self) -> str:
        """Identity of the outbox file. Raises RuntimeError before `known`."""
        if self._state is None:
            raise RuntimeError("the core has not told of its outbox yet")
        return self._state.instance

    async def known(self) -> None:
        """Return when the core has told of its outbox."""
        await self._until(lambda: self._state is not None)

    async def page(self, limit: int, max_bytes: int = 1_048_576) -> list[Stored]:
        """Oldest records in order, never more than a port carries. Raises RollupError DISK_FAILED."""
        records, octets = min(limit, PAGE_RECORDS), min(max_bytes, PAGE_BYTES)
        answer = await self._ask(lambda number: PageWanted(number, records, octets), PageIs)
        return list(answer.page)

    async def confirm(self, ids: Iterable[RecordId]) -> int:
        """Delete what the centre has stored; how many records that were. Raises RollupError DISK_FAILED."""
        wanted = tuple(ids)
        return (await self._ask(lambda number: Confirmed(number, wanted), Settled)).records

    async def set_aside(self, refused: Iterable[tuple[RecordId, str, str]]) -> int:
        """Take records out of the queue that the centre refuses. Raises RollupError DISK_FAILED."""
        wanted = tuple(refused)
        return (await self._ask(lambda number: SetAside(number, wanted), Settled)).records

    async def wait_pending(self) -> None:
        """Return when there is at least one record to send."""
        await self._until(lambda: self._state is not None and self._state.rows > 0)

    async def wait_empty(self) -> None:
        """Return when nothing is left to send or to commit; asks the core first, so that nothing is missed
        that it has told."""
        await self.page(1, 1)
        await self._until(lambda: self._state is not None and self._state.rows == 0 and self._state.held == 0)

    async def _until(self, met: Callable[[], bool]) -> None:
        while not met():
            self._changed.clear()
            await self._changed.wait()

    async def _ask(self, question: Callable[[int], msgspec.Struct], kind: type[_Answer]) -> _Answer:
        async with self._turn:
            self._number += 1
            asked = question(self._number)
            future: asyncio.Future[PageIs | Settled] = asyncio.get_running_loop().create_future()
            self._asked = asked, future
            try:
                if self._port.up:
                    self._port.keep(asked)
                answer = await future
            finally:
                self._asked = None
        assert isinstance(answer, kind)
        if answer.failed:
            raise RollupError(RollupReason.DISK_FAILED, answer.failed)
        return answer
