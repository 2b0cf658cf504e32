from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wayside.clock import UtcNs
from wayside.cloud import CloudError, CloudReason
from wayside.cloud._queries import EventFilter, RecordReader, summed
from wayside.cloud._schema import STEPS
from wayside.cloud._store import RecordWriter
from wayside.observe import TraceStep
from wayside.records import (
    Body,
    DeliveryRecord,
    DeviceRecord,
    EventRecord,
    EventState,
    Record,
    RecordId,
    RecordReason,
    SiteRecord,
    SummaryRecord,
)

NOW = UtcNs(1_790_000_000_000_000_000)
Store = tuple[RecordWriter, RecordReader]


def event(event_id: str = "e1", revision: int = 1, **changes: object) -> EventRecord:
    members: dict[str, object] = {
        "event_id": event_id,
        "revision": revision,
        "state": EventState.OPEN,
        "kind": "hlw",
        "severity": 2,
        "lat_deg": 39.0,
        "lon_deg": 117.3,
        "opened_utc_ns": NOW,
        "closed_utc_ns": None,
        "app": "hlw",
        "trace_id": f"trace-{event_id}",
    }
    return EventRecord(**(members | changes))  # type: ignore[arg-type]


def record(body: Body, seq: int, site: str = "a", boot: int = 1, utc_ns: int = NOW) -> Record:
    return Record(RecordId(site, boot, seq), site, utc_ns, body)


def numbered(*records: Record) -> list[tuple[int, Record]]:
    return list(enumerate(records))


@pytest.fixture
def make_store(tmp_path: Path) -> Callable[..., Store]:
    def make(sites: int = 10, keep_records: int = 1_000, keep_days: float = 1.0) -> Store:
        path = tmp_path / "records.db"
        writer = RecordWriter(path, sites=sites, keep_records=keep_records, keep_days=keep_days)
        return writer, RecordReader(path)

    return make


def test_a_record_is_stored_once_however_often_it_comes(make_store: Callable[..., Store]) -> None:
    writer, reader = make_store()
    page = numbered(record(event(), 1), record(SummaryRecord(1, 2, {}, {}), 2))
    first = writer.keep(page, NOW)
    again = writer.keep([*page, (2, record(event(revision=2), 3))], NOW)
    assert [item.id.seq for item in first.fresh] == [1, 2]
    assert [item.seq for item in again.committed] == [1, 2, 3]
    assert [item.id.seq for item in again.fresh] == [3]
    assert reader.stored() == {
        "a": {"event": {"taken": 2, "kept": 2}, "summary": {"taken": 1, "kept": 1}},
    }


@pytest.mark.drops(CloudReason.ID_CONFLICT)
def test_another_record_under_a_known_identity_is_refused(make_store: Callable[..., Store]) -> None:
    writer, reader = make_store()
    writer.keep(numbered(record(event(), 1)), NOW)
    kept = writer.keep(numbered(record(event(severity=3), 1)), NOW)
    assert kept.refused == [(0, CloudReason.ID_CONFLICT)] and not kept.committed
    assert reader.events(EventFilter())[0].event.severity == 2


def test_sites_are_bounded_and_known_ones_go_on(make_store: Callable[..., Store]) -> None:
    writer, reader = make_store(sites=1)
    kept = writer.keep(
        numbered(record(event(), 1), record(event(), 1, site="b"), record(event("e2"), 2)), NOW
    )
    assert kept.postponed == [(1, CloudReason.SITE_LIMIT)], "the edge keeps them until there is room"
    assert not kept.refused
    assert [item.site for item in kept.committed] == ["a", "a"]
    assert [site.site for site in reader.sites()] == ["a"]


@pytest.mark.drops(RecordReason.MALFORMED)
@pytest.mark.parametrize("field", ["seq", "utc_ns", "revision", "opened_utc_ns"])
def test_a_number_beyond_64_bits_harms_its_own_record_only(
    make_store: Callable[..., Store], field: str
) -> None:
    writer, _ = make_store()
    huge = 2**63
    if field == "seq":
        bad = record(event(), huge)
    elif field == "utc_ns":
        bad = record(event(), 1, utc_ns=huge)
    else:
        bad = record(event(**{field: huge}), 1)
    kept = writer.keep(numbered(bad, record(event("e2"), 2)), NOW)
    assert kept.refused == [(0, RecordReason.MALFORMED)]
    assert [item.seq for item in kept.committed] == [2]


