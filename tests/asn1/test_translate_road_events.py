"""RSI and TIM, and the event numbers of both."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayside.asn1 import load
from wayside.asn1.messages import (
    EventOrigin,
    IntersectionId,
    LinkRef,
    Path,
    Position,
    RoadEvent,
    RoadEvents,
    RoadSign,
)
from wayside.asn1.translate import (
    DIALECTS,
    EventCode,
    TranslateError,
    TranslateReason,
    code_of,
    event_code,
    itis_of,
    to_message,
    to_wire,
)
from wayside.clock import UtcNs

CSAE, J2735 = "csae53-2020", "j2735-2024"
HERE = Position(39.0, 117.3, 2.0)
THERE = Position(39.001, 117.301, 2.5)
MINUTE = 60 * 10**9


def utc(*parts: int) -> UtcNs:
    return UtcNs(int(datetime(*parts, tzinfo=UTC).timestamp()) * 10**9)  # type: ignore[arg-type,misc]


NEAR = utc(2026, 3, 20, 8, 0)


def event(number: int = 0, **changes: Any) -> RoadEvent:
    return RoadEvent(**({"event_id": number, "code": 501, "position": HERE} | changes))


def events(*items: RoadEvent | RoadSign, **changes: Any) -> RoadEvents:
    fields = {
        "source_id": b"RSU00001",
        "msg_count": 1,
        "reference": HERE,
        "events": tuple(i for i in items if isinstance(i, RoadEvent)),
        "signs": tuple(i for i in items if isinstance(i, RoadSign)),
        "utc_ns": NEAR,
    }
    return RoadEvents(**(fields | changes))


def again(dialect: str, message: RoadEvents, near: UtcNs = NEAR) -> RoadEvents:
    octets = load(dialect).encode(to_wire(dialect, message).value)
    found = to_message(dialect, load(dialect).decode(octets), near=near).message
    assert isinstance(found, RoadEvents)
    return found


def rte(message: RoadEvents) -> dict[str, Any]:
    entry: dict[str, Any] = to_wire(CSAE, message).value[1]["rtes"][0]
    return entry


def frame(message: RoadEvents) -> dict[str, Any]:
    entry: dict[str, Any] = to_wire(J2735, message).value["value"]["dataFrames"][0]
    return entry


# -- RSI ----------------------------------------------------------------------------------------------


def test_a_full_event_and_sign_survive_the_rsi() -> None:
    path = Path((HERE, THERE), 3.5)
    link = LinkRef(IntersectionId(1, 2), IntersectionId(3), (1, 15))
    item = event(
        7,
        code=9902,
        origin=EventOrigin.DETECTION,
        position=THERE,
        radius_m=50.0,
        text="前方施工",
        start_utc_ns=NEAR,
        end_utc_ns=NEAR + 60 * MINUTE,
        priority=5,
        paths=(path,),
        links=(link,),
        confidence=0.75,
    )
    sign = RoadSign(3, 85, (), HERE, "60", NEAR, None, 1, (path,), (link,))
    message = events(item, sign)
    assert not to_wire(CSAE, message).lost
    assert again(CSAE, message) == message


def test_a_priority_takes_the_top_three_bits_and_the_others_are_tolerated() -> None:
    assert rte(events(event(priority=7)))["priority"] == b"\xe0"
    value = to_wire(CSAE, events(event(priority=1))).value
    value[1]["rtes"][0]["priority"] = b"\x41"
    found = to_message(CSAE, value, near=NEAR)
    assert isinstance(found.message, RoadEvents)
    assert found.message.events[0].priority == 2
    assert found.lost == ("rtes[0].priority: 0x41, low bits",)


@pytest.mark.parametrize(
    ("text", "octets"),
    (
        ("icy", ("textString", "icy")),
        ("结冰", ("textGB2312", "结冰".encode("gb2312"))),
        ("结冰 ahead", ("textGB2312", "结冰 ahead".encode("gb2312"))),
    ),
)
def test_text_is_ascii_where_it_can_be_else_gb2312(text: str, octets: tuple[str, Any]) -> None:
    assert rte(events(event(text=text)))["description"] == octets
    assert again(CSAE, events(event(text=text))).events[0].text == text


def test_text_that_gb2312_lacks_is_noted_and_text_beyond_512_octets_is_cut_between_characters() -> None:
    assert "events[0].text: characters that GB 2312 lacks" in to_wire(CSAE, events(event(text="🚧结"))).lost
    value, lost = to_wire(CSAE, events(event(text="x" + "冰" * 300)))
    assert len(value[1]["rtes"][0]["description"][1]) == 511
    assert lost == ("events[0].text: cut to 512 octets",)
    assert to_wire(CSAE, events(event(text="x" * 600))).lost == ("events[0].text: cut to 512 characters",)


def test_octets_that_are_no_gb2312_do_not_stop_the_message() -> None:
    value = to_wire(CSAE, events(event(text="结冰"))).value
    value[1]["rtes"][0]["description"] = ("textGB2312", b"\xff\xff\xff")
    found = to_message(CSAE, value, near=NEAR)
    assert found.lost == ("rtes[0].description: octets that are no GB 2312",)


@given(st.text(max_size=400))
def test_no_text_stops_a_message(text: str) -> None:
    for dialect in DIALECTS:
        load(dialect).encode(to_wire(dialect, events(event(text=text))).value)


def test_a_span_over_new_year_ends_after_it_starts() -> None:
    item = event(start_utc_ns=utc(2026, 12, 30, 0, 0), end_utc_ns=utc(2027, 1, 2, 0, 0))
    assert again(CSAE, events(item), near=utc(2026, 12, 31, 12, 0)).events[0] == item
    assert again(CSAE, events(item), near=utc(2027, 1, 1, 12, 0)).events[0] == item
    long = event(start_utc_ns=utc(2026, 3, 1, 0, 0), end_utc_ns=utc(2026, 12, 1, 0, 0))
    assert again(CSAE, events(long)).events[0] == long


def test_an_invalid_minute_is_an_open_end() -> None:
    value = to_wire(CSAE, events(event(start_utc_ns=NEAR, end_utc_ns=NEAR))).value
    value[1]["rtes"][0]["timeDetails"] = {"startTime": 527040, "endTime": 527040}
    found = to_message(CSAE, value, near=NEAR).message
    assert isinstance(found, RoadEvents)
    assert (found.events[0].start_utc_ns, found.events[0].end_utc_ns) == (None, None)


def test_lane_n_of_a_link_is_bit_n() -> None:
    link = LinkRef(IntersectionId(1), IntersectionId(2), (1, 4))
    assert rte(events(event(links=(link,))))["referenceLinks"][0]["referenceLanes"] == (b"\x48\x00", 16)


def test_what_only_the_tim_says_of_a_path_is_noted_and_two_ways_become_two_paths() -> None:
    path = Path((HERE, THERE), 3.5, both_ways=True, closed=True, headings_deg=((0.0, 22.5),))
    value, lost = to_wire(CSAE, events(event(paths=(path,))))
    assert len(value[1]["rtes"][0]["referencePaths"]) == 2
    assert lost == ("events[0].paths[0].closed", "events[0].paths[0].headings_deg")
    there, back = again(CSAE, events(event(paths=(path,)))).events[0].paths
    assert there.points == back.points[::-1] == (HERE, THERE)


def test_an_event_of_itis_codes_gets_its_chinese_number_or_is_left_out_and_named() -> None:
    known, unknown = event(0, code=None, itis=(1025,)), event(1, code=None, itis=(9999,))
    value, lost = to_wire(CSAE, events(known, unknown))
    assert [entry["eventType"] for entry in value[1]["rtes"]] == [501]
    assert lost == ("events[0].itis: 1025", "events[1]: no GB/T 29100 number for ITIS [9999]")


@pytest.mark.drops(TranslateReason.MISSING)
@pytest.mark.parametrize(
    "message",
    (
        events(),
        events(event(code=None, itis=(9999,))),
        events(event(position=None), reference=None),
    ),
)
def test_an_rsi_with_nothing_to_say_or_nowhere_to_say_it_of_is_refused(message: RoadEvents) -> None:
    with pytest.raises(TranslateError) as refused:
        to_wire(CSAE, message)
    assert refused.value.reason is TranslateReason.MISSING


def test_a_message_without_a_reference_refers_to_the_first_place_in_it() -> None:
    assert again(CSAE, events(event(position=THERE), reference=None)).reference == THERE
    path = Path((THERE, HERE), 3.5)
    assert again(CSAE, events(event(position=None, paths=(path,)), reference=None)).reference == THERE


@pytest.mark.drops(TranslateReason.TOO_MANY)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_nine_events_are_too_many_for_either_family(dialect: str) -> None:
    with pytest.raises(TranslateError) as refused:
        to_wire(dialect, events(*(event(n) for n in range(9))))
    assert refused.value.reason is TranslateReason.TOO_MANY


@pytest.mark.drops(TranslateReason.OUT_OF_RANGE)
@pytest.mark.parametrize("changes", ({"event_id": 256}, {"priority": 8}, {"code": 65536}))
def test_numbers_beyond_the_rsi_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(TranslateError) as refused:
        to_wire(CSAE, events(event(**changes)))
    assert refused.value.reason is TranslateReason.OUT_OF_RANGE


# -- TIM ----------------------------------------------------------------------------------------------


def test_a_full_event_and_sign_survive_the_tim() -> None:
    paths = (
        Path((HERE, THERE), 3.5, headings_deg=((45.0, 90.0),)),
        Path((THERE, HERE), 3.5, both_ways=True),
    )
    item = event(
        0,
        code=None,
        itis=(1025, 7186),
        radius_m=50.0,
        text="lane closed",
        start_utc_ns=NEAR,
        end_utc_ns=NEAR + 90 * MINUTE,
        priority=5,
        paths=paths,
    )
    sign = RoadSign(1, None, (268,), HERE, "60", NEAR, None, 1, paths)
    message = events(item, sign, source_id=b"RSU000001", reference=None)
    assert not to_wire(J2735, message).lost
    assert again(J2735, message) == message


def test_a_duration_of_32000_minutes_is_forever() -> None:
    assert frame(events(event(start_utc_ns=NEAR)))["durationTime"] == 32000
    assert again(J2735, events(event(start_utc_ns=NEAR))).events[0].end_utc_ns is None
    long = events(event(start_utc_ns=NEAR, end_utc_ns=NEAR + 40000 * MINUTE))
    assert "events[0].end_utc_ns" in to_wire(J2735, long).lost
    assert again(J2735, long).events[0].end_utc_ns is None


def test_a_start_without_a_year_lies_in_the_nearest_and_one_with_a_year_in_that() -> None:
    value = to_wire(J2735, events(event(start_utc_ns=NEAR))).value
    entry = value["value"]["dataFrames"][0]
    for year, expected in ((None, NEAR), (0, NEAR), (2024, utc(2024, 3, 19, 8, 0))):
        entry.pop("startYear", None)
        if year is not None:
            entry["startYear"] = year
        found = to_message(J2735, value, near=NEAR).message
        assert isinstance(found, RoadEvents)
        assert found.events[0].start_utc_ns == expected
    entry["startTime"] = 527040
    found = to_message(J2735, value, near=NEAR).message
    assert isinstance(found, RoadEvents)
    assert found.events[0].start_utc_ns is None


def test_an_open_start_is_the_messages_time_and_without_one_the_tim_is_refused() -> None:
    assert "events[0].start_utc_ns: open, the message's time is taken" in to_wire(J2735, events(event())).lost
    with pytest.raises(TranslateError) as refused:
        to_wire(J2735, events(event(), utc_ns=None))
    assert refused.value.reason is TranslateReason.MISSING


def region(**members: Any) -> tuple[RoadEvent, tuple[str, ...]]:
    value = to_wire(J2735, events(event(start_utc_ns=NEAR))).value
    anchor = {"lat": 390000000, "long": 1173000000}
    value["value"]["dataFrames"][0]["regions"] = [{"anchor": anchor, "laneWidth": 700} | members]
    found = to_message(J2735, value, near=NEAR)
    assert isinstance(found.message, RoadEvents)
    return found.message.events[0], found.lost


def chain(*deltas: tuple[str, dict[str, int]]) -> tuple[str, list[dict[str, Any]]]:
    return "nodes", [{"delta": delta} for delta in deltas]


def test_ll_nodes_are_relative_to_the_one_before_the_first_to_the_anchor_longitude_first() -> None:
    nodes = chain(("node-LL1", {"lon": 1000, "lat": 0}), ("node-LL1", {"lon": 0, "lat": 500}))
    item, _ = region(description=("path", {"offset": ("ll", nodes)}))
    assert [(p.lat_deg, p.lon_deg) for p in item.paths[0].points] == [(39.0, 117.3001), (39.00005, 117.3001)]
    assert item.paths[0].radius_m == 3.5


def test_a_zoom_doubles_the_offsets_for_each_step() -> None:
    nodes = chain(("node-LL1", {"lon": 1000, "lat": 0}), ("node-LL1", {"lon": 0, "lat": 500}))
    item, _ = region(description=("path", {"scale": 3, "offset": ("ll", nodes)}))
    assert [(p.lat_deg, p.lon_deg) for p in item.paths[0].points] == [(39.0, 117.3008), (39.0004, 117.3008)]


def test_xy_nodes_are_centimetres_from_the_one_before() -> None:
    nodes = chain(("node-XY1", {"x": 0, "y": 500}), ("node-XY1", {"x": 0, "y": 500}))
    item, _ = region(description=("path", {"offset": ("xy", nodes)}))
    assert [p.lat_deg for p in item.paths[0].points] == pytest.approx([39.000045, 39.00009], abs=2e-7)


@pytest.mark.parametrize("use", ("forward", "reverse", "both", "unavailable"))
def test_directionality_tells_which_way_a_path_concerns(use: str) -> None:
    nodes = chain(("node-LL1", {"lon": 0, "lat": 0}), ("node-LL1", {"lon": 1000, "lat": 0}))
    item, lost = region(directionality=use, description=("path", {"offset": ("ll", nodes)}))
    eastward = item.paths[0].points[0].lon_deg < item.paths[0].points[1].lon_deg
    assert eastward is (use != "reverse")
    assert item.paths[0].both_ways is (use == "both")
    assert any("taken for forward" in line for line in lost) is (use == "unavailable")


def test_heading_slices_become_sectors_and_come_back() -> None:
    nodes = chain(("node-LL1", {"lon": 0, "lat": 0}), ("node-LL1", {"lon": 1000, "lat": 0}))
    item, _ = region(direction=(b"\xc0\x01", 16), description=("path", {"offset": ("ll", nodes)}))
    assert item.paths[0].headings_deg == ((0.0, 45.0), (337.5, 360.0))
    assert frame(events(event(paths=item.paths)))["regions"][0]["direction"] == (b"\xc0\x01", 16)


def circle(radius: int, units: str) -> dict[str, Any]:
    center = {"lat": 390010000, "long": 1173010000, "elevation": 25}
    return {"center": center, "radius": radius, "units": units}


@pytest.mark.parametrize(
    ("units", "metres"),
    (
        ("centimeter", 1.0),
        ("cm2-5", 2.5),
        ("decimeter", 10.0),
        ("meter", 100.0),
        ("kilometer", 100000.0),
        ("foot", 30.48),
        ("yard", 91.44),
        ("mile", 160934.4),
    ),
)
def test_a_circle_is_the_place_and_radius_of_the_event_in_any_unit(units: str, metres: float) -> None:
    shape = {"direction": (b"\xff\xff", 16), "circle": circle(100, units)}
    item, _ = region(description=("geometry", shape))
    assert item.position == THERE
    assert item.radius_m == pytest.approx(metres)
    assert again(J2735, events(item)).events[0].radius_m == pytest.approx(metres)


def test_an_old_region_is_read_too() -> None:
    shape = {"direction": (b"\xff\xff", 16), "area": ("circle", circle(10, "meter"))}
    assert region(description=("oldRegion", shape))[0].radius_m == 10.0
    nodes = chain(("node-XY1", {"x": 0, "y": 0}), ("node-XY1", {"x": 0, "y": 500}))
    points = {"anchor": {"lat": 380000000, "long": 1173000000}, "laneWidth": 400, "nodeList": nodes}
    shape = {"direction": (b"\x80\x00", 16), "area": ("shapePointSet", points)}
    (path,) = region(description=("oldRegion", shape))[0].paths
    assert path.points[0].lat_deg == 38.0
    assert (path.radius_m, path.headings_deg) == (2.0, ((0.0, 22.5),))


@pytest.mark.parametrize(
    "description",
    (
        None,
        ("path", {"offset": ("xy", ("computed", {}))}),
        ("path", {"offset": ("ll", chain(("node-LatLon", {"lon": 1800000001, "lat": 0})))}),
        ("path", {"scale": 15, "offset": ("ll", chain(("node-LL6", {"lon": 0, "lat": 8388607})))}),
        ("oldRegion", {"direction": (b"\xff\xff", 16), "area": ("regionPointSet", {"nodeList": []})}),
        ("...", (3, b"\0")),
    ),
)
def test_a_region_without_a_line_of_points_is_named_and_the_rest_stands(description: Any) -> None:
    item, lost = region(**({} if description is None else {"description": description}))
    assert item.position == HERE
    assert item.paths == ()
    assert any("has no line of points" in line for line in lost)


def test_a_region_without_a_width_is_a_lane_wide() -> None:
    value = to_wire(J2735, events(event(start_utc_ns=NEAR, paths=(Path((HERE, THERE), 3.5),)))).value
    del value["value"]["dataFrames"][0]["regions"][0]["laneWidth"]
    found = to_message(J2735, value, near=NEAR)
    assert isinstance(found.message, RoadEvents)
    assert found.message.events[0].paths[0].radius_m == 1.75
    assert found.lost == ("dataFrames[0].regions[0].laneWidth: none, 3.5 m taken",)


def test_signage_is_a_sign_and_advice_an_event_numbered_by_their_frames() -> None:
    sign = RoadSign(0, None, (268,), HERE, start_utc_ns=NEAR)
    found = again(J2735, events(event(1, code=None, itis=(1025,), start_utc_ns=NEAR), sign))
    assert [s.sign_id for s in found.signs] == [0]
    assert [e.event_id for e in found.events] == [1]


def test_codes_and_texts_of_a_frame_are_kept_apart_and_a_mixed_order_is_noted() -> None:
    value = to_wire(J2735, events(event(start_utc_ns=NEAR))).value
    items = [("itis", 125), ("text", "some"), ("itis", 250), ("text", "text")]
    value["value"]["dataFrames"][0]["content"] = ("workZone", [{"item": item} for item in items])
    found = to_message(J2735, value, near=NEAR)
    assert isinstance(found.message, RoadEvents)
    assert (found.message.events[0].itis, found.message.events[0].text) == ((125, 250), "some text")
    assert found.lost == (
        "dataFrames[0].content: workZone",
        "dataFrames[0].content: order of codes and texts",
    )


def test_what_the_tim_has_no_room_for_is_noted() -> None:
    item = event(
        4,
        code=9902,
        start_utc_ns=NEAR,
        priority=1,
        origin=EventOrigin.POLICE,
        confidence=0.5,
        text="雾",
        links=(LinkRef(IntersectionId(1), IntersectionId(2)),),
    )
    at = "events[0]"
    assert set(to_wire(J2735, events(item)).lost) == {
        f"{at}: number 4",
        f"{at}.code: 9902",
        f"{at}.origin: police",
        f"{at}.confidence",
        f"{at}.links",
        f"{at}.text: text cut or not in ASCII",
        f"{at}.radius_m: none written as 0",
    }


def test_an_event_without_any_code_still_says_that_it_is_one() -> None:
    assert frame(events(event(code=9902)))["content"] == ("advisory", [{"item": ("text", "event 9902")}])


@pytest.mark.drops(TranslateReason.MISSING)
def test_a_tim_without_a_place_or_without_content_is_refused() -> None:
    for message in (events(), events(event(position=None))):
        with pytest.raises(TranslateError) as refused:
            to_wire(J2735, message)
        assert refused.value.reason is TranslateReason.MISSING


# -- event numbers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", EventCode)
def test_every_event_that_the_applications_know_goes_to_itis_and_back(code: EventCode) -> None:
    itis = itis_of(code)
    assert itis is not None
    back = code_of(itis)
    assert back == (EventCode.STOPPED_VEHICLE if code is EventCode.STOPPED_IN_TRAFFIC else code)


@pytest.mark.parametrize(
    ("code", "itis"),
    ((101, 513), (103, 534), (305, 5378), (405, 1286), (408, 5897), (412, 532), (501, 1025), (707, 263)),
)
def test_the_pairs_of_the_warnings(code: int, itis: int) -> None:
    assert (itis_of(code), code_of(itis)) == (itis, code)


def test_unknown_numbers_have_no_pair_and_are_carried_as_they_are() -> None:
    assert (itis_of(9902), code_of(9999)) == (None, None)
    assert event_code(event(code=9902)) == 9902
    assert event_code(event(code=None, itis=(9999, 5378))) == 305
    assert event_code(event(code=None, itis=())) is None
    assert again(CSAE, events(event(code=9902))).events[0].code == 9902


def test_a_chinese_number_with_a_pair_crosses_and_means_the_same() -> None:
    crossed = again(J2735, events(event(code=405, start_utc_ns=NEAR)))
    assert crossed.events[0].itis == (1286,)
    assert event_code(crossed.events[0]) == 405
    assert again(CSAE, crossed).events[0].code == 405
