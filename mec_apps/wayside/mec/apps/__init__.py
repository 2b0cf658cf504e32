"""Applications: each reads a world and returns what should be said about it."""

from __future__ import annotations

from wayside.mec.apps._contract import (
    AdviceReport,
    App,
    Concern,
    Corridor,
    HazardReport,
    Output,
    Parameter,
    Parameters,
    Trigger,
    choice,
    declared,
    stated,
)
from wayside.mec.apps._kinematics import CANNOT_STOP, required_deceleration, stopping_distance
from wayside.mec.apps._latch import trigger_of
from wayside.mec.apps._voices import one_voice
from wayside.mec.apps._ways import OnWay, Way, Ways
from wayside.mec.apps.evw import Evw, EvwParameters
from wayside.mec.apps.glosa import Glosa, GlosaParameters, SpeedWindow, speed_window
from wayside.mec.apps.hlw import Hlw, HlwParameters
from wayside.mec.apps.icw import Icw, IcwParameters
from wayside.mec.apps.ivs import Ivs, IvsParameters
from wayside.mec.apps.lta import Lta, LtaParameters
from wayside.mec.apps.rlvw import Rlvw, RlvwParameters
from wayside.mec.apps.slw import Slw, SlwParameters
from wayside.mec.apps.tjw import Tjw, TjwParameters
from wayside.mec.apps.vrucw import Vrucw, VrucwParameters

__all__ = [
    "CANNOT_STOP",
    "AdviceReport",
    "App",
    "Concern",
    "Corridor",
    "Evw",
    "EvwParameters",
    "Glosa",
    "GlosaParameters",
    "HazardReport",
    "Hlw",
    "HlwParameters",
    "Icw",
    "IcwParameters",
    "Ivs",
    "IvsParameters",
    "Lta",
    "LtaParameters",
    "OnWay",
    "Output",
    "Parameter",
    "Parameters",
    "Rlvw",
    "RlvwParameters",
    "Slw",
    "SlwParameters",
    "SpeedWindow",
    "Tjw",
    "TjwParameters",
    "Trigger",
    "Vrucw",
    "VrucwParameters",
    "Way",
    "Ways",
    "choice",
    "declared",
    "one_voice",
    "required_deceleration",
    "speed_window",
    "stated",
    "stopping_distance",
    "trigger_of",
]
