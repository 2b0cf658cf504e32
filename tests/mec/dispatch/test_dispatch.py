from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wayside.asn1.geometry import LaneKey
from wayside.clock import MonoNs, VirtualClock
from wayside.link import (
    Action,
    AdviceKind,
    Flag,
    Frame,
    FrameKind,
    Header,
    Party,
    Severity,
    Warning,
    WarningKind,
    advice_key,
    decode_body,
    encode_frame,
    priority_of,
    warning_key,
)
from wayside.mec.apps import AdviceReport, Concern, Corridor, HazardReport, Trigger
from wayside.mec.dispatch import (
    ConnectedVehicles,
    CorridorIndex,
    Dispatch,
    Dispatcher,
    DispatchReason,
    DispatchRules,
)
from wayside.mec.sensors import ParticipantClass
from wayside.observe import Counters, Stage
from wayside.records import EventState

EAST = LaneKey("1-7", 2)


class Bench:
    """A dispatcher on a scene whose clock moves with it."""

    def __init__(self, scene: Any, rules: DispatchRules | None = None) -> None:
        self.scene = scene
        self.clock = VirtualClock(scene.now, scene.mono)
        self.counters = Counters()
        self.dispatcher = Dispatcher(
            scene.plane, scene.geometry, self.counters, self.clock, lambda subject: f"ev-{subject}", rules
        )

    def step(self, views: Any, outputs: Any, seconds: float = 0.1) -> Dispatch:
        self.scene.advance(seconds)
        self.clock.advance(seconds)
        world = self.scene.world(views)
        return self.dispatcher.dispatch(world, outputs, world.mono)


def trigger(scene: Any, track_id: int = 9) -> Trigger:
    mono = scene.mono
    return Trigger(
        "ab" * 8, MonoNs(mono - 8_000_000), MonoNs(mono - 6_000_000), MonoNs(mono - 2_000_000), 0, track_id
    )


def report(scene: Any, **more: Any) -> HazardReport:
    lat, lon = scene.plane.to_lat_lon(-60.0, -5.25)
    values: dict[str, Any] = {
        "app": "hlw",
        "kind": WarningKind.HAZARDOUS_LOCATION,
        "subject": "hlw/9",
        "severity": Severity.ADVISE,
        "x_m": -60.0,
        "y_m": -5.25,
        "action": Action.SLOW_DOWN,
        "trigger": trigger(scene),
        "ttl_ms": 1000,
        "lane": EAST,
        "corridors": (Corridor(EAST, 140.0, 120.0),),
        "parties": (Party("car", lat, lon, 0.0, 90.0, 9),),
        "evidence": {"speed_mps": 0.0, "limit_stop_mps": 0.7},
    }
    return HazardReport(**(values | more))


def sessions(dispatch: Dispatch) -> set[str]:
    return {push.session for push in dispatch.pushes}


def test_a_corridor_takes_who_is_ahead_of_the_place(scene: Any) -> None:
    bench = Bench(scene)
    views = [
        scene.car(1, 0, -100.0, 12.0),  # 40 m before it
        scene.car(2, 0, -59.0, 12.0),  # beside it
        scene.car(3, 0, -40.0, 12.0),  # past it
        scene.car(4, 0, -190.0, 12.0),  # too far: 127.7 m
        scene.car(5, 0, -100.0, 12.0, 0),  # next lane
        scene.car(6, 2, -100.0, 12.0),  # oncoming
        scene.car(7, 0, -110.0, 12.0, session=""),  # not connected
        scene.car(9, 0, -70.0, 0.0),  # the hazard itself
    ]
    danger = report(scene)
    out = bench.step(views, [danger])
    assert sessions(out) == {"veh-1"}
    (push,) = out.pushes
    assert push.kind is FrameKind.WARNING
    assert push.key == warning_key(WarningKind.HAZARDOUS_LOCATION, "ev-hlw/9")
    assert push.priority == priority_of(Severity.ADVISE)
    assert push.ttl_ms == 1000 and push.created == scene.now
    frame = encode_frame(
        Header(
            FrameKind.WARNING, Flag(0), push.priority, 1, push.key, push.created // 1_000_000, push.ttl_ms
        ),
        push.body,
    )
    warning = decode_body(Frame(Header(FrameKind.WARNING, Flag(0), 0, 1, 0, 0, 0), frame[28:]), Warning)
    assert warning == push.warning
    assert warning.distance_m == pytest.approx(40.0 - 2.3, abs=0.06)
    assert warning.place.lane == "1-7/2" and warning.event_id == "ev-hlw/9"
    assert [m.stage for m in warning.marks] == list(Stage)[:5]
    assert warning.marks[0].at_ns == danger.trigger.arrived


