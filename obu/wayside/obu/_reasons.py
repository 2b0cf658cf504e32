from __future__ import annotations

from wayside.observe import Reason, WaysideError


class ObuReason(Reason, stage="obu"):
    """Why the vehicle's end of the link dropped, refused or gave up something."""

    # warnings
    EXPIRED = "expired"
    DUPLICATE = "duplicate"
    SUPERSEDED = "superseded"
    QUEUE_FULL = "queue_full"
    CALLBACK_FAILED = "callback_failed"
    # frames
    UNEXPECTED_FRAME = "unexpected_frame"
    # what the vehicle sends
    NOT_CONNECTED = "not_connected"
    NOT_SENT_IN_TIME = "not_sent_in_time"
    BAD_MESSAGE = "bad_message"
    # the link
    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    LOST = "lost"


class ObuError(WaysideError):
    """The vehicle's end of the link cannot do what was asked."""

    reason: ObuReason
