from __future__ import annotations

import logging

import pytest

from wayside.clock import VirtualClock
from wayside.observe import Counters, Faults


def trip(faults: Faults, place: str, give_up: int = 0) -> None:
    with faults.contained(place, give_up=give_up):
        raise ZeroDivisionError(place)


def test_a_fault_ends_where_it_is_contained_and_is_counted() -> None:
    clock, counters = VirtualClock(), Counters()
    faults = Faults(clock, counters)
    for _ in range(500):
        trip(faults, "step")
    assert counters.counts() == {"faults": {"step": 500}}


def test_a_place_is_logged_once_in_ten_seconds(caplog: pytest.LogCaptureFixture) -> None:
    clock = VirtualClock()
    faults = Faults(clock, Counters())
    with caplog.at_level(logging.ERROR):
        for _ in range(100):
            trip(faults, "step")
            clock.advance(0.15)
    assert len(caplog.records) == 2


def test_faults_in_a_row_are_let_through_where_that_is_asked_for() -> None:
    faults = Faults(VirtualClock(), Counters())
    for _ in range(2):
        trip(faults, "step", give_up=3)
    with faults.contained("step", give_up=3):
        pass
    for _ in range(2):
        trip(faults, "step", give_up=3)
    trip(faults, "another", give_up=3)
    with pytest.raises(ZeroDivisionError):
        trip(faults, "step", give_up=3)
