from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayside.rsu import RsuError, RsuReason
from wayside.rsu.mqtt import Publish
from wayside.rsu.vendors.tits0117.wire import (
    Ack,
    Arrived,
    Management,
    TopicLayout,
    build_ack,
    build_config,
    build_management,
    read_ack,
    read_body,
    read_json,
    read_management,
    read_time_ms,
    unit_name,
)

OPEN = TopicLayout()
CITY = TopicLayout(delimiter=".", up_id=False, down_id="after", body="binary", spat_down="unit")


@pytest.mark.parametrize(
    ("layout", "topic", "arrived"),
    [
        (OPEN, "V2X/RSU/INFO/UP", Arrived("INFO")),
        (OPEN, "V2X/RSU/HB/UP", Arrived("HB")),
        (OPEN, "V2X/RSU/BaseINFO/UP", Arrived("BASEINFO")),
        (OPEN, "V2X/RSU/RunningInfo/UP", Arrived("RUNNINGINFO")),
        (OPEN, "V2X/RSU/INFOQuery/Response", Arrived("INFOQUERY")),
        (OPEN, "V2X/RSU/R1/MAP/UP", Arrived("MAP", "R1")),
        (OPEN, "V2X/RSU/R1/MAP/DOWN/ACK", Arrived("MAP", "R1", ack=True)),
        (OPEN, "V2X/RSU/R1/CONFIG/DOWN/ACK", Arrived("CONFIG", "R1", ack=True)),
        (OPEN, "V2X/RSU/R1/RSM/UP/DAWNLINE", Arrived("RSM", "R1", driver="DAWNLINE")),
        (CITY, "V2X.RSU.BSM.UP", Arrived("BSM")),
        (CITY, "V2X.RSU.HB.UP", Arrived("HB")),
        (CITY, "V2X.RSU.STATE.UP", Arrived("STATE")),
    ],
)
def test_topics_up_are_those_of_the_documents(layout: TopicLayout, topic: str, arrived: Arrived) -> None:
    assert layout.read(topic) == arrived


@pytest.mark.parametrize(
    ("layout", "topic"),
    [
        (OPEN, "V2X/RSU/R1/RSI/DOWN/ACK"),
        (OPEN, "V2X/RSU/R1/VIR/UP"),
        (OPEN, "V2X.RSU.HB.UP"),
        (OPEN, "V2X/RSU/STATE/UP"),
        (CITY, "V2X/RSU/HB/UP"),
        (CITY, "V2X.RSU.R1.MAP.UP"),
        (CITY, "V2X.RSU.R1.MAP.DOWN.ACK"),
        (CITY, ""),
    ],
)
def test_topics_of_another_layout_are_refused(layout: TopicLayout, topic: str) -> None:
    with pytest.raises(RsuError) as caught:
        layout.read(topic)
    assert (caught.value.reason, caught.value.where) == (RsuReason.MALFORMED, "topic")


@pytest.mark.parametrize(
    ("layout", "kind", "topic"),
    [
        (OPEN, "MAP", "V2X/RSU/R1/MAP/DOWN"),
        (OPEN, "SPAT", "RSU/SPAT/DOWN"),
        (OPEN, "MNG", "V2X/RSU/R1/MNG/DOWN"),
        (OPEN, "Log", "V2X/RSU/R1/Log/UP"),
        (OPEN, "INFOQuery", "V2X/RSU/R1/INFOQuery"),
        (CITY, "SPAT", "V2X.RSU.SPAT.R1.DOWN"),
        (CITY, "MNG", "V2X.RSU.MNG.R1.DOWN"),
    ],
)
def test_topics_down_are_those_of_the_documents(layout: TopicLayout, kind: str, topic: str) -> None:
    assert layout.down(kind, "R1") == topic
    assert layout.read_down(topic, "R1") == kind
    assert topic in layout.down_filters("R1")
    if kind != "SPAT":
        assert layout.read_down(topic, "R2") is None
    with pytest.raises(RsuError):
        layout.read(topic)


def test_only_what_carries_a_number_can_be_acknowledged() -> None:
    assert OPEN.acknowledged == {"MAP", "CONFIG"}
    assert TopicLayout(body="binary").acknowledged == {"CONFIG"}
    assert CITY.acknowledged == frozenset()


def test_a_unit_hears_what_a_layout_sends_it_and_the_edge_what_it_sends() -> None:
    for layout in (OPEN, CITY, TopicLayout(delimiter="."), TopicLayout(down_id="after", spat_down="unit")):
        filters = layout.up_filters("R1")
        for kind in ("MAP", "SPAT", "RSI", "RSM", "HB"):
            topic = layout.up(kind, "R1")
            assert topic in filters
            assert layout.read(topic).kind == kind


