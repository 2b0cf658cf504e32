from __future__ import annotations

import msgspec

from wayside.clock import UtcNs
from wayside.rsu._reasons import RsuError, RsuReason

_UNSECURED, _SIGNED, _ENCRYPTED = 0x80, 0x81, 0x82
_MAX_NESTING = 3
_MAX_CERTIFICATES = 8
# Time64 counts TAI microseconds from 2004-01-01T00:00:00Z; UTC has fallen behind by five leap seconds since,
# the last one at the end of 2016. Instants before that come out up to 5 s early.
_EPOCH_2004_S = 1_072_915_200
_LEAP_SECONDS_SINCE_2004 = 5
_POINT_OCTETS = {0x80: 32, 0x81: 0, 0x82: 32, 0x83: 32, 0x84: 64}


class Dot2(msgspec.Struct, frozen=True):
    """The content of an Ieee1609Dot2Data and what its wrapper says. The signature is never checked.

    signer: "digest", "certificate", "self", or empty when unsecured. signer_id: HashedId8 of a digest,
    lower-case hex, else empty. certificates: how many come along. trailing_bytes: octets behind an
    unsecured wrapper (behind a signed one the signature stands, which is not read).
    """

    payload: bytes
    signed: bool
    psid: int | None = None
    signer: str = ""
    signer_id: str = ""
    certificates: int = 0
    generated: UtcNs | None = None
    expires: UtcNs | None = None
    trailing_bytes: int = 0


