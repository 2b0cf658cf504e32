from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable
from enum import StrEnum
from typing import Protocol

import msgspec

from wayside.clock import Clock
from wayside.mec.rollup._database import Stored
from wayside.mec.rollup._reasons import RollupError, RollupReason
from wayside.observe import Counters
from wayside.records import LiveView, RecordId
from wayside.runtime import Backoff, TaskOwner

_log = logging.getLogger(__name__)


class UplinkState(StrEnum):
    """What the last attempt to send records told. SITE_TAKEN: the centre knows the site as another edge's."""

    UNKNOWN = "unknown"
    CONNECTED = "connected"
    FAILING = "failing"
    SITE_TAKEN = "site_taken"


class Pending(Protocol):
    """What an uplink needs of the outbox; see `Outbox`."""

    @property
    def instance(self) -> str:
        """Identity of the outbox file."""

    async def page(self, limit: int, max_bytes: int = ...) -> list[Stored]:
        """Oldest records in order."""

    async def confirm(self, ids: Iterable[RecordId]) -> int:
        """Delete what has arrived."""

    async def set_aside(self, refused: Iterable[tuple[RecordId, str, str]]) -> int:
        """Take records out of the way that will never be taken."""

    async def wait_pending(self) -> None:
        """Return when there is something to send."""

    async def wait_empty(self) -> None:
        """Return when there is nothing left."""


class Uplink(Protocol):
    """Empties the outbox towards the centre and carries the live view beside it."""

    state: UplinkState

    def start(self, owner: TaskOwner) -> None:
        """Start the two senders as tasks of `owner`, which ends them; then call `close`."""

    async def close(self) -> None:
        """Close the connections."""

    def show(self, view: LiveView) -> None:
        """Set the live view; one that was not sent yet is replaced."""

    async def drain(self, timeout_s: float) -> bool:
        """Wait until everything is sent; False when `timeout_s` passed first."""

    async def send_records(self) -> None:
        """Send until cancelled."""


class PageRefused(Exception):
    """A page is refused as a whole: a smaller one may pass. reason: of the record that is left in the end."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


class Delivered(msgspec.Struct, frozen=True):
    """What became of a page. arrived: kept for good on the other side. refused: never will be, with reason
    and detail."""

    arrived: list[RecordId]
    refused: list[tuple[RecordId, str, str]] = []


class PagedUplink(ABC):
    """What all uplinks share: one ordered sender, and the live view.

    A page is sent until it is known what became of it, the next only then; one that does not get through is
    halved, and pages grow again as they arrive. A record leaves the outbox only when it has arrived, and one
    that is refused is set aside so that the others go on. The live view is
    volatile: newest wins, nothing is queued. Counts `uplink_pages`, `uplink_records`, `uplink_live`,
    `uplink_live_superseded`, and RollupReason drops.
    """

    def __init__(
        self,
        outbox: Pending,
        clock: Clock,
        counters: Counters | None,
        *,
        page_records: int,
        page_bytes: int,
        live_hz: float,
        backoff: Backoff | None,
        live_backoff: Backoff | None,
    ) -> None:
        self.state = UplinkState.UNKNOWN
        self._outbox = outbox
        self._clock = clock
        self._counters = Counters() if counters is None else counters
        self._backoff = backoff or Backoff()
        self._live_backoff = live_backoff or Backoff(ceiling_s=2.0)
        self._most_records = self._page_records = page_records
        self._page_bytes = page_bytes
        self._live_hz = live_hz
        self._view: LiveView | None = None
        self._view_ready = asyncio.Event()

    @abstractmethod
    async def close(self) -> None:
        """Close the connections."""

    @abstractmethod
    async def _deliver(self, page: list[Stored]) -> Delivered:
        """Send a page, in order. Raises RollupError when it has to be sent again, PageRefused."""

    @abstractmethod
    async def _deliver_view(self, view: LiveView) -> None:
        """Send a live view. Raises RollupError when it did not arrive."""

    def start(self, owner: TaskOwner) -> None:
        """Start the two senders as tasks of `owner`, which ends them; then call `close`."""
        owner.start(self.send_records(), "uplink records")
        owner.start(self.send_live(), "uplink live")

    def show(self, view: LiveView) -> None:
        """Set the live view; one that was not sent yet is replaced."""
        if self._view is not None:
            self._counters.count("uplink_live_superseded")
        self._view = view
        self._view_ready.set()

    async def drain(self, timeout_s: float) -> bool:
        """Wait until everything is sent; False when `timeout_s` passed first."""
        empty = asyncio.ensure_future(self._outbox.wait_empty())
        limit = asyncio.ensure_future(self._clock.sleep(timeout_s))
        try:
            await asyncio.wait({empty, limit}, return_when=asyncio.FIRST_COMPLETED)
            return empty.done()
        finally:
            for task in (empty, limit):
                task.cancel()
            await asyncio.gather(empty, limit, return_exceptions=True)

    async def send_records(self) -> None:
        """Send until cancelled."""
        while True:
            await self._outbox.wait_pending()
            try:
                await self._send_page()
            except RollupError as error:
                self._failed(error)
                await self._clock.sleep(self._backoff.next_s())
            else:
                if self.state is not UplinkState.CONNECTED:
                    _log.info("the centre takes records")
                self.state = UplinkState.CONNECTED
                self._backoff.reset()

    def _failed(self, error: RollupError) -> None:
        taken = error.reason is RollupReason.SITE_TAKEN
        state = UplinkState.SITE_TAKEN if taken else UplinkState.FAILING
        if self.state is not state:
            _log.warning("the centre takes no records, they wait on disk: %s", error)
        self.state = state
        self._counters.drop(error.reason)

    async def send_live(self) -> None:
        """Send live views until cancelled, at most `live_hz`."""
        while True:
            await self._view_ready.wait()
            self._view_ready.clear()
            view, self._view = self._view, None
            if view is None:
                continue
            began = self._clock.mono()
            try:
                await self._deliver_view(view)
            except RollupError as error:
                self._counters.drop(error.reason)
                await self._clock.sleep(self._live_backoff.next_s())
                continue
            self._live_backoff.reset()
            self._counters.count("uplink_live")
            rest_s = 1.0 / self._live_hz - (self._clock.mono() - began) / 1e9
            if rest_s > 0.0:
                await self._clock.sleep(rest_s)

    async def _send_page(self) -> None:
        page = await self._outbox.page(self._page_records, self._page_bytes)
        if not page:
            return
        try:
            delivered = await self._deliver(page)
        except PageRefused as refusal:
            await self._narrow(page, refusal)
            return
        except RollupError as error:
            if error.reason is RollupReason.UNREACHABLE:
                # It may be too much for the line in the time that a page is given.
                self._page_records = max(1, len(page) // 2)
            raise
        if delivered.arrived:
            self._counters.count("uplink_records", by=await self._outbox.confirm(delivered.arrived))
        if delivered.refused:
            await self._outbox.set_aside(delivered.refused)
        self._page_records = min(self._page_records + self._page_records // 4 + 1, self._most_records)
        self._counters.count("uplink_pages")

    async def _narrow(self, page: list[Stored], refusal: PageRefused) -> None:
        """The page as a whole is refused: halve it until the record that is to blame stands alone."""
        if len(page) == 1:
            await self._outbox.set_aside([(page[0].id, refusal.reason, refusal.detail)])
            self._page_records = self._most_records
        else:
            self._page_records = max(1, len(page) // 2)
