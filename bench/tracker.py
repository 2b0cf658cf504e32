"""Fusion: accuracy and cost on synthetic traffic, beside a textbook tracker on the same scans.

A crossing of two four-lane roads with cars in platoons that brake and pull off, and pedestrians on its
crosswalks, seen by two cameras (20 Hz, 120 and 150 ms late) and two radars (12.5 Hz, 60 and 80 ms) with
noise, misses, occlusion and clutter. Tracks are compared with the truth of the moment at which they are
read, 10 times a second, gate 2 m.

    python bench/tracker.py [--json] [--seconds 20] [--cars 54] [--seeds 1 2]

ours: roll-back, each scan used at once. ours, no delays: the same with all delays 0, what delay costs. ours,
arrival time: the scan's arrival taken for its measurement, what stamps are worth. loop: a Kalman filter per
object in Python, optimal assignment over the whole scan, M of N, behind a re-order buffer of 150 ms.
scan ms: time to use one scan (CPU, this process); read ms: to read all tracks.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from wayside.clock import UtcNs, VirtualClock
from wayside.geo import LocalPlane
from wayside.mec.fusion import Fusion, SensorView
from wayside.mec.sensors import Detection, ParticipantClass, Scan
from wayside.observe import Counters

Floats = NDArray[np.float64]
WARM_S, GATE_M, READ_HZ = 2.0, 2.0, 10


class Sensor(NamedTuple):
    """A simulated sensor; sigma along and across the line of sight as constant and per metre of range."""

    view: SensorView
    hz: float
    delay_s: float
    jitter_s: float
    along: tuple[float, float]
    across: tuple[float, float]
    speeds: bool


class Arrival(NamedTuple):
    """One scan with its two instants, seconds."""

    at_s: float
    measured_s: float
    sensor: int
    detections: tuple[Detection, ...]


class Truth:
    """Where everything is at any time: cars (x, y, vx, vy) on eight lanes, pedestrians on four crosswalks."""

    def __init__(self, cars: int, seconds: float, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.step_s = 0.01
        steps = int((seconds + 1.0) / self.step_s)
        lanes = []
        for road, across in ((0, (-5.2, -1.8)), (1, (1.8, 5.2)), (2, (-5.2, -1.8)), (3, (1.8, 5.2))):
            lanes += [(road * math.pi / 2, side) for side in across]
        n_lane = math.ceil(cars / len(lanes))
        places = np.zeros((cars, steps, 2))
        for car in range(cars):
            yaw, side = lanes[car % len(lanes)]
            order = car // len(lanes)
            # Speed of the platoon: cruise, brake, crawl, pull off; all cars of a lane the same, with a lag.
            phase = (car % len(lanes)) * 1.7
            t = np.arange(steps) * self.step_s - 0.4 * order
            speed = 6.0 + 5.0 * np.sin(0.5 * (t + phase))
            start = -90.0 + (n_lane - order) * 13.0 + rng.uniform(-1.0, 1.0)
            along = start + np.cumsum(speed) * self.step_s
            along = (along + 90.0) % 180.0 - 90.0
            c, s = math.cos(yaw), math.sin(yaw)
            places[car, :, 0] = c * along - s * side
            places[car, :, 1] = s * along + c * side
        walkers = 6
        foot = np.zeros((walkers, steps, 2))
        for walker in range(walkers):
            turn = (walker % 4) * math.pi / 2
            t = np.arange(steps) * self.step_s
            way = 7.0 * np.sin(0.19 * t + walker)
            c, s = math.cos(turn), math.sin(turn)
            base = 14.0 + 2.0 * (walker // 4)
            foot[walker, :, 0], foot[walker, :, 1] = c * base - s * way, s * base + c * way
        self.places = np.concatenate((places, foot))
        self.kinds = [ParticipantClass.CAR] * cars + [ParticipantClass.PEDESTRIAN] * walkers
        self.seconds = seconds

    def at(self, t: float) -> Floats:
        """States (n, 4); where a car leaves one end and enters the other its speed is that of before."""
        k = min(max(round(t / self.step_s), 1), self.places.shape[1] - 1)
        now, before = self.places[:, k], self.places[:, k - 1]
        v = (now - before) / self.step_s
        v[np.hypot(v[:, 0], v[:, 1]) > 50.0] = 0.0
        return np.concatenate((now, v), axis=1)


def sensors() -> tuple[Sensor, ...]:
    """One on each corner, looking at the middle."""
    out = []
    for k, (name, x, y) in enumerate(
        (("camera", -60, -60), ("camera", 60, 60), ("radar", -60, 60), ("radar", 60, -60))
    ):
        yaw = math.atan2(-y, -x)
        view = SensorView(f"{name}{k}", x, y, yaw, 190.0, (1.2, 0.5) if name == "camera" else (0.4, 0.9))
        late = 0.03 * (k % 2)
        if name == "camera":
            out.append(Sensor(view, 20.0, 0.12 + late, 0.03, (0.4, 0.006), (0.2, 0.002), speeds=False))
        else:
            out.append(Sensor(view, 12.5, 0.06 + late * 2 / 3, 0.02, (0.3, 0.0), (0.2, 0.006), speeds=True))
    return tuple(out)


def arrivals(truth: Truth, seed: int, *, delayed: bool) -> list[Arrival]:
    """All scans in the order of their arrival."""
    rng = np.random.default_rng(seed)
    out = []
    for index, sensor in enumerate(sensors()):
        t = rng.uniform(0.0, 1.0 / sensor.hz)
        while t < truth.seconds:
            delay = max(0.01, sensor.delay_s + rng.normal() * sensor.jitter_s) if delayed else 0.0
            out.append(Arrival(t + delay, t, index, _look(truth, sensor, t, rng)))
            t += 1.0 / sensor.hz
    return sorted(out, key=lambda arrival: arrival.at_s)


def _look(truth: Truth, sensor: Sensor, t: float, rng: np.random.Generator) -> tuple[Detection, ...]:
    states, view = truth.at(t), sensor.view
    away = states[:, :2] - (view.x_m, view.y_m)
    distance = np.hypot(away[:, 0], away[:, 1])
    angle = np.arctan2(away[:, 1], away[:, 0])
    apart = np.abs((angle[:, None] - angle[None] + math.pi) % math.tau - math.pi)
    hidden = ((apart < 0.7 / distance[None]) & (distance[None] < distance[:, None] - 3.0)).any(axis=1)
    seen = rng.random(len(states)) < np.where(hidden, 0.2, 0.92)
    found = []
    for k in np.flatnonzero(seen):
        unit = away[k] / distance[k]
        left = np.array((-unit[1], unit[0]))
        std = tuple(a + b * distance[k] for a, b in (sensor.along, sensor.across))
        x, y = states[k, :2] + unit * rng.normal() * std[0] + left * rng.normal() * std[1]
        if sensor.speeds:
            rate = float(unit @ states[k, 2:] + rng.normal() * 0.2)
            found.append(Detection(float(x), float(y), range_rate_mps=rate, std_m=(std[0], std[1])))
        else:
            found.append(Detection(float(x), float(y), truth.kinds[k], std_m=(std[0], std[1])))
    for _ in range(rng.poisson(0.5)):
        x, y = rng.uniform(-90.0, 90.0, 2)
        found.append(Detection(float(x), float(y), std_m=(1.0, 1.0)))
    return tuple(found)


class Method(Protocol):
    """A tracker under test."""

    def take(self, arrival: Arrival) -> None: ...
    def read(self, now_s: float) -> tuple[NDArray[np.int64], Floats]: ...


class Ours:
    """The project's fusion on a virtual clock."""

    def __init__(self, *, stamps: bool = True) -> None:
        self._clock = VirtualClock()
        self._start = self._clock.utc()
        self._fusion = Fusion(LocalPlane(39.0, 117.0), [s.view for s in sensors()], self._clock, Counters())
        self._names = [s.view.sensor_id for s in sensors()]
        self._stamps = stamps
        self._seq = 0

    def _move(self, now_s: float) -> None:
        self._clock.advance(max(0.0, now_s - (self._clock.utc() - self._start) / 1e9))

    def take(self, arrival: Arrival) -> None:
        self._move(arrival.at_s)
        self._seq += 1
        when = arrival.measured_s if self._stamps else arrival.at_s
        mono = self._clock.mono()
        measured = UtcNs(self._start + round(when * 1e9))
        name = self._names[arrival.sensor]
        self._fusion.on_scan(Scan(name, self._seq, measured, mono, mono, "", arrival.detections))

    def read(self, now_s: float) -> tuple[NDArray[np.int64], Floats]:
        self._move(now_s)
        tracks = self._fusion.tracks(self._clock.utc())
        states = np.array([(t.x_m, t.y_m, t.vx_mps, t.vy_mps) for t in tracks]).reshape(-1, 4)
        return np.array([t.track_id for t in tracks], dtype=np.int64), states


