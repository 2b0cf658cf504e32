"""T/CSAE 157 draft: nine messages in an extension of the frame, and additions to MAP and RSI."""

from random import Random
from typing import Any

import pytest

from wayside.asn1 import DecodeError, EncodeError, load
from wayside.asn1._table import Choice, Sequence
from wayside.asn1.samples import Samples

DRAFT, BASE = load("csae157-draft"), load("csae53-new4k")
NUMBERS = {
    "TEST": (0, "TestMsg"),
    "RTCM": (10, "RTCMcorrections"),
    "RSC": (11, "RoadsideCoordination"),
    "SSM": (12, "SensorSharingMsg"),
    "VIR": (13, "VehIntentionAndRequest"),
    "PAM": (14, "PAMData"),
    "PSM": (15, "PersonalSafetyMessage"),
    "CLPMM": (16, "CLPMM"),
    "VPM": (17, "VehiclePaymentMessage"),
}


def test_nine_messages_more() -> None:
    assert set(DRAFT.carried) == {*BASE.carried, *NUMBERS}
    assert BASE.carried == DRAFT.carried[:5]


@pytest.mark.parametrize("name", NUMBERS)
def test_an_extension_message_stands_behind_its_number(name: str) -> None:
    number, type_name = NUMBERS[name]
    for seed in range(6):
        value = Samples(DRAFT.table, Random(seed)).of(type_name)
        frame = ("msgFrameExt", {"messageId": number, "value": value})
        octets = DRAFT.encode(frame)
        assert octets[0] == 0x80
        assert DRAFT.decode(octets) == frame
        assert DRAFT.frame_name(frame) == name
        inner = DRAFT.encode(value, type_name)
        assert inner in octets
        with pytest.raises(EncodeError):
            DRAFT.encode(("msgFrameExt", {"messageId": number, "value": 7}))


def test_layout_of_an_extension_frame() -> None:
    """Frame index, length, 1 bit marker and 15 bits of number, length, message."""
    octets = DRAFT.encode(("msgFrameExt", {"messageId": 0, "value": {"msgCnt": 5, "userData": b"\xab"}}))
    assert octets.hex() == "8007" + "0000" + "04" + "0a002ac0"
    assert DRAFT.decode(octets)[1]["value"] == {"msgCnt": 5, "userData": b"\xab"}


@pytest.mark.parametrize("number", (1, 9, 18, 32767))
def test_a_message_of_unknown_number_stays_octets(number: int) -> None:
    frame = ("msgFrameExt", {"messageId": number, "value": b"\x01\x02\x03"})
    octets = DRAFT.encode(frame)
    assert octets == bytes([0x80, 6, number >> 8, number & 255, 3, 1, 2, 3])
    assert DRAFT.decode(octets) == frame
    assert DRAFT.frame_name(frame) == str(number)
    assert DRAFT.from_json(DRAFT.to_json(frame)) == frame


def test_the_base_keeps_an_extension_frame_as_it_came() -> None:
    for name, (number, type_name) in NUMBERS.items():
        value = Samples(DRAFT.table, Random(3)).of(type_name)
        octets = DRAFT.encode(("msgFrameExt", {"messageId": number, "value": value}))
        seen = BASE.decode(octets)
        assert seen[0] == "...", name
        assert BASE.encode(seen) == octets


@pytest.mark.parametrize("type_name", ("MapData", "RoadSideInformation", "BasicSafetyMessage", "SPAT"))
def test_first_stage_messages_have_the_octets_of_the_base(type_name: str) -> None:
    for seed in range(25):
        value = Samples(BASE.table, Random(seed), unknown=False).of(type_name)
        octets = BASE.encode(value, type_name)
        assert DRAFT.encode(value, type_name) == octets
        assert DRAFT.decode(octets, type_name) == value


def additions(type_name: str) -> list[str]:
    node = DRAFT.table.nodes[DRAFT.table.types[type_name]]
    assert isinstance(node, Sequence) and node.additions is not None
    return [member.name for addition in node.additions for member in addition.members]


