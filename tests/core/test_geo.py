from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayside.geo import (
    LocalPlane,
    Polyline,
    angle_between_deg,
    heading_from_yaw,
    within_wgs84,
    wrap_rad,
    yaw_from_heading,
)

TIANJIN = LocalPlane(38.9976, 117.3120)
METRES = st.floats(-3_000, 3_000)


@given(st.floats(0, 359.999))
def test_heading_and_yaw_are_inverses(heading: float) -> None:
    assert angle_between_deg(heading_from_yaw(yaw_from_heading(heading)), heading) < 1e-9


def test_cardinal_headings() -> None:
    for heading, yaw in ((0, math.pi / 2), (90, 0.0), (180, -math.pi / 2), (270, math.pi)):
        assert yaw_from_heading(heading) == pytest.approx(yaw)
    assert heading_from_yaw(math.pi) == pytest.approx(270)


@given(st.floats(-100, 100))
def test_wrapped_angles_lie_in_one_turn(angle: float) -> None:
    wrapped = wrap_rad(angle)
    assert -math.pi < wrapped <= math.pi
    assert math.cos(wrapped) == pytest.approx(math.cos(angle), abs=1e-9)


def test_angles_across_north() -> None:
    assert angle_between_deg(359.0, 1.0) == pytest.approx(2.0)
    assert angle_between_deg(10.0, 190.0) == pytest.approx(180.0)


@given(METRES, METRES)
def test_the_plane_is_its_own_inverse(x: float, y: float) -> None:
    back = TIANJIN.to_xy(*TIANJIN.to_lat_lon(x, y))
    assert back == pytest.approx((x, y), abs=1e-6)


def ecef(lat_deg: float, lon_deg: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    a, e2 = 6_378_137.0, 6.694379990141316e-3
    lat, lon = math.radians(lat_deg), math.radians(lon_deg)
    n = a / math.sqrt(1 - e2 * math.sin(lat) ** 2)
    return np.array(
        (n * math.cos(lat) * math.cos(lon), n * math.cos(lat) * math.sin(lon), n * (1 - e2) * math.sin(lat))
    )


@pytest.mark.parametrize(("reach_m", "worst"), [(500.0, 7e-5), (5_000.0, 7e-4)])
def test_distances_on_the_plane_are_true_within_the_stated_scale(reach_m: float, worst: float) -> None:
    for x, y in ((reach_m, 0.0), (0.0, reach_m), (reach_m, reach_m), (-reach_m, reach_m)):
        chord = float(
            np.linalg.norm(ecef(*TIANJIN.to_lat_lon(x, y)) - ecef(TIANJIN.lat_deg, TIANJIN.lon_deg))
        )
        assert abs(chord / math.hypot(x, y) - 1.0) < worst


def test_the_antimeridian_is_crossed_the_short_way() -> None:
    plane = LocalPlane(10.0, 179.9995)
    x, _ = plane.to_xy(10.0, -179.9995)
    assert 100 < x < 120
    assert plane.to_lat_lon(x, 0.0)[1] == pytest.approx(-179.9995)


def test_arrays_agree_with_single_points() -> None:
    points = np.array([(38.99, 117.31), (39.01, 117.35)])
    for row, (lat, lon) in zip(TIANJIN.to_xy_array(points), points, strict=True):
        assert tuple(row) == pytest.approx(TIANJIN.to_xy(lat, lon))


def test_impossible_positions() -> None:
    assert not within_wgs84(math.nan, 0.0)
    assert not within_wgs84(0.0, 180.5)
    for lat, lon in ((math.nan, 0.0), (89.0, 0.0), (0.0, math.inf)):
        with pytest.raises(ValueError, match="no local plane"):
            LocalPlane(lat, lon)


L_SHAPE = Polyline([(0, 0), (100, 0), (100, 50)])


def test_projection_on_a_bent_line() -> None:
    assert L_SHAPE.length_m == 150
    assert L_SHAPE.project(40, 3) == pytest.approx((40, 3, 0, 0))
    assert L_SHAPE.project(97, 20) == pytest.approx((120, 3, 0, math.pi / 2))
    assert L_SHAPE.project(-10, -2) == pytest.approx((0, -2, -10, 0))
    assert L_SHAPE.project(101, 70) == pytest.approx((150, -1, 20, math.pi / 2))
    outside_corner = L_SHAPE.project(103, -4)
    assert outside_corner.along_m == pytest.approx(100)
    assert outside_corner.across_m == pytest.approx(-5)


def test_projecting_many_points_agrees_with_one_at_a_time() -> None:
    points = np.array([(40.0, 3.0), (97.0, 20.0), (50.0, -6.0)])
    for row, point in zip(L_SHAPE.project_many(points), points, strict=True):
        assert tuple(row) == pytest.approx(L_SHAPE.project(*point)[:2])


def test_points_along_a_line() -> None:
    assert L_SHAPE.point_at(120) == pytest.approx((100, 20))
    assert L_SHAPE.point_at(-5) == (0, 0)
    assert L_SHAPE.point_at(1e9) == pytest.approx((100, 50))
    assert L_SHAPE.yaw_at(10) == 0.0
    assert L_SHAPE.yaw_at(149) == pytest.approx(math.pi / 2)


def test_an_offset_line_keeps_its_distance() -> None:
    left = L_SHAPE.offset(3.5)
    assert left.points[1] == pytest.approx((96.5, 3.5))
    for along in (10.0, 60.0, 130.0):
        assert L_SHAPE.project(*left.point_at(along)).across_m == pytest.approx(3.5)


def test_slices_and_reversal() -> None:
    part = L_SHAPE.slice(50, 120)
    assert part.length_m == pytest.approx(70)
    assert part.points[1] == pytest.approx((100, 0))
    assert L_SHAPE.reversed().project(40, 3).across_m == pytest.approx(-3)


@pytest.mark.parametrize("points", [[], [(0, 0)], [(1, 1), (1, 1)], [(0, 0), (math.nan, 1)]])
def test_a_line_needs_two_distinct_finite_points(points: list[tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match="polyline"):
        Polyline(points)


@given(st.floats(-50, 200), st.floats(-60, 100))
def test_the_foot_of_a_point_is_the_nearest_point_of_the_line(x: float, y: float) -> None:
    foot = L_SHAPE.point_at(L_SHAPE.project(x, y).along_m)
    nearest = min(math.dist((x, y), L_SHAPE.point_at(s)) for s in np.linspace(0, 150, 601))
    assert math.dist((x, y), foot) <= nearest + 1e-9
