from __future__ import annotations

from enum import IntEnum, StrEnum

import msgspec


class AckLevel(IntEnum):
    """The most a device's interface can confirm of a message sent to it.

    NONE: nothing. TRANSPORT: the broker or peer took it. DEVICE: the device said so. READBACK: the device
    was asked and holds it.
    """

    NONE = 0
    TRANSPORT = 1
    DEVICE = 2
    READBACK = 3


class DeliveryState(StrEnum):
    """How far one message came on its way to one device. Only the first four go on; the others are ends.

    SENT: left this host. ACKED: the device confirmed. ACTIVE: read back as being broadcast. EXPIRED: its
    time was over, before it was sent or while active. SUPERSEDED: a newer one took its place before it
    was sent.
    """

    QUEUED = "queued"
    SENT = "sent"
    ACKED = "acked"
    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"
    SUPERSEDED = "superseded"
    REJECTED = "rejected"
    TIMEOUT = "timeout"
    OFFLINE_DROPPED = "offline_dropped"
    TOO_LARGE = "too_large"
    UNSUPPORTED = "unsupported"
    ENCODE_ERROR = "encode_error"
    RATE_LIMITED = "rate_limited"


PROGRESS = (DeliveryState.QUEUED, DeliveryState.SENT, DeliveryState.ACKED, DeliveryState.ACTIVE)

CEILING: dict[AckLevel, DeliveryState] = {
    AckLevel.NONE: DeliveryState.SENT,
    AckLevel.TRANSPORT: DeliveryState.SENT,
    AckLevel.DEVICE: DeliveryState.ACKED,
    AckLevel.READBACK: DeliveryState.ACTIVE,
}


class DeviceState(StrEnum):
    """Life of a device as the edge sees it.

    DISCOVERED: seen, not configured. PENDING_APPROVAL: waits for an operator. REGISTERED: configured, no
    connection tried. CONNECTING: trying, or open and not heard from yet: never connected is not OFFLINE.
    ONLINE: heard within its liveness time. DEGRADED: heard, with a fault of its own. OFFLINE: was ONLINE,
    silent since. FAULT: it reports that it cannot work. UPGRADING: out for an upgrade. RETIRED: closed.
    """

    DISCOVERED = "discovered"
    PENDING_APPROVAL = "pending_approval"
    REGISTERED = "registered"
    CONNECTING = "connecting"
    ONLINE = "online"
    DEGRADED = "degraded"
    OFFLINE = "offline"
    FAULT = "fault"
    UPGRADING = "upgrading"
    RETIRED = "retired"


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What one device can do; `probe` may narrow what its vendor's record promises.

    down, up: message names. dialects: wire formats it takes. ack: ceiling of delivery states; ack_by_message:
    where a message's differs. stores: messages that the device keeps and repeats by itself: sent once.
    max_bytes: largest UPER frame by message name, `*` for the others. liveness: how silence is noticed.
    sends_per_s: what its interface bears. can_revoke: sent messages can be withdrawn on the device.
    verbs: of configure, query, command those that do something.
    """

    down: frozenset[str]
    up: frozenset[str]
    dialects: tuple[str, ...]
    ack: AckLevel
    ack_by_message: dict[str, AckLevel] = {}
    stores: frozenset[str] = frozenset()
    max_bytes: dict[str, int]
    liveness: str
    sends_per_s: float
    can_revoke: bool = False
    verbs: frozenset[str] = frozenset()

    def ack_of(self, message: str) -> AckLevel:
        """The most that can be confirmed of a message."""
        return self.ack_by_message.get(message, self.ack)

    def limit_bytes(self, message: str) -> int:
        """Largest UPER frame of a message, octets."""
        return self.max_bytes.get(message, self.max_bytes["*"])
