"""Who is told of a danger, how urgently, how often, and when it is over."""

from __future__ import annotations

from wayside.mec.dispatch._corridors import CorridorIndex
from wayside.mec.dispatch._dispatcher import Dispatcher
from wayside.mec.dispatch._reasons import DispatchReason
from wayside.mec.dispatch._results import CancelPush, Dispatch, EventChange, OpenEvent, Push
from wayside.mec.dispatch._rules import DispatchRules
from wayside.mec.dispatch._vehicles import ConnectedVehicles

__all__ = [
    "CancelPush",
    "ConnectedVehicles",
    "CorridorIndex",
    "Dispatch",
    "DispatchReason",
    "DispatchRules",
    "Dispatcher",
    "EventChange",
    "OpenEvent",
    "Push",
]
