from __future__ import annotations

import math
from typing import NamedTuple

from wayside.asn1.geometry import LaneKey, RoadGeometry
from wayside.asn1.messages import LaneKind
from wayside.mec.apps._ways import OnWay, Ways
from wayside.mec.sensors import ParticipantClass
from wayside.mec.world import TrackView

_ALONG = frozenset({LaneKind.BIKE, LaneKind.SIDEWALK})
_SAMPLE_NS = 40_000_000
_ANCHOR_S = 3.0
_YOUNG_S = 0.5
_LATELY_S = 3.0
_SURE = 1.5
_BESIDE_M = 0.3
_ASIDE_M = 0.4
_UNSURE_M = 0.4
_CLEARLY_M = 0.8
_ASIDE_RAD = math.radians(10.0)
_ALONG_TAN = math.tan(math.radians(30.0))


class _Along(NamedTuple):
    """A lane beside a road user: its direction, how far he is to the left of its middle, half its width."""

    yaw_rad: float
    across_m: float
    edge_m: float


class _History:
    """Places of one road user over the last while, and what was made of them."""

    __slots__ = ("anchor", "lane", "left_by", "left_ns", "on", "places", "rode_ns", "stands")

    def __init__(self) -> None:
        self.places: list[tuple[int, float, float]] = []
        self.stands: bool | None = None
        self.anchor = (0.0, 0.0)
        self.lane: LaneKey | None = None
        self.left_ns: int | None = None
        self.left_by = 0.0
        self.on: OnWay | None = None
        self.rode_ns: int | None = None

    def add(self, mono_ns: int, x_m: float, y_m: float, span_ns: float) -> None:
        """Remember a place; the oldest that is kept is as old as the span, or the first."""
        places = self.places
        if places and mono_ns - places[-1][0] < _SAMPLE_NS:
            return
        places.append((mono_ns, x_m, y_m))
        while len(places) > 2 and mono_ns - places[1][0] >= span_ns:
            places.pop(0)


