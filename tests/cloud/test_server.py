"""The centre's HTTP against peers that only hold connections open."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from wayside.clock import SystemClock
from wayside.cloud import CloudSettings
from wayside.cloud._app import create_app
from wayside.cloud._server import serve

pytestmark = pytest.mark.joint


@asynccontextmanager
async def centre(folder: Path, **limits: float) -> AsyncIterator[int]:
    settings = CloudSettings.model_validate({"data": folder, "port": 0, **limits})
    app = create_app(settings, SystemClock())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(serve(app, listener, settings))
        port = listener.getsockname()[1]
        assert await ask(port) == b"HTTP/1.1 200 OK"  # so its signal handler stands
        try:
            yield port
        finally:
            signal.raise_signal(signal.SIGTERM)
            assert await serving


async def is_cut(reader: asyncio.StreamReader) -> bool:
    try:
        async with asyncio.timeout(10.0):
            return await reader.read(1) == b""
    except ConnectionError:
        return True


async def ask(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    try:
        return (await reader.read(200))[:15]
    finally:
        writer.close()


@pytest.mark.parametrize(("said", "asked_before"), [(b"", False), (b"GET / HT", False), (b"GET / HT", True)])
async def test_who_does_not_finish_a_head_is_cut_off(tmp_path: Path, said: bytes, asked_before: bool) -> None:
    async with centre(tmp_path, head_timeout_s=0.3) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        if asked_before:
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await reader.readuntil(b"}")
        writer.write(said)
        assert await is_cut(reader)
        writer.close()
        assert await ask(port) == b"HTTP/1.1 200 OK"


async def test_connections_are_bounded_and_come_free_again(tmp_path: Path) -> None:
    async with centre(tmp_path, connections=3, head_timeout_s=0.5) as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        one_more, its_writer = await asyncio.open_connection("127.0.0.1", port)
        assert await is_cut(one_more)
        its_writer.close()
        for reader, writer in held:
            assert await is_cut(reader)
            writer.close()
        assert await ask(port) == b"HTTP/1.1 200 OK"


async def test_a_browser_keeps_its_live_channel_beyond_the_head_s_time(tmp_path: Path) -> None:
    from websockets.asyncio.client import connect

    async with (
        centre(tmp_path, head_timeout_s=0.2) as port,
        connect(f"ws://127.0.0.1:{port}/api/live") as browser,
    ):
        for _ in range(2):
            assert "tick" in str(await browser.recv())


async def test_an_edge_that_waits_for_commands_is_answered_when_the_centre_ends(tmp_path: Path) -> None:
    async with centre(tmp_path, poll_s=50.0) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /v1/commands?site=a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        waiting = b'wayside_cloud_polls{process="cloud"} 1.0'
        while waiting not in await metrics(port):
            pass
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.close()


async def metrics(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    data = await reader.read()
    writer.close()
    return data
