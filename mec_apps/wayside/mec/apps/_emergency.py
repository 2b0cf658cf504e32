from __future__ import annotations

from wayside.mec.world import TrackView

_AT_LEISURE = frozenset({"notInUseOrNotEquipped", "nonEmergency", "stationary"})


def not_responding(view: TrackView) -> str | None:
    """Why a vehicle is no emergency vehicle on its way to an emergency; None for one that is.

    no_emergency_vehicle; no_siren: neither siren nor lights; not_responding: it says so.
    """
    told = view.emergency
    if told is None:
        return "no_emergency_vehicle"
    if not (told.siren or told.lights):
        return "no_siren"
    return "not_responding" if told.response in _AT_LEISURE else None
