from __future__ import annotations

from enum import StrEnum

import msgspec

from wayside.asn1.messages._basics import IntersectionId, Position


class LaneKind(StrEnum):
    """Type of a lane (LaneTypeAttributes of both families)."""

    VEHICLE = "vehicle"
    CROSSWALK = "crosswalk"
    BIKE = "bike"
    SIDEWALK = "sidewalk"
    MEDIAN = "median"
    STRIPING = "striping"
    TRACKED = "tracked"
    PARKING = "parking"


class Direction(StrEnum):
    """Whether a lane leads to the stop line, away from the intersection, or serves both ways."""

    INGRESS = "ingress"
    EGRESS = "egress"
    BOTH = "both"
    NONE = "none"


class Maneuver(StrEnum):
    """What is allowed at the end of a lane (AllowedManeuvers of both families)."""

    STRAIGHT = "straight"
    LEFT = "left"
    RIGHT = "right"
    U_TURN = "u_turn"
    LEFT_ON_RED = "left_on_red"
    RIGHT_ON_RED = "right_on_red"
    LANE_CHANGE = "lane_change"
    NO_STOPPING = "no_stopping"
    YIELD = "yield"
    GO_WITH_HALT = "go_with_halt"
    CAUTION = "caution"


class SpeedLimit(msgspec.Struct, frozen=True):
    """A limit in m/s; kind is the wire schema's SpeedLimitType."""

    kind: str
    speed_mps: float


class Connection(msgspec.Struct, frozen=True):
    """A way out of a lane. lane_id: target lane, in `remote` where that is given, else in the same
    intersection. signal_group: group (J2735) or phase (CSAE) that governs it."""

    lane_id: int | None
    remote: IntersectionId | None = None
    maneuvers: tuple[Maneuver, ...] = ()
    signal_group: int | None = None
    connection_id: int | None = None


class Lane(msgspec.Struct, frozen=True):
    """A lane, its points absolute and in driving direction whatever the family: an INGRESS lane ends at the
    stop line, an EGRESS lane begins at the intersection.

    approach: ingress or egress approach number (J2735). upstream: node that the link comes from (CSAE).
    share: names of the set LaneSharing bits. attributes: names of the set bits of the lane type.
    """

    lane_id: int
    kind: LaneKind
    direction: Direction
    points: tuple[Position, ...]
    width_m: float | None = None
    maneuvers: tuple[Maneuver, ...] = ()
    connections: tuple[Connection, ...] = ()
    speed_limits: tuple[SpeedLimit, ...] = ()
    approach: int | None = None
    upstream: IntersectionId | None = None
    share: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    name: str = ""


class Intersection(msgspec.Struct, frozen=True):
    """An intersection (J2735) or node (CSAE) with its lanes.

    width_m, speed_limits: defaults of its lanes. Lane ids are unique in the intersection in J2735; in CSAE
    they are unique per link (pair of upstream node and this node).
    """

    id: IntersectionId
    reference: Position
    lanes: tuple[Lane, ...]
    name: str = ""
    revision: int = 0
    width_m: float | None = None
    speed_limits: tuple[SpeedLimit, ...] = ()


class RoadMap(msgspec.Struct, frozen=True):
    """Road geometry (MAP of both families). utc_ns: time stamp, to the minute. layer_id: part of a map
    that is spread over several messages (J2735)."""

    msg_count: int
    intersections: tuple[Intersection, ...]
    utc_ns: int | None = None
    layer_id: int | None = None
