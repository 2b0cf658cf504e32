from __future__ import annotations

import math
from typing import Any

import pytest

from wayside.asn1.geometry import LaneKey
from wayside.asn1.messages import Light, Maneuver
from wayside.link import Action, Severity, WarningKind
from wayside.mec.apps import HazardReport, Icw, Lta, Ways
from wayside.mec.sensors import ParticipantClass
from wayside.mec.world import TrackView

STEP_S = 0.1
BOTH_GREEN = {1: Light.PERMISSIVE_GREEN, 2: Light.PERMISSIVE_GREEN, 6: Light.PERMISSIVE_GREEN}


def play(scene: Any, app: Any, makers: Any, *, steps: int = 3, lights: Any = None) -> list[Any]:
    """Steps of 0.1 s; `makers(i)` gives the tracks of step i. All reports, by step."""
    out: list[list[HazardReport]] = []
    for i in range(steps):
        scene.advance(STEP_S)
        out.append(list(app.step(scene.world(makers(i), BOTH_GREEN if lights is None else lights))))
    return out


def quiet(scene: Any, views: Any, *, lights: Any = None, steps: int = 4) -> Lta:
    app = Lta()
    for reports in play(scene, app, views, steps=steps, lights=lights):
        assert not reports, reports[0].evidence
    return app


def turner(scene: Any, to_line_m: float, speed_mps: float, **more: Any) -> TrackView:
    """Car 1 on its left turn from the east-bound arm, its front that far before the stop line."""
    (way,) = Ways.of(scene.geometry).of_lane[LaneKey("1-7", 1)]
    along = way.stop_m - to_line_m - 2.3
    yaw = way.line.yaw_at(along)
    velocity = speed_mps * math.cos(yaw), speed_mps * math.sin(yaw)
    match = (way.lane, along) if to_line_m > -2.0 else (None, 0.0)
    more.setdefault("session", "veh-1")
    view: TrackView = scene.track(
        1, ParticipantClass.CAR, way.line.point_at(along), velocity, yaw_rad=yaw, match=match, **more
    )
    return view


def oncoming(scene: Any, in_s: float, speed_mps: float = 14.0, **more: Any) -> TrackView:
    """Car 2, west-bound on the second lane, that long from the place where the left turn crosses its way."""
    view: TrackView = scene.car(2, 2, -speed_mps * in_s, speed_mps, **more)
    return view


def test_a_left_turn_before_oncoming_traffic_is_told_to_let_it_pass(scene: Any) -> None:
    steps = play(scene, Lta(), lambda i: [turner(scene, -2.0, 8.0), oncoming(scene, 2.45)])
    assert not steps[0]
    (report,) = steps[1]
    assert report.kind is WarningKind.LEFT_TURN and report.subject == "lta/1"
    assert report.severity >= Severity.ADVISE and report.action in (Action.STOP, Action.BRAKE)
    assert [c.track_id for c in report.concerns] == [1]
    assert {p.track_id for p in report.parties} == {1, 2}
    (concern,) = report.concerns
    assert 2.14 < report.evidence["time_to_conflict_s"] < 5.0
    assert concern.time_to_conflict_s == pytest.approx(report.evidence["time_to_conflict_s"], abs=0.01)
    assert 10.0 < concern.distance_m < 16.0
    assert report.evidence["oncoming_light"] == "permissive_green"
    assert report.code is None and not report.to_rsu
    # The same is nothing for the intersection warning.
    assert not play(scene, Icw(), lambda i: [turner(scene, -2.0, 8.0), oncoming(scene, 2.45)])[-1]


def test_one_who_starts_from_his_wait_into_a_gap_too_small_is_told(scene: Any) -> None:
    # He has waited 6 m beyond his line and starts; the oncoming car is 3.4 s away.
    def views(i: int) -> list[Any]:
        t = i * STEP_S
        waits = turner(scene, -6.0 - 0.75 * t * t, 1.5 * t, accel_mps2=1.5)
        return [waits, oncoming(scene, 3.4 - t)]

    steps = play(scene, Lta(), views, steps=24)
    told = [(i, reports[0]) for i, reports in enumerate(steps) if reports]
    first = next((i, report) for i, report in told if report.severity >= Severity.ADVISE)
    assert first[1].evidence["time_to_conflict_s"] > 1.3
    # When it is too late for him, the oncoming driver is told to brake as well.
    last = told[-1][1]
    assert last.severity is Severity.URGENT
    concerns = {c.track_id: c for c in last.concerns}
    assert set(concerns) == {1, 2} and concerns[2].action is Action.BRAKE