@settings(max_examples=30, deadline=None)
@given(order=st.permutations(range(1, 6)), repeated=st.lists(st.integers(1, 5), max_size=5))
def test_the_highest_revision_wins_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], repeated: list[int]
) -> None:
    path = tmp_path_factory.mktemp("store") / "records.db"
    writer = RecordWriter(path, sites=10, keep_records=100, keep_days=1.0)
    reader = RecordReader(path)
    highest = 0
    for revision in [*order, *repeated]:
        writer.keep(numbered(record(event(revision=revision, warned=revision), revision)), NOW)
        highest = max(highest, revision)
        (shown,) = reader.events(EventFilter())
        assert (shown.event.revision, shown.event.warned) == (highest, highest)
    assert reader.stored()["a"]["event"] == {"taken": 5, "kept": 5}
    reader.close()
    writer.close()


@pytest.mark.drops(CloudReason.ID_CONFLICT)
def test_what_one_page_tells_twice_counts_once_and_the_first_of_an_identity_is_the_one(
    make_store: Callable[..., Store],
) -> None:
    writer, reader = make_store()
    first = record(event(revision=2, trace_id="first"), 1)
    writer.keep(numbered(record(event("known"), 9)), NOW)
    page = numbered(
        first,
        record(event(revision=2, trace_id="same revision"), 2),
        first,
        record(event(revision=3, trace_id="conflict"), 1),
        record(event("known"), 9),
        record(event(revision=1, trace_id="older"), 3),
        record(DeliveryRecord("d", "u", "TIM", "sent"), 4),
        record(DeliveryRecord("d", "u", "TIM", "old"), 8, boot=0),
    )
    kept = writer.keep(page, NOW)
    assert kept.refused == [(3, CloudReason.ID_CONFLICT)]
    assert [item.seq for item in kept.committed] == [1, 2, 1, 9, 3, 4, 8]
    assert [item.id.seq for item in kept.fresh] == [1, 2, 3, 4, 8]
    assert reader.stored()["a"] == {
        "event": {"taken": 4, "kept": 4},
        "delivery": {"taken": 2, "kept": 2},
    }
    shown = reader.event("a", "e1")
    assert shown is not None and shown.event.trace_id == "first"
    assert [item.state for item in reader.deliveries(None)] == ["sent"]
    assert reader.trace("older") is not None and reader.trace("conflict") is None


@settings(max_examples=25, deadline=None)
@given(
    told=st.lists(st.tuples(st.integers(1, 12), st.integers(1, 3)), min_size=1, max_size=40),
    page_size=st.integers(1, 40),
)
def test_pages_of_any_size_leave_what_single_records_leave(
    tmp_path_factory: pytest.TempPathFactory, told: list[tuple[int, int]], page_size: int
) -> None:
    records = [record(event(f"e{seq % 4}", revision), seq) for seq, revision in told]
    left: list[object] = []
    for size in (1, page_size):
        path = tmp_path_factory.mktemp("store") / "records.db"
        writer = RecordWriter(path, sites=10, keep_records=100, keep_days=1.0)
        reader = RecordReader(path)
        refused, fresh = 0, []
        for begin in range(0, len(records), size):
            kept = writer.keep(numbered(*records[begin : begin + size]), NOW)
            refused += len(kept.refused)
            fresh += [item.id for item in kept.fresh]
        left.append((refused, fresh, reader.events(EventFilter()), reader.stored()))
        reader.close()
        writer.close()
    assert left[0] == left[1]


def test_devices_and_sites_show_their_newest_record(make_store: Callable[..., Store]) -> None:
    writer, reader = make_store()
    site = SiteRecord("A", 39.0, 117.3, "0.1", {"type": "FeatureCollection", "features": []})
    writer.keep(
        numbered(
            record(DeviceRecord("r1", "rsu", "down"), 5, boot=2),
            record(DeviceRecord("r1", "rsu", "up"), 9, boot=1),
            record(site, 6, boot=2),
            record(msgspec.structs.replace(site, name="old"), 7, boot=1),
        ),
        NOW,
    )
    assert [device.device.state for device in reader.devices("a")] == ["down"]
    assert reader.devices("b") == [] and len(reader.devices(None)) == 1
    found = reader.site("a")
    assert found is not None and found.record == site
    assert reader.site("b") is None


