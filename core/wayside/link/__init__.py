"""Vehicle link: frames, bodies and session rules that the edge and the vehicle SDK share.

One WebSocket message (subprotocol `v2x.uper.v1`) is one frame: a fixed header of 28 octets, little-endian,
then a body: an unmodified MessageFrame in the dialect agreed in HELLO, or a msgpack map of one of the
body types. `tests/vectors/link_frames.json` holds byte-exact examples and is part of the specification.
"""

from __future__ import annotations

from wayside.link._bodies import (
    Action,
    Advice,
    AdviceKind,
    Bye,
    Cancel,
    CancelReason,
    ClockPing,
    ClockPong,
    Hello,
    Outcome,
    Party,
    Place,
    Receipt,
    Refusal,
    Refused,
    Severity,
    Warning,
    WarningKind,
    Welcome,
)
from wayside.link._frames import (
    HEADER_BYTES,
    Flag,
    Frame,
    FrameKind,
    FrameTemplate,
    Header,
    LinkError,
    LinkReason,
    decode_body,
    decode_frame,
    encode_body,
    encode_frame,
)
from wayside.link._mailbox import Loss, Mailbox, Postable
from wayside.link._rules import LinkRules, advice_key, priority_of, warning_key

SUBPROTOCOL = "v2x.uper.v1"

__all__ = [
    "HEADER_BYTES",
    "SUBPROTOCOL",
    "Action",
    "Advice",
    "AdviceKind",
    "Bye",
    "Cancel",
    "CancelReason",
    "ClockPing",
    "ClockPong",
    "Flag",
    "Frame",
    "FrameKind",
    "FrameTemplate",
    "Header",
    "Hello",
    "LinkError",
    "LinkReason",
    "LinkRules",
    "Loss",
    "Mailbox",
    "Outcome",
    "Party",
    "Place",
    "Postable",
    "Receipt",
    "Refusal",
    "Refused",
    "Severity",
    "Warning",
    "WarningKind",
    "Welcome",
    "advice_key",
    "decode_body",
    "decode_frame",
    "encode_body",
    "encode_frame",
    "priority_of",
    "warning_key",
]
