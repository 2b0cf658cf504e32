from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wayside.asn1.messages import BasicSafety, Maneuver
from wayside.clock import Clock, MonoNs, UtcNs
from wayside.geo import LocalPlane
from wayside.mec.fusion._emergency import EmergencyVehicle
from wayside.mec.fusion._join import Joiner
from wayside.mec.fusion._measurement import CLASSES, Measurement
from wayside.mec.fusion._reasons import FusionReason
from wayside.mec.fusion._rollback import Rollback
from wayside.mec.fusion._settings import SensorView, TrackerSettings
from wayside.mec.fusion._shadows import shadows
from wayside.mec.fusion._state import (
    AX,
    AY,
    BORN_SERIAL,
    CONFIRMED,
    ID,
    LAST_SERIAL,
    LENGTH,
    SCORE,
    SEEN_S,
    SOURCES,
    SOURCES_BEFORE,
    WIDTH,
    YAW,
    YAW_KNOWN,
)
from wayside.mec.fusion._tracker import Ids
from wayside.mec.fusion._vehicles import Predicted, Vehicle, VehicleBook, VehicleSettings, predicted
from wayside.mec.sensors import ParticipantClass, Scan
from wayside.observe import Counters

Floats = NDArray[np.float64]

V2X = "v2x"
_AHEAD_S = 0.1
_BEHIND_S = 1.0
_FRESH_S = 0.5
# Scans that wait for a look; more are used without one.
_UNUSED = 64
_TRUCK_M = 7.5
_SHADOW_S = 3.0
_SLENDER = frozenset({ParticipantClass.PEDESTRIAN, ParticipantClass.BICYCLE})
_VEHICLES = frozenset(ParticipantClass) - {ParticipantClass.UNKNOWN, ParticipantClass.PEDESTRIAN}


class _Stamp(NamedTuple):
    trace_id: str
    arrived: MonoNs
    ingested: MonoNs
    fused: MonoNs


class FusedTrack(NamedTuple):
    """One track predicted to the moment asked for; fields as in world.TrackView, without the lane."""

    track_id: int
    kind: ParticipantClass
    x_m: float
    y_m: float
    vx_mps: float
    vy_mps: float
    yaw_rad: float
    speed_mps: float
    accel_mps2: float
    length_m: float
    width_m: float
    accuracy_m: float
    existence: float
    age_s: float
    unseen_s: float
    session: str
    vehicle_id: bytes
    trace_id: str
    arrived: MonoNs
    ingested: MonoNs
    fused: MonoNs
    born_arrived: MonoNs
    sources: tuple[str, ...]
    yaw_rate_rps: float | None = None
    turn: Maneuver | None = None
    flags: tuple[str, ...] = ()
    velocity_std_mps: float = 0.0
    emergency: EmergencyVehicle | None = None


def _identity(track: FusedTrack) -> int:
    return track.track_id


def _alone(perceived: list[FusedTrack], vehicles: list[FusedTrack]) -> list[FusedTrack]:
    """Perceived tracks without those that can only be a second sight of a speaking vehicle.

    Only young ones are left out, so that a vehicle that tells a wrong place hides no other for long.
    """
    asked = [t for t in perceived if t.age_s < _SHADOW_S and t.kind not in _SLENDER]
    if not asked or not vehicles:
        return perceived
    told = np.array([(t.x_m, t.y_m, t.vx_mps, t.vy_mps, t.length_m, t.width_m, t.yaw_rad) for t in vehicles])
    seen = np.array([(t.x_m, t.y_m, t.vx_mps, t.vy_mps, t.length_m, t.width_m) for t in asked])
    doubled = {t.track_id for t, shadow in zip(asked, shadows(told, seen).tolist(), strict=True) if shadow}
    return [t for t in perceived if t.track_id not in doubled]


