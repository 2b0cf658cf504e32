"""The link server over real sockets: orderly vehicles, damaged ones, hostile ones."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import ssl
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from wayside.clock import MonoNs
from wayside.link import (
    Bye,
    ClockPing,
    ClockPong,
    Flag,
    FrameKind,
    Hello,
    LinkReason,
    LinkRules,
    Outcome,
    Receipt,
    Refusal,
    Refused,
    Welcome,
    decode_body,
)
from wayside.mec.linkserver import LinkServerReason, Outgoing

pytestmark = pytest.mark.joint

DIALECT = "csae53-2020"
MakeEdge = Callable[..., Awaitable[Any]]
MakeVehicle = Callable[..., Awaitable[Any]]
Make = Callable[..., Outgoing]


async def refusal(vehicle: Any) -> Refused:
    """The REFUSED that ends a vehicle's connection."""
    while (frame := await vehicle.recv()).header.kind is not FrameKind.REFUSED:
        pass
    await vehicle.closed()
    return decode_body(frame, Refused)


async def test_a_vehicle_comes_speaks_and_goes(
    make_edge: MakeEdge, make_vehicle: MakeVehicle, outgoing: Make
) -> None:
    edge = await make_edge(token="secret")
    vehicle = await make_vehicle(edge, Hello("bus", DIALECT, "secret", software="x/1"))
    welcome: Welcome = vehicle.welcome
    assert (welcome.site, welcome.dialect, welcome.resumed) == ("test", DIALECT, False)
    assert edge.server.sessions()[0].software == "x/1"
    await vehicle.send(FrameKind.MESSAGE, b"uper")
    receipt = Receipt(1, "t", Outcome.CALLED, 1, 2, 3)
    await vehicle.send(FrameKind.RECEIPT, receipt)
    await vehicle.send(FrameKind.CLOCK_PING, ClockPing(42))
    frame = await vehicle.recv()
    pong = decode_body(frame, ClockPong)
    assert pong.sent_ns == 42
    assert pong.edge_received_ns <= pong.edge_sent_ns
    assert edge.messages == [("bus", b"uper")]
    assert edge.receipts == [receipt]
    written: list[tuple[str, int, MonoNs]] = []
    assert edge.server.send(edge.only, outgoing(on_written=lambda *args: written.append(args)))
    frame = await vehicle.recv()
    assert (frame.header.kind, frame.header.key, frame.body) == (FrameKind.WARNING, 7, b"body")
    assert [(session, seq) for session, seq, _ in written] == [(welcome.session_id, frame.header.seq)]
    await vehicle.send(FrameKind.BYE, Bye())
    await vehicle.closed()
    await edge.until(lambda: edge.sessions == [("bus", True), ("bus", False)])
    assert not edge.server.send(welcome.session_id, outgoing())
    assert edge.counters.drops() == {"link_server": {"no_session": 1}}


@pytest.mark.drops(LinkServerReason.NO_SESSION)
async def test_sending_to_no_one_is_counted(make_edge: MakeEdge, outgoing: Make) -> None:
    edge = await make_edge()
    assert not edge.server.send("nobody", outgoing())
    assert edge.counters.dropped(LinkServerReason.NO_SESSION) == 1


@pytest.mark.parametrize(
    ("hello", "reason"),
    [
        pytest.param(
            Hello("v", DIALECT, "wrong"),
            LinkServerReason.BAD_TOKEN,
            marks=pytest.mark.drops(LinkServerReason.BAD_TOKEN),
        ),
        pytest.param(
            Hello("v", "morse", "secret"),
            LinkServerReason.UNKNOWN_DIALECT,
            marks=pytest.mark.drops(LinkServerReason.UNKNOWN_DIALECT),
        ),
        pytest.param(Bye(), LinkServerReason.BAD_HELLO, marks=pytest.mark.drops(LinkServerReason.BAD_HELLO)),
    ],
)
async def test_a_wrong_greeting_is_refused_with_its_reason(
    make_edge: MakeEdge, make_vehicle: MakeVehicle, hello: msgspec.Struct, reason: LinkServerReason
) -> None:
    edge = await make_edge(token="secret")
    vehicle = await make_vehicle(edge, None)
    await vehicle.send(FrameKind.HELLO if isinstance(hello, Hello) else FrameKind.BYE, hello)
    assert (await refusal(vehicle)).reason.value == reason.value
    assert edge.counters.dropped(reason) == 1
    assert edge.sessions == []


