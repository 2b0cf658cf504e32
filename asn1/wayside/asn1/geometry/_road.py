from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from wayside.asn1.geometry._lanes import (
    DEFAULT_WIDTH_M,
    LaneGeometry,
    LaneKey,
    Movement,
    MovementKey,
    Skipped,
)
from wayside.asn1.geometry._paths import maneuver_of, turning_path
from wayside.asn1.geometry._segments import Foot, Strips
from wayside.asn1.messages import (
    Connection,
    Direction,
    Intersection,
    IntersectionId,
    Lane,
    LaneKind,
    RoadMap,
    SpeedLimit,
)
from wayside.geo import LocalPlane, Polyline

Floats = NDArray[np.float64]

VEHICLE = frozenset((LaneKind.VEHICLE,))
CARRIAGEWAY = frozenset((LaneKind.VEHICLE, LaneKind.TRACKED, LaneKind.CROSSWALK))
_GRID_DIGITS = 7


class LaneMatch(NamedTuple):
    """A point on a lane.

    along_m: from the start of the lane. across_m: off the centre line, left positive. to_stop_m: to the
    stop line of an ingress lane, negative past it; None on any other. confidence: share of this lane among
    all that come into question, 0..1.
    """

    lane: LaneGeometry
    along_m: float
    across_m: float
    to_stop_m: float | None
    confidence: float


class MovementMatch(NamedTuple):
    """A point on the path of a movement; members as in LaneMatch."""

    movement: Movement
    along_m: float
    across_m: float
    confidence: float


class LaneMatches(NamedTuple):
    """Lanes of n points. lane: position in `RoadGeometry.order`, -1 for none; the rest as in LaneMatch, with
    NaN for a to_stop_m that there is not."""

    lane: NDArray[np.int64]
    along_m: Floats
    across_m: Floats
    to_stop_m: Floats
    confidence: Floats


