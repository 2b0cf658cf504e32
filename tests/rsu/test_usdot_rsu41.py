"""The adapter and its emulator over real sockets on this host."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import uvloop

import wayside.rsu.vendors.usdot_rsu41.adapter as adapter_module
from wayside.clock import SystemClock, VirtualClock
from wayside.observe import Counters
from wayside.rsu import (
    Checked,
    DeliveryState,
    DeviceState,
    Envelope,
    Faults,
    RsuError,
    RsuReason,
    decodable,
    downlink,
)
from wayside.rsu.radio import Form
from wayside.rsu.vendors.usdot_rsu41 import Config, UsdotRsu41, UsdotRsu41Emulator
from wayside.rsu.vendors.usdot_rsu41.config import CEILING

pytestmark = pytest.mark.joint


@asynccontextmanager
async def linked(**values: Any) -> AsyncIterator[tuple[UsdotRsu41, UsdotRsu41Emulator]]:
    """A connected adapter and emulator on real time."""
    clock = SystemClock()
    emulator = UsdotRsu41Emulator(clock)
    await emulator.start()
    adapter = UsdotRsu41(Config(device_id="r1", **{**emulator.adapter_values(), **values}), clock, Counters())
    try:
        assert await adapter.connect()
        emulator.attach(adapter)
        yield adapter, emulator
    finally:
        await adapter.close()
        await emulator.close()


async def received(adapter: UsdotRsu41, count: int) -> list[Envelope]:
    """The next `count` envelopes, within 3 s."""
    found: list[Envelope] = []

    async def read() -> None:
        async for batch in adapter.uplink():
            found.extend(item for item in batch if isinstance(item, Envelope))
            if len(found) >= count:
                return

    await asyncio.wait_for(read(), 3.0)
    return found


async def accounted(adapter: UsdotRsu41, count: int) -> None:
    """Return when so many datagrams have been received or refused; fails after a while."""
    for _ in range(100_000):
        if adapter.status().received + adapter.status().refused >= count:
            return
        await asyncio.sleep(0)
    raise AssertionError(f"{adapter.status()} does not account for {count} datagrams")


async def test_down_and_up(spat_frames: list[bytes]) -> None:
    async with linked() as (adapter, emulator):
        heard = asyncio.Event()
        emulator.sent_over_air = lambda _: heard.set()
        message = downlink(adapter.clock, "SPAT", spat_frames[0], dialect="j2735-2024")
        delivery = adapter.send(message, ttl_ms=1_000)
        await asyncio.wait_for(heard.wait(), 3.0)
        assert delivery.state is DeliveryState.SENT
        broadcast = emulator.broadcasts[0]
        assert (broadcast.uper, broadcast.psid, broadcast.channel) == (spat_frames[0], 0x82, 183)
        emulator.form = Form.WSMP_SIGNED
        emulator.channel = 172
        emulator.send_up(spat_frames[1])
        (envelope,) = await received(adapter, 1)
        assert (envelope.message, envelope.uper) == ("SPAT", spat_frames[1])
        assert (envelope.psid, envelope.tx.channel, envelope.source) == (0x82, 172, "127.0.0.1")
        assert envelope.security.signed
        assert not envelope.security.verified
        assert envelope.security.signer == "digest"
        assert envelope.value["messageId"] == 19
        assert adapter.state is DeviceState.ONLINE


@pytest.mark.drops(RsuReason.DECODE, RsuReason.MALFORMED, RsuReason.UNSUPPORTED, RsuReason.TOO_LARGE)
@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        ("0013 05 ffffffffff", RsuReason.DECODE),
        ("03 00 8002 40 0013", RsuReason.MALFORMED),
        ("03 82 00", RsuReason.UNSUPPORTED),
        ("00" * 4_097, RsuReason.TOO_LARGE),
    ],
)
async def test_a_bad_datagram_is_counted_and_the_next_one_arrives(
    octets: str, reason: RsuReason, spat_frames: list[bytes]
) -> None:
    async with linked() as (adapter, emulator):
        emulator.send_datagram(bytes.fromhex(octets))
        emulator.send_up(spat_frames[0])
        assert (await received(adapter, 1))[0].uper == spat_frames[0]
        assert adapter.counters.drops() == {"rsu": {reason.value: 1}}


async def test_a_fault_of_ours_does_not_silence_a_device(
    spat_frames: list[bytes], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with linked() as (adapter, emulator):

        def broken(_: bytes) -> Checked:
            monkeypatch.undo()
            raise ZeroDivisionError

        monkeypatch.setattr(adapter, "_check_up", broken)
        emulator.send_up(spat_frames[0])
        emulator.send_up(spat_frames[1])
        assert [e.uper for e in await received(adapter, 1)] == [spat_frames[1]]
        assert adapter.counters.value("faults", "rsu decode") == 1
        assert "ZeroDivisionError" in caplog.text


@pytest.mark.drops(RsuReason.CONFIG)
def test_a_dialect_without_tables_is_refused(clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    assert decodable("j2735-2024")
    monkeypatch.setattr(adapter_module, "decodable", lambda dialect: False)
    config = Config(device_id="r1", host="127.0.0.1")
    with pytest.raises(RsuError) as caught:
        UsdotRsu41(config, clock, Counters())
    assert caught.value.reason is RsuReason.CONFIG


@pytest.mark.drops(RsuReason.UNKNOWN_SOURCE)
async def test_a_stranger_is_not_heard(spat_frames: list[bytes]) -> None:
    async with linked(uplink_sources=("127.0.0.9",)) as (adapter, emulator):
        emulator.send_up(spat_frames[0])
        await accounted(adapter, 1)
        assert adapter.counters.dropped(RsuReason.UNKNOWN_SOURCE) == 1
        assert adapter.state is DeviceState.CONNECTING


@pytest.mark.drops(RsuReason.QUEUE_FULL)
async def test_a_full_receive_queue_drops_the_oldest(spat_frames: list[bytes]) -> None:
    async with linked(receive_queue=2) as (adapter, _):
        for frame in spat_frames:
            adapter._datagram("any", frame, "127.0.0.1")
        found = await received(adapter, 2)
        assert [e.uper for e in found] == spat_frames[1:]
        assert adapter.counters.dropped(RsuReason.QUEUE_FULL) == 1


async def test_faults_do_what_they_say(spat_frames: list[bytes]) -> None:
    async with linked() as (adapter, emulator):
        first, second, _ = spat_frames
        emulator.faults = Faults(silence=True)
        assert emulator.send_up(first) == 0
        emulator.faults = Faults(drop=1.0)
        assert emulator.send_up(first) == 0
        emulator.faults = Faults(duplicate=1.0)
        assert emulator.send_up(first) == 2
        emulator.faults = Faults(reorder=1.0)
        assert emulator.send_up(first) == 0
        emulator.faults = Faults()
        assert emulator.send_up(second) == 2
        emulator.faults = Faults(slow_s=0.01)
        assert emulator.send_up(first) == 1
        found = await received(adapter, 5)
        assert [e.uper for e in found] == [first, first, second, first, first]


async def test_a_share_of_drops_follows_the_seed(spat_frames: list[bytes]) -> None:
    emulator = UsdotRsu41Emulator(VirtualClock(), uplink=("127.0.0.1", {"any": 9}), faults=Faults(drop=0.5))
    emulator.seed(4)
    once = [emulator.send_up(spat_frames[0]) for _ in range(40)]
    emulator.seed(4)
    assert [emulator.send_up(spat_frames[0]) for _ in range(40)] == once
    assert 10 < sum(once) < 30
    await emulator.close()


async def test_the_emulator_refuses_what_a_unit_would(spat_frames: list[bytes]) -> None:
    async with linked() as (_, emulator):
        text = b"Version=0.7\nType=MAP\nPSID=0x8002\nPayload=" + spat_frames[0].hex().encode()
        emulator.strict_order = False
        emulator._text(text)
        emulator._text(b"hello")
        assert [e.reason for e in emulator.refused] == [RsuReason.MALFORMED] * 2
        assert not emulator.broadcasts


async def test_a_message_goes_to_the_port_configured_for_it(
    spat_frames: list[bytes], map_frame: bytes
) -> None:
    second = UsdotRsu41Emulator(SystemClock())
    await second.start()
    async with linked(port_by_message={"MAP": second.address[1]}) as (adapter, first):
        both = asyncio.Event()
        for emulator in (first, second):
            emulator.sent_over_air = lambda _: both.set() if first.broadcasts and second.broadcasts else None
        for message, frame in (("SPAT", spat_frames[0]), ("MAP", map_frame)):
            adapter.send(downlink(adapter.clock, message, frame, dialect="j2735-2024"), ttl_ms=1_000)
        await asyncio.wait_for(both.wait(), 3.0)
        assert [b.message for b in first.broadcasts] == ["SPAT"]
        assert [b.message for b in second.broadcasts] == ["MAP"]
    await second.close()


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5])
async def test_closing_while_it_opens_leaves_nothing_open(turns: int) -> None:
    before = asyncio.all_tasks()
    port = free_port()
    config = Config(device_id="r1", host="127.0.0.1", port=9, uplink_ports={"any": port, "MAP": 0})
    adapter = UsdotRsu41(config, SystemClock(), Counters())
    connecting = asyncio.create_task(adapter.connect())
    for _ in range(turns):
        await asyncio.sleep(0)
    await adapter.close()
    if not connecting.done():
        connecting.cancel()
    await asyncio.gather(connecting, return_exceptions=True)
    assert asyncio.all_tasks() == before
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", port))


async def test_several_units_share_a_port(spat_frames: list[bytes]) -> None:
    clock = SystemClock()
    counters = Counters()
    emulators = [UsdotRsu41Emulator(clock, host=f"127.0.0.{n}") for n in (2, 3)]
    adapters: list[UsdotRsu41] = []
    port = 0
    for number, emulator in enumerate(emulators):
        await emulator.start()
        host, forward = emulator.address
        config = Config(
            device_id=f"r{number}",
            host=host,
            port=forward,
            uplink_ports={"any": port or free_port()},
        )
        adapter = UsdotRsu41(config, clock, counters)
        assert await adapter.connect()
        port = adapter.listening["any"][1]
        emulator.attach(adapter)
        adapters.append(adapter)
    for emulator, frame in zip(emulators, spat_frames, strict=False):
        emulator.send_up(frame)
    for adapter, frame in zip(adapters, spat_frames, strict=False):
        assert [e.uper for e in await received(adapter, 1)] == [frame]
    twin = UsdotRsu41(adapters[0].config, clock, counters)
    assert not await twin.connect()
    assert counters.dropped(RsuReason.CONFIG) == 1
    await adapters[0].close()
    emulators[1].send_up(spat_frames[2])
    assert [e.uper for e in await received(adapters[1], 1)] == [spat_frames[2]]
    for adapter in (twin, adapters[1]):
        await adapter.close()
    for emulator in emulators:
        await emulator.close()


def free_port() -> int:
    """A UDP port that is free now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.drops(RsuReason.UNREACHABLE)