class _Reader:
    """Canonical OER, bounds checked. Source: ITU-T X.696."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def octet(self) -> int:
        if self.at >= len(self.data):
            raise self.malformed("the octets end too early")
        self.at += 1
        return self.data[self.at - 1]

    def octets(self, count: int) -> bytes:
        if count > len(self.data) - self.at:
            raise self.malformed(f"{count} octets wanted, {len(self.data) - self.at} left")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, octets: int) -> int:
        return int.from_bytes(self.octets(octets), "big")

    def length(self) -> int:
        first = self.octet()
        if first < 0x80:
            return first
        size = first & 0x7F
        if not 1 <= size <= 4:
            raise self.malformed(f"length of {size} octets")
        return self.number(size)

    def opaque(self) -> bytes:
        return self.octets(self.length())

    def unsigned(self) -> int:
        size = self.length()
        if not 1 <= size <= 8:
            raise self.malformed(f"INTEGER of {size} octets")
        return self.number(size)

    def malformed(self, what: str) -> RsuError:
        return RsuError(RsuReason.MALFORMED, f"1609.2: {what}", where=f"octet {self.at}")


def peel_dot2(data: bytes) -> Dot2:
    """Payload of an Ieee1609Dot2Data in COER, unsecured or signed, with what the wrapper says.

    Nothing is verified. Raises RsuError MALFORMED, UNSUPPORTED (encrypted, or a signature over data sent
    elsewhere). Source: IEEE 1609.2-2022, 6.3; ITU-T X.696.
    """
    return _data(_Reader(data), 0)


def wrap_unsecured(payload: bytes) -> bytes:
    """Ieee1609Dot2Data with unsecuredData. Source: IEEE 1609.2-2022, 6.3.2."""
    return b"\x03\x80" + _length(len(payload)) + payload


def wrap_signed_shape(payload: bytes, psid: int, generated: UtcNs, signer_id: bytes) -> bytes:
    """Ieee1609Dot2Data in the shape of signedData, signer by digest, with a signature of zeros.

    For emulators only: the shape is real, the signature is none. signer_id: 8 octets.
    Source: IEEE 1609.2-2022, 6.3.4 to 6.3.10 and 6.3.28 to 6.3.30.
    """
    octets = max(1, (psid.bit_length() + 7) // 8)
    header = b"\x40" + bytes((octets,)) + psid.to_bytes(octets, "big") + _time64(generated).to_bytes(8, "big")
    signature = b"\x80\x80" + bytes(32) + bytes(32)
    return b"\x03\x81\x00\x40" + wrap_unsecured(payload) + header + b"\x80" + signer_id[:8] + signature


def _data(reader: _Reader, depth: int) -> Dot2:
    if depth >= _MAX_NESTING:
        raise reader.malformed("wrapped too deeply")
    version = reader.octet()
    if version != 3:
        raise RsuError(RsuReason.UNSUPPORTED, f"1609.2 protocol version {version}", where="octet 0")
    content = reader.octet()
    if content == _UNSECURED:
        payload = reader.opaque()
        return Dot2(payload=payload, signed=False, trailing_bytes=len(reader.data) - reader.at)
    if content == _SIGNED:
        return _signed(reader, depth)
    kind = "encrypted data" if content == _ENCRYPTED else f"content {content:#x}"
    raise RsuError(RsuReason.UNSUPPORTED, f"1609.2 {kind}", where=f"octet {reader.at - 1}")


def _signed(reader: _Reader, depth: int) -> Dot2:
    hash_id = reader.octet()
    if hash_id >= 0x80:
        raise reader.malformed(f"hash algorithm {hash_id:#x}")
    preamble = reader.octet()
    if not preamble & 0x40:
        raise RsuError(
            RsuReason.UNSUPPORTED, "1609.2 signature without its data", where=f"octet {reader.at - 1}"
        )
    inner = _data(reader, depth + 1)
    if preamble & 0x20:
        _choice_extensible(reader, {0x80: 32})
    if preamble & 0x80:
        _skip_extensions(reader)
    psid, generated, expires = _header(reader)
    kind = reader.octet()
    signer, signer_id, certificates = "", "", 0
    if kind == 0x80:
        signer, signer_id = "digest", reader.octets(8).hex()
    elif kind == 0x81:
        signer, certificates = "certificate", reader.unsigned()
        if not 1 <= certificates <= _MAX_CERTIFICATES:
            raise reader.malformed(f"{certificates} certificates")
    elif kind == 0x82:
        signer = "self"
    else:
        raise RsuError(RsuReason.UNSUPPORTED, f"1609.2 signer {kind:#x}", where=f"octet {reader.at - 1}")
    return Dot2(
        payload=inner.payload,
        signed=True,
        psid=psid,
        signer=signer,
        signer_id=signer_id,
        certificates=certificates,
        generated=generated,
        expires=expires,
    )


def _header(reader: _Reader) -> tuple[int, UtcNs | None, UtcNs | None]:
    preamble = reader.octet()
    psid = reader.unsigned()
    generated = _utc(reader.number(8)) if preamble & 0x40 else None
    expires = _utc(reader.number(8)) if preamble & 0x20 else None
    if preamble & 0x10:
        reader.octets(10)
    if preamble & 0x08:
        reader.octets(3)
    if preamble & 0x04:
        missing_crl = reader.octet()
        reader.octets(5)
        if missing_crl & 0x80:
            _skip_extensions(reader)
    if preamble & 0x02:
        _encryption_key(reader)
    if preamble & 0x80:
        _skip_extensions(reader)
    return psid, generated, expires


def _encryption_key(reader: _Reader) -> None:
    kind = reader.octet()
    if kind == 0x81:
        _choice_extensible(reader, {0x80: 16})
        return
    if kind != 0x80:
        raise reader.malformed(f"encryption key {kind:#x}")
    if reader.octet() >= 0x80:
        raise reader.malformed("symmetric algorithm")
    curve = reader.octet()
    if curve in (0x80, 0x81):
        point = reader.octet()
        if point not in _POINT_OCTETS:
            raise reader.malformed(f"curve point {point:#x}")
        reader.octets(_POINT_OCTETS[point])
    else:
        reader.opaque()


def _choice_extensible(reader: _Reader, roots: dict[int, int]) -> None:
    tag = reader.octet()
    if tag in roots:
        reader.octets(roots[tag])
    elif 0x80 <= tag < 0xBF:
        reader.opaque()
    else:
        raise reader.malformed(f"alternative {tag:#x}")


def _skip_extensions(reader: _Reader) -> None:
    size = reader.length()
    if not 2 <= size <= 9:
        raise reader.malformed(f"extension bitmap of {size} octets")
    unused = reader.octet()
    if unused > 7:
        raise reader.malformed(f"{unused} unused bits")
    present = reader.number(size - 1)
    for _ in range(present.bit_count()):
        reader.opaque()


def _utc(time64: int) -> UtcNs:
    return UtcNs((_EPOCH_2004_S - _LEAP_SECONDS_SINCE_2004) * 1_000_000_000 + time64 * 1_000)


def _time64(utc: UtcNs) -> int:
    return (utc - (_EPOCH_2004_S - _LEAP_SECONDS_SINCE_2004) * 1_000_000_000) // 1_000


def _length(value: int) -> bytes:
    if value < 0x80:
        return bytes((value,))
    octets = (value.bit_length() + 7) // 8
    return bytes((0x80 | octets,)) + value.to_bytes(octets, "big")