def test_the_unit_is_told_by_topic_body_or_envelope() -> None:
    def of(layout: TopicLayout, topic: str, payload: bytes) -> str:
        return layout.device_of(Publish(topic=topic, payload=payload))

    assert of(OPEN, "V2X/RSU/R1/MAP/UP", b"whatever") == "R1"
    assert of(OPEN, "V2X/RSU/HB/UP", b'{"rsuId":"7","rsuEsn":"R1"}') == "R1"
    assert of(OPEN, "V2X/RSU/HB/UP", b'{"rsuid":"7","rsuesn":"R1"}') == "R1"
    assert of(CITY, "V2X.RSU.HB.UP", b'{"rsuid":"7","rsusn":"R1"}') == "7"
    assert of(CITY, "V2X.RSU.STATE.UP", b'{"base":{"tm":1,"ID":"u_id_123"},"errList":[]}') == "u_id_123"
    assert of(CITY, "V2X.RSU.RSM.UP", b"u_id_123" + bytes(20)) == "u_id_123"
    for payload in (b"", b"{}", b'{"rsuEsn":7}', b'{"rsuEsn":""}', b"[1]"):
        with pytest.raises(RsuError):
            of(OPEN, "V2X/RSU/HB/UP", payload)


@pytest.mark.parametrize(
    ("payload", "ack"),
    [
        (b'{"seqNum":"9","errorCode":0}', Ack("9", 0)),
        (b'{"seqNum":9,"errorCode":"2"}', Ack("9", 2)),
        (b'{"rsuid":"7","rsusn":"R1","seqnum":"9","errorcode":1,"errordesc":"bad"}', Ack("9", 1, "bad")),
        (build_ack("12", 0, "lower"), Ack("12", 0)),
        (b'{"seqNum":"9","errorCode":0}\0\0', Ack("9", 0)),
    ],
)
def test_acknowledgements_are_read_in_each_spelling(payload: bytes, ack: Ack) -> None:
    assert read_ack(payload) == ack


@given(st.binary(max_size=80))
def test_any_octets_are_a_body_or_a_typed_error(payload: bytes) -> None:
    for read in (read_json, read_body, read_ack, read_management):
        with_reason: Any = None
        try:
            read(payload)
        except RsuError as error:
            with_reason = error.reason
        assert with_reason in (None, RsuReason.MALFORMED)


def test_deep_json_is_refused() -> None:
    for payload in (b"[" * 100_000, b'{"a":' * 100_000):
        with pytest.raises(RsuError) as caught:
            read_json(payload)
        assert caught.value.reason is RsuReason.MALFORMED


@pytest.mark.parametrize("stamp", [-1, True, 1.5, "x", 1 << 60])
def test_a_time_that_is_none_is_refused(stamp: Any) -> None:
    with pytest.raises(RsuError):
        read_time_ms({"timestamp": stamp})
    assert read_time_ms({}) is None


def test_orders_come_back() -> None:
    orders = Management(
        hb_rate_s=5, running_info_rate_s=0, log_level="WARN", reboot=True, address="tcp://b:1883"
    )
    for case in ("camel", "lower"):
        payload = build_management(orders, "name", "R1", 1_600_000_000_500_000_000, case)  # type: ignore[arg-type]
        assert read_management(payload) == orders
    body = json.loads(build_management(orders, "name", "R1", 1_600_000_000_500_000_000))
    assert (body["hbRate"], body["rsuEsn"], body["timestamp"], body["ack"]) == (5, "R1", 1_600_000_000, False)


def test_settings_must_be_known() -> None:
    assert json.loads(build_config({"bsmConfig": {"sampleMode": "ByAll"}}, "3"))["seqNum"] == "3"
    for settings in ({}, {"colour": {}}):
        with pytest.raises(RsuError) as caught:
            build_config(settings, "3")
        assert caught.value.reason is RsuReason.CONFIG


def test_the_serial_number_goes_before_the_id_where_topics_name_units() -> None:
    body = {"rsuid": "7", "rsuesn": "R1"}
    assert (unit_name(body, True), unit_name(body, False)) == ("R1", "7")


def test_a_time_that_stands_in_a_text_is_a_time() -> None:
    assert read_time_ms({"timestamp": "1605336902333"}) == 1_605_336_902_333
    for text in ("", "now", "-1", "1e12", "9" * 17):
        with pytest.raises(RsuError):
            read_time_ms({"timestamp": text})
