"""What differs on the wire between the dialects of T/CSAE 53, and what is the same in all of them."""

from random import Random
from typing import Any

import pytest

from wayside.asn1 import CodecReason, DecodeError, EncodeError, MessageSet, load
from wayside.asn1._table import Enumerated
from wayside.asn1.samples import Samples

V3, V4, V5 = load("csae53-2017"), load("csae53-2020"), load("csae53-new4k")
POINT = {"offsetLL": ("position-LL1", {"lon": 5, "lat": -6})}
POSITION = {"lat": 390000000, "long": 1170000000}
NODE = {"id": {"id": 7}, "refPos": POSITION}
LANE = {"laneID": 1}
LINK = {"upstreamNodeId": {"id": 3}, "lanes": [LANE]}
CONNECTION = {"remoteIntersection": {"id": 9}}
PARTICIPANT = {
    "ptcType": "motor",
    "ptcId": 1,
    "source": "video",
    "secMark": 100,
    "pos": POINT,
    "speed": 500,
    "heading": 7200,
    "size": {"width": 180, "length": 460},
}


def bits(messages: MessageSet, value: Any, type_name: str) -> int:
    return messages.decode_prefix(messages.encode(value, type_name), type_name)[1]


def crossed(writer: MessageSet, reader: MessageSet, value: Any, type_name: str) -> Any:
    """What one dialect reads in the octets of the other, with more octets behind them."""
    return reader.decode_prefix(writer.encode(value, type_name) + bytes(20), type_name)[0]


def refused(messages: MessageSet, value: Any, type_name: str) -> CodecReason:
    with pytest.raises(EncodeError) as error:
        messages.encode(value, type_name)
    return error.value.reason


# csae53-2020 -> csae53-new4k: seven types, no other


def shape(messages: MessageSet, type_name: str) -> str:
    """A type with the names instead of the numbers of the types in it."""
    names = {index: name for name, index in messages.table.types.items()}

    def told(node: Any) -> Any:
        if isinstance(node, list):
            return [told(item) for item in node]
        if not hasattr(node, "__struct_fields__"):
            return node
        out = {"kind": type(node).__name__}
        for field in node.__struct_fields__:
            inner = getattr(node, field)
            if field in ("node", "element"):
                inner = names.get(inner) or told(messages.table.nodes[inner])
            out[field] = told(inner)
        return out

    return repr(told(messages.table.nodes[messages.table.types[type_name]]))


def test_seven_types_differ_between_2020_and_new4k() -> None:
    assert set(V4.type_names) == set(V5.type_names)
    assert {name for name in V4.type_names if shape(V4, name) != shape(V5, name)} == {
        "ConnectsToList",
        "DHour",
        "DTimeOffset",
        "FullPositionVector",
        "Link",
        "NodeList",
        "PathPointList",
    }


def test_node_list_counts_with_one_bit_less() -> None:
    assert bits(V4, [NODE], "NodeList") - bits(V5, [NODE], "NodeList") == 1
    assert len(V4.decode(V4.encode([NODE] * 63, "NodeList"), "NodeList")) == 63
    assert refused(V5, [NODE] * 33, "NodeList") is CodecReason.OUT_OF_RANGE


def test_connects_to_list_counts_with_one_bit_less() -> None:
    assert bits(V4, [CONNECTION], "ConnectsToList") - bits(V5, [CONNECTION], "ConnectsToList") == 1
    assert len(V4.decode(V4.encode([CONNECTION] * 16, "ConnectsToList"), "ConnectsToList")) == 16
    assert refused(V5, [CONNECTION] * 9, "ConnectsToList") is CodecReason.OUT_OF_RANGE


def test_link_width_is_mandatory_in_new4k() -> None:
    assert V4.encode(LINK, "Link")
    assert refused(V5, LINK, "Link") is CodecReason.MISSING
    wide = {**LINK, "linkWidth": 700}
    assert bits(V4, wide, "Link") - bits(V5, wide, "Link") == 1


@pytest.mark.parametrize("count", (2, 3, 31))
def test_new4k_reads_one_path_point_too_many(count: int) -> None:
    path = [POINT] * count
    assert bits(V4, path, "PathPointList") == bits(V5, path, "PathPointList")
    assert len(crossed(V4, V5, path, "PathPointList")) == count + 1
    assert len(crossed(V5, V4, path, "PathPointList")) == count - 1
    assert refused(V5, [POINT], "PathPointList") is CodecReason.OUT_OF_RANGE


