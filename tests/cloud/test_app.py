from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from fastapi import FastAPI
from pydantic import BaseModel, ValidationError

from wayside.clock import VirtualClock
from wayside.cloud import CloudError, CloudReason, CloudSettings, create_app
from wayside.cloud import _models as models
from wayside.cloud._centre import Centre
from wayside.observe import LatencySummary
from wayside.records import (
    DeliveryRecord,
    DeviceRecord,
    EventRecord,
    EventState,
    LiveView,
    Record,
    RecordId,
    RecordReason,
    SummaryRecord,
    decode_answer,
    encode_live,
    encode_record,
    encode_records,
)

TYPE = {"content-type": "application/msgpack"}
Client = Callable[..., Any]


def event(n: int, clock: VirtualClock, **changes: object) -> EventRecord:
    base = EventRecord(
        event_id=f"e{n}",
        revision=1,
        state=EventState.OPEN,
        kind="hlw",
        severity=2,
        lat_deg=39.0,
        lon_deg=117.3,
        opened_utc_ns=clock.utc() + n,
        closed_utc_ns=None,
        app="hlw",
        trace_id=f"t{n}",
    )
    return msgspec.structs.replace(base, **changes)


def page(*bodies: Any, first: int = 1, site: str = "a") -> bytes:
    return encode_records(
        [
            encode_record(Record(RecordId(site, 1, n), site, 1_790_000_000_000_000_000 + n, body))
            for n, body in enumerate(bodies, first)
        ]
    )


@asynccontextmanager
async def centre(tmp_path: Path, clock: VirtualClock, **changes: Any) -> AsyncIterator[tuple[Any, Centre]]:
    app: FastAPI = create_app(CloudSettings(data=tmp_path, **changes), clock)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://centre") as client,
    ):
        yield client, app.state.centre


async def test_each_answer_has_the_documented_form(
    tmp_path: Path, clock: VirtualClock, crossing: Any
) -> None:
    async with centre(tmp_path, clock) as (client, _):
        live = crossing.view(clock.utc(), 1)
        latency = {"fused": LatencySummary(3, 1.0, 2.0, 3.0)}
        bodies = [
            crossing.record(),
            *(crossing.event_record(item) for item in live.events),
            DeviceRecord("r1", "rsu", "up", "usdot_rsu41", 39.0, 117.3, {"firmware": "1"}),
            DeliveryRecord("d1", "r1", "RSI", "device", trace_id=live.events[0].trace_id),
            SummaryRecord(clock.utc() - 1, clock.utc(), {"frames": {"": 7}}, {"rsu": {"x": 1}}, latency),
        ]
        data = encode_records(
            [
                encode_record(Record(RecordId("haihe", 1, n), "haihe", clock.utc(), body))
                for n, body in enumerate(bodies, 1)
            ]
        )
        posted = await client.post("/v1/records", content=data, headers=TYPE)
        assert decode_answer(posted.content).committed == tuple(RecordId("haihe", 1, n) for n in range(1, 7))
        assert (await client.post("/v1/live", content=encode_live(live), headers=TYPE)).status_code == 204
        clock.advance(1.5)
        trace_id = live.events[0].trace_id
        forms: dict[str, type[BaseModel]] = {
            "/api/sites": models.SitesOut,
            "/api/events": models.EventsOut,
            "/api/events/haihe/69c0-1": models.EventOut,
            f"/api/trace/{trace_id}": models.TraceOut,
            "/api/devices?site=haihe": models.DevicesOut,
            "/api/summary?minutes=5": models.SummaryOut,
            "/api/stats": models.StatsOut,
        }
        answers = {}
        for path, form in forms.items():
            answer = await client.get(path)
            assert answer.status_code == 200, path
            answers[path] = form.model_validate_json(answer.content, strict=True)
        sites = answers["/api/sites"].sites
        assert [(site.site, site.live_age_ms, site.name) for site in sites] == [
            ("haihe", 1_500.0, crossing.record().name)
        ]
        trace = answers[f"/api/trace/{trace_id}"]
        names = ["detection", "track", "app", "selection", "frame", "callback", "record"]
        assert [step.name for step in trace.steps] == names
        assert trace.total_ms == pytest.approx(sum(live.events[0].latency_ms.values()))
        assert trace.record_id == "haihe/1/2" and trace.deliveries[0].device_id == "r1"
        assert answers["/api/summary?minutes=5"].latency["haihe"]["fused"].p99_ms == 2.0
        lanes = await client.get("/api/sites/haihe/lanes")
        assert lanes.headers["content-type"].startswith("application/geo+json")
        assert lanes.json() == crossing.lanes()
        described = (await client.get("/openapi.json")).json()["paths"]
        assert {"/v1/records", "/v1/live", "/api/sites/{site}/lanes"} <= set(described)
        assert {path.partition("?")[0] for path in forms if path.count("/") == 2} <= set(described)


