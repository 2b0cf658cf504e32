"""SDK and link server together over real sockets, on both event loops; the blocking client; the command."""

from __future__ import annotations

import asyncio
import io
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvloop
from rich.console import Console

from wayside.clock import MonoNs, SystemClock
from wayside.link import (
    Action,
    Cancel,
    CancelReason,
    FrameKind,
    LinkRules,
    Outcome,
    Place,
    Receipt,
    Severity,
    Warning,
    WarningKind,
    encode_body,
)
from wayside.mec.linkserver import LinkServer, LinkServerReason, Outgoing, SessionInfo
from wayside.observe import Counters
from wayside.obu import ObuClient, ObuError, ObuReason, ObuState, ReceivedWarning, SyncObuClient
from wayside.obu._table import view

pytestmark = pytest.mark.joint

DIALECT = "csae53-2020"
CLOCK = SystemClock()


class Edge:
    """A link server that remembers what came up."""

    def __init__(self, rules: LinkRules | None = None) -> None:
        self.counters = Counters()
        self.messages: list[bytes] = []
        self.receipts: list[Receipt] = []
        self.changes = 0
        self.server = LinkServer(
            rules or LinkRules(),
            CLOCK,
            self.counters,
            site="test",
            token="secret",
            dialects=[DIALECT],
            on_message=lambda _, body, __: self.messages.append(body),
            on_receipt=lambda _, receipt: self.receipts.append(receipt),
            on_session=self._session,
        )

    def _session(self, info: SessionInfo, up: bool) -> None:
        self.changes += 1
        self.last = info

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.server.port}/"

    def warn(self, event: str, key: int, lives_s: float = 5.0, padding: int = 0) -> bool:
        body = Warning(
            WarningKind.HAZARDOUS_LOCATION,
            Severity.URGENT,
            event,
            f"trace-{event}",
            Place(39.0, 117.0),
            Action.SLOW_DOWN,
            distance_m=120.0,
            evidence={"note": "x" * padding},
        )
        expires = MonoNs(CLOCK.mono() + round(lives_s * 1e9))
        item = Outgoing(
            FrameKind.WARNING, key, 240, CLOCK.utc(), expires, round(lives_s * 1e3), encode_body(body)
        )
        return self.server.send(self.last.session_id, item)

    def cancel(self, key: int) -> bool:
        body = encode_body(Cancel(CancelReason.RESOLVED))
        item = Outgoing(FrameKind.CANCEL, key, 240, CLOCK.utc(), MonoNs(0), 0, body)
        return self.server.send(self.last.session_id, item)


async def until(met: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not met():  # noqa: ASYNC110 — conditions of many parts, no single event
            await asyncio.sleep(0.002)


def client(edge: Edge, **options: Any) -> ObuClient:
    return ObuClient([edge.url], vehicle_id="v1", token="secret", **options)


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["stdlib", "uvloop"])
def run(request: pytest.FixtureRequest) -> Iterator[Callable[..., None]]:
    """Run a scenario on one kind of loop; nothing may be left running on it."""

    def run_scenario(scenario: Any) -> None:
        async def whole() -> None:
            await scenario()
            left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            assert not left, f"tasks left behind: {left}"

        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(whole())

    yield run_scenario


def test_warning_down_receipt_and_message_up(run: Callable[..., None]) -> None:
    async def scenario() -> None:
        edge = Edge()
        await edge.server.start()
        async with client(edge) as obu:
            stream = obu.warnings()
            await obu.connected()
            await until(lambda: obu.state is ObuState.CONNECTED)
            status = obu.status()
            assert status.rtt_ms is not None and status.edge_minus_vehicle_ms is not None
            assert abs(status.edge_minus_vehicle_ms) <= status.rtt_ms / 2 + 0.001
            assert edge.warn("e1", 1)
            warning = await anext(stream)
            assert warning.warning.event_id == "e1" and not warning.degraded
            assert await obu.send_bsm(b"uper")
            await until(lambda: bool(edge.messages and edge.receipts))
            (receipt,) = edge.receipts
            assert receipt.outcome is Outcome.CALLED
            assert receipt.received_ns <= receipt.called_ns
        await until(lambda: edge.changes == 2)
        assert not edge.warn("e2", 2)
        await edge.server.close()

    run(scenario)


