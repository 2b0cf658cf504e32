from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayside.clock import UtcNs, VirtualClock
from wayside.rsu import RsuError, RsuReason, check_frame, find_vendor
from wayside.rsu.conformance import Bench
from wayside.rsu.vendors.tits0117.wire import (
    Context,
    MissingKey,
    body_of,
    encoded,
    frames_of,
    read_raw_rsm,
    slices_of,
)
from wayside.rsu.vendors.tits0117.wire.fields import Account, Fields

VECTORS = Path(__file__).parents[2] / "vectors" / "csae.json"
# 2020-11-14T06:55:02.333Z, the instant of a public sample.
NOW = UtcNs(1_605_336_902_333_000_000)
CONTEXT = Context(source_id=b"R0000001", utc_ns=NOW)
RAW: dict[str, Any] = {
    "dev_pos": {"lat": 31.2345678, "lon": 121.1234567},
    "content": [
        {
            "ptcType": 1,
            "ptcId": 7,
            "global_track_id": "2001",
            "source": 3,
            "timeStamp": 1605336902333,
            "pos_lat": 31.2345678,
            "pos_lon": 121.1234567,
            "speed": -13.9,
            "heading": 360.0,
            "lane": 2,
            "width": 1.85,
            "length": 4.53,
            "height": 1.47,
        }
    ],
}


def frame_of(message: str) -> bytes:
    return Bench(find_vendor("tits0117"), VirtualClock()).frames(message)[0].uper or b""


def samples(message: str) -> list[bytes]:
    found = [v for v in json.loads(VECTORS.read_text("utf-8")) if v["message"] == f"{message.lower()}Frame"]
    return [bytes.fromhex(v["hex"]) for v in found if v["dialect"] == "csae53-2020"]


def test_raw_objects_are_cut_as_the_reference_does() -> None:
    (found,) = read_raw_rsm([RAW], CONTEXT)
    _, value = found.value
    (person,) = value["participants"]
    _, place = person["pos"]["offsetLL"]
    assert (place["lat"], place["lon"]) == (312345678, 1211234567)
    assert (person["speed"], person["heading"], person["secMark"]) == (695, 0, 2333)
    assert person["size"] == {"width": 185, "length": 453, "height": 29}
    assert check_frame("csae53-2020", encoded(found)).message == "RSM"
    assert found.account.lost == ["[0].content[0].lane"]
    assert "[0].content[0].posConfidence" in found.account.defaulted


@pytest.mark.parametrize("key", ["ptcType", "global_track_id", "timeStamp", "pos_lat", "pos_lon", "heading"])
def test_raw_objects_without_a_needed_key_are_refused_by_its_name(key: str) -> None:
    body = copy.deepcopy(RAW)
    del body["content"][0][key]
    with pytest.raises(MissingKey) as caught:
        read_raw_rsm([body], CONTEXT)
    assert (caught.value.key, caught.value.reason) == (key, RsuReason.MALFORMED)


def test_a_missing_speed_is_unavailable_and_noted() -> None:
    body = copy.deepcopy(RAW)
    del body["content"][0]["speed"]
    (found,) = read_raw_rsm([body], CONTEXT)
    assert found.value[1]["participants"][0]["speed"] == 8191
    assert "[0].content[0].speed" in found.account.defaulted


def test_many_raw_objects_take_several_messages() -> None:
    body = {**RAW, "content": RAW["content"] * 33}
    found = read_raw_rsm([body], CONTEXT)
    assert [len(one.value[1]["participants"]) for one in found] == [16, 16, 1]
    with pytest.raises(RsuError) as caught:
        read_raw_rsm([{**RAW, "content": RAW["content"] * 257}], CONTEXT)
    assert (caught.value.reason, caught.value.limit) == (RsuReason.TOO_LARGE, 256)


