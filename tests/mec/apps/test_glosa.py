from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayside.asn1.messages import Light, Maneuver
from wayside.link import AdviceKind
from wayside.mec.apps import AdviceReport, Glosa, GlosaParameters, speed_window

KMH = 1 / 3.6
STEP_S = 0.1


# Distance m, start and end of green s, least and most speed km/h, window km/h to one decimal.
@pytest.mark.parametrize(
    ("d", "t0", "t1", "least", "most", "window"),
    [
        (200, 10, 30, 20, 60, (24.0, 60.0)),
        (200, 0, 8, 20, 60, None),
        (100, 0, 8, 20, 60, (45.0, 60.0)),
        (150, 40, 65, 20, 60, None),
        (300, 20, 50, 20, 60, (21.6, 54.0)),
        (300, 5, 15, 20, 60, None),
        (150, 15, 30, 30, 50, (30.0, 36.0)),
        (150, 30, 60, 20, 60, None),
        (400, 30, 60, 40, 60, (40.0, 48.0)),
        (100, 8, 20, 20, 60, (20.0, 45.0)),
        (250, 15, 45, 30, 40, (30.0, 40.0)),
        (50, 0, 3, 20, 60, (60.0, 60.0)),
        (200, 10, 12, 20, 60, (60.0, 60.0)),
        (50, 0, 2, 20, 60, None),
    ],
)
def test_window(d: float, t0: float, t1: float, least: float, most: float, window: Any) -> None:
    found = speed_window(d, t0, t1, least * KMH, most * KMH)
    assert (None if found is None else tuple(round(v / KMH, 1) for v in found)) == window


@given(
    d=st.floats(1.0, 1000.0),
    t0=st.floats(0.0, 120.0),
    lasts=st.floats(0.1, 60.0),
    least=st.floats(1.0, 20.0),
    wide=st.floats(0.0, 20.0),
)
def test_who_keeps_to_the_window_meets_green(
    d: float, t0: float, lasts: float, least: float, wide: float
) -> None:
    found = speed_window(d, t0, t0 + lasts, least, least + wide)
    if found is None:
        return
    assert least <= found.least_mps <= found.most_mps <= least + wide + 1e-6
    for speed in found:
        assert t0 - 1e-6 <= d / speed <= t0 + lasts + 1e-6


@pytest.mark.parametrize("d", [0.0, -3.0])
def test_there_is_no_window_beyond_the_line(d: float) -> None:
    assert speed_window(d, 0.0, 10.0, 5.0, 15.0) is None


def run(scene: Any, app: Glosa, views: Any, lights: Any, **more: Any) -> list[AdviceReport]:
    scene.advance(STEP_S)
    return list(app.step(scene.world(views, lights, **more)))


def green(scene: Any, ends_s: float, spread_s: float = 0.0, **more: Any) -> Any:
    return scene.light(Light.PROTECTED_GREEN, ends_s, ends_s + spread_s, **more)


def red(scene: Any, ends_s: float, spread_s: float = 0.0, **more: Any) -> Any:
    return scene.light(Light.RED, ends_s, ends_s + spread_s, **more)


def test_running_green_is_kept_not_chased(scene: Any) -> None:
    # Front 97.7 m before the line; green for 15 s less 2: from 27.1 km/h, and no faster than now.
    (advice,) = run(scene, Glosa(), [scene.car(1, 0, -120.0, 12.0)], {2: green(scene, 15.1)})
    values = advice.values
    assert advice.kind is AdviceKind.GREEN_LIGHT_SPEED and advice.track_id == 1
    assert values["least_mps"] == pytest.approx(97.7 / 13.0, abs=0.05)
    assert values["most_mps"] == values["advised_mps"] == 12.0
    assert values["light"] == "protected_green" and values["signal_group"] == 2
    assert advice.lane is not None and advice.lane.lane_id == 2
    assert (advice.x_m, advice.y_m) == pytest.approx((-20.0, -5.25))


def test_nobody_is_told_to_speed_up_for_an_ending_green(scene: Any) -> None:
    app = Glosa()
    assert not run(scene, app, [scene.car(1, 0, -120.0, 12.0)], {2: green(scene, 9.0)})
    assert app.silent_because(scene.world([])) == {"would_accelerate": 1}


def test_two_seconds_come_off_the_end(scene: Any) -> None:
    # 97.7 m at 12 m/s take 8.1 s: within the green of 9.5 s, not within it less two seconds.
    app = Glosa()
    assert not run(scene, app, [scene.car(1, 0, -120.0, 12.0)], {2: green(scene, 9.6)})
    assert run(scene, app, [scene.car(1, 0, -120.0, 12.0)], {2: green(scene, 12.6)})