class _One:
    def __init__(self, number: int, z: Floats, r: Floats) -> None:
        self.number, self.x = number, np.array((*z, 0.0, 0.0))
        self.p = np.diag((0.0, 0.0, 144.0, 144.0))
        self.p[:2, :2] = r
        self.hits, self.misses, self.confirmed = 1, 0, False


class Loop:
    """The textbook: one filter an object, one assignment a scan, 4 hits to confirm, 8 misses to delete."""

    def __init__(self) -> None:
        self._waiting: list[Arrival] = []
        self._tracks: list[_One] = []
        self._time_s = 0.0
        self._number = 0
        self._views = [s.view for s in sensors()]

    def take(self, arrival: Arrival) -> None:
        if arrival.measured_s >= self._time_s:
            self._waiting.append(arrival)
        self._drain(arrival.at_s)

    def read(self, now_s: float) -> tuple[NDArray[np.int64], Floats]:
        self._drain(now_s)
        good = [track for track in self._tracks if track.confirmed]
        states = np.array([track.x for track in good]).reshape(-1, 4)
        states[:, :2] += (now_s - self._time_s) * states[:, 2:]
        return np.array([track.number for track in good], dtype=np.int64), states

    def _drain(self, now_s: float) -> None:
        self._waiting.sort(key=lambda arrival: arrival.measured_s)
        while self._waiting and self._waiting[0].measured_s <= now_s - 0.15:
            self._scan(self._waiting.pop(0))

    def _scan(self, arrival: Arrival) -> None:
        dt, self._time_s = arrival.measured_s - self._time_s, arrival.measured_s
        f = np.eye(4)
        f[0, 2] = f[1, 3] = dt
        q = 4.0 * np.kron(np.array(((dt**3 / 3, dt**2 / 2), (dt**2 / 2, dt))), np.eye(2))
        for track in self._tracks:
            track.x, track.p = f @ track.x, f @ track.p @ f.T + q
        view = self._views[arrival.sensor]
        zs, rs = [], []
        for d in arrival.detections:
            z = np.array((d.x_m, d.y_m))
            angle = math.atan2(d.y_m - view.y_m, d.x_m - view.x_m)
            turn = np.array(((math.cos(angle), -math.sin(angle)), (math.sin(angle), math.cos(angle))))
            zs.append(z)
            rs.append(turn @ np.diag(np.square(d.std_m or view.std_m)) @ turn.T)
        cost = np.full((len(self._tracks), len(zs)), 1e3)
        for i, track in enumerate(self._tracks):
            for j, (z, r) in enumerate(zip(zs, rs, strict=True)):
                away = z - track.x[:2]
                if abs(away[0]) < 6.0 and abs(away[1]) < 6.0:
                    s = track.p[:2, :2] + r
                    m2 = float(away @ np.linalg.solve(s, away))
                    if m2 < 11.8:
                        cost[i, j] = m2 + math.log(np.linalg.det(s))
        rows, columns = linear_sum_assignment(cost)
        pairs = {int(i): int(j) for i, j in zip(rows, columns, strict=True) if cost[i, j] < 500.0}
        for i, track in enumerate(self._tracks):
            if i not in pairs:
                track.misses += 1
                continue
            z, r = zs[pairs[i]], rs[pairs[i]]
            gain = track.p[:, :2] @ np.linalg.inv(track.p[:2, :2] + r)
            track.x = track.x + gain @ (z - track.x[:2])
            track.p = track.p - gain @ track.p[:2, :]
            track.hits, track.misses = track.hits + 1, 0
            track.confirmed = track.confirmed or track.hits >= 4
        self._tracks = [t for t in self._tracks if t.misses < (8 if t.confirmed else 3)]
        used = set(pairs.values())
        for j, (z, r) in enumerate(zip(zs, rs, strict=True)):
            if j not in used:
                self._number += 1
                self._tracks.append(_One(self._number, z, r))


