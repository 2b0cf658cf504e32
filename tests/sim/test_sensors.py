"""Simulated sensors: field of view, range, occlusion, errors, delay; and that the site file knows them."""

from __future__ import annotations

import math
import statistics
from pathlib import Path

import pytest
import yaml

from wayside.geo import Polyline, angle_between_deg, heading_from_yaw
from wayside.mec.sensors import ParticipantClass
from wayside.sim._crossing import CENTRE_LAT_DEG, CENTRE_LON_DEG, Crossing
from wayside.sim._participants import Participant, Way
from wayside.sim._sensors import SensorKind, SensorSpec, SimulatedSensor, sensor_set

SITE = Path(__file__).parents[2] / "deploy" / "demo" / "site.yaml"


def spec(kind: SensorKind, **changes: float) -> SensorSpec:
    values: dict[str, float] = {
        "fov_deg": 90.0,
        "range_m": 100.0,
        "miss": 0.0,
        "clutter": 0.0,
        "confusion": 0.0,
    }
    values |= changes
    return SensorSpec(
        "s", kind, 0.0, 0.0, 7.0, 0.0, hz=10.0, along_m=(0.1, 0.0, 0.0002), across_m=(0.05, 0.001, 0.0),
        delay_ms=60.0, jitter_ms=5.0, **values,
    )  # fmt: skip


def at(
    x_m: float,
    y_m: float,
    kind: ParticipantClass = ParticipantClass.CAR,
    id: int = 1,
    speed_mps: float = 10.0,
    yaw_rad: float = 0.0,
) -> Participant:
    ahead = (x_m + 100 * math.cos(yaw_rad), y_m + 100 * math.sin(yaw_rad))
    way = Way(Polyline([(2 * x_m - ahead[0], 2 * y_m - ahead[1]), ahead]))
    return Participant(id, kind, way, 100.0, speed_mps)


def seen(sensor: SimulatedSensor, *participants: Participant) -> int:
    return len(sensor.look(0.0, participants, {p.id: p.box() for p in participants}).detections)


def test_field_of_view_and_range() -> None:
    sensor = SimulatedSensor(spec(SensorKind.CAMERA), 1)
    assert seen(sensor, at(50.0, 0.0)) == 1
    assert seen(sensor, at(50.0, 45.0)) == 1
    assert seen(sensor, at(45.0, 50.0)) == 0
    assert seen(sensor, at(-50.0, 0.0)) == 0
    assert seen(sensor, at(101.0, 0.0)) == 0


def test_a_bus_hides_a_pedestrian_right_behind_it() -> None:
    sensor = SimulatedSensor(spec(SensorKind.CAMERA), 1)
    bus = at(50.0, 0.0, ParticipantClass.BUS, 2)
    hidden, free = at(58.0, 0.0, ParticipantClass.PEDESTRIAN), at(58.0, 9.0, ParticipantClass.PEDESTRIAN)
    assert seen(sensor, hidden) == 1
    assert seen(sensor, bus, hidden) == 1
    assert seen(sensor, bus, free) == 2


@pytest.mark.parametrize(("range_m", "along_m", "across_m"), [(20.0, 0.18, 0.07), (90.0, 1.72, 0.14)])
def test_error_grows_with_range(range_m: float, along_m: float, across_m: float) -> None:
    sensor = SimulatedSensor(spec(SensorKind.CAMERA), 3)
    car = at(range_m, 0.0)
    found = [sensor.look(0.0, [car], {1: car.box()}).detections[0] for _ in range(600)]
    assert statistics.stdev(d.x_m for d in found) == pytest.approx(along_m, rel=0.1)
    assert statistics.stdev(d.y_m for d in found) == pytest.approx(across_m, rel=0.1)
    assert found[0].std_m == pytest.approx((along_m, across_m), rel=0.01)


def test_radar_measures_radial_speed_and_loses_what_has_none() -> None:
    sensor = SimulatedSensor(spec(SensorKind.RADAR), 1)
    leaving, crossing, standing = (
        at(50.0, 0.0),
        at(50.0, 0.0, yaw_rad=math.pi / 2),
        at(50.0, 0.0, speed_mps=0.0),
    )
    (detection,) = sensor.look(0.0, [leaving], {1: leaving.box()}).detections
    assert detection.range_rate_mps == pytest.approx(10.0, abs=0.7)
    assert detection.kind is ParticipantClass.UNKNOWN
    assert seen(sensor, crossing) == 0 and seen(sensor, standing) == 0


def test_lidar_gives_size_and_a_direction_that_may_be_reversed() -> None:
    sensor = SimulatedSensor(spec(SensorKind.LIDAR, fov_deg=360.0), 1)
    car = at(-30.0, 5.0, yaw_rad=1.0)
    found = [sensor.look(0.0, [car], {1: car.box()}).detections[0] for _ in range(200)]
    turned = sum(abs(math.remainder((d.yaw_rad or 0.0) - 1.0, math.tau)) > 1.5 for d in found)
    assert 30 < turned < 90
    assert all(abs(math.remainder((d.yaw_rad or 0.0) - 1.0, math.pi)) < 0.2 for d in found)
    assert statistics.mean(d.length_m or 0.0 for d in found) == pytest.approx(4.6 * 0.97, rel=0.02)


def test_misses_clutter_delay_and_rate() -> None:
    sensor = SimulatedSensor(spec(SensorKind.CAMERA, miss=0.3, clutter=0.2), 5)
    car = at(40.0, 0.0)
    looks = [sensor.look(k * 0.1, [car], {1: car.box()}) for k in range(1000)]
    near = [sum(abs(d.x_m - 40.0) < 3 and abs(d.y_m) < 1 for d in look.detections) for look in looks]
    assert sum(near) == pytest.approx(700, abs=60)
    assert sum(len(look.detections) for look in looks) - sum(near) == pytest.approx(200, abs=50)
    delays = [look.arrives_s - look.looked_s for look in looks]
    assert statistics.mean(delays) == pytest.approx(0.06, abs=0.002) and min(delays) >= 0.002
    assert [look.seq for look in looks] == list(range(1, 1001))
    assert not sensor.due(99.9) and sensor.due(100.2)


def test_same_seed_same_scans() -> None:
    car = at(40.0, 0.0)
    one, two = (SimulatedSensor(spec(SensorKind.LIDAR), 9) for _ in range(2))
    assert one.look(0.0, [car], {1: car.box()}) == two.look(0.0, [car], {1: car.box()})


def test_the_site_file_has_the_sensors_of_the_simulation() -> None:
    site = yaml.safe_load(SITE.read_text("utf-8"))
    assert site["origin"] == {"lat": CENTRE_LAT_DEG, "lon": CENTRE_LON_DEG}
    crossing = Crossing()
    known = {entry["id"]: entry for entry in site["sensors"]}
    sensors = sensor_set(crossing)
    assert set(known) == {sensor.id for sensor in sensors}
    for sensor in sensors:
        entry = known[sensor.id]
        assert crossing.plane.to_xy(entry["lat"], entry["lon"]) == pytest.approx(
            (sensor.x_m, sensor.y_m), abs=0.05
        )
        assert angle_between_deg(entry["heading_deg"], heading_from_yaw(sensor.yaw_rad)) < 0.1
        assert (entry["kind"], entry["range_m"], entry["fov_deg"]) == (
            sensor.kind,
            sensor.range_m,
            sensor.fov_deg,
        )
        assert (entry["rate_hz"], entry["expected_delay_ms"]) == (sensor.hz, sensor.delay_ms)
