from __future__ import annotations

import math
from typing import Any

import pytest

from wayside.asn1.messages import Light, Maneuver
from wayside.link import Action, Severity
from wayside.mec.apps import CANNOT_STOP, HazardReport, Rlvw, RlvwParameters, required_deceleration
from wayside.mec.sensors import ParticipantClass

STEP_S = 0.1


@pytest.mark.parametrize(
    ("speed_kmh", "distance_m", "expected"),
    [
        (60, 60, 3.205),
        (60, 45, 4.902),
        (60, 40, 5.952),
        (60, 30, 10.417),
        (40, 20, 6.944),
        (50, 30, 5.987),
        (50, 14, 868.056),
        (50, 13, CANNOT_STOP),
        (30, 15, 5.208),
        (70, 80, 3.122),
    ],
)
def test_required_deceleration_is_exact(speed_kmh: float, distance_m: float, expected: float) -> None:
    assert required_deceleration(speed_kmh / 3.6, distance_m) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize(("reaction_s", "expected"), [(0.0, 3.086), (0.5, 3.788), (1.5, 6.944)])
def test_reaction_time_counts(reaction_s: float, expected: float) -> None:
    assert required_deceleration(60 / 3.6, 45, reaction_s) == pytest.approx(expected, abs=5e-4)


def test_a_standing_vehicle_needs_no_braking() -> None:
    assert required_deceleration(0.0, 0.0) == 0.0


def front(gap_m: float) -> float:
    """Centre of a car whose front is `gap_m` before the stop line."""
    return -20.0 - gap_m - 2.3


def drive(
    scene: Any,
    app: Rlvw,
    gap_m: float,
    speed_mps: float,
    lights: dict[int, Any],
    *,
    steps: int = 3,
    others: Any = (),
    stale: tuple[int, ...] = (),
    lane: int = 1,
    degraded: bool = False,
    **more: Any,
) -> list[HazardReport]:
    """Steps that end with the front at `gap_m`; the reports of the last one."""
    reports: list[HazardReport] = []
    for i in range(steps):
        scene.advance(STEP_S)
        back = (steps - 1 - i) * STEP_S * speed_mps
        me = scene.car(1, 0, front(gap_m + back), speed_mps, lane, **more)
        states = {g: (v() if callable(v) else v) for g, v in lights.items()}
        world = scene.world([me, *(o() for o in others)], states, stale=stale, degraded=degraded)
        reports = list(app.step(world))
    return reports


def only(reports: list[HazardReport]) -> HazardReport:
    assert len(reports) == 1
    return reports[0]


@pytest.mark.parametrize(
    ("speed_kmh", "gap_m", "severity"),
    [
        (60, 60, None),
        (60, 45, Severity.ADVISE),
        (60, 40, Severity.ADVISE),
        (60, 30, Severity.URGENT),
        (40, 20, Severity.URGENT),
        (70, 80, None),
    ],
)
def test_levels_at_red(scene: Any, speed_kmh: float, gap_m: float, severity: Severity | None) -> None:
    reports = drive(scene, Rlvw(), gap_m, speed_kmh / 3.6, {2: Light.RED})
    if severity is None:
        assert not reports
        return
    report = only(reports)
    assert report.severity is severity
    needed = required_deceleration(speed_kmh / 3.6, gap_m)
    assert report.evidence["needed_decel_mps2"] == pytest.approx(needed, abs=2e-3)
    assert report.evidence["limit_advise_decel_mps2"] == 3.4
    (mine,) = report.concerns
    assert (mine.track_id, mine.severity) == (1, severity)
    assert mine.distance_m == pytest.approx(gap_m, abs=1e-3)
    assert report.code is None


def test_green_says_nothing(scene: Any) -> None:
    assert not drive(scene, Rlvw(), 30.0, 60 / 3.6, {2: Light.PROTECTED_GREEN})


def test_green_that_ends_before_the_arrival(scene: Any) -> None:
    # 30 m at 10 m/s: arrival in 3 s; green ends in 0.5 s at the latest, yellow of 2 s.
    app = Rlvw(RlvwParameters(yellow_s=2.0, advise_decel_mps2=2.0))
    assert drive(scene, app, 30.0, 10.0, {2: lambda: scene.light(Light.PROTECTED_GREEN, 0.2, 0.5)})
    app = Rlvw(RlvwParameters(yellow_s=2.0, advise_decel_mps2=2.0))
    assert not drive(scene, app, 30.0, 10.0, {2: lambda: scene.light(Light.PROTECTED_GREEN, 0.2, 5.0)})


