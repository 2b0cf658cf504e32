from __future__ import annotations

import asyncio
import logging

import httpx

from wayside.clock import Clock
from wayside.mec.rollup._database import Stored
from wayside.mec.rollup._reasons import RollupError, RollupReason
from wayside.mec.rollup._settings import UplinkSettings
from wayside.mec.rollup._uplink import Delivered, PagedUplink, PageRefused, Pending
from wayside.observe import Counters
from wayside.records import (
    INSTANCE_HEADER,
    MAX_ANSWER_BYTES,
    IngestAnswer,
    LiveView,
    RecordError,
    RecordId,
    decode_answer,
    encode_live,
    encode_records,
)
from wayside.runtime import Backoff

CONTENT_TYPE = "application/msgpack"
# Of the whole page rather than of the sender: a smaller page may pass.
_PAGE_STATUS = frozenset({400, 413, 415, 422})
_SITE_TAKEN_STATUS = 409


class HttpUplink(PagedUplink):
    """Sends the outbox to the centre over HTTP; a record leaves it only when the centre's answer names it.

    transport: for tests, see httpx.
    """

    def __init__(
        self,
        settings: UplinkSettings,
        outbox: Pending,
        clock: Clock,
        counters: Counters | None = None,
        *,
        backoff: Backoff | None = None,
        live_backoff: Backoff | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(
            outbox,
            clock,
            counters,
            page_records=settings.page_records,
            page_bytes=settings.page_bytes,
            live_hz=settings.live_hz,
            backoff=backoff,
            live_backoff=live_backoff,
        )
        self._settings = settings
        self._client = http_client(settings, outbox.instance, transport)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _deliver(self, page: list[Stored]) -> Delivered:
        data = encode_records([item.body for item in page])
        status, body = await self._post("/v1/records", data, self._settings.timeout_s)
        if status in _PAGE_STATUS:
            raise PageRefused(f"status {status}")
        if status == _SITE_TAKEN_STATUS:
            raise RollupError(
                RollupReason.SITE_TAKEN,
                f"the centre knows {page[0].id.site} as another edge",
                advice="give this site an id of its own, or release the site at the centre",
            )
        if status != 200:
            raise RollupError(RollupReason.BAD_STATUS, f"records: status {status}")
        return _outcome(page, body)

    async def _deliver_view(self, view: LiveView) -> None:
        status, _ = await self._post("/v1/live", encode_live(view), self._settings.live_timeout_s)
        if status != 204:
            raise RollupError(RollupReason.BAD_STATUS, f"live view: status {status}")

    async def _post(self, path: str, data: bytes, timeout_s: float) -> tuple[int, bytes]:
        """Status and body of the answer. Raises RollupError UNREACHABLE, BAD_ANSWER."""
        return await exchange(
            self._client,
            self._client.build_request("POST", path, content=data),
            timeout_s,
            MAX_ANSWER_BYTES,
        )


def http_client(
    settings: UplinkSettings, instance: str, transport: httpx.AsyncBaseTransport | None = None
) -> httpx.AsyncClient:
    """A client of the centre that shows the edge's token and instance."""
    # At ten live views a second a log line for each request would bury all others.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    headers = {
        "content-type": CONTENT_TYPE,
        "accept": CONTENT_TYPE,
        "accept-encoding": "identity",
        INSTANCE_HEADER: instance,
    }
    if settings.token:
        headers["authorization"] = f"Bearer {settings.token}"
    return httpx.AsyncClient(
        base_url=settings.url, headers=headers, timeout=settings.timeout_s, transport=transport
    )


async def exchange(
    client: httpx.AsyncClient, request: httpx.Request, timeout_s: float, limit: int
) -> tuple[int, bytes]:
    """Status and body of a request's answer, the whole within `timeout_s` and `limit` octets.

    Raises RollupError UNREACHABLE, BAD_ANSWER.
    """
    where = request.url.path
    try:
        async with asyncio.timeout(timeout_s):
            response = await client.send(request, stream=True)
            try:
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > limit:
                        raise RollupError(RollupReason.BAD_ANSWER, "answer too large", where=where)
                return response.status_code, bytes(body)
            finally:
                await response.aclose()
    except (httpx.TransportError, TimeoutError) as error:
        raise RollupError(
            RollupReason.UNREACHABLE, f"centre: {type(error).__name__} {error}", where=where
        ) from None
    except httpx.HTTPError as error:
        raise RollupError(RollupReason.BAD_ANSWER, f"centre: {error}", where=where) from None


def _outcome(page: list[Stored], body: bytes) -> Delivered:
    answer = _answer(body)
    sent = {item.id for item in page}
    committed = [record_id for record_id in answer.committed if record_id in sent]
    refused: list[tuple[RecordId, str, str]] = []
    for item in answer.refused:
        if item.index >= len(page):
            raise RollupError(RollupReason.BAD_ANSWER, f"answer refuses record {item.index} of {len(page)}")
        refused.append((page[item.index].id, item.reason, item.detail))
    if not committed and not refused:
        raise RollupError(RollupReason.BAD_ANSWER, f"answer names none of {len(page)} records")
    return Delivered(committed, refused)


def _answer(body: bytes) -> IngestAnswer:
    try:
        return decode_answer(body)
    except RecordError as error:
        raise RollupError(RollupReason.BAD_ANSWER, error.what) from None