async def test_one_who_never_says_hello_is_refused(make_edge: MakeEdge, make_vehicle: MakeVehicle) -> None:
    edge = await make_edge(LinkRules(hello_timeout_s=0.3))
    vehicle = await make_vehicle(edge, None)
    assert (await refusal(vehicle)).reason is Refusal.BAD_HELLO


async def test_without_the_subprotocol_there_is_no_link(make_edge: MakeEdge) -> None:
    edge = await make_edge()
    with pytest.raises(InvalidStatus) as error:
        await connect(f"ws://127.0.0.1:{edge.server.port}/", proxy=None)
    assert error.value.response.status_code == 426
    assert edge.counters.dropped(LinkServerReason.BAD_HELLO) == 1


@pytest.mark.drops(LinkServerReason.FULL)
async def test_a_full_edge_says_so(make_edge: MakeEdge, make_vehicle: MakeVehicle) -> None:
    edge = await make_edge(LinkRules(max_sessions=1))
    await make_vehicle(edge, "a")
    answer = await refusal(await make_vehicle_refused(make_vehicle, edge, "b"))
    assert answer.reason is Refusal.FULL
    assert answer.retry_after_s > 0
    assert edge.counters.dropped(LinkServerReason.FULL) == 1


async def make_vehicle_refused(make_vehicle: MakeVehicle, edge: Any, vehicle_id: str) -> Any:
    """A vehicle whose HELLO is sent and whose answer is still to be read."""
    vehicle = await make_vehicle(edge, None)
    await vehicle.send(FrameKind.HELLO, Hello(vehicle_id, DIALECT))
    return vehicle


@pytest.mark.drops(LinkServerReason.UNEXPECTED_FRAME, LinkServerReason.BAD_FRAMES)
async def test_garbage_is_counted_by_reason_and_ends_the_session(
    make_edge: MakeEdge, make_vehicle: MakeVehicle, outgoing: Make
) -> None:
    edge = await make_edge(LinkRules(bad_frames_limit=6))
    good = await make_vehicle(edge, "good")
    bad = await make_vehicle(edge, "bad")
    await bad.socket.send(b"\x00")
    await bad.socket.send(b"\xff" * 40)
    await bad.socket.send("text")
    await bad.send(FrameKind.WELCOME, Bye())
    await bad.send(FrameKind.MESSAGE, b"fine")  # a good one starts the count over
    await bad.send(FrameKind.RECEIPT, b"\xc1")
    for _ in range(5):
        await bad.send(FrameKind.WARNING, b"")
    assert (await refusal(bad)).reason is Refusal.BAD_FRAMES
    drops = edge.counters.drops()
    assert drops["link"] == {"bad_body": 1, "short_frame": 1, "unknown_kind": 1}
    assert drops["link_server"] == {"bad_frames": 1, "unexpected_frame": 7}
    (info,) = edge.server.sessions()
    assert edge.server.send(info.session_id, outgoing())
    assert (await good.recv()).header.kind is FrameKind.WARNING


@pytest.mark.drops(LinkReason.FRAME_TOO_LARGE)
async def test_a_frame_too_large_ends_the_connection(make_edge: MakeEdge, make_vehicle: MakeVehicle) -> None:
    edge = await make_edge(LinkRules(max_frame_bytes=1_000))
    vehicle = await make_vehicle(edge)
    await vehicle.socket.send(b"\x10" * 1_001)
    await vehicle.closed()
    await edge.until(lambda: not edge.server.sessions())
    assert edge.counters.dropped(LinkReason.FRAME_TOO_LARGE) == 1


