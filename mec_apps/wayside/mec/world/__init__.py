"""The world as the apps see it: one immutable snapshot a step, and the model that makes it."""

from __future__ import annotations

from wayside.mec.fusion import EmergencyVehicle
from wayside.mec.signals import SignalKey, SignalNow, SignalTable
from wayside.mec.world._hazards import HazardBook
from wayside.mec.world._model import WorldModel
from wayside.mec.world._reasons import SignError, WorldReason
from wayside.mec.world._roads import LanePart, OnLane, Roads
from wayside.mec.world._sign_places import LaneStretch
from wayside.mec.world._signs import (
    SPEED_LIMIT_SIGN,
    SignBook,
    SignPost,
    SignSource,
    StandingSign,
    is_placed,
    post_of,
)
from wayside.mec.world._snapshot import ReportedHazard, TrackTable, TrackView, World

__all__ = [
    "SPEED_LIMIT_SIGN",
    "EmergencyVehicle",
    "HazardBook",
    "LanePart",
    "LaneStretch",
    "OnLane",
    "ReportedHazard",
    "Roads",
    "SignBook",
    "SignError",
    "SignPost",
    "SignSource",
    "SignalKey",
    "SignalNow",
    "SignalTable",
    "StandingSign",
    "TrackTable",
    "TrackView",
    "World",
    "WorldModel",
    "WorldReason",
    "is_placed",
    "post_of",
]
