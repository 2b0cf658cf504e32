from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from wayside.clock import Clock
from wayside.mec.orders import Orders
from wayside.mec.ports import Port
from wayside.mec.ports.side import (
    CommandTaken,
    CommandUp,
    Confirmed,
    OutboxIs,
    PageIs,
    PageWanted,
    RecordsKept,
    RecordUp,
    SetAside,
    Settled,
)
from wayside.mec.rollup import EventLedger, Outbox, RollupError
from wayside.observe import Containment, Counters
from wayside.records import Body
from wayside.runtime import BoundedQueue, Full

_log = logging.getLogger(__name__)

# Records that wait for the outbox; far beyond what a site reports while one transaction runs.
WAITING_RECORDS = 4_096
# The side asks for one thing at a time; more than this is a fault of its.
_ASKED = 64

Asked = PageWanted | Confirmed | SetAside | CommandUp
_Answer = PageIs | Settled | CommandTaken


class Keeping:
    """Puts what is reported on disk, and does what the side asks: pages of the outbox, orders.

    port: to the side. What was asked by an earlier connection is done, but never answered to a later one:
    another run of the side gives the same numbers to other things. on_order: called when an order was done.
    `keep` and `answer` are tasks of its owner; belongs to one loop.
    """

    def __init__(
        self,
        port: Port,
        outbox: Outbox,
        ledger: EventLedger,
        orders: Orders,
        clock: Clock,
        counters: Counters,
        *,
        site: str,
        on_order: Callable[[], None],
    ) -> None:
        self._port = port
        self._outbox = outbox
        self._ledger = ledger
        self._orders = orders
        self._counters = counters
        self._site = site
        self._on_order = on_order
        self._containment = Containment(clock, counters)
        self._due = asyncio.Event()
        self._turn = asyncio.Lock()
        self._records: BoundedQueue[tuple[str, Body]] = BoundedQueue(
            WAITING_RECORDS, Full.DROP_OLDEST, lambda _: counters.count("records_lost_before_outbox")
        )
        self._asked: BoundedQueue[tuple[int, Asked]] = BoundedQueue(
            _ASKED, Full.REFUSE_NEWEST, lambda _: counters.count("side_questions_refused")
        )
        self._connection = 0
        self._told_by_side = self._told_to_side = 0
        self._outbox_told: OutboxIs | None = None
        self.unkept: RollupError | None = None

    # what comes

    def touch(self) -> None:
        """Something of the ledger may be due for the disk."""
        self._due.set()

    def record(self, body: Body) -> None:
        """Report a record of the core's."""
        self._records.put((self._site, body))
        self._due.set()

    def side_record(self, record: RecordUp) -> None:
        """Report a record of the side's, and tell it when that is on disk."""
        self._told_by_side = record.number
        self._records.put((record.key, record.body))
        self._due.set()

    def ask(self, asked: Asked) -> None:
        """Let a question or order of the side wait for its turn."""
        self._asked.put((self._connection, asked))

    def side_came(self) -> None:
        """Another connection: it tells and asks anew all that it waits for."""
        self._asked.take_all()
        self._connection += 1
        self._told_by_side = self._told_to_side = 0
        self._outbox_told = None
        self.tell_outbox()

    # what goes

    def tell_outbox(self) -> None:
        """Tell the side what waits in the outbox, when that has changed."""
        state = self._outbox.state
        now = OutboxIs(self._outbox.instance, state.rows, state.held)
        if self._port.up and now != self._outbox_told:
            self._outbox_told = now
            self._port.keep(now)

    async def keep(self) -> None:
        """Put on disk what is reported, until cancelled."""
        while True:
            await self._due.wait()
            self._due.clear()
            await self.commit()

    async def commit(self) -> None:
        """Put all on disk that was reported before the call. What the disk does not take is kept in memory
        and tried again; the side's records count as kept only when they are on disk."""
        # One at a time: who finds nothing left to write must not come back before it is written.
        async with self._turn:
            connection, told = self._connection, self._told_by_side
            try:
                await self._ledger.commit()
                records = self._records.take_all()
                if records:
                    await self._outbox.append(records)
                self.unkept = None
            except RollupError as error:
                # Counted by the outbox, which keeps what it can and tries again by itself.
                self.unkept = error
                _log.warning("records: %s", error)
            self.tell_outbox()
            kept = self.unkept is None and not self._outbox.state.held
            if kept and connection == self._connection and told > self._told_to_side and self._port.up:
                self._told_to_side = told
                self._port.keep(RecordsKept(told))

    async def answer(self) -> None:
        """Do what the side asks, one after the other, until cancelled."""
        while True:
            connection, asked = await self._asked.get()
            answer = await self._do(asked)
            if connection == self._connection:
                self._port.keep(answer)

    async def _do(self, asked: Asked) -> _Answer:
        match asked:
            case PageWanted(number, limit, max_bytes):
                try:
                    return PageIs(number, tuple(await self._outbox.page(limit, max_bytes)))
                except RollupError as error:
                    return PageIs(number, failed=str(error))
            case Confirmed(number, ids):
                return await self._settle(number, self._outbox.confirm(ids))
            case SetAside(number, refused):
                return await self._settle(number, self._outbox.set_aside(refused))
            case CommandUp(number, data):
                with self._containment.around("order"):
                    for result in await self._orders.take(data):
                        self.record(result)
                    self._on_order()
                    await self.commit()
                return CommandTaken(number)

    async def _settle(self, number: int, change: Coroutine[Any, Any, int]) -> Settled:
        try:
            records = await change
        except RollupError as error:
            return Settled(number, failed=str(error))
        self.tell_outbox()
        return Settled(number, records)