async def test_octets_that_are_no_websocket_frame_end_the_connection(
    make_edge: MakeEdge, make_vehicle: MakeVehicle
) -> None:
    edge = await make_edge()
    vehicle = await make_vehicle(edge)
    vehicle.socket.transport.write(b"\x8f\x00" * 50)
    await vehicle.closed()
    await edge.until(lambda: not edge.server.sessions())
    assert edge.counters.dropped(LinkServerReason.BAD_FRAMES) == 1


@pytest.mark.drops(LinkServerReason.OVER_RATE, LinkServerReason.TOO_FAST)
async def test_a_flood_is_cut_to_the_rate_then_ended(make_edge: MakeEdge, make_vehicle: MakeVehicle) -> None:
    edge = await make_edge(LinkRules(up_rate_hz=10.0, up_burst=20))
    vehicle = await make_vehicle(edge)
    with contextlib.suppress(ConnectionClosed):
        for _ in range(200):
            await vehicle.send(FrameKind.MESSAGE, b"x")
    assert (await refusal(vehicle)).reason is Refusal.TOO_FAST
    assert 20 <= len(edge.messages) <= 30
    assert edge.counters.dropped(LinkServerReason.TOO_FAST) == 1
    assert edge.counters.dropped(LinkServerReason.OVER_RATE) == 101


async def test_pings_of_a_vehicle_that_does_not_read_pile_up_nowhere(
    make_edge: MakeEdge, make_vehicle: MakeVehicle
) -> None:
    edge = await make_edge(LinkRules(up_rate_hz=10.0, up_burst=20))
    vehicle = await make_vehicle(edge)
    with contextlib.suppress(ConnectionClosed):
        for _ in range(150):
            await vehicle.socket.ping()
    await edge.until(lambda: edge.counters.dropped(LinkServerReason.TOO_FAST) == 1)
    await vehicle.closed()


@pytest.mark.drops(LinkServerReason.SILENT)
async def test_a_silent_vehicle_is_cut_and_may_come_back(
    make_edge: MakeEdge, make_vehicle: MakeVehicle
) -> None:
    edge = await make_edge(LinkRules(keepalive_s=0.1))
    vehicle = await make_vehicle(edge)
    await vehicle.closed()
    assert edge.counters.dropped(LinkServerReason.SILENT) == 1
    again = await make_vehicle(edge, Hello("v1", DIALECT, resume=vehicle.welcome.resume))
    assert again.welcome.resumed
    assert again.welcome.session_id == vehicle.welcome.session_id


@pytest.mark.drops(LinkServerReason.REPLACED)
async def test_the_newer_connection_replaces_the_older(
    make_edge: MakeEdge, make_vehicle: MakeVehicle, outgoing: Make
) -> None:
    edge = await make_edge()
    older = await make_vehicle(edge)
    newer = await make_vehicle(edge, Hello("v1", DIALECT, resume=older.welcome.resume, last_seq=2**31))
    assert (await refusal(older)).reason is Refusal.REPLACED
    assert newer.welcome.resumed
    assert edge.server.send(edge.only, outgoing())
    assert (await newer.recv()).header.kind is FrameKind.WARNING
    assert edge.sessions == [("v1", True), ("v1", False), ("v1", True)]
    assert edge.counters.dropped(LinkServerReason.REPLACED) == 1


async def test_a_cut_vehicle_gets_what_it_missed_over_a_new_socket(
    make_edge: MakeEdge, make_vehicle: MakeVehicle, outgoing: Make
) -> None:
    edge = await make_edge()
    vehicle = await make_vehicle(edge)
    session = edge.only
    edge.server.send(session, outgoing(key=1, body=b"first"))
    last_seq = (await vehicle.recv()).header.seq
    edge.server.send(session, outgoing(key=2, body=b"written, not read"))
    vehicle.socket.transport.abort()
    await edge.until(lambda: not edge.server.sessions())
    edge.server.send(session, outgoing(FrameKind.CANCEL, key=1, body=b"over"))
    edge.server.send(session, outgoing(key=3, body=b"old"))
    edge.server.send(session, outgoing(key=3, body=b"new"))
    edge.server.send(session, outgoing(key=4, body=b"stale", lives_s=0.0))
    again = await make_vehicle(edge, Hello("v1", DIALECT, resume=vehicle.welcome.resume, last_seq=last_seq))
    frames = [await again.recv() for _ in range(3)]
    assert [(f.header.key, bool(f.header.flags & Flag.RESUMED), f.body) for f in frames] == [
        (2, True, b"written, not read"),
        (1, False, b"over"),
        (3, False, b"new"),
    ]
    assert edge.counters.drops() == {"link_server": {"expired": 1, "superseded": 1}}


