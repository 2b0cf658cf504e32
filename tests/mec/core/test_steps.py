"""The edge's steps: faults, silence, and what becomes of a danger's story."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest

from wayside.clock import MonoNs, VirtualClock
from wayside.link import Action, Outcome, Place, Receipt, Severity, Warning, WarningKind
from wayside.mec.apps import App, HazardReport, Hlw, Output, Trigger
from wayside.mec.core import EdgeCore
from wayside.mec.site import load_site
from wayside.mec.world import World
from wayside.observe import Counters

ROOT = Path(__file__).parents[3]


class Says:
    """An app that says what a test wants."""

    parameters = Hlw().parameters

    def __init__(self, name: str) -> None:
        self.name = name
        self.track = 1
        self.stands = True
        self.breaks = False

    def step(self, world: World) -> Sequence[Output]:
        if self.breaks:
            raise RuntimeError("tripped")
        trigger = Trigger("ab", world.mono, world.mono, world.mono)
        report = HazardReport(
            self.name,
            WarningKind.HAZARDOUS_LOCATION,
            f"{self.name}/{self.track}",
            Severity.ADVISE,
            *(0.0, 0.0),
            Action.SLOW_DOWN,
            trigger,
            1_000,
            code=412,
            to_rsu=True,
        )
        return [report] if self.stands else []

    def silent_because(self, world: World) -> dict[str, int]:
        return {}


class Edge:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.counters = Counters()
        self.core = EdgeCore(load_site(ROOT / "deploy/demo/site.yaml"), self.clock, self.counters, seed=1)
        self.says = [Says("first"), Says("second")]
        self.core.apps = [cast(App, app) for app in self.says]

    def subjects(self) -> set[str]:
        return {event.app for event in self.core.open_events()}


@pytest.fixture
def edge() -> Edge:
    return Edge()


def test_a_fault_in_one_app_silences_no_other(edge: Edge) -> None:
    edge.says[0].breaks = True
    for _ in range(300):
        edge.core.step()
    assert edge.subjects() == {"second"}
    assert edge.counters.counts()["faults"] == {"app first": 300}
    edge.says[0].breaks = False
    edge.core.step()
    assert edge.subjects() == {"first", "second"}


def test_a_danger_does_not_stand_for_ever_when_nothing_arrives_any_more(edge: Edge) -> None:
    assert not edge.core.overdue()
    edge.core.step()
    assert edge.core.broadcast() is not None
    edge.clock.advance(0.4)
    assert not edge.core.overdue()
    edge.clock.advance(0.2)
    assert edge.core.overdue()
    for app in edge.says:
        app.stands = False
    edge.core.step()
    edge.clock.advance(3.0)
    assert not edge.core.overdue()
    edge.core.broadcast()
    assert edge.core.open_events() == []


def test_a_danger_whose_track_breaks_goes_on_without_a_cancel(edge: Edge) -> None:
    edge.core.step()
    events = edge.core.open_events()
    open_before = edge.core._dispatcher.open_events()
    for app in edge.says:
        app.track = 2
    edge.clock.advance(0.1)
    result = edge.core.step()
    assert edge.core.open_events() == events
    assert [e.event_id for e in edge.core._dispatcher.open_events()] == [e.event_id for e in open_before]
    assert result.cancels == ()


def test_a_receipt_that_comes_after_the_end_leaves_nothing_behind(edge: Edge) -> None:
    edge.core.step()
    event = edge.core.open_events()[0]
    subject = edge.core.subject_of(event.event_id)
    for app in edge.says:
        app.stands = False
    edge.core.step()
    edge.clock.advance(3.0)
    edge.core.broadcast()
    warning = Warning(
        WarningKind.HAZARDOUS_LOCATION,
        Severity.ADVISE,
        event.event_id,
        "ab",
        Place(38.9, 117.3),
        Action.BRAKE,
    )
    edge.core.receipts.wrote("s", 7, MonoNs(edge.clock.mono()), subject, warning, first=True)
    delivered = edge.core.receipts.received("s", Receipt(7, "ab", Outcome.EXPIRED, 0, 0, 0))
    assert delivered is not None
    edge.core.delivered(delivered)
    assert edge.core._story.of(subject) == ()


def test_an_app_that_is_switched_off_says_nothing_more(edge: Edge) -> None:
    edge.core.step()
    assert edge.subjects() == {"first", "second"}
    assert edge.core.switch_app("first", False)
    assert not edge.core.switch_app("third", False)
    edge.core.step()
    edge.clock.advance(2.1)
    edge.core.step()
    assert edge.subjects() == {"second"}
    assert edge.core.switch_app("first", True)
    edge.core.step()
    assert edge.subjects() == {"first", "second"}


def test_a_dismissed_event_is_closed_and_its_subject_silent_for_the_stated_time(edge: Edge) -> None:
    edge.core.step()
    [first] = [event for event in edge.core.open_events() if event.app == "first"]
    assert edge.core.dismiss(first.event_id, 30.0)
    assert not edge.core.dismiss(first.event_id, 30.0)
    assert edge.subjects() == {"second"}
    for _ in range(29):
        edge.clock.advance(1.0)
        edge.core.step()
    assert edge.subjects() == {"second"}
    edge.clock.advance(1.0)
    edge.core.step()
    [again] = [event for event in edge.core.open_events() if event.app == "first"]
    assert again.event_id != first.event_id


def test_the_silence_about_a_danger_ends_with_the_danger(edge: Edge) -> None:
    edge.core.step()
    [first] = [event for event in edge.core.open_events() if event.app == "first"]
    edge.core.dismiss(first.event_id, 3_600.0)
    edge.says[0].stands = False
    edge.core.step()
    edge.clock.advance(2.1)
    edge.core.step()
    edge.says[0].stands = True
    edge.core.step()
    assert edge.subjects() == {"first", "second"}
