from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayside.asn1.messages import Light
from wayside.mec.apps import CANNOT_STOP, Evw, Icw, Lta, Ways, required_deceleration
from wayside.mec.apps._encounters import Encounters, Relation, _apart, _when
from wayside.mec.apps._kinematics import needed_deceleration, travelled
from wayside.mec.world import EmergencyVehicle

FAR = st.floats(-8.0, 8.0)
YAW = st.floats(-math.pi, math.pi)
HALF = st.floats(0.2, 6.0)


def corners(x: float, y: float, yaw: float, length: float, width: float) -> list[tuple[float, float]]:
    cos, sin = math.cos(yaw), math.sin(yaw)
    ends = ((length, width), (-length, width), (-length, -width), (length, -width))
    return [(x + a * cos - b * sin, y + a * sin + b * cos) for a, b in ends]


def overlap(a: list[tuple[float, float]], b: list[tuple[float, float]]) -> bool:
    """Whether two convex polygons overlap: a corner of one in the other, or two sides that cross."""

    def side(p: tuple[float, float], q: tuple[float, float], r: tuple[float, float]) -> float:
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    def within(point: tuple[float, float], polygon: list[tuple[float, float]]) -> bool:
        return all(side(polygon[i - 1], polygon[i], point) >= 0.0 for i in range(4))

    def cross(p: Any, q: Any, r: Any, s: Any) -> bool:
        return side(p, q, r) * side(p, q, s) < 0.0 and side(r, s, p) * side(r, s, q) < 0.0

    if any(within(p, b) for p in a) or any(within(p, a) for p in b):
        return True
    return any(cross(a[i - 1], a[i], b[j - 1], b[j]) for i in range(4) for j in range(4))


@given(FAR, FAR, YAW, YAW, HALF, HALF, HALF, HALF)
def test_rectangles_overlap_exactly_where_no_axis_parts_them(
    x: float, y: float, yaw_a: float, yaw_b: float, la: float, wa: float, lb: float, wb: float
) -> None:
    gap = float(
        _apart(
            np.array([x]),
            np.array([y]),
            np.array([yaw_a]),
            np.array([yaw_b]),
            (np.array([la]), np.array([wa])),
            (np.array([lb]), np.array([wb])),
        )[0]
    )
    if abs(gap) > 1e-6:
        assert (gap < 0.0) == overlap(corners(0.0, 0.0, yaw_a, la, wa), corners(x, y, yaw_b, lb, wb))


@given(st.floats(0.1, 30.0), st.one_of(st.just(0.0), st.floats(0.05, 6.0)), st.floats(0.0, 10.0))
def test_when_a_way_has_been_gone_is_the_way_s_inverse(speed: float, accel: float, t: float) -> None:
    way = travelled(np.array([speed]), np.array([accel]), np.array([t]), 2.0)[0, 0]
    found = float(_when(np.array([way]), np.array([speed]), np.array([accel]))[0])
    assert found == pytest.approx(t, abs=1e-6)


@given(st.floats(0.0, 30.0), st.floats(0.0, 4.0), st.floats(0.0, 100.0), st.floats(0.0, 2.0))
def test_one_who_speeds_up_never_needs_less(speed: float, accel: float, way: float, reaction: float) -> None:
    even = required_deceleration(speed, way, reaction)
    more = needed_deceleration(speed, accel, way, reaction)
    assert more >= even * (1.0 - 1e-9)
    if speed > 0.0 and reaction > 0.0 and way <= speed * reaction:
        assert more == CANNOT_STOP


def test_how_the_ways_of_a_crossing_meet(scene: Any) -> None:
    def found(*cars: Any) -> list[Relation]:
        scene.advance(0.1)
        return [e.relation for e in Encounters.of(scene.geometry).look(scene.world(cars))]

    east = scene.car(1, 0, -22.0, 12.0)
    assert found(east, scene.car(2, 1, -32.5, 12.0)) == [Relation.ACROSS]
    assert found(east, scene.car(2, 3, -11.5, 12.0)) == [Relation.ACROSS]
    assert found(east, scene.car(2, 2, -22.0, 12.0)) == []
    assert found(east, scene.car(2, 0, -30.0, 14.0)) == []
    # The left turn is named first, whichever has the smaller number.
    left, oncoming = scene.car(4, 0, -22.3, 8.0, 0), scene.car(3, 2, -36.4, 14.0)
    scene.advance(0.1)
    for cars in ((left, oncoming), (oncoming, left)):
        (met,) = Encounters.of(scene.geometry).look(scene.world(cars))
        assert met.relation is Relation.LEFT_BEFORE
        assert (met.a.view.track_id, met.b.view.track_id) == (4, 3)


def test_a_world_is_looked_at_once_and_the_ways_are_found_once(scene: Any, new_scene: Any) -> None:
    world = scene.world([scene.car(1, 0, -22.0, 12.0), scene.car(2, 1, -32.5, 12.0)])
    first = Encounters.of(scene.geometry)
    assert first.look(world) is Encounters.of(scene.geometry).look(world)
    assert Ways.of(scene.geometry) is first.ways
    # A few geometries are held, not all that there ever were; what is found anew is the same.
    others = [new_scene() for _ in range(9)]
    for other in others:
        Encounters.of(other.geometry)
    again = Encounters.of(scene.geometry)
    assert again is not first and len(again.look(world)) == len(first.look(world)) == 1


def test_a_hundred_vehicles_at_a_signal_are_fast(scene: Any) -> None:
    rng = np.random.default_rng(3)
    green = {2: Light.PROTECTED_GREEN, 6: Light.PROTECTED_GREEN}
    lights = {group: green.get(group, Light.RED) for group in range(1, 9)}
    queues = {(k, lane): -24.0 for k in (1, 3) for lane in range(3)} | {(0, 0): -24.0, (2, 0): -24.0}
    apps = (Icw(), Lta(), Evw())

    def views(t: float) -> list[Any]:
        cars = []
        for i in range(100):
            heading, lane = i % 4, (i // 4) % 3
            if (heading, lane) in queues and i % 2:
                cars.append(scene.car(i, heading, queues[heading, lane] - 7.0 * (i // 12), 0.0, lane))
            elif heading % 2 == 0 and lane > 0:
                cars.append(scene.car(i, heading, -190.0 + 7.6 * (i // 2) + 13.0 * t, 13.0, lane))
            else:
                cars.append(scene.car(i, heading, 25.0 + 7.0 * (i // 12) + 13.0 * t, 13.0, lane))
        ambulance = cars[4]._replace(emergency=EmergencyVehicle(65, None, True, True))
        return [*cars[:4], ambulance, *cars[5:]]

    best = math.inf
    for step in range(12):
        scene.advance(0.1)
        accel = rng.normal(0.0, 0.2, 100)
        world = scene.world(
            [v._replace(accel_mps2=float(a)) for v, a in zip(views(step / 10), accel, strict=True)], lights
        )
        begun = time.perf_counter()
        for app in apps:
            app.step(world)
        best = min(best, time.perf_counter() - begun)
    # Four times the aim of 0.6 ms, for a loaded machine.
    assert best < 0.0024
