"""Alive, ready, and what is lacking, from what the processes report."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from wayside.clock import VirtualClock
from wayside.mec.ports import Family, Lack, ProcessState, Report
from wayside.mec.service._health import ANSWER_S, Health
from wayside.mec.service._http import create_app
from wayside.observe import ProcessSnapshot

NAMES = ("core", "link", "side")
PROBES = ("/healthz", "/readyz")


class Edge:
    """Three processes that report to a health."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.health = Health("haihe", clock)
        self.lacks: dict[str, tuple[Lack, ...]] = {}
        self.down: dict[str, str] = {}
        self.silent: set[str] = set()
        self._reports: dict[str, Report] = {}

    def report(self) -> None:
        for name in NAMES:
            if name not in self.silent:
                snapshot = ProcessSnapshot(f"edge-{name}", {"steps": {"": 2}}, gauges={"outbox_rows": 3.0})
                self._reports[name] = Report(snapshot, self.clock.mono(), self.lacks.get(name, ()))
        self.health.take(
            Family(
                tuple(
                    ProcessState(
                        name, 7, name not in self.down, 1, self.down.get(name, ""), self._reports[name]
                    )
                    for name in NAMES
                )
            )
        )


@pytest.fixture
def edge(clock: VirtualClock) -> Edge:
    edge = Edge(clock)
    edge.report()
    return edge


def test_metrics_tell_of_a_process_that_is_not_up(clock: VirtualClock) -> None:
    health = Health("haihe", clock)
    health.take(Family((ProcessState("link", 7, False, 3, "ended with -9", None),)))
    text = health.metrics().decode()
    assert 'wayside_process_up{process="edge-link",site="haihe"} 0.0' in text
    assert 'wayside_process_restarts{process="edge-link",site="haihe"} 3.0' in text


def test_nothing_is_alive_before_it_has_reported(clock: VirtualClock) -> None:
    health = Health("haihe", clock)
    assert health.alive()[0] is False and health.ready()[0] is False


def test_all_is_well(edge: Edge) -> None:
    assert edge.health.alive()[0] and edge.health.ready() == (
        True,
        {"site": "haihe", "ready": True, "lacks": []},
    )


def test_one_that_does_not_answer_is_not_alive(edge: Edge) -> None:
    edge.silent.add("link")
    edge.clock.advance(ANSWER_S + 0.1)
    edge.report()
    alive, told = edge.health.alive()
    assert not alive
    assert [name for name, process in told["processes"].items() if not process["alive"]] == ["link"]
    ready, told = edge.health.ready()
    assert not ready and told["lacks"] == [{"what": "link", "why": "does not answer", "blocks": True}]


def test_one_that_ended_says_why(edge: Edge) -> None:
    edge.down["core"] = "ended with -9"
    edge.report()
    assert not edge.health.alive()[0]
    assert edge.health.ready()[1]["lacks"] == [{"what": "core", "why": "ended with -9", "blocks": True}]


@pytest.mark.parametrize("blocks", [False, True])
def test_what_is_lacking_is_listed_and_blocks_or_not(edge: Edge, blocks: bool) -> None:
    edge.lacks["core"] = (Lack("sensor lidar-w", "silent", blocks),)
    edge.report()
    ready, told = edge.health.ready()
    assert ready is not blocks and edge.health.alive()[0]
    assert told["lacks"] == [{"what": "sensor lidar-w", "why": "silent", "blocks": blocks}]


async def test_over_http(edge: Edge) -> None:
    transport = httpx.ASGITransport(create_app(edge.health))
    async with httpx.AsyncClient(transport=transport, base_url="http://edge") as client:
        assert [(await client.get(path)).status_code for path in PROBES] == [200, 200]
        metrics = await client.get("/metrics")
        assert metrics.headers["content-type"].startswith("text/plain")
        assert 'wayside_outbox_rows{process="edge-core",site="haihe"} 3.0' in metrics.text
        assert 'wayside_process_restarts{process="edge-link",site="haihe"} 1.0' in metrics.text
        state: dict[str, Any] = (await client.get("/v1/state")).json()
        assert state["parts"]["core"]["counts"] == {"steps": {"": 2}}
        edge.down["side"] = "ended with 1"
        edge.report()
        assert [(await client.get(path)).status_code for path in PROBES] == [503, 503]
        assert (await client.post("/healthz")).status_code == 405
