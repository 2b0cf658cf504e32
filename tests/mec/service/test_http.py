"""The edge's HTTP on a real socket: answers, and bounds for those who only hold it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from wayside.clock import VirtualClock
from wayside.mec.service import _http
from wayside.mec.service._health import Health
from wayside.mec.service._http import CONNECTIONS, HealthServer
from wayside.runtime import TaskOwner

pytestmark = pytest.mark.joint


@pytest.fixture
async def port(clock: VirtualClock) -> AsyncIterator[int]:
    server = HealthServer(Health("haihe", clock))
    port = await server.open("127.0.0.1", 0)
    async with TaskOwner("http") as owner:
        server.start(owner)
        yield port
        await server.close()


async def answer(port: int) -> int:
    async with httpx.AsyncClient(trust_env=False, timeout=10.0) as client:
        return (await client.get(f"http://127.0.0.1:{port}/healthz")).status_code


async def test_it_answers(port: int) -> None:
    assert await answer(port) == 503


async def test_more_connections_than_monitoring_needs_are_closed(port: int) -> None:
    held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CONNECTIONS + 4)]
    for reader, _ in held[CONNECTIONS:]:
        with pytest.raises(ConnectionError):
            async with asyncio.timeout(10.0):
                if not await reader.read():
                    raise ConnectionResetError
    for _, writer in held:
        writer.close()


async def test_a_connection_is_not_held_for_ever(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_http, "LIFE_S", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
    with pytest.raises(ConnectionError):
        async with asyncio.timeout(10.0):
            if not await reader.read():
                raise ConnectionResetError
    writer.close()
    assert await answer(port) == 503