class Motions:
    """What is believed of the motion of pedestrians and riders: whether they stand, and whether they keep
    to the lane that they move along.

    At first sight a speed below its own deviation is none. Who stands is taken to go when he also has left
    the place where he stood by `stride_m`; who goes is taken to stand when he has not got so far within
    `window_s`. Who moves along a cycle lane or a sidewalk, or rides across the junction from a cycle lane,
    keeps to it (within 30° of it; a rider also where the noise of a slow one points aside) unless he moves
    sideways by `leave_mps` and has come `leave_m` sideways,
    both by more than 1.5 deviations, and is seen `_ASIDE_M` to that side of the lane's middle, or outside the
    lane where his place is unsure by more than `_UNSURE_M`. What he then does to that side is believed for
    `window_s`. A cyclist who has not left his lane so is still on it when he is seen beside it by at most
    `_BESIDE_M` or two deviations of his place.
    State: the places of each road user over the window.
    Source: own.
    """

    def __init__(
        self, *, still_mps: float, window_s: float, stride_m: float, leave_mps: float, leave_m: float
    ) -> None:
        self._still_mps = still_mps
        self._window_ns = window_s * 1e9
        self._stride_m = stride_m
        self._leave_mps = leave_mps
        self._leave_m = leave_m
        self._of: dict[int, _History] = {}

    def believed(self, view: TrackView, geometry: RoadGeometry, ways: Ways, mono_ns: int) -> TrackView:
        """The track with the velocity that is believed: none, that along the lane, or its own."""
        history = self._of.setdefault(view.track_id, _History())
        before_ns = history.places[-1][0] if history.places else mono_ns
        history.add(mono_ns, view.x_m, view.y_m, self._window_ns)
        history.on = None
        if self._stands(history, view, mono_ns, (mono_ns - before_ns) / 1e9):
            return view._replace(vx_mps=0.0, vy_mps=0.0, speed_mps=0.0)
        view = self._kept(history, view, geometry, mono_ns)
        lane = _along(view, geometry, ways)
        if lane is not None and view.kind is not ParticipantClass.PEDESTRIAN:
            history.rode_ns = mono_ns
        if lane is None or self._leaves(history, view, lane, mono_ns):
            return view
        yaw = lane.yaw_rad
        along = view.vx_mps * math.cos(yaw) + view.vy_mps * math.sin(yaw)
        history.on = _only_way(view, geometry, ways) if along > 0.0 else None
        return view._replace(vx_mps=along * math.cos(yaw), vy_mps=along * math.sin(yaw), speed_mps=abs(along))

    def way(self, track_id: int) -> OnWay | None:
        """The way that a rider who was believed to keep to his lane will take; None where it is not sure, or
        where he goes on straight."""
        history = self._of.get(track_id)
        return None if history is None else history.on

    def rode_along(self, track_id: int, mono_ns: int) -> bool:
        """Whether a rider was on a cycle lane, or its way over the junction, within the last `_LATELY_S`."""
        history = self._of.get(track_id)
        rode_ns = None if history is None else history.rode_ns
        return rode_ns is not None and mono_ns - rode_ns <= _LATELY_S * 1e9

    def keep_only(self, tracks: set[int]) -> None:
        """Forget road users that are gone."""
        for gone in self._of.keys() - tracks:
            del self._of[gone]

    def _stands(self, history: _History, view: TrackView, mono_ns: int, dt_s: float) -> bool:
        moves = view.speed_mps >= self._still_mps
        if history.stands is None:
            history.stands = view.speed_mps < max(self._still_mps, view.velocity_std_mps)
            history.anchor = (view.x_m, view.y_m)
        elif history.stands:
            x, y = history.anchor
            if moves and math.hypot(view.x_m - x, view.y_m - y) >= self._stride_m:
                history.stands = False
            weight = min(dt_s / _ANCHOR_S, 1.0)
            history.anchor = (x + weight * (view.x_m - x), y + weight * (view.y_m - y))
        else:
            at_ns, x, y = history.places[0]
            whole = mono_ns - at_ns >= self._window_ns
            if whole and math.hypot(view.x_m - x, view.y_m - y) < self._stride_m:
                history.stands = True
                history.anchor = (view.x_m, view.y_m)
        return history.stands

    def _kept(self, history: _History, view: TrackView, geometry: RoadGeometry, mono_ns: int) -> TrackView:
        if view.kind is ParticipantClass.PEDESTRIAN:
            return view
        if view.lane is not None and geometry.lanes[view.lane].kind is LaneKind.BIKE:
            history.lane = view.lane
            return view
        lane = None if history.lane is None else geometry.lanes.get(history.lane)
        if lane is None:
            return view
        foot = lane.polyline.project(view.x_m, view.y_m)
        edge_m = lane.width_m / 2.0
        beside_m = abs(foot.across_m) - edge_m
        ended = not 0.0 < foot.along_m < lane.polyline.length_m
        if ended or beside_m > max(_BESIDE_M, 2.0 * view.accuracy_m):
            history.lane = None
            return view
        if self._leaves(history, view, _Along(foot.yaw_rad, foot.across_m, edge_m), mono_ns):
            return view
        back_m = max(beside_m, 0.0) * math.copysign(1.0, foot.across_m)
        return view._replace(
            x_m=view.x_m + back_m * math.sin(foot.yaw_rad),
            y_m=view.y_m - back_m * math.cos(foot.yaw_rad),
            lane=lane.key,
            along_m=foot.along_m,
            across_m=foot.across_m - back_m,
        )

    def _leaves(self, history: _History, view: TrackView, lane: _Along, mono_ns: int) -> bool:
        sin, cos = math.sin(lane.yaw_rad), math.cos(lane.yaw_rad)
        left_mps = view.vy_mps * cos - view.vx_mps * sin
        along_mps = view.vx_mps * cos + view.vy_mps * sin
        if abs(left_mps) > _ALONG_TAN * abs(along_mps) and (
            view.kind is ParticipantClass.PEDESTRIAN
            or abs(left_mps) >= max(self._leave_mps, _SURE * view.velocity_std_mps)
        ):
            return True
        side = math.copysign(1.0, left_mps)
        at_ns, x, y = history.places[0]
        if mono_ns - at_ns < _YOUNG_S * 1e9:
            leaves = abs(left_mps) >= 2.0 * max(self._leave_mps, view.velocity_std_mps)
        else:
            gone_m = side * ((view.y_m - y) * cos - (view.x_m - x) * sin)
            leaves = abs(left_mps) >= max(self._leave_mps, _SURE * view.velocity_std_mps)
            leaves = leaves and gone_m >= max(self._leave_m, _SURE * view.accuracy_m)
        aside_m = lane.edge_m if view.accuracy_m > _UNSURE_M else min(_ASIDE_M, lane.edge_m)
        if leaves and side * lane.across_m >= aside_m:
            history.left_ns, history.left_by = mono_ns, side
        # Who has left to one side has not therefore left to the other.
        lately = history.left_ns is not None and mono_ns - history.left_ns <= self._window_ns
        return lately and side == history.left_by


def _only_way(view: TrackView, geometry: RoadGeometry, ways: Ways) -> OnWay | None:
    """The one way that a rider can be on: no other leads out of his cycle lane, or is near enough to him."""
    if view.kind is ParticipantClass.PEDESTRIAN:
        return None
    found = sorted(
        (on for on in ways.ahead(view) if geometry.lanes[on.way.lane].kind is LaneKind.BIKE),
        key=lambda on: abs(on.left_m),
    )
    if not found or (len(found) > 1 and abs(found[1].left_m) - abs(found[0].left_m) < _CLEARLY_M):
        return None
    return found[0]


def _along(view: TrackView, geometry: RoadGeometry, ways: Ways) -> _Along | None:
    """The lane that a road user moves along, or the way that continues it over the junction; or None."""
    if view.lane is not None:
        lane = geometry.lanes[view.lane]
        if lane.kind not in _ALONG:
            return None
        return _Along(lane.polyline.yaw_at(view.along_m), view.across_m, lane.width_m / 2.0)
    if view.kind is ParticipantClass.PEDESTRIAN:
        return None
    found = [on for on in ways.inside(view) if geometry.lanes[on.way.lane].kind is LaneKind.BIKE]
    if not found:
        return None
    # Ways that join: his place and course together tell the one that he is on.
    on = min(found, key=lambda on: math.hypot(on.left_m / _ASIDE_M, _turned_rad(on, view) / _ASIDE_RAD))
    half_m = geometry.lanes[on.way.lane].width_m / 2.0
    return _Along(on.way.line.yaw_at(on.along_m), on.left_m, half_m)


def _turned_rad(on: OnWay, view: TrackView) -> float:
    """Course of a road user against the direction of a way where he is."""
    course = math.atan2(view.vy_mps, view.vx_mps)
    return math.remainder(course - on.way.line.yaw_at(on.along_m), math.tau)
