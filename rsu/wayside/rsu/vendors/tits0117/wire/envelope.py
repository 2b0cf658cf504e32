"""Binary envelope of the five messages: unit, time, length, UPER. Pure.

BSM: `id 8 | UTC ms 8 | count 1 | count x (length 2 | UPER)`; the others: `id 8 | UTC ms 8 | length 2 | UPER`;
little-endian. Source: the city document and its samples in zyjohn0822/asn1-uper-v2x.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from wayside.rsu import RsuError, RsuReason

ID_BYTES = 8
MAX_FRAME_BYTES = 0xFFFF
_HEAD_BYTES = ID_BYTES + 8
_MAX_BSMS = 255

Padding = Literal["nul", "space"]
_PAD: dict[str, bytes] = {"nul": b"\0", "space": b" "}


class Wrapped(NamedTuple):
    """What an envelope holds. utc_ms: the unit's own time. frames: one, or up to 255 of a BSM."""

    name: str
    utc_ms: int
    frames: tuple[bytes, ...]


def build_envelope(
    message: str, name: str, utc_ms: int, frames: tuple[bytes, ...], padding: Padding = "nul"
) -> bytes:
    """Octets of an envelope. Raises RsuError TOO_LARGE, CONFIG for a name that does not fit.

    How shorter names are padded is not documented: NUL on the right by default.
    """
    octets = name.encode("ascii", "replace")
    if len(octets) > ID_BYTES:
        raise RsuError(RsuReason.CONFIG, f"{name!r} has more than {ID_BYTES} octets", limit=ID_BYTES)
    head = octets.ljust(ID_BYTES, _PAD[padding]) + utc_ms.to_bytes(8, "little")
    if message == "BSM":
        if len(frames) > _MAX_BSMS:
            raise RsuError(RsuReason.TOO_LARGE, f"{len(frames)} BSM in one envelope", limit=_MAX_BSMS)
        head += bytes((len(frames),))
    for frame in frames:
        if len(frame) > MAX_FRAME_BYTES:
            what = f"{message} of {len(frame)} octets"
            raise RsuError(RsuReason.TOO_LARGE, what, limit=MAX_FRAME_BYTES)
        head += len(frame).to_bytes(2, "little") + frame
    return head


def parse_envelope(message: str, data: bytes) -> Wrapped:
    """Read an envelope. Raises RsuError MALFORMED: the lengths must end exactly at the end."""
    name = read_id(data[:ID_BYTES])
    if len(data) < _HEAD_BYTES:
        raise _malformed(f"{len(data)} octets", "head")
    utc_ms = int.from_bytes(data[ID_BYTES:_HEAD_BYTES], "little")
    at, count = _HEAD_BYTES, 1
    if message == "BSM":
        if len(data) == at:
            raise _malformed("no count", f"octet {at}")
        count, at = data[at], at + 1
    frames: list[bytes] = []
    for number in range(count):
        end = at + 2 + int.from_bytes(data[at : at + 2], "little")
        if len(data) < at + 2 or len(data) < end or end == at + 2:
            raise _malformed(f"the length of frame {number} passes the end, or is 0", f"octet {at}")
        frames.append(data[at + 2 : end])
        at = end
    if at != len(data):
        raise _malformed(f"{len(data) - at} octets behind the last frame", f"octet {at}")
    return Wrapped(name, utc_ms, tuple(frames))


def read_id(octets: bytes) -> str:
    """Name of the unit, without its padding. Raises RsuError MALFORMED."""
    name = octets.rstrip(b"\0 ")
    if len(octets) < ID_BYTES or not name or not all(0x20 <= octet < 0x7F for octet in name):
        raise _malformed("no unit's name", "octet 0")
    return name.decode("ascii")


def _malformed(what: str, where: str) -> RsuError:
    return RsuError(RsuReason.MALFORMED, f"envelope: {what}", where=where)
