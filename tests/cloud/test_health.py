"""What those who watch over the centre ask: alive, ready, metrics."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from wayside.clock import VirtualClock
from wayside.cloud import CloudSettings, create_app
from wayside.cloud._centre import Centre
from wayside.cloud._kafka import KafkaState
from wayside.records import encode_live


@asynccontextmanager
async def centre(tmp_path: Path, clock: VirtualClock) -> AsyncIterator[tuple[httpx.AsyncClient, Centre]]:
    app = create_app(CloudSettings(data=tmp_path), clock)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://centre") as client,
    ):
        yield client, app.state.centre


async def test_a_store_that_takes_nothing_is_not_ready(
    tmp_path: Path, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with centre(tmp_path, clock) as (client, running):
        assert (await client.get("/readyz")).status_code == 200
        with sqlite3.connect(tmp_path / "records.db") as other:
            monkeypatch.setattr(running._writer, "_sql", other)
            other.execute("PRAGMA query_only = 1")
            assert (await client.get("/readyz")).status_code == 200, "the disk is asked once a second at most"
            clock.advance(1.0)
            answer = await client.get("/readyz")
            assert answer.status_code == 503
            assert "store" in answer.json()["missing"]
            monkeypatch.undo()
        other.close()
        assert (await client.get("/healthz")).json() == {"status": "ok"}


async def test_a_consumer_that_does_not_read_is_not_ready(tmp_path: Path, clock: VirtualClock) -> None:
    class Intake:
        state = KafkaState.FAILING

        async def close(self) -> None:
            """Nothing is open."""

    async with centre(tmp_path, clock) as (client, running):
        running.kafka = Intake()  # type: ignore[assignment]
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["missing"]) == (503, {"kafka": "failing"})
        Intake.state = KafkaState.CONSUMING
        assert (await client.get("/readyz")).status_code == 200


async def test_metrics_tell_drops_and_what_is_live(
    tmp_path: Path, clock: VirtualClock, crossing: Any
) -> None:
    async with centre(tmp_path, clock) as (client, _):
        headers = {"content-type": "application/msgpack"}
        await client.post("/v1/live", content=encode_live(crossing.view(clock.utc(), 1)), headers=headers)
        await client.post("/v1/live", content=b"\xc1", headers=headers)
        answer = await client.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        lines = answer.text.splitlines()
        assert 'wayside_dropped_total{process="cloud",reason="malformed",stage="record"} 1.0' in lines
        assert 'wayside_counts_total{label="",name="live_views",process="cloud"} 1.0' in lines
        assert 'wayside_cloud_live_sites{process="cloud"} 1.0' in lines
        assert any(line.startswith("wayside_process_resident_memory_bytes") for line in lines)
