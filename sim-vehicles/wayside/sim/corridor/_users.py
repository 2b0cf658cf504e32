from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

from wayside.geo import Polyline, wrap_rad
from wayside.mec.sensors import ParticipantClass
from wayside.sim._conflicts import Motion, straight
from wayside.sim._crossing import Route, RouteKey, Turn
from wayside.sim._driver import Driver
from wayside.sim._participants import Vehicle, Walker, Way
from wayside.sim._shapes import Box
from wayside.sim.corridor._frames import Entered, Moved
from wayside.sim.corridor._movements import group_of
from wayside.sim.corridor._net import Net, corridor_net
from wayside.sim.corridor._places import JUNCTION_OF, Junction, Side, edge_id
from wayside.sim.corridor._types import KINDS

_TURN_SPEED_MPS = {Turn.LEFT: 7.0, Turn.STRAIGHT: 50.0 / 3.6, Turn.RIGHT: 5.0}
_BLINKS_RIGHT, _BLINKS_LEFT, _BRAKES = 1, 2, 8


class Passage(NamedTuple):
    """The way ahead of a vehicle: along its lane, over the next crossing, and along the lane behind it.

    junction: that crossing, None where the way does not lead over one. starts_m: place along the way at which
    each of its lanes begins.
    """

    route: Route
    way: Way
    junction: Junction | None
    starts_m: dict[str, float]


@cache
def passage(lane: str, to_edge: str) -> Passage:
    """Way ahead from the start of a lane towards an edge ("" for none)."""
    net = corridor_net()
    way = net.way(lane, to_edge)
    link = net.link(lane, to_edge)
    edge = net.lanes[lane].edge
    junction, side, turn = _where(edge, to_edge)
    stop_m = net.lanes[lane].line.length_m
    group = 0 if side is None or turn is None else group_of(side, turn)
    number = net.lanes[lane].number
    key = RouteKey(-1 if side is None else side.number, number, turn or Turn.STRAIGHT)
    merge_m = way.length_m - (net.lanes[link.to_lane].line.length_m if link is not None else 0.0)
    route = Route(key, way.line, stop_m, merge_m, group, _TURN_SPEED_MPS[key.turn], (0, 0), -1)
    starts_m, at_m = {}, 0.0
    for name in (lane, *((*link.via, link.to_lane) if link is not None else ())):
        starts_m[name] = at_m
        at_m += net.lanes[name].line.length_m
    return Passage(route, way, junction if link is not None else None, starts_m)


def _where(edge: str, to_edge: str) -> tuple[Junction | None, Side | None, Turn | None]:
    from_node, _, node = edge.partition("-")
    if node not in JUNCTION_OF:
        return None, None, None
    junction = JUNCTION_OF[node]
    side = next(s for s, leg in junction.legs.items() if leg.other == from_node)
    for out, leg in junction.legs.items():
        if edge_id(node, leg.other) == to_edge:
            return (
                junction,
                side,
                {1: Turn.LEFT, 2: Turn.STRAIGHT, 3: Turn.RIGHT}[(out.number - side.number) % 4],
            )
    return junction, side, None


class _Pose(NamedTuple):
    x_m: float
    y_m: float
    yaw_rad: float


def _middle(moved: Moved, length_m: float) -> _Pose:
    return _Pose(
        moved.x_m - 0.5 * length_m * math.cos(moved.yaw_rad),
        moved.y_m - 0.5 * length_m * math.sin(moved.yaw_rad),
        moved.yaw_rad,
    )


class _Follower:
    """Where somebody on lanes is on the way ahead, as the traffic process tells it."""

    def __init__(self, net: Net, edges: tuple[str, ...], moved: Moved) -> None:
        self._net = net
        self._edges = edges
        self._at = 0
        self.ahead = self._ahead_of(moved.lane)

    def place(self, moved: Moved, length_m: float) -> float:
        """Place of the middle on the way ahead; a new way begins when the rear has left the crossing."""
        start_m = self.ahead.starts_m.get(moved.lane)
        behind = start_m is not None and start_m > 0.0 and not moved.lane.startswith(":")
        if start_m is None or (behind and moved.place_m > length_m):
            self.ahead = self._ahead_of(moved.lane)
            start_m = 0.0
        return start_m + moved.place_m - 0.5 * length_m

    def _ahead_of(self, lane: str) -> Passage:
        edge = self._net.lanes[lane].edge
        while edge in self._edges[self._at :] and self._edges[self._at] != edge:
            self._at += 1
        following = self._edges[self._at + 1] if self._at + 1 < len(self._edges) else ""
        return passage(lane, "" if lane.startswith(":") else following)