def test_lanes_that_lead_into_it_are_upstream(scene: Any) -> None:
    # The hazard stands 30 m into the northern exit: from the south straight on, from the west turning left.
    north = LaneKey("1-7", 16)
    bench = Bench(scene)
    hazard = report(scene, corridors=(Corridor(north, 30.0, 150.0),), lane=north, parties=())
    left_turner = scene.car(1, 0, -40.0, 8.0, 0)
    straight = scene.car(2, 1, -40.0, 8.0, 0)
    other = scene.car(3, 2, -40.0, 8.0, 1)
    out = bench.step([left_turner, straight, other], [hazard])
    assert sessions(out) == {"veh-1"}
    movement = next(m for m in scene.geometry.movements if m.to_lane == north)
    expected = 20.0 - 2.3 + movement.path.length_m + 30.0
    assert out.pushes[0].warning.distance_m == pytest.approx(expected, abs=0.1)


def test_a_vehicle_inside_the_junction_is_on_its_movement(scene: Any) -> None:
    north = LaneKey("1-7", 16)
    movement = next(m for m in scene.geometry.movements if m.to_lane == north)
    x, y = movement.path.point_at(15.0)
    yaw = movement.path.yaw_at(15.0)
    view = scene.track(
        1, ParticipantClass.CAR, (x, y), (6 * np.cos(yaw), 6 * np.sin(yaw)), session="veh-1", lane=None
    )
    hazard = report(scene, corridors=(Corridor(north, 30.0, 150.0),), lane=north, parties=())
    out = Bench(scene).step([view], [hazard])
    assert sessions(out) == {"veh-1"}
    assert out.pushes[0].warning.distance_m == pytest.approx(movement.path.length_m - 17.3 + 30.0, abs=0.2)


def test_needed_braking_makes_it_urgent(scene: Any) -> None:
    out = Bench(scene).step([scene.car(1, 0, -95.0, 15.0)], [report(scene)])
    assert out.pushes[0].warning.severity is Severity.URGENT
    assert out.pushes[0].warning.action is Action.BRAKE


def test_poor_accuracy_gets_link_level_information(scene: Any) -> None:
    out = Bench(scene).step([scene.car(1, 0, -100.0, 12.0, accuracy_m=3.0)], [report(scene)])
    warning = out.pushes[0].warning
    assert isinstance(warning, Warning)
    assert warning.severity is Severity.INFORM
    assert warning.distance_m is None and warning.place.lane == ""


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        pytest.param(
            {"accuracy_m": 6.0}, DispatchReason.ACCURACY, marks=pytest.mark.drops(DispatchReason.ACCURACY)
        ),
        pytest.param(
            {"unseen_s": 2.0},
            DispatchReason.STALE_POSITION,
            marks=pytest.mark.drops(DispatchReason.STALE_POSITION),
        ),
        pytest.param(
            {"right_m": 30.0},
            DispatchReason.OFF_LANE,
            marks=pytest.mark.drops(DispatchReason.OFF_LANE),
        ),
    ],
)
def test_silence_is_counted_once_a_vehicle(scene: Any, more: Any, reason: DispatchReason) -> None:
    bench = Bench(scene)
    for _ in range(5):
        out = bench.step([scene.car(1, 0, -80.0, 12.0, **more)], [report(scene)])
        assert not out.pushes
    assert bench.counters.drops() == {"dispatch": {reason.value: 1}}


@pytest.mark.drops(DispatchReason.TOO_MANY_EVENTS)
def test_events_are_bounded(scene: Any) -> None:
    bench = Bench(scene, DispatchRules(max_events=2))
    reports = [report(scene, subject=f"hlw/{i}", severity=Severity(1 + i)) for i in range(3)]
    out = bench.step([], reports)
    # The worst come first.
    assert [c.report.subject for c in out.events] == ["hlw/2", "hlw/1"]
    assert bench.counters.dropped(DispatchReason.TOO_MANY_EVENTS) == 1


def test_it_is_sent_again_only_when_there_is_a_reason(scene: Any) -> None:
    bench = Bench(scene)
    car = lambda: [scene.car(1, 0, -160.0, 10.0)]  # noqa: E731
    counts = [len(bench.step(car(), [report(scene)]).pushes) for _ in range(11)]
    assert counts == [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]
    worse = bench.step(car(), [report(scene, severity=Severity.URGENT)])
    assert len(worse.pushes) == 1 and worse.pushes[0].priority == priority_of(Severity.URGENT)
    assert not worse.pushes[0].warning.marks  # no first news: its latency is not counted
    assert worse.events[0].report.severity is Severity.URGENT


