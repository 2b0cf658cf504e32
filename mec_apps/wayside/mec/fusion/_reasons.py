from __future__ import annotations

from wayside.observe import Reason


class FusionReason(Reason, stage="fusion"):
    """Why fusion did not use something.

    TOO_LATE: scan older than the roll-back horizon. TRACKS_FULL: detection that would have begun a track
    beyond the limit. BSM_*: a vehicle's message that cannot be true, or (OLD) adds nothing to what is known.
    VEHICLES_FULL: one more vehicle than the limit.
    """

    TOO_LATE = "too_late"
    TRACKS_FULL = "tracks_full"
    BSM_IMPLAUSIBLE = "bsm_implausible"
    BSM_JUMP = "bsm_jump"
    BSM_SPEED_MISMATCH = "bsm_speed_mismatch"
    BSM_OLD = "bsm_old"
    VEHICLES_FULL = "vehicles_full"
