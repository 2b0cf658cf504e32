from __future__ import annotations

import asyncio

import pytest

from wayside.clock import VirtualClock
from wayside.observe import Counters
from wayside.rsu import (
    Area,
    Delivery,
    DeliveryState,
    Distribution,
    Envelope,
    RsuError,
    RsuReason,
    downlink,
    find_vendor,
    read_config,
)

INFO = find_vendor("usdot_rsu41")
TIM = b"\x00\x1f\x01\x00"


def build(clock: VirtualClock, *places: tuple[float, float] | None, keep: int = 100) -> Distribution:
    """Devices r0, r1 …, with or without a surveyed place; none is connected."""
    distribution = Distribution(clock, Counters(), keep=keep)
    for number, place in enumerate(places):
        values: dict[str, object] = {"device_id": f"r{number}", "host": "127.0.0.1"}
        if place is not None:
            values |= {"lat_deg": place[0], "lon_deg": place[1]}
        distribution.add(INFO.adapter(read_config(INFO, values), clock, Counters()))
    return distribution


def tim(clock: VirtualClock, octets: bytes = TIM) -> Envelope:
    return downlink(clock, "TIM", octets, dialect="j2735-2024", trace_id="t1")


async def test_one_delivery_for_each_device(clock: VirtualClock) -> None:
    distribution = build(clock, None, None, None)
    deliveries = distribution.send(tim(clock), to=["r2", "r0"], ttl_ms=500)
    assert [d.device_id for d in deliveries] == ["r2", "r0"]
    assert {d.trace_id for d in deliveries} == {"t1"}
    assert distribution.delivery(deliveries[0].delivery_id) is deliveries[0]
    assert distribution.deliveries("r0") == [deliveries[1]]
    assert distribution.counts() == {DeliveryState.QUEUED: 2}


async def test_an_area_means_the_devices_inside(clock: VirtualClock) -> None:
    distribution = build(clock, (39.0, 117.0), (39.001, 117.0), (39.01, 117.0), None)
    area = Area(39.0, 117.0, 200.0)
    assert distribution.devices_in(area) == ["r0", "r1"]
    assert [d.device_id for d in distribution.send(tim(clock), to=area, ttl_ms=500)] == ["r0", "r1"]


@pytest.mark.drops(RsuReason.CONFIG)
async def test_an_unknown_device_is_refused_before_anything_is_sent(clock: VirtualClock) -> None:
    distribution = build(clock, None)
    with pytest.raises(RsuError) as caught:
        distribution.send(tim(clock), to=["r0", "r9"], ttl_ms=500)
    assert caught.value.reason is RsuReason.CONFIG
    assert distribution.deliveries() == []
    with pytest.raises(RsuError):
        distribution.add(distribution.adapters["r0"])
    with pytest.raises(RsuError):
        distribution.remove("r9")
    assert distribution.remove("r0").device_id == "r0"


async def test_the_same_content_is_sent_once(clock: VirtualClock) -> None:
    distribution = build(clock, None)
    (first,) = distribution.send(tim(clock), to=["r0"], ttl_ms=500, key="event-1")
    (again,) = distribution.send(tim(clock), to=["r0"], ttl_ms=500, key="event-1")
    (other,) = distribution.send(tim(clock, TIM + b"\x01"), to=["r0"], ttl_ms=500, key="event-1")
    assert again is first
    assert (first.state, other.state) == (DeliveryState.SUPERSEDED, DeliveryState.QUEUED)
    clock.advance(0.6)
    (later,) = distribution.send(tim(clock, TIM + b"\x01"), to=["r0"], ttl_ms=500, key="event-1")
    assert later is not other


async def test_each_device_gets_the_dialect_it_speaks(clock: VirtualClock) -> None:
    distribution = build(clock, None)
    chinese = downlink(clock, "RSI", b"\x40\x00", dialect="csae53-2020")
    (delivery,) = distribution.send([chinese, tim(clock)], to=["r0"], ttl_ms=500)
    assert (delivery.message, delivery.state) == ("TIM", DeliveryState.QUEUED)
    (refused,) = distribution.send(chinese, to=["r0"], ttl_ms=500)
    assert refused.state is DeliveryState.UNSUPPORTED
    with pytest.raises(ValueError, match="no message"):
        distribution.send([], to=["r0"], ttl_ms=500)


async def test_revoking_by_key(clock: VirtualClock) -> None:
    distribution = build(clock, None, None)
    deliveries = distribution.send(tim(clock), to=["r0", "r1"], ttl_ms=500, key="event-1")
    assert await distribution.revoke("event-1", "TIM", to=["r0"]) == {"r0": True}
    assert [d.state for d in deliveries] == [DeliveryState.REVOKED, DeliveryState.QUEUED]
    assert await distribution.revoke("no-such", "TIM") == {}


async def test_changes_are_reported_and_records_are_bounded(clock: VirtualClock) -> None:
    seen: list[tuple[str, DeliveryState]] = []

    def note(delivery: Delivery) -> None:
        seen.append((delivery.device_id, delivery.state))

    distribution = build(clock, None, keep=5)
    distribution._on_delivery = note
    for number in range(12):
        distribution.send(tim(clock), to=["r0"], ttl_ms=500, key=f"event-{number}")
    assert len(distribution.deliveries()) == 5
    assert len(distribution._by_key) == 5
    assert seen == [("r0", DeliveryState.QUEUED)] * 12


@pytest.mark.joint
async def test_a_refused_device_does_not_stop_the_others(
    clock: VirtualClock, spat_frames: list[bytes]
) -> None:
    emulator = INFO.emulator(clock)
    await emulator.start()
    distribution = Distribution(clock, Counters())
    for device_id, psids in (("good", {}), ("small", {"MAP": 0x82})):
        values = {"device_id": device_id, "psid_by_message": psids, **emulator.adapter_values()}
        if device_id == "small":
            values["mtu_bytes"] = 576
        distribution.add(INFO.adapter(read_config(INFO, values), clock, Counters()))
    heard = asyncio.Event()
    emulator.sent_over_air = lambda _: heard.set()
    for adapter in distribution.adapters.values():
        assert await adapter.connect()
    large = spat_frames[-1].ljust(300, b"\0")
    message = downlink(clock, "SPAT", large, dialect="j2735-2024")
    good, small = distribution.send(message, to=["good", "small"], ttl_ms=1_000)
    await asyncio.wait_for(heard.wait(), 3.0)
    assert (good.state, small.state) == (DeliveryState.SENT, DeliveryState.TOO_LARGE)
    for adapter in distribution.adapters.values():
        await adapter.close()
    await emulator.close()


async def test_what_a_device_cannot_take_is_not_tried_at_each_period(clock: VirtualClock) -> None:
    distribution = build(clock, None)
    large = tim(clock, TIM.ljust(2_000, b"\0"))

    def send(envelope: Envelope) -> Delivery:
        return distribution.send(envelope, to=["r0"], ttl_ms=500, key="map/1")[0]

    first = send(large)
    assert first.state is DeliveryState.TOO_LARGE
    for _ in range(9):
        clock.advance(1.0)
        assert send(large) is first
    # Other octets are another matter, and so are ten seconds.
    assert send(tim(clock)).state is DeliveryState.QUEUED
    assert (again := send(large)) is not first and again.state is DeliveryState.TOO_LARGE
    clock.advance(10.0)
    assert send(large) is not again