def test_cancel_goes_to_exactly_those_who_hold_a_warning(scene: Any) -> None:
    bench = Bench(scene)
    near = [scene.car(1, 0, -100.0, 12.0), scene.car(2, 0, -120.0, 12.0), scene.car(3, 0, 100.0, 12.0)]
    assert sessions(bench.step(near, [report(scene)])) == {"veh-1", "veh-2"}
    out = bench.step(near, [])
    assert {c.session for c in out.cancels} == {"veh-1", "veh-2"}
    assert {c.key for c in out.cancels} == {warning_key(WarningKind.HAZARDOUS_LOCATION, "ev-hlw/9")}
    (change,) = out.events
    assert change.state is EventState.CLOSED and change.warned == 2
    assert not bench.step(near, []).cancels


def test_who_is_no_longer_concerned_is_told_so(scene: Any) -> None:
    bench = Bench(scene)
    bench.step([scene.car(1, 0, -70.0, 12.0)], [report(scene)])
    past = lambda: [scene.car(1, 0, -50.0, 12.0)]  # noqa: E731
    got = [len(bench.step(past(), [report(scene)]).cancels) for _ in range(8)]
    assert sum(got) == 1 and got[0] == 0
    assert not bench.step(past(), []).cancels


def test_concerns_name_their_vehicles_and_the_party_is_not_shown_to_itself(scene: Any) -> None:
    bench = Bench(scene)
    mine = Concern(1, 30.0, 2.0, Severity.URGENT, Action.STOP)
    theirs = Concern(2, 50.0, 3.0, Severity.ADVISE, Action.WATCH)
    gone = Concern(77, 50.0, 3.0, Severity.ADVISE, Action.WATCH)
    party = Party("car", 38.9, 117.3, 15.0, 90.0, 1)
    danger = report(scene, corridors=(), concerns=(mine, theirs, gone), parties=(party,))
    out = bench.step([scene.car(1, 0, -55.0, 15.0), scene.car(2, 1, -60.0, 12.0)], [danger])
    by_session = {push.session: push for push in out.pushes}
    assert [p.session for p in out.pushes] == ["veh-1", "veh-2"]  # the worst first
    assert by_session["veh-1"].warning.parties == ()
    assert by_session["veh-2"].warning.parties == (party,)


def test_equal_bodies_are_encoded_once(scene: Any) -> None:
    concerns = tuple(Concern(i, 30.0, None, Severity.ADVISE, Action.WATCH) for i in range(1, 6))
    cars = [scene.car(i, 0, -100.0 + 8 * i, 12.0) for i in range(1, 6)]
    out = Bench(scene).step(cars, [report(scene, corridors=(), concerns=concerns)])
    assert len(out.pushes) == 5
    assert len({id(push.body) for push in out.pushes}) == 1


def test_the_trace_explains_event_and_selection(scene: Any) -> None:
    bench = Bench(scene)
    views = [scene.car(1, 0, -100.0, 12.0), scene.car(9, 0, -60.0, 0.0, session="")]
    (change,) = bench.step(views, [report(scene)]).events
    assert [step.name for step in change.trace] == ["detection", "track", "app", "selection"]
    detection, track, app, selection = change.trace
    assert detection.detail["trace_id"] == "ab" * 8
    assert track.detail["track"] == 9 and track.detail["sources"] == "cam-1"
    assert app.detail["limit_stop_mps"] == 0.7
    assert selection.detail["by"] == "lane" and selection.detail["session"] == "veh-1"
    # A vehicle that comes later adds its own selection only, and its latency runs from its own input.
    heard = MonoNs(scene.mono + 60_000_000)
    late = scene.car(2, 0, -120.0, 12.0)._replace(arrived=heard, ingested=heard, fused=heard)
    out = bench.step([*views, late], [report(scene)])
    assert [step.name for step in out.events[0].trace] == ["selection"]
    (push,) = out.pushes
    assert push.warning.marks[0].at_ns == late.arrived
    assert push.warning.trace_id == "ab" * 8


def test_a_danger_that_time_brings_counts_from_the_look_before_and_says_so(scene: Any) -> None:
    bench = Bench(scene)
    bench.step([], [])
    looked = scene.mono
    car = scene.car(1, 0, -100.0, 12.0)
    stale = MonoNs(looked - 80_000_000)
    out = bench.step([car._replace(arrived=stale, ingested=stale, fused=stale)], [report(scene)])
    (push,) = out.pushes
    assert [mark.at_ns for mark in push.warning.marks[:3]] == [looked] * 3
    selection = next(step for step in out.events[0].trace if step.name == "selection")
    assert selection.detail["brought_by"] == "time"


def advice(light: str, speed_mps: float = 10.0, subject: str = "") -> AdviceReport:
    return AdviceReport(
        "glosa",
        AdviceKind.GREEN_LIGHT_SPEED,
        1,
        -20.0,
        -5.25,
        1000,
        {"light": light, "most_mps": speed_mps},
        lane=EAST,
        subject=subject,
        prompt=("light",),
    )


