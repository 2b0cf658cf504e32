"""A four-arm crossing and worlds on it, for apps, dispatch and downlink."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from wayside.asn1.geometry import LaneKey, RoadGeometry
from wayside.asn1.messages import (
    Connection,
    Direction,
    Intersection,
    IntersectionId,
    Lane,
    LaneKind,
    Light,
    Maneuver,
    Position,
    RoadMap,
    SpeedLimit,
)
from wayside.clock import MonoNs, UtcNs
from wayside.geo import LocalPlane, wrap_rad
from wayside.mec.sensors import ParticipantClass
from wayside.mec.world import (
    ReportedHazard,
    SignalKey,
    SignalNow,
    SignalTable,
    TrackTable,
    TrackView,
    World,
)

OFFSETS_M = (1.75, 5.25, 8.75)
STOP_M = 20.0
ARM_M = 200.0
SIZES = {
    ParticipantClass.CAR: (4.6, 1.8),
    ParticipantClass.TRUCK: (10.0, 2.5),
    ParticipantClass.BUS: (12.0, 2.55),
    ParticipantClass.MOTORCYCLE: (2.0, 0.8),
    ParticipantClass.BICYCLE: (1.8, 0.6),
    ParticipantClass.PEDESTRIAN: (0.5, 0.5),
    ParticipantClass.UNKNOWN: (4.0, 1.8),
}


def _unit(heading: int) -> tuple[float, float]:
    return ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))[heading % 4]


def at(heading: int, s_m: float, right_m: float) -> tuple[float, float]:
    """Point `s_m` along a heading (0 east, 1 north, 2 west, 3 south), `right_m` to its right."""
    ux, uy = _unit(heading)
    return s_m * ux + right_m * uy, s_m * uy - right_m * ux


class Scene:
    """The crossing, and a moment on it that moves on with `advance`.

    Lanes of heading k: ingress 10k+1 (left, group 2k+1), 10k+2 (straight, group 2k+2), 10k+3 (straight and
    right, group 2k+2); egress 10k+6..8 from the middle; crosswalk 10k+9 before the stop line's junction;
    parking 10k+5 beside the ingress.
    """

    def __init__(self) -> None:
        self.plane = LocalPlane(38.9895, 117.3325)
        self.geometry = RoadGeometry.from_map(self._map(), self.plane)
        self.now = 1_773_993_600_000_000_000
        self.mono = 50_000_000_000
        self.intersection = "1-7"

    def _points(self, *points: tuple[float, float]) -> tuple[Position, ...]:
        return tuple(Position(*self.plane.to_lat_lon(x, y)) for x, y in points)

    def _map(self) -> RoadMap:
        lanes: list[Lane] = []
        limit = (SpeedLimit("vehicleMaxSpeed", 60 / 3.6),)
        for k in range(4):
            outs = (
                (Connection(10 * ((k + 1) % 4) + 6, None, (Maneuver.LEFT,), 2 * k + 1),),
                (Connection(10 * k + 7, None, (Maneuver.STRAIGHT,), 2 * k + 2),),
                (
                    Connection(10 * k + 8, None, (Maneuver.STRAIGHT,), 2 * k + 2),
                    Connection(10 * ((k - 1) % 4) + 8, None, (Maneuver.RIGHT,), 2 * k + 2),
                ),
            )
            for i, right in enumerate(OFFSETS_M):
                lanes.append(
                    Lane(
                        10 * k + 1 + i,
                        LaneKind.VEHICLE,
                        Direction.INGRESS,
                        self._points(at(k, -ARM_M, right), at(k, -STOP_M, right)),
                        width_m=3.5,
                        connections=outs[i],
                        speed_limits=limit,
                    )
                )
                lanes.append(
                    Lane(
                        10 * k + 6 + i,
                        LaneKind.VEHICLE,
                        Direction.EGRESS,
                        self._points(at(k, STOP_M, right), at(k, ARM_M, right)),
                        width_m=3.5,
                        speed_limits=limit,
                    )
                )
            lanes.append(
                Lane(
                    10 * k + 5,
                    LaneKind.PARKING,
                    Direction.INGRESS,
                    self._points(at(k, -ARM_M, 11.75), at(k, -60.0, 11.75)),
                    width_m=2.5,
                )
            )
            lanes.append(
                Lane(
                    10 * k + 9,
                    LaneKind.CROSSWALK,
                    Direction.BOTH,
                    self._points(at(k, -16.0, 12.0), at(k, -16.0, -12.0)),
                    width_m=4.0,
                )
            )
        reference = Position(self.plane.lat_deg, self.plane.lon_deg)
        return RoadMap(0, (Intersection(IntersectionId(7, 1), reference, tuple(lanes)),))

    def advance(self, seconds: float) -> None:
        self.now += round(seconds * 1e9)
        self.mono += round(seconds * 1e9)

    def track(
        self,
        track_id: int,
        kind: ParticipantClass,
        xy: tuple[float, float],
        velocity: tuple[float, float] = (0.0, 0.0),
        *,
        yaw_rad: float | None = None,
        session: str = "",
        match: tuple[LaneKey | None, float] | None = None,
        **more: Any,
    ) -> TrackView:
        """A track of this moment, matched to its lane unless `match` (lane, along_m) says which it is."""
        speed = math.hypot(*velocity)
        yaw = math.atan2(velocity[1], velocity[0]) if yaw_rad is None else yaw_rad
        if match is None:
            found = self.geometry.match(*xy, yaw) or self.geometry.match(*xy, yaw, {LaneKind.PARKING})
            lane = found.lane.key if found is not None else None
            along, across = (found.along_m, found.across_m) if found is not None else (0.0, 0.0)
        else:
            lane, along = match
            beside = self.geometry.lanes.get(lane) if lane is not None else None
            across = 0.0 if beside is None else beside.polyline.project(*xy).across_m
        length, width = SIZES[kind]
        values: dict[str, Any] = {
            "track_id": track_id,
            "kind": kind,
            "x_m": xy[0],
            "y_m": xy[1],
            "vx_mps": velocity[0],
            "vy_mps": velocity[1],
            "yaw_rad": wrap_rad(yaw),
            "speed_mps": speed,
            "accel_mps2": 0.0,
            "length_m": length,
            "width_m": width,
            "accuracy_m": 0.5,
            "existence": 0.95,
            "age_s": 3.0,
            "unseen_s": 0.0,
            "lane": lane,
            "along_m": along,
            "across_m": across,
            "session": session,
            "vehicle_id": session.encode()[:8].ljust(8, b"\0") if session else b"",
            "trace_id": f"{track_id:04x}{self.mono // 1_000_000:012x}",
            "arrived": MonoNs(self.mono - 8_000_000),
            "ingested": MonoNs(self.mono - 6_000_000),
            "fused": MonoNs(self.mono - 2_000_000),
            "born_arrived": MonoNs(self.mono - 3_000_000_000),
            "sources": ("v2x",) if session else ("cam-1",),
        }
        return TrackView(**(values | more))

    def car(
        self, track_id: int, heading: int, s_m: float, speed_mps: float, lane: int = 1, **more: Any
    ) -> TrackView:
        """A car on a lane (0 left, 1 straight, 2 straight and right), its centre at `s_m` of its heading."""
        ux, uy = _unit(heading)
        more.setdefault("kind", ParticipantClass.CAR)
        kind = more.pop("kind")
        session = more.pop("session", f"veh-{track_id}")
        right = more.pop("right_m", OFFSETS_M[lane])
        return self.track(
            track_id,
            kind,
            at(heading, s_m, right),
            (speed_mps * ux, speed_mps * uy),
            yaw_rad=math.atan2(uy, ux),
            session=session,
            **more,
        )

    def walker(
        self, track_id: int, xy: tuple[float, float], velocity: tuple[float, float], **more: Any
    ) -> TrackView:
        """A pedestrian."""
        return self.track(track_id, ParticipantClass.PEDESTRIAN, xy, velocity, **more)

    def light(
        self,
        light: Light,
        min_end_s: float | None = None,
        max_end_s: float | None = None,
        likely_end_s: float | None = None,
        source: str = "tscbm",
        age_s: float = 0.1,
    ) -> SignalNow:
        """A light of this moment; ends from now."""

        def then(seconds: float | None) -> UtcNs | None:
            return None if seconds is None else UtcNs(self.now + round(seconds * 1e9))

        heard = MonoNs(self.mono - round(age_s * 1e9))
        return SignalNow(light, then(min_end_s), then(max_end_s), then(likely_end_s), heard, source)

    def world(
        self,
        views: Iterable[TrackView],
        lights: dict[int, SignalNow | Light] | None = None,
        *,
        stale: Iterable[int] = (),
        hazards: Iterable[ReportedHazard] = (),
        degraded: bool = False,
    ) -> World:
        """The world of this moment; lights by group."""
        states = {
            SignalKey(self.intersection, group): value if isinstance(value, SignalNow) else self.light(value)
            for group, value in (lights or {}).items()
        }
        old = frozenset(SignalKey(self.intersection, group) for group in stale)
        return World(
            now=UtcNs(self.now),
            mono=MonoNs(self.mono),
            plane=self.plane,
            geometry=self.geometry,
            tracks=TrackTable.of(list(views)),
            signals=SignalTable(states, old),
            hazards=tuple(hazards),
            degraded=degraded,
        )


@pytest.fixture
def scene() -> Scene:
    """The crossing at a moment."""
    return Scene()


@pytest.fixture(scope="session")
def place() -> Callable[[int, float, float], tuple[float, float]]:
    """`place(heading, s_m, right_m)`: a point of the crossing."""
    return at


@pytest.fixture(scope="session")
def new_scene() -> Callable[[], Scene]:
    """`new_scene()`: another crossing, for tests that need many."""
    return Scene
