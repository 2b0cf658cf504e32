from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from wayside.clock import MonoNs, VirtualClock
from wayside.rsu import AckLevel, Delivery, DeliveryState, RsuReason, downlink, is_stream
from wayside.rsu._delivery import SendQueue
from wayside.rsu._pacing import RateBudget

LIMIT = 4


def delivery(
    clock: VirtualClock,
    message: str = "TIM",
    *,
    key: str = "",
    priority: int = 0,
    ttl_ms: int = 1_000,
    ack: AckLevel = AckLevel.NONE,
) -> Delivery:
    envelope = downlink(clock, message, b"\0", dialect="j2735-2024")
    return Delivery(clock, envelope, ttl_ms=ttl_ms, priority=priority, key=key, ack=ack)


def test_the_urgent_first_then_in_order(clock: VirtualClock) -> None:
    queue = SendQueue(8)
    items = [delivery(clock, priority=p) for p in (1, 5, 1, 5)]
    for item in items:
        assert queue.push(item) is None
    assert [queue.pop() for _ in range(5)] == [items[1], items[3], items[0], items[2], None]


def test_a_newer_one_takes_the_place_of_the_older(clock: VirtualClock) -> None:
    queue = SendQueue(8)
    old, other, new = delivery(clock, key="a"), delivery(clock, key="b"), delivery(clock, key="a")
    queue.push(old)
    queue.push(other)
    assert queue.push(new) == (old, RsuReason.SUPERSEDED)
    assert [queue.pop(), queue.pop(), queue.pop()] == [new, other, None]


def test_signal_states_need_no_key_and_warnings_do(clock: VirtualClock) -> None:
    queue = SendQueue(8)
    first = delivery(clock, "SPAT")
    queue.push(first)
    assert queue.push(delivery(clock, "SPAT")) == (first, RsuReason.SUPERSEDED)
    assert queue.push(delivery(clock, "TIM")) is None
    assert queue.push(delivery(clock, "TIM")) is None


def test_a_full_queue_gives_way_only_to_the_more_urgent(clock: VirtualClock) -> None:
    queue = SendQueue(2)
    low, high = delivery(clock, priority=1), delivery(clock, priority=2)
    queue.push(low)
    queue.push(high)
    same = delivery(clock, priority=1)
    assert queue.push(same) == (same, RsuReason.QUEUE_FULL)
    assert queue.push(delivery(clock, priority=3)) == (low, RsuReason.QUEUE_FULL)


def test_replacing_for_ever_does_not_grow(clock: VirtualClock) -> None:
    queue = SendQueue(4)
    for number in range(1_000):
        queue.push(delivery(clock, "SPAT", priority=number % 3))
    assert len(queue._heap) <= 9
    assert len(queue) == 1
    assert queue.pop() is not None
    assert queue.pop() is None


@pytest.mark.parametrize(
    ("dialect", "message", "stream"),
    [
        ("j2735-2024", "SPAT", True),
        ("j2735-2024", "SDSM", True),
        ("j2735-2024", "RSM", False),
        ("csae53-2020", "RSM", True),
        ("csae53-2020", "RSI", False),
    ],
)
def test_what_is_a_stream(dialect: str, message: str, stream: bool) -> None:
    assert is_stream(dialect, message) is stream


@pytest.mark.parametrize(
    ("ack", "highest"),
    [
        (AckLevel.NONE, DeliveryState.SENT),
        (AckLevel.TRANSPORT, DeliveryState.SENT),
        (AckLevel.DEVICE, DeliveryState.ACKED),
        (AckLevel.READBACK, DeliveryState.ACTIVE),
    ],
)
def test_no_state_above_what_can_be_confirmed(
    clock: VirtualClock, ack: AckLevel, highest: DeliveryState
) -> None:
    item = delivery(clock, ack=ack)
    assert item.advance(DeliveryState.ACTIVE)
    assert item.state is highest
    assert not item.advance(DeliveryState.SENT)
    assert item.state is highest
    assert item.transport_ack is (ack is AckLevel.TRANSPORT)


def test_an_end_is_an_end(clock: VirtualClock) -> None:
    item = delivery(clock)
    assert item.end(DeliveryState.EXPIRED, RsuReason.EXPIRED, "")
    assert not item.end(DeliveryState.REVOKED, None, "")
    assert not item.advance(DeliveryState.SENT)
    assert item.state is DeliveryState.EXPIRED


class QueueMachine(RuleBasedStateMachine):
    """The queue beside a plain list of what waits."""

    @initialize()
    def start(self) -> None:
        self.clock = VirtualClock()
        self.queue = SendQueue(LIMIT)
        self.waiting: list[Delivery] = []

    @rule(key=st.sampled_from(["", "a", "b", "c"]), priority=st.integers(0, 2), ttl_ms=st.integers(1, 50))
    def push(self, key: str, priority: int, ttl_ms: int) -> None:
        item = delivery(self.clock, key=key, priority=priority, ttl_ms=ttl_ms)
        lost = self.queue.push(item)
        twin = next((w for w in self.waiting if w.slot == item.slot), None)
        if twin is not None:
            assert lost == (twin, RsuReason.SUPERSEDED)
            self.waiting[self.waiting.index(twin)] = item
            return
        if len(self.waiting) < LIMIT:
            assert lost is None
        else:
            assert lost is not None and lost[1] is RsuReason.QUEUE_FULL
            if lost[0] is item:
                assert min(w.priority for w in self.waiting) >= priority
                return
            assert lost[0].priority == min(w.priority for w in self.waiting) < priority
            self.waiting.remove(lost[0])
        self.waiting.append(item)

    @rule()
    def pop(self) -> None:
        item = self.queue.pop()
        if not self.waiting:
            assert item is None
            return
        assert item is next(w for w in self.waiting if w.priority == max(v.priority for v in self.waiting))
        self.waiting.remove(item)

    @rule(place=st.integers(0, LIMIT))
    def remove(self, place: int) -> None:
        if place < len(self.waiting):
            assert self.queue.remove(self.waiting[place])
            assert not self.queue.remove(self.waiting.pop(place))

    @rule(ms=st.integers(0, 30))
    def time_passes(self, ms: int) -> None:
        self.clock.advance(ms / 1e3)
        expired = self.queue.take_expired(self.clock.mono())
        assert {d.delivery_id for d in expired} == {
            w.delivery_id for w in self.waiting if w.expires_mono_ns <= self.clock.mono()
        }
        self.waiting = [w for w in self.waiting if w not in expired]

    @invariant()
    def bounded(self) -> None:
        assert len(self.queue) == len(self.waiting) <= LIMIT


QueueMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestQueueMachine = QueueMachine.TestCase


def test_a_budget_lets_through_its_rate_and_its_burst() -> None:
    budget = RateBudget(10.0, 3.0, MonoNs(0))
    assert [budget.take(MonoNs(0)) for _ in range(4)] == [True, True, True, False]
    assert budget.wait_s(MonoNs(0)) == pytest.approx(0.1)
    assert budget.take(MonoNs(100_000_000))
    taken = sum(budget.take(MonoNs(100_000_000 + step * 10_000_000)) for step in range(1, 101))
    assert taken == 10


def test_waiting_as_told_is_enough() -> None:
    for per_s in (3.0, 7.0, 9.9, 1000.0 / 3):
        budget = RateBudget(per_s, 1.0, MonoNs(0))
        now = 0
        for _ in range(50):
            now += round(budget.wait_s(MonoNs(now)) * 1e9)
            assert budget.take(MonoNs(now))
