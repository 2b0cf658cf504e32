"""Roads on the local plane: lanes, movements over the intersection, and where a point lies on them.

Built once from a RoadMap; plain numpy, no time, no input or output.
"""

from __future__ import annotations

from wayside.asn1.geometry._lanes import (
    DEFAULT_WIDTH_M,
    LaneGeometry,
    LaneKey,
    Movement,
    MovementKey,
    Skipped,
)
from wayside.asn1.geometry._road import (
    CARRIAGEWAY,
    VEHICLE,
    LaneMatch,
    LaneMatches,
    MovementMatch,
    RoadGeometry,
)
from wayside.asn1.geometry._segments import MARGIN_M

__all__ = [
    "CARRIAGEWAY",
    "DEFAULT_WIDTH_M",
    "MARGIN_M",
    "VEHICLE",
    "LaneGeometry",
    "LaneKey",
    "LaneMatch",
    "LaneMatches",
    "Movement",
    "MovementKey",
    "MovementMatch",
    "RoadGeometry",
    "Skipped",
]
