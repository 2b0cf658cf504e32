"""Fusion: what sensors see and vehicles say, as one list of tracks with identities."""

from __future__ import annotations

from wayside.mec.fusion._emergency import EmergencyVehicle
from wayside.mec.fusion._fusion import V2X, FusedTrack, Fusion
from wayside.mec.fusion._reasons import FusionReason
from wayside.mec.fusion._settings import SensorView, TrackerSettings
from wayside.mec.fusion._vehicles import VehicleSettings

__all__ = [
    "V2X",
    "EmergencyVehicle",
    "FusedTrack",
    "Fusion",
    "FusionReason",
    "SensorView",
    "TrackerSettings",
    "VehicleSettings",
]