@pytest.mark.drops(LinkServerReason.TOO_SLOW)
async def test_a_vehicle_that_stops_reading_is_cut_without_harm_to_others(
    make_edge: MakeEdge, make_vehicle: MakeVehicle, outgoing: Make
) -> None:
    edge = await make_edge(LinkRules(unwritable_s=0.3, send_buffer_bytes=8_192, mailbox_limit=8))
    stuck = await make_vehicle(edge, "stuck", max_queue=1)
    stuck.socket.transport.pause_reading()
    stuck_id = edge.only
    other = await make_vehicle(edge, "other")
    (other_id,) = (info.session_id for info in edge.server.sessions() if info.vehicle_id == "other")
    large = b"x" * 20_000
    sent = 0
    while edge.server.waiting(stuck_id) < 8:
        edge.server.send(stuck_id, outgoing(FrameKind.MESSAGE, key=0, priority=1, body=large))
        sent += 1
        await asyncio.sleep(0)
        assert sent < 2_000, "the buffers never filled"
    edge.server.send(other_id, outgoing(body=b"still here"))
    assert (await other.recv()).body == b"still here"
    edge.server.send(stuck_id, outgoing(key=9, lives_s=0.05))
    await edge.until(lambda: len(edge.server.sessions()) == 1)
    assert edge.counters.dropped(LinkServerReason.TOO_SLOW) == 1
    assert ("stuck", False) in edge.sessions
    assert edge.server.waiting(stuck_id) <= 8
    again = await make_vehicle(edge, Hello("stuck", DIALECT, resume=stuck.welcome.resume, last_seq=2**31 - 1))
    assert again.welcome.resumed


async def test_emergency_overtakes_what_waits_for_a_full_socket(
    make_edge: MakeEdge, make_vehicle: MakeVehicle, outgoing: Make
) -> None:
    edge = await make_edge(LinkRules(unwritable_s=60.0, send_buffer_bytes=8_192))
    vehicle = await make_vehicle(edge, max_queue=1)
    vehicle.socket.transport.pause_reading()
    session = edge.only
    key = 0
    while edge.server.waiting(session) < 5:
        key += 1
        edge.server.send(session, outgoing(FrameKind.MESSAGE, key=key, priority=1, body=b"x" * 20_000))
        await asyncio.sleep(0)
        assert key < 2_000, "the buffers never filled"
    edge.server.send(session, outgoing(key=9_999, priority=240))
    vehicle.socket.transport.resume_reading()
    keys = [(await vehicle.recv()).header.key for _ in range(key + 1)]
    assert sorted(keys) == [*range(1, key + 1), 9_999]
    assert keys.index(9_999) < len(keys) - 4


async def test_a_vehicle_owed_more_cancels_than_can_wait_is_ended(
    make_edge: MakeEdge, make_vehicle: MakeVehicle, outgoing: Make
) -> None:
    edge = await make_edge(LinkRules(mailbox_limit=3))
    vehicle = await make_vehicle(edge)
    session = edge.only
    for key in range(1, 5):
        edge.server.send(session, outgoing(key=key))
    vehicle.socket.transport.abort()
    await edge.until(lambda: not edge.server.sessions())
    sent = [edge.server.send(session, outgoing(FrameKind.CANCEL, key=key)) for key in range(1, 5)]
    assert sent == [True, True, True, False]
    assert edge.counters.dropped(LinkServerReason.TOO_SLOW) == 1
    again = await make_vehicle(edge, Hello("v1", DIALECT, resume=vehicle.welcome.resume))
    assert not again.welcome.resumed


