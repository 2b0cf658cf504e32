from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wayside.asn1.messages import Connection, Direction, IntersectionId, LaneKind, Maneuver
from wayside.geo import Polyline

# Widths for a map that states none. Vehicle and tracked lanes: 3.5 m, the lane of Chinese urban roads for
# mixed traffic. Crosswalk: 3 m, the least that GB 5768.3 allows. The others are own, usual values.
DEFAULT_WIDTH_M = {
    LaneKind.VEHICLE: 3.5,
    LaneKind.TRACKED: 3.5,
    LaneKind.CROSSWALK: 3.0,
    LaneKind.BIKE: 2.5,
    LaneKind.SIDEWALK: 2.0,
    LaneKind.PARKING: 2.5,
    LaneKind.MEDIAN: 1.0,
    LaneKind.STRIPING: 1.0,
}


class LaneKey(NamedTuple):
    """Identity of a lane on the map: prints as `intersection/lane`, with the upstream node before it where
    lane numbers are unique in a link only (CSAE): `upstream>intersection/lane`."""

    intersection: str
    lane_id: int
    upstream: str | None = None

    def __str__(self) -> str:
        link = self.intersection if self.upstream is None else f"{self.upstream}>{self.intersection}"
        return f"{link}/{self.lane_id}"

    @classmethod
    def of(cls, intersection: IntersectionId, lane_id: int, upstream: IntersectionId | None) -> LaneKey:
        """Key of a lane of a RoadMap."""
        return cls(str(intersection), lane_id, None if upstream is None else str(upstream))


class LaneGeometry:
    """A lane on the local plane.

    polyline: centre line in driving direction. width_m: stated or DEFAULT_WIDTH_M. speed_limit_mps: limit
    for all vehicles, None where the map states none. stop_line, stop_yaw_rad: end of an ingress lane and
    the direction of travel there; None and 0 for any other. connections, maneuvers: as in the message.
    """

    __slots__ = (
        "connections",
        "direction",
        "key",
        "kind",
        "maneuvers",
        "polyline",
        "speed_limit_mps",
        "stop_line",
        "stop_yaw_rad",
        "width_m",
    )

    def __init__(
        self,
        key: LaneKey,
        kind: LaneKind,
        direction: Direction,
        polyline: Polyline,
        width_m: float,
        speed_limit_mps: float | None,
        connections: tuple[Connection, ...],
        maneuvers: tuple[Maneuver, ...],
    ) -> None:
        self.key = key
        self.kind = kind
        self.direction = direction
        self.polyline = polyline
        self.width_m = width_m
        self.speed_limit_mps = speed_limit_mps
        self.connections = connections
        self.maneuvers = maneuvers
        self.stop_line: tuple[float, float] | None = None
        self.stop_yaw_rad = 0.0
        if direction is Direction.INGRESS:
            self.stop_line = polyline.point_at(polyline.length_m)
            self.stop_yaw_rad = polyline.yaw_at(polyline.length_m)

    def __repr__(self) -> str:
        return f"LaneGeometry({self.key}, {self.kind}, {self.direction}, {self.polyline.length_m:.1f} m)"

    @property
    def one_way(self) -> bool:
        """Whether traffic on the lane runs in the direction of its line only."""
        return self.direction in (Direction.INGRESS, Direction.EGRESS)

    def outline(self) -> NDArray[np.float64]:
        """Corners of the lane's area, shape (n, 2), not closed: left edge forward, right edge back."""
        half = self.width_m / 2
        left, right = self.polyline.offset(half), self.polyline.offset(-half)
        return np.vstack((left.points, right.points[::-1]))


class Movement(NamedTuple):
    """A way over the intersection: from the stop line of one lane to the start of another.

    maneuver: STRAIGHT, LEFT, RIGHT or U_TURN, as the map states or as the geometry tells. signal_group:
    group (J2735) or phase (CSAE) that governs it. path: from stop line to target lane. width_m: of the
    path, the narrower of the two lanes.
    """

    key: MovementKey
    from_lane: LaneKey
    to_lane: LaneKey
    maneuver: Maneuver
    signal_group: int | None
    path: Polyline
    width_m: float


class MovementKey(NamedTuple):
    """Identity of a movement: prints as `from->to`."""

    from_lane: LaneKey
    to_lane: LaneKey

    def __str__(self) -> str:
        return f"{self.from_lane}->{self.to_lane}"


class Skipped(NamedTuple):
    """A part of a map that cannot be used: where it stands, and why."""

    where: str
    why: str
