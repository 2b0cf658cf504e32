"""The outbox as the uplink in another process sees it."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from wayside.mec.ports import Port
from wayside.mec.ports.side import PAGE_BYTES, PAGE_RECORDS, PageIs, PageWanted
from wayside.mec.service._remote_outbox import RemoteOutbox


class Core:
    """A port to a core that keeps what it is asked."""

    up = True

    def __init__(self) -> None:
        self.asked: asyncio.Queue[Any] = asyncio.Queue()

    def keep(self, message: Any) -> None:
        self.asked.put_nowait(message)


async def test_no_page_is_asked_for_that_a_port_does_not_carry() -> None:
    core = Core()
    outbox = RemoteOutbox(cast(Port, core))
    for limit, octets in ((5_000, 4_194_304), (3, 10)):
        page = asyncio.ensure_future(outbox.page(limit, octets))
        question = await core.asked.get()
        outbox.answer(PageIs(question.number))
        assert await page == []
        assert question == PageWanted(question.number, min(limit, PAGE_RECORDS), min(octets, PAGE_BYTES))
