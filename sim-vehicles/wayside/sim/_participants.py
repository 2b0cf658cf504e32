from __future__ import annotations

import math
from bisect import bisect_right
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wayside.geo import Polyline
from wayside.mec.sensors import ParticipantClass
from wayside.sim._conflicts import TIMES_S, Motion
from wayside.sim._crossing import Route
from wayside.sim._driver import Driver
from wayside.sim._shapes import Box

Floats = NDArray[np.float64]


# Who is slower than this is taken to stand.
_RESTS_MPS = 0.01


class Dimensions(NamedTuple):
    """Outer size, metres."""

    length_m: float
    width_m: float
    height_m: float


# Typical sizes; own.
DIMENSIONS = {
    ParticipantClass.CAR: Dimensions(4.6, 1.85, 1.5),
    ParticipantClass.TRUCK: Dimensions(10.0, 2.5, 3.5),
    ParticipantClass.BUS: Dimensions(12.0, 2.55, 3.2),
    ParticipantClass.BICYCLE: Dimensions(1.8, 0.6, 1.7),
    ParticipantClass.PEDESTRIAN: Dimensions(0.5, 0.5, 1.7),
}


class Way:
    """A line as arrays, for many places at once."""

    def __init__(self, line: Polyline) -> None:
        self.line = line
        steps = np.diff(line.points, axis=0)
        lengths = np.hypot(steps[:, 0], steps[:, 1])
        self.cumulative: Floats = np.concatenate(([0.0], np.cumsum(lengths)))
        self.yaws: Floats = np.arctan2(steps[:, 1], steps[:, 0])
        self._cos, self._sin = np.cos(self.yaws), np.sin(self.yaws)
        self.length_m = float(self.cumulative[-1])
        self._starts: list[float] = self.cumulative[:-1].tolist()
        self._segments: list[tuple[float, float, float, float]] = [
            (float(x), float(y), float(c), float(s))
            for (x, y), c, s in zip(line.points[:-1], self._cos, self._sin, strict=True)
        ]

    def point(self, along_m: float, left_m: float) -> tuple[float, float]:
        """x, y at one distance from the start; as `points`, which is for many."""
        along = min(max(along_m, 0.0), self.length_m)
        i = max(bisect_right(self._starts, along) - 1, 0)
        x, y, c, s = self._segments[i]
        rest = along - self._starts[i]
        return x + rest * c - left_m * s, y + rest * s + left_m * c

    def pose(self, along_m: float, left_m: float, length_m: float) -> tuple[float, float, float]:
        """x, y, yaw of a body at one distance from the start; as `poses`."""
        half = 0.4 * length_m
        low = min(max(along_m, half), self.length_m - half)
        (rx, ry), (fx, fy) = self.point(low - half, left_m), self.point(low + half, left_m)
        more = (along_m - low) / (2.0 * half)
        dx, dy = fx - rx, fy - ry
        return 0.5 * (rx + fx) + more * dx, 0.5 * (ry + fy) + more * dy, math.atan2(dy, dx)

    def points(self, along_m: Floats, left_m: float) -> Floats:
        """x, y, shape (n, 2), at distances from the start (clamped), moved sideways by `left_m`."""
        s = np.minimum(np.maximum(along_m, 0.0), self.length_m)
        i = np.minimum(np.searchsorted(self.cumulative, s, side="right") - 1, len(self.yaws) - 1)
        rest = s - self.cumulative[i]
        out: Floats = self.line.points[i].copy()
        out[:, 0] += rest * self._cos[i] - left_m * self._sin[i]
        out[:, 1] += rest * self._sin[i] + left_m * self._cos[i]
        return out

    def poses(self, along_m: Floats, left_m: float, length_m: float) -> Floats:
        """x, y, yaw, shape (n, 3), of a body of some length whose two ends are on the line: it cuts a curve
        and does not swing out of it."""
        half = 0.4 * length_m
        low = np.minimum(np.maximum(along_m, half), self.length_m - half)
        ends = self.points(np.concatenate((low - half, low + half)), left_m)
        rear, front = ends[: len(low)], ends[len(low) :]
        out = np.empty((len(low), 3))
        out[:, :2] = 0.5 * (rear + front) + ((along_m - low)[:, None] * (front - rear) / (2.0 * half))
        out[:, 2] = np.arctan2(front[:, 1] - rear[:, 1], front[:, 0] - rear[:, 0])
        return out


