"""The world as the apps see it: one immutable snapshot a step, and the model that makes it."""

from __future__ import annotations

from wayside.mec.signals import SignalKey, SignalNow, SignalTable
from wayside.mec.world._hazards import HazardBook
from wayside.mec.world._model import WorldModel
from wayside.mec.world._reasons import WorldReason
from wayside.mec.world._snapshot import ReportedHazard, TrackTable, TrackView, World

__all__ = [
    "HazardBook",
    "ReportedHazard",
    "SignalKey",
    "SignalNow",
    "SignalTable",
    "TrackTable",
    "TrackView",
    "World",
    "WorldModel",
    "WorldReason",
]
