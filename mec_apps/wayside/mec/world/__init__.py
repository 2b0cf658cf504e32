"""The world as the apps see it: one immutable snapshot a step."""

from __future__ import annotations

from wayside.mec.world._signals import SignalKey, SignalNow, SignalTable
from wayside.mec.world._snapshot import ReportedHazard, TrackTable, TrackView, World

__all__ = [
    "ReportedHazard",
    "SignalKey",
    "SignalNow",
    "SignalTable",
    "TrackTable",
    "TrackView",
    "World",
]
