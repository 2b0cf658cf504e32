from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayside.rsu import RsuError, RsuReason
from wayside.rsu.mqtt import (
    ConnAck,
    Connect,
    Disconnect,
    Packet,
    PacketReader,
    PingReq,
    PingResp,
    PubAck,
    Publish,
    SubAck,
    Subscribe,
    UnsubAck,
    Unsubscribe,
    Will,
    build_packet,
    check_filter,
    check_topic,
    matches,
)

TOPICS = st.text(
    st.characters(exclude_characters="+#\0", exclude_categories=("Cs",)), min_size=1, max_size=40
)
NUMBERS = st.integers(1, 65_535)
WILLS = st.none() | st.builds(Will, TOPICS, st.binary(max_size=40), st.integers(0, 1), st.booleans())


@st.composite
def connects(draw: st.DrawFn) -> Connect:
    username = draw(st.none() | TOPICS)
    return Connect(
        client_id=draw(TOPICS),
        keep_alive_s=draw(st.integers(0, 65_535)),
        clean_session=draw(st.booleans()),
        username=username,
        password=None if username is None else draw(st.none() | st.binary(max_size=20)),
        will=draw(WILLS),
    )


@st.composite
def publishes(draw: st.DrawFn) -> Publish:
    qos = draw(st.integers(0, 1))
    return Publish(
        topic=draw(TOPICS),
        payload=draw(st.binary(max_size=300)),
        qos=qos,
        retain=draw(st.booleans()),
        duplicate=draw(st.booleans()),
        packet_id=draw(NUMBERS) if qos else 0,
    )


PACKETS = st.one_of(
    connects(),
    publishes(),
    st.builds(ConnAck, st.integers(0, 5), st.booleans()),
    st.builds(PubAck, NUMBERS),
    st.builds(Subscribe, NUMBERS, st.lists(st.tuples(TOPICS, st.integers(0, 2)), min_size=1).map(tuple)),
    st.builds(SubAck, NUMBERS, st.lists(st.integers(0, 255)).map(tuple)),
    st.builds(Unsubscribe, NUMBERS, st.lists(TOPICS, min_size=1).map(tuple)),
    st.builds(UnsubAck, NUMBERS),
    st.sampled_from([PingReq(), PingResp(), Disconnect()]),
)


@given(st.lists(PACKETS, max_size=6), st.lists(st.integers(0, 400), max_size=6))
def test_packets_come_back_however_the_stream_is_cut(packets: list[Packet], cuts: list[int]) -> None:
    stream = b"".join(map(build_packet, packets))
    reader, found, at = PacketReader(1_000_000), [], 0
    for end in [*sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]:
        found += reader.feed(stream[at:end])
        at = end
    assert found == packets


@given(st.binary(max_size=60))
def test_any_octets_are_packets_or_a_typed_error(data: bytes) -> None:
    try:
        packets = PacketReader(1_000).feed(data)
    except RsuError as error:
        assert error.reason in (RsuReason.MALFORMED, RsuReason.TOO_LARGE, RsuReason.UNSUPPORTED)
    else:
        assert len(packets) <= len(data)