class RoadGeometry:
    """Lanes and movements of a RoadMap on one local plane; immutable once built.

    lanes: by key, in the order of the map. movements: in the order of the map; movement_of: by key. order:
    keys of the lanes as `match_many` numbers them. skipped: what of the map cannot be used, and why;
    repaired: what is taken for something else than the map states.
    """

    def __init__(
        self,
        plane: LocalPlane,
        lanes: dict[LaneKey, LaneGeometry],
        movements: dict[MovementKey, Movement],
        skipped: tuple[Skipped, ...] = (),
        repaired: tuple[Skipped, ...] = (),
    ) -> None:
        self.plane = plane
        self.lanes: Mapping[LaneKey, LaneGeometry] = MappingProxyType(lanes)
        self.movements: tuple[Movement, ...] = tuple(movements.values())
        self.movement_of: Mapping[MovementKey, Movement] = MappingProxyType(movements)
        self.skipped = skipped
        self.repaired = repaired
        self.order: tuple[LaneKey, ...] = tuple(lanes)
        self._by_index = list(lanes.values())
        self._leaving: dict[LaneKey, tuple[Movement, ...]] = {}
        for movement in self.movements:
            self._leaving[movement.from_lane] = (*self._leaving.get(movement.from_lane, ()), movement)
        self._strips = Strips(
            [lane.polyline for lane in self._by_index],
            [lane.width_m / 2 for lane in self._by_index],
            [lane.one_way for lane in self._by_index],
        )
        self._paths = Strips(
            [m.path for m in self.movements],
            [m.width_m / 2 for m in self.movements],
            [True] * len(self.movements),
        )
        self._every_path = np.ones(len(self.movements), np.bool_)
        self._masks: dict[frozenset[LaneKind], NDArray[np.bool_]] = {}
        self._lengths = np.array([lane.polyline.length_m for lane in self._by_index])
        self._stops = np.array([lane.stop_line is not None for lane in self._by_index], dtype=np.bool_)

    @classmethod
    def from_map(cls, road_map: RoadMap, plane: LocalPlane) -> RoadGeometry:
        """Geometry of a map. What is broken in it stands in `skipped`; nothing is raised for it."""
        skipped: list[Skipped] = []
        repaired: list[Skipped] = []
        lanes: dict[LaneKey, LaneGeometry] = {}
        for intersection in road_map.intersections:
            entered = _entered(intersection)
            for lane in intersection.lanes:
                key = LaneKey.of(intersection.id, lane.lane_id, lane.upstream)
                if key in lanes:
                    skipped.append(Skipped(str(key), "another lane has this number"))
                    continue
                if lane.lane_id in entered and _leads_nowhere(lane):
                    repaired.append(
                        Skipped(str(key), f"stated as {lane.direction}, but only led into: egress")
                    )
                    lane = _as_egress(lane)
                built = _lane(key, lane, intersection, plane)
                if built is None:
                    skipped.append(Skipped(str(key), "fewer than two distinct points"))
                else:
                    lanes[key] = built
        movements = _movements(road_map, lanes, skipped)
        return cls(plane, lanes, movements, tuple(skipped), tuple(repaired))

    def match(
        self, x_m: float, y_m: float, yaw_rad: float | None = None, kinds: Collection[LaneKind] = VEHICLE
    ) -> LaneMatch | None:
        """Lane of the given kinds that a point lies on, with its direction of travel if that is known."""
        foot = self._strips.nearest_one(x_m, y_m, yaw_rad, self._mask(kinds))
        if foot is None:
            return None
        i, along, across, confidence = foot
        lane = self._by_index[i]
        to_stop = None if lane.stop_line is None else lane.polyline.length_m - along
        return LaneMatch(lane, along, across, to_stop, confidence)

    def match_many(
        self, xy: Floats, yaw_rad: Floats | None = None, kinds: Collection[LaneKind] = VEHICLE
    ) -> LaneMatches:
        """As `match` for points of shape (n, 2) and yaws of shape (n,), NaN where unknown."""
        foot: Foot = self._strips.nearest(xy, yaw_rad, self._mask(kinds))
        to_stop = np.full(len(xy), np.nan)
        if len(self._by_index):
            stopping = (foot.strip >= 0) & self._stops[foot.strip]
            to_stop[stopping] = self._lengths[foot.strip[stopping]] - foot.along_m[stopping]
        return LaneMatches(foot.strip, foot.along_m, foot.across_m, to_stop, foot.confidence)

    def match_movement(self, x_m: float, y_m: float, yaw_rad: float | None = None) -> MovementMatch | None:
        """Movement whose path a point lies on, inside an intersection."""
        foot = self._paths.nearest_one(x_m, y_m, yaw_rad, self._every_path)
        return None if foot is None else MovementMatch(self.movements[foot[0]], *foot[1:])

    def on_carriageway(self, x_m: float, y_m: float, margin_m: float = 0.0) -> bool:
        """Whether a point lies on a lane of motor or rail vehicles, the path of a movement or a crosswalk,
        or within `margin_m` of one."""
        return self._strips.covers_one(x_m, y_m, self._mask(CARRIAGEWAY), margin_m) or self._paths.covers_one(
            x_m, y_m, self._every_path, margin_m
        )

    def on_carriageway_many(self, xy: Floats, margin_m: float = 0.0) -> NDArray[np.bool_]:
        """As `on_carriageway` for points of shape (n, 2): array (n,)."""
        lanes = self._strips.covers(xy, self._mask(CARRIAGEWAY), margin_m)
        return lanes | self._paths.covers(xy, self._every_path, margin_m)

    def movements_from(self, lane: LaneKey) -> tuple[Movement, ...]:
        """Movements that begin at the stop line of a lane."""
        return self._leaving.get(lane, ())

    def signal_groups_of(self, lane: LaneKey) -> tuple[int, ...]:
        """Signal groups that govern a lane, ascending; also those of connections whose target is missing."""
        known = self.lanes.get(lane)
        groups = () if known is None else (c.signal_group for c in known.connections)
        return tuple(sorted({group for group in groups if group is not None}))

    def to_geojson(self, plane: LocalPlane | None = None) -> dict[str, Any]:
        """FeatureCollection of the lanes' centre lines, longitude before latitude, to 1e-7 degrees.

        plane: the one that the geometry was built on unless given. Properties: lane, kind, direction,
        width_m, speed_limit_mps, signal_groups. Source: RFC 7946.
        """
        ground = plane if plane is not None else self.plane
        return {
            "type": "FeatureCollection",
            "features": [self._feature(lane, ground) for lane in self._by_index],
        }

    def _feature(self, lane: LaneGeometry, plane: LocalPlane) -> dict[str, Any]:
        places = (plane.to_lat_lon(float(x), float(y)) for x, y in lane.polyline.points)
        line = [[round(lon, _GRID_DIGITS), round(lat, _GRID_DIGITS)] for lat, lon in places]
        return {
            "type": "Feature",
            "geometry": {"type": "LineString", "coordinates": line},
            "properties": {
                "lane": str(lane.key),
                "kind": lane.kind.value,
                "direction": lane.direction.value,
                "width_m": round(lane.width_m, 2),
                "speed_limit_mps": lane.speed_limit_mps,
                "signal_groups": list(self.signal_groups_of(lane.key)),
            },
        }

    def _mask(self, kinds: Collection[LaneKind]) -> NDArray[np.bool_]:
        wanted = kinds if isinstance(kinds, frozenset) else frozenset(kinds)
        mask = self._masks.get(wanted)
        if mask is None:
            mask = np.array([lane.kind in wanted for lane in self._by_index], dtype=np.bool_)
            self._masks[wanted] = mask
        return mask