def test_events_are_filtered_and_paged_newest_first(make_store: Callable[..., Store]) -> None:
    writer, reader = make_store()
    bodies = [
        event(f"e{n}", kind="hlw" if n % 2 else "vrucw", severity=n % 3 + 1, opened_utc_ns=NOW + n // 2)
        for n in range(10)
    ]
    writer.keep(numbered(*(record(body, n + 1) for n, body in enumerate(bodies))), NOW)
    everything = reader.events(EventFilter())
    assert [item.event.opened_utc_ns for item in everything] == sorted(
        (body.opened_utc_ns for body in bodies), reverse=True
    )
    paged, before = [], None
    while page := reader.events(EventFilter(limit=3, before=before)):
        paged += page
        before = (page[-1].event.opened_utc_ns, page[-1].site, page[-1].event.event_id)
    assert paged == everything
    assert {item.event.kind for item in reader.events(EventFilter(kind="hlw", severity=3))} == {"hlw"}
    assert len(reader.events(EventFilter(since_utc_ns=NOW + 2, until_utc_ns=NOW + 4))) == 4
    assert reader.events(EventFilter(site="b")) == [] and reader.events(EventFilter(state="closed")) == []
    assert reader.event_counts(None, NOW) == {"hlw": {"open": 5}, "vrucw": {"open": 5}}


def test_a_trace_is_found_under_each_of_its_names(make_store: Callable[..., Store]) -> None:
    writer, reader = make_store()
    steps = (TraceStep("frame", NOW, {"trace_id": "second", "vehicle_id": "v2"}),)
    delivery = DeliveryRecord("d1", "r1", "RSI", "device", trace_id="first")
    writer.keep(
        numbered(
            record(event(trace_id="first"), 1),
            record(event(revision=2, trace_id="first", trace=steps), 2),
            record(event(revision=3, trace_id="third"), 3),
            record(delivery, 4),
        ),
        NOW,
    )
    first = reader.trace("first")
    assert first is not None and first.record is not None
    assert (first.record.id.seq, first.deliveries) == (2, [delivery])
    second = reader.trace("second")
    assert second is not None and second.record is not None and second.record.id.seq == 2
    assert reader.trace("fourth") is None


def test_a_trace_is_told_by_the_site_that_told_of_it_first(make_store: Callable[..., Store]) -> None:
    writer, reader = make_store()
    writer.keep(
        numbered(
            record(event(trace_id="t"), 1),
            record(event(trace_id="t", revision=9, severity=5), 1, site="b"),
            record(DeliveryRecord("d", "u", "TIM", "failed", trace_id="t"), 2, site="b"),
        ),
        NOW,
    )
    found = reader.trace("t")
    assert found is not None and found.record is not None
    assert (found.record.id.site, found.deliveries) == ("a", [])


def test_retention_removes_the_oldest_and_keeps_open_events(make_store: Callable[..., Store]) -> None:
    writer, reader = make_store(keep_records=3, keep_days=1.0)
    summaries = [SummaryRecord(n, n + 1, {"frames": {"": 1}}, {"rsu": {"bad": 2}}) for n in range(5)]
    writer.keep(numbered(*(record(body, n + 1, utc_ns=NOW + n) for n, body in enumerate(summaries))), NOW)
    assert writer.prune(NOW) == 2
    assert [body for _, body in reader.summaries("a", 0)] == summaries[2:]
    assert summed(reader.summaries(None, 0)) == ({"frames": {"": 3}}, {"rsu": {"bad": 6}})
    closed = event("old", state=EventState.CLOSED, closed_utc_ns=NOW + 1)
    writer.keep(numbered(record(closed, 20), record(event("open"), 21)), NOW)
    later = UtcNs(NOW + 2 * 86_400_000_000_000)
    assert writer.prune(later) == 5
    assert [item.event.event_id for item in reader.events(EventFilter())] == ["open"]
    assert reader.stored()["a"] == {
        "event": {"taken": 2, "kept": 0},
        "summary": {"taken": 5, "kept": 0},
    }
    assert reader.trace("trace-old") is None


@pytest.mark.drops(RecordReason.MALFORMED)
def test_lanes_that_no_page_can_be_told_are_refused(make_store: Callable[..., Store]) -> None:
    writer, reader = make_store()
    site = SiteRecord("A", 39.0, 117.3, "0.1", {"features": {("no", "json"): 1}})
    kept = writer.keep(numbered(record(site, 1), record(event(), 2)), NOW)
    assert kept.refused == [(0, RecordReason.MALFORMED)]
    found = reader.site("a")
    assert found is not None and found.record is None


def test_of_events_the_newest_are_kept_and_the_open_ones(make_store: Callable[..., Store]) -> None:
    writer, reader = make_store(keep_records=3)
    over = {"state": EventState.CLOSED, "closed_utc_ns": NOW + 9}
    bodies = [event(f"e{n}", opened_utc_ns=NOW + n, **(over if n != 1 else {})) for n in range(6)]
    writer.keep(numbered(*(record(body, n + 1) for n, body in enumerate(bodies))), NOW)
    assert writer.prune(NOW) == 3
    assert [item.event.event_id for item in reader.events(EventFilter())] == ["e5", "e4", "e3", "e1"]
    assert [item.event.event_id for item in reader.events(EventFilter(state="open"))] == ["e1"]
    assert len(reader.events(EventFilter(state="closed"))) == 3


def test_what_the_pages_ask_for_is_found_by_an_index(make_store: Callable[..., Store]) -> None:
    writer, reader = make_store()
    asked: list[str] = []
    for store in (writer, reader):
        store._sql.set_trace_callback(asked.append)
    reader.events(EventFilter(state="open", site="a"))
    reader.summaries(None, NOW)
    reader.summaries("a", NOW)
    reader.stored()
    reader.event_counts(None, NOW)
    writer.prune(NOW)
    for query in asked:
        if query.startswith(("SELECT", "DELETE")) and "commands" not in query and "audit" not in query:
            plan = [row["detail"] for row in reader._sql.execute(f"EXPLAIN QUERY PLAN {query}")]
            scans = [step for step in plan if step.startswith("SCAN") and "INDEX" not in step]
            assert set(scans) <= {"SCAN totals", "SCAN s"}, (query, plan)


@pytest.mark.drops(CloudReason.STORE_FAILED)
@pytest.mark.parametrize("damage", ["no database", "newer schema"])
def test_a_file_that_is_no_store_is_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "records.db"
    if damage == "no database":
        path.write_bytes(b"no database at all" * 500)
    else:
        sql = sqlite3.connect(path)
        sql.execute("PRAGMA user_version = 99")
        sql.close()
    with pytest.raises(CloudError) as caught:
        RecordWriter(path, sites=1, keep_records=1, keep_days=1.0)
    assert caught.value.reason is CloudReason.STORE_FAILED


def test_events_are_found_by_a_part_of_what_names_them(make_store: Callable[..., Store]) -> None:
    writer, reader = make_store()
    writer.keep(
        numbered(
            record(event("5f-1", lane="12-1/31", kind="icw"), 1),
            record(event("5f-2", lane="12-2/31", trace_id="ABCDEF"), 2),
        ),
        NOW,
    )

    def found(text: str) -> list[str]:
        return [item.event.event_id for item in reader.events(EventFilter(text=text))]

    assert (found("12-1"), found("abcd"), found("ICW"), found("5F-")) == (
        ["5f-1"],
        ["5f-2"],
        ["5f-1"],
        ["5f-2", "5f-1"],
    )
    assert found("%") == [] and found("nothing") == []
    writer.keep(numbered(record(event("5f-1", revision=2, lane="9/9"), 3)), NOW)
    assert (found("12-1"), found("9/9")) == ([], ["5f-1"])


def test_the_newest_delivery_of_each_message_to_each_device_is_known(
    make_store: Callable[..., Store],
) -> None:
    writer, reader = make_store()
    writer.keep(
        numbered(
            record(DeliveryRecord("d1", "u", "TIM", "sent"), 2),
            record(DeliveryRecord("d1", "u", "TIM", "timeout", "unreachable"), 3),
            record(DeliveryRecord("d0", "u", "TIM", "queued"), 1),
            record(DeliveryRecord("d2", "u", "MAP", "active"), 4, site="b"),
        ),
        NOW,
    )
    told = [(item.site, item.message, item.state, item.reason) for item in reader.deliveries(None)]
    assert told == [("a", "TIM", "timeout", "unreachable"), ("b", "MAP", "active", "")]
    assert len(reader.deliveries("b")) == 1


@pytest.mark.parametrize("version", range(1, len(STEPS)))
def test_a_store_of_an_older_version_is_brought_up_to_date(tmp_path: Path, version: int) -> None:
    path = tmp_path / "records.db"
    sql = sqlite3.connect(path)
    sql.executescript(f"{' '.join(STEPS[:version])} PRAGMA user_version = {version};")
    sql.close()
    writer = RecordWriter(path, sites=10, keep_records=10, keep_days=1.0)
    writer.keep(numbered(record(event(), 1)), NOW)
    writer.check()
    writer.close()
    again = RecordWriter(path, sites=10, keep_records=10, keep_days=1.0)
    assert [item.event.event_id for item in RecordReader(path).events(EventFilter(text="e1"))] == ["e1"]
    again.close()
