"""RSM and SDSM."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayside.asn1 import load
from wayside.asn1.messages import (
    Acceleration,
    EllipseAccuracy,
    ObjectKind,
    ObjectSource,
    PerceivedObject,
    PerceivedObjects,
    Position,
    Size,
)
from wayside.asn1.translate import (
    DIALECTS,
    ParticipantNumbers,
    TranslateError,
    TranslateReason,
    split,
    to_message,
    to_wire,
)
from wayside.clock import UtcNs
from wayside.geo import LocalPlane

CSAE, J2735 = "csae53-2020", "j2735-2024"
NEAR = UtcNs(1_773_993_600_000_000_000)
HERE = Position(39.0, 117.3, 2.0)


def thing(number: int = 1, **changes: Any) -> PerceivedObject:
    fields = {"object_id": number, "kind": ObjectKind.PEDESTRIAN, "position": HERE, "utc_ns": NEAR}
    return PerceivedObject(**(fields | changes))


def scene(*objects: PerceivedObject, **changes: Any) -> PerceivedObjects:
    fields = {"source_id": b"RSU1", "msg_count": 5, "reference": HERE, "objects": objects, "utc_ns": NEAR}
    return PerceivedObjects(**(fields | changes))


def again(dialect: str, message: PerceivedObjects) -> PerceivedObjects:
    octets = load(dialect).encode(to_wire(dialect, message).value)
    found = to_message(dialect, load(dialect).decode(octets), near=NEAR).message
    assert isinstance(found, PerceivedObjects)
    return found


def participants(message: PerceivedObjects) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = to_wire(CSAE, message).value[1]["participants"]
    return found


def test_the_unit_itself_is_the_one_entry_with_number_0_and_no_perceived_object() -> None:
    entries = participants(scene(thing(1), thing(2)))
    assert [(e["ptcId"], e["ptcType"]) for e in entries] == [(0, "rsu"), (1, "pedestrian"), (2, "pedestrian")]
    assert entries[0]["secMark"] == 0
    assert again(CSAE, scene(thing(1), thing(2))).objects == (thing(1), thing(2))
    assert participants(scene())[0]["ptcType"] == "rsu"
    assert again(CSAE, scene()).utc_ns == NEAR


def test_numbers_that_csae_cannot_take_are_replaced_and_noted() -> None:
    value, lost = to_wire(CSAE, scene(thing(0), thing(255), thing(7), thing(7), thing(300)))
    assert [e["ptcId"] for e in value[1]["participants"]] == [0, 254, 255, 7, 253, 300]
    assert lost == (
        "objects[0].object_id: 0 carried as 254",
        "objects[3].object_id: 7 carried as 253",
    )


def test_a_sender_gives_its_objects_numbers_1_to_255_that_stay_while_they_are_seen() -> None:
    numbers = ParticipantNumbers()
    value = to_wire(CSAE, scene(thing(0), thing(70), thing(65535)), participants=numbers).value[1]
    assert [e["ptcId"] for e in value["participants"]] == [0, 1, 2, 3]
    for first in range(100, 1000, 10):
        given_ = numbers.of([65535, *range(first, first + 10)])
        assert given_[0] == 3
        assert len(set(given_)) == 11 and all(1 <= n <= 255 for n in given_)
    assert numbers.of([70])[0] != 3
    with pytest.raises(TranslateError) as refused:
        numbers.of(range(256))
    assert refused.value.reason is TranslateReason.TOO_MANY


@pytest.mark.drops(TranslateReason.TOO_MANY)
def test_sixteen_objects_are_too_many_for_one_rsm_and_split_into_two() -> None:
    message = scene(*(thing(n) for n in range(1, 17)), msg_count=127)
    with pytest.raises(TranslateError) as refused:
        to_wire(CSAE, message)
    assert refused.value.reason is TranslateReason.TOO_MANY
    parts = list(split(CSAE, message))
    assert [len(part.objects) for part in parts] == [15, 1]
    assert [part.msg_count for part in parts] == [127, 0]
    assert [len(participants(part)) for part in parts] == [16, 2]
    assert tuple(o for part in parts for o in part.objects) == message.objects


@given(st.integers(0, 600))
def test_splitting_loses_no_object_and_every_part_fits(number: int) -> None:
    message = scene(*(thing(n % 65536) for n in range(number)))
    for dialect, most in ((CSAE, 15), (J2735, 256)):
        parts = list(split(dialect, message))
        assert parts and all(len(part.objects) <= most for part in parts)
        assert tuple(o for part in parts for o in part.objects) == message.objects


@pytest.mark.drops(TranslateReason.MISSING)
def test_an_sdsm_without_an_object_is_refused() -> None:
    with pytest.raises(TranslateError) as refused:
        to_wire(J2735, scene())
    assert refused.value.reason is TranslateReason.MISSING


@pytest.mark.drops(TranslateReason.OUT_OF_RANGE)
def test_an_object_out_of_reach_is_refused_by_the_sdsm() -> None:
    with pytest.raises(TranslateError) as refused:
        to_wire(J2735, scene(thing(position=Position(39.1, 117.3))))
    assert refused.value.reason is TranslateReason.OUT_OF_RANGE
    assert not to_wire(CSAE, scene(thing(position=Position(39.1, 117.3)))).lost


def test_sdsm_offsets_are_tenths_of_a_metre_east_and_north() -> None:
    lat, lon = LocalPlane(39.0, 117.3).to_lat_lon(100.0, -50.0)
    message = scene(thing(position=Position(lat, lon, 3.2)))
    common = to_wire(J2735, message).value["value"]["objects"][0]["detObjCommon"]
    assert common["pos"] == {"offsetX": 1000, "offsetY": -500, "offsetZ": 12}
    found = again(J2735, message).objects[0].position
    assert LocalPlane(39.0, 117.3).to_xy(found.lat_deg, found.lon_deg) == pytest.approx(
        (100.0, -50.0), abs=0.01
    )
    assert found.elevation_m == 3.2


@given(st.floats(-0.02, 0.02), st.floats(-0.02, 0.02))
def test_places_survive_both_wires(north: float, east: float) -> None:
    place = Position(39.0 + north, 117.3 + east, 5.0)
    assert again(CSAE, scene(thing(position=place))).objects[0].position.lat_deg == pytest.approx(
        place.lat_deg, abs=0.6e-7
    )
    found = again(J2735, scene(thing(position=place)))
    assert found.objects[0].position.lat_deg == pytest.approx(place.lat_deg, abs=5e-7)
    assert found.objects[0].position.lon_deg == pytest.approx(place.lon_deg, abs=7e-7)
    assert again(J2735, found) == found


@pytest.mark.parametrize(
    ("steps", "name"),
    (
        (2047, "position-LL1"),
        (2048, "position-LL2"),
        (8191, "position-LL2"),
        (8192, "position-LL3"),
        (32768, "position-LL4"),
        (131072, "position-LL5"),
        (2097152, "position-LL6"),
        (8388608, "position-LatLon"),
        (-2048, "position-LL1"),
        (-2049, "position-LL2"),
        (-8388608, "position-LL6"),
        (-8388609, "position-LatLon"),
    ),
)
def test_csae_offsets_take_the_smallest_alternative_longitude_before_latitude(steps: int, name: str) -> None:
    lon = 1_173_000_000 + steps
    entry = participants(scene(thing(position=Position(39.0, lon / 1e7, 2.0))))[1]
    kind, offset = entry["pos"]["offsetLL"]
    assert kind == name
    assert list(offset) == ["lon", "lat"]
    assert offset["lon"] == (lon if name == "position-LatLon" else steps)
    assert (
        again(CSAE, scene(thing(position=Position(39.0, lon / 1e7, 2.0)))).objects[0].position.lon_deg
        == lon / 1e7
    )


@pytest.mark.parametrize(
    ("tenths", "expected"),
    (
        (63, ("offset1", 63)),
        (-63, ("offset1", -63)),
        (-64, ("offset2", -64)),
        (64, ("offset2", 64)),
        (2047, ("offset6", 2047)),
        (2048, ("elevation", 2068)),
        (-2048, ("elevation", -2028)),
    ),
)
def test_csae_vertical_offsets_never_use_the_value_that_means_unavailable(
    tenths: int, expected: tuple[str, int]
) -> None:
    place = Position(39.0, 117.3, (20 + tenths) / 10)
    assert participants(scene(thing(position=place)))[1]["pos"]["offsetV"] == expected
    assert again(CSAE, scene(thing(position=place))).objects[0].position == place


def test_an_unavailable_vertical_offset_is_an_unknown_elevation() -> None:
    value = to_wire(CSAE, scene(thing())).value
    value[1]["participants"][1]["pos"]["offsetV"] = ("offset1", -64)
    found = to_message(CSAE, value, near=NEAR).message
    assert isinstance(found, PerceivedObjects)
    assert found.objects[0].position == Position(39.0, 117.3)


def test_offsets_across_the_antimeridian_go_the_short_way() -> None:
    message = scene(thing(position=Position(0.0, -179.9999)), reference=Position(0.0, 179.9999))
    entry = participants(message)[1]
    assert entry["pos"]["offsetLL"] == ("position-LL1", {"lon": 2000, "lat": 0})
    assert again(CSAE, message).objects[0].position == Position(0.0, -179.9999)


@pytest.mark.parametrize(
    "pos",
    (
        ("position-LatLon", {"lon": 1800000001, "lat": 0}),
        ("position-LatLon", {"lon": 0, "lat": 900000001}),
        ("+9", b"\0"),
        (None, b"\0"),
    ),
)
def test_a_participant_without_a_place_is_left_out_and_named(pos: Any) -> None:
    value = to_wire(CSAE, scene(thing(1), thing(2))).value
    value[1]["participants"][1]["pos"] = {"offsetLL": pos}
    found = to_message(CSAE, value, near=NEAR)
    assert isinstance(found.message, PerceivedObjects)
    assert [o.object_id for o in found.message.objects] == [2]
    assert "participants[1].pos: no position" in found.lost


def test_the_time_of_an_sdsm_object_is_the_stamp_plus_its_offset() -> None:
    message = scene(thing(utc_ns=NEAR - 300_000_000))
    common = to_wire(J2735, message).value["value"]["objects"][0]["detObjCommon"]
    assert common["measurementTime"] == -300
    assert again(J2735, message).objects[0].utc_ns == NEAR - 300_000_000
    late = to_wire(J2735, scene(thing(utc_ns=NEAR - 5_000_000_000)))
    assert late.value["value"]["objects"][0]["detObjCommon"]["measurementTime"] == -1500
    assert "objects[0].utc_ns: -5000 ms from the message's time cut to the range" in late.lost


def stamped(stamp: dict[str, int], near: UtcNs = NEAR) -> int | None:
    value = to_wire(J2735, scene(thing())).value
    value["value"]["sDSMTimeStamp"] = stamp
    found = to_message(J2735, value, near=near).message
    assert isinstance(found, PerceivedObjects)
    return found.utc_ns


def test_a_date_time_knows_its_offset_its_gaps_and_its_sentinels() -> None:
    clock = {"hour": 8, "minute": 0, "second": 0}
    date = {"year": 2026, "month": 3, "day": 20}
    assert stamped(date | clock) == NEAR
    assert stamped(date | clock | {"hour": 16, "offset": 480}) == NEAR
    assert stamped(clock) == NEAR
    assert stamped(clock | {"hour": 23}, near=UtcNs(NEAR - 8 * 3600 * 10**9)) == NEAR - 9 * 3600 * 10**9
    for gap in ({"hour": 31}, {"minute": 60}, {"second": 60000}, {"second": 65535}, {"day": 31, "month": 2}):
        assert stamped(date | clock | gap) is None
    assert stamped(date | clock | {"year": 0, "month": 0}) == NEAR
    assert stamped(date) is None
    assert stamped({}) is None
    assert (
        stamped({"year": 4095, "month": 12, "day": 31} | clock)
        == int(datetime(4095, 12, 31, 8, tzinfo=UTC).timestamp()) * 10**9
    )


CSAE_KINDS = (ObjectKind.UNKNOWN, ObjectKind.VEHICLE, ObjectKind.NON_MOTOR, ObjectKind.PEDESTRIAN)
SDSM_KINDS = tuple(kind for kind in ObjectKind if kind is not ObjectKind.RSU)


@pytest.mark.parametrize(
    ("dialect", "kind"), [(CSAE, kind) for kind in CSAE_KINDS] + [(J2735, kind) for kind in SDSM_KINDS]
)
def test_kinds_that_the_family_has_survive(dialect: str, kind: ObjectKind) -> None:
    assert again(dialect, scene(thing(kind=kind))).objects[0].kind is kind


@pytest.mark.parametrize(
    ("dialect", "kind"),
    ((CSAE, ObjectKind.ANIMAL), (CSAE, ObjectKind.OBSTACLE), (J2735, ObjectKind.RSU)),
)
def test_kinds_that_the_family_lacks_become_unknown_and_are_noted(dialect: str, kind: ObjectKind) -> None:
    assert f"objects[0].kind: {kind}" in to_wire(dialect, scene(thing(kind=kind))).lost
    assert again(dialect, scene(thing(kind=kind))).objects[0].kind is ObjectKind.UNKNOWN


def test_a_vulnerable_user_of_no_stated_kind_is_taken_for_a_pedestrian() -> None:
    value = to_wire(J2735, scene(thing(kind=ObjectKind.NON_MOTOR))).value
    for entry in ({"detObjOptData": ("detVRU", {})}, {}):
        item = value["value"]["objects"][0]
        item.pop("detObjOptData", None)
        item |= entry
        found = to_message(J2735, value, near=NEAR)
        assert isinstance(found.message, PerceivedObjects)
        assert found.message.objects[0].kind is ObjectKind.PEDESTRIAN
        assert found.lost == ("objects[0].kind: vru of no stated kind",)


@pytest.mark.parametrize("source", ObjectSource)
def test_the_source_of_an_object_survives_csae_and_is_lost_to_j2735(source: ObjectSource) -> None:
    assert again(CSAE, scene(thing(source=source))).objects[0].source is source
    lost = to_wire(J2735, scene(thing(source=source))).lost
    assert lost == (() if source is ObjectSource.UNKNOWN else ("objects[0].source",))


def test_a_full_object_survives_csae() -> None:
    item = thing(
        kind=ObjectKind.VEHICLE,
        source=ObjectSource.FUSED,
        speed_mps=12.5,
        heading_deg=90.0,
        accuracy_m=0.5,
        acceleration=Acceleration(1.0, -0.5, None, 3.0),
        size=Size(1.8, 4.5, 1.5),
        vehicle_class=10,
        vehicle_id=b"VEHICLE1",
    )
    assert again(CSAE, scene(item)).objects == (item,)
    assert not to_wire(CSAE, scene(item)).lost


def test_a_full_vehicle_survives_the_sdsm() -> None:
    item = thing(
        kind=ObjectKind.VEHICLE,
        speed_mps=12.5,
        heading_deg=90.0,
        accuracy_m=0.5,
        acceleration=Acceleration(1.0, -0.5, None, 3.0),
        size=Size(1.8, 4.5, 1.5),
        vehicle_class=10,
        kind_confidence=0.87,
    )
    message = scene(item, equipment="obu", reference_accuracy=EllipseAccuracy(1.0, 0.5, None))
    assert again(J2735, message) == message
    assert not to_wire(J2735, message).lost


def test_a_source_of_8_octets_is_cut_for_the_sdsm() -> None:
    assert to_wire(J2735, scene(thing(), source_id=b"RSU00001")).lost == (
        "source_id: 5253553030303031 cut to 4 octets",
    )
    assert again(CSAE, scene(thing())).source_id == b"RSU1\0\0\0\0"


@pytest.mark.drops(TranslateReason.NO_POSITION)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_objects_about_an_unavailable_reference_are_refused(dialect: str) -> None:
    value = to_wire(dialect, scene(thing())).value
    (value[1] if dialect == CSAE else value["value"])["refPos"]["lat"] = 900000001
    with pytest.raises(TranslateError) as refused:
        to_message(dialect, value, near=NEAR)
    assert refused.value.reason is TranslateReason.NO_POSITION
