from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wayside.asn1.geometry import LaneGeometry, LaneKey, Movement, RoadGeometry
from wayside.asn1.messages import LaneKind
from wayside.geo import Polyline
from wayside.mec.world import SignalKey, TrackView

Floats = NDArray[np.float64]

_BEYOND_M = 200.0
_TURN_LATERAL_MPS2 = 3.5
_ON_PATH_M = 1.8
_REACH_M = 5.0
_ON_PATH_RAD = math.radians(35.0)
_HELD = 4_096
_KEPT = 8


class Way:
    """The road ahead of a lane: the lane, one movement out of it, and the lane that this leads to.

    stop_m: from the way's start to the end of the lane (the stop line of an ingress lane); `movement` is
    None where the lane ends without one. Past the known road it goes on straight.
    """

    __slots__ = ("_cum", "_xy", "_yaw", "enter_mps", "lane", "leaves_m", "line", "movement", "stop_m")

    def __init__(self, lane: LaneGeometry, movement: Movement | None, target: LaneGeometry | None) -> None:
        self.lane: LaneKey = lane.key
        self.movement = movement
        parts = [lane.polyline.points]
        self.stop_m = self.leaves_m = lane.polyline.length_m
        self.enter_mps = math.inf
        if movement is not None:
            parts.append(movement.path.points)
            joint = movement.path.points[0] - lane.polyline.points[-1]
            self.leaves_m += float(np.hypot(*joint)) + movement.path.length_m
            self.enter_mps = _turning_speed(movement.path)
        if target is not None:
            parts.append(target.polyline.points)
        points = np.vstack(parts)
        last = points[-1] - points[-2]
        points = np.vstack((points, points[-1] + last / max(float(np.hypot(*last)), 1e-9) * _BEYOND_M))
        self.line = Polyline(points)
        steps = np.diff(self.line.points, axis=0)
        self._xy = self.line.points
        self._cum: Floats = np.concatenate(([0.0], np.cumsum(np.hypot(steps[:, 0], steps[:, 1]))))
        self._yaw: Floats = np.arctan2(steps[:, 1], steps[:, 0])

    def segments(self) -> Floats:
        """Its segments, shape (7, n): x, y, direction as two components, length, place along the way, yaw."""
        start, step = self._xy[:-1].T, np.diff(self._xy, axis=0).T
        length = np.hypot(step[0], step[1])
        return np.vstack((start, step / length, length, self._cum[:-1], self._yaw))

    def poses(self, along_m: Floats, left_m: Floats) -> tuple[Floats, Floats, Floats]:
        """x, y and yaw of the shape of `along_m` (n, t), moved sideways by `left_m` (n,)."""
        i = np.clip(np.searchsorted(self._cum, along_m, side="right") - 1, 0, len(self._yaw) - 1)
        yaw: Floats = self._yaw[i]
        x = np.interp(along_m, self._cum, self._xy[:, 0]) - left_m[:, None] * np.sin(yaw)
        y = np.interp(along_m, self._cum, self._xy[:, 1]) + left_m[:, None] * np.cos(yaw)
        return x, y, yaw


class OnWay(NamedTuple):
    """A vehicle on a way: distance of its centre from the way's start, and to the left of it."""

    way: Way
    along_m: float
    left_m: float

    def to_stop_line_m(self, length_m: float) -> float:
        """From the front bumper to the end of the lane; negative when past it."""
        return self.way.stop_m - self.along_m - length_m / 2.0


class Crossing(NamedTuple):
    """Where another movement meets one: distances along the paths of both, from their stop lines."""

    other: Movement
    at_m: float
    other_at_m: float
    x_m: float
    y_m: float


