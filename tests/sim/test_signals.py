"""The signal plan and the controller's datagram."""

from __future__ import annotations

import struct

import pytest

from wayside.asn1.messages import Light
from wayside.clock import UtcNs
from wayside.sim._crossing import Crossing, Turn
from wayside.sim._plan import GROUPS, LEFT_GROUPS, SignalPlan
from wayside.sim._tscbm import tscbm

GREEN = Light.PROTECTED_GREEN


def conflicting() -> set[tuple[int, int]]:
    """Pairs of groups whose ways cross in the middle."""
    crossing = Crossing()
    out: set[tuple[int, int]] = set()
    routes = [r for r in crossing.routes.values() if r.key.turn is not Turn.RIGHT]
    for a in routes:
        for b in routes:
            if a.key.leg == b.key.leg or a.group == b.group:
                continue
            inside_a = a.line.slice(a.stop_m, a.merge_m)
            inside_b = b.line.slice(b.stop_m, b.merge_m)
            steps = [inside_a.point_at(s * 0.5) for s in range(int(inside_a.length_m * 2) + 1)]
            if any(
                abs(inside_b.project(x, y).across_m) < 1.5 and inside_b.project(x, y).beyond_m == 0.0
                for x, y in steps
            ):
                out.add((a.group, b.group))
    return out


def test_no_two_ways_that_cross_ever_have_green_or_yellow_together() -> None:
    plan, crossings = SignalPlan(), conflicting()
    assert (2, 4) in crossings and (1, 6) in crossings and (2, 6) not in crossings
    for tenth in range(int(plan.cycle_s * 10)):
        states = plan.states(tenth / 10.0)
        going = {g for g, s in states.items() if s.light is not Light.RED}
        assert not {(a, b) for a in going for b in going} & crossings


def test_cycle_and_order() -> None:
    plan = SignalPlan()
    assert plan.cycle_s == pytest.approx(96.0)
    for group in GROUPS:
        start = plan.start_of(group)
        before, now = plan.group(group, start - 0.01), plan.group(group, start)
        assert (before.light, now.light) == (Light.RED, GREEN)
        assert before.green_in_s == pytest.approx(0.01)
        end = now.remaining_s
        assert plan.group(group, start + end).light is Light.YELLOW
        assert plan.group(group, start + end + 3.0).light is Light.RED


def test_remaining_time_leads_to_the_change() -> None:
    plan = SignalPlan(offset_s=17.3)
    for group in GROUPS:
        for t in range(0, 96, 5):
            now = plan.group(group, float(t))
            assert plan.group(group, t + now.remaining_s - 0.01).light is now.light
            assert plan.group(group, t + now.remaining_s + 0.01).light is not now.light


def test_walk_is_long_enough_to_cross() -> None:
    plan, length = SignalPlan(), Crossing().crosswalk(0).length_m
    for phase in plan.PHASES:
        if phase.walk_s:
            assert phase.green_s - phase.walk_s + plan.YELLOW_S >= length / 1.2


def test_datagram() -> None:
    plan = SignalPlan()
    utc = UtcNs(((19 * 60 + 7) * 60 + 5) * 1_000_000_000 + 250_000_000)
    data = tscbm(plan, 3.0, utc, 260)
    assert len(data) == 241 and data[:2] == b"\xcd\x10"
    number, low, high, ped, *_ = struct.unpack_from(">B6H", data, 2 + 13)
    assert (number, low, high, ped) == (2, 250, 250, 250)
    red, yellow, green, dont_walk, clear, walk = struct.unpack_from(">6H", data, 210)
    assert green == 0b100010 and yellow == 0 and red == 0xFFFF & ~green
    assert walk == 0b100010 and clear == 0 and dont_walk == 0xFFFF & ~walk
    assert struct.unpack_from(">7BH", data, 232) == (0, 0, 0, 4, 19, 7, 5, 250)


def test_every_phase_has_exactly_one_light() -> None:
    plan = SignalPlan()
    for t in range(96):
        red, yellow, green = struct.unpack_from(">3H", tscbm(plan, t + 0.5, UtcNs(0), t), 210)
        assert red ^ yellow ^ green == 0xFFFF and red & yellow == red & green == yellow & green == 0


def test_left_turns_have_groups_of_their_own() -> None:
    for route in Crossing().routes.values():
        assert (route.group in LEFT_GROUPS) == (route.key.turn is Turn.LEFT)
