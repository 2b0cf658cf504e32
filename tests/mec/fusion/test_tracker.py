"""The tracker: order of arrival, identities, occlusion, bounds."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wayside.clock import UtcNs, VirtualClock
from wayside.geo import LocalPlane
from wayside.mec.fusion import FusedTrack, Fusion, FusionReason, SensorView, TrackerSettings
from wayside.mec.sensors import Detection, ParticipantClass, Scan
from wayside.observe import Counters

PLANE = LocalPlane(39.0, 117.0)
CAMERA = SensorView("cam", 0.0, -50.0, math.pi / 2, 200.0, (0.6, 0.3))
RADAR = SensorView("radar", 60.0, 0.0, math.pi, 200.0, (0.4, 0.8), keeps_static=False)
CAR, PEDESTRIAN = ParticipantClass.CAR, ParticipantClass.PEDESTRIAN


class Rig:
    """A fusion with its clock; scans are given by measurement and arrival in seconds."""

    def __init__(self, views: tuple[SensorView, ...] = (CAMERA, RADAR), **settings: float) -> None:
        self.clock = VirtualClock()
        self.counters = Counters()
        self.start = self.clock.utc()
        self.fusion = Fusion(PLANE, views, self.clock, self.counters, tracker=TrackerSettings(**settings))
        self.seq = 0

    def now_s(self) -> float:
        return (self.clock.utc() - self.start) / 1e9

    def until(self, time_s: float) -> None:
        self.clock.advance(max(0.0, time_s - self.now_s()))

    def scan(
        self, sensor: str, measured_s: float, *detections: Detection, trace: str = "", seq: int | None = None
    ) -> bool:
        self.seq += 1
        return self.fusion.on_scan(
            Scan(
                sensor,
                self.seq if seq is None else seq,
                UtcNs(self.start + round(measured_s * 1e9)),
                self.clock.mono(),
                self.clock.mono(),
                trace or f"t{self.seq}",
                detections,
            )
        )

    def tracks(self) -> list[FusedTrack]:
        return self.fusion.tracks(self.clock.utc())


def car(x: float, y: float, **more: float) -> Detection:
    return Detection(x, y, CAR, length_m=4.5, width_m=1.8, std_m=(0.5, 0.5), **more)


def walker(x: float, y: float) -> Detection:
    return Detection(x, y, PEDESTRIAN, std_m=(0.3, 0.3))


def test_a_moving_car_is_one_track_with_its_speed_size_and_origin() -> None:
    rig = Rig()
    for k in range(30):
        rig.until(0.1 * k)
        rig.scan("cam", 0.1 * k, car(10.0 * 0.1 * k, 3.0), trace=f"scan{k}")
    rig.until(3.0)
    (track,) = rig.tracks()
    assert track.x_m == pytest.approx(30.0, abs=0.2)
    assert track.vx_mps == pytest.approx(10.0, abs=0.3)
    assert track.yaw_rad == pytest.approx(0.0, abs=0.05)
    assert (track.kind, track.length_m) == (CAR, pytest.approx(4.5))
    assert (track.trace_id, track.sources) == ("scan29", ("cam",))
    assert track.age_s == pytest.approx(3.0)
    assert track.unseen_s == pytest.approx(0.1)


def test_a_track_is_published_with_its_third_detection() -> None:
    rig = Rig()
    seen = []
    for k in range(4):
        rig.until(0.1 * k)
        rig.scan("cam", 0.1 * k, walker(5.0, 5.0))
        seen.append(len(rig.tracks()))
    assert seen == [0, 0, 1, 1]


def test_one_false_detection_is_never_a_track() -> None:
    rig = Rig()
    for k in range(10):
        rig.until(0.1 * k)
        rig.scan("cam", 0.1 * k, *([car(40.0, 40.0)] if k == 2 else []))
        assert rig.tracks() == []


def test_a_standing_pedestrian_stays_and_keeps_its_direction() -> None:
    rig = Rig()
    noise = np.random.default_rng(1)
    ids = set()
    yaws = []
    for k in range(100):
        rig.until(0.1 * k)
        walked = min(k * 0.1 * 1.4, 2.8)
        e, n = noise.normal(0.0, 0.1, 2)
        rig.scan("cam", 0.1 * k, walker(5.0 + e, walked + n))
        for track in rig.tracks():
            ids.add(track.track_id)
            yaws.append(track.yaw_rad)
    assert len(ids) == 1
    assert rig.tracks()[0].speed_mps < 0.3
    assert all(abs(yaw - math.pi / 2) < 0.7 for yaw in yaws[15:])


def seen_by_three(kind: ParticipantClass, ahead_mps: float, aside_mps: float, seed: int) -> list[FusedTrack]:
    """The track, after each scan, of who goes `ahead_mps` and from 5 s on moves aside as well, for 1 s."""
    std = 0.2
    rig = Rig(tuple(SensorView(f"c{i}", 0.0, -50.0 + i, math.pi / 2, 200.0, (std, std)) for i in range(3)))
    rng = random.Random(seed)
    out: list[FusedTrack] = []
    for k in range(60):
        for i in range(3):
            time_s = 0.1 * k + 0.03 * i
            x, y = ahead_mps * time_s, aside_mps * max(0.0, time_s - 5.0)
            rig.until(time_s)
            noise = rng.gauss(0.0, std), rng.gauss(0.0, std)
            rig.scan(f"c{i}", time_s, Detection(x + noise[0], y + noise[1], kind, std_m=(std, std)))
            out += rig.tracks()
    return out


@pytest.mark.parametrize(
    ("kind", "ahead_mps", "rms_mps"), [(PEDESTRIAN, 0.0, 0.2), (ParticipantClass.BICYCLE, 4.5, 0.3)]
)
def test_who_goes_on_as_before_has_a_steady_velocity(
    kind: ParticipantClass, ahead_mps: float, rms_mps: float
) -> None:
    calm = [t for seed in range(3) for t in seen_by_three(kind, ahead_mps, 0.0, seed) if t.age_s > 3.0]
    assert math.sqrt(sum(t.vy_mps**2 for t in calm) / len(calm)) < rms_mps
    # What is published as its deviation is of the size of what it is off by.
    assert 0.1 < sum(t.velocity_std_mps for t in calm) / len(calm) < 0.5


@pytest.mark.parametrize(("kind", "ahead_mps"), [(PEDESTRIAN, 0.0), (ParticipantClass.BICYCLE, 4.5)])
def test_who_starts_to_move_aside_is_soon_tracked_to_do_so(kind: ParticipantClass, ahead_mps: float) -> None:
    late = []
    for seed in range(4):
        tracks = seen_by_three(kind, ahead_mps, 1.5, seed)
        late.append(next(t.age_s for t in tracks if t.age_s > 5.0 and t.vy_mps > 0.9) - 5.0)
    assert sum(late) / len(late) < 0.5
    assert max(late) < 0.7


def test_a_pedestrian_close_to_a_car_gets_a_track_of_his_own() -> None:
    rig = Rig()
    for k in range(20):
        rig.until(0.1 * k)
        near = [walker(2.0, 10.0)] if k > 10 else []
        rig.scan("cam", 0.1 * k, car(0.0, 10.0), *near)
    assert sorted(track.kind for track in rig.tracks()) == [CAR, PEDESTRIAN]


def test_a_measured_yaw_turns_the_body_the_nearer_way_round() -> None:
    rig = Rig()
    for k in range(20):
        rig.until(0.1 * k)
        rig.scan("cam", 0.1 * k, car(0.8 * k, 0.0, yaw_rad=math.pi if k % 3 else 0.0))
    (track,) = rig.tracks()
    assert abs(track.yaw_rad) < 0.1


def test_radial_and_measured_speeds_steady_a_young_track() -> None:
    with_speed, without = Rig(), Rig()
    for k in range(4):
        for rig, more in ((with_speed, {"vx_mps": 8.0, "vy_mps": 0.0}), (without, {})):
            rig.until(0.1 * k)
            rig.scan("cam", 0.1 * k, car(0.8 * k + (0.4 if k % 2 else -0.4), 0.0, **more))
    errors = [abs(rig.tracks()[0].vx_mps - 8.0) for rig in (with_speed, without)]
    assert errors[0] < 0.6 < errors[1]


def test_crossing_with_two_sensors_and_an_occlusion_keeps_both_identities() -> None:
    rig = Rig()
    noise = random.Random(3)
    seen: dict[str, set[int]] = {"east": set(), "north": set()}

    def east(t: float) -> tuple[float, float]:
        return -30.0 + 10.0 * t, 0.0

    def north(t: float) -> tuple[float, float]:
        return 2.0, -45.0 + 9.0 * t

    events = []
    for k in range(120):
        t = k * 0.05
        sensor, delay = ("cam", 0.09) if k % 2 else ("radar", 0.03)
        events.append((t + delay + noise.uniform(0.0, 0.03), t, sensor, k))
    for arrival, t, sensor, k in sorted(events):
        rig.until(arrival)
        objects = []
        for name, place in (("east", east(t)), ("north", north(t))):
            # The camera loses the one from the south behind a pillar for 0.8 s.
            if sensor == "cam" and name == "north" and 2.0 < t < 2.8:
                continue
            objects.append(car(place[0] + noise.gauss(0, 0.3), place[1] + noise.gauss(0, 0.3)))
        rig.scan(sensor, t, *objects, seq=k)
        for track in rig.tracks():
            now = rig.now_s()
            for name, place in (("east", east(now)), ("north", north(now))):
                if math.dist((track.x_m, track.y_m), place) < 1.5:
                    seen[name].add(track.track_id)
    assert [len(ids) for ids in seen.values()] == [1, 1]
    assert seen["east"] != seen["north"]
    assert len(rig.tracks()) == 2


def test_a_track_behind_another_is_not_held_against_it() -> None:
    def survive(front: bool) -> bool:
        rig = Rig((CAMERA,))
        for k in range(40):
            rig.until(0.1 * k)
            back = [walker(0.0, 20.0)] if k < 25 else []
            bus = Detection(0.0, 0.0, ParticipantClass.BUS, length_m=12.0, width_m=2.5, std_m=(0.5, 0.5))
            rig.scan("cam", 0.1 * k, *([bus] if front else []), *back)
        states = rig.fusion._rollback.state
        behind = np.abs(states.x[:, 1] - 20.0) < 1.0
        return bool((states.values[behind, 0] > 20.0).any())

    assert survive(front=True)
    assert not survive(front=False)


def run(order: list[int], scans: list[tuple[str, float, tuple[Detection, ...]]]) -> list[FusedTrack]:
    rig = Rig(horizon_s=1.0)
    rig.until(1.0)
    for index in order:
        sensor, measured, detections = scans[index]
        rig.scan(sensor, measured, *detections, seq=index)
    return rig.tracks()


@settings(max_examples=30, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 6))
def test_the_order_of_arrival_within_the_horizon_does_not_matter(rng: random.Random, cars: int) -> None:
    noise = np.random.default_rng(cars)
    scans: list[tuple[str, float, tuple[Detection, ...]]] = []
    for k in range(18):
        objects = tuple(
            car(9.0 * n + 5.0 * 0.05 * k + noise.normal(0, 0.3), noise.normal(0, 0.3))
            for n in range(cars)
            if noise.random() < 0.9
        )
        scans.append(("cam" if k % 2 else "radar", 0.05 * k + 0.1, objects))
    order = list(range(len(scans)))
    expected = run(order, scans)
    rng.shuffle(order)
    got = run(order, scans)

    def states(tracks: list[FusedTrack]) -> list[tuple[float, ...]]:
        return sorted((t.x_m, t.y_m, t.vx_mps, t.vy_mps, t.accuracy_m, t.existence) for t in tracks)

    assert np.allclose(states(expected), states(got), atol=1e-9)
    assert len({track.track_id for track in got}) == len(got)


def test_identities_survive_late_scans() -> None:
    rig = Rig()
    ids: set[int] = set()
    for k in range(40):
        rig.until(0.1 * k + 0.2)
        rig.scan("radar", 0.1 * k + 0.15, car(0.3 * k, 0.0), car(0.3 * k, 12.0))
        rig.scan("cam", 0.1 * k, car(0.3 * k - 0.4, 0.2), car(0.3 * k - 0.4, 12.2))
        ids.update(track.track_id for track in rig.tracks())
    assert len(ids) == 2
    assert rig.counters.value("fusion_replayed") > 30


@pytest.mark.drops(FusionReason.TOO_LATE)
def test_a_scan_older_than_the_horizon_is_refused_and_counted() -> None:
    rig = Rig()
    rig.until(2.0)
    assert rig.scan("cam", 1.9, car(0.0, 0.0))
    assert not rig.scan("cam", 1.0, car(0.0, 0.0))
    assert rig.counters.dropped(FusionReason.TOO_LATE) == 1


def test_a_clock_set_back_does_not_silence_the_tracker_for_long() -> None:
    rig = Rig()
    rig.until(100.0)
    for k in range(10):
        rig.scan("cam", 99.0 + 0.1 * k, car(0.0, 0.0))
    used = [rig.scan("cam", 50.0 + 0.1 * k, car(0.0, 0.0)) for k in range(40)]
    assert used.index(True) < 20
    assert all(used[20:])
    rig.tracks()
    assert rig.counters.value("fusion_resets") == 1


@pytest.mark.drops(FusionReason.TRACKS_FULL)
def test_tracks_are_bounded_and_the_rest_is_counted() -> None:
    rig = Rig(max_tracks=20)
    for k in range(5):
        rig.until(0.1 * k)
        rig.scan("cam", 0.1 * k, *(car(10.0 * n, 0.0) for n in range(-15, 15)))
    assert len(rig.tracks()) == 20
    assert rig.counters.dropped(FusionReason.TRACKS_FULL) == 50


def test_a_lost_object_fades_and_its_identity_is_not_used_again() -> None:
    rig = Rig()
    ids: list[set[int]] = []
    for part in range(3):
        found: set[int] = set()
        for k in range(10):
            rig.until(10.0 * part + 0.1 * k)
            rig.scan("cam", 10.0 * part + 0.1 * k, car(0.0, 0.0))
            found.update(track.track_id for track in rig.tracks())
        ids.append(found)
        rig.until(10.0 * part + 5.0)
        assert rig.tracks() == []
    assert [len(found) for found in ids] == [1, 1, 1]
    assert len(set.union(*ids)) == 3


numbers = st.floats(-300.0, 300.0)
some = st.one_of(st.none(), st.floats(-100.0, 100.0))
detections = st.builds(
    Detection,
    x_m=numbers,
    y_m=numbers,
    kind=st.sampled_from(list(ParticipantClass)),
    confidence=st.floats(0.0, 1.0),
    vx_mps=some,
    vy_mps=some,
    range_rate_mps=some,
    length_m=st.one_of(st.none(), st.floats(0.01, 60.0)),
    width_m=st.one_of(st.none(), st.floats(0.01, 60.0)),
    yaw_rad=st.one_of(st.none(), st.floats(-3.2, 3.2)),
    std_m=st.one_of(st.none(), st.tuples(st.floats(0.02, 50.0), st.floats(0.02, 50.0))),
)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["cam", "radar"]), st.floats(-0.5, 0.2), st.lists(detections, max_size=8)),
        max_size=25,
    )
)
def test_whatever_sound_scans_say_states_stay_finite(
    scans: list[tuple[str, float, list[Detection]]],
) -> None:
    rig = Rig(max_tracks=30)
    rig.until(1.0)
    for sensor, shift, found in scans:
        rig.clock.advance(0.05)
        rig.scan(sensor, rig.now_s() + shift, *found)
        # Twice over, so that tracks are confirmed now and then.
        rig.scan(sensor, rig.now_s() + shift, *found)
        rig.scan(sensor, rig.now_s() + shift, *found)
        tracks = rig.tracks()
        assert len(tracks) <= 30
        for track in tracks:
            assert all(math.isfinite(v) for v in track if isinstance(v, float))
            assert track.speed_mps < 400.0


def test_memory_is_bounded_over_a_long_run() -> None:
    rig = Rig(max_tracks=50)
    noise = np.random.default_rng(5)
    for k in range(3_000):
        rig.clock.advance(0.02)
        at = noise.uniform(-80.0, 80.0, (6, 2)).tolist()
        rig.scan("cam" if k % 2 else "radar", rig.now_s() - 0.05 * (k % 3), *(car(x, y) for x, y in at))
    fusion = rig.fusion
    assert len(fusion._stamps) < 3_000
    assert len(fusion._rollback._log) <= 64
    assert len(fusion._rollback.tracker.births) < 64 * 6 + 64


def test_a_track_that_a_late_scan_brings_back_still_knows_its_birth() -> None:
    rig = Rig(coast_s=0.25)
    for k in range(1_200):
        rig.until(0.05 * k)
        rig.scan("cam", 0.05 * k, car(10.0, 3.0), trace=f"scan{k}")
    (before,) = rig.tracks()
    last_s = rig.now_s()
    for k in range(1, 10):
        rig.until(last_s + 0.05 * k)
        rig.scan("cam", last_s + 0.05 * k)
    assert len(rig.fusion._rollback.state) == 0
    rig.fusion._forget_stamps()
    rig.until(last_s + 0.5)
    for k in (0.22, 0.43):
        assert rig.scan("radar", last_s + k, car(10.0, 3.0))
    (track,) = rig.tracks()
    assert (track.track_id, track.born_arrived) == (before.track_id, before.born_arrived)