async def test_what_is_not_there_is_not_found(tmp_path: Path, clock: VirtualClock) -> None:
    async with centre(tmp_path, clock) as (client, _):
        for path in (
            "/api/sites/x/lanes",
            "/api/events/x/y",
            "/api/trace/x",
            "/docs",
            "/dashboard/../_app.py",
        ):
            assert (await client.get(path)).status_code == 404, path
        assert (await client.get("/api/events?cursor=%20%20")).status_code == 422
        assert (await client.get("/api/events?cursor=W10")).status_code == 422
        assert (await client.get("/api/events?limit=100000")).status_code == 422
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        assert (await client.get("/readyz")).json() == {"status": "ready", "missing": {}}


async def test_pages_of_events_follow_the_cursor(tmp_path: Path, clock: VirtualClock) -> None:
    async with centre(tmp_path, clock) as (client, _):
        await client.post("/v1/records", content=page(*(event(n, clock) for n in range(7))), headers=TYPE)
        seen, cursor = [], None
        while True:
            query = {"limit": 3} | ({"cursor": cursor} if cursor else {})
            answer = (await client.get("/api/events", params=query)).json()
            seen += [item["event_id"] for item in answer["events"]]
            cursor = answer["next"]
            if cursor is None:
                break
        assert seen == [f"e{n}" for n in reversed(range(7))]


@pytest.mark.drops(RecordReason.MALFORMED, RecordReason.TOO_LARGE)
async def test_a_bad_record_is_refused_by_its_place_and_the_others_are_stored(
    tmp_path: Path, clock: VirtualClock
) -> None:
    good = [encode_record(Record(RecordId("a", 1, n), "a", n, event(n, clock))) for n in (1, 2)]
    huge = encode_record(
        Record(RecordId("a", 1, 3), "a", 1, DeviceRecord("r", "rsu", "up", detail={"x": "y" * 300_000}))
    )
    odd = msgspec.msgpack.encode({"id": ["a", 1, 4], "key": "a", "utc_ns": 1, "body": {"type": "none"}})
    nan = encode_record(Record(RecordId("a", 1, 5), "a", 1, event(5, clock, lat_deg=float("nan"))))
    async with centre(tmp_path, clock) as (client, running):
        content = encode_records([odd, good[0], huge, nan, b"\xc0", good[1]])
        answer = decode_answer((await client.post("/v1/records", content=content, headers=TYPE)).content)
        assert [item.seq for item in answer.committed] == [1, 2]
        assert [(item.index, item.reason) for item in answer.refused] == [
            (0, "malformed"),
            (2, "too_large"),
            (3, "malformed"),
            (4, "malformed"),
        ]
        assert running.counters.drops()["record"] == {"malformed": 3, "too_large": 1}


@pytest.mark.drops(CloudReason.UNAUTHORIZED)
@pytest.mark.parametrize("given", [None, "Bearer wrong", "Basic geheim", "Bearer", "Bearer gehe\u00efm"])
async def test_without_the_token_nothing_is_read(
    tmp_path: Path, clock: VirtualClock, given: str | None
) -> None:
    async with centre(tmp_path, clock, token="geheim") as (client, running):
        headers = TYPE | ({"authorization": given.encode()} if given else {})  # type: ignore[operator]
        for path in ("/v1/records", "/v1/live"):
            answer = await client.post(path, content=page(event(1, clock)), headers=headers)
            assert (answer.status_code, answer.json()["reason"]) == (401, "unauthorized")
        assert running.counters.dropped(CloudReason.UNAUTHORIZED) == 2
        headers = TYPE | {"authorization": "Bearer geheim"}
        assert (
            await client.post("/v1/records", content=page(event(1, clock)), headers=headers)
        ).status_code == 200


@pytest.mark.drops(CloudReason.WRONG_TYPE)
async def test_another_content_type_is_refused(tmp_path: Path, clock: VirtualClock) -> None:
    async with centre(tmp_path, clock) as (client, running):
        for headers in ({}, {"content-type": "application/json"}):
            answer = await client.post("/v1/records", content=b"[]", headers=headers)
            assert answer.status_code == 415
        assert running.counters.dropped(CloudReason.WRONG_TYPE) == 2