def test_cut_and_resume_lose_and_repeat_nothing(run: Callable[..., None]) -> None:
    async def scenario() -> None:
        edge = Edge()
        await edge.server.start()
        async with client(edge) as obu:
            stream = obu.warnings()
            cancelled: list[int] = []

            async def on_cancel(cancel: Any) -> None:
                cancelled.append(cancel.key)

            obu.on_cancel(on_cancel)
            await obu.connected()
            edge.warn("before", 1)
            assert (await anext(stream)).warning.event_id == "before"
            await until(lambda: bool(edge.receipts))
            (connection,) = edge.server._carried.values()
            connection.cut()
            await until(lambda: not edge.server.sessions())
            edge.cancel(1)
            edge.warn("stale", 2, lives_s=0.001)
            edge.warn("meanwhile", 3)
            assert (await anext(stream)).warning.event_id == "meanwhile"
            await until(lambda: cancelled == [1])
            assert obu.status().resumes == 1
            assert [w.key for w in obu.active()] == [3]
            assert edge.counters.dropped(LinkServerReason.EXPIRED) == 1
        await edge.server.close()

    run(scenario)


def test_a_vehicle_that_stops_reading_is_cut_and_the_other_hardly_notices(run: Callable[..., None]) -> None:
    async def scenario() -> None:
        edge = Edge(LinkRules(unwritable_s=0.3, send_buffer_bytes=8_192))
        await edge.server.start()
        stuck = await raw_vehicle(edge)
        stuck_session = edge.last
        async with client(edge) as obu:
            stream = obu.warnings()
            await obu.connected()
            other_session = edge.last

            def cut_while_more_is_sent() -> bool:
                edge.last = stuck_session
                edge.warn("large", 0, padding=20_000)
                return bool(edge.counters.dropped(LinkServerReason.TOO_SLOW))

            await until(cut_while_more_is_sent)
            edge.last = other_session
            edge.warn("still here", 1)
            assert (await anext(stream)).warning.event_id == "still here"
            assert obu.status().resumes == 0
        stuck.close()
        await edge.server.close()

    run(scenario)


async def raw_vehicle(edge: Edge) -> socket.socket:
    """A vehicle on a bare socket with a small buffer, that says HELLO and never reads again."""
    from wayside.link import SUBPROTOCOL, Flag, Header, Hello, encode_frame

    before = edge.changes
    vehicle = socket.socket()
    vehicle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    vehicle.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(vehicle, ("127.0.0.1", edge.server.port))
    request = (
        "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
    )
    await loop.sock_sendall(vehicle, request.encode())
    await loop.sock_recv(vehicle, 4_096)
    hello = encode_body(Hello("stuck", DIALECT, "secret"))
    frame = encode_frame(Header(FrameKind.HELLO, Flag(0), 0, 1, 0, 0, 0), hello)
    assert len(frame) < 126
    await loop.sock_sendall(vehicle, bytes([0x82, 0x80 | len(frame), 0, 0, 0, 0]) + frame)
    await until(lambda: edge.changes > before)
    return vehicle


class EdgeThread:
    """An edge on a loop of its own, for what blocks."""

    def __init__(self) -> None:
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()))
        self._thread.start()
        assert self._ready.wait(10)

    async def _main(self) -> None:
        self.edge = Edge()
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        await self.edge.server.start()
        self.url = self.edge.url
        self._ready.set()
        await self._stop.wait()
        await self.edge.server.close()

    def do(self, act: Callable[[], Any]) -> Any:
        async def on_loop() -> Any:
            return act()

        return asyncio.run_coroutine_threadsafe(on_loop(), self._loop).result(10)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()


@pytest.fixture
def edge_thread() -> Iterator[EdgeThread]:
    edge = EdgeThread()
    yield edge
    edge.close()


def test_blocking_client(edge_thread: EdgeThread) -> None:
    called = threading.Event()
    threads_before = threading.active_count()
    with SyncObuClient([edge_thread.url], vehicle_id="v1", token="secret") as obu:
        obu.connected(10)
        assert obu.state in (ObuState.CONNECTED, ObuState.CONNECTING)
        unsubscribe = obu.on_warning(lambda _: called.set())
        warnings = obu.warnings(timeout_s=10)
        edge_thread.do(lambda: edge_thread.edge.warn("e1", 1))
        warning: ReceivedWarning = next(warnings)
        assert warning.warning.event_id == "e1"
        assert called.wait(10)
        unsubscribe()
        assert [w.key for w in obu.active()] == [1]
        assert obu.send_bsm(b"uper")
        assert list(obu.warnings(timeout_s=0.01)) == []
        assert obu.status().site == "test"
        with pytest.raises(RuntimeError, match="once"):
            obu.start()
    obu.close()
    assert list(warnings) == []
    with pytest.raises(ObuError) as error:
        obu.send_bsm(b"uper")
    assert error.value.reason is ObuReason.NOT_CONNECTED
    assert threading.active_count() <= threads_before + 1  # the callbacks' idle thread may still be ending