class Ways:
    """Ways of a site's lanes, found once per road geometry."""

    def __init__(self, geometry: RoadGeometry) -> None:
        self.geometry = geometry
        out_of: dict[LaneKey, list[Movement]] = {}
        for movement in geometry.movements:
            out_of.setdefault(movement.from_lane, []).append(movement)
        self.of_lane: dict[LaneKey, tuple[Way, ...]] = {}
        for key, lane in geometry.lanes.items():
            if lane.kind not in (LaneKind.VEHICLE, LaneKind.BIKE, LaneKind.TRACKED):
                continue
            ways = [Way(lane, m, geometry.lanes.get(m.to_lane)) for m in out_of.get(key, ())]
            self.of_lane[key] = tuple(ways) or (Way(lane, None, None),)
        self.crossings = _crossings(list(geometry.movements))
        self._found: dict[int, tuple[float, float, float, tuple[OnWay, ...]]] = {}
        self._over = [way for ways in self.of_lane.values() for way in ways if way.movement is not None]
        boxes = [
            (m.path.points.min(axis=0), m.path.points.max(axis=0)) for w in self._over if (m := w.movement)
        ]
        self._low: Floats = np.array([low for low, _ in boxes]).reshape(-1, 2) - _REACH_M
        self._high: Floats = np.array([high for _, high in boxes]).reshape(-1, 2) + _REACH_M
        # The segments of all these ways side by side; `first` is where each way's begin.
        self._first = np.cumsum([0, *(len(way.line.points) - 1 for way in self._over)])[:-1]
        self._table: Floats = np.hstack([*(way.segments() for way in self._over), np.empty((7, 0))])

    @classmethod
    def of(cls, geometry: RoadGeometry) -> Ways:
        """The ways of a geometry, found once and shared by the apps."""
        found = _SHARED.get(id(geometry))
        if found is None or found.geometry is not geometry:
            while len(_SHARED) >= _KEPT:
                del _SHARED[next(iter(_SHARED))]
            found = _SHARED[id(geometry)] = cls(geometry)
        return found

    def ahead(self, view: TrackView) -> tuple[OnWay, ...]:
        """Ways that a vehicle may take, from its lane match or, inside the junction, from where it is."""
        if view.lane is not None and view.lane in self.of_lane:
            ways = self.of_lane[view.lane]
            return tuple(OnWay(way, view.along_m, view.across_m) for way in ways)
        return self.inside(view)

    def inside(self, view: TrackView) -> tuple[OnWay, ...]:
        """Ways whose movement path a vehicle is on, by place and direction; remembered until it moves."""
        known = self._found.get(view.track_id)
        if known is not None and known[:3] == (view.x_m, view.y_m, view.yaw_rad):
            return known[3]
        ways = self._inside(view)
        if len(self._found) >= _HELD:
            self._found.clear()
        self._found[view.track_id] = (view.x_m, view.y_m, view.yaw_rad, ways)
        return ways

    def _inside(self, view: TrackView) -> tuple[OnWay, ...]:
        if not self._over:
            return ()
        x, y, ux, uy, length, _, _ = self._table
        dx, dy = view.x_m - x, view.y_m - y
        along = np.minimum(np.maximum(dx * ux + dy * uy, 0.0), length)
        dx -= along * ux
        dy -= along * uy
        away = dx * dx + dy * dy
        found: list[OnWay] = []
        for i in np.flatnonzero(np.minimum.reduceat(away, self._first) <= _ON_PATH_M * _ON_PATH_M).tolist():
            way, first = self._over[i], int(self._first[i])
            k = first + int(np.argmin(away[first : first + len(way.line.points) - 1]))
            along_m = float(self._table[5, k] + along[k])
            if not way.stop_m - _REACH_M <= along_m <= way.leaves_m + _REACH_M:
                continue
            if abs(math.remainder(float(self._table[6, k]) - view.yaw_rad, math.tau)) > _ON_PATH_RAD:
                continue
            left = ux[k] * (view.y_m - y[k]) - uy[k] * (view.x_m - x[k])
            found.append(OnWay(way, along_m, math.copysign(math.sqrt(away[k]), left)))
        return tuple(found)

    def near(self, x_m: float, y_m: float) -> list[Way]:
        """Ways whose movement path comes near a place, roughly."""
        here = (x_m, y_m)
        hits = ((self._low <= here) & (self._high >= here)).all(axis=1)
        return [self._over[i] for i in np.flatnonzero(hits)]


_SHARED: dict[int, Ways] = {}


def possible(ways: Iterable[OnWay], speed_mps: float) -> tuple[OnWay, ...]:
    """The ways that a vehicle can still take at its speed: a turn must be reachable by braking."""
    out = []
    for on in ways:
        to_turn_m = max(on.way.stop_m - on.along_m, 0.0)
        fastest = math.sqrt(on.way.enter_mps**2 + 2.0 * _TURN_LATERAL_MPS2 * to_turn_m)
        if speed_mps <= fastest:
            out.append(on)
    return tuple(out)


def signal_key(movement: Movement) -> SignalKey | None:
    """Signal group that governs a movement; None for none."""
    if movement.signal_group is None:
        return None
    return SignalKey(str(movement.from_lane.intersection), movement.signal_group)


def _turning_speed(path: Polyline) -> float:
    steps = np.diff(path.points, axis=0)
    yaws = np.unwrap(np.arctan2(steps[:, 1], steps[:, 0]))
    angle = abs(float(yaws[-1] - yaws[0]))
    return math.sqrt(_TURN_LATERAL_MPS2 * path.length_m / angle) if angle > 0.2 else math.inf


def _crossings(movements: list[Movement]) -> dict[object, tuple[Crossing, ...]]:
    """For each movement key the movements of other lanes whose path crosses or joins its own."""
    found: dict[object, list[Crossing]] = {m.key: [] for m in movements}
    for i, a in enumerate(movements):
        for b in movements[i + 1 :]:
            if a.from_lane == b.from_lane:
                continue
            met = _meeting(a, b)
            if met is not None:
                at_a, at_b, x, y = met
                found[a.key].append(Crossing(b, at_a, at_b, x, y))
                found[b.key].append(Crossing(a, at_b, at_a, x, y))
    return {key: tuple(crossings) for key, crossings in found.items()}


def _meeting(a: Movement, b: Movement) -> tuple[float, float, float, float] | None:
    p, q = a.path.points, b.path.points
    dp, dq = np.diff(p, axis=0), np.diff(q, axis=0)
    cross = dp[:, None, 0] * dq[None, :, 1] - dp[:, None, 1] * dq[None, :, 0]
    rel = q[None, :-1, :] - p[:-1, None, :]
    safe = np.where(np.abs(cross) < 1e-9, np.inf, cross)
    t = (rel[..., 0] * dq[None, :, 1] - rel[..., 1] * dq[None, :, 0]) / safe
    u = (rel[..., 0] * dp[:, None, 1] - rel[..., 1] * dp[:, None, 0]) / safe
    hits = np.argwhere((t >= 0.0) & (t <= 1.0) & (u >= 0.0) & (u <= 1.0) & np.isfinite(safe))
    if len(hits):
        i, j = (int(k) for k in hits[0])
        x, y = (float(c) for c in p[i] + t[i, j] * dp[i])
        along_p = float(np.hypot(dp[:i, 0], dp[:i, 1]).sum() + t[i, j] * np.hypot(*dp[i]))
        along_q = float(np.hypot(dq[:j, 0], dq[:j, 1]).sum() + u[i, j] * np.hypot(*dq[j]))
        return along_p, along_q, x, y
    if a.to_lane == b.to_lane:
        x, y = (float(c) for c in p[-1])
        return a.path.length_m, b.path.length_m, x, y
    return None
