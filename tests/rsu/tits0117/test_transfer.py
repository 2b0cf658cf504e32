from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from wayside.clock import VirtualClock
from wayside.rsu import AckLevel, Delivery, RsuError, RsuReason, downlink
from wayside.rsu.vendors.tits0117.transfer import Transfer, Transfers
from wayside.rsu.vendors.tits0117.wire import Ack

TOPIC = "V2X/RSU/R1/MAP/DOWN/ACK"


def delivery(key: str = "") -> Delivery:
    clock = VirtualClock()
    envelope = downlink(clock, "MAP", b"\x10\0", dialect="csae53-2020")
    return Delivery(clock, envelope, ttl_ms=1_000, priority=0, key=key, ack=AckLevel.DEVICE)


class Waiting(RuleBasedStateMachine):
    """A transfer is done when, and only when, each of its own numbers was taken under its own topic."""

    def __init__(self) -> None:
        super().__init__()
        self.transfers = Transfers(8)
        self.open: dict[int, set[str]] = {}
        self.known: dict[int, Transfer] = {}

    @rule(parts=st.integers(1, 4))
    def add(self, parts: int) -> None:
        numbers = [self.transfers.next_seq() for _ in range(parts)]
        assert len(set(numbers)) == parts
        transfer = Transfer(TOPIC, [(number, b"x") for number in numbers], delivery())
        waiting = sum(bool(left) for left in self.open.values())
        try:
            self.transfers.add(transfer)
        except RsuError as error:
            assert error.reason is RsuReason.RATE_LIMITED and waiting >= 8
        else:
            assert waiting < 8
            self.open[id(transfer)] = set(numbers)
            self.known[id(transfer)] = transfer

    @rule(seq=st.integers(0, 40), code=st.integers(0, 2), right=st.booleans())
    def acknowledge(self, seq: int, code: int, right: bool) -> None:
        owner = next((key for key, left in self.open.items() if str(seq) in left), None)
        try:
            transfer = self.transfers.take(Ack(str(seq), code), TOPIC if right else "other")
        except RsuError as error:
            assert error.reason is RsuReason.UNEXPECTED_ACK
            assert owner is None or not right
        else:
            assert owner == id(transfer) and right
            if code == 0:
                self.open[owner].discard(str(seq))

    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        if self.known:
            key = data.draw(st.sampled_from(list(self.known)))
            self.transfers.remove(self.known.pop(key))
            del self.open[key]

    @invariant()
    def done_means_all_taken(self) -> None:
        for key, transfer in self.known.items():
            assert transfer.done is (not self.open[key])


TestWaiting = Waiting.TestCase


@pytest.mark.drops(RsuReason.RATE_LIMITED)
def test_waiting_transfers_are_bounded() -> None:
    transfers = Transfers(1)
    transfers.add(Transfer(TOPIC, [("1", b"")], delivery()))
    with pytest.raises(RsuError) as caught:
        transfers.add(Transfer(TOPIC, [("2", b"")], delivery()))
    assert (caught.value.reason, caught.value.limit) == (RsuReason.RATE_LIMITED, 1)


def test_the_older_of_one_key_is_found() -> None:
    transfers = Transfers(8)
    first = Transfer(TOPIC, [("1", b""), ("2", b"")], delivery("a"))
    transfers.add(first)
    transfers.add(Transfer(TOPIC, [("3", b"")], delivery("b")))
    assert transfers.older(delivery("a")) == [first]
    assert transfers.older(delivery()) == []
