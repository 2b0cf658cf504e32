from __future__ import annotations

from wayside.rsu._reasons import RsuError, RsuReason

# Octets, first value, marker bits of the first octet. IEEE 1609.12-2016, 4.1.2.
_FORMS = ((1, 0x00, 0x00), (2, 0x80, 0x8000), (3, 0x4080, 0xC00000), (4, 0x204080, 0xE0000000))
_END = 0x10204080


def encode_psid(psid: int) -> bytes:
    """P-encoded PSID, 1 to 4 octets. `psid` 0..0x1020407F; RsuError CONFIG outside.

    Source: IEEE 1609.12-2016, 4.1.2.
    """
    if not 0 <= psid < _END:
        raise RsuError(RsuReason.CONFIG, f"PSID {psid:#x} has no P-encoding", limit=_END - 1)
    octets, first, marker = next(form for form in reversed(_FORMS) if psid >= form[1])
    return (psid - first + marker).to_bytes(octets, "big")


def decode_psid(data: bytes, at: int = 0) -> tuple[int, int]:
    """PSID at an offset and the offset behind it. Raises RsuError MALFORMED.

    Source: IEEE 1609.12-2016, 4.1.2.
    """
    if at >= len(data):
        raise RsuError(RsuReason.MALFORMED, "no octets left for a PSID", where=f"octet {at}")
    lead = data[at]
    if lead >= 0xF0:
        raise RsuError(RsuReason.MALFORMED, f"no PSID starts with {lead:02x}", where=f"octet {at}")
    octets, first, marker = _FORMS[(lead >= 0x80) + (lead >= 0xC0) + (lead >= 0xE0)]
    end = at + octets
    if end > len(data):
        raise RsuError(RsuReason.MALFORMED, "the octets end inside a PSID", where=f"octet {at}")
    return int.from_bytes(data[at:end], "big") - marker + first, end