@pytest.mark.parametrize(
    ("packet", "octets"),
    [
        # Written out by hand from the tables of MQTT 3.1.1, section 3.
        (Connect(client_id="a", keep_alive_s=60), "100d00044d5154540402003c000161"),
        (Publish(topic="a/b", payload=b"x", qos=1, packet_id=10), "3208" + "0003612f62" + "000a" + "78"),
        (Subscribe(1, (("a/+", 1),)), "8208" + "0001" + "0003612f2b" + "01"),
        (Publish(topic="t", payload=bytes(125)), "308001" + "000174" + "00" * 125),
    ],
)
def test_the_octets_are_those_of_the_standard(packet: Packet, octets: str) -> None:
    assert build_packet(packet).hex() == octets


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        pytest.param("30ffffffff01", RsuReason.MALFORMED, marks=pytest.mark.drops(RsuReason.MALFORMED)),
        ("320400016100" + "00", RsuReason.MALFORMED),
        ("3003000123", RsuReason.MALFORMED),
        ("4003000100", RsuReason.MALFORMED),
        ("40020000", RsuReason.MALFORMED),
        ("8003000100", RsuReason.MALFORMED),
        ("82020001", RsuReason.MALFORMED),
        ("3005000361ff62", RsuReason.MALFORMED),
        ("100d00044d5154540403003c000161", RsuReason.MALFORMED),
        pytest.param("34", RsuReason.UNSUPPORTED, marks=pytest.mark.drops(RsuReason.UNSUPPORTED)),
        ("50020001", RsuReason.UNSUPPORTED),
        pytest.param("30e907", RsuReason.TOO_LARGE, marks=pytest.mark.drops(RsuReason.TOO_LARGE)),
    ],
)
def test_what_is_no_packet_is_refused(octets: str, reason: RsuReason) -> None:
    with pytest.raises(RsuError) as caught:
        PacketReader(1_000).feed(bytes.fromhex(octets))
    assert caught.value.reason is reason


@pytest.mark.parametrize(
    ("name", "topic", "so"),
    [
        ("V2X/RSU/+/MAP/DOWN", "V2X/RSU/R1/MAP/DOWN", True),
        ("V2X/RSU/+/MAP/DOWN", "V2X/RSU/R1/MAP/DOWN/ACK", False),
        ("V2X/RSU/#", "V2X/RSU", True),
        ("V2X/RSU/#", "V2X/RSU/R1/X", True),
        ("#", "a", True),
        ("#", "$SYS/a", False),
        ("+/a", "$SYS/a", False),
        ("a/+", "a", False),
        ("a/+", "a/", True),
        ("V2X.RSU.BSM.UP", "V2X.RSU.BSM.UP", True),
    ],
)
def test_filters_take_the_topics_of_the_standard(name: str, topic: str, so: bool) -> None:
    assert matches(check_filter(name), check_topic(topic)) is so


@pytest.mark.parametrize("name", ["", "a#", "#/a", "a+/b", "\0", "x" * 513])
def test_a_bad_filter_is_refused(name: str) -> None:
    with pytest.raises(RsuError):
        check_filter(name)


@pytest.mark.parametrize("topic", ["", "a/+", "a/#", "\0"])
def test_a_bad_topic_is_refused(topic: str) -> None:
    with pytest.raises(RsuError):
        build_packet(Publish(topic=topic, payload=b""))


@given(st.lists(PACKETS, min_size=1, max_size=4), st.data())
def test_damaged_packets_are_packets_or_a_typed_error(packets: list[Packet], data: st.DataObject) -> None:
    stream = bytearray(b"".join(map(build_packet, packets)))
    for _ in range(data.draw(st.integers(1, 4))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    reader = PacketReader(200, lambda number, octets: None)
    at = data.draw(st.integers(0, len(stream)))
    try:
        found = reader.feed(bytes(stream[:at])) + reader.feed(bytes(stream[at:]))
    except RsuError as error:
        assert error.reason in (RsuReason.MALFORMED, RsuReason.TOO_LARGE, RsuReason.UNSUPPORTED)
    else:
        assert all(build_packet(packet) for packet in found if not isinstance(packet, Publish))


@given(st.integers(0, 1), st.integers(100, 5_000), st.lists(st.integers(0, 6_000), max_size=8))
def test_a_large_message_is_passed_over_and_the_next_ones_read(qos: int, size: int, cuts: list[int]) -> None:
    large = Publish(topic="a/b", payload=bytes(size), qos=qos, packet_id=7 * qos)
    small = Publish(topic="a", payload=b"x")
    stream = b"".join(map(build_packet, (small, large, PingResp(), large, small)))
    told: list[tuple[int, int]] = []
    reader, found, at = PacketReader(90, lambda number, octets: told.append((number, octets))), [], 0
    for end in [*sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]:
        found += reader.feed(stream[at:end])
        at = end
    assert found == [small, PingResp(), small]
    assert told == [(7 * qos, 5 + 2 * qos + size)] * 2
