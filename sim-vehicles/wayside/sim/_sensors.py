from __future__ import annotations

import math
import random
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec

from wayside.geo import wrap_rad
from wayside.mec.sensors import Detection, ParticipantClass
from wayside.sim._crossing import Crossing
from wayside.sim._participants import Participant
from wayside.sim._shapes import Box, sees


class SensorKind(StrEnum):
    """What a sensor is."""

    CAMERA = "camera"
    RADAR = "radar"
    LIDAR = "lidar"


class SensorSpec(msgspec.Struct, frozen=True):
    """A roadside sensor and its faults.

    x_m, y_m, height_m, yaw_rad: where it stands and looks. fov_deg: whole angle. along_m, across_m: one sigma
    along and across the line of sight as (constant, per metre of range, per square metre of range). delay_ms:
    mean time from exposure to arrival; jitter_ms: one sigma. miss: share of objects lost a scan. clutter:
    mean number of false objects a scan. confusion: share of wrong classes.
    """

    id: str
    kind: SensorKind
    x_m: float
    y_m: float
    height_m: float
    yaw_rad: float
    fov_deg: float
    range_m: float
    hz: float
    along_m: tuple[float, float, float]
    across_m: tuple[float, float, float]
    delay_ms: float
    jitter_ms: float
    miss: float = 0.03
    clutter: float = 0.02
    confusion: float = 0.02


class Look(NamedTuple):
    """What a sensor reports: when it looked (simulation time), when it arrives, and the detections."""

    sensor_id: str
    seq: int
    looked_s: float
    arrives_s: float
    detections: tuple[Detection, ...]


# Noise of cameras, radars and lidars by range: typical of a 7 m mast, 2 px and 1 degree of azimuth.


def camera(name: str, at: tuple[float, float], yaw_rad: float, fov_deg: float, range_m: float) -> SensorSpec:
    """A camera on a mast."""
    return SensorSpec(
        name, SensorKind.CAMERA, *at, 7.0, wrap_rad(yaw_rad), fov_deg, range_m, 10.0,
        (0.10, 0.0, 0.00022), (0.05, 0.0015, 0.0), 65.0, 12.0, 0.04, 0.03, 0.03,
    )  # fmt: skip


def radar(name: str, at: tuple[float, float], yaw_rad: float) -> SensorSpec:
    """A radar that looks along a leg."""
    return SensorSpec(
        name, SensorKind.RADAR, *at, 6.0, yaw_rad, 60.0, 170.0, 10.0,
        (0.3, 0.0, 0.0), (0.1, 0.013, 0.0), 25.0, 4.0, 0.05, 0.05, 0.0,
    )  # fmt: skip


def lidar(name: str, at: tuple[float, float]) -> SensorSpec:
    """A lidar that looks all round."""
    return SensorSpec(
        name, SensorKind.LIDAR, *at, 5.0, 0.0, 360.0, 60.0, 10.0,
        (0.12, 0.0005, 0.0), (0.12, 0.0005, 0.0), 55.0, 6.0, 0.02, 0.02, 0.05,
    )  # fmt: skip


def sensor_set(crossing: Crossing) -> tuple[SensorSpec, ...]:
    """The crossing's sensors: camera and lidar on its western leg and in the middle, a radar for each leg."""
    west = crossing.legs[3].yaw_rad
    mast = crossing.at(3, 80.0, -14.5)
    post = crossing.at(3, 120.0, -14.5)
    north_east = crossing.at(0, 16.0, -15.0)
    south_west = crossing.at(2, 16.0, -15.0)

    def leg_radar(leg: int) -> SensorSpec:
        at = crossing.at((leg + 2) % 4, 20.0, -1.0)
        return radar(f"radar-{crossing.legs[leg].name[0]}", at, crossing.legs[leg].yaw_rad)

    return (
        camera("cam-w", mast, west, 75.0, 110.0),
        lidar("lidar-w", post),
        camera("cam-c", north_east, math.radians(-128.0), 100.0, 90.0),
        lidar("lidar-c", south_west),
        *(leg_radar(leg) for leg in range(4)),
    )


_LIKE = {
    ParticipantClass.CAR: (ParticipantClass.TRUCK, ParticipantClass.UNKNOWN),
    ParticipantClass.TRUCK: (ParticipantClass.BUS, ParticipantClass.CAR),
    ParticipantClass.BUS: (ParticipantClass.TRUCK, ParticipantClass.UNKNOWN),
    ParticipantClass.BICYCLE: (ParticipantClass.PEDESTRIAN, ParticipantClass.MOTORCYCLE),
    ParticipantClass.PEDESTRIAN: (ParticipantClass.BICYCLE, ParticipantClass.UNKNOWN),
}
_STATIC_MPS = 0.3
_LONGEST_M = 20.0