def test_red_that_ends_before_the_arrival(scene: Any) -> None:
    soon = lambda: scene.light(Light.RED, 1.0, 1.5, 1.2)  # noqa: E731
    assert not drive(scene, Rlvw(), 33.0, 60 / 3.6, {2: soon})
    assert drive(scene, Rlvw(), 33.0, 60 / 3.6, {2: lambda: scene.light(Light.RED, 1.0, 9.0, 8.0)})
    # A host that doubts its clock does not count on the end.
    assert drive(scene, Rlvw(), 33.0, 60 / 3.6, {2: soon}, degraded=True)


def test_an_end_that_has_passed_says_nothing(scene: Any) -> None:
    assert drive(scene, Rlvw(), 33.0, 60 / 3.6, {2: lambda: scene.light(Light.RED, -1.0, -1.0, -1.0)})


def test_yellow_that_lasts_until_the_line_is_no_violation(scene: Any) -> None:
    assert not drive(scene, Rlvw(), 20.0, 15.0, {2: lambda: scene.light(Light.YELLOW, 2.0, 2.0)})
    assert drive(scene, Rlvw(), 40.0, 15.0, {2: lambda: scene.light(Light.YELLOW, 0.4, 0.4)})


def test_confirmation_takes_two_frames(scene: Any) -> None:
    app = Rlvw()
    assert not drive(scene, app, 45.0, 60 / 3.6, {2: Light.RED}, steps=1)
    report = only(drive(scene, app, 43.0, 60 / 3.6, {2: Light.RED}, steps=1))
    assert report.trigger.confirm_ns == round(STEP_S * 1e9)
    assert report.trigger.track_id == 1
    first = report.trigger
    # The trigger stays that of the first input.
    assert only(drive(scene, app, 41.0, 60 / 3.6, {2: Light.RED}, steps=1)).trigger == first


def test_two_steps_on_one_input_are_one_frame(scene: Any) -> None:
    app = Rlvw()
    scene.advance(STEP_S)
    world = scene.world([scene.car(1, 0, front(40.0), 60 / 3.6)], {2: Light.RED})
    assert not app.step(world)
    assert not app.step(world)


def test_a_driver_who_brakes_enough_is_left_alone(scene: Any) -> None:
    assert not drive(scene, Rlvw(), 40.0, 60 / 3.6, {2: Light.RED}, accel_mps2=-4.0)
    assert drive(scene, Rlvw(), 30.0, 60 / 3.6, {2: Light.RED}, accel_mps2=-2.0)


def test_it_clears_when_the_light_turns_green(scene: Any) -> None:
    app = Rlvw()
    assert drive(scene, app, 40.0, 14.0, {2: Light.RED})
    assert drive(scene, app, 36.0, 14.0, {2: Light.PROTECTED_GREEN}, steps=1)
    assert not drive(scene, app, 25.0, 14.0, {2: Light.PROTECTED_GREEN}, steps=7)


def test_only_its_own_movement_counts(scene: Any) -> None:
    # Left turn red, straight on green: the straight lane is not concerned, the left lane is.
    lights = {1: Light.RED, 2: Light.PROTECTED_GREEN}
    assert not drive(scene, Rlvw(), 30.0, 14.0, lights, lane=1)
    assert drive(scene, Rlvw(), 30.0, 14.0, lights, lane=0)


def test_shared_lane_with_right_on_red_is_ambiguous(scene: Any) -> None:
    # Fast enough that only straight on is possible: judged; slow enough to turn: silent.
    assert drive(scene, Rlvw(), 20.0, 60 / 3.6, {2: Light.RED}, lane=2)
    assert not drive(scene, Rlvw(), 12.0, 8.0, {2: Light.RED}, lane=2)
    strict = Rlvw(RlvwParameters(right_on_red=False))
    assert drive(scene, strict, 12.0, 8.0, {2: Light.RED}, lane=2)


def test_the_indicator_settles_a_shared_lane(scene: Any) -> None:
    assert drive(scene, Rlvw(), 12.0, 8.0, {2: Light.RED}, lane=2, turn=Maneuver.STRAIGHT)
    assert not drive(scene, Rlvw(), 12.0, 8.0, {2: Light.RED}, lane=2, turn=Maneuver.RIGHT)


