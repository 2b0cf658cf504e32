from __future__ import annotations

import hashlib
from functools import lru_cache

import msgspec

from wayside.link._bodies import AdviceKind, Severity, WarningKind


class LinkRules(msgspec.Struct, frozen=True):
    """Limits of the vehicle link; both ends use the same defaults. Source: own.

    hello_timeout_s: from connection to HELLO. keepalive_s: the vehicle sends something at least this
    often; the edge ends a session silent for three times as long. max_frame_bytes: larger frames end the
    session. up_rate_hz, up_burst: token bucket of frames a vehicle may send. bad_frames_limit: malformed
    frames in a row before the session ends. unwritable_s: how long a vehicle may leave its socket full.
    resume_window_s: how long a cut session is kept. send_buffer_bytes: kernel buffer of the edge's
    socket, small so that expiry is decided before it. mailbox_limit: waiting frames of one vehicle.
    """

    hello_timeout_s: float = 5.0
    keepalive_s: float = 5.0
    max_frame_bytes: int = 65_536
    up_rate_hz: float = 40.0
    up_burst: int = 80
    bad_frames_limit: int = 20
    unwritable_s: float = 1.0
    resume_window_s: float = 30.0
    send_buffer_bytes: int = 16_384
    mailbox_limit: int = 64
    max_sessions: int = 2_000


_PRIORITY = {Severity.INFORM: 80, Severity.ADVISE: 160, Severity.URGENT: 240}


def priority_of(severity: Severity) -> int:
    """Priority octet of a warning; larger is more urgent."""
    return _PRIORITY[severity]


def warning_key(kind: WarningKind, event_id: str) -> int:
    """Key of a warning's frames, 1..2^64-1: the same danger keeps it, so a newer frame replaces an older."""
    return _key(kind.value, event_id)


def advice_key(kind: AdviceKind, subject: str = "") -> int:
    """Key of an advice's frames, as `warning_key`. subject: what it is about, where there can be several."""
    return _key(kind.value, subject)


@lru_cache(maxsize=4_096)
def _key(kind: str, name: str) -> int:
    digest = hashlib.blake2b(f"{kind}\0{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") or 1