RSM = {
    "content": {
        "rsms": [
            {
                "refPos": {"lat": 389811000, "lon": 1173518000, "ele": 12},
                "participants": [
                    {
                        "ptcId": 12,
                        "ptcType": 3,
                        "source": 7,
                        "secMark": 2333,
                        "pos": {"lat": 389812000, "lon": 1173519000},
                        "accuracy": 9,
                        "speed": 60,
                        "heading": 7200,
                        "size": {"width": 60, "length": 60, "height": 36},
                    }
                ],
            }
        ]
    }
}
RSI = {
    "rsiDatas": [
        {
            "alertID": "17",
            "duration": 60,
            "eventStatus": True,
            "timeStamp": 1605336902333,
            "eventClass": "AbnormalTraffic",
            "eventType": 412,
            "eventSource": 5,
            "eventConfidence": 180,
            "eventPosition": {"lat": 389812000, "lon": 1173519000, "ele": 0},
            "eventRadius": 250,
            "eventDescription": "遗撒",
            "eventPriority": 6,
            "referencePaths": [{"activePath": [{"lat": 38.9812, "lon": 117.3519}], "pathRadius": 35}],
        }
    ]
}
SPAT = {
    "name": "同砚路",
    "intersections": [
        {
            "intersectionId": {"region": 12, "id": 11201},
            "status": 24576,
            "phases": [{"phaseId": 3, "phaseStates": {"light": "6", "timing": "2020-11-14 14:55:12"}}],
        }
    ],
}


def test_an_rsm_body_becomes_a_frame() -> None:
    ((frame, found),) = frames_of("RSM", RSM, CONTEXT)
    value = check_frame("csae53-2020", frame).value[1]
    assert value["id"] == b"R0000001" and value["refPos"]["elevation"] == 12
    (person,) = value["participants"]
    assert (person["ptcType"], person["source"]) == ("pedestrian", "integrated")
    assert person["posConfidence"]["pos"] == "a1m" and person["size"]["height"] == 36
    assert found.account.lost == [] and found.account.defaulted == ["msgCnt"]
    assert not found.account.unit_guessed


def test_an_rsi_body_becomes_a_frame_and_what_it_cannot_carry_is_named() -> None:
    ((frame, found),) = frames_of("RSI", RSI, CONTEXT)
    value = check_frame("csae53-2020", frame).value[1]
    (event,) = value["rtes"]
    assert (event["rteId"], event["eventType"], event["eventSource"]) == (17, 412, "detection")
    assert event["priority"] == b"\xc0" and event["eventConfidence"] == 180
    assert event["description"] == ("textGB2312", "遗撒".encode("gb2312"))
    # 14 November is day 319: 318 whole days, 6 h 55 min.
    assert value["moy"] == 318 * 1440 + 6 * 60 + 55
    assert set(found.account.lost) == {"rsiDatas[0].duration", "rsiDatas[0].eventClass"}
    assert found.account.unit_guessed, "degrees among 1e-7 degrees"


def test_times_of_a_spat_are_read_in_the_units_zone() -> None:
    ((frame, found),) = frames_of("SPAT", SPAT, CONTEXT)
    value = check_frame("csae53-2020", frame).value[1]
    (one,) = value["intersections"]
    assert one["status"] == (b"\x60\x00", 16) and "name" not in value
    (state,) = one["phases"][0]["phaseStates"]
    # 14:55:12 in Beijing is ten seconds after 06:55:02 UTC.
    assert state == {
        "light": "protected-green",
        "timing": ("counting", {"startTime": 0, "likelyEndTime": 100}),
    }
    assert "intersections[0].phases[0].phaseStates.timing.startTime" in found.account.defaulted


@pytest.mark.parametrize("message", ["RSM", "RSI", "SPAT"])
def test_real_frames_come_back_but_for_what_is_named_lost(message: str) -> None:
    for frame in samples(message):
        body, lost = body_of(message, frame, CONTEXT)
        ((again, _),) = frames_of(message, json.loads(json.dumps(body)), CONTEXT)
        body_again, _ = body_of(message, again, CONTEXT)
        assert body_again == body
        assert "msgCnt" in lost


def test_a_map_comes_back_whole() -> None:
    frame = frame_of("MAP")
    body, lost = body_of("MAP", frame, CONTEXT)
    assert lost == ()
    ((again, found),) = frames_of("MAP", {"map": json.loads(json.dumps(body)), "eTag": "x"}, CONTEXT)
    assert body_of("MAP", again, CONTEXT)[0] == body
    assert found.account.lost == [] and found.account.defaulted == []
    nodes = check_frame("csae53-2020", again).value[1]["nodes"]
    assert nodes == check_frame("csae53-2020", _absolute(frame)).value[1]["nodes"]


