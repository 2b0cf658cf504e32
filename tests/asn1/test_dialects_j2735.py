"""Earlier editions of SAE J2735: other names, fewer additions than 2024, and the same octets for the rest."""

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from wayside.asn1 import CodecReason, DecodeError, MessageSet, load
from wayside.asn1._table import Choice, ListOf, Sequence
from wayside.asn1.samples import Samples

OF_2016, OF_2020, OF_2024 = load("j2735-2016"), load("j2735-2020"), load("j2735-2024")
EARLIER = [pytest.param(messages, id=messages.dialect) for messages in (OF_2016, OF_2020)]
ENTRIES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "j2735.json").read_text("utf-8")
)
NEW_TYPES = ("RoadSafetyMessage", "SensorDataSharingMessage")

# Names of members in the three editions, where any of them differs: type -> (2016, 2020, 2024).
RENAMED = {
    "EmergencyDetails": [("sspRights", "notUsed", "doNotUse")],
    "PrivilegedEvents": [("sspRights", "notUsed", "doNotUse")],
    "TrailerData": [("sspRights", "notUsed", "doNotUse")],
    "SpecialVehicleExtensions": [("trailers", "trailers", "doNotUse")],
    "SupplementalVehicleExtensions": [
        ("weatherReport", "weatherReport", "doNotUse1"),
        ("weatherProbe", "weatherProbe", "doNotUse2"),
        ("obstacle", "obstacle", "doNotUse3"),
        ("speedProfile", "speedProfile", "doNotUse4"),
        ("theRTCM", "theRTCM", "doNotUse5"),
    ],
    "VehicleData": [("trailerWeight", "trailerWeight", "doNotUse")],
    "TravelerDataFrame": [
        ("sspTimRights", "notUsed", "doNotUse1"),
        ("duratonTime", "durationTime", "durationTime"),
        ("sspLocationRights", "notUsed1", "doNotUse2"),
        ("sspMsgRights1", "notUsed2", "doNotUse3"),
        ("sspMsgRights2", "notUsed3", "doNotUse4"),
    ],
}
ADDED = {
    "IntersectionGeometry": ["roadAuthorityID"],
    "IntersectionState": ["roadAuthorityID"],
    "SupplementalVehicleExtensions": ["fhwaVehicleClass", "trailers", "schoolBus"],
    "TravelerDataFrame": ["contentNew"],
    "VehicleData": ["trailerPresent", "pivotPoint", "axles", "leanAngle"],
}


def sequence(messages: MessageSet, type_name: str) -> Sequence:
    node = messages.table.nodes[messages.table.types[type_name]]
    assert isinstance(node, Sequence)
    return node


def additions(node: Sequence) -> list[str]:
    return [member.name for addition in node.additions or () for member in addition.members]


def test_names_of_members_differ_where_it_is_known_and_nowhere_else() -> None:
    for type_name, index in OF_2016.table.types.items():
        if type_name not in OF_2024.type_names or not isinstance(OF_2016.table.nodes[index], Sequence):
            continue
        roots = [
            [(m.name, m.optional) for m in sequence(edition, type_name).root]
            for edition in (OF_2016, OF_2020, OF_2024)
        ]
        assert [[o for _, o in root] for root in roots] == [[o for _, o in roots[0]]] * 3
        names = zip(*([name for name, _ in root] for root in roots), strict=True)
        assert [row for row in names if len(set(row)) > 1] == RENAMED.get(type_name, [])
        assert not additions(sequence(OF_2016, type_name))
        assert not additions(sequence(OF_2020, type_name))
        assert additions(sequence(OF_2024, type_name)) == ADDED.get(type_name, [])


@pytest.mark.parametrize("messages", EARLIER)
def test_messages_of_2024_alone_are_unknown(messages: MessageSet) -> None:
    assert set(OF_2024.carried) - set(messages.carried) == {"RSM", "SDSM"}
    assert not {*NEW_TYPES} & {*messages.type_names}
    for number in (33, 41):
        frame = {"messageId": number, "value": b"\x01\x02"}
        assert messages.decode(messages.encode(frame)) == frame
        assert messages.frame_name(frame) == str(number)