def test_map_and_signs_are_extended_behind_the_marker() -> None:
    assert additions("Node") == ["inLinks-ex", "prohibitedzone"]
    assert additions("RTSData") == ["auxiliarySign"]
    sign = {"rtsId": 1, "signType": 2, "auxiliarySign": {"signDirection": "left"}}
    octets = DRAFT.encode(sign, "RTSData")
    assert DRAFT.decode(octets, "RTSData") == sign
    seen = BASE.decode(octets, "RTSData")
    assert (seen["rtsId"], seen["signType"]) == (1, 2)
    assert BASE.encode(seen, "RTSData") == octets


def test_extended_links() -> None:
    lane = {"laneRefID": -31, "st-points": [{"s-axis": -1024, "t-axis": 5}, {"s-axis": 65535, "t-axis": -1}]}
    link = {"upstreamNodeId": {"id": 3}, "sections": [{"secId": 63, "lanes": [lane]}]}
    node = {"id": {"id": 7}, "refPos": {"lat": 1, "long": 2}, "inLinks-ex": [link]}
    frame = ("mapFrame", {"msgCnt": 0, "nodes": [node]})
    octets = DRAFT.encode(frame)
    assert DRAFT.decode(octets) == frame
    seen = BASE.decode(octets)
    assert BASE.encode(seen) == octets
    assert "inLinks-ex" not in seen[1]["nodes"][0]


def test_two_bits_of_vehicle_lanes_are_renamed() -> None:
    old, new = (
        m.table.nodes[m.table.types["LaneAttributes-Vehicle"]].named  # type: ignore[union-attr]
        for m in (BASE, DRAFT)
    )
    assert old is not None and new is not None
    assert {bit: name for bit, name in new.items() if old[bit] != name} == {
        1: "isRampLane",
        6: "emergencyLane",
    }


def test_frame_has_a_second_marker() -> None:
    node = DRAFT.table.nodes[DRAFT.table.types["MessageFrame"]]
    assert isinstance(node, Choice) and node.additions is not None
    assert [a.name for a in node.additions] == ["msgFrameExt"]


def test_rtcm_revisions_keep_their_numbers_in_the_order_of_the_wire() -> None:
    node: Any = DRAFT.table.nodes[DRAFT.table.types["RTCM-Revision"]]
    assert node.root[10:] == [
        "rtcmBINEX",
        "rtcmRev2-x",
        "rtcmRev2-0",
        "rtcmRev2-1",
        "rtcmRev2-3",
        "rtcmRev3-0",
        "rtcmRev3-1",
        "rtcmRev3-2",
    ]


@pytest.mark.parametrize("count", (127, 128, 512))
def test_a_long_sensor_message_needs_longer_lengths(count: int) -> None:
    """512 participants take more than 16 kB: the open type comes in fragments."""
    place = {"offsetLL": ("position-LL6", {"lon": 5, "lat": -6}), "offsetV": ("elevation", 1)}
    participant = {
        "ptcType": "motor",
        "ptcId": 1,
        "source": "integrated",
        "id": b"abcdefgh",
        "secMark": 100,
        "pos": place,
        "posConfidence": {"pos": "a1m"},
        "speed": 500,
        "heading": 7200,
        "accelSet": {"long": 0, "lat": 0, "vert": 0, "yaw": 0},
        "size": {"width": 180, "length": 460},
    }
    value = {
        "msgCnt": 1,
        "id": b"12345678",
        "equipmentType": "rsu",
        "secMark": 5,
        "sensorPos": {"lat": 1, "long": 2},
        "participants": [{"ptc": participant}] * count,
    }
    frame = ("msgFrameExt", {"messageId": 12, "value": value})
    octets = DRAFT.encode(frame)
    assert (len(octets) > 16384) == (count == 512)
    assert DRAFT.decode(octets) == frame
    with pytest.raises(DecodeError):
        DRAFT.decode(octets[:-1])
