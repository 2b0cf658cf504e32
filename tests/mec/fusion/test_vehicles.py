"""Vehicles that speak: one track each, joined with what sensors see, and not believed in everything."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wayside.asn1.messages import (
    Acceleration,
    BasicSafety,
    EllipseAccuracy,
    Emergency,
    Maneuver,
    Position,
    Size,
)
from wayside.clock import UtcNs, VirtualClock
from wayside.geo import LocalPlane, heading_from_yaw
from wayside.mec.fusion import (
    V2X,
    EmergencyVehicle,
    FusedTrack,
    Fusion,
    FusionReason,
    SensorView,
    VehicleSettings,
)
from wayside.mec.sensors import Detection, ParticipantClass, Scan
from wayside.observe import Counters

PLANE = LocalPlane(39.0, 117.0)
CAMERA = SensorView("cam", 0.0, -50.0, math.pi / 2, 300.0, (0.6, 0.3))


class Road:
    """Cars on straight lines at constant speed, seen by a camera and heard by BSM as a test asks."""

    def __init__(self, **limits: int) -> None:
        self.clock = VirtualClock()
        self.counters = Counters()
        self.start = self.clock.utc()
        self.fusion = Fusion(PLANE, (CAMERA,), self.clock, self.counters, vehicles=VehicleSettings(**limits))
        self.seq = 0

    @property
    def t(self) -> float:
        return (self.clock.utc() - self.start) / 1e9

    def see(self, *places: tuple[float, float], kind: ParticipantClass = ParticipantClass.CAR) -> None:
        self.seq += 1
        found = tuple(Detection(x, y, kind, length_m=4.6, width_m=1.8, std_m=(0.4, 0.4)) for x, y in places)
        now = self.clock.mono()
        self.fusion.on_scan(Scan("cam", self.seq, self.clock.utc(), now, now, f"scan{self.seq}", found))

    def say(
        self,
        session: str,
        x: float,
        y: float,
        speed: float | None,
        *,
        yaw: float = 0.0,
        vehicle_id: bytes = b"\x01\x02\x03\x04",
        std: float | None = 1.0,
        utc_ns: int | None = None,
        **more: object,
    ) -> FusionReason | None:
        lat, lon = PLANE.to_lat_lon(x, y)
        message = BasicSafety(
            vehicle_id=vehicle_id,
            msg_count=0,
            position=Position(lat, lon),
            utc_ns=self.clock.utc() if utc_ns is None else utc_ns,
            accuracy=None if std is None else EllipseAccuracy(std, std),
            speed_mps=speed,
            heading_deg=heading_from_yaw(yaw),
            **{"size": Size(1.8, 4.6), **more},  # type: ignore[arg-type]
        )
        return self.fusion.on_basic_safety(session, message, arrived=self.clock.mono(), trace_id="bsm")

    def tracks(self) -> list[FusedTrack]:
        return self.fusion.tracks(self.clock.utc())


def test_a_vehicle_that_only_speaks_is_a_track_with_what_it_says() -> None:
    road = Road()
    refused = road.say(
        "s1",
        10.0,
        2.0,
        8.0,
        std=0.7,
        acceleration=Acceleration(long_mps2=-2.0, yaw_rate_dps=10.0),
        lights=("leftTurnSignalOn",),
        events=("eventHardBraking",),
        vehicle_class=25,
    )
    assert refused is None
    (track,) = road.tracks()
    assert (track.session, track.vehicle_id, track.sources) == ("s1", b"\x01\x02\x03\x04", (V2X,))
    assert (track.x_m, track.y_m) == (pytest.approx(10.0, abs=0.01), pytest.approx(2.0, abs=0.01))
    assert (track.accuracy_m, track.speed_mps, track.accel_mps2) == (0.7, 8.0, -2.0)
    assert track.yaw_rate_rps == pytest.approx(-math.radians(10.0))
    assert (track.turn, track.flags) == (Maneuver.LEFT, ("eventHardBraking",))
    assert track.kind is ParticipantClass.TRUCK
    road.clock.advance(0.2)
    assert road.tracks()[0].x_m == pytest.approx(10.0 + 8.0 * 0.2 - 0.5 * 2.0 * 0.04, abs=0.02)


def test_what_a_vehicle_does_not_tell_is_taken_from_what_is_seen() -> None:
    road = Road()
    for _ in range(10):
        road.say("s1", 0.0, 0.0, 0.0, size=Size(None, None))
        road.see((0.3, 0.0), kind=ParticipantClass.BUS)
        road.clock.advance(0.1)
    (track,) = road.tracks()
    assert (track.session, track.kind) == ("s1", ParticipantClass.BUS)
    assert track.length_m == pytest.approx(4.6)


def test_an_unstated_accuracy_is_infinite_and_unstated_rates_are_unknown() -> None:
    road = Road()
    road.say("s1", 0.0, 0.0, 5.0, std=None)
    (track,) = road.tracks()
    assert track.accuracy_m == math.inf
    assert track.yaw_rate_rps is None
    assert track.turn is None


def test_a_vehicle_seen_and_heard_is_one_track_at_all_times() -> None:
    road = Road()
    ids, sessions = set(), set()
    for k in range(40):
        road.see((10.0 * road.t, 0.3))
        if k >= 10:
            # Its satellite position is 1.2 m off.
            road.say("s1", 10.0 * road.t + 1.0, -0.6, 10.0)
        for track in road.tracks():
            ids.add(track.track_id)
            sessions.add(track.session)
        if k >= 3:
            assert len(road.tracks()) == 1, k
        road.clock.advance(0.1)
    assert len(ids) == 1
    assert sessions == {"", "s1"}
    (track,) = road.tracks()
    assert track.sources == ("cam", V2X)
    assert track.accuracy_m == 1.0


def test_a_vehicle_heard_first_keeps_its_identity_when_sensors_see_it_too() -> None:
    road = Road()
    ids = set()
    for k in range(40):
        road.say("s1", -20.0 + 10.0 * road.t, 0.0, 10.0)
        if k >= 15:
            road.see((-20.0 + 10.0 * road.t + 0.5, 0.4))
        tracks = road.tracks()
        assert len(tracks) == 1, k
        ids.add(tracks[0].track_id)
        road.clock.advance(0.1)
    assert len(ids) == 1


def test_the_session_stays_when_the_temporary_id_rotates() -> None:
    road = Road()
    ids, sessions = set(), set()
    for k in range(40):
        road.say("s1", 10.0 * road.t, 0.0, 10.0, vehicle_id=bytes([k // 10]) * 4)
        (track,) = road.tracks()
        ids.add(track.track_id)
        sessions.add(track.session)
        road.clock.advance(0.1)
    assert (len(ids), sessions) == (1, {"s1"})
    assert track.vehicle_id == b"\x03\x03\x03\x03"


def test_a_vehicle_heard_by_radio_stays_one_when_its_id_rotates() -> None:
    road = Road()
    ids = set()
    for k in range(40):
        road.say("", 10.0 * road.t, 0.0, 10.0, vehicle_id=bytes([k // 10]) * 4)
        (track,) = road.tracks()
        ids.add(track.track_id)
        assert track.session == ""
        road.clock.advance(0.1)
    assert len(ids) == 1


def test_a_vehicle_heard_both_by_session_and_by_radio_is_one() -> None:
    road = Road()
    for k in range(40):
        vehicle_id = bytes([k // 7]) * 4
        # Radio is heard first, also with the new id.
        road.say("", 10.0 * road.t, 0.0, 10.0, vehicle_id=vehicle_id)
        if k >= 3:
            road.clock.advance(0.02)
            road.say("s1", 10.0 * road.t, 0.0, 10.0, vehicle_id=vehicle_id)
        assert len(road.tracks()) == 1, k
        road.clock.advance(0.08)
    assert road.tracks()[0].session == "s1"


def test_two_sessions_are_never_one_vehicle_even_in_one_place() -> None:
    road = Road()
    for _ in range(10):
        road.say("s1", 10.0 * road.t, 0.0, 10.0, vehicle_id=b"aaaa")
        road.say("s2", 10.0 * road.t + 0.3, 0.0, 10.0, vehicle_id=b"aaaa")
        road.see((10.0 * road.t, 0.0))
        road.clock.advance(0.1)
    assert sorted(track.session for track in road.tracks()) == ["s1", "s2"]


def test_two_cars_side_by_side_join_their_own() -> None:
    road = Road()
    for _ in range(30):
        x = 12.0 * road.t
        road.see((x, 0.0), (x + 0.5, 3.2))
        road.say("s1", x + 0.4, 0.5, 12.0, vehicle_id=b"aaaa")
        road.say("s2", x + 0.6, 3.0, 12.0, vehicle_id=b"bbbb")
        road.clock.advance(0.1)
    tracks = {track.session: track for track in road.tracks()}
    assert set(tracks) == {"s1", "s2"}
    assert tracks["s1"].y_m < 1.2 < 2.4 < tracks["s2"].y_m


def test_a_wrong_pair_is_given_up_for_one_that_agrees_much_better() -> None:
    road = Road()
    for k in range(40):
        # The other car is seen first; the speaking one comes out from behind it.
        other, own = (12.0 * road.t, 3.0), (12.0 * road.t, 0.0)
        road.see(other, *([own] if k >= 15 else []))
        road.say("s1", *own, 12.0, std=1.3)
        road.tracks()
        road.clock.advance(0.1)
    tracks = {track.session: track for track in road.tracks()}
    assert set(tracks) == {"", "s1"}
    assert tracks["s1"].y_m < 0.6 < 2.4 < tracks[""].y_m


def test_a_second_sight_of_a_speaking_vehicle_is_not_a_second_vehicle() -> None:
    def count(heard: bool) -> int:
        road = Road()
        most = 0
        for k in range(25):
            # From the fifth scan on the camera sees the front and the rear as two cars.
            x = 10.0 * road.t
            road.see(*([(x - 1.5, 0.0), (x + 1.5, 0.0)] if k >= 5 else [(x, 0.0)]))
            if heard:
                road.say("s1", x, 0.0, 10.0)
            most = max(most, len(road.tracks()))
            road.clock.advance(0.1)
        return most

    assert count(heard=False) == 2
    assert count(heard=True) == 1


def test_a_car_in_the_next_lane_is_no_second_sight() -> None:
    road = Road()
    for k in range(20):
        x = 10.0 * road.t
        road.see((x, 0.0), *([(x, 2.8)] if k >= 5 else []))
        road.say("s1", x, 0.0, 10.0)
        road.tracks()
        road.clock.advance(0.1)
    assert len(road.tracks()) == 2


def test_a_pedestrian_beside_a_connected_car_is_not_taken_for_it() -> None:
    road = Road()
    for _ in range(20):
        road.see((1.5, 1.0), kind=ParticipantClass.PEDESTRIAN)
        road.say("s1", 0.0, 0.0, 0.0)
        road.clock.advance(0.1)
    assert sorted(track.kind for track in road.tracks()) == [
        ParticipantClass.CAR,
        ParticipantClass.PEDESTRIAN,
    ]


def test_a_pair_that_drives_apart_becomes_two_and_the_vehicle_keeps_the_identity() -> None:
    road = Road()
    for _ in range(20):
        road.see((10.0 * road.t, 0.0))
        road.say("s1", 10.0 * road.t, 0.5, 10.0)
        road.clock.advance(0.1)
    (before,) = road.tracks()
    for k in range(20):
        road.see((20.0 + 10.0 * 0.1 * k, 0.0))
        road.say("s1", 20.0 + 10.0 * 0.1 * k, 0.5 + 0.6 * k, 12.0, yaw=0.55)
        road.tracks()
        road.clock.advance(0.1)
    tracks = {track.session: track for track in road.tracks()}
    assert set(tracks) == {"", "s1"}
    assert tracks["s1"].track_id == before.track_id != tracks[""].track_id


def test_a_silent_vehicle_goes_and_its_seen_track_stays_the_same() -> None:
    road = Road()
    ids = set()
    for k in range(60):
        road.see((10.0 * road.t, 0.0))
        if k < 15:
            road.say("s1", 10.0 * road.t, 0.0, 10.0)
        if k >= 3:
            (track,) = road.tracks()
            ids.add(track.track_id)
        road.clock.advance(0.1)
    assert len(ids) == 1
    assert (track.session, track.sources) == ("", ("cam",))
    assert road.fusion.vehicles == 0


def test_a_session_that_went_down_is_not_named_until_it_is_back() -> None:
    road = Road()
    road.say("s1", 0.0, 0.0, 0.0)
    road.fusion.on_session("s1", False)
    assert [track.session for track in road.tracks()] == [""]
    road.fusion.on_session("s1", True)
    assert [track.session for track in road.tracks()] == ["s1"]
    road.fusion.on_session("nobody", True)


def test_a_vehicle_that_comes_back_under_a_new_session_is_not_there_twice() -> None:
    road = Road()
    ids = set()
    for k in range(30):
        if k == 15:
            road.fusion.on_session("s1", False)
        if not 15 <= k < 18:
            road.say("s1" if k < 15 else "s2", 10.0 * road.t, 0.0, 10.0, vehicle_id=bytes([k // 16]) * 4)
        (track,) = road.tracks()
        ids.add(track.track_id)
        road.clock.advance(0.1)
    assert (len(ids), track.session) == (1, "s2")


def test_a_stamp_from_a_wrong_clock_is_replaced_by_the_arrival() -> None:
    road = Road()
    road.say("s1", 0.0, 0.0, 10.0, utc_ns=road.clock.utc() - 30_000_000_000)
    road.clock.advance(0.1)
    assert road.tracks()[0].x_m == pytest.approx(1.0, abs=0.01)


@pytest.mark.drops(FusionReason.BSM_JUMP)
def test_a_jump_is_refused_until_the_new_place_is_confirmed() -> None:
    road = Road()
    refused = []
    for k in range(20):
        x = 10.0 * road.t + (80.0 if k >= 10 else 0.0)
        refused.append(road.say("s1", x, 0.0, 10.0))
        road.clock.advance(0.1)
    assert refused[:10] == [None] * 10
    assert refused[10:14] == [FusionReason.BSM_JUMP] * 4
    assert refused[14:] == [None] * 6
    assert road.counters.dropped(FusionReason.BSM_JUMP) == 4


@pytest.mark.drops(FusionReason.BSM_SPEED_MISMATCH)
@pytest.mark.parametrize(("real", "told"), [(0.0, 20.0), (25.0, 12.0)])
def test_a_speed_that_does_not_fit_the_way_made_is_refused(real: float, told: float) -> None:
    road = Road()
    refused = []
    for _ in range(20):
        refused.append(road.say("s1", real * road.t, 0.0, told, std=0.5))
        road.clock.advance(0.1)
    assert FusionReason.BSM_SPEED_MISMATCH in refused


def test_honest_driving_is_never_refused() -> None:
    road = Road()
    x = y = yaw = 0.0
    speed = 0.0
    for k in range(600):
        acceleration = 2.5 if k < 60 else -6.0 if 200 <= k < 225 else 0.0
        speed = max(0.0, speed + acceleration * 0.1)
        yaw += 0.05 if 100 <= k < 131 else 0.0
        x, y = x + speed * 0.1 * math.cos(yaw), y + speed * 0.1 * math.sin(yaw)
        assert road.say("s1", x, y, speed, yaw=yaw, std=0.5) is None, k
        road.clock.advance(0.1)


@pytest.mark.drops(FusionReason.BSM_IMPLAUSIBLE)
@pytest.mark.parametrize(
    ("x", "speed"), [(math.nan, 1.0), (60_000.0, 1.0), (0.0, 150.0), (0.0, -1.0), (0.0, math.inf)]
)
def test_what_cannot_be_is_refused(x: float, speed: float) -> None:
    road = Road()
    assert road.say("s1", x, 0.0, speed) is FusionReason.BSM_IMPLAUSIBLE
    assert road.tracks() == []


@pytest.mark.drops(FusionReason.BSM_OLD)
def test_a_message_that_is_not_newer_is_refused() -> None:
    road = Road()
    road.clock.advance(1.0)
    assert road.say("s1", 0.0, 0.0, 1.0) is None
    assert road.say("s1", 0.0, 0.0, 1.0) is FusionReason.BSM_OLD
    assert road.say("s1", 0.0, 0.0, 1.0, utc_ns=road.clock.utc() - 100_000_000) is FusionReason.BSM_OLD


def test_radio_cannot_speak_for_a_vehicle_that_speaks_itself() -> None:
    road = Road()
    road.clock.advance(1.0)
    road.say("s1", 0.0, 0.0, 1.0)
    road.clock.advance(0.1)
    assert road.say("", 2.0, 0.0, 9.0) is FusionReason.BSM_OLD
    assert road.tracks()[0].speed_mps == 1.0


@pytest.mark.drops(FusionReason.VEHICLES_FULL)
def test_vehicles_are_bounded_and_radio_does_not_take_the_place_of_sessions() -> None:
    road = Road(max_vehicles=10)
    for k in range(15):
        road.say("", 30.0 * k, 0.0, 0.0, vehicle_id=bytes([k]) * 4)
    for k in range(12):
        road.say(f"s{k}", 30.0 * k, 50.0, 0.0, vehicle_id=bytes([100 + k]) * 4)
    assert road.counters.dropped(FusionReason.VEHICLES_FULL) == 5 + 2
    assert len({track.session for track in road.tracks()} - {""}) == 10


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["", "s1", "s2"]),
            st.floats(-200.0, 200.0),
            st.floats(-200.0, 200.0),
            st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True)),
            st.sampled_from([b"aaaa", b"bbbb", b""]),
        ),
        max_size=30,
    )
)
def test_whatever_vehicles_say_each_session_is_one_finite_track(
    said: list[tuple[str, float, float, float | None, bytes]],
) -> None:
    road = Road(max_vehicles=10)
    for session, x, y, speed, vehicle_id in said:
        road.say(session, x, y, speed, vehicle_id=vehicle_id)
        road.see((x, y))
        road.clock.advance(0.07)
        tracks = road.tracks()
        named = [track.session for track in tracks if track.session]
        assert len(named) == len(set(named))
        assert len({track.track_id for track in tracks}) == len(tracks)
        for track in tracks:
            numbers = (track.x_m, track.y_m, track.vx_mps, track.vy_mps, track.yaw_rad, track.accel_mps2)
            assert all(math.isfinite(number) for number in numbers)


def test_a_vehicle_that_no_one_sees_is_published_for_a_second_of_silence() -> None:
    road = Road()
    road.say("s1", 0.0, 0.0, 10.0)
    road.clock.advance(1.0)
    assert len(road.tracks()) == 1
    road.clock.advance(0.1)
    assert road.tracks() == []
    assert road.fusion.vehicles == 1


def test_now_in_the_past_is_no_harm() -> None:
    road = Road()
    road.say("s1", 0.0, 0.0, 10.0)
    assert road.fusion.tracks(UtcNs(road.clock.utc() - 10_000_000_000))[0].session == "s1"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"vehicle_class": 10, "emergency": Emergency("emergency", "inUse", "inUse")}, None),
        ({"emergency": Emergency("emergency", "inUse", "inUse")}, None),
        ({"vehicle_class": 59}, None),
        ({"vehicle_class": 70}, None),
        ({"vehicle_class": 60}, EmergencyVehicle(60, None)),
        (
            {"vehicle_class": 69, "emergency": Emergency("pursuit", "inUse", "notInUse")},
            EmergencyVehicle(69, None, True, False, "pursuit"),
        ),
        (
            {"vehicle_class": 10, "role": "police", "emergency": Emergency(lightbar="inUse")},
            EmergencyVehicle(10, "police", False, True),
        ),
        (
            {"role": "fire", "emergency": Emergency(flags=("peEmergencySoundActive",))},
            EmergencyVehicle(None, "fire", True, False),
        ),
        (
            {"role": "fire", "emergency": Emergency(lightbar="yellowCautionLights")},
            EmergencyVehicle(None, "fire"),
        ),
        ({"role": "dot", "emergency": Emergency(siren="inUse")}, None),
    ],
)
def test_only_an_emergency_class_or_role_makes_an_emergency_vehicle(
    said: dict[str, object], told: EmergencyVehicle | None
) -> None:
    road = Road()
    assert road.say("s", 0.0, 0.0, 10.0, **said) is None  # type: ignore[arg-type]
    (track,) = road.tracks()
    assert track.emergency == told


def test_class_and_role_stay_while_a_message_leaves_them_out_and_the_siren_does_not() -> None:
    road = Road()
    said: list[dict[str, object]] = [
        {"vehicle_class": 65, "emergency": Emergency(siren="inUse")},
        {},
        {"emergency": Emergency(lightbar="inUse")},
        {"vehicle_class": 10},
        {"emergency": Emergency(siren="inUse")},
    ]
    found = []
    for i, more in enumerate(said):
        assert road.say("s", float(i), 0.0, 10.0, **more) is None  # type: ignore[arg-type]
        found.append(road.tracks()[0].emergency)
        road.clock.advance(0.1)
    assert found == [
        EmergencyVehicle(65, None, True, False),
        EmergencyVehicle(65, None),
        EmergencyVehicle(65, None, False, True),
        None,
        None,
    ]
