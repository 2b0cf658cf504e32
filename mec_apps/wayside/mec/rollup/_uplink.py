from __future__ import annotations

import asyncio
import logging
from enum import StrEnum

import httpx

from wayside.clock import Clock
from wayside.mec.rollup._database import Stored
from wayside.mec.rollup._outbox import Outbox
from wayside.mec.rollup._reasons import RollupError, RollupReason
from wayside.mec.rollup._settings import UplinkSettings
from wayside.observe import Counters
from wayside.records import (
    MAX_ANSWER_BYTES,
    IngestAnswer,
    LiveView,
    RecordError,
    RecordId,
    decode_answer,
    encode_live,
    encode_records,
)
from wayside.runtime import Backoff, TaskOwner

_log = logging.getLogger(__name__)

_CONTENT_TYPE = "application/msgpack"
# Of the whole page rather than of the sender: a smaller page may pass.
_PAGE_STATUS = frozenset({400, 413, 415, 422})


class UplinkState(StrEnum):
    """What the last attempt to send records told of the centre."""

    UNKNOWN = "unknown"
    CONNECTED = "connected"
    FAILING = "failing"


class HttpUplink:
    """Sends the outbox to the centre over HTTP, and the live view beside it.

    One ordered sender: a page is sent until its answer is there, a record leaves the outbox only when the
    answer names it, and one that the centre refuses is set aside so that the others go on. The live view is
    volatile: newest wins, nothing is queued. Counts `uplink_pages`, `uplink_records`, `uplink_live`,
    `uplink_live_superseded`, and RollupReason drops. transport: for tests, see httpx.
    """

    def __init__(
        self,
        settings: UplinkSettings,
        outbox: Outbox,
        clock: Clock,
        counters: Counters | None = None,
        *,
        backoff: Backoff | None = None,
        live_backoff: Backoff | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.state = UplinkState.UNKNOWN
        self._settings = settings
        self._outbox = outbox
        self._clock = clock
        self._counters = Counters() if counters is None else counters
        self._backoff = backoff or Backoff()
        self._live_backoff = live_backoff or Backoff(ceiling_s=2.0)
        # At ten live views a second a log line for each request would bury all others.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        headers = {"content-type": _CONTENT_TYPE, "accept": _CONTENT_TYPE, "accept-encoding": "identity"}
        if settings.token:
            headers["authorization"] = f"Bearer {settings.token}"
        self._client = httpx.AsyncClient(
            base_url=settings.url, headers=headers, timeout=settings.timeout_s, transport=transport
        )
        self._page_records = settings.page_records
        self._view: LiveView | None = None
        self._view_ready = asyncio.Event()

    def start(self, owner: TaskOwner) -> None:
        """Start the two senders as tasks of `owner`, which ends them; then call `close`."""
        owner.start(self.send_records(), "uplink records")
        owner.start(self.send_live(), "uplink live")

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

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
                if self.state is not UplinkState.FAILING:
                    _log.warning("the centre takes no records, they wait on disk: %s", error)
                self.state = UplinkState.FAILING
                self._counters.drop(error.reason)
                await self._clock.sleep(self._backoff.next_s())
            else:
                if self.state is not UplinkState.CONNECTED:
                    _log.info("the centre takes records")
                self.state = UplinkState.CONNECTED
                self._backoff.reset()

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
                status, _ = await self._post("/v1/live", encode_live(view), self._settings.live_timeout_s)
                if status != 204:
                    raise RollupError(RollupReason.BAD_STATUS, f"live view: status {status}")
            except RollupError as error:
                self._counters.drop(error.reason)
                await self._clock.sleep(self._live_backoff.next_s())
                continue
            self._live_backoff.reset()
            self._counters.count("uplink_live")
            rest_s = 1.0 / self._settings.live_hz - (self._clock.mono() - began) / 1e9
            if rest_s > 0.0:
                await self._clock.sleep(rest_s)

    async def _send_page(self) -> None:
        page = await self._outbox.page(self._page_records, self._settings.page_bytes)
        if not page:
            return
        data = encode_records([item.body for item in page])
        status, body = await self._post("/v1/records", data, self._settings.timeout_s)
        if status in _PAGE_STATUS:
            await self._narrow(page, status)
            return
        if status != 200:
            raise RollupError(RollupReason.BAD_STATUS, f"records: status {status}")
        await self._settle(page, body)
        self._page_records = min(self._page_records * 2, self._settings.page_records)
        self._counters.count("uplink_pages")

    async def _narrow(self, page: list[Stored], status: int) -> None:
        """The page as a whole is refused: halve it until the record that is to blame stands alone."""
        if len(page) == 1:
            await self._outbox.set_aside([(page[0].id, f"status {status}", "")])
            self._page_records = self._settings.page_records
        else:
            self._page_records = max(1, len(page) // 2)

    async def _settle(self, page: list[Stored], body: bytes) -> None:
        answer = _answer(body)
        sent = {item.id for item in page}
        committed = [record_id for record_id in answer.committed if record_id in sent]
        refused: list[tuple[RecordId, str, str]] = []
        for item in answer.refused:
            if item.index >= len(page):
                raise RollupError(
                    RollupReason.BAD_ANSWER, f"answer refuses record {item.index} of {len(page)}"
                )
            refused.append((page[item.index].id, item.reason, item.detail))
        if not committed and not refused:
            raise RollupError(RollupReason.BAD_ANSWER, f"answer names none of {len(page)} records")
        if committed:
            self._counters.count("uplink_records", by=await self._outbox.confirm(committed))
        if refused:
            await self._outbox.set_aside(refused)

    async def _post(self, path: str, data: bytes, timeout_s: float) -> tuple[int, bytes]:
        """Status and body of the answer. Raises RollupError UNREACHABLE, BAD_ANSWER."""
        try:
            async with asyncio.timeout(timeout_s):
                async with self._client.stream("POST", path, content=data) as response:
                    body = bytearray()
                    async for chunk in response.aiter_bytes():
                        body += chunk
                        if len(body) > MAX_ANSWER_BYTES:
                            raise RollupError(RollupReason.BAD_ANSWER, "answer too large")
                    return response.status_code, bytes(body)
        except (httpx.TransportError, TimeoutError) as error:
            raise RollupError(
                RollupReason.UNREACHABLE, f"centre: {type(error).__name__} {error}", where=path
            ) from None
        except httpx.HTTPError as error:
            raise RollupError(RollupReason.BAD_ANSWER, f"centre: {error}", where=path) from None


def _answer(body: bytes) -> IngestAnswer:
    try:
        return decode_answer(body)
    except RecordError as error:
        raise RollupError(RollupReason.BAD_ANSWER, error.what) from None
