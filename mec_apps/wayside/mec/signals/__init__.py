"""Signals: what lights show and when they change, from SPAT and from signal controllers."""

from __future__ import annotations

from wayside.mec.signals._board import SPAT, TSCBM, SignalBoard, SignalSource
from wayside.mec.signals._reasons import SignalError, SignalReason
from wayside.mec.signals._table import SignalKey, SignalNow, SignalTable
from wayside.mec.signals.tscbm import Masks, PhaseTimes, Tscbm, decode_tscbm

__all__ = [
    "SPAT",
    "TSCBM",
    "Masks",
    "PhaseTimes",
    "SignalBoard",
    "SignalError",
    "SignalKey",
    "SignalNow",
    "SignalReason",
    "SignalSource",
    "SignalTable",
    "Tscbm",
    "decode_tscbm",
]