@pytest.mark.drops(CloudReason.TOO_LARGE)
@pytest.mark.parametrize("told", [True, False])
async def test_a_body_beyond_the_limit_is_not_read_to_its_end(
    tmp_path: Path, clock: VirtualClock, told: bool
) -> None:
    read = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal read
        while read < 100:
            read += 1
            yield bytes(1_000)

    async with centre(tmp_path, clock, page_bytes=2_048) as (client, running):
        headers = TYPE | ({"content-length": "100000"} if told else {})
        answer = await client.post("/v1/records", content=chunks(), headers=headers)
        assert answer.status_code == 413
        assert read == (0 if told else 3)
        assert running.counters.dropped(CloudReason.TOO_LARGE) == 1


@pytest.mark.drops(CloudReason.TOO_SLOW)
async def test_a_body_that_does_not_come_is_given_up(tmp_path: Path, clock: VirtualClock) -> None:
    async def never() -> AsyncIterator[bytes]:
        yield b"\x91"
        await asyncio.Event().wait()

    async with centre(tmp_path, clock, body_timeout_s=0.02) as (client, running):
        answer = await client.post("/v1/records", content=never(), headers=TYPE)
        assert answer.status_code == 408
        assert running.counters.dropped(CloudReason.TOO_SLOW) == 1


@pytest.mark.drops(RecordReason.MALFORMED, RecordReason.TOO_LARGE)
@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/v1/records", b"\xff\xff"),
        ("/v1/records", b""),
        ("/v1/records", msgspec.msgpack.encode({"not": "an array"})),
        ("/v1/records", msgspec.msgpack.encode([None] * 1_001)),
        ("/v1/records", b"\x91" * 100_000),
        ("/v1/live", b"\xff"),
        ("/v1/live", msgspec.msgpack.encode({"site": 7})),
    ],
)
async def test_a_body_that_is_nothing_of_ours_is_refused(
    tmp_path: Path, clock: VirtualClock, path: str, content: bytes
) -> None:
    async with centre(tmp_path, clock) as (client, running):
        answer = await client.post(path, content=content, headers=TYPE)
        if answer.status_code == 200:  # an array whose one item is no record
            assert decode_answer(answer.content).refused
        else:
            assert answer.status_code == 400
        assert sum(running.counters.drops()["record"].values()) == 1
        assert (
            await client.post("/v1/records", content=page(event(1, clock)), headers=TYPE)
        ).status_code == 200


