"""Scans from the wire: what is taken, and why the rest is not."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wayside.clock import MonoNs, UtcNs, VirtualClock
from wayside.geo import LocalPlane
from wayside.mec.sensors import (
    MAX_OBJECTS,
    MAX_SCAN_BYTES,
    Detection,
    ParticipantClass,
    Scan,
    ScanIntake,
    SensorError,
    SensorHealth,
    SensorPose,
    SensorReason,
    SensorSpec,
    SensorWatch,
    WireObject,
    decode_scan,
    encode_scan,
    wire_object,
)
from wayside.observe import Counters

PLANE = LocalPlane(39.0, 117.0)
POSE = SensorPose(10.0, 20.0, math.pi / 2, 100.0)
R = SensorReason


def spec(sensor_id: str = "cam-1", **more: Any) -> SensorSpec:
    values: dict[str, Any] = {
        "kind": "camera",
        "transport": "udp",
        "pose": POSE,
        "rate_hz": 10.0,
        "expected_delay_ms": 50.0,
        "late_ms": 1_050.0,
        "address": "127.0.0.1",
    }
    return SensorSpec(sensor_id=sensor_id, **{**values, **more})


class Rig:
    def __init__(self, *sensors: SensorSpec) -> None:
        self.clock = VirtualClock()
        self.counters = Counters()
        self.intake = ScanIntake(
            sensors or (spec(),), PLANE, self.clock, self.counters, new_trace=lambda: "trace"
        )
        self.seq = 0

    def body(self, **more: Any) -> dict[str, Any]:
        self.seq += 1
        head = {"v": 1, "sensor": "cam-1", "seq": self.seq, "t_ns": self.clock.utc() - 50_000_000}
        return {**head, "objects": [], **more}

    def send(self, body: Any, *, address: str = "127.0.0.1", sensor_id: str = "") -> Scan | None:
        data = body if isinstance(body, bytes) else msgspec.msgpack.encode(body)
        return self.intake.take(data, arrived=self.clock.mono(), address=address, sensor_id=sensor_id)

    def only(self, reason: SensorReason, count: int = 1) -> bool:
        return self.counters.drops() == {"sensors": {reason.value: count}}


def test_a_sound_scan_is_stamped_and_its_objects_stand_on_the_plane() -> None:
    rig = Rig(spec(clock_offset_ms=20.0))
    rig.clock.advance(1.0)
    lat, lon = PLANE.to_lat_lon(12.0, 40.0)
    objects = [
        {"x": 12.0, "y": 40, "vx": 1.0, "vy": -2.0, "cls": "car", "conf": 0.8, "std": 0.5, "yaw": 7.0},
        {"lat": lat, "lon": lon, "length": 4.5, "width": 1.8, "heading_deg": 90.0, "std": [0.4, 0.2]},
        {"range": 30.0, "bearing": 90.0, "range_rate": -4.0, "cls": "truck", "new_field": 1},
    ]
    scan = rig.send(rig.body(objects=objects))
    assert scan is not None
    assert scan.measured == rig.clock.utc() - 70_000_000
    assert (scan.trace_id, scan.arrived) == ("trace", rig.clock.mono())
    first, second, third = scan.detections
    assert first == Detection(
        12.0,
        40.0,
        ParticipantClass.CAR,
        0.8,
        1.0,
        -2.0,
        yaw_rad=pytest.approx(7.0 - math.tau),
        std_m=(0.5, 0.5),
    )
    assert (second.x_m, second.y_m) == (pytest.approx(12.0, abs=1e-6), pytest.approx(40.0, abs=1e-6))
    assert (second.yaw_rad, second.std_m) == (pytest.approx(0.0), (0.4, 0.2))
    # The sensor looks north; 90 degrees clockwise of that is east.
    assert (third.x_m, third.y_m) == (pytest.approx(40.0), pytest.approx(20.0))
    assert third.range_rate_mps == -4.0
    assert rig.counters.drops() == {}


def test_encode_and_decode_agree() -> None:
    detection = Detection(12.5, 30.0, ParticipantClass.BUS, 0.5, 1.0, 2.0, 3.0, 12.0, 2.5, 1.0, (0.3, 0.2))
    head, detections, errors = decode_scan(
        encode_scan("cam-1", 7, 1_000, [wire_object(detection)]), POSE, PLANE
    )
    assert (head.sensor, head.seq, head.t_ns) == ("cam-1", 7, 1_000)
    assert (detections, errors) == ((detection,), [])


def test_the_example_of_the_interface_document_is_true() -> None:
    from pathlib import Path

    text = (Path(__file__).parents[3] / "docs" / "sensors.md").read_text("utf-8")
    hexes = text.split("```hex\n")[1].split("```")[0]
    head, detections, errors = decode_scan(bytes.fromhex(hexes), POSE, PLANE)
    assert (head.sensor, head.seq, errors) == ("cam-w", 42, [])
    assert [d.kind for d in detections] == [ParticipantClass.CAR, ParticipantClass.PEDESTRIAN]
    again = encode_scan(
        "cam-w",
        42,
        head.t_ns,
        [
            WireObject(x=12.5, y=-3.25, cls=ParticipantClass.CAR, length=4.5, width=1.75),
            WireObject(x=20.0, y=4.0, cls=ParticipantClass.PEDESTRIAN, conf=0.75, std=(0.5, 0.25)),
        ],
    )
    assert again.hex() == "".join(hexes.split())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param({"v": 2}, R.WRONG_VERSION, marks=pytest.mark.drops(R.WRONG_VERSION)),
        pytest.param({"sensor": "cam-9"}, R.UNKNOWN_SENSOR, marks=pytest.mark.drops(R.UNKNOWN_SENSOR)),
        pytest.param({"seq": -1}, R.MALFORMED, marks=pytest.mark.drops(R.MALFORMED)),
        ({"seq": 1.5}, R.MALFORMED),
        ({"objects": {}}, R.MALFORMED),
        ({"sensor": ""}, R.MALFORMED),
        ({"t_ns": 1 << 63}, R.MALFORMED),
        pytest.param(
            {"objects": [{}] * (MAX_OBJECTS + 1)},
            R.TOO_MANY_OBJECTS,
            marks=pytest.mark.drops(R.TOO_MANY_OBJECTS),
        ),
        pytest.param({"t_ns": 0}, R.STALE, marks=pytest.mark.drops(R.STALE)),
        pytest.param({"t_ns": 1 << 61}, R.FUTURE, marks=pytest.mark.drops(R.FUTURE)),
    ],
)
def test_an_unsound_scan_is_refused_with_its_reason(change: dict[str, Any], reason: SensorReason) -> None:
    rig = Rig()
    assert rig.send(rig.body(**change)) is None
    assert rig.only(reason)
    # The sensor itself goes on.
    assert rig.send(rig.body()) is not None


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x91" * 60_000, b"{}", msgspec.msgpack.encode([1])])
def test_octets_that_are_no_scan_are_malformed(data: bytes) -> None:
    rig = Rig()
    assert rig.send(data) is None
    assert rig.only(R.MALFORMED)


@pytest.mark.drops(R.TOO_LARGE)
def test_too_many_octets_are_not_even_looked_at() -> None:
    rig = Rig()
    assert rig.send(bytes(MAX_SCAN_BYTES + 1)) is None
    assert rig.only(R.TOO_LARGE)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        pytest.param({"x": 1.0}, R.OBJECT_MALFORMED, marks=pytest.mark.drops(R.OBJECT_MALFORMED)),
        ({}, R.OBJECT_MALFORMED),
        ([1.0, 2.0], R.OBJECT_MALFORMED),
        ({"x": "1", "y": 2.0}, R.OBJECT_MALFORMED),
        ({"x": 10.0, "y": 20.0, "lat": 39.0}, R.OBJECT_MALFORMED),
        ({"x": 10.0, "y": 20.0, "vx": 1.0}, R.OBJECT_MALFORMED),
        ({"x": 10.0, "y": 20.0, "yaw": 1.0, "heading_deg": 1.0}, R.OBJECT_MALFORMED),
        ({"x": 10.0, "y": 20.0, "cls": "tank"}, R.OBJECT_MALFORMED),
        pytest.param(
            {"x": math.nan, "y": 20.0}, R.OBJECT_NOT_FINITE, marks=pytest.mark.drops(R.OBJECT_NOT_FINITE)
        ),
        ({"x": 10.0, "y": 20.0, "std": [0.1, math.inf]}, R.OBJECT_NOT_FINITE),
        pytest.param(
            {"x": 500.0, "y": 20.0}, R.OBJECT_OUT_OF_RANGE, marks=pytest.mark.drops(R.OBJECT_OUT_OF_RANGE)
        ),
        ({"lat": 95.0, "lon": 117.0}, R.OBJECT_OUT_OF_RANGE),
        ({"lat": 39.5, "lon": 117.0}, R.OBJECT_OUT_OF_RANGE),
        ({"range": -1.0, "bearing": 0.0}, R.OBJECT_OUT_OF_RANGE),
        pytest.param(
            {"x": 10.0, "y": 20.0, "vx": 300.0, "vy": 0.0},
            R.OBJECT_IMPLAUSIBLE,
            marks=pytest.mark.drops(R.OBJECT_IMPLAUSIBLE),
        ),
        ({"x": 10.0, "y": 20.0, "length": 0.0}, R.OBJECT_IMPLAUSIBLE),
        ({"x": 10.0, "y": 20.0, "width": 80.0}, R.OBJECT_IMPLAUSIBLE),
        ({"x": 10.0, "y": 20.0, "conf": 1.5}, R.OBJECT_IMPLAUSIBLE),
        ({"x": 10.0, "y": 20.0, "std": 0.0}, R.OBJECT_IMPLAUSIBLE),
    ],
)
def test_an_unsound_object_is_dropped_alone(bad: Any, reason: SensorReason) -> None:
    rig = Rig()
    good = {"x": 12.0, "y": 22.0}
    scan = rig.send(rig.body(objects=[good, bad, good]))
    assert scan is not None
    assert len(scan.detections) == 2
    assert rig.only(reason)


@pytest.mark.drops(R.WRONG_SOURCE)
@pytest.mark.parametrize(
    ("sensor", "address", "sensor_id", "taken"),
    [
        ("cam-1", "127.0.0.1", "", True),
        ("cam-1", "127.0.0.2", "", False),
        ("open", "10.1.1.1", "", True),
        ("ws", "127.0.0.1", "", False),
        ("ws", "", "ws", True),
        ("cam-1", "", "ws", False),
    ],
)
def test_a_sensor_is_believed_only_from_its_place(
    sensor: str, address: str, sensor_id: str, taken: bool
) -> None:
    rig = Rig(spec(), spec("open", address=""), spec("ws", transport="websocket"))
    scan = rig.send(rig.body(sensor=sensor), address=address, sensor_id=sensor_id)
    assert (scan is not None) is taken
    assert taken or rig.only(R.WRONG_SOURCE)


@pytest.mark.drops(R.FLOOD)
def test_a_flood_is_cut_to_twice_the_rate_and_harms_no_other_sensor() -> None:
    rig = Rig(spec(), spec("cam-2"))
    taken = 0
    for _ in range(1_000):
        taken += rig.send(rig.body(t_ns=rig.clock.utc())) is not None
        rig.clock.advance(0.001)
    assert 20 <= taken <= 41
    assert rig.send(rig.body(sensor="cam-2")) is not None
    rig.clock.advance(1.0)
    assert rig.send(rig.body()) is not None


@pytest.mark.drops(R.DUPLICATE)
def test_a_scan_counts_once_and_may_come_out_of_order() -> None:
    rig = Rig()
    bodies = [rig.body(t_ns=rig.clock.utc() + n) for n in range(5)]
    order = [0, 2, 1, 2, 4, 3, 0]
    taken = [rig.send(bodies[n]) is not None for n in order]
    assert taken == [True, True, True, False, True, True, False]
    assert rig.only(R.DUPLICATE, 2)


@pytest.mark.drops(R.OUT_OF_DATE)
def test_a_sequence_number_from_long_ago_is_refused() -> None:
    rig = Rig()
    now = rig.clock.utc()
    assert rig.send(rig.body(seq=1_000, t_ns=now)) is not None
    assert rig.send(rig.body(seq=3, t_ns=now - 1_000)) is None
    assert rig.only(R.OUT_OF_DATE)


@pytest.mark.parametrize("seq", [0, 998])
def test_a_sensor_that_starts_anew_is_heard_at_once(seq: int) -> None:
    rig = Rig()
    for n in range(5):
        rig.send(rig.body(seq=995 + n))
        rig.clock.advance(0.1)
    assert rig.send(rig.body(seq=seq)) is not None
    assert rig.send(rig.body(seq=seq + 1)) is not None
    assert rig.counters.drops() == {}


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300))
def test_any_octets_give_a_scan_or_a_sensor_error(data: bytes) -> None:
    try:
        decode_scan(data, POSE, PLANE)
    except SensorError as error:
        assert isinstance(error.reason, SensorReason)


json_like = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyvxstd"), inner, max_size=3)
    ),
    max_leaves=8,
)
fields = st.sampled_from(
    [
        "x",
        "y",
        "lat",
        "lon",
        "range",
        "bearing",
        "vx",
        "vy",
        "yaw",
        "heading_deg",
        "std",
        "conf",
        "cls",
        "length",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.dictionaries(fields, json_like | st.floats(-200.0, 200.0), max_size=5), max_size=5))
def test_any_objects_give_only_sound_detections(objects: list[dict[str, Any]]) -> None:
    body = {"v": 1, "sensor": "cam-1", "seq": 1, "t_ns": 1, "objects": objects}
    _, detections, errors = decode_scan(msgspec.msgpack.encode(body), POSE, PLANE)
    assert len(detections) + len(errors) == len(objects)
    for found in detections:
        assert math.dist((found.x_m, found.y_m), (POSE.x_m, POSE.y_m)) < 108.0
        assert all(math.isfinite(v) for v in msgspec.structs.astuple(found) if isinstance(v, float))


def test_health_is_judged_by_what_arrives() -> None:
    clock = VirtualClock()
    watch = SensorWatch([spec(), spec("cam-2")], clock)

    def scan(delay_ms: float) -> Scan:
        measured = UtcNs(clock.utc() - round(delay_ms * 1e6))
        return Scan("cam-1", 0, measured, clock.mono(), MonoNs(0), "", ())

    def health() -> list[SensorHealth]:
        return [state.health for state in watch.states()]

    assert health() == [SensorHealth.AWAITED] * 2
    for _ in range(30):
        watch.on_scan(scan(60.0))
        clock.advance(0.1)
    assert health() == [SensorHealth.OK, SensorHealth.AWAITED]
    status = watch.states()[0]
    assert (status.delay_ms, status.rate_hz, status.scans) == (
        pytest.approx(60.0),
        pytest.approx(10.0, rel=0.01),
        30,
    )
    for _ in range(30):
        watch.on_scan(scan(400.0))
        clock.advance(0.1)
    assert health()[0] is SensorHealth.LATE
    clock.advance(0.6)
    assert health()[0] is SensorHealth.SILENT
