from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from wayside.asn1.messages import BasicSafety, Maneuver
from wayside.clock import MonoNs
from wayside.geo import LocalPlane, wrap_rad, yaw_from_heading
from wayside.mec.fusion._emergency import EmergencyVehicle, emergency_of
from wayside.mec.fusion._plausible import Fix, Plausibility
from wayside.mec.fusion._reasons import FusionReason
from wayside.mec.fusion._tracker import Ids
from wayside.mec.sensors import ParticipantClass

_MAX_SPEED_MPS = 80.0
_MAX_AWAY_M = 5_000.0
_UNKNOWN_STD_M = 3.0
_LEAST_STD_M = 0.3
_OTHER_IDS = 4
_SAME_ID_M = 20.0
_SAME_YAW_RAD = 0.26

Floats = NDArray[np.float64]


class VehicleSettings(msgspec.Struct, frozen=True):
    """Limits of what is kept of vehicles that speak. silent_s: life without a message; after
    publish_s without one a vehicle that no sensor sees is not published. same_m, same_s: a
    new temporary id within this distance and time of a vehicle's prediction is the same vehicle's.
    own_word_s: for so long what came over the session stands against what radio says of the same vehicle.
    max_vehicles: those with a session, and as many again heard by radio only."""

    max_vehicles: int = 2_000
    publish_s: float = 1.0
    own_word_s: float = 0.5
    silent_s: float = 2.0
    same_m: float = 1.5
    same_s: float = 0.6


class Vehicle:
    """A vehicle that speaks: its last believed message and what it was joined with.

    vehicle_id: current temporary id. session: link session or "". joined: core identity of the perceived
    track that is the same vehicle, or None. identity: of the track as published. kind: None where it tells
    no class. sized: whether it told its size. turns: whether it tells its yaw rate. turn: manoeuvre that its
    lights announce. flags: its event flags. emergency: what it says of itself as an emergency vehicle, None
    where it is none.
    """

    __slots__ = (
        "accel_mps2",
        "arrived",
        "born_arrived",
        "emergency",
        "fix",
        "flags",
        "identity",
        "joined",
        "kind",
        "length_m",
        "plausibility",
        "reported_std_m",
        "session",
        "session_up",
        "sized",
        "trace_id",
        "turn",
        "turns",
        "vehicle_ids",
        "width_m",
        "yaw_rad",
        "yaw_rate_rps",
    )

    def __init__(self, session: str, fix: Fix, arrived: MonoNs) -> None:
        self.session = session
        self.session_up = bool(session)
        self.fix = fix
        self.plausibility = Plausibility()
        self.vehicle_ids: list[bytes] = []
        self.identity = 0
        self.joined: int | None = None
        self.kind: ParticipantClass | None = None
        self.sized = False
        self.length_m, self.width_m = 4.5, 1.8
        self.accel_mps2 = self.yaw_rate_rps = self.yaw_rad = 0.0
        self.reported_std_m = math.inf
        self.arrived = self.born_arrived = arrived
        self.trace_id = ""
        self.turns = False
        self.turn: Maneuver | None = None
        self.flags: tuple[str, ...] = ()
        self.emergency: EmergencyVehicle | None = None

    @property
    def vehicle_id(self) -> bytes:
        """Temporary id that it uses now."""
        return self.vehicle_ids[-1] if self.vehicle_ids else b""

    @property
    def speed_mps(self) -> float:
        """Last told speed, 0 where it tells none."""
        return self.fix.speed_mps or 0.0

    def told(self) -> tuple[float, ...]:
        """What `predicted` needs of it."""
        fix = self.fix
        return (
            *(fix.time_s, fix.x_m, fix.y_m, self.speed_mps, self.yaw_rad, self.accel_mps2),
            *(self.yaw_rate_rps, fix.std_m, self.length_m),
        )


class Predicted(NamedTuple):
    """Vehicles at one instant, arrays of one length. silent_s: since their last message."""

    x_m: Floats
    y_m: Floats
    speed_mps: Floats
    yaw_rad: Floats
    std_m: Floats
    length_m: Floats
    silent_s: Floats


def predicted(vehicles: Sequence[Vehicle], time_s: float) -> Predicted:
    """All of them at `time_s`: what they told of acceleration and yaw rate is believed for half a second; a
    brake ends at standstill, not in reverse."""
    table = np.array([vehicle.told() for vehicle in vehicles], dtype=np.float64).reshape(-1, 9)
    at, x, y, speed, yaw, accel, yaw_rate, std, length = table.T
    dt = np.clip(time_s - at, -0.5, 2.0)
    believed = np.minimum(dt, 0.5)
    after = np.maximum(0.0, speed + accel * believed)
    turned = yaw + yaw_rate * believed
    mean_yaw = (yaw + turned) / 2.0
    way = (speed + after) / 2.0 * dt
    return Predicted(
        x + way * np.cos(mean_yaw),
        y + way * np.sin(mean_yaw),
        after,
        (turned + math.pi) % math.tau - math.pi,
        std,
        length,
        np.maximum(time_s - at, 0.0),
    )


