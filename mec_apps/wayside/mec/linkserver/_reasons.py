from __future__ import annotations

from wayside.link import Refusal
from wayside.observe import Reason


class LinkServerReason(Reason, stage="link_server"):
    """Why the link server dropped a frame, or refused or ended a session."""

    # frames down
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    MAILBOX_FULL = "mailbox_full"
    NO_SESSION = "no_session"
    # frames up
    UNEXPECTED_FRAME = "unexpected_frame"
    OVER_RATE = "over_rate"
    # sessions
    BAD_TOKEN = "bad_token"
    BAD_HELLO = "bad_hello"
    UNKNOWN_DIALECT = "unknown_dialect"
    FULL = "full"
    TOO_FAST = "too_fast"
    TOO_SLOW = "too_slow"
    BAD_FRAMES = "bad_frames"
    REPLACED = "replaced"
    SILENT = "silent"


_OF_REFUSAL = {
    Refusal.BAD_TOKEN: LinkServerReason.BAD_TOKEN,
    Refusal.BAD_HELLO: LinkServerReason.BAD_HELLO,
    Refusal.UNKNOWN_DIALECT: LinkServerReason.UNKNOWN_DIALECT,
    Refusal.FULL: LinkServerReason.FULL,
    Refusal.TOO_FAST: LinkServerReason.TOO_FAST,
    Refusal.TOO_SLOW: LinkServerReason.TOO_SLOW,
    Refusal.BAD_FRAMES: LinkServerReason.BAD_FRAMES,
    Refusal.REPLACED: LinkServerReason.REPLACED,
}


def reason_of(refusal: Refusal) -> LinkServerReason | None:
    """Reason under which a refusal is counted; None for an orderly shutdown, which drops no one."""
    return _OF_REFUSAL.get(refusal)
