from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wayside.asn1.geometry import LaneGeometry, RoadGeometry
from wayside.asn1.messages import LaneKind, Path
from wayside.geo import Polyline, heading_from_yaw

Floats = NDArray[np.float64]

_ROADS = (LaneKind.VEHICLE, LaneKind.BIKE, LaneKind.TRACKED)
_SAME_WAY_RAD = math.radians(60.0)
_LONGEST_M = 10_000.0
SAMPLE_M = 5.0


class OnLane(NamedTuple):
    """A place on a lane, metres from the lane's start."""

    lane: LaneGeometry
    along_m: float


class LanePart(NamedTuple):
    """A part of a lane, metres from the lane's start."""

    lane: LaneGeometry
    from_m: float
    to_m: float


class Roads:
    """Lanes for vehicles with their bounding boxes, so that a place is compared with the few near it only:
    whoever can send events must not be able to keep the edge busy with looking for them."""

    def __init__(self, geometry: RoadGeometry) -> None:
        self.geometry = geometry
        self._lanes = [lane for lane in geometry.lanes.values() if lane.kind in _ROADS]
        lines = [lane.polyline.points for lane in self._lanes]
        self._low = np.array([line.min(axis=0) for line in lines]).reshape(-1, 2)
        self._high = np.array([line.max(axis=0) for line in lines]).reshape(-1, 2)

    def near(self, xy: Floats, radius_m: float) -> list[LaneGeometry]:
        """Lanes whose box comes within a distance of that of points (n, 2)."""
        low, high = xy.min(axis=0) - radius_m, xy.max(axis=0) + radius_m
        hit = ((self._low <= high) & (self._high >= low)).all(axis=1)
        return [self._lanes[i] for i in np.flatnonzero(hit)]

    def at(
        self,
        place: tuple[float, float],
        radius_m: float,
        yaw_rad: float | None = None,
        path: Path | None = None,
    ) -> list[OnLane]:
        """Lanes within reach of a place, of a direction if one is given, in a sector of the path if it has
        some, and where on them the place lies."""
        found: list[OnLane] = []
        for lane in self.near(np.array([place]), radius_m):
            foot = lane.polyline.project(*place)
            if math.hypot(foot.across_m, foot.beyond_m) > radius_m:
                continue
            if yaw_rad is not None and abs(math.remainder(foot.yaw_rad - yaw_rad, math.tau)) > _SAME_WAY_RAD:
                continue
            if path is not None and not _meant(path, foot.yaw_rad):
                continue
            found.append(OnLane(lane, foot.along_m + foot.beyond_m))
        return found

    def inside(self, corners: Floats, path: Path) -> list[LanePart]:
        """Lanes with a part inside a closed path, in the directions that it is meant for."""
        out: list[LanePart] = []
        for lane in self.near(corners, 0.0):
            line = lane.polyline
            places = np.linspace(0.0, line.length_m, 2 + int(line.length_m / SAMPLE_M))
            xy = np.array([line.point_at(float(place)) for place in places])
            hit = places[_encloses(corners, xy)]
            if len(hit) and _meant(path, line.yaw_at(float(hit[-1]))):
                out.append(LanePart(lane, float(hit[0]), float(hit[-1])))
        return out

    def last_on_map(self, line: Polyline, radius_m: float) -> float | None:
        """Last place of a line that lies on a lane, metres from the line's start; None where none does."""
        first = max(0.0, line.length_m - _LONGEST_M)
        places = np.linspace(first, line.length_m, 2 + int((line.length_m - first) / SAMPLE_M))
        xy = np.array([line.point_at(float(place)) for place in places])
        near = np.zeros(len(places), dtype=np.bool_)
        for lane in self.near(xy, radius_m):
            box = lane.polyline.points
            rows = ((xy >= box.min(axis=0) - radius_m) & (xy <= box.max(axis=0) + radius_m)).all(axis=1)
            if rows.any():
                near[rows] |= np.abs(lane.polyline.project_many(xy[rows])[:, 1]) <= radius_m
        return float(places[np.flatnonzero(near)[-1]]) if near.any() else None


def _encloses(corners: Floats, xy: Floats) -> NDArray[np.bool_]:
    """Which points (n, 2) lie inside a polygon (m, 2): an odd number of its edges is to their right."""
    x, y = xy[:, :1], xy[:, 1:]
    x0, y0 = corners[:, 0], corners[:, 1]
    x1, y1 = np.roll(x0, -1), np.roll(y0, -1)
    rises = np.where(y1 == y0, 1.0, y1 - y0)
    crosses = ((y0 > y) != (y1 > y)) & (x < (x1 - x0) * (y - y0) / rises + x0)
    inside: NDArray[np.bool_] = crosses.sum(axis=1) % 2 == 1
    return inside


def _meant(path: Path, yaw_rad: float) -> bool:
    """Whether traffic of a direction is meant: in one of the sectors, or no sectors named."""
    heading = heading_from_yaw(yaw_rad)
    return not path.headings_deg or any(
        (heading - first) % 360.0 <= (last - first) % 360.0 for first, last in path.headings_deg
    )
