"""A downlink that waits for the unit's acknowledgement: which parts are still open. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from wayside.rsu import Delivery, RsuError, RsuReason
from wayside.rsu.vendors.tits0117.wire import Ack

_LARGEST_SEQ = 999_999


def any_seq(seed: int | None) -> int:
    """A sequence number to start with."""
    return Random(seed).randint(1, _LARGEST_SEQ)


def refusal_of(ack: Ack, device_id: str) -> RsuError | None:
    """What a unit's error code means; None where it has taken the part."""
    if not ack.error_code:
        return None
    what = f"the unit answers {ack.error_code} {ack.text}".rstrip()
    return RsuError(RsuReason.DEVICE_ERROR, what, where=device_id, vendor_code=str(ack.error_code))


class Transfer:
    """One message in one or more parts, each with a sequence number of its own.

    open: part by sequence number, until the unit has taken it. delivery: of a message; None for settings.
    """

    def __init__(self, topic: str, parts: Iterable[tuple[str, bytes]], delivery: Delivery | None) -> None:
        self.topic = topic
        self.open = dict(parts)
        self.delivery = delivery

    @property
    def done(self) -> bool:
        """Whether the unit has taken every part."""
        return not self.open


class Transfers:
    """The transfers that wait, by sequence number; at most `limit` of them.

    first: number to start with, another at each start of the host: a late word to what it sent before its
    restart is then none to what it sends now.
    """

    def __init__(self, limit: int, first: int = 1) -> None:
        self._limit = limit
        self._by_seq: dict[str, Transfer] = {}
        self._count = first - 1

    def next_seq(self) -> str:
        """A sequence number that none that waits has: 1..999 999 in turn."""
        self._count = self._count % _LARGEST_SEQ + 1
        while str(self._count) in self._by_seq:
            self._count = self._count % _LARGEST_SEQ + 1
        return str(self._count)

    def add(self, transfer: Transfer) -> None:
        """Wait for one more. Raises RsuError RATE_LIMITED."""
        if len(set(map(id, self._by_seq.values()))) >= self._limit:
            what = f"{self._limit} messages wait for their acknowledgement"
            raise RsuError(RsuReason.RATE_LIMITED, what, limit=self._limit)
        for seq in transfer.open:
            self._by_seq[seq] = transfer

    def remove(self, transfer: Transfer) -> None:
        """Wait no longer; harmless when it does not wait."""
        for seq in [seq for seq, other in self._by_seq.items() if other is transfer]:
            del self._by_seq[seq]

    def older(self, delivery: Delivery) -> list[Transfer]:
        """Transfers whose place this delivery takes: of the same slot."""
        found = {id(t): t for t in self._by_seq.values() if t.delivery is not None}
        return [t for t in found.values() if t.delivery is not None and t.delivery.slot == delivery.slot]

    def take(self, ack: Ack, topic: str) -> Transfer:
        """The transfer that an acknowledgement is for, its part closed when the unit took it.

        Raises RsuError UNEXPECTED_ACK for a number that does not wait, or waits under another topic.
        """
        transfer = self._by_seq.get(ack.seq_num)
        if transfer is None or transfer.topic != topic:
            what = f"nothing under sequence number {ack.seq_num[:16]!r} waits"
            raise RsuError(RsuReason.UNEXPECTED_ACK, what, where="seqNum")
        if ack.error_code == 0:
            del self._by_seq[ack.seq_num]
            del transfer.open[ack.seq_num]
        return transfer
