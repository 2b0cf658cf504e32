"""Reaction and braking of the driver model."""

from __future__ import annotations

import math
import random
import statistics

import pytest

from wayside.link import Action, Severity
from wayside.sim._driver import (
    ALERTED_S,
    CRAWL_MPS,
    EMERGENCY_MPS2,
    FIRM_MPS2,
    GENTLE_MPS2,
    MARGIN_M,
    SURPRISED_S,
    WARNED_S,
    Driver,
    Heard,
    Reactions,
    draw_reactions,
)
from wayside.sim._idm import idm_mps2, stopping_mps2

USUAL = Reactions(SURPRISED_S, WARNED_S, ALERTED_S)


def urgent(at_s: float, place_m: float, ttl_s: float = 1.0) -> Heard:
    return Heard(at_s, at_s + ttl_s, Severity.URGENT, Action.BRAKE, place_m)


def test_unwarned_driver_reacts_to_a_surprise_after_the_surprised_time() -> None:
    driver = Driver(USUAL)
    driver.see(7, 10.0)
    driver.see(7, 11.0)
    assert not driver.reacts_to(7, 11.49)
    assert driver.reacts_to(7, 11.5)
    assert not driver.reacts_to(8, 99.0)


def test_warned_driver_reacts_sooner_to_what_was_announced() -> None:
    driver = Driver(USUAL)
    driver.warn(1, Heard(8.0, 20.0, Severity.ADVISE, Action.WATCH, 100.0))
    driver.see(7, 10.0)
    assert not driver.reacts_to(7, 10.74)
    assert driver.reacts_to(7, 10.75)


def test_warning_works_only_after_the_warned_time() -> None:
    driver = Driver(USUAL)
    driver.warn(1, urgent(5.0, 60.0, ttl_s=10.0))
    assert driver.braking(5.99, 0.0, 15.0) is None
    assert driver.braking(6.0, 0.0, 15.0) == pytest.approx(FIRM_MPS2)


def test_newer_warning_of_a_key_does_not_start_the_reaction_again() -> None:
    driver = Driver(USUAL)
    driver.warn(1, urgent(5.0, 60.0))
    driver.warn(1, urgent(5.9, 60.0))
    assert driver.braking(6.0, 0.0, 15.0) is not None


def test_danger_that_comes_back_finds_the_foot_on_the_brake() -> None:
    driver = Driver(USUAL)
    driver.warn(1, urgent(5.0, 60.0, ttl_s=9.0))
    driver.cancel(1, 7.0)
    driver.warn(1, urgent(8.0, 60.0, ttl_s=9.0))
    assert (driver.braking(8.0, 0.0, 15.0) or 0.0) > 0.0
    driver.cancel(1, 9.0)
    driver.warn(1, urgent(12.1, 60.0, ttl_s=9.0))
    assert driver.braking(12.5, 0.0, 15.0) is None


def test_urgent_braking_is_as_hard_as_needed_up_to_an_emergency() -> None:
    driver = Driver(USUAL)
    driver.warn(1, urgent(0.0, 30.0, ttl_s=9.0))
    assert driver.braking(1.0, 0.0, 16.0) == pytest.approx(16.0**2 / (2 * (30.0 - MARGIN_M)))
    assert driver.braking(1.0, 20.0, 16.0) == EMERGENCY_MPS2


def test_slow_down_leads_to_a_crawl_not_a_stop() -> None:
    driver = Driver(USUAL)
    driver.warn(1, Heard(0.0, 99.0, Severity.ADVISE, Action.SLOW_DOWN, 100.0))
    room = 100.0 - MARGIN_M
    allowed = math.sqrt(2 * GENTLE_MPS2 * room)
    assert driver.braking(1.0, 0.0, allowed - 1.0) is None
    assert driver.braking(1.0, 0.0, allowed + 1.0) == pytest.approx(2.0)
    assert driver.braking(1.0, 95.0, CRAWL_MPS - 1.0) is None


def test_expired_and_cancelled_warnings_end() -> None:
    driver = Driver(USUAL)
    driver.warn(1, urgent(0.0, 60.0, ttl_s=2.0))
    assert driver.alert(1.5) and driver.alert(2.0)
    assert driver.braking(2.0, 0.0, 10.0) == 0.0
    assert driver.braking(2.0, 61.0, 10.0) is None, "the place is behind"
    driver = Driver(USUAL)
    driver.warn(2, urgent(3.0, 60.0, ttl_s=9.0))
    assert driver.braking(4.5, 0.0, 10.0) is not None
    driver.cancel(2, 4.5)
    assert driver.braking(4.5, 0.0, 10.0) == 0.0, "wary: no braking, no speeding up"
    assert driver.alert(7.4) and not driver.alert(7.5)
    assert driver.braking(7.5, 0.0, 10.0) is None


def test_a_place_passed_is_no_reason_to_brake() -> None:
    driver = Driver(USUAL)
    driver.warn(1, urgent(0.0, 60.0, ttl_s=9.0))
    assert driver.braking(2.0, 70.0, 10.0) is None


def test_reactions_have_the_stated_medians() -> None:
    rng = random.Random(1)
    drawn = [draw_reactions(rng) for _ in range(4000)]
    assert statistics.median(r.surprised_s for r in drawn) == pytest.approx(SURPRISED_S, rel=0.03)
    assert statistics.median(r.warned_s for r in drawn) == pytest.approx(WARNED_S, rel=0.03)
    assert all(r.alerted_s < r.warned_s < r.surprised_s for r in drawn)


def test_idm_free_road_equilibrium_and_approach() -> None:
    assert idm_mps2(0.0, 15.0, math.inf, 0.0) == pytest.approx(1.5)
    assert idm_mps2(15.0, 15.0, math.inf, 0.0) == pytest.approx(0.0)
    # Equilibrium gap: (s0 + v T) / sqrt(1 - (v/v0)^4).
    gap = (2.0 + 10.0 * 1.4) / math.sqrt(1 - (10.0 / 15.0) ** 4)
    assert idm_mps2(10.0, 15.0, gap, 10.0) == pytest.approx(0.0, abs=1e-9)
    assert idm_mps2(15.0, 15.0, 20.0, 0.0) < -4.0


def test_stopping_deceleration() -> None:
    assert stopping_mps2(10.0, 10.0) == pytest.approx(5.0)
    assert stopping_mps2(10.0, 0.0) == math.inf
