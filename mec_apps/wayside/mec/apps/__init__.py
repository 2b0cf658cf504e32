"""Applications: each reads a world and returns what should be said about it."""

from __future__ import annotations

from wayside.mec.apps._contract import (
    App,
    Concern,
    Corridor,
    HazardReport,
    Output,
    Parameter,
    Parameters,
    SignalAdvice,
    Trigger,
    declared,
)

__all__ = [
    "App",
    "Concern",
    "Corridor",
    "HazardReport",
    "Output",
    "Parameter",
    "Parameters",
    "SignalAdvice",
    "Trigger",
    "declared",
]
