from __future__ import annotations

import math
from typing import Any

import pytest

from wayside.asn1.geometry import LaneKey
from wayside.asn1.messages import Light, Maneuver
from wayside.link import Action, Severity, WarningKind
from wayside.mec.apps import HazardReport, Icw, IcwParameters, Ways
from wayside.mec.apps._encounters import Encounters, Relation
from wayside.mec.sensors import ParticipantClass

STEP_S = 0.1
# Where the second lanes of the east-bound and the north-bound arm cross.
MEET_M = 5.25


def play(scene: Any, app: Icw, makers: Any, *, steps: int = 4, lights: Any = None) -> list[Any]:
    """Steps of 0.1 s; `makers(i)` gives the tracks of step i. All reports, by step."""
    out: list[list[HazardReport]] = []
    for i in range(steps):
        scene.advance(STEP_S)
        out.append(list(app.step(scene.world(makers(i), lights or {}))))
    return out


def both(
    scene: Any,
    east_mps: float = 12.0,
    north_mps: float = 12.0,
    *,
    east_s: float = 1.9,
    north_s: float = 1.9,
    **north: Any,
) -> Any:
    """Cars 1 (east-bound) and 2 (north-bound), that many seconds from where their centres would meet."""

    def views(i: int) -> list[Any]:
        t = i * STEP_S
        return [
            scene.car(1, 0, MEET_M - east_mps * (east_s - t), east_mps),
            scene.car(2, 1, -MEET_M - north_mps * (north_s - t), north_mps, **north),
        ]

    return views


def test_two_cars_that_would_collide_are_both_told_to_brake(scene: Any) -> None:
    steps = play(scene, Icw(), both(scene))
    assert not steps[0]
    (report,) = steps[1]
    assert report.kind is WarningKind.INTERSECTION_COLLISION and report.subject == "icw/1-2"
    assert report.severity is Severity.URGENT and report.action is Action.BRAKE
    assert [c.track_id for c in report.concerns] == [1, 2]
    for concern in report.concerns:
        assert concern.time_to_conflict_s == pytest.approx(report.evidence["time_to_conflict_s"], abs=0.01)
        assert concern.distance_m == pytest.approx(12.0 * concern.time_to_conflict_s, abs=0.01)
    assert {p.track_id for p in report.parties} == {1, 2}
    assert report.code is None and not report.to_rsu
    # The footprints touch before the centres meet.
    assert 1.2 < report.evidence["time_to_conflict_s"] < 1.8
    assert report.evidence["first_needed_decel_mps2"] > report.evidence["limit_yield_decel_mps2"]


@pytest.mark.parametrize(
    ("gap_m", "ttc_s", "warns"), [(21.3, 2.13, True), (21.4, 2.14, False), (21.5, 2.15, False)]
)
def test_time_to_collision_is_compared_exactly(scene: Any, gap_m: float, ttc_s: float, warns: bool) -> None:
    # The other stands across the lane, its side 0.9 m before its centre; a front is 2.3 m before a centre.
    def views(i: int) -> list[Any]:
        return [
            scene.car(1, 0, MEET_M - 0.9 - gap_m - 2.3, 10.0),
            scene.car(2, 1, -MEET_M, 0.0, session=""),
        ]

    reports = play(scene, Icw(), views)[-1]
    assert bool(reports) is warns
    if warns:
        assert reports[0].evidence["time_to_conflict_s"] == pytest.approx(ttc_s, abs=1e-9)
        assert [c.track_id for c in reports[0].concerns] == [1]


def quiet(scene: Any, views: Any, *, lights: Any = None, steps: int = 25, app: Icw | None = None) -> Icw:
    app = app or Icw()
    for reports in play(scene, app, views, steps=steps, lights=lights):
        assert not reports, reports[0].evidence
    return app


@pytest.mark.parametrize("later_s", [0.75, -0.75])
def test_cars_that_miss_each_other_give_nothing(scene: Any, later_s: float) -> None:
    quiet(scene, both(scene, north_s=1.9 + later_s))