def _entered(intersection: Intersection) -> set[int]:
    """Lanes of an intersection that a connection of one of its ingress lanes leads into."""
    return {
        connection.lane_id
        for lane in intersection.lanes
        if lane.direction is Direction.INGRESS and lane.upstream is None
        for connection in lane.connections
        if connection.lane_id is not None and connection.remote in (None, intersection.id)
    }


def _leads_nowhere(lane: Lane) -> bool:
    """Whether a lane is no egress lane yet nothing leads out of it: seen in maps in the field."""
    drives = lane.kind in (LaneKind.VEHICLE, LaneKind.TRACKED)
    return (
        drives and lane.direction is not Direction.EGRESS and not lane.connections and lane.upstream is None
    )


def _as_egress(lane: Lane) -> Lane:
    points = lane.points[::-1] if lane.direction is Direction.INGRESS else lane.points
    return msgspec.structs.replace(lane, direction=Direction.EGRESS, points=points)


def _lane(key: LaneKey, lane: Lane, intersection: Intersection, plane: LocalPlane) -> LaneGeometry | None:
    try:
        line = Polyline([plane.to_xy(point.lat_deg, point.lon_deg) for point in lane.points])
    except ValueError:
        return None
    return LaneGeometry(
        key,
        lane.kind,
        lane.direction,
        line,
        lane.width_m or intersection.width_m or DEFAULT_WIDTH_M[lane.kind],
        _limit(lane.speed_limits, intersection.speed_limits),
        lane.connections,
        lane.maneuvers,
    )


def _limit(*lists: tuple[SpeedLimit, ...]) -> float | None:
    for limits in lists:
        for limit in limits:
            if limit.kind == "vehicleMaxSpeed" and limit.speed_mps > 0:
                return limit.speed_mps
    return None


def _movements(
    road_map: RoadMap, lanes: dict[LaneKey, LaneGeometry], skipped: list[Skipped]
) -> dict[MovementKey, Movement]:
    movements: dict[MovementKey, Movement] = {}
    for intersection in road_map.intersections:
        for lane in intersection.lanes:
            source = lanes.get(LaneKey.of(intersection.id, lane.lane_id, lane.upstream))
            if source is None or source.stop_line is None or source.connections is not lane.connections:
                continue
            for connection in lane.connections:
                target = _target(intersection.id, connection, source.stop_line, lanes)
                where = f"{source.key} to {connection.remote or intersection.id}/{connection.lane_id}"
                if target is None:
                    skipped.append(Skipped(where, "the target lane is not in the map"))
                    continue
                movement = _movement(source, target, connection)
                if movement is None:
                    skipped.append(Skipped(where, "no room between stop line and target lane"))
                elif movement.key in movements:
                    skipped.append(Skipped(where, "stated twice"))
                else:
                    movements[movement.key] = movement
    return movements


def _target(
    home: IntersectionId,
    connection: Connection,
    stop_line: tuple[float, float],
    lanes: dict[LaneKey, LaneGeometry],
) -> LaneGeometry | None:
    remote = connection.remote if connection.remote is not None else home
    if connection.lane_id is not None:
        for upstream in (home, None):
            found = lanes.get(LaneKey.of(remote, connection.lane_id, upstream))
            if found is not None:
                return found
        return None
    # CSAE may state the way out by its node only: then the lane of that link that begins nearest.
    ways = [
        lane
        for key, lane in lanes.items()
        if key.intersection == str(remote) and key.upstream == str(home) and lane.kind is LaneKind.VEHICLE
    ]
    x, y = stop_line
    return min(ways, key=lambda w: float(np.hypot(*(w.polyline.points[0] - (x, y)))), default=None)


def _movement(source: LaneGeometry, target: LaneGeometry, connection: Connection) -> Movement | None:
    if target is source or source.stop_line is None:
        return None
    # A lane that is no egress lane, and no link to another node, is entered at the end nearer by.
    line = target.polyline
    if target.direction is not Direction.EGRESS and target.key.upstream is None:
        ends = np.hypot(*(line.points[[0, -1]] - source.stop_line).T)
        line = line if ends[0] <= ends[1] else line.reversed()
    end_yaw = line.yaw_at(0.0)
    path = turning_path(source.stop_line, source.stop_yaw_rad, line.point_at(0.0), end_yaw)
    if path is None:
        return None
    return Movement(
        MovementKey(source.key, target.key),
        source.key,
        target.key,
        maneuver_of(connection, source.maneuvers, source.stop_yaw_rad, end_yaw),
        connection.signal_group,
        path,
        min(source.width_m, target.width_m),
    )
