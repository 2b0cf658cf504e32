from __future__ import annotations

import asyncio
import json
import socket
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from wayside.cloud import CloudReason
from wayside.records import LiveView, Record, RecordId, encode_live, encode_record, encode_records

pytestmark = pytest.mark.joint
TYPE = {"content-type": "application/msgpack"}


async def _stats(client: httpx.AsyncClient) -> dict[str, Any]:
    stats: dict[str, Any] = (await client.get("/api/stats")).json()
    return stats


async def test_a_browser_that_does_not_read_is_cut_off_and_holds_up_nobody(serve: Any, crossing: Any) -> None:
    async with serve(send_timeout_s=0.3) as url, httpx.AsyncClient(base_url=url, headers=TYPE) as client:
        place = urlsplit(url)
        stuck = socket.create_connection((place.hostname, place.port))
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        stuck.sendall(
            f"GET /api/live HTTP/1.1\r\nHost: {place.netloc}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: d2F5c2lkZS10ZXN0LWtleQ==\r\n\r\n".encode()
        )
        view = crossing.view(1, 0)
        many = view.participants * 40
        async with connect(url.replace("http", "ws") + "/api/live", max_size=None) as quick:
            cut = False
            seq = 0
            for seq in range(1, 400):
                heavy = LiveView(view.site, seq, seq, many)
                assert (await client.post("/v1/live", content=encode_live(heavy))).status_code == 204
                async with asyncio.timeout(5.0):
                    while (message := json.loads(await quick.recv()))["type"] != "live" or message["view"][
                        "seq"
                    ] < seq:
                        pass
                if seq % 20 == 0 and (await _stats(client))["counts"].get("browsers_cut_off"):
                    cut = True
                    break
            assert cut, f"the browser that does not read still holds on after {seq} views"
        stuck.close()


@pytest.mark.drops(CloudReason.CLIENT_LIMIT)
async def test_one_browser_too_many_is_told_to_come_later(serve: Any) -> None:
    async with serve(browsers=1) as url, httpx.AsyncClient(base_url=url) as client:
        address = url.replace("http", "ws") + "/api/live"
        async with connect(address) as first:
            upgrade = {
                "connection": "Upgrade",
                "upgrade": "websocket",
                "sec-websocket-version": "13",
                "sec-websocket-key": "d2F5c2lkZS10ZXN0LWtleQ==",
            }
            assert (await client.get("/api/live", headers=upgrade)).status_code == 403
            async with asyncio.timeout(5.0):
                assert json.loads(await first.recv())["type"] == "tick"
        for _ in range(200):
            try:
                async with connect(address) as again, asyncio.timeout(5.0):
                    assert json.loads(await again.recv())["type"] == "tick"
                    break
            except InvalidStatus:
                await asyncio.sleep(0.005)
        else:
            raise AssertionError("the place of the browser that left was not given on")
        assert (await _stats(client))["dropped"]["cloud"]["client_limit"] >= 1


async def test_a_browser_gets_its_own_site_only_and_news_of_events(serve: Any, crossing: Any) -> None:
    async with serve() as url, httpx.AsyncClient(base_url=url, headers=TYPE) as client:
        for site in ("haihe", "other"):
            await client.post("/v1/live", content=encode_live(LiveView(site, 1, 1)))
        async with (
            connect(url.replace("http", "ws") + "/api/live?site=haihe") as browser,
            asyncio.timeout(5.0),
        ):
            first = json.loads(await browser.recv())
            assert (first["type"], first["view"]["site"]) == ("live", "haihe") and first["age_ms"] >= 0.0
            await client.post("/v1/live", content=encode_live(LiveView("other", 2, 2)))
            tick = json.loads(await browser.recv())
            assert tick["type"] == "tick" and set(tick["ages_ms"]) == {"haihe", "other"}
            await browser.send("what a browser says is of no interest")
            record = Record(
                RecordId("haihe", 1, 1), "haihe", 1, crossing.event_record(crossing.events(10**18)[0])
            )
            await client.post("/v1/records", content=encode_records([encode_record(record)]))
            while (message := json.loads(await browser.recv()))["type"] == "tick":
                pass
            assert message == {"type": "events", "site": "haihe"}