async def test_a_failing_callback_harms_no_session(
    make_edge: MakeEdge, make_vehicle: MakeVehicle, outgoing: Make, caplog: pytest.LogCaptureFixture
) -> None:
    edge = await make_edge()
    vehicle = await make_vehicle(edge)

    def fail(*_: object) -> None:
        raise RuntimeError("a fault of the edge")

    edge.server.send(edge.only, outgoing(on_written=fail))
    assert (await vehicle.recv()).header.kind is FrameKind.WARNING
    assert edge.counters.value("link_callback_failed") == 1
    assert "a fault of the edge" in caplog.text
    assert len(edge.server.sessions()) == 1


async def test_close_tells_every_vehicle_and_leaves_no_task(
    make_edge: MakeEdge, make_vehicle: MakeVehicle
) -> None:
    edge = await make_edge()
    vehicle = await make_vehicle(edge)
    waiting = await make_vehicle(edge, None)
    port = edge.server.port
    await edge.server.close()
    assert (await refusal(vehicle)).reason is Refusal.SHUTTING_DOWN
    assert (await refusal(waiting)).reason is Refusal.SHUTTING_DOWN
    await edge.server.close()
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("link-server")]
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        pass


@pytest.fixture(scope="module")
def certificate(
    tmp_path_factory: pytest.TempPathFactory, optional_part: Callable[[str, bool], None]
) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1, made here, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    words += ["-days", "2", "-subj", "/CN=wayside-test", "-addext", "subjectAltName=IP:127.0.0.1"]
    optional_part("openssl", shutil.which("openssl") is not None)
    subprocess.run([*words, "-keyout", key, "-out", cert], check=True, capture_output=True, timeout=30)
    return cert, key


async def test_tls(
    make_edge: MakeEdge, make_vehicle: MakeVehicle, outgoing: Make, certificate: tuple[Path, Path]
) -> None:
    cert, key = certificate
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(cert, key)
    edge = await make_edge(LinkRules(unwritable_s=0.3), ssl_context=server_side)
    trusted = ssl.create_default_context(cafile=str(cert))
    vehicle = await make_vehicle(edge, ssl_context=trusted)
    edge.server.send(edge.only, outgoing(body=b"secret"))
    assert (await vehicle.recv()).body == b"secret"
    with pytest.raises(ssl.SSLCertVerificationError):
        await make_vehicle(edge, "w", ssl_context=ssl.create_default_context())
    # Under TLS too a vehicle that stops reading is noticed before its frames pile up in this process.
    vehicle.socket.transport.pause_reading()
    session = edge.only

    def cut_while_more_is_sent() -> bool:
        edge.server.send(session, outgoing(FrameKind.MESSAGE, key=0, priority=1, body=b"x" * 20_000))
        return bool(edge.counters.dropped(LinkServerReason.TOO_SLOW))

    await edge.until(cut_while_more_is_sent)
    assert edge.server.sessions() == []


async def test_while_it_holds_nothing_is_read_and_nothing_is_lost(
    make_edge: MakeEdge, make_vehicle: MakeVehicle
) -> None:
    edge = await make_edge(LinkRules(keepalive_s=0.05))
    vehicle = await make_vehicle(edge)
    edge.server.hold(True)
    edge.server.hold(True)
    late = await make_vehicle(edge, None)
    for n in range(3):
        await vehicle.send(FrameKind.MESSAGE, bytes([n]))
    await asyncio.sleep(0.3)
    edge.server.sweep(edge.server.clock.mono())
    assert edge.messages == [] and len(edge.server.sessions()) == 1
    edge.server.hold(False)
    await edge.until(lambda: len(edge.messages) == 3)
    assert [body for _, body in edge.messages] == [b"\x00", b"\x01", b"\x02"]
    await late.hello(Hello("v2", DIALECT))
    assert edge.server.known == 2
