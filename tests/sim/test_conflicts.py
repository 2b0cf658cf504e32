"""Conflict measures against numbers that can be worked out by hand."""

from __future__ import annotations

import math

import pytest

from wayside.sim._conflicts import ConflictMeter, straight, time_to_collision
from wayside.sim._shapes import Box, overlap_interval, overlaps, sees

CAR = (4.0, 2.0)


def car(x_m: float, y_m: float, yaw_rad: float = 0.0) -> Box:
    return Box(x_m, y_m, yaw_rad, *CAR)


@pytest.mark.parametrize(
    ("gap_m", "own_mps", "lead_mps", "expected_s"),
    [(30.0, 20.0, 10.0, 3.0), (21.5, 20.0, 10.0, 2.15), (15.0, 10.0, 0.0, 1.5), (10.0, 10.0, 10.0, math.inf)],
)
def test_time_to_collision_in_one_lane_is_gap_over_closing_speed(
    gap_m: float, own_mps: float, lead_mps: float, expected_s: float
) -> None:
    follower, leader = straight(1, car(0.0, 0.0), own_mps), straight(2, car(gap_m + 4.0, 0.0), lead_mps)
    assert time_to_collision(follower, leader) == pytest.approx(expected_s)
    assert time_to_collision(leader, follower) == pytest.approx(expected_s)


def test_time_to_collision_head_on() -> None:
    a, b = straight(1, car(0.0, 0.0), 10.0), straight(2, car(54.0, 0.0, math.pi), 15.0)
    assert time_to_collision(a, b) == pytest.approx(50.0 / 25.0)


def test_time_to_collision_of_crossing_paths() -> None:
    # Fronts 18 m before the crossing lane's edge and 9 m before: the first touches when both are in.
    east = straight(1, car(-21.0, 0.0), 10.0)
    north = straight(2, car(0.0, -12.0, math.pi / 2), 5.0)
    assert time_to_collision(east, north) == pytest.approx(1.8)


def test_parallel_lanes_never_collide() -> None:
    assert time_to_collision(straight(1, car(0.0, 0.0), 20.0), straight(2, car(30.0, 3.0), 0.0)) == math.inf


def test_time_beyond_the_horizon_is_none() -> None:
    assert time_to_collision(straight(1, car(0.0, 0.0), 5.0), straight(2, car(40.0, 0.0), 0.0)) == math.inf


def test_overlap_interval_of_a_passage() -> None:
    moving, standing = car(-10.0, 0.0), car(0.0, 0.0)
    assert overlap_interval(moving, (5.0, 0.0), standing, (0.0, 0.0), 10.0) == pytest.approx((1.2, 2.8))
    assert overlaps(car(0.0, 0.0), car(3.9, 1.9))
    assert not overlaps(car(0.0, 0.0), car(4.1, 0.0))


def run(meter: ConflictMeter, offset_s: float) -> None:
    """Two cars over one square, the second `offset_s` behind the first."""
    for k in range(60):
        now = k * 0.1
        first = straight(1, car(-20.0 + 10.0 * now, 0.0), 10.0)
        second = straight(2, car(0.0, -20.0 + 10.0 * (now - offset_s), math.pi / 2), 10.0)
        meter.observe(now, [first, second])


@pytest.mark.parametrize("offset_s", [1.4, 2.4, 3.4])
def test_post_encroachment_time(offset_s: float) -> None:
    meter = ConflictMeter()
    run(meter, offset_s)
    (pair,) = meter.pairs.values()
    # The first leaves with its rear, the second enters with its front: 2 m + 1 m and as much again at 10 m/s.
    assert pair.min_pet_s == pytest.approx(offset_s - 0.6, abs=0.25)
    assert not pair.collided


def test_collision_is_counted() -> None:
    meter = ConflictMeter()
    run(meter, 0.2)
    (pair,) = meter.pairs.values()
    assert pair.collided and pair.conflict and pair.serious and pair.min_ttc_s == 0.0


def test_following_in_one_lane_is_no_encroachment() -> None:
    meter = ConflictMeter()
    for k in range(60):
        now = k * 0.1
        lead, follow = straight(1, car(10.0 * now, 0.0), 10.0), straight(2, car(10.0 * now - 8.0, 0.0), 10.0)
        meter.observe(now, [lead, follow])
    assert all(pair.min_pet_s == math.inf for pair in meter.pairs.values())


def test_two_on_foot_are_no_pair() -> None:
    meter = ConflictMeter()
    a = straight(1, Box(0.0, 0.0, 0.0, 0.5, 0.5), 1.5, motor=False)
    b = straight(2, Box(1.0, 0.0, math.pi, 0.5, 0.5), 1.5, motor=False)
    meter.observe(0.0, [a, b])
    assert not meter.pairs


BUS = Box(10.0, 0.0, 0.0, 12.0, 2.5, 3.2)


def test_a_bus_hides_what_is_behind_it() -> None:
    eye = (0.0, 0.0, 1.2)
    assert not sees(eye, (30.0, 0.0, 1.5), [BUS])
    assert not sees(eye, (30.0, 2.0, 1.5), [BUS])
    assert sees(eye, (30.0, 12.0, 1.5), [BUS])
    assert sees(eye, (3.0, 0.0, 1.5), [BUS])


def test_a_high_mast_sees_over_a_bus_that_is_near() -> None:
    # At the bus (4 to 16 m of 30) the line is at 6.5 to 4.6 m.
    assert sees((0.0, 0.0, 7.0), (30.0, 0.0, 1.5), [BUS._replace(height_m=3.2)])
    # Close behind the bus the line has come down to 2.6 m.
    assert not sees((0.0, 0.0, 7.0), (18.0, 0.0, 1.0), [BUS])


def test_a_low_car_hides_no_one_who_stands_taller() -> None:
    low = BUS._replace(height_m=1.1)
    assert sees((0.0, 0.0, 1.2), (30.0, 0.0, 1.5), [low])