async def test_a_port_that_is_taken_leaves_nothing_open(clock: VirtualClock) -> None:
    emulator = UsdotRsu41Emulator(clock)
    await emulator.start()
    taken = emulator.address[1]
    config = Config(device_id="r1", host="127.0.0.1", port=taken, uplink_ports={"any": taken})
    adapter = UsdotRsu41(config, clock, Counters())
    assert not await adapter.connect()
    assert adapter.listening == {}
    assert adapter._senders == {}
    assert adapter.counters.dropped(RsuReason.UNREACHABLE) == 1
    with pytest.raises(RsuError) as caught:
        await UsdotRsu41Emulator(clock, port=taken).start()
    assert caught.value.reason is RsuReason.UNREACHABLE
    await adapter.close()
    await emulator.close()


async def test_nothing_that_never_had_uper_is_sent(clock: VirtualClock, spat_frames: list[bytes]) -> None:
    async with linked() as (adapter, _):
        bare = msgspec.structs.replace(
            downlink(clock, "SPAT", spat_frames[0], dialect="j2735-2024"), uper=None
        )
        ended = asyncio.Event()
        adapter.on_delivery = lambda d: ended.set() if d.ended else None
        delivery = adapter.send(bare, ttl_ms=1_000)
        await asyncio.wait_for(ended.wait(), 3.0)
        assert delivery.state is DeliveryState.UNSUPPORTED


