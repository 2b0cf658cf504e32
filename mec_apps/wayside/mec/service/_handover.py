from __future__ import annotations

import asyncio
from collections import deque

from wayside.mec.ports import Port
from wayside.mec.ports.side import CommandUp, RecordUp
from wayside.mec.rollup import CommandSource
from wayside.observe import Counters
from wayside.records import Body

# As many as wait for the outbox at the core.
_WAITING_RECORDS = 4_096


class RecordHandover:
    """Passes the side's records to the core until it has said that they are on disk.

    At most 4,096 wait; the oldest goes then, counted as `records_lost_before_outbox`. A record may be passed
    twice when the core ends between the disk and its word; each tells a state, which is then told twice.
    """

    def __init__(self, port: Port, counters: Counters) -> None:
        self._port = port
        self._counters = counters
        self._number = 0
        self._waiting: deque[RecordUp] = deque()
        self._changed = asyncio.Event()

    def tell(self, key: str, body: Body) -> None:
        """Pass a record on, now or when the core is back."""
        if len(self._waiting) >= _WAITING_RECORDS:
            self._waiting.popleft()
            self._counters.count("records_lost_before_outbox")
        self._number += 1
        record = RecordUp(self._number, key, body)
        self._waiting.append(record)
        if self._port.up:
            self._port.keep(record)

    def came(self) -> None:
        """The core is there: tell it all that it has not confirmed."""
        for record in self._waiting:
            self._port.keep(record)

    def kept(self, number: int) -> None:
        """The core has records up to this number on disk."""
        while self._waiting and self._waiting[0].number <= number:
            self._waiting.popleft()
        self._changed.set()

    async def wait_kept(self) -> None:
        """Return when the core has all."""
        while self._waiting:
            self._changed.clear()
            await self._changed.wait()


class CommandHandover:
    """Passes operators' commands to the core, one after the other, each until it is done there and that is on
    disk."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._number = 0
        self._given: tuple[CommandUp, asyncio.Future[None]] | None = None

    def came(self) -> None:
        """The core is there: tell it the command that it has not confirmed."""
        if self._given is not None:
            self._port.keep(self._given[0])

    def taken(self, number: int) -> None:
        """The core is done with a command."""
        given = self._given
        if given is not None and given[0].number == number and not given[1].done():
            given[1].set_result(None)

    async def run(self, source: CommandSource) -> None:
        """Pass on all that comes, until cancelled."""
        async for received in source.commands():
            self._number += 1
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._given = CommandUp(self._number, received.body), done
            try:
                if self._port.up:
                    self._port.keep(self._given[0])
                await done
            finally:
                self._given = None
            await received.taken()
