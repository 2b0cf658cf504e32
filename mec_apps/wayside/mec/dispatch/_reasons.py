from __future__ import annotations

from wayside.observe import Reason


class DispatchReason(Reason, stage="dispatch"):
    """Why a vehicle near a danger was not told of it, or a danger was not taken up."""

    ACCURACY = "accuracy"  # its position is too uncertain even for the link
    OFF_LANE = "off_lane"  # it is near, but on no lane that is known
    STALE_POSITION = "stale_position"  # nothing was heard of it for too long
    TOO_MANY_EVENTS = "too_many_events"  # more dangers at once than the rules allow
