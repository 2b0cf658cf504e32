"""Frames of T/CSAE 53-2020 as JSON bodies and back. Pure."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from wayside.rsu import RsuError, RsuReason
from wayside.rsu.vendors.tits0117.wire import bodies, road_map
from wayside.rsu.vendors.tits0117.wire.bodies import Context, Transcoded

DIALECT = "csae53-2020"


class Slice(msgspec.Struct, frozen=True):
    """One part of a MAP that goes down by itself. e_tag: of its content, 16 hex digits."""

    label: str
    e_tag: str
    body: dict[str, Any]

    def payload(self, seq_num: str) -> bytes:
        """The octets of the part under a sequence number."""
        return msgspec.json.encode(
            {"mapSlice": self.label, "map": self.body, "eTag": self.e_tag, "ack": True, "seqNum": seq_num}
        )


def frames_of(message: str, body: Any, context: Context) -> list[tuple[bytes, Transcoded]]:
    """Encoded frames of a JSON body, each with its value and account.

    Raises RsuError MALFORMED (with the place), TOO_LARGE, UNSUPPORTED for a message without a JSON form.
    """
    match message:
        case "RSM":
            found = bodies.read_rsm(body, context)
        case "RSI":
            found = bodies.read_rsi(body, context)
        case "SPAT":
            found = bodies.read_spat(body, context)
        case "MAP":
            found = road_map.read_map(body)
        case _:
            raise RsuError(RsuReason.UNSUPPORTED, f"{message} has no JSON form here", where="topic")
    return [(encoded(one), one) for one in found]


def encoded(transcoded: Transcoded) -> bytes:
    """The frame of a value. Raises RsuError MALFORMED where the dialect cannot hold it."""
    from wayside.asn1 import EncodeError, load

    try:
        return load(DIALECT).encode(transcoded.value)
    except EncodeError as error:
        what = f"cannot be said: {error.reason}"
        raise RsuError(RsuReason.MALFORMED, what, where=str(error.path)) from None


def body_of(message: str, frame: bytes, context: Context) -> tuple[dict[str, Any], tuple[str, ...]]:
    """JSON body of a frame, and what it has no room for. Raises RsuError DECODE, UNSUPPORTED.

    A MAP's is the map itself, without what goes around it in a slice.
    """
    from wayside.asn1 import CodecError, load

    try:
        _, value = load(DIALECT).decode(frame)
    except CodecError as error:
        raise RsuError(RsuReason.DECODE, f"{message}: {error.reason}", where=str(error.path)) from None
    lost: list[str] = []
    match message:
        case "RSM":
            body = bodies.write_rsm(value, lost)
        case "RSI":
            body = bodies.write_rsi(value, lost)
        case "SPAT":
            body = bodies.write_spat(value, lost, context)
        case "MAP":
            return road_map.write_map(value), ()
        case _:
            raise RsuError(RsuReason.UNSUPPORTED, f"{message} has no JSON form here", where="topic")
    return body, (*sorted(lost), "msgCnt")


def slices_of(body: dict[str, Any], limit_bytes: int) -> list[Slice]:
    """A map as one part, or node by node where it is larger than the limit.

    Raises RsuError TOO_LARGE, with the limit, for a single node over it.
    """
    parts = [body]
    if len(msgspec.json.encode(body)) > limit_bytes:
        parts = [{**body, "nodes": [node]} for node in body["nodes"]]
    out = []
    for number, part in enumerate(parts, 1):
        text = msgspec.json.encode(part)
        if len(text) > limit_bytes:
            what = f"one node takes {len(text)} octets, limit {limit_bytes}"
            raise RsuError(RsuReason.TOO_LARGE, what, limit=limit_bytes)
        e_tag = hashlib.sha256(text).hexdigest()[:16]
        out.append(Slice(f"{number}/{len(parts)}", e_tag, part))
    return out