def test_a_perceived_car_gives_the_warning_to_the_connected_one_alone(scene: Any) -> None:
    (report,) = play(scene, Icw(), both(scene, session=""))[-1]
    assert [c.track_id for c in report.concerns] == [1]
    (report,) = play(scene, Icw(), lambda i: [v._replace(session="") for v in both(scene)(i)])[-1]
    assert report.concerns == ()


def test_only_inputs_of_the_perceived_car_confirm(scene: Any) -> None:
    app = Icw()
    first = both(scene, session="")(0)[1]
    for i in range(3):
        scene.advance(STEP_S)
        assert not app.step(scene.world([both(scene)(i)[0], first]))
    scene.advance(STEP_S)
    again = both(scene, session="")(3)
    (report,) = app.step(scene.world(again))
    assert report.trigger.confirm_ns > 0


def test_a_driver_who_can_give_way_at_ease_is_taken_to_do_so(scene: Any) -> None:
    # 5 m/s: 8.7 m are enough for 3.4 m/s² after the reaction; the faster one cannot stop any more. The way is
    # that to the other's side, 0.9 m beside its middle.
    def views(way_m: float, accel_mps2: float = 0.0) -> Any:
        time_s = way_m / 5.0 + 0.2

        def at(i: int) -> list[Any]:
            return [
                scene.car(1, 0, MEET_M - 14.0 * time_s, 14.0),
                scene.car(2, 1, -MEET_M - way_m - 3.2, 5.0, accel_mps2=accel_mps2, session=""),
            ]

        return at

    app = quiet(scene, views(9.5), steps=4)
    assert app.silent_because(scene.world([])) == {"gives_way": 1}
    assert play(scene, Icw(), views(7.0))[-1]
    # One who brakes already needs no reaction time; one who speeds up needs more way.
    quiet(scene, views(7.0, -2.0), steps=4)
    assert play(scene, Icw(), views(9.5, 1.0))[-1]


def test_one_who_turns_right_may_brake_later_than_one_who_goes_straight(scene: Any) -> None:
    # 6 m/s into the right lane that the east-bound car comes along.
    (turn,) = (
        way
        for way in Ways.of(scene.geometry).of_lane[LaneKey("1-7", 13)]
        if way.movement is not None and way.movement.maneuver is Maneuver.RIGHT
    )

    def views(beyond_line_m: float, east_m: float = -15.0) -> Any:
        along = turn.stop_m + beyond_line_m
        yaw = turn.line.yaw_at(along)
        velocity = 6.0 * math.cos(yaw), 6.0 * math.sin(yaw)
        return lambda i: [
            scene.car(1, 0, east_m, 14.0, 2),
            scene.track(2, ParticipantClass.CAR, turn.line.point_at(along), velocity, turn=Maneuver.RIGHT),
        ]

    app = quiet(scene, views(-1.0), steps=4)
    assert app.silent_because(scene.world([])) == {"gives_way": 1}
    assert play(scene, Icw(IcwParameters(turn_decel_mps2=3.4)), views(-1.0))[-1]
    assert play(scene, Icw(), views(0.0, -10.0))[-1]


def test_who_can_stop_at_his_red_light_is_taken_to_do_so(scene: Any) -> None:
    # The one with green is 1.9 s away, the other slows down 10 m before his line.
    def views(i: int) -> list[Any]:
        return [
            scene.car(1, 0, MEET_M - 12.0 * 2.3, 12.0),
            scene.car(2, 1, -20.0 - 2.3 - 8.0, 7.0, accel_mps2=-1.5, session=""),
        ]

    app = quiet(scene, views, lights={2: Light.PROTECTED_GREEN, 4: Light.RED}, steps=4)
    assert set(app.silent_because(scene.world([]))) <= {"stops_at_red", "gives_way"}


def test_a_vehicle_of_poor_place_is_told_less_and_one_of_none_nothing(scene: Any) -> None:
    (report,) = play(scene, Icw(), both(scene, accuracy_m=4.9))[-1]
    told = {c.track_id: c for c in report.concerns}
    assert (told[1].severity, told[1].action) == (Severity.URGENT, Action.BRAKE)
    assert (told[2].severity, told[2].action) == (Severity.ADVISE, Action.SLOW_DOWN)
    app = quiet(scene, both(scene, accuracy_m=5.1), steps=4)
    assert app.silent_because(scene.world([])) == {"accuracy": 1}


