from __future__ import annotations

from wayside.observe import Reason, WaysideError


class WorldReason(Reason, stage="world"):
    """Why a reported road event or a sign is not in the world.

    HAZARD_ENDED: its time was over when it came. HAZARD_UNPLACED: neither position nor path nor link.
    HAZARDS_FULL: more than the world holds. SIGN_ENDED, SIGNS_FULL: likewise. SIGN_UNPLACED: no lane of the
    map is meant. SIGN_OWN: our own output come back. SIGN_TAKEN: the site file has a sign of this id.
    """

    HAZARD_ENDED = "hazard_ended"
    HAZARD_UNPLACED = "hazard_unplaced"
    HAZARDS_FULL = "hazards_full"
    SIGN_ENDED = "sign_ended"
    SIGN_UNPLACED = "sign_unplaced"
    SIGNS_FULL = "signs_full"
    SIGN_OWN = "sign_own"
    SIGN_TAKEN = "sign_taken"


class SignError(WaysideError):
    """A sign that cannot be put up."""

    reason: WorldReason
