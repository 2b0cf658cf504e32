from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from wayside.mec.rollup import EventFacts
from wayside.records import DeliveryRecord, DeviceRecord, EventRecord, EventState, SiteRecord, SummaryRecord


@pytest.fixture
def summary() -> Callable[[int], SummaryRecord]:
    """A summary told apart by its number."""
    return lambda n: SummaryRecord(n, n + 1, {"frames": {"": n}}, {})


@pytest.fixture
def event() -> Callable[[int], EventRecord]:
    """An event told apart by its number."""
    return lambda n: EventRecord(
        event_id=f"e{n}",
        revision=1,
        state=EventState.OPEN,
        kind="hlw",
        severity=2,
        lat_deg=38.9976,
        lon_deg=117.312,
        opened_utc_ns=n,
        closed_utc_ns=None,
        app="hlw",
        trace_id=f"t{n}",
    )


@pytest.fixture
def device() -> Callable[[int], DeviceRecord]:
    return lambda n: DeviceRecord(f"rsu-{n}", "rsu", "up")


@pytest.fixture
def delivery() -> Callable[[int], DeliveryRecord]:
    return lambda n: DeliveryRecord(f"d{n}", "rsu-1", "RSI", "transport")


@pytest.fixture
def site_record() -> SiteRecord:
    return SiteRecord(
        "Haihe", 38.9976, 117.312, "wayside 0.1.0", {"type": "FeatureCollection", "features": []}
    )


@pytest.fixture
def facts() -> Callable[..., EventFacts]:
    """Facts of a stopped vehicle; keywords replace members."""

    def make(**changes: object) -> EventFacts:
        members: dict[str, object] = {
            "kind": "hlw",
            "severity": 2,
            "lat_deg": 38.9976,
            "lon_deg": 117.312,
            "app": "hlw",
            "trace_id": "0123456789abcdef",
        }
        return EventFacts(**(members | changes))  # type: ignore[arg-type]

    return make


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """`await until(condition)`: give the loop time until something has come true, at most some seconds."""

    async def wait(condition: Callable[[], bool]) -> None:
        for _ in range(5_000):
            if condition():
                return
            await asyncio.sleep(0.001)
        raise AssertionError("the condition did not come true")

    return wait