def test_a_lane_that_leads_two_ways_is_no_danger_on_one_of_them(scene: Any) -> None:
    # The right lane goes straight on or turns right; turning right, it does not meet the east-bound car.
    def views(turn: Maneuver | None, lane: int = 2) -> Any:
        return lambda i: [
            scene.car(1, 0, 8.75 - 12.0 * 2.05, 12.0),
            scene.car(2, 1, -22.0, 5.0, lane, turn=turn, accel_mps2=2.5, session=""),
        ]

    app = quiet(scene, views(None), steps=4)
    assert app.silent_because(scene.world([])) == {"way_doubtful": 1}
    quiet(scene, views(Maneuver.RIGHT), steps=4)
    assert play(scene, Icw(), views(Maneuver.STRAIGHT))[-1]


def test_braking_after_the_warning_does_not_end_it_and_passing_does(scene: Any) -> None:
    app = Icw()
    assert play(scene, app, both(scene))[-1]

    def braking(i: int) -> list[Any]:
        slower = both(scene, north_s=1.5)(0)[1]
        return [
            both(scene, east_s=1.5)(0)[0],
            slower._replace(accel_mps2=-4.0),
        ]

    assert all(play(scene, app, braking, steps=3))

    def passed(i: int) -> list[Any]:
        return [scene.car(1, 0, 30.0 + i, 12.0), scene.car(2, 1, -24.0, 0.0)]

    steps = play(scene, app, passed, steps=8)
    assert steps[2] and not steps[-1]


@pytest.mark.parametrize(
    "kind", [ParticipantClass.MOTORCYCLE, ParticipantClass.BICYCLE, ParticipantClass.PEDESTRIAN]
)
def test_vulnerable_road_users_are_left_to_their_own_warning(scene: Any, kind: ParticipantClass) -> None:
    quiet(scene, both(scene, kind=kind, session=""), steps=10)


def test_a_left_turn_before_oncoming_traffic_is_left_to_its_own_warning(scene: Any) -> None:
    def views(i: int) -> list[Any]:
        return [scene.car(1, 0, -20.0, 7.0, 0), scene.car(2, 2, -30.0, 14.0, 1)]

    quiet(scene, views, steps=4)
    found = Encounters.of(scene.geometry).look(scene.world(views(0)))
    assert [(e.relation, e.a.view.track_id) for e in found] == [(Relation.LEFT_BEFORE, 1)]


def test_a_queue_and_one_behind_the_other_give_nothing(scene: Any) -> None:
    def views(i: int) -> list[Any]:
        return [
            scene.car(1, 0, -24.0, 0.0),
            scene.car(2, 0, -40.0, 12.0),
            scene.car(3, 0, -30.0 + i, 12.0, 2),
            scene.car(4, 2, 0.0, 10.0, 1),
        ]

    quiet(scene, views, steps=5)


def test_a_second_sight_of_one_vehicle_is_no_collision(scene: Any, place: Any) -> None:
    def views(i: int) -> list[Any]:
        car = scene.car(1, 0, -8.0, 8.0)
        ghost = scene.track(
            2, ParticipantClass.CAR, (car.x_m + 0.5, car.y_m), (5.7, 5.7), yaw_rad=math.pi / 4
        )
        return [car, ghost]

    quiet(scene, views, steps=4)


def test_a_young_track_and_a_doubtful_one_raise_nothing(scene: Any) -> None:
    quiet(scene, both(scene, session="", age_s=0.2), steps=3)
    quiet(scene, both(scene, session="", existence=0.4), steps=3)
    quiet(scene, both(scene, session="", unseen_s=0.7), steps=3)


def test_state_ends_with_its_tracks(scene: Any) -> None:
    app = Icw(IcwParameters(clear_s=0.3))
    assert play(scene, app, both(scene))[-1]
    steps = play(scene, app, lambda i: [], steps=6)
    assert steps[0] and not steps[-1]
    assert not app._pairs._known
