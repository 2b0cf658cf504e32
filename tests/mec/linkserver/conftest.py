"""Vehicles for the link server's tests: raw frames over a real socket, and frames to give them."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from wayside.clock import MonoNs, SystemClock, UtcNs
from wayside.link import (
    SUBPROTOCOL,
    Flag,
    Frame,
    FrameKind,
    Header,
    Hello,
    LinkRules,
    Welcome,
    decode_body,
    decode_frame,
    encode_body,
    encode_frame,
)
from wayside.mec.linkserver import LinkServer, OnWritten, Outgoing
from wayside.observe import Counters

DIALECT = "csae53-2020"
WAIT_S = 5.0


class Edge:
    """A running link server and what it reported."""

    def __init__(self, server: LinkServer, counters: Counters) -> None:
        self.server = server
        self.counters = counters
        self.messages: list[tuple[str, bytes]] = []
        self.receipts: list[Any] = []
        self.sessions: list[tuple[str, bool]] = []
        self.changed = asyncio.Event()

    @property
    def only(self) -> str:
        """Id of the one connected session."""
        (info,) = self.server.sessions()
        return info.session_id

    async def until(self, met: Callable[[], bool]) -> None:
        """Wait until a condition holds."""
        async with asyncio.timeout(WAIT_S):
            while not met():  # noqa: ASYNC110 — conditions of many parts, no single event
                await asyncio.sleep(0.002)


class Vehicle:
    """A vehicle that speaks raw frames."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.welcome: Welcome | None = None

    async def send(self, kind: FrameKind, body: msgspec.Struct | bytes) -> None:
        octets = body if isinstance(body, bytes) else encode_body(body)
        await self.socket.send(encode_frame(Header(kind, Flag(0), 0, 1, 0, 0, 0), octets))

    async def recv(self) -> Frame:
        data = await asyncio.wait_for(self.socket.recv(), WAIT_S)
        assert isinstance(data, bytes)
        return decode_frame(data)

    async def hello(self, hello: Hello) -> Frame:
        await self.send(FrameKind.HELLO, hello)
        frame = await self.recv()
        if frame.header.kind is FrameKind.WELCOME:
            self.welcome = decode_body(frame, Welcome)
        return frame

    async def closed(self) -> None:
        """Wait until the edge has closed the connection."""
        await asyncio.wait_for(self.socket.wait_closed(), WAIT_S)


MakeEdge = Callable[..., Awaitable[Edge]]
MakeVehicle = Callable[..., Awaitable[Vehicle]]


@pytest.fixture
async def make_edge() -> AsyncIterator[MakeEdge]:
    running: list[LinkServer] = []

    async def make(
        rules: LinkRules | None = None, token: str | None = None, ssl_context: ssl.SSLContext | None = None
    ) -> Edge:
        counters = Counters()
        edge: Edge
        server = LinkServer(
            rules or LinkRules(),
            SystemClock(),
            counters,
            site="test",
            token=token,
            dialects=[DIALECT],
            on_message=lambda info, body, _: edge.messages.append((info.vehicle_id, body)),
            on_receipt=lambda _, receipt: edge.receipts.append(receipt),
            on_session=lambda info, up: edge.sessions.append((info.vehicle_id, up)),
            ssl_context=ssl_context,
        )
        edge = Edge(server, counters)
        await server.start()
        running.append(server)
        return edge

    yield make
    for server in running:
        await server.close()


@pytest.fixture
async def make_vehicle() -> AsyncIterator[MakeVehicle]:
    opened: list[ClientConnection] = []

    async def make(
        edge: Edge,
        hello: Hello | str | None = "v1",
        ssl_context: ssl.SSLContext | None = None,
        **options: Any,
    ) -> Vehicle:
        scheme = "wss" if ssl_context else "ws"
        socket = await connect(
            f"{scheme}://127.0.0.1:{edge.server.port}/",
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            compression=None,
            ping_interval=None,
            close_timeout=0.2,
            proxy=None,
            ssl=ssl_context,
            **options,
        )
        opened.append(socket)
        vehicle = Vehicle(socket)
        if hello is not None:
            await vehicle.hello(Hello(hello, DIALECT) if isinstance(hello, str) else hello)
        return vehicle

    yield make
    for socket in opened:
        await socket.close()


Make = Callable[..., Outgoing]


@pytest.fixture
def outgoing() -> Make:
    """Build frames to send: by default a warning that lives 60 s."""
    clock = SystemClock()

    def make(
        kind: FrameKind = FrameKind.WARNING,
        key: int = 7,
        priority: int = 240,
        body: bytes = b"body",
        lives_s: float = 60.0,
        on_written: OnWritten | None = None,
        now: MonoNs | None = None,
    ) -> Outgoing:
        ttl_ms = 0 if kind is FrameKind.CANCEL else max(1, round(lives_s * 1e3))
        expires = MonoNs((clock.mono() if now is None else now) + round(lives_s * 1e9))
        created = UtcNs(clock.utc())
        return Outgoing(kind, key, priority, created, expires, ttl_ms, body, on_written)

    return make
