from __future__ import annotations

from wayside.observe import Reason


class DownlinkReason(Reason, stage="downlink"):
    """Why a message, or a part of it, was not sent over the RSUs."""

    CLOCK = "clock"  # the host doubts its UTC: messages with a UTC stamp stop
    SIGNAL_STALE = "signal_stale"  # the controller's input of an intersection is too old
    MINIMUM_FIELDS = "minimum_fields"  # an object or event lacks what its message demands
    TOO_MANY = "too_many"  # more objects or events than can be numbered or sent
    ENCODE = "encode"  # the dialect cannot carry the message