@pytest.mark.parametrize(
    ("lights", "stale", "accuracy_m", "unseen_s", "why"),
    [
        ({}, (2,), 0.5, 0.0, "signal_stale"),
        ({}, (), 0.5, 0.0, "signal_unknown"),
        ({2: Light.RED}, (), 2.0, 0.0, "accuracy"),
        ({2: Light.RED}, (), 0.5, 0.9, "unseen"),
    ],
)
def test_silence_is_counted(
    scene: Any, lights: Any, stale: Any, accuracy_m: float, unseen_s: float, why: str
) -> None:
    app = Rlvw()
    more = {"accuracy_m": accuracy_m, "unseen_s": unseen_s}
    assert not drive(scene, app, 30.0, 60 / 3.6, lights, stale=stale, **more)
    assert app.silent_because(scene.world([])) == {why: 1}


def test_who_cannot_stop_warns_the_cross_traffic(scene: Any) -> None:
    others = [
        lambda: scene.car(2, 1, -45.0, 12.0, 1),  # from the south, its light green
        lambda: scene.car(3, 2, -45.0, 12.0, 1),  # oncoming straight on: no conflict
        lambda: scene.car(4, 3, -24.0, 0.0, 1),  # waits at its line, green
        lambda: scene.car(5, 3, -45.0, 6.0, 0),  # left turn, its light red
        lambda: scene.car(6, 1, -60.0, 12.0, 1, session=""),  # not connected
    ]
    lights = {
        2: Light.RED,
        4: Light.PROTECTED_GREEN,
        6: Light.PROTECTED_GREEN,
        7: Light.RED,
        8: Light.PROTECTED_GREEN,
    }
    report = only(drive(scene, Rlvw(), 10.0, 60 / 3.6, lights, others=others))
    told = {c.track_id: c for c in report.concerns}
    assert set(told) == {1, 2, 4}
    assert told[1].action is Action.STOP
    assert told[2].action is Action.BRAKE and told[2].severity is Severity.URGENT
    assert told[4].action is Action.WATCH and told[4].time_to_conflict_s is None
    assert report.evidence["cannot_stop"] is True
    assert [p.track_id for p in report.parties] == [1]


@pytest.mark.parametrize(("gap_m", "speed_mps", "std_mps"), [(4.3, 3.7, 1.05), (31.4, 15.0, 4.8)])
def test_the_noise_of_a_young_track_runs_no_light(
    scene: Any, gap_m: float, speed_mps: float, std_mps: float
) -> None:
    # A queue moves up to its line. By the sensors alone the speed is unsure, and may be less.
    others = [lambda: scene.car(2, 1, -45.0, 12.0, 1)]
    lights = {2: Light.RED, 4: Light.PROTECTED_GREEN}

    def told(std: float) -> set[int]:
        reports = drive(
            scene, Rlvw(), gap_m, speed_mps, lights, others=others, session="", velocity_std_mps=std
        )
        return {concern.track_id for report in reports for concern in report.concerns}

    assert told(std_mps) == set()
    # A speed that is sure is judged as it is.
    sure = drive(scene, Rlvw(), gap_m, speed_mps, lights, session="", velocity_std_mps=0.1)
    assert only(sure).evidence["needed_decel_mps2"] > 3.4


def test_cross_traffic_before_a_red_light_of_its_own_is_left_out(scene: Any) -> None:
    others = [lambda: scene.car(2, 1, -45.0, 6.0, 1)]
    for light, told in ((Light.RED, {1}), (Light.PROTECTED_GREEN, {1, 2})):
        report = only(drive(scene, Rlvw(), 10.0, 60 / 3.6, {2: Light.RED, 4: light}, others=others))
        assert {c.track_id for c in report.concerns} == told


@pytest.mark.parametrize(
    ("more", "why"), [({"accuracy_m": math.inf}, "accuracy"), ({"unseen_s": 0.9}, "unseen")]
)
def test_cross_traffic_of_uncertain_place_is_not_told_to_brake(scene: Any, more: Any, why: str) -> None:
    app = Rlvw()
    others = [lambda: scene.car(2, 1, -45.0, 12.0, 1, **more)]
    lights = {2: Light.RED, 4: Light.PROTECTED_GREEN}
    report = only(drive(scene, app, 10.0, 60 / 3.6, lights, others=others))
    assert {c.track_id for c in report.concerns} == {1}
    assert app.silent_because(scene.world([]))[why] >= 1