def test_a_driver_is_slowed_so_that_red_ends_before_he_comes(scene: Any) -> None:
    (advice,) = run(scene, Glosa(), [scene.car(1, 0, -180.0, 15.0)], {2: red(scene, 15.1)})
    # 157.7 m: not before 15 s; the green counted on lasts 8 s less 2.
    assert advice.values["most_mps"] == pytest.approx(157.7 / 15.0, abs=0.05)
    assert advice.values["least_mps"] == pytest.approx(157.7 / 21.0, abs=0.05)
    assert advice.values["advised_mps"] == advice.values["most_mps"]


def test_greens_that_were_seen_tell_how_long_the_next_lasts(scene: Any) -> None:
    app = Glosa()
    for light in (red(scene, 1), green(scene, 20), red(scene, 30)):
        for _ in range(200):
            run(scene, app, [], {2: light._replace(heard=scene.mono)})
    (advice,) = run(scene, app, [scene.car(1, 0, -180.0, 11.0)], {2: red(scene, 15.1)})
    assert advice.values["green_until_s"] == pytest.approx(15.0 + 20.0 - 2.0, abs=0.2)


@pytest.mark.parametrize(
    ("makes", "lights", "more", "why"),
    [
        (lambda s: s.car(1, 0, -120.0, 12.0), lambda s: green(s, 15.0, 3.2), {}, "end_doubtful"),
        (
            lambda s: s.car(1, 0, -120.0, 12.0),
            lambda s: s.light(Light.PROTECTED_GREEN, 15.0),
            {},
            "end_doubtful",
        ),
        (lambda s: s.car(1, 0, -120.0, 12.0), lambda s: green(s, 15.0, age_s=1.1), {}, "signal_old"),
        (lambda s: s.car(1, 0, -120.0, 12.0), lambda s: s.light(Light.YELLOW, 3.0, 3.0), {}, "yellow"),
        (lambda s: s.car(1, 0, -120.0, 12.0), lambda s: green(s, 15.0), {"degraded": True}, "clock"),
        (lambda s: s.car(1, 0, -120.0, 12.0, accuracy_m=1.6), lambda s: green(s, 15.0), {}, "accuracy"),
        (lambda s: s.car(1, 0, -120.0, 12.0, accuracy_m=math.inf), lambda s: green(s, 15.0), {}, "accuracy"),
        (lambda s: s.car(1, 0, -120.0, 12.0, unseen_s=0.7), lambda s: green(s, 15.0), {}, "unseen"),
        (lambda s: s.car(1, 0, -190.0, 14.0), lambda s: green(s, 5.0), {}, "no_window"),
        # 40 km/h now, 36 at least: less than 5 km/h wide.
        (lambda s: s.car(1, 0, -122.3, 11.1), lambda s: green(s, 12.1), {}, "narrow"),
    ],
)
def test_no_advice(scene: Any, makes: Any, lights: Any, more: Any, why: str) -> None:
    app = Glosa()
    scene.advance(0.0)
    assert not app.step(scene.world([makes(scene)], {2: lights(scene)}, **more))
    assert app.silent_because(scene.world([])) == {why: 1}


def test_no_advice_without_a_signal(scene: Any) -> None:
    app = Glosa()
    car = scene.car(1, 0, -120.0, 12.0)
    assert not run(scene, app, [car], {})
    assert app.silent_because(scene.world([])) == {"signal_unknown": 1}
    assert not run(scene, app, [car], {}, stale=[2])
    assert app.silent_because(scene.world([])) == {"signal_stale": 1}


def test_a_queue_before_the_line_takes_the_sense_out_of_it(scene: Any) -> None:
    app = Glosa()
    cars = [scene.car(1, 0, -120.0, 12.0), scene.car(2, 0, -25.0, 0.0, session="")]
    assert not run(scene, app, cars, {2: green(scene, 20.0)})
    assert app.silent_because(scene.world([])) == {"queue": 1}


def test_of_a_shared_lane_only_what_holds_for_all_its_movements(scene: Any) -> None:
    # The left lane has its own group; the straight one is green.
    lights = {1: red(scene, 40.0), 2: green(scene, 20.0)}
    app = Glosa()
    assert not run(scene, app, [scene.car(1, 0, -120.0, 12.0, 0)], lights)
    assert run(scene, app, [scene.car(1, 0, -120.0, 12.0, 1, turn=Maneuver.STRAIGHT)], lights)


def test_only_connected_vehicles_on_their_approach_are_advised(scene: Any) -> None:
    cars = [
        scene.car(1, 0, -120.0, 12.0, session=""),
        scene.car(2, 0, 60.0, 12.0),
        scene.car(3, 0, -30.0, 12.0),
        scene.car(4, 0, -120.0, 0.5, 2),
    ]
    assert not run(scene, Glosa(), cars, {2: green(scene, 20.0)})


def test_parameters_hold(scene: Any) -> None:
    wide = Glosa(GlosaParameters(min_width_mps=0.0))
    assert run(scene, wide, [scene.car(1, 0, -122.3, 11.1)], {2: green(scene, 12.1)})