@pytest.mark.drops(CloudReason.BUSY)
async def test_more_pages_than_allowed_at_once_are_sent_away(
    tmp_path: Path, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with centre(tmp_path, clock, pages=1) as (client, running):
        monkeypatch.setattr(running, "_pages", 1)
        answer = await client.post("/v1/records", content=page(event(1, clock)), headers=TYPE)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert running.counters.dropped(CloudReason.BUSY) == 1


@pytest.mark.drops(CloudReason.STORE_FAILED)
async def test_a_full_disk_is_told_and_the_process_goes_on(tmp_path: Path, clock: VirtualClock) -> None:
    async with centre(tmp_path, clock) as (client, running):
        sql = running._writer._sql
        pages = sql.execute("PRAGMA page_count").fetchone()[0]
        sql.execute(f"PRAGMA max_page_count = {pages}").fetchone()
        big = [DeviceRecord(f"r{n}", "rsu", "up", detail={"text": "x" * 5_000}) for n in range(20)]
        answer = await client.post("/v1/records", content=page(*big), headers=TYPE)
        assert (answer.status_code, answer.json()["reason"]) == (503, "store_failed")
        assert running.counters.dropped(CloudReason.STORE_FAILED) == 1
        sql.execute("PRAGMA max_page_count = 1000000").fetchone()
        assert (await client.post("/v1/records", content=page(*big), headers=TYPE)).status_code == 200


@pytest.mark.drops(CloudReason.SITE_LIMIT)
async def test_records_of_one_site_too_many_stay_at_their_edge(tmp_path: Path, clock: VirtualClock) -> None:
    async with centre(tmp_path, clock, sites=1) as (client, running):
        for site, status in (("a", 200), ("b", 507), ("a", 200)):
            answer = await client.post("/v1/records", content=page(event(1, clock), site=site), headers=TYPE)
            assert answer.status_code == status
        assert running.counters.dropped(CloudReason.SITE_LIMIT) == 1


@pytest.mark.drops(CloudReason.SITE_LIMIT)
async def test_live_views_are_held_for_a_bounded_number_of_sites(tmp_path: Path, clock: VirtualClock) -> None:
    async with centre(tmp_path, clock, sites=1) as (client, running):
        for site, status in (("a", 204), ("b", 507), ("a", 204)):
            view = encode_live(LiveView(site, clock.utc(), 1))
            assert (await client.post("/v1/live", content=view, headers=TYPE)).status_code == status
        assert running.counters.dropped(CloudReason.SITE_LIMIT) == 1


@pytest.mark.drops(CloudReason.CLIENT_LIMIT)
async def test_a_slow_browser_holds_one_view_and_browsers_are_bounded(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with centre(tmp_path, clock, browsers=2) as (_, running):
        slow, quick = running.live.follow(None), running.live.follow("a")
        with pytest.raises(CloudError) as caught:
            running.live.follow(None)
        assert caught.value.reason is CloudReason.CLIENT_LIMIT
        assert running.counters.dropped(CloudReason.CLIENT_LIMIT) == 1
        for n in range(100):
            running.live.show(LiveView("a", clock.utc() + n, n))
            running.live.show(LiveView("b", clock.utc() + n, n))
            message = await quick.next(1.0)
            assert message is not None and msgspec.json.decode(message)["view"]["seq"] == n
        assert len(slow) == 2 and len(quick) == 0
        newest = [await slow.next(1.0), await slow.next(1.0)]
        assert [msgspec.json.decode(item or b"")["view"]["seq"] for item in newest] == [99, 99]
        running.live.leave(slow)
        late = running.live.follow(None)
        assert len(late) == 2, "a new browser begins with what is known"
        assert await quick.next(0.001) is None


async def test_a_view_that_repeats_does_not_look_young(tmp_path: Path, clock: VirtualClock) -> None:
    async with centre(tmp_path, clock) as (_, running):
        view = LiveView("a", clock.utc(), 1)
        running.live.show(view)
        clock.advance(3.0)
        running.live.show(view)
        assert running.live.ages_ms() == {"a": 3_000.0}
        running.live.show(LiveView("a", clock.utc(), 2))
        assert running.live.ages_ms() == {"a": 0.0}


async def test_every_answer_forbids_foreign_hosts(tmp_path: Path, clock: VirtualClock) -> None:
    async with centre(tmp_path, clock) as (client, _):
        for path in (
            "/",
            "/dashboard/main.mjs",
            "/dashboard/vendor/maplibre-gl-worker.mjs?v=6.17.0",
            "/favicon.ico",
        ):
            answer = await client.get(path)
            assert answer.status_code == 200, path
            rules = answer.headers["content-security-policy"]
            assert rules.startswith("default-src 'none'") and "unsafe" not in rules and "http" not in rules
            if ".mjs" in path:
                assert answer.headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize(
    ("changes", "fits"),
    [
        ({"host": "0.0.0.0"}, False),
        ({"host": "centre.example"}, False),
        ({"host": "0.0.0.0", "token": "x"}, True),
        ({"host": "::1"}, True),
        ({"host": "localhost"}, True),
        ({"port": 70_000}, False),
        ({"unknown": 1}, False),
    ],
)
def test_settings_ask_for_a_token_off_the_loopback(changes: dict[str, Any], fits: bool) -> None:
    if fits:
        assert "geheim" not in repr(CloudSettings(**(changes | {"token": "geheim"})))
        CloudSettings(**changes)
    else:
        with pytest.raises(ValidationError):
            CloudSettings(**changes)


async def test_retention_runs_by_the_clock_and_survives_a_failure(
    tmp_path: Path,
    clock: VirtualClock,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    until: Any,
) -> None:
    ran = asyncio.Event()

    async def fail(self: Centre) -> int:
        ran.set()
        raise CloudError(CloudReason.STORE_FAILED, "store: disk I/O error")

    monkeypatch.setattr(Centre, "prune", fail)
    with caplog.at_level(logging.ERROR):
        async with centre(tmp_path, clock) as (_, running):
            for expected in (1, 2):
                await until(lambda: bool(clock._sleepers))
                clock.advance(60.0)
                await ran.wait()
                ran.clear()
                await until(lambda n=expected: running.counters.dropped(CloudReason.STORE_FAILED) == n)  # type: ignore[misc]
    assert "retention" in caplog.text