class VehicleBook:
    """All vehicles that speak, by session and, for those heard by a roadside unit, by temporary id.

    A session's vehicle is known by the session alone. A new temporary id that appears where a known vehicle
    must be is that vehicle's: ids rotate. Bounded; pure.
    """

    def __init__(self, settings: VehicleSettings, plane: LocalPlane, ids: Ids) -> None:
        self._settings = settings
        self._plane = plane
        self._ids = ids
        self._sessions: dict[str, Vehicle] = {}
        self._others: list[Vehicle] = []
        self._by_id: dict[bytes, Vehicle] = {}

    def __len__(self) -> int:
        return len(self._sessions) + len(self._others)

    def __iter__(self) -> Iterator[Vehicle]:
        yield from self._sessions.values()
        yield from self._others

    def hear(
        self, session: str, message: BasicSafety, time_s: float, *, arrived: MonoNs, trace_id: str
    ) -> Vehicle | FusionReason:
        """Take a message true at `time_s`; the vehicle, new (identity 0) or known, or why it was refused."""
        fix = self._fix(message, time_s)
        if fix is None:
            return FusionReason.BSM_IMPLAUSIBLE
        vehicle = self._sessions.get(session) if session else None
        if vehicle is None:
            vehicle = self._known(session, message, fix)
        if vehicle is None:
            if len(self._sessions if session else self._others) >= self._settings.max_vehicles:
                return FusionReason.VEHICLES_FULL
            vehicle = Vehicle(session, fix, arrived)
            vehicle.plausibility.check(fix)
            if session:
                self._sessions[session] = vehicle
            else:
                self._others.append(vehicle)
        else:
            if session and vehicle.session != session:
                self._adopt(vehicle, session)
            told_itself = vehicle.session_up and not session
            if fix.time_s <= vehicle.fix.time_s + (self._settings.own_word_s if told_itself else 0.0):
                return FusionReason.BSM_OLD
            reason = vehicle.plausibility.check(fix)
            if reason is not None:
                return reason
        self._take(vehicle, message, fix, arrived, trace_id)
        vehicle.session_up = vehicle.session_up or bool(session)
        return vehicle

    def session(self, session: str, up: bool) -> None:
        """A session came up or went down; a vehicle without one is kept as long as it is fresh."""
        vehicle = self._sessions.get(session)
        if vehicle is not None:
            vehicle.session_up = up

    def forget(self, time_s: float) -> None:
        """Drop the vehicles that have been silent for too long."""
        oldest = time_s - self._settings.silent_s
        gone = [vehicle for vehicle in self if vehicle.fix.time_s < oldest]
        if not gone:
            return
        dead = {id(vehicle) for vehicle in gone}
        self._sessions = {k: v for k, v in self._sessions.items() if id(v) not in dead}
        self._others = [v for v in self._others if id(v) not in dead]
        self._by_id = {k: v for k, v in self._by_id.items() if id(v) not in dead}

    def _fix(self, message: BasicSafety, time_s: float) -> Fix | None:
        position, speed, heading = message.position, message.speed_mps, message.heading_deg
        numbers = [position.lat_deg, position.lon_deg, speed or 0.0, heading or 0.0]
        if not all(math.isfinite(number) for number in numbers):
            return None
        if abs(position.lat_deg) > 90.0 or abs(position.lon_deg) > 180.0:
            return None
        x, y = self._plane.to_xy(position.lat_deg, position.lon_deg)
        if math.hypot(x, y) > _MAX_AWAY_M or not 0.0 <= (speed or 0.0) <= _MAX_SPEED_MPS:
            return None
        std = reported_std_m(message)
        std = min(max(std, _LEAST_STD_M), 50.0) if math.isfinite(std) else _UNKNOWN_STD_M
        return Fix(time_s, x, y, speed, None if heading is None else yaw_from_heading(heading), std)

    def _known(self, session: str, message: BasicSafety, fix: Fix) -> Vehicle | None:
        """A vehicle already known under the temporary id, or that must be the same by where it is.

        Two sessions are never one vehicle.
        """
        vehicle = self._by_id.get(message.vehicle_id)
        if vehicle is not None and not (session and vehicle.session_up):
            if not session or _apart([vehicle], fix)[0] < _SAME_ID_M:
                return vehicle
        # Cheap tests first: all vehicles are looked at for each message with a new id.
        near = [
            other
            for other in self
            if not (session and other.session_up)
            and abs(fix.time_s - other.fix.time_s) <= self._settings.same_s
            and abs(other.fix.x_m - fix.x_m) < 60.0
            and abs(other.fix.y_m - fix.y_m) < 60.0
            and _alike(other, message, fix)
        ]
        if not near:
            return None
        apart = _apart(near, fix)
        best = int(np.argmin(apart))
        return near[best] if apart[best] <= self._settings.same_m else None

    def _adopt(self, vehicle: Vehicle, session: str) -> None:
        """A vehicle that was only heard by radio, or whose session went down, has opened a session."""
        self._others = [other for other in self._others if other is not vehicle]
        self._sessions.pop(vehicle.session, None)
        vehicle.session = session
        self._sessions[session] = vehicle

    def _take(self, vehicle: Vehicle, message: BasicSafety, fix: Fix, arrived: MonoNs, trace_id: str) -> None:
        if message.vehicle_id and message.vehicle_id != vehicle.vehicle_id:
            if message.vehicle_id in vehicle.vehicle_ids:
                vehicle.vehicle_ids.remove(message.vehicle_id)
            vehicle.vehicle_ids.append(message.vehicle_id)
            for old in vehicle.vehicle_ids[:-_OTHER_IDS]:
                if self._by_id.get(old) is vehicle:
                    del self._by_id[old]
            del vehicle.vehicle_ids[:-_OTHER_IDS]
            owner = self._by_id.get(message.vehicle_id)
            if owner is None or not owner.session or vehicle.session:
                self._by_id[message.vehicle_id] = vehicle
        vehicle.fix = fix
        if fix.yaw_rad is not None:
            vehicle.yaw_rad = fix.yaw_rad
        acceleration = message.acceleration
        vehicle.accel_mps2 = _bounded(acceleration.long_mps2, 12.0)
        vehicle.yaw_rate_rps = -math.radians(_bounded(acceleration.yaw_rate_dps, 60.0))
        vehicle.length_m = _sized(message.size.length_m, vehicle.length_m, 40.0)
        vehicle.width_m = _sized(message.size.width_m, vehicle.width_m, 6.0)
        vehicle.sized = vehicle.sized or message.size.length_m is not None
        vehicle.kind = kind_of(message)
        vehicle.reported_std_m = reported_std_m(message)
        vehicle.turns = acceleration.yaw_rate_dps is not None
        vehicle.turn = turn_of(message)
        vehicle.flags = message.events
        vehicle.emergency = emergency_of(message, vehicle.emergency)
        vehicle.arrived = arrived
        vehicle.trace_id = trace_id