def _absolute(frame: bytes) -> bytes:
    """The same map with absolute points: what JSON says has no other form."""
    body, _ = body_of("MAP", frame, CONTEXT)
    return frames_of("MAP", body, CONTEXT)[0][0]


def test_a_large_map_goes_node_by_node_or_is_refused_with_the_limit() -> None:
    body, _ = body_of("MAP", frame_of("MAP"), CONTEXT)
    assert [part.label for part in slices_of(body, 1_000_000)] == ["1/1"]
    sizes = [len(json.dumps(node)) for node in body["nodes"]]
    parts = slices_of(body, max(sizes) + 200)
    assert [part.label for part in parts] == [f"{i + 1}/{len(sizes)}" for i in range(len(sizes))]
    assert [part.body["nodes"] for part in parts] == [[node] for node in body["nodes"]]
    assert len({part.e_tag for part in parts}) == len(sizes)
    assert json.loads(parts[0].payload("9"))["seqNum"] == "9"
    with pytest.raises(RsuError) as caught:
        slices_of(body, 1_024)
    assert (caught.value.reason, caught.value.limit) == (RsuReason.TOO_LARGE, 1_024)


def changed(body: Any, *path: Any, to: Any) -> Any:
    body = copy.deepcopy(body)
    at = body
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = to
    return body


PERSON = ("content", "rsms", 0, "participants", 0)


@pytest.mark.parametrize(
    ("message", "body", "reason"),
    [
        ("RSM", [], RsuReason.MALFORMED),
        ("RSM", {"content": {"rsms": {}}}, RsuReason.MALFORMED),
        ("RSM", {"content": {"rsms": [RSM] * 65}}, RsuReason.TOO_LARGE),
        ("RSM", changed(RSM, *PERSON, "ptcType", to=9), RsuReason.MALFORMED),
        ("RSM", changed(RSM, *PERSON, "ptcId", to=True), RsuReason.MALFORMED),
        ("RSM", changed(RSM, *PERSON, "speed", to=1e300), RsuReason.MALFORMED),
        ("RSM", changed(RSM, *PERSON, "pos", to={"lat": 1, "lon": 4e9}), RsuReason.MALFORMED),
        ("RSM", changed(RSM, *PERSON, "pos", to={"lat": 91.0, "lon": 4}), RsuReason.MALFORMED),
        ("RSM", changed(RSM, *PERSON, "size", to=[]), RsuReason.MALFORMED),
        ("RSM", changed(RSM, "content", "rsms", 0, "participants", to=[]), RsuReason.MALFORMED),
        ("RSI", {"rsiDatas": []}, RsuReason.MALFORMED),
        ("RSI", {"rsiDatas": RSI["rsiDatas"] * 9}, RsuReason.TOO_LARGE),
        ("RSI", changed(RSI, "rsiDatas", 0, "alertID", to=None), RsuReason.MALFORMED),
        ("RSI", changed(RSI, "rsiDatas", 0, "eventDescription", to=7), RsuReason.MALFORMED),
        ("SPAT", {"intersections": []}, RsuReason.MALFORMED),
        ("SPAT", changed(SPAT, "intersections", 0, "phases", to=[]), RsuReason.MALFORMED),
        (
            "SPAT",
            changed(SPAT, "intersections", 0, "phases", 0, "phaseStates", "timing", to="soon"),
            RsuReason.MALFORMED,
        ),
        ("MAP", {"map": {"nodes": []}}, RsuReason.MALFORMED),
        ("MAP", {"map": None}, RsuReason.MALFORMED),
        ("BSM", {}, RsuReason.UNSUPPORTED),
    ],
)
def test_bodies_of_a_wrong_form_are_refused(message: str, body: Any, reason: RsuReason) -> None:
    with pytest.raises(RsuError) as caught:
        frames_of(message, body, CONTEXT)
    assert caught.value.reason is reason


