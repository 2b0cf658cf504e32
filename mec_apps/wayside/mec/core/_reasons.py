from __future__ import annotations

from wayside.observe import Reason


class EdgeReason(Reason, stage="edge"):
    """Why a radio message or a vehicle's frame was not used."""

    UNDECODABLE = "undecodable"
    UNTRANSLATABLE = "untranslatable"
    NOT_EXPECTED = "not_expected"
