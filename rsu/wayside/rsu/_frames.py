from __future__ import annotations

from typing import Any

import msgspec

from wayside.rsu._reasons import RsuError, RsuReason

# Message ids of the J2735 MessageFrame (SAE J2735-2024, DE_DSRC_MessageID), by the names of the field.
J2735_IDS: dict[str, int] = {
    "MAP": 18,
    "SPAT": 19,
    "BSM": 20,
    "RTCM": 28,
    "SRM": 29,
    "SSM": 30,
    "TIM": 31,
    "PSM": 32,
    "RSM": 33,
    "SDSM": 41,
}
# Alternatives of the CSAE MessageFrame in the order of their index (T/CSAE 53-2020).
CSAE_ALTERNATIVES = ("BSM", "MAP", "RSM", "SPAT", "RSI")
_J2735_NAMES = {number: name for name, number in J2735_IDS.items()}


def decodable(dialect: str) -> bool:
    """Whether frames of a dialect can be decoded here."""
    from wayside.asn1 import dialects

    return dialect in dialects()


class Checked(msgspec.Struct, frozen=True):
    """A frame that decodes: its message name, wire value, and the octets it takes."""

    message: str
    value: Any
    octets: int


def frame_name(dialect: str, frame: bytes) -> str:
    """Name of the message that a frame's first octets announce. Raises RsuError MALFORMED, UNSUPPORTED.

    Source: SAE J2735 and T/CSAE 53 MessageFrame, UPER.
    """
    if len(frame) < 2:
        raise RsuError(RsuReason.MALFORMED, f"frame of {len(frame)} octets")
    if dialect.startswith("j2735"):
        number = int.from_bytes(frame[:2], "big")
        if number not in _J2735_NAMES:
            raise RsuError(RsuReason.UNSUPPORTED, f"message id {number:#06x}", where="octet 0")
        return _J2735_NAMES[number]
    index = frame[0] >> 4
    if index >= len(CSAE_ALTERNATIVES):
        raise RsuError(RsuReason.UNSUPPORTED, f"frame index octet {frame[0]:02x}", where="octet 0")
    return CSAE_ALTERNATIVES[index]


def check_frame(dialect: str, data: bytes) -> Checked:
    """Decode the frame that `data` starts with; octets may follow it.

    Raises RsuError DECODE (with path and bit offset), MALFORMED, UNSUPPORTED.
    """
    # Imported here so that framing and sending need no message tables.
    from wayside.asn1 import CodecError, load

    message = frame_name(dialect, data)
    try:
        value, bits = load(dialect).decode_prefix(data)
    except CodecError as error:
        place = f"{error.path or message} at bit {error.bit_offset}"
        raise RsuError(RsuReason.DECODE, f"{message}: {error.reason}", where=place) from None
    return Checked(message, value, (bits + 7) // 8)
