from __future__ import annotations

import heapq
import itertools
import secrets

from wayside.clock import Clock, MonoNs, UtcNs
from wayside.rsu._envelope import Envelope
from wayside.rsu._reasons import RsuReason
from wayside.rsu._states import CEILING, PROGRESS, AckLevel, DeliveryState

STATE_OF_REASON: dict[RsuReason, DeliveryState] = {
    RsuReason.EXPIRED: DeliveryState.EXPIRED,
    RsuReason.MALFORMED: DeliveryState.ENCODE_ERROR,
    RsuReason.OFFLINE: DeliveryState.OFFLINE_DROPPED,
    RsuReason.QUEUE_FULL: DeliveryState.RATE_LIMITED,
    RsuReason.RATE_LIMITED: DeliveryState.RATE_LIMITED,
    RsuReason.SUPERSEDED: DeliveryState.SUPERSEDED,
    RsuReason.TIMEOUT: DeliveryState.TIMEOUT,
    RsuReason.TOO_LARGE: DeliveryState.TOO_LARGE,
    RsuReason.UNREACHABLE: DeliveryState.OFFLINE_DROPPED,
    RsuReason.UNSUPPORTED: DeliveryState.UNSUPPORTED,
}


def is_stream(dialect: str, message: str) -> bool:
    """Whether only the newest of a message matters: signal states and perceived objects.

    RSM is perceived objects in the CSAE family and Road Safety Message in SAE J2735.
    """
    return message in ("SPAT", "SDSM") or (message == "RSM" and dialect.startswith("csae"))


class Delivery:
    """One message on its way to one device. Read it; only its adapter changes it.

    sent_utc_ns: when it left this host, else None. transport_ack: broker or peer took it. reason, detail:
    why it ended, where something was refused. expires_mono_ns: no sending from then on. lost_fields: what
    the vendor's form has no room for.
    """

    def __init__(
        self, clock: Clock, envelope: Envelope, *, ttl_ms: int, priority: int, key: str, ack: AckLevel
    ) -> None:
        now = clock.mono()
        self.delivery_id = secrets.token_hex(8)
        self.envelope = envelope
        self.device_id = envelope.device_id
        self.message = envelope.message
        self.trace_id = envelope.trace_id
        self.key = key
        self.priority = priority
        self.created_mono_ns = now
        self.expires_mono_ns = MonoNs(now + ttl_ms * 1_000_000)
        self.ack = ack
        self.state = DeliveryState.QUEUED
        self.reason: RsuReason | None = None
        self.detail = ""
        self.sent_utc_ns: UtcNs | None = None
        self.transport_ack = False
        self.lost_fields: tuple[str, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether the state can no longer change."""
        return self.state not in PROGRESS

    @property
    def slot(self) -> object:
        """Identity under which a newer message takes the place of a queued older one."""
        if self.key or is_stream(self.envelope.dialect, self.message):
            return (self.message, self.key)
        return self.delivery_id

    def advance(self, state: DeliveryState) -> bool:
        """Go on to a state of the ack level's reach, never back; False when nothing changed.

        At level TRANSPORT a state above SENT means that the peer took it: `transport_ack` says so, the
        state stays SENT.
        """
        highest = PROGRESS.index(CEILING[self.ack])
        if self.ended or state not in PROGRESS:
            return False
        if self.ack is AckLevel.TRANSPORT and PROGRESS.index(state) > highest:
            self.transport_ack = True
        wanted = min(PROGRESS.index(state), highest)
        if wanted <= PROGRESS.index(self.state):
            return False
        self.state = PROGRESS[wanted]
        return True

    def end(self, state: DeliveryState, reason: RsuReason | None, detail: str) -> bool:
        """Reach an end state; False when it had ended before."""
        if self.ended:
            return False
        self.state, self.reason, self.detail = state, reason, detail
        return True


class _Slot:
    __slots__ = ("delivery",)

    def __init__(self, delivery: Delivery) -> None:
        self.delivery: Delivery | None = delivery


# Priority negated, place in the line, a number that no two share, the slot.
_Entry = tuple[int, int, int, _Slot]


class SendQueue:
    """Deliveries that wait: by priority, then first in first out; a newer one takes an older one's slot.

    At most `limit`: a full queue gives way only to a higher priority, at the cost of the lowest. Own.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._heap: list[_Entry] = []
        self._slots: dict[object, _Entry] = {}
        self._order = itertools.count()

    def __len__(self) -> int:
        return len(self._slots)

    def push(self, delivery: Delivery) -> tuple[Delivery, RsuReason] | None:
        """Queue a delivery. Returns the one that is lost by it, which may be itself, and why."""
        lost: tuple[Delivery, RsuReason] | None = None
        order = number = next(self._order)
        held = self._slots.pop(delivery.slot, None)
        if held is not None:
            lost = _taken(held[3]), RsuReason.SUPERSEDED
            order = held[1]
        elif len(self._slots) >= self._limit:
            victim = max(self._slots.values(), key=lambda entry: (entry[0], entry[1]))
            if victim[0] <= -delivery.priority:
                return delivery, RsuReason.QUEUE_FULL
            dropped = _taken(victim[3])
            del self._slots[dropped.slot]
            lost = dropped, RsuReason.QUEUE_FULL
        entry = (-delivery.priority, order, number, _Slot(delivery))
        self._slots[delivery.slot] = entry
        if len(self._heap) > 2 * self._limit:
            self._heap = sorted(self._slots.values())
        else:
            heapq.heappush(self._heap, entry)
        return lost

    def pop(self) -> Delivery | None:
        """The next delivery, or None when there is none."""
        while self._heap:
            delivery = heapq.heappop(self._heap)[3].delivery
            if delivery is not None:
                del self._slots[delivery.slot]
                return delivery
        return None

    def remove(self, delivery: Delivery) -> bool:
        """Take one delivery out; False when it does not wait here."""
        entry = self._slots.get(delivery.slot)
        if entry is None or entry[3].delivery is not delivery:
            return False
        del self._slots[delivery.slot]
        _taken(entry[3])
        return True

    def take_expired(self, now: MonoNs) -> list[Delivery]:
        """Take out all whose time is over."""
        waiting = [entry[3].delivery for entry in self._slots.values()]
        expired = [d for d in waiting if d is not None and d.expires_mono_ns <= now]
        for delivery in expired:
            self.remove(delivery)
        return expired


def _taken(slot: _Slot) -> Delivery:
    delivery = slot.delivery
    if delivery is None:
        raise RuntimeError("a slot was taken twice")
    slot.delivery = None
    return delivery