def reported_std_m(message: BasicSafety) -> float:
    """One sigma of the position that a vehicle reports; inf where it reports none."""
    std = math.inf
    if message.accuracy is not None:
        std = message.accuracy.semi_major_m
    elif message.accuracy_m is not None:
        std = message.accuracy_m
    return std if std >= 0.0 else math.inf


def turn_of(message: BasicSafety) -> Maneuver | None:
    """Manoeuvre that the lights announce; None for none, and for both sides as when they warn of a hazard."""
    left, right = "leftTurnSignalOn" in message.lights, "rightTurnSignalOn" in message.lights
    if left == right or "hazardSignalOn" in message.lights:
        return None
    return Maneuver.LEFT if left else Maneuver.RIGHT


def kind_of(message: BasicSafety) -> ParticipantClass | None:
    """Class of a vehicle from its BasicVehicleClass (SAE J2735 DE_BasicVehicleClass); None for others."""
    number = message.vehicle_class
    if number is not None:
        for first, last, kind in _CLASS_RANGES:
            if first <= number <= last:
                return kind
    return None


_CLASS_RANGES = (
    (10, 19, ParticipantClass.CAR),
    (20, 39, ParticipantClass.TRUCK),
    (40, 49, ParticipantClass.MOTORCYCLE),
    (50, 59, ParticipantClass.BUS),
)


def _alike(vehicle: Vehicle, message: BasicSafety, fix: Fix) -> bool:
    """Whether speed, direction and size do not tell the two apart."""
    if abs(vehicle.speed_mps - (fix.speed_mps or 0.0)) > 2.0:
        return False
    if fix.yaw_rad is not None and vehicle.speed_mps > 1.0:
        if abs(wrap_rad(fix.yaw_rad - vehicle.yaw_rad)) > _SAME_YAW_RAD:
            return False
    length = message.size.length_m
    return length is None or abs(length - vehicle.length_m) < 0.5


def _apart(vehicles: Sequence[Vehicle], fix: Fix) -> Floats:
    at = predicted(vehicles, fix.time_s)
    distance: Floats = np.hypot(at.x_m - fix.x_m, at.y_m - fix.y_m)
    return distance


def _bounded(number: float | None, limit: float) -> float:
    return max(-limit, min(number, limit)) if number is not None and math.isfinite(number) else 0.0


def _sized(number: float | None, otherwise: float, limit: float) -> float:
    return number if number is not None and 0.0 < number <= limit else otherwise