def test_it_runs_on_uvloop(spat_frames: list[bytes]) -> None:
    async def both_ways() -> None:
        async with linked() as (adapter, emulator):
            heard = asyncio.Event()
            emulator.sent_over_air = lambda _: heard.set()
            adapter.send(downlink(adapter.clock, "SPAT", spat_frames[0], dialect="j2735-2024"), ttl_ms=1_000)
            await asyncio.wait_for(heard.wait(), 3.0)
            emulator.send_up(spat_frames[1])
            assert [e.uper for e in await received(adapter, 1)] == [spat_frames[1]]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(both_ways())


@pytest.mark.parametrize(
    ("values", "message", "limit"),
    [
        ({}, "SPAT", 658),
        ({}, "MAP", 657),
        ({"fragmentation": True}, "MAP", 1_400),
        ({"mtu_bytes": 1_280}, "SPAT", 548),
        ({"payload_limit_bytes": 300}, "SPAT", 300),
    ],
)
def test_limits_follow_packet_and_fragments(values: dict[str, Any], message: str, limit: int) -> None:
    assert Config(device_id="r1", host="h", **values).capabilities().limit_bytes(message) == limit


def test_no_device_can_do_more_than_the_vendors_record_says() -> None:
    for fragmentation in (False, True):
        can = Config(device_id="r1", host="h", fragmentation=fragmentation).capabilities()
        assert can.down <= CEILING.down
        assert set(can.dialects) <= set(CEILING.dialects)
        assert can.ack <= CEILING.ack
        assert all(limit <= CEILING.limit_bytes(name) for name, limit in can.max_bytes.items())


async def test_nothing_counts_as_sent_on_a_socket_that_is_gone(spat_frames: list[bytes]) -> None:
    async with linked(reconnect_first_s=0.01) as (adapter, _):
        for transport in adapter._senders.values():
            transport.abort()
        message = downlink(adapter.clock, "SPAT", spat_frames[0], dialect="j2735-2024")
        sent = asyncio.Event()
        adapter.on_delivery = lambda d: sent.set() if d.state is DeliveryState.SENT else None
        lost = adapter.send(message, ttl_ms=1_000, key="a")
        again = adapter.send(message, ttl_ms=1_000, key="b")
        await asyncio.wait_for(sent.wait(), 3.0)
        assert (lost.state, lost.reason) == (DeliveryState.OFFLINE_DROPPED, RsuReason.OFFLINE)
        assert again.state is DeliveryState.SENT
