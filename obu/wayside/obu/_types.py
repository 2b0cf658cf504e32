from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec

from wayside.clock import MonoNs, UtcNs
from wayside.link import Action, Advice, AdviceKind, CancelReason, Severity, Warning, WarningKind
from wayside.obu._advice import SignAdvice, SpeedAdvice, typed_advice

if TYPE_CHECKING:
    from wayside.asn1.messages import Message


class ObuState(StrEnum):
    """Where the link stands.

    CONNECTING: an attempt is under way. CONNECTED: session open, clocks compared. DEGRADED: session open,
    but the edge doubts its clock or does not answer pings: warnings live by their lifetime from arrival.
    OFFLINE: no session, waiting for the next attempt. CLOSED: ended, by the user or for good.
    """

    CONNECTING = "connecting"
    CONNECTED = "connected"
    DEGRADED = "degraded"
    OFFLINE = "offline"
    CLOSED = "closed"


class StateChange(msgspec.Struct, frozen=True):
    """A step of the link. detail: why, for a person."""

    state: ObuState
    before: ObuState
    server: str
    detail: str = ""


class ReceivedWarning(msgspec.Struct, frozen=True):
    """A danger, as it reached the vehicle.

    key: identity that an update or a cancel carries again. seq: number of its frame. created: edge's UTC.
    received: vehicle's monotonic instant of arrival. valid_until: vehicle's monotonic instant after which it
    is stale. degraded: judged by lifetime from arrival, for lack of a trusted common clock. resumed: sent
    again after a reconnect.
    """

    warning: Warning
    key: int
    seq: int
    priority: int
    created: UtcNs
    ttl_ms: int
    received: MonoNs
    valid_until: MonoNs
    degraded: bool = False
    resumed: bool = False

    @property
    def kind(self) -> WarningKind:
        """Danger it speaks of."""
        return self.warning.kind

    @property
    def severity(self) -> Severity:
        """How much is at stake."""
        return self.warning.severity

    @property
    def action(self) -> Action:
        """What the driver should do."""
        return self.warning.action

    @property
    def distance_m(self) -> float | None:
        """From the vehicle to the danger along its way, metres, at `created`; None where it is not known."""
        return self.warning.distance_m

    @property
    def time_to_conflict_s(self) -> float | None:
        """Time to the conflict at `created`, seconds; None for a standing hazard."""
        return self.warning.time_to_conflict_s

    @property
    def trace_id(self) -> str:
        """Identity of its way from the sensor to here."""
        return self.warning.trace_id

    def remaining_s(self, now: MonoNs) -> float:
        """Lifetime left, seconds; negative when it is over."""
        return (self.valid_until - now) * 1e-9


class ReceivedCancel(msgspec.Struct, frozen=True):
    """The end of the warning or advice of this key."""

    key: int
    reason: CancelReason
    event_id: str
    trace_id: str
    received: MonoNs


class ReceivedAdvice(msgspec.Struct, frozen=True):
    """Something that helps without being a danger; fields as in `ReceivedWarning`."""

    advice: Advice
    key: int
    created: UtcNs
    ttl_ms: int
    received: MonoNs
    valid_until: MonoNs

    @property
    def kind(self) -> AdviceKind:
        """What it speaks of."""
        return self.advice.kind

    def typed(self) -> SpeedAdvice | SignAdvice | None:
        """What it says; None for a kind without a type of its own, and for values that do not fit it."""
        return typed_advice(self.advice)

    def remaining_s(self, now: MonoNs) -> float:
        """Lifetime left, seconds; negative when it is over."""
        return (self.valid_until - now) * 1e-9


class ReceivedMessage(msgspec.Struct, frozen=True):
    """A message of a message set (SPAT, MAP, RSM, RSI …), unmodified. data: octets of the MessageFrame."""

    data: bytes
    dialect: str
    created: UtcNs
    received: MonoNs
    valid_until: MonoNs | None

    def wire(self) -> Any:
        """Wire value of the MessageFrame, decoded now. Raises wayside.asn1.DecodeError."""
        from wayside.asn1 import load

        return load(self.dialect).decode(self.data)

    def typed(self) -> Message:
        """The message in SI units and WGS-84, decoded now. Raises DecodeError or TranslateError."""
        from wayside.asn1.translate import to_message

        return to_message(self.dialect, self.wire(), near=self.created).message


class ObuStatus(msgspec.Struct, frozen=True):
    """The link at one moment. Offset and round trip are None until a ping was answered.

    edge_minus_vehicle_ms: difference of the monotonic clocks; meaningful on one host only.
    utc_minus_vehicle_ms: edge's UTC less the vehicle's own UTC.
    """

    state: ObuState
    server: str
    session_id: str
    site: str
    resumes: int
    rtt_ms: float | None
    edge_minus_vehicle_ms: float | None
    utc_minus_vehicle_ms: float | None
    warnings: int
    cancels: int
    messages: int
    sent: int