class Fusion:
    """Scans of all sensors and the words of vehicles, made into one list of tracks. Pure and synchronous.

    sensors: at most 62. What cannot be used is counted under FusionReason.
    """

    def __init__(
        self,
        plane: LocalPlane,
        sensors: Sequence[SensorView],
        clock: Clock,
        counters: Counters,
        *,
        tracker: TrackerSettings | None = None,
        vehicles: VehicleSettings | None = None,
    ) -> None:
        if len(sensors) > 62:
            raise ValueError(f"{len(sensors)} sensors, at most 62 can be fused")
        self._clock = clock
        self._counters = counters
        self._epoch = clock.utc()
        self._views = {view.sensor_id: (bit, view) for bit, view in enumerate(sensors)}
        self._names = tuple(view.sensor_id for view in sensors)
        ids = Ids()
        settings = tracker or TrackerSettings()
        self._publish_s = settings.publish_s
        self._rollback = Rollback(settings, ids)
        limits = vehicles or VehicleSettings()
        self._silent_s = limits.publish_s
        self._book = VehicleBook(limits, plane, ids)
        self._joiner = Joiner(ids)
        self._stamps: dict[int, _Stamp] = {}
        self._serial = 0
        self._unused: list[int] = []
        self._counted = (0, 0, 0)
        self._joined_serial = -1
        self._vehicle_marks: dict[int, tuple[MonoNs, MonoNs]] = {}

    @property
    def vehicles(self) -> int:
        """Number of vehicles that speak."""
        return len(self._book)

    def on_scan(self, scan: Scan) -> bool:
        """Put a scan in its place by time; False when it was too late. It is used at the next look."""
        found = self._views.get(scan.sensor_id)
        if found is None:
            raise KeyError(f"no sensor {scan.sensor_id}")
        bit, view = found
        self._serial += 1
        used = self._rollback.add(
            self._seconds(scan.measured), (bit, scan.seq), Measurement(view, scan.detections), self._serial
        )
        if not used:
            self._counters.drop(FusionReason.TOO_LATE)
            return False
        self._stamps[self._serial] = _Stamp(scan.trace_id, scan.arrived, scan.ingested, self._clock.mono())
        self._unused.append(self._serial)
        if len(self._unused) >= _UNUSED:
            self.settle()
        if len(self._stamps) > 2_048:
            self._forget_stamps()
        return True

    def on_basic_safety(
        self, session: str, message: BasicSafety, *, arrived: MonoNs, trace_id: str
    ) -> FusionReason | None:
        """Take what a vehicle said, over its session or ("") by radio; why it was refused, or None."""
        heard = self._clock.utc() - (self._clock.mono() - arrived)
        stamp = message.utc_ns
        if stamp is None or not -_AHEAD_S <= (heard - stamp) / 1e9 <= _BEHIND_S:
            stamp = heard
        ingested = self._clock.mono()
        result = self._book.hear(
            session, message, self._seconds(UtcNs(stamp)), arrived=arrived, trace_id=trace_id
        )
        if isinstance(result, FusionReason):
            self._counters.drop(result)
            return result
        if not result.identity:
            self.settle()
            self._join(list(self._book), self._seconds(self._clock.utc()))
        self._vehicle_marks[result.identity] = (ingested, self._clock.mono())
        return None

    def on_session(self, session: str, up: bool) -> None:
        """A vehicle's session came up or went down."""
        self._book.session(session, up)

    def tracks(self, now: UtcNs) -> list[FusedTrack]:
        """All tracks predicted to `now`, ordered by identity; stale ones left out."""
        self.settle()
        time_s = self._seconds(now)
        self._book.forget(time_s)
        vehicles = list(self._book)
        at = self._join(vehicles, time_s)
        state = self._rollback.state
        values = state.values
        unseen = time_s - values[:, SEEN_S]
        rows = np.flatnonzero((values[:, CONFIRMED] > 0) & (unseen < self._publish_s))
        perceived = self._perceived(rows, time_s)
        row_of = {int(identity): k for k, identity in enumerate(state.marks[rows, ID])}
        out: list[FusedTrack] = []
        joined: set[int] = set()
        alive: set[int] = set()
        ways = zip(
            vehicles,
            at.x_m.tolist(),
            at.y_m.tolist(),
            at.speed_mps.tolist(),
            at.yaw_rad.tolist(),
            (at.speed_mps * np.cos(at.yaw_rad)).tolist(),
            (at.speed_mps * np.sin(at.yaw_rad)).tolist(),
            at.silent_s.tolist(),
            strict=True,
        )
        mono = self._clock.mono()
        for vehicle, *told in ways:
            seen = None if vehicle.joined is None else row_of.get(vehicle.joined)
            if seen is not None:
                joined.add(seen)
            alive.add(vehicle.identity)
            if seen is None and told[-1] > self._silent_s:
                continue
            out.append(self._told(vehicle, told, None if seen is None else perceived[seen], mono))
        self._vehicle_marks = {k: v for k, v in self._vehicle_marks.items() if k in alive}
        out.extend(_alone([track for k, track in enumerate(perceived) if k not in joined], out))
        out.sort(key=_identity)
        return out

    def _join(self, vehicles: list[Vehicle], time_s: float) -> Predicted:
        at = predicted(vehicles, time_s)
        # Between two scans nothing is learnt of who is who, except of those who speak for the first time.
        if self._joined_serial != self._serial or not all(vehicle.identity for vehicle in vehicles):
            self._joiner.step(vehicles, at, self._rollback.state, time_s)
            self._joined_serial = self._serial
        return at

    def _seconds(self, utc: UtcNs) -> float:
        return (utc - self._epoch) / 1e9

    def settle(self) -> None:
        """Use the scans that have come since the last look, and say so in their stamps."""
        if not self._unused:
            return
        self._rollback.settle()
        fused = self._clock.mono()
        for serial in self._unused:
            if serial in self._stamps:
                self._stamps[serial] = self._stamps[serial]._replace(fused=fused)
        self._unused.clear()
        rollback, before = self._rollback, self._counted
        self._counted = rollback.tracker.refused_births, rollback.replayed, rollback.resets
        # A reset begins a new tracker, which has refused nothing yet.
        refused = self._counted[0] - (before[0] if self._counted[2] == before[2] else 0)
        if refused:
            self._counters.drop(FusionReason.TRACKS_FULL, by=refused)
        self._counters.count("fusion_replayed", by=self._counted[1] - before[1])
        self._counters.count("fusion_resets", by=self._counted[2] - before[2])

    def _forget_stamps(self) -> None:
        # A repetition may bring back tracks of the log's states, and the log's scans.
        used: set[int] = set()
        for state in self._rollback.states():
            used.update(state.marks[:, LAST_SERIAL].tolist(), state.marks[:, BORN_SERIAL].tolist())
        oldest = self._rollback.oldest_serial() or self._serial
        self._stamps = {k: v for k, v in self._stamps.items() if k in used or k >= oldest}

    def _perceived(self, rows: NDArray[np.int64], time_s: float) -> list[FusedTrack]:
        state = self._rollback.state
        dt = min(max(time_s - (state.time_s or 0.0), -0.5), 1.5)
        x, cov, values, marks = state.x[rows], state.cov[rows], state.values[rows], state.marks[rows]
        xy = x[:, :2] + dt * x[:, 2:]
        speed = np.hypot(x[:, 2], x[:, 3])
        course = np.arctan2(x[:, 3], x[:, 2])
        yaw = np.where(values[:, YAW_KNOWN] > 0, values[:, YAW], course)
        accel = (values[:, AX] * x[:, 2] + values[:, AY] * x[:, 3]) / np.maximum(speed, 1.0)
        var = cov[:, 0, 0] + cov[:, 1, 1] + 2.0 * dt * (cov[:, 0, 2] + cov[:, 1, 3])
        var += dt * dt * (cov[:, 2, 2] + cov[:, 3, 3])
        accuracy = np.sqrt(np.maximum(var, 1e-4) / 2.0)
        velocity_std = np.sqrt(np.maximum(cov[:, 2, 2] + cov[:, 3, 3], 0.0) / 2.0).tolist()
        existence = 1.0 / (1.0 + np.exp(4.0 - np.clip(values[:, SCORE], -30.0, 30.0)))
        sources = (marks[:, SOURCES] | marks[:, SOURCES_BEFORE]).tolist()
        kinds = state.kinds()[rows].tolist()
        table = np.column_stack((xy, x[:, 2:], yaw, speed, accel, values[:, [LENGTH, WIDTH]], accuracy))
        unseen = np.maximum(time_s - values[:, SEEN_S], 0.0).tolist()
        names: dict[int, tuple[str, ...]] = {}
        mono = self._clock.mono()
        out = []
        for k, (x_m, y_m, vx, vy, yaw_rad, v, a, length, width, std) in enumerate(table.tolist()):
            last, born = self._stamps[int(marks[k, LAST_SERIAL])], self._stamps[int(marks[k, BORN_SERIAL])]
            bits = sources[k]
            if bits not in names:
                names[bits] = tuple(n for b, n in enumerate(self._names) if bits >> b & 1)
            out.append(
                FusedTrack(
                    self._joiner.published(int(marks[k, ID])),
                    CLASSES[kinds[k]],
                    x_m,
                    y_m,
                    vx,
                    vy,
                    yaw_rad,
                    v,
                    a,
                    length,
                    width,
                    std,
                    float(existence[k]),
                    max(0.0, (mono - born.arrived) / 1e9),
                    unseen[k],
                    "",
                    b"",
                    last.trace_id,
                    last.arrived,
                    last.ingested,
                    last.fused,
                    born.arrived,
                    names[bits],
                    velocity_std_mps=velocity_std[k],
                )
            )
        return out

    def _told(self, vehicle: Vehicle, told: list[float], seen: FusedTrack | None, mono: MonoNs) -> FusedTrack:
        """A speaking vehicle's track, with what the sensors see of it where they do."""
        x, y, speed, yaw, vx, vy, silent_s = told
        ingested, fused = self._vehicle_marks.get(vehicle.identity, (vehicle.arrived, vehicle.arrived))
        trace_id, arrived, born = vehicle.trace_id, vehicle.arrived, vehicle.born_arrived
        unseen_s, accel = silent_s, vehicle.accel_mps2
        sources: tuple[str, ...] = (V2X,)
        kind, length, width = vehicle.kind, vehicle.length_m, vehicle.width_m
        if seen is not None:
            if kind is None and seen.kind in _VEHICLES:
                kind = seen.kind
            if not vehicle.sized:
                length, width = seen.length_m, seen.width_m
            # Weighted by the two variances; silence adds to the vehicle's at 2 m/s.
            told_var = (vehicle.fix.std_m + 2.0 * silent_s) ** 2
            weight = told_var / (told_var + max(seen.accuracy_m, 0.3) ** 2)
            x, y = x + weight * (seen.x_m - x), y + weight * (seen.y_m - y)
            if silent_s > _FRESH_S or vehicle.fix.speed_mps is None:
                vx, vy, speed, yaw, accel = (
                    seen.vx_mps,
                    seen.vy_mps,
                    seen.speed_mps,
                    seen.yaw_rad,
                    seen.accel_mps2,
                )
            unseen_s = min(silent_s, seen.unseen_s)
            sources = (*seen.sources, V2X)
            born = min(born, seen.born_arrived)
            if seen.arrived > arrived:
                trace_id, arrived, ingested, fused = seen.trace_id, seen.arrived, seen.ingested, seen.fused
        return FusedTrack(
            vehicle.identity,
            kind or (ParticipantClass.TRUCK if length > _TRUCK_M else ParticipantClass.CAR),
            x,
            y,
            vx,
            vy,
            yaw,
            speed,
            accel,
            length,
            width,
            vehicle.reported_std_m,
            1.0,
            max(0.0, (mono - born) / 1e9),
            unseen_s,
            vehicle.session if vehicle.session_up else "",
            vehicle.vehicle_id,
            trace_id,
            arrived,
            ingested,
            fused,
            born,
            sources,
            vehicle.yaw_rate_rps if vehicle.turns else None,
            vehicle.turn,
            vehicle.flags,
            0.0,
            vehicle.emergency,
        )