@pytest.mark.parametrize("in_s", [4.2, 0.9])
def test_a_gap_that_is_large_enough_gives_nothing(scene: Any, in_s: float) -> None:
    quiet(scene, lambda i: [turner(scene, -2.0, 8.0), oncoming(scene, in_s)])


def test_an_approach_that_can_stop_at_ease_gives_nothing(scene: Any) -> None:
    app = quiet(scene, lambda i: [turner(scene, 4.0, 6.0), oncoming(scene, 4.0)])
    assert not app.silent_because(scene.world([]))
    # Who brakes already is taken to let the other pass.
    app = quiet(scene, lambda i: [turner(scene, -4.0, 7.0, accel_mps2=-2.0), oncoming(scene, 2.2)])
    assert app.silent_because(scene.world([])) == {"gives_way": 1}


@pytest.mark.parametrize(
    ("lights", "why"),
    [
        ({1: Light.PROTECTED_GREEN, 2: Light.RED, 6: Light.RED}, "held"),
        ({1: Light.PROTECTED_GREEN, 6: Light.YELLOW}, "protected"),
        ({1: Light.RED, 6: Light.PROTECTED_GREEN}, "red_light"),
    ],
)
def test_a_signal_that_holds_one_side_back_silences(scene: Any, lights: Any, why: str) -> None:
    app = quiet(scene, lambda i: [turner(scene, 0.5, 9.0), oncoming(scene, 2.55)], lights=lights)
    assert app.silent_because(scene.world([])) == {why: 1}


def test_one_who_clears_the_junction_late_is_not_held_by_his_red(scene: Any) -> None:
    # The oncoming car has passed its line already; the left turn has just got its arrow.
    lights = {1: Light.PROTECTED_GREEN, 6: Light.RED}
    views = lambda i: [turner(scene, 0.0, 9.0), oncoming(scene, 2.2, 7.0)]  # noqa: E731
    assert play(scene, Lta(), views, lights=lights)[-1]


def test_while_the_lights_are_not_known_only_what_is_urgent_is_said(scene: Any) -> None:
    def views(speed_mps: float, to_line_m: float, in_s: float) -> Any:
        return lambda i: [turner(scene, to_line_m, speed_mps), oncoming(scene, in_s)]

    (report,) = play(scene, Lta(), views(8.0, -2.0, 2.45))[-1]
    assert report.severity is Severity.ADVISE
    app = quiet(scene, views(8.0, -2.0, 2.45), lights={})
    assert app.silent_because(scene.world([])) == {"signal_unknown": 1}
    (report,) = play(scene, Lta(), views(8.0, -4.0, 2.3), lights={})[-1]
    assert report.severity is Severity.URGENT


def test_stale_lights_are_counted_as_such(scene: Any) -> None:
    app = Lta()
    for _ in range(3):
        scene.advance(STEP_S)
        views = [turner(scene, -2.0, 8.0), oncoming(scene, 2.45)]
        assert not app.step(scene.world(views, {6: Light.PERMISSIVE_GREEN}, stale=[1]))
    assert app.silent_because(scene.world([])) == {"signal_stale": 1}


def test_intent_counts_on_a_lane_that_leads_two_ways(scene: Any) -> None:
    # Inside the junction the left turn's path is his alone; a straight path does not meet the oncoming car.
    straight = {2: Light.PERMISSIVE_GREEN, 6: Light.PERMISSIVE_GREEN}
    quiet(
        scene,
        lambda i: [scene.car(1, 0, -26.0, 8.0, 1), oncoming(scene, 2.8)],
        lights=straight,
    )
    views = lambda i: [turner(scene, -2.0, 8.0, turn=Maneuver.LEFT), oncoming(scene, 2.45)]  # noqa: E731
    (report,) = play(scene, Lta(), views)[-1]
    assert report.evidence["turning_signals"] == "left"


