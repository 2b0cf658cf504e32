from __future__ import annotations

import secrets
from enum import StrEnum
from typing import Any

import msgspec

from wayside.clock import Clock, MonoNs, UtcNs
from wayside.observe import new_trace_id
from wayside.rsu._reasons import RsuReason
from wayside.rsu._states import DeviceState


class Direction(StrEnum):
    """UP: from the device to the edge. DOWN: from the edge to the device."""

    UP = "up"
    DOWN = "down"


class Tx(msgspec.Struct, frozen=True):
    """How a message is, or shall be, sent over the air; None leaves it to the device's configuration.

    channel: 802.11 or C-V2X channel number. priority: 0..7. interval_ms: repetition by the device, 0 once.
    sign: whether the device shall sign.
    """

    channel: int | None = None
    priority: int | None = None
    interval_ms: int | None = None
    sign: bool | None = None


class Security(msgspec.Struct, frozen=True):
    """What a message's security wrapper said. verified stays False: no signature is checked here.

    signer: digest, certificate, self, or empty. signer_id: HashedId8 in hex, or empty. generated: time in
    the signed header, or None.
    """

    signed: bool = False
    verified: bool = False
    signer: str = ""
    signer_id: str = ""
    generated: UtcNs | None = None


class Flags(msgspec.Struct, frozen=True):
    """What was odd about a message on its way in.

    header_searched: no header fitted, the frame was searched for. trailing_bytes: octets behind the frame
    that belong to nothing. type_mismatch: it came where another message was expected (port or topic).
    psid_mismatch: its PSID is not the one configured for this message. transcoded: it came as something
    other than UPER. unit_guessed: a value's unit was told by its size. clock_skew: the device's clock is off.
    """

    header_searched: bool = False
    trailing_bytes: int = 0
    type_mismatch: bool = False
    psid_mismatch: bool = False
    transcoded: bool = False
    unit_guessed: bool = False
    clock_skew: bool = False


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """One radio message with where it comes from or goes to.

    message: name in its dialect ("MAP"). uper: the whole MessageFrame, exactly its own octets, or None
    where the vendor carries no UPER. value: decoded wire value (see `wayside.asn1`), or None. psid: plain
    number, not P-encoded. form: what stood around the frame (see `radio.Form`), empty when down.
    utc_ns, mono_ns: arrival when up, creation when down. device_utc_ns: the device's own stamp, or None.
    lost_fields, defaulted_fields: of a transcoded message, what the frame has no room for, and what the
    vendor's form does not say and the frame demands.
    """

    msg_uid: str
    device_id: str
    vendor: str
    direction: Direction
    dialect: str
    message: str
    uper: bytes | None
    utc_ns: UtcNs
    mono_ns: MonoNs
    trace_id: str
    value: Any = None
    psid: int | None = None
    form: str = ""
    source: str = ""
    tx: Tx = Tx()
    security: Security = Security()
    flags: Flags = Flags()
    device_utc_ns: UtcNs | None = None
    lost_fields: tuple[str, ...] = ()
    defaulted_fields: tuple[str, ...] = ()


class DeviceEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A change of a device's state. reason, detail: why, where there is a refusal behind it."""

    device_id: str
    vendor: str
    state: DeviceState
    previous: DeviceState
    utc_ns: UtcNs
    mono_ns: MonoNs
    reason: RsuReason | None = None
    detail: str = ""


def new_msg_uid() -> str:
    """Random 96-bit identity as 24 lower-case hex digits."""
    return secrets.token_hex(12)


def downlink(
    clock: Clock,
    message: str,
    uper: bytes,
    *,
    dialect: str,
    tx: Tx | None = None,
    psid: int | None = None,
    trace_id: str = "",
) -> Envelope:
    """An envelope for devices, not yet addressed to one: `Distribution` or `Adapter.send` does that."""
    return Envelope(
        msg_uid=new_msg_uid(),
        device_id="",
        vendor="",
        direction=Direction.DOWN,
        dialect=dialect,
        message=message,
        uper=uper,
        utc_ns=clock.utc(),
        mono_ns=clock.mono(),
        trace_id=trace_id or new_trace_id(),
        psid=psid,
        tx=tx or Tx(),
    )