def test_advice_is_sent_on_change_and_before_expiry(scene: Any) -> None:
    bench = Bench(scene)
    car = lambda: [scene.car(1, 0, -100.0, 12.0)]  # noqa: E731
    counts = [len(bench.step(car(), [advice("red", 10.0 + i)]).pushes) for i in range(6)]
    assert counts == [1, 0, 0, 0, 0, 1]
    (push,) = bench.step(car(), [advice("green")]).pushes
    assert push.kind is FrameKind.ADVICE and push.key == advice_key(AdviceKind.GREEN_LIGHT_SPEED)
    assert push.warning.values == {"light": "green", "most_mps": 10.0}
    assert push.warning.place.lane == str(EAST)
    assert not bench.step([], [advice("green")]).pushes


def test_advice_that_no_app_repeats_is_taken_back_once(scene: Any) -> None:
    bench = Bench(scene)
    car = lambda: [scene.car(1, 0, -100.0, 12.0)]  # noqa: E731
    assert len(bench.step(car(), [advice("red", subject=s) for s in ("a", "b")]).pushes) == 2
    cancels = [bench.step(car(), [advice("red", subject="b")]).cancels for _ in range(8)]
    (only,) = [cancel for each in cancels for cancel in each]
    assert only.key == advice_key(AdviceKind.GREEN_LIGHT_SPEED, "a") and only.session == "veh-1"
    # A gap shorter than the release is none.
    assert not bench.step(car(), []).cancels and not bench.step(car(), [advice("red", subject="b")]).cancels
    assert [len(bench.step([], []).cancels) for _ in range(8)].count(1) == 1


def test_an_unknown_lane_leads_nowhere(scene: Any) -> None:
    out = Bench(scene).step(
        [scene.car(1, 0, -100.0, 12.0)], [report(scene, corridors=(Corridor(LaneKey("9-9", 1), 1.0, 1e3),))]
    )
    assert not out.pushes and len(out.events) == 1


def test_selection_among_ten_thousand_is_fast(scene: Any) -> None:
    rng = np.random.default_rng(4)
    views = [
        scene.car(i, int(rng.integers(4)), -float(rng.uniform(21, 199)), 10.0, i % 3) for i in range(200)
    ]
    many = [views[i % 200]._replace(track_id=i + 1000, session=f"s{i}") for i in range(10_000)]
    world = scene.world(many)
    index = CorridorIndex(scene.geometry)
    vehicles = ConnectedVehicles(world, index)
    best = float("inf")
    for i in range(5):
        corridor = Corridor(EAST, 120.0 + i, 120.0)
        begun = time.perf_counter()
        found = vehicles.ahead_of(corridor, index)
        best = min(best, time.perf_counter() - begun)
    assert len(found.rows) > 100
    # Four times the aim, for a loaded machine.
    assert best < 0.004


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.lists(
                st.tuples(st.integers(1, 6), st.integers(-190, 90), st.sampled_from([0.5, 3.0, 9.0])),
                max_size=6,
                unique_by=lambda t: t[0],
            ),
            st.sets(st.integers(1, 3)),
            st.integers(1, 3),
            st.sampled_from([0.05, 0.1, 0.6, 2.0]),
        ),
        max_size=25,
    )
)
def test_invariants(new_scene: Any, steps: Any) -> None:
    scene = new_scene()
    bench = Bench(scene)
    holding: dict[tuple[str, int], bool] = {}
    for cars, dangers, severity, seconds in steps:
        views = [scene.car(i, 0, float(s), 10.0, 1, accuracy_m=a) for i, s, a in cars]
        outputs = [
            report(
                scene,
                subject=f"hlw/{d}",
                severity=Severity(severity),
                parties=(Party("car", 38.9, 117.3, 0.0, 90.0, d),),
            )
            for d in sorted(dangers)
        ]
        out = bench.step(views, outputs, seconds)
        present = {view.session for view in views}
        for push in out.pushes:
            assert push.session in present
            assert push.ttl_ms > 0 and push.created == scene.now
            (danger,) = [o for o in outputs if push.key == warning_key(o.kind, f"ev-{o.subject}")]
            assert push.session != f"veh-{danger.parties[0].track_id}"
            holding[push.session, push.key] = True
        keys = {warning_key(o.kind, f"ev-{o.subject}") for o in outputs}
        for cancel in out.cancels:
            assert holding.pop((cancel.session, cancel.key))
        assert all(key in keys for _, key in holding)
        assert len(out.pushes) <= len(views) * len(outputs)
        assert len(bench.dispatcher.open_events()) == len(outputs)
    final = bench.step([], [])
    assert {(c.session, c.key) for c in final.cancels} == set(holding)