class SimulatedSensor:
    """Turns what stands on the road into what one sensor would report, with a seed of its own.

    Objects behind something tall are not seen; a radar does not see what has no radial speed and gives no
    class; a camera gives no speed; a lidar gives size and direction.
    """

    def __init__(self, spec: SensorSpec, seed: int) -> None:
        self.spec = spec
        self._rng = random.Random(f"{seed}/{spec.id}")
        self._seq = 0
        self._next_s = self._rng.uniform(0.0, 1.0 / spec.hz)

    def due(self, now_s: float) -> bool:
        """Whether it looks at `now_s`."""
        return now_s >= self._next_s

    def look(self, now_s: float, participants: Sequence[Participant], boxes: dict[int, Box]) -> Look:
        """One scan."""
        spec, rng = self.spec, self._rng
        self._next_s += 1.0 / spec.hz
        self._seq += 1
        # What stands beyond the range hides nothing that is within.
        reach = spec.range_m + _LONGEST_M
        tall = [
            (i, b)
            for i, b in boxes.items()
            if b.height_m > 2.0 and abs(b.x_m - spec.x_m) < reach and abs(b.y_m - spec.y_m) < reach
        ]
        found: list[Detection] = []
        for participant in participants:
            box = boxes[participant.id]
            if not self._in_view(box.x_m, box.y_m):
                continue
            between = [b for i, b in tall if i != participant.id]
            eye = (spec.x_m, spec.y_m, spec.height_m)
            if between and not sees(eye, (box.x_m, box.y_m, 0.6 * box.height_m), between):
                continue
            if rng.random() >= spec.miss:
                detection = self._detect(participant, box)
                if detection is not None:
                    found.append(detection)
        if rng.random() < spec.clutter:
            found.append(self._clutter())
        delay_ms = max(2.0, rng.gauss(spec.delay_ms, spec.jitter_ms))
        return Look(spec.id, self._seq, now_s, now_s + delay_ms / 1e3, tuple(found))

    def _in_view(self, x_m: float, y_m: float) -> bool:
        dx, dy = x_m - self.spec.x_m, y_m - self.spec.y_m
        if dx * dx + dy * dy > self.spec.range_m**2:
            return False
        if self.spec.fov_deg >= 360.0:
            return True
        return abs(wrap_rad(math.atan2(dy, dx) - self.spec.yaw_rad)) <= math.radians(self.spec.fov_deg) / 2.0

    def _std(self, range_m: float) -> tuple[float, float]:
        a, b = self.spec.along_m, self.spec.across_m
        return a[0] + a[1] * range_m + a[2] * range_m**2, b[0] + b[1] * range_m + b[2] * range_m**2

    def _detect(self, participant: Participant, box: Box) -> Detection | None:
        spec, rng = self.spec, self._rng
        dx, dy = box.x_m - spec.x_m, box.y_m - spec.y_m
        distance = max(math.hypot(dx, dy), 1.0)
        ux, uy = dx / distance, dy / distance
        along, across = self._std(distance)
        e, n = rng.gauss(0.0, along), rng.gauss(0.0, across)
        x, y = box.x_m + e * ux - n * uy, box.y_m + e * uy + n * ux
        confidence = min(max(rng.gauss(0.9 - 0.002 * distance, 0.05), 0.3), 0.99)
        if spec.kind is SensorKind.RADAR:
            vx = participant.speed_mps * math.cos(box.yaw_rad)
            vy = participant.speed_mps * math.sin(box.yaw_rad)
            radial = vx * ux + vy * uy
            if abs(radial) < _STATIC_MPS:
                return None
            return Detection(
                x,
                y,
                confidence=confidence,
                range_rate_mps=radial + rng.gauss(0.0, 0.15),
                std_m=(along, across),
            )
        kind = participant.kind
        if rng.random() < spec.confusion:
            kind = rng.choice(_LIKE[kind])
        if spec.kind is SensorKind.CAMERA:
            return Detection(x, y, kind, confidence, std_m=(along, across))
        flipped = math.pi if rng.random() < 0.3 else 0.0
        return Detection(
            x,
            y,
            kind,
            confidence,
            length_m=max(0.2, box.length_m * rng.gauss(0.97, 0.03)),
            width_m=max(0.2, box.width_m * rng.gauss(1.0, 0.03)),
            yaw_rad=wrap_rad(box.yaw_rad + flipped + rng.gauss(0.0, 0.03)),
            std_m=(along, across),
        )

    def _clutter(self) -> Detection:
        spec, rng = self.spec, self._rng
        angle = spec.yaw_rad + math.radians(rng.uniform(-0.5, 0.5) * spec.fov_deg)
        distance = rng.uniform(5.0, spec.range_m)
        x, y = spec.x_m + distance * math.cos(angle), spec.y_m + distance * math.sin(angle)
        if spec.kind is SensorKind.RADAR:
            return Detection(
                x, y, confidence=0.4, range_rate_mps=rng.gauss(0.0, 5.0), std_m=self._std(distance)
            )
        kind = rng.choice(list(_LIKE))
        return Detection(x, y, kind, rng.uniform(0.2, 0.5), std_m=self._std(distance))