def test_a_time_offset_of_480_minutes_reads_as_360_in_new4k() -> None:
    assert bits(V4, 480, "DTimeOffset") == bits(V5, 480, "DTimeOffset") == 11
    assert crossed(V4, V5, 480, "DTimeOffset") == 360
    assert crossed(V5, V4, 360, "DTimeOffset") == 480


def test_hours_are_the_same_up_to_24() -> None:
    for hour in range(25):
        assert V4.encode(hour, "DHour") == V5.encode(hour, "DHour") == V3.encode(hour, "DHour")
    assert refused(V4, 25, "DHour") is CodecReason.OUT_OF_RANGE
    assert V5.decode(V5.encode(31, "DHour"), "DHour") == V3.decode(V3.encode(31, "DHour"), "DHour") == 31


def test_initial_position_has_one_presence_bit_less_in_new4k() -> None:
    value = {"pos": POSITION, "speed": 100}
    assert bits(V4, value, "FullPositionVector") - bits(V5, value, "FullPositionVector") == 1
    assert crossed(V4, V5, value, "FullPositionVector") != value
    accurate = {**value, "posAccuracy": {"pos": "a1m"}}
    assert V5.decode(V5.encode(accurate, "FullPositionVector"), "FullPositionVector") == accurate
    assert refused(V4, accurate, "FullPositionVector") is CodecReason.UNKNOWN_MEMBER


def made(messages: MessageSet, type_name: str, count: int) -> list[Any]:
    return [Samples(messages.table, Random(seed)).of(type_name) for seed in range(count)]


@pytest.mark.parametrize("type_name", ("RoadsideSafetyMessage", "SPAT"))
def test_rsm_and_spat_are_the_same_octets_in_2020_and_new4k(type_name: str) -> None:
    for value in made(V4, type_name, 40):
        octets = V4.encode(value, type_name)
        assert V5.encode(value, type_name) == octets
        assert V5.decode(octets, type_name) == value


def test_bsm_is_the_same_unless_the_history_has_an_initial_position() -> None:
    same = other = 0
    for value in made(V4, "BasicSafetyMessage", 60):
        octets = V4.encode(value, "BasicSafetyMessage")
        history = value.get("safetyExt", {}).get("pathHistory", {})
        if history.pop("initialPosition", None) is None:
            assert V5.encode(value, "BasicSafetyMessage") == octets
            same += 1
        else:
            assert V5.encode(value, "BasicSafetyMessage") != octets
            other += 1
    assert same > 20 and other > 5


def test_rsi_differs_where_it_has_a_path() -> None:
    head = {"msgCnt": 1, "id": b"12345678", "refPos": POSITION}
    event = {"rteId": 1, "eventType": 401, "eventSource": "police"}
    path = [{"activePath": [POINT] * 3, "pathRadius": 9}]
    plain, along = ({**head, "rtes": [e]} for e in (event, {**event, "referencePaths": path}))
    assert V4.encode(plain, "RoadSideInformation") == V5.encode(plain, "RoadSideInformation")
    octets = V4.encode(along, "RoadSideInformation")
    assert octets != V5.encode(along, "RoadSideInformation")
    with pytest.raises(DecodeError):
        V5.decode(octets, "RoadSideInformation")


def test_map_always_differs() -> None:
    for value in made(V5, "MapData", 30):
        octets = V5.encode(value, "MapData")
        assert V4.encode(value, "MapData") != octets
        try:
            assert V4.decode_prefix(octets, "MapData")[0] != value
        except DecodeError as error:
            assert error.reason in CodecReason


# csae53-2017 -> csae53-2020


def test_2017_bsm_has_plate_and_mandatory_accuracy() -> None:
    value = next(v for v in made(V3, "BasicSafetyMessage", 20) if "plateNo" in v)
    assert V3.decode(V3.encode(value, "BasicSafetyMessage"), "BasicSafetyMessage") == value
    rest = {name: item for name, item in value.items() if name != "accuracy"}
    assert refused(V3, rest, "BasicSafetyMessage") is CodecReason.MISSING
    new = {"timeConfidence", "posAccuracy", "posConfidence", "emergencyExt"}
    names = [_members(messages, "BasicSafetyMessage") for messages in (V3, V4)]
    assert names[1] - names[0] == new
    assert names[0] - names[1] == {"plateNo", "accuracy"}


def _members(messages: MessageSet, type_name: str) -> set[str]:
    node: Any = messages.table.nodes[messages.table.types[type_name]]
    return {member.name for member in node.root}


def test_2017_participant_has_one_presence_bit_more() -> None:
    old, new = ({**PARTICIPANT, name: {"pos": "a1m"}} for name in ("accuracy", "posConfidence"))
    assert bits(V3, old, "ParticipantData") - bits(V4, new, "ParticipantData") == 1


