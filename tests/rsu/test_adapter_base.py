"""What the base does for every vendor, shown on a device without a wire."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ClassVar

import pytest

from wayside.clock import VirtualClock
from wayside.observe import Counters
from wayside.rsu import (
    BATCH_LIMIT,
    AckLevel,
    Adapter,
    Capabilities,
    Delivery,
    DeliveryState,
    DeviceConfig,
    DeviceEvent,
    DeviceState,
    Envelope,
    RsuError,
    RsuReason,
    downlink,
)


class Wireless(Adapter):
    """Takes everything into a list; fails as it is told."""

    vendor: ClassVar[str] = "wireless"
    ack: AckLevel = AckLevel.NONE
    reaches: DeliveryState = DeliveryState.SENT

    def __init__(
        self,
        config: DeviceConfig,
        clock: VirtualClock,
        counters: Counters,
        on_delivery: Callable[[Delivery], None] | None = None,
    ) -> None:
        super().__init__(config, clock, counters, on_delivery, seed=1)
        self.taken: list[Delivery] = []
        self.open_fails = 0
        self.send_fails: Exception | None = None
        self.opened = 0
        self.shut = 0

    def _capabilities(self) -> Capabilities:
        return Capabilities(
            down=frozenset({"SPAT", "TIM"}),
            up=frozenset({"SPAT"}),
            dialects=("j2735-2024",),
            ack=self.ack,
            max_bytes={"*": 100},
            liveness="silence",
            sends_per_s=self.config.sends_per_s,
        )

    async def _open(self) -> None:
        if self.open_fails:
            self.open_fails -= 1
            raise RsuError(RsuReason.UNREACHABLE, "nobody there")
        self.opened += 1

    async def _shut(self) -> None:
        self.shut += 1

    async def _transmit(self, delivery: Delivery) -> DeliveryState:
        if self.send_fails is not None:
            raise self.send_fails
        self.taken.append(delivery)
        return self.reaches


async def turn() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def pass_time(clock: VirtualClock, seconds: float) -> None:
    for _ in range(round(seconds / 0.05)):
        clock.advance(0.05)
        await turn()


def spat(clock: VirtualClock, octets: bytes = b"\x00\x13\x00") -> Envelope:
    return downlink(clock, "SPAT", octets, dialect="j2735-2024")


def tim(clock: VirtualClock) -> Envelope:
    return downlink(clock, "TIM", b"\x00\x1f\x00", dialect="j2735-2024")


def device(clock: VirtualClock, **values: object) -> Wireless:
    return Wireless(DeviceConfig(device_id="r1", **values), clock, Counters())  # type: ignore[arg-type]


async def test_a_message_leaves_and_is_told(clock: VirtualClock) -> None:
    adapter = device(clock)
    seen: list[DeliveryState] = []
    adapter.on_delivery = lambda d: seen.append(d.state)
    assert await adapter.connect()
    delivery = adapter.send(spat(clock), ttl_ms=500, key="i1")
    await turn()
    assert seen == [DeliveryState.QUEUED, DeliveryState.SENT]
    assert delivery.sent_utc_ns == clock.utc()
    assert adapter.taken == [delivery]
    assert (delivery.device_id, delivery.envelope.vendor) == ("r1", "wireless")
    assert adapter.status().sent == 1
    await adapter.close()


async def test_a_vendor_that_claims_too_much_is_held_back(clock: VirtualClock) -> None:
    adapter = device(clock)
    adapter.reaches = DeliveryState.ACTIVE
    await adapter.connect()
    delivery = adapter.send(spat(clock), ttl_ms=500)
    await turn()
    assert delivery.state is DeliveryState.SENT
    await adapter.close()


async def test_a_later_confirmation_counts_up_to_the_ceiling(clock: VirtualClock) -> None:
    adapter = device(clock)
    adapter.ack = AckLevel.DEVICE
    await adapter.connect()
    delivery = adapter.send(tim(clock), ttl_ms=500)
    await turn()
    adapter._acknowledge(delivery, DeliveryState.ACTIVE)
    assert delivery.state is DeliveryState.ACKED
    await adapter.close()


@pytest.mark.drops(RsuReason.EXPIRED)
async def test_what_is_over_is_never_sent(clock: VirtualClock) -> None:
    adapter = device(clock, sends_per_s=1.0)
    await adapter.connect()
    adapter.send(tim(clock), ttl_ms=5_000)
    late = adapter.send(tim(clock), ttl_ms=100)
    await pass_time(clock, 2.0)
    assert (late.state, late.reason) == (DeliveryState.EXPIRED, RsuReason.EXPIRED)
    assert late not in adapter.taken
    assert adapter.counters.dropped(RsuReason.EXPIRED) == 1
    await adapter.close()


@pytest.mark.drops(RsuReason.SUPERSEDED)
async def test_the_newest_signal_state_wins(clock: VirtualClock) -> None:
    adapter = device(clock)
    old, new = adapter.send(spat(clock), ttl_ms=500), adapter.send(spat(clock), ttl_ms=500)
    await adapter.connect()
    await turn()
    assert (old.state, new.state) == (DeliveryState.SUPERSEDED, DeliveryState.SENT)
    assert adapter.counters.dropped(RsuReason.SUPERSEDED) == 1
    await adapter.close()


@pytest.mark.drops(RsuReason.OFFLINE)
async def test_without_a_way_a_message_waits_and_then_is_dropped(clock: VirtualClock) -> None:
    adapter = device(clock)
    adapter.open_fails = 10**6
    assert not await adapter.connect()
    short, long = adapter.send(tim(clock), ttl_ms=200), adapter.send(tim(clock), ttl_ms=60_000)
    await pass_time(clock, 1.0)
    assert (short.state, short.reason) == (DeliveryState.OFFLINE_DROPPED, RsuReason.OFFLINE)
    adapter.open_fails = 0
    await pass_time(clock, 11.0)
    assert long.state is DeliveryState.SENT
    await adapter.close()


@pytest.mark.drops(RsuReason.QUEUE_FULL)
async def test_a_full_queue_refuses(clock: VirtualClock) -> None:
    adapter = device(clock, send_queue=2)
    deliveries = [adapter.send(tim(clock), ttl_ms=500) for _ in range(3)]
    assert [d.state for d in deliveries] == [
        DeliveryState.QUEUED,
        DeliveryState.QUEUED,
        DeliveryState.RATE_LIMITED,
    ]
    assert adapter.counters.dropped(RsuReason.QUEUE_FULL) == 1
    await adapter.close()


@pytest.mark.drops(RsuReason.TOO_LARGE)
async def test_one_octet_too_many_is_refused_with_the_limit(clock: VirtualClock) -> None:
    adapter = device(clock)
    delivery = adapter.send(spat(clock, b"\x00\x13".ljust(101, b"\0")), ttl_ms=500)
    assert (delivery.state, delivery.reason) == (DeliveryState.TOO_LARGE, RsuReason.TOO_LARGE)
    assert "limit 100" in delivery.detail
    assert adapter.send(spat(clock, b"\x00\x13".ljust(100, b"\0")), ttl_ms=500).state == "queued"
    await adapter.close()


@pytest.mark.drops(RsuReason.UNSUPPORTED, RsuReason.MALFORMED)
@pytest.mark.parametrize(
    ("message", "octets", "dialect", "state", "reason"),
    [
        ("MAP", b"\x00\x12\x00", "j2735-2024", DeliveryState.UNSUPPORTED, RsuReason.UNSUPPORTED),
        ("SPAT", b"\x00\x13\x00", "csae53-2020", DeliveryState.UNSUPPORTED, RsuReason.UNSUPPORTED),
        ("SPAT", b"\x00\x1f\x00", "j2735-2024", DeliveryState.ENCODE_ERROR, RsuReason.MALFORMED),
        ("SPAT", b"\x00", "j2735-2024", DeliveryState.ENCODE_ERROR, RsuReason.MALFORMED),
    ],
)
async def test_what_the_device_does_not_take_is_refused(
    clock: VirtualClock,
    message: str,
    octets: bytes,
    dialect: str,
    state: DeliveryState,
    reason: RsuReason,
) -> None:
    adapter = device(clock)
    delivery = adapter.send(downlink(clock, message, octets, dialect=dialect), ttl_ms=500)
    assert (delivery.state, delivery.reason) == (state, reason)
    assert adapter.counters.dropped(reason) == 1
    await adapter.close()


@pytest.mark.drops(RsuReason.UNREACHABLE)
async def test_it_tries_on_with_growing_pauses(clock: VirtualClock) -> None:
    adapter = device(clock)
    adapter.open_fails = 3
    assert not await adapter.connect()
    assert adapter.state is DeviceState.CONNECTING
    await pass_time(clock, 3.0)
    assert adapter.is_open
    assert adapter.counters.dropped(RsuReason.UNREACHABLE) == 3
    adapter._lost(RsuError(RsuReason.UNREACHABLE, "cut"))
    adapter._lost(RsuError(RsuReason.UNREACHABLE, "cut again"))
    assert not adapter.is_open
    await pass_time(clock, 1.0)
    assert (adapter.is_open, adapter.opened, adapter.shut) == (True, 2, 1)
    assert adapter.counters.dropped(RsuReason.UNREACHABLE) == 4
    await adapter.close()


async def test_a_failed_sending_ends_as_its_reason_says(clock: VirtualClock) -> None:
    adapter = device(clock)
    await adapter.connect()
    for reason, state in (
        (RsuReason.UNREACHABLE, DeliveryState.OFFLINE_DROPPED),
        (RsuReason.DECODE, DeliveryState.REJECTED),
    ):
        adapter.send_fails = RsuError(reason, "no")
        delivery = adapter.send(tim(clock), ttl_ms=500)
        await turn()
        assert (delivery.state, delivery.reason) == (state, reason)
    await adapter.close()


async def test_a_fault_in_sending_does_not_end_the_sending(clock: VirtualClock) -> None:
    adapter = device(clock)
    assert await adapter.connect()
    adapter.send_fails = KeyError("of ours")
    broken = adapter.send(tim(clock), ttl_ms=500)
    await turn()
    assert (broken.state, broken.reason) == (DeliveryState.OFFLINE_DROPPED, RsuReason.UNREACHABLE)
    adapter.send_fails = None
    after = adapter.send(tim(clock), ttl_ms=500)
    await pass_time(clock, 0.2)
    assert after.state is DeliveryState.SENT
    assert adapter.counters.value("faults", "rsu transmit") == 1
    await adapter.close()


async def test_states_tell_never_heard_from_silent(clock: VirtualClock) -> None:
    adapter = device(clock, liveness_s=1.0)
    assert adapter.state is DeviceState.REGISTERED
    await adapter.connect()
    await pass_time(clock, 5.0)
    assert adapter.state is DeviceState.CONNECTING
    adapter._heard()
    assert adapter.state is DeviceState.ONLINE
    await pass_time(clock, 0.9)
    assert adapter.state is DeviceState.ONLINE
    await pass_time(clock, 0.5)
    assert adapter.state is DeviceState.OFFLINE
    await adapter.close()
    states: list[DeviceState] = []
    async for batch in adapter.uplink():
        states += [item.state for item in batch if isinstance(item, DeviceEvent)]
    assert states == [
        DeviceState.CONNECTING,
        DeviceState.ONLINE,
        DeviceState.OFFLINE,
        DeviceState.RETIRED,
    ]


async def test_batches_are_bounded_and_a_slow_reader_loses_the_oldest(clock: VirtualClock) -> None:
    adapter = device(clock, uplink_queue=150)
    await adapter.connect()
    for number in range(200):
        adapter._receive(spat(clock, bytes((0, 0x13, number))))
    sizes: list[int] = []
    last = b""
    async for batch in adapter.uplink():
        sizes.append(len(batch))
        item = batch[-1]
        if isinstance(item, Envelope) and item.uper is not None:
            last = item.uper
        if sum(sizes) == 150:
            break
    assert sizes == [BATCH_LIMIT, BATCH_LIMIT, 22]
    assert last[2] == 199
    assert adapter.counters.dropped(RsuReason.QUEUE_FULL) == 52
    await adapter.close()


@pytest.mark.drops(RsuReason.RATE_LIMITED)
async def test_uplinks_over_the_budget_are_counted(clock: VirtualClock) -> None:
    adapter = device(clock, uplink_per_s=4.0)
    assert [adapter._admit() for _ in range(4)] == [True, True, False, False]
    assert adapter.counters.dropped(RsuReason.RATE_LIMITED) == 2
    clock.advance(0.25)
    assert adapter._admit()
    await adapter.close()


async def test_waiting_can_be_revoked_and_sent_cannot(clock: VirtualClock) -> None:
    adapter = device(clock)
    waiting = adapter.send(tim(clock), ttl_ms=500)
    assert await adapter.revoke(waiting)
    assert waiting.state is DeliveryState.REVOKED
    await adapter.connect()
    sent = adapter.send(tim(clock), ttl_ms=500)
    await turn()
    assert not await adapter.revoke(sent)
    assert sent.state is DeliveryState.SENT
    assert adapter.taken == [sent]
    await adapter.close()


@pytest.mark.parametrize("when", ["before", "while waiting", "in the middle of sending"])
async def test_close_ends_every_task_at_any_time(clock: VirtualClock, when: str) -> None:
    before = asyncio.all_tasks()
    adapter = device(clock, sends_per_s=1.0)
    if when != "before":
        await adapter.connect()
    waiting = [adapter.send(tim(clock), ttl_ms=60_000) for _ in range(3)]
    if when == "in the middle of sending":
        await turn()
    await adapter.close()
    await adapter.close()
    assert asyncio.all_tasks() == before
    assert all(d.state is not DeliveryState.QUEUED for d in waiting)
    assert adapter.state is DeviceState.RETIRED
    assert adapter.send(tim(clock), ttl_ms=500).state is DeliveryState.OFFLINE_DROPPED
    with pytest.raises(RsuError) as caught:
        await adapter.connect()
    assert caught.value.reason is RsuReason.OFFLINE


async def test_a_reader_that_waits_is_let_go_at_close(clock: VirtualClock) -> None:
    adapter = device(clock)

    async def read() -> int:
        return sum([len(batch) async for batch in adapter.uplink()])

    reader = asyncio.create_task(read())
    await adapter.connect()
    await turn()
    await adapter.close()
    assert await asyncio.wait_for(reader, 1.0) == 2


async def test_other_verbs_are_refused_unless_a_vendor_has_them(clock: VirtualClock) -> None:
    adapter = device(clock)
    for call in (adapter.configure({}), adapter.query(()), adapter.command("reboot", {})):
        with pytest.raises(RsuError) as caught:
            await call
        assert caught.value.reason is RsuReason.UNSUPPORTED
    assert (await adapter.probe()).ack is AckLevel.NONE
    await adapter.close()


@pytest.mark.parametrize("ttl_ms", [0, -1, 86_400_001])
async def test_a_lifetime_outside_the_bounds_is_the_callers_mistake(clock: VirtualClock, ttl_ms: int) -> None:
    adapter = device(clock)
    with pytest.raises(ValueError, match="ttl_ms"):
        adapter.send(tim(clock), ttl_ms=ttl_ms)
    await adapter.close()


async def test_a_way_that_opens_and_is_lost_at_once_is_tried_ever_more_slowly(clock: VirtualClock) -> None:
    adapter = device(clock, reconnect_first_s=0.2, reconnect_ceiling_s=10.0)
    await adapter.connect()
    for _ in range(600):
        if adapter.is_open:
            adapter._lost(RsuError(RsuReason.OFFLINE, "another took our place"))
        await asyncio.sleep(0)
        clock.advance(0.1)
        for _ in range(4):
            await asyncio.sleep(0)
    assert 5 <= adapter.opened <= 30
    await adapter.close()


async def test_a_way_that_is_lost_while_it_opens_is_opened_again(clock: VirtualClock) -> None:
    adapter = device(clock)
    opens = adapter._open

    async def lost_half_way() -> None:
        await opens()
        if adapter.opened == 1:
            adapter._lost(RsuError(RsuReason.OFFLINE, "gone"))

    adapter._open = lost_half_way  # type: ignore[method-assign]
    await adapter.connect()
    for _ in range(30):
        clock.advance(0.1)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert adapter.opened == 2 and adapter.is_open
    await adapter.close()
