from __future__ import annotations

from wayside.observe import Reason


class OrderReason(Reason, stage="orders"):
    """Why a command was not done, or not kept.

    NOT_KEPT: done, but the disk did not take it: a restart forgets it. DAMAGED: what was kept cannot be read,
    and is set aside. A sign that cannot be put up has its reason in WorldReason, octets that are no command
    in RecordReason.
    """

    WRONG_SITE = "wrong_site"
    EXPIRED = "expired"
    UNKNOWN_SIGN = "unknown_sign"
    UNKNOWN_LANE = "unknown_lane"
    UNKNOWN_EVENT = "unknown_event"
    UNKNOWN_APP = "unknown_app"
    NOT_KEPT = "not_kept"
    DAMAGED = "damaged"
