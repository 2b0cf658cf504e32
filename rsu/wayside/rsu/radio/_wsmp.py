from __future__ import annotations

import msgspec

from wayside.rsu._reasons import RsuError, RsuReason
from wayside.rsu.radio._psid import decode_psid, encode_psid

VERSION_3 = 3
VERSION_2 = 2
_MAX_ELEMENTS = 16
_TX_POWER, _CHANNEL, _DATA_RATE = 4, 15, 16
# Version 2 ends its extension fields with the element that carries the message: plain, safety, identity.
_V2_PLAIN, _V2_SAFETY, _V2_IDENTITY = 0x80, 0x81, 0x82


class Wsm(msgspec.Struct, frozen=True):
    """A WAVE short message: what stands in its header, and its payload.

    channel: 802.11 channel number. data_rate: in 0.5 Mbit/s. tx_power_dbm: signed. Each None when the
    header does not say it. trailing_bytes: octets of the datagram behind the message.
    """

    version: int
    psid: int
    payload: bytes
    channel: int | None = None
    data_rate: int | None = None
    tx_power_dbm: int | None = None
    trailing_bytes: int = 0


def parse_wsmp(data: bytes) -> Wsm:
    """Read a short message from its WSMP header on (no LLC in front).

    Version 3: WSMP-N-Header (subtype 0, option indicator, version; extension elements; TPID 0 or 1) and
    WSMP-T-Header (P-encoded PSID, length). Version 2: version, PSID, extension elements, element id and
    two-octet length. Raises RsuError MALFORMED, UNSUPPORTED.
    Source: IEEE 1609.3-2016, 8.1.3 and 8.3; for version 2 IEEE 1609.3-2010, 8.3.
    """
    if not data:
        raise _malformed("no octets", 0)
    version = data[0] & 0x07
    if version == VERSION_3:
        return _parse_v3(data)
    if data[0] == VERSION_2:
        return _parse_v2(data)
    raise RsuError(RsuReason.UNSUPPORTED, f"WSMP version octet {data[0]:02x}", where="octet 0")


def build_wsmp(
    payload: bytes,
    psid: int,
    *,
    channel: int | None = None,
    data_rate: int | None = None,
    tx_power_dbm: int | None = None,
    version: int = VERSION_3,
) -> bytes:
    """A short message of version 3 or 2; extension elements only for the values given.

    Source: as `parse_wsmp`. Raises RsuError TOO_LARGE for a payload over 16 383 octets.
    """
    elements = [
        bytes((kind, 1, value & 0xFF))
        for kind, value in ((_CHANNEL, channel), (_DATA_RATE, data_rate), (_TX_POWER, tx_power_dbm))
        if value is not None
    ]
    if version == VERSION_2:
        length = len(payload).to_bytes(2, "big")
        return bytes((2,)) + encode_psid(psid) + b"".join(elements) + bytes((_V2_PLAIN,)) + length + payload
    head = bytes((VERSION_3 | (0x08 if elements else 0),))
    if elements:
        head += _length(len(elements)) + b"".join(elements)
    return head + b"\x00" + encode_psid(psid) + _length(len(payload)) + payload


def _parse_v3(data: bytes) -> Wsm:
    if data[0] >> 4:
        raise RsuError(RsuReason.UNSUPPORTED, f"WSMP subtype {data[0] >> 4}", where="octet 0")
    at = 1
    found: dict[int, int] = {}
    if data[0] & 0x08:
        found, at = _elements(data, at)
    tpid = _octet(data, at)
    at += 1
    if tpid > 1:
        raise RsuError(RsuReason.UNSUPPORTED, f"WSMP TPID {tpid}", where=f"octet {at - 1}")
    psid, at = decode_psid(data, at)
    if tpid == 1:
        _, at = _elements(data, at)
    length, at = _read_length(data, at)
    return _message(data, at, length, 3, psid, found)


def _parse_v2(data: bytes) -> Wsm:
    psid, at = decode_psid(data, 1)
    found: dict[int, int] = {}
    for _ in range(_MAX_ELEMENTS):
        kind = _octet(data, at)
        if kind in (_V2_PLAIN, _V2_SAFETY, _V2_IDENTITY):
            break
        at = _element(data, at, kind, _octet(data, at + 1), at + 2, found)
    else:
        raise _malformed("too many extension elements", at)
    if kind != _V2_PLAIN:
        raise RsuError(RsuReason.UNSUPPORTED, f"WSMP element {kind:#x}", where=f"octet {at}")
    if at + 3 > len(data):
        raise _malformed("the octets end inside the length", at)
    length = int.from_bytes(data[at + 1 : at + 3], "big")
    return _message(data, at + 3, length, 2, psid, found)


def _message(data: bytes, at: int, length: int, version: int, psid: int, found: dict[int, int]) -> Wsm:
    end = at + length
    if end > len(data):
        raise _malformed(f"length {length}, but {len(data) - at} octets follow", at)
    power = found.get(_TX_POWER)
    return Wsm(
        version=version,
        psid=psid,
        payload=data[at:end],
        channel=found.get(_CHANNEL),
        data_rate=found.get(_DATA_RATE),
        tx_power_dbm=None if power is None else power - 256 if power > 127 else power,
        trailing_bytes=len(data) - end,
    )


def _elements(data: bytes, at: int) -> tuple[dict[int, int], int]:
    count, at = _read_length(data, at)
    if count > _MAX_ELEMENTS:
        raise _malformed(f"{count} extension elements", at)
    found: dict[int, int] = {}
    for _ in range(count):
        kind = _octet(data, at)
        size, start = _read_length(data, at + 1)
        at = _element(data, at, kind, size, start, found)
    return found, at


def _element(data: bytes, at: int, kind: int, size: int, start: int, found: dict[int, int]) -> int:
    end = start + size
    if end > len(data):
        raise _malformed("an extension element runs past the end", at)
    if size == 1 and kind in (_TX_POWER, _CHANNEL, _DATA_RATE):
        found[kind] = data[start]
    return end


def _length(value: int) -> bytes:
    if value < 0x80:
        return bytes((value,))
    if value < 0x4000:
        return (value | 0x8000).to_bytes(2, "big")
    raise RsuError(RsuReason.TOO_LARGE, f"{value} octets in one short message", limit=0x3FFF)


def _read_length(data: bytes, at: int) -> tuple[int, int]:
    first = _octet(data, at)
    if first < 0x80:
        return first, at + 1
    if first < 0xC0:
        return (first & 0x3F) << 8 | _octet(data, at + 1), at + 2
    raise _malformed(f"length octet {first:02x}", at)


def _octet(data: bytes, at: int) -> int:
    if at >= len(data):
        raise _malformed("the octets end inside the WSMP header", at)
    return data[at]


def _malformed(what: str, at: int) -> RsuError:
    return RsuError(RsuReason.MALFORMED, f"WSMP: {what}", where=f"octet {at}")