def test_time_marks_end_earlier_in_2016() -> None:
    assert OF_2016.encode(36001, "TimeMark") == OF_2024.encode(36001, "TimeMark")
    octets = OF_2020.encode(36111, "TimeMark")
    assert octets == OF_2024.encode(36111, "TimeMark")
    with pytest.raises(DecodeError) as refused:
        OF_2016.decode(octets, "TimeMark")
    assert refused.value.reason is CodecReason.OUT_OF_RANGE


def test_names_of_bits() -> None:
    flags: list[Any] = [
        m.table.nodes[m.table.types["VehicleEventFlags"]] for m in (OF_2016, OF_2020, OF_2024)
    ]
    assert [13 in node.named for node in flags] == [False, False, True]
    jack_knife = (b"\x00\x04", 14)
    octets = OF_2024.encode(jack_knife, "VehicleEventFlags")
    assert OF_2016.decode(octets, "VehicleEventFlags") == jack_knife
    sharing: list[Any] = [m.table.nodes[m.table.types["LaneSharing"]] for m in (OF_2016, OF_2020, OF_2024)]
    assert [node.named[9] for node in sharing] == ["pedestrianTraffic", "reserved", "reserved"]


def renamed(messages: MessageSet, index: int, value: Any) -> Any:
    """A value of an earlier edition under the names of 2024."""
    table = messages.table
    node = table.nodes[index]
    if isinstance(node, ListOf):
        return [renamed(messages, node.element, item) for item in value]
    if isinstance(node, Choice):
        at = {a.name: a.node for a in (*node.root, *(node.additions or ()))}
        return (value[0], renamed(messages, at[value[0]], value[1])) if value[0] in at else value
    if not isinstance(node, Sequence):
        return value
    name = next((name for name, at in table.types.items() if at == index), "")
    column = (OF_2016, OF_2020).index(messages)
    names = {row[column]: row[2] for row in RENAMED.get(name, ())}
    nodes = {member.name: member.node for member in node.root}
    if node.open is not None and value[node.open.id] in node.open.nodes:
        nodes[node.open.value] = node.open.nodes[value[node.open.id]]
    return {
        names.get(key, key): renamed(messages, nodes[key], item) if key in nodes else item
        for key, item in value.items()
    }


@pytest.mark.parametrize("messages", EARLIER)
def test_a_real_message_without_later_additions_is_exact(messages: MessageSet) -> None:
    """Messages with additions keep them as they came; one SPAT has a time that 2016 does not know."""
    count: dict[str, int] = {}
    refused = later = 0
    frame = messages.table.types["MessageFrame"]
    for entry in ENTRIES:
        octets = bytes.fromhex(entry["hex"])
        try:
            value = messages.decode(octets)
        except DecodeError as error:
            assert error.reason is CodecReason.OUT_OF_RANGE and error.path.endswith("startTime")
            refused += 1
            continue
        assert messages.encode(value) == octets
        if isinstance(value["value"], bytes):
            assert entry["message"] in NEW_TYPES
        elif '"..."' in json.dumps(messages.to_json(value)):
            later += 1
        else:
            assert renamed(messages, frame, value) == OF_2024.decode(octets)
            name = messages.frame_name(value)
            count[name] = count.get(name, 0) + 1
    assert count == {
        "MAP": 18,
        "SPAT": 15,
        "BSM": 13,
        "TIM": 7,
        "SSM": 6,
        "SRM": 3,
        "PSM": 1,
        "RTCM": 1,
    }
    assert (refused, later) == ((1, 2) if messages is OF_2016 else (0, 3))


@pytest.mark.parametrize("messages", EARLIER)
def test_what_an_earlier_edition_says_2024_reads(messages: MessageSet) -> None:
    samples = Samples(messages.table, Random(2735), unknown=False)
    for _ in range(40):
        value = samples.of("MessageFrame")
        octets = messages.encode(value)
        if isinstance(value["value"], bytes):
            continue
        read = OF_2024.decode(octets)
        assert read == renamed(messages, messages.table.types["MessageFrame"], value)
        assert OF_2024.encode(read) == octets
