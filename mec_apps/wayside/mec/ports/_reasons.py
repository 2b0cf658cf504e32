from __future__ import annotations

from wayside.observe import Reason, WaysideError


class PortReason(Reason, stage="ports"):
    """Why something did not pass between the edge's processes.

    STRANGER, MALFORMED, TOO_LARGE, WRONG_VERSION, NOT_READ: the connection was cut; both ends make a new one
    and tell each other anew what stands. NO_PEER, OLDEST, OVERTAKEN: one message lost. EXPIRED: a
    broadcast that had waited for longer than it may live.
    """

    STRANGER = "stranger"
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    WRONG_VERSION = "wrong_version"
    NOT_READ = "not_read"
    NO_PEER = "no_peer"
    OLDEST = "oldest"
    OVERTAKEN = "overtaken"
    EXPIRED = "expired"


class PortError(WaysideError):
    """Octets that are no frame of a port."""

    reason: PortReason
