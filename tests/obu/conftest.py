"""An edge made of plain objects, on virtual time: what the SDK sees of a link, without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import msgspec
import pytest

from wayside.clock import VirtualClock
from wayside.link import (
    Action,
    Cancel,
    CancelReason,
    ClockPing,
    ClockPong,
    Flag,
    Frame,
    FrameKind,
    Header,
    Hello,
    Place,
    Receipt,
    Severity,
    Warning,
    WarningKind,
    Welcome,
    decode_body,
    decode_frame,
    encode_body,
    encode_frame,
)
from wayside.obu import ObuClient

B = TypeVar("B", bound=msgspec.Struct)
EDGE_AHEAD_NS = 5_000_000_000
NO_FLAGS = Flag(0)


class Line:
    """One connection, seen from the edge."""

    def __init__(self, edge: FakeEdge) -> None:
        self._edge = edge
        self._down: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.up: list[Frame] = []
        self.closed = False
        self.seq = 0

    # what the SDK calls

    async def send(self, data: bytes) -> None:
        if self.closed:
            raise ConnectionError("closed")
        frame = decode_frame(data)
        self.up.append(frame)
        self._edge.spoken(self, frame)

    async def recv(self) -> bytes:
        data = await self._down.get()
        if data is None:
            raise ConnectionError("closed")
        return data

    async def close(self) -> None:
        self.drop()

    # what a test calls

    def drop(self) -> None:
        """The connection is lost."""
        self.closed = True
        self._down.put_nowait(None)

    def raw(self, data: bytes) -> None:
        self._down.put_nowait(data)

    def down(
        self,
        kind: FrameKind,
        body: msgspec.Struct | bytes,
        *,
        key: int = 0,
        ttl_ms: int = 0,
        age_ms: int = 0,
        priority: int = 240,
        flags: Flag = NO_FLAGS,
    ) -> int:
        """Send a frame down; returns its seq. age_ms: how long ago the edge made it."""
        self.seq += 1
        octets = body if isinstance(body, bytes) else encode_body(body)
        created_ms = self._edge.utc_ns() // 1_000_000 - age_ms
        self.raw(encode_frame(Header(kind, flags, priority, self.seq, key, created_ms, ttl_ms), octets))
        return self.seq

    def warn(self, event: str = "e1", key: int = 7, ttl_ms: int = 1_000, **options: Any) -> int:
        """Send a warning of an event."""
        severity = options.pop("severity", Severity.URGENT)
        return self.down(FrameKind.WARNING, warning(event, severity), key=key, ttl_ms=ttl_ms, **options)

    def cancel(self, key: int = 7) -> int:
        return self.down(FrameKind.CANCEL, Cancel(CancelReason.RESOLVED), key=key)

    def bodies(self, kind: type[B]) -> list[B]:
        """Everything of one kind that the vehicle sent."""
        names = {Receipt: FrameKind.RECEIPT, Hello: FrameKind.HELLO, ClockPing: FrameKind.CLOCK_PING}
        return [decode_body(frame, kind) for frame in self.up if frame.header.kind is names[kind]]


def warning(event: str = "e1", severity: Severity = Severity.URGENT) -> Warning:
    return Warning(
        WarningKind.VULNERABLE_ROAD_USER, severity, event, f"trace-{event}", Place(39.0, 117.0), Action.BRAKE
    )


class FakeEdge:
    """Answers HELLO and pings; `hold_pongs`, `refuse` and `reachable` are for the tests to turn."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.lines: list[Line] = []
        self.attempts: list[str] = []
        self.reachable: Callable[[str], bool] = lambda _: True
        self.answer_hello = True
        self.hold_pongs = False
        self.resumes = True
        self.refused: msgspec.Struct | None = None
        self.utc_offset_ns = 0

    def utc_ns(self) -> int:
        return self.clock.utc() + self.utc_offset_ns

    @property
    def line(self) -> Line:
        """The newest connection."""
        return self.lines[-1]

    async def connect(self, server: str) -> Line:
        self.attempts.append(server)
        if not self.reachable(server):
            raise ConnectionError(f"{server}: nobody there")
        self.lines.append(Line(self))
        return self.lines[-1]

    def spoken(self, line: Line, frame: Frame) -> None:
        kind = frame.header.kind
        if kind is FrameKind.HELLO and self.refused is not None:
            line.down(FrameKind.REFUSED, self.refused)
        elif kind is FrameKind.HELLO and self.answer_hello:
            hello = decode_body(frame, Hello)
            resumed = bool(hello.resume) and self.resumes
            line.seq = hello.last_seq if resumed else 0
            welcome = Welcome("s1", "resume-1", "test", hello.dialect, 0, 5.0, resumed)
            line.down(FrameKind.WELCOME, welcome)
        elif kind is FrameKind.CLOCK_PING and not self.hold_pongs:
            ping = decode_body(frame, ClockPing)
            edge_ns = self.clock.mono() + EDGE_AHEAD_NS
            line.down(FrameKind.CLOCK_PONG, ClockPong(ping.sent_ns, edge_ns, edge_ns, self.utc_ns()))


async def settle() -> None:
    """Let every task run until it waits for something that only the test can bring."""
    for _ in range(30):
        await asyncio.sleep(0)


async def pass_time(clock: VirtualClock, seconds: float, step_s: float = 0.05) -> None:
    """Advance in steps, so that what sleeps repeatedly wakes each time."""
    for _ in range(round(seconds / step_s)):
        clock.advance(step_s)
        await settle()


class Road:
    """The edge, the clock, and the means to start vehicles on them."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.edge = FakeEdge(clock)
        self.clients: list[ObuClient] = []

    async def vehicle(self, servers: tuple[str, ...] = ("edge-a",), **options: Any) -> ObuClient:
        """A started client; connected when the edge answers."""
        client = ObuClient(
            servers,
            vehicle_id="v1",
            clock=self.clock,
            connector=self.edge.connect,
            seed=1,
            **options,
        )
        self.clients.append(client)
        await client.start()
        await settle()
        return client

    async def settle(self) -> None:
        await settle()

    async def pass_time(self, seconds: float) -> None:
        await pass_time(self.clock, seconds)


@pytest.fixture
async def road(clock: VirtualClock) -> AsyncIterator[Road]:
    made = Road(clock)
    yield made
    for client in made.clients:
        await client.close()
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert not left, f"tasks left behind: {left}"