def run(method: Method, scans: list[Arrival], truth: Truth) -> dict[str, float]:
    """Figures of one method on one list of scans."""
    k, scan_ms, read_ms = 0, [], []
    position: list[float] = []
    velocity: list[float] = []
    switches = missed = false = objects = 0
    last: dict[int, int] = {}
    for now in np.arange(1, int(truth.seconds * READ_HZ) + 1) / READ_HZ:
        while k < len(scans) and scans[k].at_s <= now:
            began = time.process_time()
            method.take(scans[k])
            scan_ms.append((time.process_time() - began) * 1e3)
            k += 1
        began = time.process_time()
        numbers, states = method.read(float(now))
        read_ms.append((time.process_time() - began) * 1e3)
        if now < WARM_S:
            continue
        real = truth.at(float(now))
        # The ends of the roads, where cars come and go, are not judged.
        inside = np.abs(real[:, :2]).max(axis=1) < 75.0
        distance = np.hypot(*(real[:, None, :2] - states[None, :, :2]).transpose(2, 0, 1))
        rows, columns = linear_sum_assignment(np.where(distance < GATE_M, distance, 1e3))
        matched = [
            (i, j) for i, j in zip(rows.tolist(), columns.tolist(), strict=True) if distance[i, j] < GATE_M
        ]
        objects += int(inside.sum())
        missed += int(inside.sum()) - sum(bool(inside[i]) for i, _ in matched)
        within = np.abs(states[:, :2]).max(axis=1, initial=0.0) < 75.0
        false += int(within.sum()) - sum(bool(within[j]) for _, j in matched)
        for i, j in matched:
            if inside[i]:
                position.append(float(distance[i, j]) ** 2)
                velocity.append(float(np.square(real[i, 2:] - states[j, 2:]).sum()))
                switches += last.get(i, int(numbers[j])) != int(numbers[j])
            last[i] = int(numbers[j])
    return {
        "mota_percent": 100.0 * (1.0 - (missed + false + switches) / objects),
        "rmse_m": math.sqrt(statistics.fmean(position)),
        "velocity_rmse_mps": math.sqrt(statistics.fmean(velocity)),
        "switches_per_1000": 1e3 * switches / objects,
        "missed_percent": 100.0 * missed / objects,
        "false_percent": 100.0 * false / objects,
        "scan_ms": statistics.fmean(scan_ms),
        "scan_p99_ms": float(np.percentile(scan_ms, 99)),
        "read_ms": statistics.fmean(read_ms),
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--cars", type=int, default=54)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    args = parser.parse_args()
    figures: dict[str, list[dict[str, float]]] = {}
    for seed in args.seeds:
        truth = Truth(args.cars, args.seconds, seed)
        late, prompt = arrivals(truth, seed, delayed=True), arrivals(truth, seed, delayed=False)
        for name, method, scans in (
            ("ours", Ours(), late),
            ("ours, no delays", Ours(), prompt),
            ("ours, arrival time", Ours(stamps=False), late),
            ("loop", Loop(), late),
        ):
            figures.setdefault(name, []).append(run(method, scans, truth))
    table = {
        name: {key: round(statistics.fmean(row[key] for row in rows), 3) for key in rows[0]}
        for name, rows in figures.items()
    }
    if args.json:
        print(json.dumps({"objects": args.cars + 6, "seconds": args.seconds, "methods": table}, indent=2))
        return
    print(f"{args.cars + 6} objects, 65 scans/s, {args.seconds:g} s, {len(args.seeds)} seeds")
    print(f"{'':20}" + "".join(f"{key:>19}" for key in table["ours"]))
    for name, row in table.items():
        print(f"{name:20}" + "".join(f"{value:19.3f}" for value in row.values()))


if __name__ == "__main__":
    main()