def test_blocking_client_passes_errors_on() -> None:
    with pytest.raises(ValueError, match="vehicle_id"):
        SyncObuClient(["ws://127.0.0.1:9/"], vehicle_id="").start()
    with SyncObuClient(["ws://127.0.0.1:9/"], vehicle_id="v") as obu:
        with pytest.raises(ObuError) as error:
            obu.connected(0.2)
        assert error.value.reason is ObuReason.UNREACHABLE


def command(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    import os

    return subprocess.run(
        [sys.executable, "-m", "wayside.cli", "obu", *words],
        capture_output=True,
        text=True,
        timeout=40,
        env={**os.environ, **environment},
    )


def test_command_writes_what_happens_as_json_lines(edge_thread: EdgeThread) -> None:
    done: list[subprocess.CompletedProcess[str]] = []
    words = ("--server", edge_thread.url, "--vehicle-id", "bus", "--duration", "2", "--json")
    runner = threading.Thread(target=lambda: done.append(command(*words, WAYSIDE_LINK_TOKEN="secret")))
    runner.start()
    asyncio.run(until(lambda: edge_thread.edge.changes > 0))
    assert edge_thread.do(lambda: edge_thread.edge.warn("e1", 1))
    runner.join()
    assert done[0].returncode == 0, done[0].stderr
    lines = [json.loads(line) for line in done[0].stdout.splitlines()]
    assert [line["event"] for line in lines if line["event"] != "state"] == ["warning", "status"]
    (warning,) = (line for line in lines if line["event"] == "warning")
    assert warning["warning"]["event_id"] == "e1"
    assert edge_thread.edge.last.vehicle_id == "bus"


def test_command_draws_a_table(edge_thread: EdgeThread) -> None:
    done = command("--server", edge_thread.url, "--duration", "0.5", WAYSIDE_LINK_TOKEN="secret")
    assert done.returncode == 0, done.stderr
    assert "CONNECTED" in done.stdout
    assert "warnings in force" in done.stdout


@pytest.mark.parametrize("words", [("--server", "http://127.0.0.1:9/"), ("--vehicle-id", "")])
def test_command_refuses_words_that_cannot_be_meant(words: tuple[str, str]) -> None:
    done = command(*words, "--connect-timeout", "0.1")
    assert done.returncode == 2
    assert f"argument {words[0]}" in done.stderr and "Traceback" not in done.stderr


def test_command_names_certificates_that_cannot_be_read(tmp_path: Any) -> None:
    bad = tmp_path / "bad.pem"
    bad.write_text("no certificate")
    for path in (bad, tmp_path / "none.pem"):
        done = command("--server", "wss://127.0.0.1:9/", "--ca-file", str(path))
        assert done.returncode == 1
        assert path.name in done.stderr and "certificates cannot be read" in done.stderr


async def test_table_takes_what_the_edge_says_as_it_is() -> None:
    warning = Warning(
        WarningKind.HAZARDOUS_LOCATION, Severity.URGENT, "e", "t", Place(0.0, 0.0, "[/red]"), Action.STOP
    )
    received = ReceivedWarning(warning, 1, 1, 240, CLOCK.utc(), 1_000, CLOCK.mono(), CLOCK.mono())
    console = Console(width=120, record=True, file=io.StringIO())
    status = ObuClient(["ws://x/"], vehicle_id="v").status()
    console.print(view(status, [received], CLOCK.mono(), 0))
    assert "[/red]" in console.export_text()


def test_command_says_when_no_one_is_there_or_the_token_is_wrong(
    edge_thread: EdgeThread, tmp_path: Any
) -> None:
    done = command("--server", "ws://127.0.0.1:9/", "--connect-timeout", "0.3")
    assert done.returncode == 1
    assert "no session within 0.3 s" in done.stderr and "check the address" in done.stderr
    token = tmp_path / "token"
    token.write_text("wrong\n")
    done = command("--server", edge_thread.url, "--token-file", str(token))
    assert done.returncode == 1
    assert "token is missing or wrong" in done.stderr
    done = command("--token-file", str(tmp_path / "none"))
    assert done.returncode == 1
    assert "token cannot be read" in done.stderr