def test_who_can_stop_does_not_disturb_the_cross_traffic(scene: Any) -> None:
    others = [lambda: scene.car(2, 1, -45.0, 12.0, 1)]
    report = only(
        drive(scene, Rlvw(), 40.0, 60 / 3.6, {2: Light.RED, 4: Light.PROTECTED_GREEN}, others=others)
    )
    assert [c.track_id for c in report.concerns] == [1]


def run(scene: Any, app: Rlvw, lights: dict[int, Any], path: Any, speed_mps: float, lane: int) -> list[Any]:
    """Drive along a way from 20 m before the line to 25 m past it; all reports."""
    found: list[Any] = []
    key = next(k for k in scene.geometry.lanes if k.lane_id == lane + 1)
    (movement,) = [m for m in scene.geometry.movements_from(key) if m.maneuver is path]
    line = scene.geometry.lanes[key].polyline
    s = -20.0
    while s < 25.0:
        scene.advance(STEP_S)
        s += speed_mps * STEP_S
        if s < 0:
            xy, yaw = line.point_at(line.length_m + s), line.yaw_at(line.length_m)
        else:
            xy, yaw = movement.path.point_at(s), movement.path.yaw_at(s)
        velocity = (speed_mps * math.cos(yaw), speed_mps * math.sin(yaw))
        view = scene.track(1, ParticipantClass.CAR, xy, velocity, session="veh-1")
        others = [scene.car(2, 1, -60.0, 12.0, 1), scene.car(3, 2, -60.0, 12.0, 1)]
        found += app.step(scene.world([view, *others], lights))
    return found


@pytest.mark.parametrize(
    ("maneuver", "lane", "speed_mps"),
    [(Maneuver.STRAIGHT, 1, 15.0), (Maneuver.LEFT, 0, 9.0), (Maneuver.STRAIGHT, 2, 15.0)],
)
def test_a_red_runner_is_a_violation(scene: Any, maneuver: Maneuver, lane: int, speed_mps: float) -> None:
    scene.mono -= 10_000_000_000
    app = Rlvw()
    lights = {1: Light.RED, 2: Light.RED, 4: Light.PROTECTED_GREEN, 6: Light.PROTECTED_GREEN}
    app.step(scene.world([], lights))
    scene.advance(10.0)
    found = run(scene, app, lights, maneuver, speed_mps, lane)
    ran = [r for r in found if r.code == 417]
    assert ran and {r.subject for r in found} == {"rlvw/1"}
    assert ran[0].evidence["violation"] is True
    # The runner itself is not told what it has already done; who crosses its way is.
    crossing = 2 if maneuver is Maneuver.STRAIGHT else 3
    assert {c.track_id for r in ran for c in r.concerns} == {crossing}


def test_a_right_turn_on_red_is_none(scene: Any) -> None:
    app = Rlvw()
    app.step(scene.world([], {2: Light.RED}))
    scene.advance(10.0)
    assert not run(scene, app, {2: Light.RED}, Maneuver.RIGHT, 6.0, 2)


def test_passing_in_the_first_instant_of_red_is_none(scene: Any) -> None:
    app = Rlvw()
    assert not drive(scene, app, 3.0, 15.0, {2: Light.YELLOW}, steps=3)
    scene.advance(STEP_S)
    app.step(scene.world([scene.car(1, 0, front(1.0), 15.0)], {2: Light.RED}))
    scene.advance(STEP_S)
    reports = app.step(scene.world([scene.car(1, 0, front(-2.5), 15.0)], {2: Light.RED}))
    assert not [r for r in reports if r.code == 417]


def test_stopping_over_the_line_is_none(scene: Any) -> None:
    app = Rlvw()
    assert not drive(scene, app, 2.0, 1.5, {2: Light.RED}, steps=3)
    assert not drive(scene, app, -2.5, 1.0, {2: Light.RED}, steps=5)


def test_state_ends_with_the_vehicle(scene: Any) -> None:
    app = Rlvw()
    assert drive(scene, app, 40.0, 60 / 3.6, {2: Light.RED})
    scene.advance(1.0)
    assert not app.step(scene.world([], {2: Light.RED}))
    assert not app._drivers
