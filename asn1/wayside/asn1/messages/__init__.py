"""Typed messages in SI units, WGS-84 and UTC, independent of any dialect.

A value that the wire marks as unavailable is None here, never a number. Names are those of the project:
RSM and SSM mean different things in the two families, so neither stands bare. Translators turn wire values
into these and back (`wayside.asn1.translate`).
"""

from __future__ import annotations

from wayside.asn1.messages._basics import Acceleration, EllipseAccuracy, IntersectionId, Position, Size
from wayside.asn1.messages._objects import ObjectKind, ObjectSource, PerceivedObject, PerceivedObjects
from wayside.asn1.messages._road_events import EventOrigin, LinkRef, Path, RoadEvent, RoadEvents, RoadSign
from wayside.asn1.messages._road_map import (
    Connection,
    Direction,
    Intersection,
    Lane,
    LaneKind,
    Maneuver,
    RoadMap,
    SpeedLimit,
)
from wayside.asn1.messages._signals import Light, SignalEvent, SignalGroup, SignalIntersection, SignalStates
from wayside.asn1.messages._vehicle import BasicSafety, Emergency, PathPoint, Transmission

Message = BasicSafety | PerceivedObjects | RoadEvents | RoadMap | SignalStates

__all__ = [
    "Acceleration",
    "BasicSafety",
    "Connection",
    "Direction",
    "EllipseAccuracy",
    "Emergency",
    "EventOrigin",
    "Intersection",
    "IntersectionId",
    "Lane",
    "LaneKind",
    "Light",
    "LinkRef",
    "Maneuver",
    "Message",
    "ObjectKind",
    "ObjectSource",
    "Path",
    "PathPoint",
    "PerceivedObject",
    "PerceivedObjects",
    "Position",
    "RoadEvent",
    "RoadEvents",
    "RoadMap",
    "RoadSign",
    "SignalEvent",
    "SignalGroup",
    "SignalIntersection",
    "SignalStates",
    "Size",
    "SpeedLimit",
    "Transmission",
]
