"""What passes between the core and the vehicle link."""

from __future__ import annotations

import msgspec

from wayside.clock import MonoNs, UtcNs
from wayside.link import Receipt

# All instants of `MonoNs` are of the host's CLOCK_MONOTONIC, which its processes share: marks, ages and ends
# keep their meaning on the way.


# link → core


class SessionUp(msgspec.Struct, frozen=True, tag="up", array_like=True):
    """A vehicle is connected, now or still. Kept."""

    session: str
    dialect: str


class SessionDown(msgspec.Struct, frozen=True, tag="down", array_like=True):
    """A vehicle is cut or gone. Kept."""

    session: str


class VehicleFrame(msgspec.Struct, frozen=True, tag="frame", array_like=True):
    """A MessageFrame that a vehicle sent. Of too many, the oldest goes."""

    session: str
    body: bytes
    arrived: MonoNs


class Written(msgspec.Struct, frozen=True, tag="written", array_like=True):
    """The frame of a push was handed to the vehicle's socket; again after a resume. Kept, before its receipt.

    ref: of the push.
    """

    session: str
    seq: int
    ref: int
    at: MonoNs


class ReceiptUp(msgspec.Struct, frozen=True, tag="receipt", array_like=True):
    """What became of a frame at the vehicle. Kept."""

    session: str
    receipt: Receipt


# core → link


class PushDown(msgspec.Struct, frozen=True, tag="push", array_like=True):
    """A frame for one vehicle; see `linkserver.Outgoing`. The newest of a session and key.

    kind: FrameKind. flags: Flag. ref: by which `Written` names it, 0 for none; never given twice, also not by
    another run of the core.
    """

    session: str
    kind: int
    key: int
    priority: int
    created: UtcNs
    expires: MonoNs
    ttl_ms: int
    body: bytes
    flags: int = 0
    ref: int = 0


LinkToCore = SessionUp | SessionDown | VehicleFrame | Written | ReceiptUp
CoreToLink = PushDown

link_to_core: msgspec.msgpack.Decoder[LinkToCore] = msgspec.msgpack.Decoder(LinkToCore)
core_to_link: msgspec.msgpack.Decoder[CoreToLink] = msgspec.msgpack.Decoder(CoreToLink)
