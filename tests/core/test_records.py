from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayside.observe import TraceStep
from wayside.records import (
    DeviceRecord,
    EventRecord,
    EventState,
    LiveParticipant,
    LiveView,
    Record,
    RecordError,
    RecordId,
    RecordReason,
    decode_live,
    decode_record,
    decode_records,
    encode_live,
    encode_record,
    encode_records,
    topic_of,
)


def event(seq: int = 1, **changes: object) -> Record:
    body = EventRecord(
        event_id="haihe-1/3",
        revision=1,
        state=EventState.OPEN,
        kind="vrucw",
        severity=3,
        lat_deg=38.9976,
        lon_deg=117.312,
        opened_utc_ns=1_773_993_600_000_000_000,
        closed_utc_ns=None,
        app="vrucw",
        trace_id="00ff00ff00ff00ff",
        evidence={"time_to_conflict_s": 2.4, "horizon_s": 5.0},
        trace=(TraceStep("track", 1_773_993_600_000_000_000, {"track_id": 17, "speed_mps": 1.4}),),
    )
    return Record(
        RecordId("haihe-1", 2, seq), "haihe-1", body.opened_utc_ns, msgspec.structs.replace(body, **changes)
    )


def test_a_record_survives_the_wire() -> None:
    record = event()
    assert decode_record(encode_record(record)) == record
    assert topic_of(record) == "wayside.events.v1"
    assert str(record.id) == "haihe-1/2/1"
    device = Record(record.id, "rsu-1", 5, DeviceRecord("rsu-1", "rsu", "online"))
    assert decode_record(encode_record(device)) == device
    assert topic_of(device) == "wayside.devices.v1"


@given(st.lists(st.integers(1, 10**9), max_size=20))
def test_a_page_keeps_the_order_of_its_records(seqs: list[int]) -> None:
    records = [event(seq) for seq in seqs]
    good, bad = decode_records(encode_records([encode_record(record) for record in records]))
    assert good == records
    assert bad == []


@pytest.mark.drops(RecordReason.MALFORMED)
def test_a_bad_record_of_a_page_does_not_spoil_its_neighbours() -> None:
    nan = encode_record(event(lat_deg=math.nan))
    shape = msgspec.msgpack.encode({"id": ["s", 1, 0], "key": "k", "utc_ns": 1, "body": {}})
    good, bad = decode_records(encode_records([encode_record(event(1)), nan, shape, encode_record(event(2))]))
    assert [record.id.seq for record in good] == [1, 2]
    assert [error.reason for error in bad] == [RecordReason.MALFORMED] * 2


@pytest.mark.drops(RecordReason.MALFORMED)
def test_a_text_that_is_not_utf_8_is_malformed_and_no_other_error() -> None:
    whole = encode_record(event(1))
    data = whole.replace(b"vrucw", b"vr\xffcw").replace(b"hlw", b"h\xffw")
    assert data != whole
    with pytest.raises(RecordError) as caught:
        decode_record(data)
    assert caught.value.reason is RecordReason.MALFORMED
    good, bad = decode_records(encode_records([data, whole]))
    assert [record.id.seq for record in good] == [1] and len(bad) == 1
    with pytest.raises(RecordError):
        decode_live(encode_live(LiveView("site", 1, 1)).replace(b"site", b"s\xffte", 2))


@pytest.mark.drops(RecordReason.MALFORMED)
@given(st.binary(max_size=200))
def test_octets_that_are_no_record_raise_the_one_error(data: bytes) -> None:
    for decode in (decode_record, decode_records, decode_live):
        try:
            decode(data)
        except RecordError as error:
            assert error.reason is RecordReason.MALFORMED


@pytest.mark.drops(RecordReason.TOO_LARGE)
def test_limits_of_records_and_pages() -> None:
    huge = encode_record(event(evidence={"text": "x" * 300_000}))
    with pytest.raises(RecordError, match="too_large"):
        decode_record(huge)
    with pytest.raises(RecordError, match="too_large"):
        decode_records(msgspec.msgpack.encode([0] * 1_001))


def test_a_live_view_survives_the_wire() -> None:
    person = LiveParticipant(9, "pedestrian", 38.9, 117.3, 12.0, 1.4, 0.5, 0.5)
    view = LiveView("haihe-1", 1, 1, (person,))
    assert decode_live(encode_live(view)) == view