def test_source_type_is_the_same_but_for_two_new_ones() -> None:
    node: Any = V3.table.nodes[V3.table.types["SourceType"]]
    assert isinstance(node, Enumerated)
    for name in node.root:
        assert V3.encode(name, "SourceType") == V4.encode(name, "SourceType")
    assert bits(V3, "loop", "SourceType") == bits(V4, "loop", "SourceType") == 4
    for name in ("lidar", "integrated"):
        with pytest.raises(DecodeError):
            V3.decode(V4.encode(name, "SourceType"), "SourceType")


def test_2017_rsi_is_one_alert() -> None:
    alert = {
        "msgCnt": 1,
        "id": b"12345678",
        "rsiId": 3,
        "alertType": 34,
        "description": "works",
        "priority": b"\x20",
        "refPos": POSITION,
        "alertPath": [POINT, POINT],
        "alertRadius": 1024,
    }
    assert V3.decode(V3.encode(("rsiFrame", alert))) == ("rsiFrame", alert)
    assert refused(V3, {**alert, "alertRadius": 1025}, "RoadSideInformation") is CodecReason.OUT_OF_RANGE
    with pytest.raises(DecodeError):
        V4.decode(V3.encode(("rsiFrame", alert)))
    assert not {"RTEData", "RTSData"} & set(V3.type_names)


def test_2017_spat_has_the_minute_in_its_time_stamp() -> None:
    state = {
        "intersectionId": {"id": 1},
        "status": (b"\0\0", 16),
        "phases": [{"id": 1, "phaseStates": [{"light": "dark"}]}],
    }
    old = {"msgCnt": 1, "timeStamp": 500000, "intersections": [state]}
    assert V3.decode(V3.encode(old, "SPAT"), "SPAT") == old
    assert refused(V4, old, "SPAT") is CodecReason.OUT_OF_RANGE
    # The later edition has a marker and a presence bit more in a state, and one bit more in its light.
    assert bits(V4, state, "IntersectionState") - bits(V3, state, "IntersectionState") == 3


def test_light_states_of_2017_have_the_numbers_of_2020_and_one_bit_less() -> None:
    lights: list[Any] = [m.table.nodes[m.table.types["LightState"]] for m in (V3, V4)]
    assert len(lights[0].root) == len(lights[1].root) == 9
    assert lights[0].additions is None and lights[1].additions == []
    for number, (old, new) in enumerate(zip(lights[0].root, lights[1].root, strict=True)):
        assert V3.encode(old, "LightState") == bytes([number << 4])
        assert V4.encode(new, "LightState") == bytes([number << 3])


def test_times_of_2017_are_no_choice() -> None:
    times = {"startTime": 0, "likelyEndTime": 300}
    old = bits(V3, times, "TimeChangeDetails")
    assert bits(V4, ("counting", times), "TimeChangeDetails") - old == 2
    assert refused(V4, times, "TimeChangeDetails") is CodecReason.WRONG_TYPE


def test_2017_map_has_the_smaller_lists_and_no_width_of_lanes() -> None:
    assert refused(V3, [NODE] * 33, "NodeList") is CodecReason.OUT_OF_RANGE
    assert refused(V3, [CONNECTION] * 9, "ConnectsToList") is CodecReason.OUT_OF_RANGE
    assert bits(V4, LANE, "Lane") - bits(V3, LANE, "Lane") == 1
    assert refused(V3, LINK, "Link") is CodecReason.MISSING
    assert _members(V3, "Link") - _members(V4, "Link") == {"laneWidth"}
    assert _members(V4, "Link") - _members(V3, "Link") == {"linkWidth"}


def test_2017_classification_has_no_fuel() -> None:
    value = {"classification": 10}
    assert bits(V4, value, "VehicleClassification") - bits(V3, value, "VehicleClassification") == 1
    assert "FuelType" not in V3.type_names


def test_2017_time_offset_and_initial_position() -> None:
    assert crossed(V4, V3, 480, "DTimeOffset") == 360
    assert _members(V4, "FullPositionVector") - _members(V3, "FullPositionVector") == {"posConficence"}
    assert _members(V3, "FullPositionVector") - _members(V4, "FullPositionVector") == {"posConfidence"}
    value = {"pos": POSITION, "posAccuracy": {"pos": "a1m"}, "posConfidence": {"pos": "a2m"}}
    assert V3.decode(V3.encode(value, "FullPositionVector"), "FullPositionVector") == value


def test_2017_has_the_types_that_its_messages_use() -> None:
    assert len(V3.type_names) == 138
    assert set(V3.type_names) - set(V4.type_names) == {"AlertType", "Priority"}
