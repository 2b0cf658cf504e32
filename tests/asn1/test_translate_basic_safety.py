"""BSM of both families."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayside.asn1 import load
from wayside.asn1.messages import (
    Acceleration,
    BasicSafety,
    EllipseAccuracy,
    Emergency,
    PathPoint,
    Position,
    Size,
    Transmission,
)
from wayside.asn1.translate import DIALECTS, TranslateError, TranslateReason, to_message, to_wire
from wayside.clock import UtcNs

CSAE, J2735 = "csae53-2020", "j2735-2024"
NEAR = UtcNs(1_773_993_600_000_000_000)
HERE = Position(39.0, 117.3, 2.0)


def bsm(**changes: Any) -> BasicSafety:
    return BasicSafety(**({"vehicle_id": b"\1\2\3\4", "msg_count": 1, "position": HERE} | changes))


def again(dialect: str, message: BasicSafety, near: UtcNs = NEAR) -> BasicSafety:
    octets = load(dialect).encode(to_wire(dialect, message).value)
    found = to_message(dialect, load(dialect).decode(octets), near=near).message
    assert isinstance(found, BasicSafety)
    return found


def core(message: BasicSafety) -> dict[str, Any]:
    fields: dict[str, Any] = to_wire(J2735, message).value["value"]["coreData"]
    return fields


def test_what_a_vehicle_does_not_know_is_a_sentinel_on_the_wire_and_none_in_the_message() -> None:
    fields = core(bsm(position=Position(39.0, 117.3)))
    assert fields["speed"] == 8191
    assert fields["heading"] == 28800
    assert fields["angle"] == 127
    assert fields["secMark"] == 65535
    assert fields["elev"] == -4096
    assert fields["accelSet"] == {"long": 2001, "lat": 2001, "vert": -127, "yaw": 0}
    assert fields["accuracy"] == {"semiMajor": 255, "semiMinor": 255, "orientation": 65535}
    assert fields["transmission"] == "unavailable"
    for dialect in DIALECTS:
        found = again(dialect, bsm(position=Position(39.0, 117.3)))
        assert found.speed_mps is None and found.heading_deg is None and found.utc_ns is None
        assert found.acceleration == Acceleration()
        assert found.position.elevation_m is None
        assert found.accuracy is None and found.wheel_brakes is None
        assert found.size == Size(None, None)


@pytest.mark.drops(TranslateReason.NO_POSITION)
@pytest.mark.parametrize(("lat", "lon"), ((900000001, 0), (0, 1800000001), (900000001, 1800000001)))
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_vehicle_without_a_position_is_refused(dialect: str, lat: int, lon: int) -> None:
    value = to_wire(dialect, bsm()).value
    where = value[1]["pos"] if dialect == CSAE else value["value"]["coreData"]
    where |= {"lat": lat, "long": lon}
    with pytest.raises(TranslateError) as refused:
        to_message(dialect, value, near=NEAR)
    assert refused.value.reason is TranslateReason.NO_POSITION


@pytest.mark.parametrize("millisecond", (60000, 60999, 65534, 65535))
def test_a_millisecond_beyond_the_minute_is_no_time(millisecond: int) -> None:
    value = to_wire(J2735, bsm()).value
    value["value"]["coreData"]["secMark"] = millisecond
    found = to_message(J2735, value, near=NEAR).message
    assert isinstance(found, BasicSafety) and found.utc_ns is None


def test_the_minute_is_the_nearest_to_the_receipt() -> None:
    sent = UtcNs(NEAR - 50_000_000)
    for dialect in DIALECTS:
        assert again(dialect, bsm(utc_ns=sent), near=UtcNs(NEAR + 20_000_000)).utc_ns == sent


@given(
    st.floats(0, 163.8),
    st.floats(0, 359.999),
    st.floats(-20, 20),
    st.floats(-1.9, 1.9),
    st.floats(-300, 300),
    st.floats(-89.9, 89.9),
    st.floats(-179.9999, 179.9999),
)
def test_values_in_range_survive_both_wires_within_half_a_step(
    speed: float, heading: float, accel: float, vert: float, yaw: float, lat: float, lon: float
) -> None:
    message = bsm(
        speed_mps=speed,
        heading_deg=heading,
        acceleration=Acceleration(accel, -accel, vert, yaw),
        position=Position(lat, lon, 10.0),
        steering_wheel_deg=accel,
    )
    for dialect in DIALECTS:
        assert not to_wire(dialect, message).lost
        found = again(dialect, message)
        assert found.speed_mps == pytest.approx(speed, abs=0.0101)
        assert found.heading_deg is not None
        assert abs(math.remainder(found.heading_deg - heading, 360)) < 0.0063
        assert found.acceleration.long_mps2 == pytest.approx(accel, abs=0.0051)
        assert found.acceleration.vert_mps2 == pytest.approx(vert, abs=0.0982)
        assert found.acceleration.yaw_rate_dps == pytest.approx(yaw, abs=0.0051)
        assert found.position.lat_deg == pytest.approx(lat, abs=0.6e-7)
        assert found.position.lon_deg == pytest.approx(lon, abs=0.6e-7)
        assert again(dialect, found) == found


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_values_beyond_the_range_are_cut_to_it_and_noted(speed: float, accel: float) -> None:
    message = bsm(speed_mps=speed, acceleration=Acceleration(accel, 0.0, 0.0, 0.0))
    for dialect in DIALECTS:
        lost = to_wire(dialect, message).lost
        found = again(dialect, message)
        assert any(line.startswith("speed_mps") for line in lost) == (round(speed * 50) not in range(8191))
        assert found.speed_mps == pytest.approx(min(max(speed, 0), 163.8), abs=0.0101)
        assert found.acceleration.long_mps2 == pytest.approx(min(max(accel, -20), 20), abs=0.0051)


@pytest.mark.drops(TranslateReason.OUT_OF_RANGE)
@pytest.mark.parametrize(
    "changes",
    (
        {"position": Position(90.1, 0.0)},
        {"position": Position(0.0, 180.1)},
        {"position": Position(math.nan, 0.0)},
        {"speed_mps": math.nan},
        {"heading_deg": math.inf},
        {"msg_count": 128},
        {"vehicle_class": 256},
    ),
)
def test_values_that_cutting_would_falsify_are_refused(changes: dict[str, Any]) -> None:
    for dialect in DIALECTS:
        with pytest.raises(TranslateError) as refused:
            to_wire(dialect, bsm(**changes))
        assert refused.value.reason is TranslateReason.OUT_OF_RANGE


def test_a_heading_of_360_degrees_is_north_and_not_unavailable() -> None:
    assert core(bsm(heading_deg=359.999))["heading"] == 0
    assert core(bsm(heading_deg=-90.0))["heading"] == 21600


def test_everything_that_both_families_have_survives_both_wires() -> None:
    message = bsm(
        utc_ns=NEAR,
        accuracy=EllipseAccuracy(1.5, 0.75, None),
        transmission=Transmission.REVERSE,
        brakes={"abs": "engaged", "traction": "on", "scs": "off", "brakeBoost": "on", "auxBrakes": "off"},
        wheel_brakes=("leftFront", "rightRear"),
        size=Size(1.8, 4.5, 1.5),
        vehicle_class=10,
        fuel_type=4,
        events=("eventHardBraking", "eventHazardLights"),
        lights=("fogLightOn",),
        path_history=(PathPoint(Position(38.9999, 117.3001, 2.5), 1.5, 3.0, 45.0),),
        path_radius_m=-250.0,
        path_confidence=0.5,
        emergency=Emergency("pursuit", "inUse", None),
    )
    for dialect in DIALECTS:
        assert not to_wire(dialect, message).lost
        found = again(dialect, message)
        assert sorted(found.events) == sorted(message.events)
        assert again(dialect, found) == found
        for name in message.__struct_fields__:
            if name not in ("events", "vehicle_id", "role"):
                assert getattr(found, name) == getattr(message, name), name


def test_an_id_of_4_octets_goes_over_csae_and_back_without_loss() -> None:
    carried = again(CSAE, bsm(vehicle_id=b"\1\2\3\4"))
    assert carried.vehicle_id == b"\1\2\3\4\0\0\0\0"
    assert not to_wire(J2735, carried).lost
    assert again(J2735, carried).vehicle_id == b"\1\2\3\4"


def test_an_id_of_8_octets_is_cut_for_j2735_and_that_is_noted() -> None:
    value, lost = to_wire(J2735, bsm(vehicle_id=b"12345678"))
    assert value["value"]["coreData"]["id"] == b"1234"
    assert lost == ("vehicle_id: 3132333435363738 cut to 4 octets",)


def test_j2735_crumbs_lie_behind_a_vehicle_that_drives_forward() -> None:
    # Heading north with an offset of +1000: the vehicle's position minus the crumb's.
    message = bsm(heading_deg=0.0, path_history=(PathPoint(Position(38.9999, 117.3), 1.0),))
    crumb = to_wire(J2735, message).value["value"]["partII"][0]["partII-Value"]["pathHistory"]["crumbData"][0]
    assert crumb["latOffset"] == 1000
    assert again(J2735, message).path_history[0].position.lat_deg == pytest.approx(38.9999)


def test_csae_crumbs_are_offsets_from_the_vehicle_longitude_first() -> None:
    message = bsm(path_history=(PathPoint(Position(38.9999, 117.3002), 1.0),))
    crumb = to_wire(CSAE, message).value[1]["safetyExt"]["pathHistory"]["crumbData"][0]
    name, offset = crumb["llvOffset"]["offsetLL"]
    assert name == "position-LL1"
    assert list(offset.items()) == [("lon", 2000), ("lat", -1000)]


def test_crumbs_beyond_reach_and_beyond_23_are_noted_as_lost() -> None:
    far = PathPoint(Position(39.5, 117.3), 1.0)
    assert "path_history[0]: too far away" in to_wire(J2735, bsm(path_history=(far,))).lost
    assert not to_wire(CSAE, bsm(path_history=(far,))).lost
    many = (PathPoint(HERE, 1.0),) * 30
    for dialect in DIALECTS:
        assert "path_history[23..]: the list holds 23" in to_wire(dialect, bsm(path_history=many)).lost


def test_a_straight_path_has_a_confidence_and_no_radius() -> None:
    message = bsm(path_radius_m=None, path_confidence=1.0)
    part = to_wire(J2735, message).value["value"]["partII"][0]["partII-Value"]
    assert part["pathPrediction"] == {"radiusOfCurve": 32767, "confidence": 200}
    assert again(CSAE, message).path_radius_m is None


def test_a_jack_knife_is_lost_to_csae_and_makes_the_j2735_bits_longer() -> None:
    message = bsm(events=("eventJackKnife",))
    part = to_wire(J2735, message).value["value"]["partII"][0]["partII-Value"]
    assert part["events"] == (b"\x00\x04", 14)
    assert again(J2735, message).events == ("eventJackKnife",)
    assert to_wire(CSAE, message).lost == ("events: eventJackKnife",)


def test_the_brake_pedal_is_lost_to_j2735() -> None:
    message = bsm(brakes={"brakePadel": "on"})
    assert again(CSAE, message).brakes == {"brakePadel": "on"}
    assert to_wire(J2735, message).lost == ("brakes.brakePadel: on",)


def test_wheels_that_do_not_brake_are_not_unknown_wheels() -> None:
    for dialect in DIALECTS:
        assert again(dialect, bsm(wheel_brakes=())).wheel_brakes == ()
        assert again(dialect, bsm(wheel_brakes=None)).wheel_brakes is None


def test_an_accuracy_by_name_never_claims_more_than_the_vehicle_does() -> None:
    value = to_wire(CSAE, bsm(accuracy_m=0.7)).value[1]
    assert value["posConfidence"] == {"pos": "a1m"}
    assert to_wire(CSAE, bsm(accuracy_m=900.0)).lost == ("accuracy_m: 900 m is coarser than any name",)
    assert again(J2735, bsm(accuracy_m=0.7)).accuracy == EllipseAccuracy(0.7, 0.7)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("siren", [None, "notInUse", "inUse"])
@pytest.mark.parametrize("response", [None, "emergency", "pursuit", "nonEmergency"])
def test_an_emergency_vehicle_survives_both_wires(
    dialect: str, siren: str | None, response: str | None
) -> None:
    message = bsm(vehicle_class=65, emergency=Emergency(response, siren, "inUse"))
    assert not to_wire(dialect, message).lost
    found = again(dialect, message)
    assert found.vehicle_class == 65 and found.emergency == message.emergency
    assert again(dialect, bsm(vehicle_class=65)).emergency is None


def test_role_and_privileged_flags_are_carried_by_j2735_and_lost_to_csae() -> None:
    flags = ("peEmergencyResponse", "peEmergencySoundActive")
    message = bsm(role="ambulance", emergency=Emergency(flags=flags))
    found = again(J2735, message)
    assert found.role == "ambulance" and found.emergency == Emergency(flags=flags)
    assert to_wire(CSAE, message).lost == (
        "role: ambulance",
        "emergency.flags: peEmergencyResponse",
        "emergency.flags: peEmergencySoundActive",
    )
    assert again(CSAE, message).role is None


def test_a_role_without_a_name_on_the_wire_is_none() -> None:
    assert to_wire(J2735, bsm(role="fireBrigade")).lost == ("role: fireBrigade",)
    assert again(J2735, bsm(role="fireBrigade")).role is None
    assert again(J2735, bsm(fuel_type=4)).role is None


def test_emergency_states_without_a_name_on_the_wire_are_noted_as_lost() -> None:
    message = bsm(emergency=Emergency("hurry", "loud", "blue", ("peEmergencyParking",)))
    for dialect in DIALECTS:
        lost = to_wire(dialect, message).lost
        assert lost[:3] == (
            "emergency.responseType: hurry",
            "emergency.sirenUse: loud",
            "emergency.lightsUse: blue",
        )
        assert lost[3].startswith("emergency.flags: peEmergencyParking")
        assert again(dialect, message).emergency == Emergency()


def test_part_two_that_is_not_understood_is_named_by_its_place() -> None:
    value = to_wire(J2735, bsm()).value
    value["value"]["partII"] = [
        {"partII-Id": 0, "partII-Value": {}},
        {"partII-Id": 1, "partII-Value": {"description": {}}},
        {"partII-Id": 2, "partII-Value": b"\1\2"},
        {"partII-Id": 9, "partII-Value": b"\1\2"},
    ]
    assert to_message(J2735, value, near=NEAR).lost == ("partII[1].description", "partII[2]", "partII[3]")