class Participant:
    """Anything on the road that follows a line: where, how fast, how large.

    s_m: place of its centre along the line. left_m: how far it is beside the line. surprising: nobody expects
    what it does, so drivers answer to it only after a reaction time.
    """

    def __init__(
        self,
        id: int,
        kind: ParticipantClass,
        way: Way,
        s_m: float,
        speed_mps: float,
        *,
        surprising: bool = False,
    ) -> None:
        self.id = id
        self.kind = kind
        self.size = DIMENSIONS[kind]
        self.way = way
        self.s_m = s_m
        self.left_m = 0.0
        self.speed_mps = speed_mps
        self.accel_mps2 = 0.0
        self.surprising = surprising

    @property
    def front_m(self) -> float:
        """Place of its front along its line."""
        return self.s_m + 0.5 * self.size.length_m

    @property
    def ended(self) -> bool:
        """Whether it has come to the end of its line."""
        return self.s_m >= self.way.length_m - 0.5

    def box(self) -> Box:
        """Its footprint now."""
        return Box(*self.way.pose(self.s_m, self.left_m, self.size.length_m), *self.size)

    def motion(self, at_least_mps: float = 0.0) -> Motion:
        """Where it will be at its present speed (or `at_least_mps`)."""
        speed = max(self.speed_mps, at_least_mps)
        if speed < _RESTS_MPS:
            pose = self.way.pose(self.s_m, self.left_m, self.size.length_m)
            rest = np.tile(np.array(pose), (len(TIMES_S), 1))
            return Motion(
                self.id, speed, self.size.length_m, self.size.width_m, rest, isinstance(self, Vehicle)
            )
        poses = self.way.poses(
            np.asarray(self.s_m + speed * TIMES_S, dtype=np.float64), self.left_m, self.size.length_m
        )
        return Motion(self.id, speed, self.size.length_m, self.size.width_m, poses, isinstance(self, Vehicle))

    def move(self, dt_s: float) -> None:
        """Go on for a time step with the acceleration that is set; never backwards."""
        speed = max(0.0, self.speed_mps + self.accel_mps2 * dt_s)
        self.s_m += 0.5 * (self.speed_mps + speed) * dt_s
        self.speed_mps = speed


class Vehicle(Participant):
    """A motor vehicle with its driver.

    session: identity on the vehicle link, "" when it has none. obeys: whether the driver heeds the signals.
    A driver who does not heed them is distracted and sees nothing else either, until a warning has been
    understood. standing: it brakes and stays (parked, broken down). target_left_m: lane change under way,
    at swerve_mps. ignores: participants that the driver has a plan for.
    """

    def __init__(
        self,
        id: int,
        kind: ParticipantClass,
        way: Way,
        s_m: float,
        speed_mps: float,
        *,
        route: Route,
        driver: Driver,
        desired_mps: float,
        session: str = "",
        obeys: bool = True,
        surprising: bool = False,
    ) -> None:
        super().__init__(id, kind, way, s_m, speed_mps, surprising=surprising)
        self.route = route
        self.driver = driver
        self.desired_mps = desired_mps
        self.session = session
        self.obeys = obeys
        self.headway_s = 1.4
        self.ignores: set[int] = set()
        self.standing = False
        self.target_left_m = 0.0
        self.swerve_mps = 1.3
        self.committed = False

    @property
    def eye_m(self) -> float:
        """Height of the driver's eye."""
        return 1.2 if self.kind is ParticipantClass.CAR else 2.4


class Walker(Participant):
    """A pedestrian or cyclist who goes along a line at a pace when allowed to.

    pace_mps: speed when moving. waits_for: signal group whose walk or green must be on to pass `wait_m`,
    None for none.
    """

    def __init__(
        self,
        id: int,
        kind: ParticipantClass,
        way: Way,
        pace_mps: float,
        *,
        waits_for: int | None = None,
        wait_m: float = 0.0,
        surprising: bool = False,
    ) -> None:
        super().__init__(id, kind, way, 0.0, 0.0, surprising=surprising)
        self.pace_mps = pace_mps
        self.waits_for = waits_for
        self.wait_m = wait_m
