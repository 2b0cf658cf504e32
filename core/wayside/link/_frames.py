from __future__ import annotations

import struct
from enum import IntEnum, IntFlag
from typing import NamedTuple, TypeVar

import msgspec

from wayside.link._bodies import (
    Advice,
    Bye,
    Cancel,
    ClockPing,
    ClockPong,
    Hello,
    Receipt,
    Refused,
    Warning,
    Welcome,
)
from wayside.observe import Reason, WaysideError

_HEADER = struct.Struct("<BBBBIQqI")
_NUMBERED = struct.Struct("<BBBBI")  # the header up to and with `seq`
HEADER_BYTES = _HEADER.size

B = TypeVar("B", bound=msgspec.Struct)


class FrameKind(IntEnum):
    """What a frame carries. Up: vehicle to edge; down: edge to vehicle."""

    HELLO = 1  # up, first frame of a connection
    WELCOME = 2  # down, the answer
    REFUSED = 3  # down, the other answer
    CLOCK_PING = 4  # up
    CLOCK_PONG = 5  # down
    MESSAGE = 16  # both, an unmodified MessageFrame
    WARNING = 32  # down
    ADVICE = 33  # down
    CANCEL = 34  # down, ends the warning or advice of the same key
    RECEIPT = 40  # up, what became of a warning
    BYE = 63  # both


class Flag(IntFlag):
    """Bits of the header's flags octet; unknown bits are ignored."""

    DEGRADED = 1  # the edge doubts its own clock: trust the lifetime, not the time of day
    RESUMED = 2  # sent again after a resume


class LinkReason(Reason, stage="link"):
    """Why a frame was refused."""

    SHORT_FRAME = "short_frame"
    FRAME_TOO_LARGE = "frame_too_large"
    UNKNOWN_KIND = "unknown_kind"
    BAD_BODY = "bad_body"


class LinkError(WaysideError):
    """A frame that does not follow the link's form."""

    reason: LinkReason


class Header(NamedTuple):
    """Fixed part of a frame.

    priority: 0..255, larger is more urgent. seq: number of the frame in its session and direction, modulo
    2^32. key: identity under which a newer frame replaces an older one, 0 for none. created_ms: UTC
    milliseconds of the sender. ttl_ms: lifetime from `created_ms`; 0 for frames that do not expire.
    """

    kind: FrameKind
    flags: Flag
    priority: int
    seq: int
    key: int
    created_ms: int
    ttl_ms: int


class Frame(NamedTuple):
    """A decoded frame; `body` is the octets behind the header."""

    header: Header
    body: bytes


def encode_frame(header: Header, body: bytes) -> bytes:
    """Octets of a frame."""
    return (
        _HEADER.pack(
            header.kind,
            header.flags,
            header.priority,
            0,
            header.seq & 0xFFFFFFFF,
            header.key,
            header.created_ms,
            header.ttl_ms,
        )
        + body
    )


class FrameTemplate:
    """A frame encoded once for many sessions: only its `seq` and flags differ from one to the next."""

    __slots__ = ("_flags", "_kind", "_priority", "_tail")

    def __init__(self, header: Header, body: bytes) -> None:
        frame = encode_frame(header, body)
        self._kind, self._flags, self._priority = frame[0], frame[1], frame[2]
        self._tail = frame[_NUMBERED.size :]

    def numbered(self, seq: int, flags: int = 0) -> bytes:
        """Octets of the frame with this `seq` (modulo 2^32), `flags` added to the template's own."""
        return (
            _NUMBERED.pack(self._kind, self._flags | flags, self._priority, 0, seq & 0xFFFFFFFF) + self._tail
        )


def decode_frame(data: bytes | bytearray | memoryview, max_bytes: int = 65_536) -> Frame:
    """Split a frame into header and body.

    Raises LinkError: SHORT_FRAME, FRAME_TOO_LARGE, UNKNOWN_KIND.
    """
    if len(data) > max_bytes:
        raise LinkError(LinkReason.FRAME_TOO_LARGE, f"frame of {len(data)} octets, limit {max_bytes}")
    if len(data) < HEADER_BYTES:
        raise LinkError(LinkReason.SHORT_FRAME, f"frame of {len(data)} octets, header is {HEADER_BYTES}")
    kind, flags, priority, _, seq, key, created_ms, ttl_ms = _HEADER.unpack_from(data)
    try:
        known = FrameKind(kind)
    except ValueError:
        raise LinkError(LinkReason.UNKNOWN_KIND, f"frame kind {kind}") from None
    header = Header(known, Flag(flags), priority, seq, key, created_ms, ttl_ms)
    return Frame(header, bytes(data[HEADER_BYTES:]))


_BODIES: dict[FrameKind, type[msgspec.Struct]] = {
    FrameKind.HELLO: Hello,
    FrameKind.WELCOME: Welcome,
    FrameKind.REFUSED: Refused,
    FrameKind.CLOCK_PING: ClockPing,
    FrameKind.CLOCK_PONG: ClockPong,
    FrameKind.WARNING: Warning,
    FrameKind.ADVICE: Advice,
    FrameKind.CANCEL: Cancel,
    FrameKind.RECEIPT: Receipt,
    FrameKind.BYE: Bye,
}
_encoder = msgspec.msgpack.Encoder()
_decoders = {kind: msgspec.msgpack.Decoder(body) for kind, body in _BODIES.items()}


def encode_body(body: msgspec.Struct) -> bytes:
    """Msgpack of a body struct."""
    return _encoder.encode(body)


def decode_body(frame: Frame, kind: type[B]) -> B:
    """Body of a frame as the struct its kind promises.

    Raises LinkError BAD_BODY where the octets are no such struct or the frame is of another kind.
    """
    decoder = _decoders.get(frame.header.kind)
    if decoder is None or _BODIES[frame.header.kind] is not kind:
        raise LinkError(LinkReason.BAD_BODY, f"{frame.header.kind.name} carries no {kind.__name__}")
    try:
        body = decoder.decode(frame.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise LinkError(LinkReason.BAD_BODY, f"{frame.header.kind.name} body: {error}") from None
    assert isinstance(body, kind)
    return body