# What looks like a value and is none, or lies at the end of a range.
ODD = ("--5", "-1", "007", "1e3", 1 << 53, 1 << 63, 10**300, -(10**300), 1e308, -0.0, 181, 4_102_444_800_000)
TIMES = ("9999-12-31 23:59:59", "0001-01-01 00:00:00", "2026-02-30 00:00:00")
ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(ODD + TIMES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(["RSM", "RSI", "SPAT", "MAP", "BSM"]), ANY)
def test_any_json_is_a_frame_or_a_typed_error(message: str, body: Any) -> None:
    try:
        frames_of(message, body, CONTEXT)
    except RsuError as error:
        assert error.reason in (RsuReason.MALFORMED, RsuReason.TOO_LARGE, RsuReason.UNSUPPORTED)


MAP = body_of("MAP", frame_of("MAP"), CONTEXT)[0]


@given(st.data())
def test_a_body_with_anything_put_in_is_a_frame_or_a_typed_error(data: st.DataObject) -> None:
    bodies = [("RSM", RSM), ("RSI", RSI), ("SPAT", SPAT), ("RAW", [RAW]), ("MAP", MAP)]
    message, body = data.draw(st.sampled_from(bodies))
    body = copy.deepcopy(body)
    at: Any = body
    for _ in range(12):
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        key = data.draw(st.sampled_from(keys))
        if not (isinstance(at[key], dict | list) and at[key]) or data.draw(st.booleans()):
            at[key] = data.draw(ANY)
            break
        at = at[key]
    try:
        if message == "RAW":
            for one in read_raw_rsm(body, CONTEXT):
                encoded(one)
        else:
            frames_of(message, body, CONTEXT)
    except RsuError as error:
        assert error.reason in (RsuReason.MALFORMED, RsuReason.TOO_LARGE)


def test_signs_alone_have_no_form_here() -> None:
    from wayside.asn1 import load

    value = {
        "msgCnt": 0,
        "id": bytes(8),
        "refPos": {"lat": 0, "long": 0},
        "rtss": [{"rtsId": 1, "signType": 38}],
    }
    frame = load("csae53-2020").encode(("rsiFrame", value))
    with pytest.raises(RsuError) as caught:
        body_of("RSI", frame, CONTEXT)
    assert caught.value.reason is RsuReason.UNSUPPORTED


@pytest.mark.parametrize("stamp", [1 << 52, 1 << 53, 4_102_444_800_001])
def test_a_stamp_beyond_all_years_is_refused(stamp: int) -> None:
    event = {"alertID": "1", "eventType": 1, "eventPosition": {"lat": 390000000, "lon": 1170000000}}
    with pytest.raises(RsuError) as caught:
        frames_of("RSI", {"rsiDatas": [{**event, "timeStamp": stamp}]}, CONTEXT)
    assert caught.value.reason is RsuReason.MALFORMED


@pytest.mark.parametrize("text", ["--5", "-", "", "+5", "5 ", "٥", "5\n"])
def test_a_text_that_is_no_number_is_refused(text: str) -> None:
    fields = Fields({"ptcId": text}, "", Account())
    with pytest.raises(RsuError) as caught:
        fields.integer("ptcId", -10, 65_535)
    assert caught.value.reason is RsuReason.MALFORMED


def test_lost_keys_are_named_up_to_a_bound() -> None:
    account = Account()
    for place in ("a", "b"):
        Fields({f"k{i}": 0 for i in range(40_000)}, place, account).end()
    assert len(account.lost) == 65
    assert (account.lost[0], account.lost[-1]) == ("a.k0", "more")


def test_the_objects_of_one_payload_are_bounded_over_all_its_devices() -> None:
    def devices(counts: list[int]) -> list[dict[str, Any]]:
        return [{**RAW, "content": RAW["content"] * count} for count in counts]

    assert len(read_raw_rsm(devices([128, 128]), CONTEXT)) == 16
    with pytest.raises(RsuError) as caught:
        read_raw_rsm(devices([200, 57]), CONTEXT)
    assert caught.value.reason is RsuReason.TOO_LARGE
