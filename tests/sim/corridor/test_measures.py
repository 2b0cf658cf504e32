"""Measures where many meet: oncoming traffic on the next lane is no conflict, crossing traffic is."""

from __future__ import annotations

import math

import pytest

from wayside.sim import ConflictMeter
from wayside.sim._conflicts import straight
from wayside.sim._shapes import Box


@pytest.mark.parametrize(("heading_rad", "counts"), [(math.pi, False), (math.pi / 2, True)])
def test_only_crossing_ways_have_a_post_encroachment_time(heading_rad: float, counts: bool) -> None:
    meter = ConflictMeter()
    # A truck goes by; half a second later another brushes the same square metres.
    for now_s, number, x_m, yaw_rad in ((0.0, 1, 5.3, 0.0), (0.5, 2, 5.3, heading_rad)):
        meter.observe(now_s, [straight(number, Box(x_m, 1.5, yaw_rad, 10.0, 2.5), 10.0)])
    pairs = [pair for pair in meter.pairs.values() if pair.min_pet_s < math.inf]
    assert [pair.min_pet_s for pair in pairs] == ([0.5] if counts else [])


def test_one_who_stands_still_covers_what_it_covered() -> None:
    meter = ConflictMeter()
    waits = straight(1, Box(0.0, 0.0, 0.0, 4.6, 1.85), 0.0)
    for step in range(80):
        meter.observe(0.1 * step, [waits])
    meter.observe(8.4, [straight(2, Box(0.0, 0.0, math.pi / 2, 4.6, 1.85), 5.0)])
    (pair,) = meter.pairs.values()
    assert pair.min_pet_s == pytest.approx(0.5)
