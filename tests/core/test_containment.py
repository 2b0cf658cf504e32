from __future__ import annotations

import logging

import pytest

from wayside.clock import VirtualClock
from wayside.observe import Containment, Counters


def trip(containment: Containment, place: str, give_up: int = 0) -> None:
    with containment.around(place, give_up=give_up):
        raise ZeroDivisionError(place)


def test_a_fault_ends_where_it_is_contained_and_is_counted() -> None:
    clock, counters = VirtualClock(), Counters()
    containment = Containment(clock, counters)
    for _ in range(500):
        trip(containment, "step")
    assert counters.counts() == {"faults": {"step": 500}}


def test_a_place_is_logged_once_in_ten_seconds(caplog: pytest.LogCaptureFixture) -> None:
    clock = VirtualClock()
    containment = Containment(clock, Counters())
    with caplog.at_level(logging.ERROR):
        for _ in range(100):
            trip(containment, "step")
            clock.advance(0.15)
    assert len(caplog.records) == 2


def test_faults_in_a_row_are_let_through_where_that_is_asked_for() -> None:
    containment = Containment(VirtualClock(), Counters())
    for _ in range(2):
        trip(containment, "step", give_up=3)
    with containment.around("step", give_up=3):
        pass
    for _ in range(2):
        trip(containment, "step", give_up=3)
    trip(containment, "another", give_up=3)
    with pytest.raises(ZeroDivisionError):
        trip(containment, "step", give_up=3)
