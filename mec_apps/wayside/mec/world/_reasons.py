from __future__ import annotations

from wayside.observe import Reason


class WorldReason(Reason, stage="world"):
    """Why a reported road event is not in the world.

    HAZARD_ENDED: its time was over when it came. HAZARD_UNPLACED: neither position nor path nor link.
    HAZARDS_FULL: more than the world holds.
    """

    HAZARD_ENDED = "hazard_ended"
    HAZARD_UNPLACED = "hazard_unplaced"
    HAZARDS_FULL = "hazards_full"
