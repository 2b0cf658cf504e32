"""Immediate-forward text of the USDOT RSU Specification 4.1: octets from values and back. Pure."""

from __future__ import annotations

import binascii

import msgspec

from wayside.rsu import RsuError, RsuReason
from wayside.rsu.radio import decode_psid, encode_psid

FIELDS = (
    "Version",
    "Type",
    "PSID",
    "Priority",
    "TxMode",
    "TxChannel",
    "TxInterval",
    "DeliveryStart",
    "DeliveryStop",
    "Signature",
    "Encryption",
    "Payload",
)
TX_MODES = ("CONT", "ALT")
CHANNELS = range(172, 185)
MAX_TEXT_BYTES = 65_507


class ImmediateForward(msgspec.Struct, frozen=True, kw_only=True):
    """One message for immediate broadcast.

    type: message name as the unit spells it. psid: plain number. priority: 0..7. channel: 172..184.
    interval_ms: 0 once. payload: the UPER frame.
    """

    type: str
    psid: int
    payload: bytes
    priority: int = 7
    tx_mode: str = "CONT"
    channel: int = 183
    interval_ms: int = 0
    delivery_start: str = ""
    delivery_stop: str = ""
    signature: bool = False
    encryption: bool = False
    version: str = "0.7"


def build_text(message: ImmediateForward) -> bytes:
    """The text as it stands in one datagram: 12 lines in their order, each ended by LF.

    Source: USDOT RSU Specification 4.1, appendix C, immediate forward; field order and PSID spelling as
    usdot-fhwa-OPS/V2X-Hub sends them.
    """
    head = (
        f"Version={message.version}\nType={message.type}\nPSID=0x{encode_psid(message.psid).hex().upper()}\n"
        f"Priority={message.priority}\nTxMode={message.tx_mode}\nTxChannel={message.channel}\n"
        f"TxInterval={message.interval_ms}\nDeliveryStart={message.delivery_start}\n"
        f"DeliveryStop={message.delivery_stop}\nSignature={message.signature}\n"
        f"Encryption={message.encryption}\nPayload="
    )
    return head.encode("ascii") + binascii.hexlify(message.payload).upper() + b"\n"


def text_bytes(message: ImmediateForward, payload_bytes: int) -> int:
    """Size of the text for a payload of another size, octets."""
    empty = msgspec.structs.replace(message, payload=b"")
    return len(build_text(empty)) + 2 * payload_bytes


def parse_text(data: bytes, *, strict_order: bool = False) -> ImmediateForward:
    """Read a text. Raises RsuError MALFORMED (with the field), TOO_LARGE.

    strict_order: the lines must stand in the order of the specification. Unknown and double fields are
    refused; CR before LF and a missing last LF are borne.
    """
    if len(data) > MAX_TEXT_BYTES:
        raise RsuError(RsuReason.TOO_LARGE, f"text of {len(data)} octets", limit=MAX_TEXT_BYTES)
    try:
        lines = data.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise _malformed("not ASCII", f"octet {error.start}") from None
    if lines[-1] == "":
        lines.pop()
    values: dict[str, str] = {}
    for number, line in enumerate(lines):
        name, equals, value = line.removesuffix("\r").partition("=")
        if not equals or name not in FIELDS or name in values:
            raise _malformed("no field of its own", f"line {number + 1}")
        if strict_order and name != FIELDS[number]:
            raise _malformed(f"{name} where {FIELDS[number]} belongs", f"line {number + 1}")
        values[name] = value
    for name in ("Version", "Type", "PSID", "Payload"):
        if not values.get(name):
            raise _malformed("missing", name)
    tx_mode = values.get("TxMode", "CONT")
    if tx_mode not in TX_MODES:
        raise _malformed(f"{tx_mode!r} is none of {', '.join(TX_MODES)}", "TxMode")
    return ImmediateForward(
        version=values["Version"],
        type=values["Type"],
        psid=_psid(values["PSID"]),
        priority=_number(values, "Priority", 7, range(8)),
        tx_mode=tx_mode,
        channel=_number(values, "TxChannel", 183, CHANNELS),
        interval_ms=_number(values, "TxInterval", 0, range(65_536)),
        delivery_start=values.get("DeliveryStart", ""),
        delivery_stop=values.get("DeliveryStop", ""),
        signature=_flag(values, "Signature"),
        encryption=_flag(values, "Encryption"),
        payload=_hex(values["Payload"], "Payload"),
    )


def _psid(text: str) -> int:
    octets = _hex(text.removeprefix("0x").removeprefix("0X"), "PSID")
    psid, end = decode_psid(octets)
    if end != len(octets):
        raise _malformed(f"{text!r} is no P-encoded PSID", "PSID")
    return psid


def _number(values: dict[str, str], name: str, default: int, allowed: range) -> int:
    text = values.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= 6) or int(text) not in allowed:
        raise _malformed(f"{text!r} is not in {allowed.start}..{allowed.stop - 1}", name)
    return int(text)


def _flag(values: dict[str, str], name: str) -> bool:
    text = values.get(name, "False")
    if text.lower() not in ("true", "false"):
        raise _malformed(f"{text!r} is neither True nor False", name)
    return text.lower() == "true"


def _hex(text: str, name: str) -> bytes:
    try:
        return binascii.unhexlify(text)
    except (binascii.Error, ValueError):
        raise _malformed("no hexadecimal octets", name) from None


def _malformed(what: str, where: str) -> RsuError:
    return RsuError(RsuReason.MALFORMED, f"immediate forward: {what}", where=where)