def test_a_poor_place_is_told_less_and_none_nothing(scene: Any) -> None:
    def views(accuracy_m: float) -> Any:
        return lambda i: [turner(scene, -4.0, 8.0, accuracy_m=accuracy_m), oncoming(scene, 2.3)]

    (report,) = play(scene, Lta(), views(1.5))[-1]
    assert report.concerns[0].severity is Severity.URGENT
    (report,) = play(scene, Lta(), views(5.0))[-1]
    assert report.concerns[0].severity is Severity.ADVISE
    app = quiet(scene, views(5.1))
    assert app.silent_because(scene.world([])) == {"accuracy": 1}


def test_a_perceived_turn_gives_an_event_and_warns_the_connected_one_when_late(scene: Any) -> None:
    views = lambda i: [turner(scene, -2.0, 8.0, session=""), oncoming(scene, 2.45)]  # noqa: E731
    (report,) = play(scene, Lta(), views)[-1]
    assert report.concerns == ()
    near = lambda i: [turner(scene, -6.0, 8.0, session=""), oncoming(scene, 1.9)]  # noqa: E731
    (report,) = play(scene, Lta(), near)[-1]
    assert [(c.track_id, c.action) for c in report.concerns] == [(2, Action.BRAKE)]


@pytest.mark.parametrize("kind", [ParticipantClass.MOTORCYCLE, ParticipantClass.BICYCLE])
def test_riders_are_left_to_their_own_warning(scene: Any, kind: ParticipantClass) -> None:
    quiet(scene, lambda i: [turner(scene, -2.0, 8.0), oncoming(scene, 2.45, kind=kind, session="")])


def test_one_who_waits_for_a_gap_is_told_nothing(scene: Any) -> None:
    waits = turner(scene, -6.0, 0.0)
    quiet(scene, lambda i: [waits, oncoming(scene, 3.0 - i * STEP_S)], steps=25)


def test_braking_after_advice_does_not_end_it_and_a_stop_does(scene: Any) -> None:
    app = Lta()
    assert play(scene, app, lambda i: [turner(scene, -2.0, 8.0), oncoming(scene, 2.45)])[-1]
    slows = lambda i: [turner(scene, -2.0, 7.0, accel_mps2=-3.0), oncoming(scene, 2.5)]  # noqa: E731
    assert all(play(scene, app, slows))
    stands = lambda i: [turner(scene, -6.0, 0.0), oncoming(scene, 2.0)]  # noqa: E731
    steps = play(scene, app, stands, steps=8)
    assert steps[2] and not steps[-1]
    assert not app._turns._known


@pytest.mark.parametrize("decel_mps2", [1.5, 2.0, 2.5])
@pytest.mark.parametrize("speed_mps", [5.0, 6.5, 8.0])
def test_one_who_brakes_to_let_a_stream_pass_is_not_told_to(
    scene: Any, decel_mps2: float, speed_mps: float
) -> None:
    # He stops a metre before the way of the others, who come every two seconds.
    place = 14.7  # beyond his line
    app = Lta()
    to_place, v = speed_mps * 3.0 + 8.0, speed_mps
    stream = [2.0 * n for n in range(12)]
    worst: Severity | None = None
    while v > 0.0:
        brakes = to_place - 1.0 <= v * v / (2.0 * decel_mps2)
        accel = -decel_mps2 if brakes else 0.0
        views = [turner(scene, to_place - place, v, accel_mps2=accel)]
        for n, in_s in enumerate(stream):
            if -2.0 < in_s < 10.0:
                views.append(oncoming(scene, in_s)._replace(track_id=10 + n))
        scene.advance(STEP_S)
        views = [view._replace(arrived=scene.mono - 8_000_000) for view in views]
        for report in app.step(scene.world(views, BOTH_GREEN)):
            worst = max(worst or report.severity, report.severity)
        to_place -= v * STEP_S
        v = max(0.0, v + accel * STEP_S)
        stream = [in_s - STEP_S for in_s in stream]
    assert worst is None or worst is Severity.INFORM
