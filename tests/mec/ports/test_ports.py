"""The ways between processes: frames, policies for who reads slowly, connections that break and come back."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayside.clock import MonoNs, SystemClock, VirtualClock
from wayside.mec.ports import (
    MAX_FRAME_BYTES,
    ConnectingPort,
    FrameReader,
    LaneLimits,
    Lanes,
    ListeningPort,
    PortError,
    PortReason,
    pack,
)
from wayside.mec.ports.link import SessionDown, SessionUp, VehicleFrame, core_to_link, link_to_core
from wayside.observe import Counters
from wayside.runtime import TaskOwner

R = PortReason


# frames


@given(st.lists(st.binary(max_size=300), max_size=8), st.integers(1, 50))
def test_frames_are_found_however_the_stream_is_cut(bodies: list[bytes], step: int) -> None:
    stream = b"".join(pack(body) for body in bodies)
    reader = FrameReader()
    found = [body for at in range(0, len(stream), step) for body in reader.feed(stream[at : at + step])]
    assert found == bodies


@given(st.binary(max_size=64))
def test_noise_is_no_frame_or_one_that_is_whole(noise: bytes) -> None:
    reader = FrameReader()
    try:
        bodies = reader.feed(noise)
    except PortError as error:
        assert error.reason in (R.TOO_LARGE, R.WRONG_VERSION)
    else:
        assert noise.startswith(b"".join(pack(body) for body in bodies))


@pytest.mark.drops(R.TOO_LARGE)
def test_a_frame_beyond_the_limit_is_refused_at_both_ends() -> None:
    with pytest.raises(PortError) as refused:
        pack(bytes(MAX_FRAME_BYTES))
    assert refused.value.reason is R.TOO_LARGE
    with pytest.raises(PortError) as refused:
        FrameReader().feed((MAX_FRAME_BYTES + 1).to_bytes(4, "little") + b"\x01")
    assert refused.value.reason is R.TOO_LARGE


@pytest.mark.drops(R.WRONG_VERSION)
def test_another_version_is_refused() -> None:
    with pytest.raises(PortError) as refused:
        FrameReader().feed(b"\x02\x00\x00\x00\x09\x00")
    assert refused.value.reason is R.WRONG_VERSION


# lanes

SMALL = LaneLimits(kept=3, congested=2, newest=2, oldest=2)


def lanes() -> tuple[Lanes, list[PortReason]]:
    lost: list[PortReason] = []
    return Lanes(SMALL, lost.append), lost


def drained(waiting: Lanes) -> list[bytes]:
    return [frame for frame in iter(waiting.take, None)]


def test_what_is_kept_stays_in_order_and_says_when_it_is_too_much() -> None:
    waiting, lost = lanes()
    assert [waiting.keep(bytes([n])) for n in range(4)] == [True, True, True, False]
    assert waiting.congested
    assert drained(waiting) == [b"\x00", b"\x01", b"\x02"] and not lost and not waiting.congested


@pytest.mark.drops(R.OVERTAKEN)
def test_the_newest_of_a_key_stays() -> None:
    waiting, lost = lanes()
    for key, frame in (("a", b"1"), ("b", b"2"), ("a", b"3"), ("c", b"4")):
        waiting.put_newest(key, frame)
    assert drained(waiting) == [b"3", b"4"]
    assert lost == [R.OVERTAKEN, R.OLDEST]


@pytest.mark.drops(R.OLDEST)
def test_of_what_grows_old_the_oldest_goes() -> None:
    waiting, lost = lanes()
    for n in range(4):
        waiting.put_oldest(bytes([n]))
    assert drained(waiting) == [b"\x02", b"\x03"]
    assert lost == [R.OLDEST, R.OLDEST]


def test_what_must_not_be_lost_goes_first() -> None:
    waiting, _ = lanes()
    waiting.put_oldest(b"old")
    waiting.put_newest("k", b"new")
    waiting.keep(b"kept")
    assert drained(waiting) == [b"kept", b"new", b"old"]


@given(st.lists(st.tuples(st.sampled_from("kno"), st.integers(0, 3)), max_size=60))
def test_the_lanes_stay_within_their_limits_and_lose_nothing_uncounted(
    puts: list[tuple[str, int]],
) -> None:
    waiting, lost = lanes()
    refused = 0
    for lane, key in puts:
        if lane == "k":
            refused += not waiting.keep(b"")
        elif lane == "n":
            waiting.put_newest(key, b"")
        else:
            waiting.put_oldest(b"")
        assert len(waiting) <= SMALL.kept + SMALL.newest + SMALL.oldest
    assert len(puts) == len(drained(waiting)) + len(lost) + refused


# connections


class End:
    """One end of a port, and what it saw."""

    def __init__(self, make: type[Any], decoder: Any, **more: Any) -> None:
        self.counters = Counters()
        self.got: list[Any] = []
        self.seen: list[str] = []
        self.congested: list[bool] = []
        self.changed = asyncio.Event()
        self.port = make(
            "test",
            decoder,
            SystemClock(),
            self.counters,
            on_message=self._took,
            on_up=lambda: self._saw("up"),
            on_down=lambda: self._saw("down"),
            on_congested=self.congested.append,
            **more,
        )

    def _took(self, message: Any) -> None:
        self.got.append(message)
        self.changed.set()

    def _saw(self, what: str) -> None:
        self.seen.append(what)
        self.changed.set()

    async def until(self, met: Callable[[], object]) -> None:
        async with asyncio.timeout(10.0):
            while not met():
                self.changed.clear()
                await self.changed.wait()


class Pair:
    """A listening and a connecting end on a socket file."""

    def __init__(self, path: Path, owner: TaskOwner, **more: Any) -> None:
        self.path = path
        self.owner = owner
        self.core = End(ListeningPort, link_to_core)
        self.link = End(ConnectingPort, core_to_link, **more)

    async def meet(self) -> None:
        await self.core.port.listen(self.path)
        self.link.port.start(self.path, self.owner)
        await self.core.until(lambda: self.core.port.up)
        await self.link.until(lambda: self.link.port.up)

    async def part(self) -> None:
        await self.owner.close()
        await self.link.port.close()
        await self.core.port.close()


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    pair = Pair(tmp_path / "p.sock", TaskOwner("test"), limits=SMALL)
    yield pair
    await pair.part()


@pytest.mark.joint
async def test_messages_come_as_they_were_sent(pair: Pair) -> None:
    await pair.meet()
    sent = [SessionUp("a", "d"), VehicleFrame("a", b"\x00\xff", MonoNs(7)), SessionDown("a")]
    pair.link.port.keep(sent[0])
    pair.link.port.send_oldest(sent[1])
    pair.link.port.send_newest("x", sent[2])
    await pair.core.until(lambda: len(pair.core.got) == 3)
    assert pair.core.got == sent


@pytest.mark.joint
@pytest.mark.drops(R.NO_PEER)
async def test_to_nobody_nothing_is_sent_and_that_is_counted(pair: Pair) -> None:
    pair.link.port.keep(SessionDown("a"))
    pair.link.port.send_oldest(SessionDown("a"))
    pair.link.port.send_newest("k", SessionDown("a"))
    assert pair.link.counters.dropped(R.NO_PEER) == 3


@pytest.mark.joint
@pytest.mark.drops(R.MALFORMED)
@pytest.mark.parametrize("octets", [b"\xc1 no message", b"\x92\xa1\xff\x00"])
async def test_octets_that_are_no_message_end_the_connection_and_a_new_one_is_made(
    pair: Pair, octets: bytes
) -> None:
    await pair.meet()
    reader, writer = await asyncio.open_unix_connection(str(pair.path))
    await pair.core.until(lambda: pair.core.seen == ["up", "down", "up"])
    writer.write(pack(octets))
    assert await reader.read() == b""
    writer.close()
    assert pair.core.counters.dropped(R.MALFORMED) == 1
    await pair.core.until(lambda: pair.core.port.up)
    pair.link.port.keep(SessionDown("after"))
    await pair.core.until(lambda: SessionDown("after") in pair.core.got)


@pytest.mark.joint
@pytest.mark.drops(R.STRANGER)
async def test_a_process_of_another_user_is_turned_away(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wayside.mec.ports._stream.os.getuid", lambda: 12_345)
    await pair.core.port.listen(pair.path)
    reader, writer = await asyncio.open_unix_connection(str(pair.path))
    assert await reader.read() == b""
    writer.close()
    assert pair.core.counters.dropped(R.STRANGER) == 1 and not pair.core.seen


@pytest.mark.joint
async def test_the_end_that_connects_comes_back(pair: Pair) -> None:
    await pair.meet()
    await pair.core.port.close()
    await pair.link.until(lambda: pair.link.seen == ["up", "down"])
    await pair.core.port.listen(pair.path)
    await pair.link.until(lambda: pair.link.seen == ["up", "down", "up"])


@pytest.mark.joint
@pytest.mark.drops(R.NOT_READ)
async def test_who_does_not_read_makes_producers_hold_back_and_is_cut_in_the_end(pair: Pair) -> None:
    own = socket.socket(socket.AF_UNIX)
    own.bind(str(pair.path))
    own.listen(1)
    pair.link.port.start(pair.path, pair.owner)
    await pair.link.until(lambda: pair.link.port.up)
    peer, _ = own.accept()
    own.close()
    frame = VehicleFrame("a", bytes(8_192), MonoNs(0))
    for _ in range(200):
        pair.link.port.send_oldest(frame)
        await asyncio.sleep(0)
    assert pair.link.counters.dropped(R.OLDEST) > 0 and not pair.link.congested
    pair.link.port.keep(frame)
    pair.link.port.keep(frame)
    assert pair.link.congested == [True]
    pair.link.port.keep(frame)
    pair.link.port.keep(frame)
    assert pair.link.counters.dropped(R.NOT_READ) == 1
    await pair.link.until(lambda: not pair.link.port.up)
    assert pair.link.congested == [True, False]
    peer.close()


@pytest.mark.joint
async def test_what_waited_is_sent_when_the_peer_reads_again(pair: Pair) -> None:
    own = socket.socket(socket.AF_UNIX)
    own.bind(str(pair.path))
    own.listen(1)
    pair.link.port.start(pair.path, pair.owner)
    await pair.link.until(lambda: pair.link.port.up)
    peer, _ = own.accept()
    own.close()
    filler = VehicleFrame("a", bytes(8_192), MonoNs(0))
    for _ in range(100):
        pair.link.port.send_oldest(filler)
        await asyncio.sleep(0)
    kept = [SessionUp(str(n), "d") for n in range(2)]
    for message in kept:
        pair.link.port.keep(message)
    peer.setblocking(False)
    reader, found = FrameReader(), []
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(10.0):
        while kept[-1] not in found:
            data = await loop.sock_recv(peer, 65_536)
            found += [link_to_core.decode(body) for body in reader.feed(data)]
    assert [message for message in found if isinstance(message, SessionUp)] == kept
    assert pair.link.congested == [True, False]
    peer.close()


@pytest.mark.joint
async def test_who_hangs_up_at_once_is_not_asked_again_at_once(tmp_path: Path, clock: VirtualClock) -> None:
    came: list[str] = []

    class Curt(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            came.append("came")
            transport.close()

    path, owner, gone = tmp_path / "p.sock", TaskOwner("test"), asyncio.Event()
    port = ConnectingPort(
        "test",
        core_to_link,
        clock,
        Counters(),
        on_message=lambda _: None,
        on_up=lambda: None,
        on_down=gone.set,
    )
    async with await asyncio.get_running_loop().create_unix_server(Curt, str(path)), asyncio.timeout(10.0):
        port.start(path, owner)
        for times in (1, 2):
            await gone.wait()
            for _ in range(50):
                await asyncio.sleep(0)
            assert len(came) == times
            gone.clear()
            clock.advance(1.0)
        await owner.close()