class SumoVehicle(Vehicle):
    """A motor vehicle that SUMO drives.

    driven_m: by its front since it came up; warnings name places on this scale. yaw_rate_rps: over the last
    step. scripted: put there by a scene. held: under orders about its speed. junction: the crossing ahead
    or under it, None where the road only ends. lane: its front's.
    """

    def __init__(
        self, net: Net, entered: Entered, moved: Moved, driver: Driver, limit_mps: float, session: str
    ) -> None:
        self._follower = _Follower(net, entered.edges, moved)
        ahead = self._follower.ahead
        super().__init__(
            entered.id,
            KINDS[entered.type],
            ahead.way,
            0.0,
            moved.speed_mps,
            route=ahead.route,
            driver=driver,
            desired_mps=limit_mps * entered.speed_factor,
            session=session,
        )
        self.type = entered.type
        self.driven_m = 0.0
        self.yaw_rate_rps = 0.0
        self.scripted = False
        self.held = False
        self.junction: Junction | None = None
        self.lane = moved.lane
        self.signals = 0
        self.wish_factor = entered.speed_factor
        self._pose = _middle(moved, self.size.length_m)
        self.take(moved, 0.0)

    @property
    def turn(self) -> Turn:
        """Turn that its route takes at the next crossing."""
        return self.route.key.turn

    @property
    def blinker(self) -> Turn:
        """What its indicators say: LEFT, RIGHT, or STRAIGHT for none."""
        if self.signals & _BLINKS_LEFT:
            return Turn.LEFT
        return Turn.RIGHT if self.signals & _BLINKS_RIGHT else Turn.STRAIGHT

    @property
    def brakes(self) -> bool:
        """Whether its brake lights are on."""
        return bool(self.signals & _BRAKES)

    def take(self, moved: Moved, dt_s: float) -> None:
        """Take in where it is now, `dt_s` after the last time."""
        pose = _middle(moved, self.size.length_m)
        if dt_s > 0.0:
            self.driven_m += 0.5 * (self.speed_mps + moved.speed_mps) * dt_s
            self.yaw_rate_rps = wrap_rad(pose.yaw_rad - self._pose.yaw_rad) / dt_s
        self.s_m = self._follower.place(moved, self.size.length_m)
        ahead = self._follower.ahead
        self.way, self.route, self.junction = ahead.way, ahead.route, ahead.junction
        self.lane, self.signals = moved.lane, moved.signals
        self.left_m = moved.aside_m
        self.speed_mps, self.accel_mps2 = max(0.0, moved.speed_mps), moved.accel_mps2
        self._pose = pose

    def box(self) -> Box:
        """Its footprint now."""
        return Box(*self._pose, *self.size)


class SumoRider(Walker):
    """A cyclist on the lanes for bicycles."""

    def __init__(self, net: Net, entered: Entered, moved: Moved) -> None:
        self._follower = _Follower(net, entered.edges, moved)
        super().__init__(entered.id, KINDS[entered.type], self._follower.ahead.way, 0.0)
        self._pose = _middle(moved, self.size.length_m)
        self.take(moved, 0.0)

    def take(self, moved: Moved, dt_s: float) -> None:
        """Take in where it is now, `dt_s` after the last time."""
        self.s_m = self._follower.place(moved, self.size.length_m)
        self.way = self._follower.ahead.way
        self.left_m = moved.aside_m
        self.speed_mps, self.accel_mps2 = max(0.0, moved.speed_mps), moved.accel_mps2
        self._pose = _middle(moved, self.size.length_m)

    def box(self) -> Box:
        """Its footprint now."""
        return Box(*self._pose, *self.size)


# Own: a second step follows in good time, and nobody runs for a step aside.
_BEHIND_S = 0.5
_HASTE = 1.25
_STANDS_MPS = 0.1
_NOWHERE = Way(Polyline([(0.0, 0.0), (1.0, 0.0)]))


class SumoWalker(Walker):
    """Somebody on foot, who is taken to go on straight.

    SUMO sets those on foot down up to 1.6 m aside where a sidewalk, a corner and a crosswalk join, and stops
    them at once: here they follow, `_BEHIND_S` behind, no faster than `_HASTE` times their pace, and face
    where they go.
    """

    def __init__(self, entered: Entered, moved: Moved) -> None:
        super().__init__(entered.id, ParticipantClass.PEDESTRIAN, _NOWHERE, 0.0)
        self.speed_mps = self.pace_mps = max(0.0, moved.speed_mps)
        self._pose = _middle(moved, self.size.length_m)

    def take(self, moved: Moved, dt_s: float) -> None:
        """Take in where it is now, `dt_s` after the last time."""
        self.pace_mps = max(self.pace_mps, moved.speed_mps)
        to = _middle(moved, self.size.length_m)
        dx, dy = to.x_m - self._pose.x_m, to.y_m - self._pose.y_m
        off_m = math.hypot(dx, dy)
        speed = min(off_m / _BEHIND_S, _HASTE * self.pace_mps)
        share = min(speed * dt_s / off_m, 1.0) if off_m > 0.0 else 0.0
        faces = math.atan2(dy, dx) if speed >= _STANDS_MPS else self._pose.yaw_rad
        self._pose = _Pose(self._pose.x_m + share * dx, self._pose.y_m + share * dy, faces)
        self.accel_mps2 = (speed - self.speed_mps) / dt_s
        self.speed_mps = speed

    def box(self) -> Box:
        """Its footprint now."""
        return Box(*self._pose, *self.size)

    def motion(self, at_least_mps: float = 0.0) -> Motion:
        """Where it will be at its present speed (or `at_least_mps`)."""
        return straight(self.id, self.box(), max(self.speed_mps, at_least_mps), motor=False)
