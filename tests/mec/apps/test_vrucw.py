from __future__ import annotations

import math
import time
from typing import Any

import msgspec
import numpy as np
import pytest

from wayside.asn1.geometry import LaneKey, RoadGeometry
from wayside.asn1.messages import Connection, Direction, Lane, LaneKind, Light, Maneuver
from wayside.link import Action, Severity
from wayside.mec.apps import HazardReport, Vrucw, VrucwParameters
from wayside.mec.sensors import ParticipantClass

STEP_S = 0.1


def play(
    scene: Any, app: Vrucw, makers: Any, *, steps: int = 5, lights: Any = None, start: int = 0
) -> list[Any]:
    """Steps of 0.1 s; `makers(i)` gives the tracks of step i. All reports, by step."""
    out: list[list[HazardReport]] = []
    for i in range(start, start + steps):
        scene.advance(STEP_S)
        out.append(list(app.step(scene.world(makers(i), lights or {}))))
    return out


def crossing_walker(scene: Any, place: Any, i: int, *, speed: float = 1.5, born: int = 0, **more: Any) -> Any:
    """A pedestrian that crosses the east-bound arm at s = -60 from the right kerb towards the left."""
    right = 12.0 - speed * STEP_S * i
    age = (i - born) * STEP_S
    more.setdefault("age_s", age)
    return scene.walker(100, place(0, -60.0, right), (0.0, speed), **more)


def test_pedestrian_from_behind_a_bus_is_warned_within_few_scans(scene: Any, place: Any) -> None:
    # A bus stands in the right lane; the pedestrian appears in front of it, 3 m from the car's lane.
    app = Vrucw()

    def world(i: int) -> list[Any]:
        car = scene.car(1, 0, -60.0 - 30.0 + 12.0 * STEP_S * i, 12.0, 1)
        bus = scene.car(2, 0, -68.0, 0.0, 2, kind=ParticipantClass.BUS, session="")
        if i < 3:
            return [car, bus]
        walker = scene.walker(
            100,
            place(0, -60.0, 8.5 - 1.8 * STEP_S * (i - 3)),
            (0.0, 1.8),
            age_s=(i - 3) * STEP_S,
            existence=min(0.4 + 0.2 * (i - 3), 0.95),
            born_arrived=scene.mono - 8_000_000 - (i - 3) * 100_000_000,
        )
        return [car, bus, walker]

    steps = play(scene, app, world, steps=8)
    first = next(i for i, reports in enumerate(steps) if reports)
    assert first == 5  # two scans after the first sight
    (report,) = steps[first]
    assert report.subject == "vrucw/100"
    assert report.severity is Severity.URGENT and report.action is Action.BRAKE
    assert [c.track_id for c in report.concerns] == [1]
    (concern,) = report.concerns
    assert concern.time_to_conflict_s == pytest.approx(report.evidence["time_to_conflict_s"], abs=0.01)
    assert 1.0 < concern.time_to_conflict_s < 2.2
    assert report.evidence["limit_horizon_s"] == 5.0
    assert report.parties[0].kind == "pedestrian"
    assert report.code == 405 and report.to_rsu
    # Trigger: the scan that confirmed it; the delay of confirming runs from the first sight.
    assert report.trigger.arrived == scene.mono - 8_000_000 - 200_000_000
    assert report.trigger.confirm_ns == pytest.approx(200_000_000, abs=1)


def test_only_inputs_of_the_road_user_confirm(scene: Any, place: Any) -> None:
    app = Vrucw()
    seen = scene.walker(100, place(0, -60.0, 5.25), (0.0, 0.0))
    steps = play(scene, app, lambda i: [scene.car(1, 0, -90.0, 10.0), seen], steps=3)
    assert not any(steps)
    again = seen._replace(arrived=scene.mono)
    (report,) = app.step(scene.world([scene.car(1, 0, -90.0, 10.0), again]))
    assert report.trigger.track_id == 100 and report.trigger.arrived == again.arrived


def test_time_to_conflict_is_exact(scene: Any, place: Any) -> None:
    # Front bumper 2.3 m ahead of the centre, circle 0.4 m + 0.2 m margin + growth 0.1 m/s:
    # standing pedestrian in the lane 30 m ahead of the centre at 10 m/s: (30 - 2.3 - 0.6) / 10 s.
    app = Vrucw()
    steps = play(
        scene,
        app,
        lambda i: [scene.car(1, 0, -90.0, 10.0), scene.walker(100, place(0, -60.0, 5.25), (0.0, 0.0))],
    )
    (report,) = steps[-1]
    assert report.evidence["time_to_conflict_s"] == pytest.approx(2.71, abs=0.05)
    assert report.concerns[0].distance_m == pytest.approx(27.1, abs=2.0)


def test_perceived_vehicle_gives_an_event_without_concerns(scene: Any, place: Any) -> None:
    app = Vrucw()
    steps = play(
        scene,
        app,
        lambda i: [
            scene.car(1, 0, -90.0, 10.0, session=""),
            scene.walker(100, place(0, -60.0, 5.25), (0.0, 0.0)),
        ],
    )
    (report,) = steps[-1]
    assert report.concerns == () and report.evidence["vehicle_track"] == 1


def quiet(scene: Any, maker: Any, *, lights: Any = None, steps: int = 40, app: Vrucw | None = None) -> Vrucw:
    app = app or Vrucw()
    for reports in play(scene, app, maker, steps=steps, lights=lights):
        assert not reports, reports[0].evidence
    return app


def test_parallel_walker_gives_nothing(scene: Any, place: Any) -> None:
    rng = np.random.default_rng(1)
    quiet(
        scene,
        lambda i: [
            scene.car(1, 0, -120.0 + 1.2 * i, 12.0, 2),
            scene.walker(
                100, place(0, -80.0 + 0.14 * i, 11.2), (1.4 + rng.normal(0, 0.1), rng.normal(0, 0.12))
            ),
            scene.walker(101, place(0, -60.0 - 0.14 * i, 11.4), (-1.4, rng.normal(0, 0.12))),
        ],
    )


def test_a_walker_who_drifts_slightly_gives_nothing(scene: Any, place: Any) -> None:
    # A velocity error of 0.25 m/s towards the road would reach the car's way within the horizon.
    def world(drift_mps: float) -> list[Any]:
        return [
            scene.car(1, 0, -120.0, 12.0, 2),
            scene.walker(100, place(0, -75.0, 11.1), (1.4, drift_mps)),
        ]

    quiet(scene, lambda i: world(0.25), steps=5)
    assert play(scene, Vrucw(), lambda i: world(0.8))[-1]


def test_waiting_at_the_kerb_gives_nothing(scene: Any, place: Any) -> None:
    rng = np.random.default_rng(2)
    quiet(
        scene,
        lambda i: [
            scene.car(1, 0, -120.0 + 1.2 * i, 12.0, 2),
            scene.walker(100, place(0, -60.0, 11.1), (rng.normal(0, 0.08), rng.normal(0, 0.08))),
        ],
    )


def test_oncoming_cyclist_in_the_next_lane_gives_nothing(scene: Any, place: Any) -> None:
    quiet(
        scene,
        lambda i: [
            scene.car(1, 0, -120.0 + 1.2 * i, 12.0, 0),
            scene.track(100, ParticipantClass.BICYCLE, place(2, 40.0 + 0.5 * i, 1.75), (-5.0, 0.0)),
        ],
    )


def test_walker_away_from_the_road_gives_nothing(scene: Any, place: Any) -> None:
    quiet(
        scene,
        lambda i: [
            scene.car(1, 0, -120.0 + 1.2 * i, 12.0, 2),
            scene.walker(100, place(0, -60.0, 11.5 + 0.14 * i), (0.0, -1.4)),
        ],
        steps=30,
    )


def test_following_a_cyclist_gives_nothing_until_it_is_close(scene: Any, place: Any) -> None:
    def follow(gap_m: float) -> Any:
        return lambda i: [
            scene.car(1, 0, -100.0, 10.0, 2),
            scene.track(100, ParticipantClass.BICYCLE, place(0, -100.0 + gap_m, 8.75), (5.0, 0.0)),
        ]

    quiet(scene, follow(25.0), steps=10)
    assert play(scene, Vrucw(), follow(10.0))[-1]


def test_queue_behind_a_motorcycle_gives_nothing(scene: Any, place: Any) -> None:
    quiet(
        scene,
        lambda i: [
            scene.car(1, 0, -70.0 + 0.6 * i, 6.0 * (1 - i / 40), 1, accel_mps2=-1.5),
            scene.track(100, ParticipantClass.MOTORCYCLE, place(0, -24.0, 5.25), (0.0, 0.0), yaw_rad=0.0),
        ],
        lights={2: Light.RED},
    )


def test_vehicle_that_brakes_to_a_stop_before_gives_nothing(scene: Any, place: Any) -> None:
    # 10 m/s, 4 m/s²: stands after 12.5 m, pedestrian 25 m ahead.
    quiet(
        scene,
        lambda i: [
            scene.car(1, 0, -90.0, 10.0, accel_mps2=-4.0),
            scene.walker(100, place(0, -65.0, 5.25), (0.0, 0.0)),
        ],
        steps=5,
    )


def test_turning_vehicle_follows_its_movement(scene: Any, place: Any) -> None:
    # Left turn from the west to the north; a pedestrian walks on the crosswalk of the northern exit.
    app = Vrucw()
    walker_xy = place(1, 17.0, 4.5)
    steps = play(
        scene,
        app,
        lambda i: [scene.car(1, 0, -22.0, 8.0, 0), scene.walker(100, walker_xy, (-1.2, 0.0))],
        lights={1: Light.PROTECTED_GREEN},
    )
    (report,) = steps[-1]
    assert report.evidence["prediction"] == "way"
    assert report.concerns[0].track_id == 1
    # The same pedestrian is nothing to a vehicle that goes straight on.
    quiet(
        scene,
        lambda i: [scene.car(1, 0, -22.0, 8.0, 1), scene.walker(100, walker_xy, (-1.2, 0.0))],
        steps=5,
        lights={2: Light.PROTECTED_GREEN},
    )


def test_on_a_shared_lane_only_a_meeting_on_every_way_is_certain(scene: Any, place: Any) -> None:
    # Slow enough for the right turn. A pedestrian before the line is met either way; one on the southern
    # exit only when it turns.
    before = play(
        scene,
        Vrucw(),
        lambda i: [scene.car(1, 0, -45.0, 8.0, 2), scene.walker(100, place(0, -30.0, 8.75), (0.0, 0.0))],
    )[-1]
    assert before[0].severity is Severity.URGENT and before[0].evidence["way_doubtful"] is False
    after = play(
        scene,
        Vrucw(),
        lambda i: [scene.car(1, 0, -26.0, 6.0, 2), scene.walker(100, place(3, 17.0, 8.0), (-0.6, 0.0))],
        lights={2: Light.PROTECTED_GREEN},
    )[-1]
    assert after[0].severity is Severity.INFORM and after[0].evidence["way_doubtful"] is True


def test_turning_without_a_lane_uses_the_yaw_rate(scene: Any, place: Any) -> None:
    # Far off the map, on a circle of 20 m: the pedestrian stands a quarter turn ahead.
    def world(rate: float) -> list[Any]:
        return [
            scene.track(
                1, ParticipantClass.CAR, (400.0, 400.0), (8.0, 0.0), session="veh-1", yaw_rate_rps=rate
            ),
            scene.walker(100, (420.0, 420.0), (0.35, 0.0)),
        ]

    assert play(scene, Vrucw(), lambda i: world(0.4))[-1]
    quiet(scene, lambda i: world(0.0), steps=5)


def test_yaw_rate_from_history_needs_enough_of_it(scene: Any, place: Any) -> None:
    def world(i: int) -> list[Any]:
        yaw = 0.4 * STEP_S * i
        car = scene.track(
            1, ParticipantClass.CAR, (400.0, 400.0), (8 * math.cos(yaw), 8 * math.sin(yaw)), session="veh-1"
        )
        ahead = 16.0
        x = 400.0 + 20.0 * (math.sin(yaw + ahead / 20) - math.sin(yaw))
        y = 400.0 + 20.0 * (math.cos(yaw) - math.cos(yaw + ahead / 20))
        out = yaw + ahead / 20
        return [
            car,
            scene.walker(
                100,
                (x + 2.5 * math.sin(out), y - 2.5 * math.cos(out)),
                (-0.5 * math.sin(out), 0.5 * math.cos(out)),
            ),
        ]

    steps = play(scene, Vrucw(), world, steps=30)
    assert not any(steps[:15])
    assert any(steps[16:])


def test_a_vehicle_that_can_stop_at_its_red_light_is_taken_to_do_so(scene: Any, place: Any) -> None:
    def world(i: int) -> list[Any]:
        return [scene.car(1, 0, -70.0, 14.0, 1), scene.walker(100, place(0, -16.0, 8.0), (0.0, 0.9))]

    app = quiet(scene, world, lights={2: Light.RED}, steps=5)
    assert app.silent_because(scene.world([])) == {"stops_at_red": 1}
    assert play(scene, Vrucw(), world, lights={2: Light.PROTECTED_GREEN})[-1]
    distrust = Vrucw(VrucwParameters(trust_red=False))
    assert play(scene, distrust, world, lights={2: Light.RED})[-1]


@pytest.mark.parametrize(("more", "why"), [({"accuracy_m": 2.0}, "accuracy"), ({"unseen_s": 1.0}, "unseen")])
def test_silence_is_counted(scene: Any, place: Any, more: dict[str, float], why: str) -> None:
    app = quiet(
        scene,
        lambda i: [
            scene.car(1, 0, -90.0, 10.0, **more),
            scene.walker(100, place(0, -60.0, 5.25), (0.0, 0.0)),
        ],
        steps=5,
    )
    assert app.silent_because(scene.world([])) == {why: 1}


def test_a_track_inside_the_vehicle_is_no_road_user(scene: Any, place: Any) -> None:
    app = quiet(
        scene,
        lambda i: [scene.car(1, 0, -90.0, 10.0), scene.walker(100, place(0, -90.3, 5.3), (9.0, 0.0))],
        steps=5,
    )
    assert app.silent_because(scene.world([]))["overlap"] >= 1


def test_a_connected_motorcycle_is_not_warned_of_itself(scene: Any, place: Any) -> None:
    quiet(
        scene,
        lambda i: [
            scene.track(1, ParticipantClass.MOTORCYCLE, place(0, -90.0, 5.25), (10.0, 0.0), session="moto")
        ],
        steps=5,
    )


def test_raise_and_clear_are_apart(scene: Any, place: Any) -> None:
    app = Vrucw()
    danger = lambda i: [scene.car(1, 0, -90.0, 10.0), scene.walker(100, place(0, -60.0, 5.25), (0.0, 0.0))]  # noqa: E731
    safe = lambda i: [scene.car(1, 0, -90.0, 10.0), scene.walker(100, place(0, -60.0, 14.0), (0.0, 0.0))]  # noqa: E731
    assert [bool(r) for r in play(scene, app, danger, steps=3)] == [False, True, True]
    after = [bool(r) for r in play(scene, app, safe, steps=8)]
    assert after[:4] == [True] * 4 and after[-1] is False
    # One frame alone does not raise again.
    assert not any(play(scene, app, danger, steps=1))
    assert not any(play(scene, app, safe, steps=8))
    assert not app._latches


def test_braking_for_the_danger_is_not_its_end(scene: Any, place: Any) -> None:
    app = Vrucw()
    standing = lambda: scene.walker(100, place(0, -60.0, 5.25), (0.0, 0.0))  # noqa: E731
    play(scene, app, lambda i: [scene.car(1, 0, -90.0, 10.0), standing()], steps=3)
    braking = play(scene, app, lambda i: [scene.car(1, 0, -82.0, 7.0, accel_mps2=-5.0), standing()], steps=9)
    assert all(braking)
    stopped = play(scene, app, lambda i: [scene.car(1, 0, -70.0, 0.2), standing()], steps=8)
    assert not stopped[-1]


def test_severity_rises_at_once_and_falls_later(scene: Any, place: Any) -> None:
    app = Vrucw()

    def far(i: int) -> list[Any]:
        return [scene.car(1, 0, -106.0, 10.0), scene.walker(100, place(0, -60.0, 5.25), (0.0, 0.0))]

    def near(i: int) -> list[Any]:
        return [scene.car(1, 0, -80.0, 10.0), scene.walker(100, place(0, -60.0, 5.25), (0.0, 0.0))]

    assert play(scene, app, far, steps=3)[-1][0].severity is Severity.INFORM
    assert play(scene, app, near, steps=1)[-1][0].severity is Severity.URGENT
    falling = [r[0].severity for r in play(scene, app, far, steps=8)]
    assert falling[:5] == [Severity.URGENT] * 5 and falling[-1] is Severity.INFORM


def test_a_standing_person_whose_measured_speed_is_noise_gives_nothing(scene: Any, place: Any) -> None:
    rng = np.random.default_rng(4)
    speed = np.zeros(2)

    def world(i: int) -> list[Any]:
        nonlocal speed
        speed = 0.8 * speed + rng.normal(0.0, 0.3, 2)
        x, y = place(0, -60.0, 10.6)
        return [
            scene.car(1, 0, -120.0 + 1.2 * i, 12.0, 2),
            scene.walker(
                100,
                (x + rng.normal(0.0, 0.05), y + rng.normal(0.0, 0.05)),
                tuple(speed),
                velocity_std_mps=0.5,
            ),
        ]

    quiet(scene, world, steps=45)


@pytest.mark.parametrize(("pace_mps", "car_m"), [(1.4, -84.0), (3.5, -73.0)])
def test_who_stood_and_starts_to_walk_or_run_is_warned_within_three_scans(
    scene: Any, place: Any, pace_mps: float, car_m: float
) -> None:
    def world(i: int) -> list[Any]:
        gone_m = max(0, i - 19) * STEP_S * pace_mps
        speed = (0.0, pace_mps if i > 19 else 0.0)
        return [
            scene.car(1, 0, car_m + 1.2 * (i - 20), 12.0, 2),
            scene.walker(100, place(0, -60.0, 11.3 - gone_m), speed, velocity_std_mps=0.5),
        ]

    steps = play(scene, Vrucw(), world, steps=26)
    assert not any(steps[:20])
    first = next(i for i, reports in enumerate(steps) if reports)
    assert first <= 20 + 3
    assert steps[first][0].severity >= Severity.ADVISE


def with_cycle_lane(scene: Any, kind: LaneKind = LaneKind.BIKE, *, turns: bool = False) -> LaneKey:
    """Adds a lane of a kind beside the east-bound arm, 2.5 m wide, its middle 12 m from that of the road.

    turns: it leads to the right and nowhere else."""
    road_map = scene._map()
    (crossing,) = road_map.intersections
    lane = Lane(
        61,
        kind,
        Direction.INGRESS,
        scene._points((-200.0, -12.0), (-20.0, -12.0)),
        width_m=2.5,
        connections=(Connection(62, None, (Maneuver.RIGHT,), 2),) if turns else (),
    )
    behind = Lane(62, kind, Direction.EGRESS, scene._points((-12.0, -20.0), (-12.0, -200.0)), width_m=2.5)
    lanes = (*crossing.lanes, lane, behind) if turns else (*crossing.lanes, lane)
    crossing = msgspec.structs.replace(crossing, lanes=lanes)
    scene.geometry = RoadGeometry.from_map(
        msgspec.structs.replace(road_map, intersections=(crossing,)), scene.plane
    )
    return next(key for key, lane in scene.geometry.lanes.items() if lane.kind is kind)


@pytest.mark.parametrize(
    ("lane_kind", "who", "pace_mps"),
    [
        (LaneKind.BIKE, ParticipantClass.BICYCLE, 4.5),
        (LaneKind.SIDEWALK, ParticipantClass.PEDESTRIAN, 1.4),
        (LaneKind.SIDEWALK, ParticipantClass.PEDESTRIAN, -1.4),
    ],
)
def test_who_keeps_to_the_lane_beside_the_road_gives_nothing(
    scene: Any, place: Any, lane_kind: LaneKind, who: ParticipantClass, pace_mps: float
) -> None:
    # The course is off by up to 0.9 m/s to the side, as one tracked by a single far camera.
    lane = with_cycle_lane(scene, lane_kind)

    def world(i: int) -> list[Any]:
        along = -80.0 + pace_mps * STEP_S * i
        side = 0.2 * math.sin(0.7 * i) * abs(pace_mps)
        return [
            scene.car(1, 0, -125.0 + 1.4 * i, 14.0, 2),
            scene.track(
                100,
                who,
                place(0, along, 12.0),
                (pace_mps, side),
                match=(lane, along + 200.0),
                velocity_std_mps=0.5,
            ),
        ]

    quiet(scene, world, steps=40)


def test_a_cyclist_whose_place_is_unsure_is_not_moved_into_the_next_lane(scene: Any, place: Any) -> None:
    # Half a metre off his place to the side, he is seen beside his lane, and near the car's way.
    lane = with_cycle_lane(scene)

    def world(off_m: float, accuracy_m: float) -> Any:
        def views(i: int) -> list[Any]:
            along = -80.0 + 0.45 * i
            off = off_m if i > 15 else 0.0
            match = (lane, along + 200.0) if off == 0.0 else None
            rider = scene.track(
                100,
                ParticipantClass.BICYCLE,
                place(0, along, 12.0 - off),
                (4.5, 0.0),
                match=match,
                accuracy_m=accuracy_m,
            )
            return [scene.car(1, 0, -120.0 + 1.4 * i, 14.0, 2), rider]

        return views

    quiet(scene, world(2.1, 0.5), steps=32)
    assert any(play(scene, Vrucw(), world(2.1, 0.2), steps=32))


def test_a_cyclist_who_swerves_out_of_his_lane_is_warned_within_three_scans(scene: Any, place: Any) -> None:
    lane = with_cycle_lane(scene)

    def world(i: int) -> list[Any]:
        along = -80.0 + 0.45 * i
        gone_m = max(0, i - 9) * STEP_S * 1.5
        # He is still seen on his lane when he has begun to leave it.
        match = (lane, along + 200.0) if gone_m < 1.2 else None
        velocity = (4.5, 1.5 if i > 9 else 0.0)
        rider = scene.track(
            100,
            ParticipantClass.BICYCLE,
            place(0, along, 12.0 - gone_m),
            velocity,
            match=match,
            velocity_std_mps=0.4,
            accuracy_m=0.25,
        )
        return [scene.car(1, 0, -115.0 + 1.4 * i, 14.0, 2), rider]

    steps = play(scene, Vrucw(), world, steps=14)
    assert not any(steps[:10])
    first = next(i for i, reports in enumerate(steps) if reports)
    assert first <= 10 + 3
    assert steps[first][0].severity >= Severity.ADVISE


def test_a_cyclist_who_swings_to_the_kerb_and_back_has_not_left_his_lane(scene: Any, place: Any) -> None:
    # Noise of a sensor: 0.45 m towards the kerb with 1.3 m/s, then back with 0.9 m/s, which would be no
    # leaving by itself.
    lane = with_cycle_lane(scene)
    aside = [0.0] * 8 + [0.1, 0.25, 0.4, 0.45, 0.4, 0.3, 0.2, 0.1, 0.0]
    sideways = [0.0] * 8 + [-0.8, -1.3, -1.3, 0.0, 0.9, 0.9, 0.9, 0.9, 0.9]

    def views(i: int) -> list[Any]:
        along = -80.0 + 0.45 * i
        rider = scene.track(
            100,
            ParticipantClass.BICYCLE,
            place(0, along, 12.0 + aside[i]),
            (4.5, sideways[i]),
            match=(lane, along + 200.0),
            velocity_std_mps=0.8,
            accuracy_m=0.15,
        )
        return [scene.car(1, 0, -115.0 + 1.4 * i, 14.0, 2), rider]

    quiet(scene, views, steps=17)


def test_a_cyclist_of_unsure_place_has_left_his_lane_when_he_is_seen_outside(scene: Any, place: Any) -> None:
    # As a radar alone sees him: one sigma of half a metre, and 0.6 m/s.
    lane = with_cycle_lane(scene)

    def world(far_m: float) -> Any:
        def views(i: int) -> list[Any]:
            along = -80.0 + 0.45 * i
            gone_m = min(max(0.0, (i - 9) * 0.13), far_m)
            rider = scene.track(
                100,
                ParticipantClass.BICYCLE,
                place(0, along, 12.35 - gone_m),
                (4.5, 0.95 if 9 < i and gone_m < far_m else 0.3),
                match=(lane, along + 200.0),
                velocity_std_mps=0.58,
                accuracy_m=0.52,
            )
            return [scene.car(1, 0, -115.0 + 1.4 * i, 14.0, 2), rider]

        return views

    quiet(scene, world(1.35), steps=26)
    told = [report for step in play(scene, Vrucw(), world(2.5), steps=26) for report in step]
    # As well as a radar alone knows it, he may be on it all the same: nobody is told to brake.
    assert told and all(report.severity is Severity.INFORM for report in told)
    assert told[0].evidence["lane_doubtful"] is True


def test_a_cyclist_who_drifts_across_the_middle_of_his_lane_has_not_left_it(scene: Any, place: Any) -> None:
    # From 0.15 m to the right of its middle to 0.3 m to the left, with 0.55 m/s by the sensors.
    lane = with_cycle_lane(scene)

    def world(far_m: float) -> Any:
        def views(i: int) -> list[Any]:
            along = -80.0 + 0.45 * i
            gone_m = min(max(0.0, (i - 5) * 0.055), far_m)
            rider = scene.track(
                100,
                ParticipantClass.BICYCLE,
                place(0, along, 12.15 - gone_m),
                (4.5, 0.55 if 5 < i and gone_m < far_m else 0.0),
                match=(lane, along + 200.0),
                velocity_std_mps=0.31,
                accuracy_m=0.09,
            )
            bus = scene.car(1, 0, -84.0 + 0.45 * i, 4.5, 2, right_m=9.5, kind=ParticipantClass.BUS)
            return [bus, rider]

        return views

    quiet(scene, world(0.45), steps=24)


def test_a_cyclist_who_turns_beside_a_turning_car_gives_nothing(scene: Any, place: Any) -> None:
    # Both turn right about one point, he 20 degrees ahead on the inside, where no way but the turn leads.
    with_cycle_lane(scene, turns=True)

    def turning(i: int, radius_m: float, ahead_deg: float) -> tuple[tuple[float, float], tuple[float, float]]:
        angle = math.radians(80.0 - ahead_deg) - 0.4 * STEP_S * i
        cos, sin = math.cos(angle), math.sin(angle)
        xy = (-20.0 + radius_m * cos, -20.0 + radius_m * sin)
        return xy, (0.4 * radius_m * sin, -0.4 * radius_m * cos)

    def world(straight_from: int) -> Any:
        def views(i: int) -> list[Any]:
            xy, velocity = turning(i, 11.25, 0.0)
            car = scene.track(
                1, ParticipantClass.CAR, xy, velocity, session="veh-1", match=(None, 0.0), turn=Maneuver.RIGHT
            )
            (x, y), (vx, vy) = turning(min(i, straight_from), 8.0, 20.0)
            on_s = max(0, i - straight_from) * STEP_S
            rider = scene.track(
                100,
                ParticipantClass.BICYCLE,
                (x + vx * on_s, y + vy * on_s),
                (vx, vy),
                match=(None, 0.0),
                accuracy_m=0.25,
            )
            return [car, rider]

        return views

    quiet(scene, world(99), steps=25)
    # Who leaves the turn and rides on across the car's way is warned of.
    reports = play(scene, Vrucw(), world(8), steps=25)
    assert any(r.severity > Severity.INFORM for step in reports for r in step)


def test_a_cyclist_rides_on_straight_past_where_a_turn_joins_his_way(scene: Any, place: Any) -> None:
    # The turn from the south comes first in the map, and ends on the way of those who come from the west.
    road_map = scene._map()
    (crossing,) = road_map.intersections
    lanes = [
        Lane(
            number,
            LaneKind.BIKE,
            Direction.INGRESS if onto else Direction.EGRESS,
            scene._points(*points),
            width_m=2.5,
            connections=(Connection(63, None, (onto,), 2),) if onto else (),
        )
        for number, onto, points in (
            (61, Maneuver.RIGHT, ((12.0, -200.0), (12.0, -20.0))),
            (62, Maneuver.STRAIGHT, ((-200.0, -12.0), (-20.0, -12.0))),
            (63, None, ((20.0, -12.0), (200.0, -12.0))),
        )
    ]
    crossing = msgspec.structs.replace(crossing, lanes=(*lanes, *crossing.lanes))
    scene.geometry = RoadGeometry.from_map(
        msgspec.structs.replace(road_map, intersections=(crossing,)), scene.plane
    )
    quiet(
        scene,
        lambda i: [
            scene.car(1, 0, -16.0 + 1.0 * i, 10.0, 2, match=(None, 0.0)),
            scene.track(
                100,
                ParticipantClass.BICYCLE,
                place(0, 12.0 + 0.5 * i, 12.1),
                (5.0, 0.1),
                match=(None, 0.0),
                velocity_std_mps=0.3,
                accuracy_m=0.1,
            ),
        ],
        steps=14,
    )


def test_noise_points_a_slow_cyclist_nowhere(scene: Any, place: Any) -> None:
    # He waits at the end of his lane; what the sensors say of his speed is mostly noise, much of it sideways.
    lane = with_cycle_lane(scene)

    def world(aside_mps: float) -> Any:
        return lambda i: [
            scene.car(1, 0, -34.0 + 0.22 * i, 2.2, 2),
            scene.track(
                100,
                ParticipantClass.BICYCLE,
                place(0, -24.0 + 0.05 * i, 11.8 - aside_mps * STEP_S * i),
                (0.5, aside_mps),
                match=(lane, 176.0),
                velocity_std_mps=0.4,
            ),
        ]

    assert any(play(scene, Vrucw(), world(1.0), steps=10))
    quiet(
        scene,
        lambda i: [world(0.0)(i)[0], world(0.0)(i)[1]._replace(vy_mps=0.45, speed_mps=0.67)],
        steps=10,
    )


@pytest.mark.parametrize(
    ("light", "onto_m", "severity"),
    [
        (Light.PROTECTED_GREEN, -0.6, Severity.INFORM),
        (Light.PERMISSIVE_GREEN, 0.3, Severity.INFORM),
        (Light.PROTECTED_GREEN, 0.7, Severity.URGENT),
        (Light.YELLOW, -0.6, Severity.URGENT),
    ],
)
def test_who_comes_to_the_kerb_of_a_crosswalk_may_wait_there(
    scene: Any, place: Any, light: Light, onto_m: float, severity: Severity
) -> None:
    # The crosswalk begins 12 m to the right of the middle; 31 m ahead of a car at 16 m/s that has green.
    def world(i: int) -> list[Any]:
        return [
            scene.car(1, 0, -49.0, 16.0, 2),
            scene.walker(100, place(0, -16.0, 12.0 - onto_m), (0.0, 1.8)),
        ]

    (report,) = play(scene, Vrucw(), world, lights={2: light})[-1]
    assert report.severity is severity
    assert report.evidence["waits_at_kerb"] is (severity is Severity.INFORM)


def test_a_turning_car_that_can_stop_at_leisure_is_only_informed(scene: Any, place: Any) -> None:
    # 2 m/s, 5 m before the crosswalk: 0.7 m/s² are enough, although the meeting is less than 2.5 s ahead.
    def world(speed_mps: float, accel_mps2: float) -> Any:
        return lambda i: [
            scene.car(1, 0, -60.0, speed_mps, 1, accel_mps2=accel_mps2),
            scene.walker(100, place(0, -52.5, 7.0), (0.0, 1.2)),
        ]

    (report,) = play(scene, Vrucw(), world(2.0, 0.0))[-1]
    assert report.evidence["time_to_conflict_s"] < 2.5
    assert report.evidence["needed_decel_mps2"] < report.evidence["limit_easy_decel_mps2"]
    assert report.severity is Severity.INFORM and report.action is Action.WATCH
    (report,) = play(scene, Vrucw(), world(6.0, 0.0))[-1]
    assert report.severity is Severity.URGENT


@pytest.mark.parametrize(("speed_mps", "severity"), [(5.5, Severity.INFORM), (8.0, Severity.URGENT)])
def test_a_turning_driver_who_can_give_way_at_ease_is_only_informed(
    scene: Any, place: Any, speed_mps: float, severity: Severity
) -> None:
    # Left turn to the north; a pedestrian walks over its exit, less than 4 s ahead.
    def world(i: int) -> list[Any]:
        car = scene.car(1, 0, -6.5, speed_mps, 0, match=(LaneKey("1-7", 1), 193.5), turn=Maneuver.LEFT)
        return [car, scene.walker(100, place(1, 17.0, 4.5), (-1.2, 0.0))]

    (report,) = play(scene, Vrucw(), world, lights={1: Light.PROTECTED_GREEN})[-1]
    assert report.severity is severity, report.evidence
    if severity is Severity.INFORM:
        assert report.evidence["needed_decel_mps2"] > report.evidence["limit_easy_decel_mps2"]


def test_a_driver_who_brakes_nearly_enough_unasked_is_only_informed(scene: Any, place: Any) -> None:
    def world(accel_mps2: float) -> Any:
        return lambda i: [
            scene.car(1, 0, -75.0, 6.0, 1, accel_mps2=accel_mps2),
            scene.walker(100, place(0, -62.0, 5.25), (0.0, 0.0)),
        ]

    (report,) = play(scene, Vrucw(), world(-1.5))[-1]
    assert 1.5 < report.evidence["needed_decel_mps2"] < 2.5
    assert report.severity is Severity.INFORM
    # Once he has been told, his braking does not take the warning back.
    app = Vrucw()
    assert play(scene, app, world(0.0))[-1][0].severity is Severity.URGENT
    assert all(reports[0].severity > Severity.INFORM for reports in play(scene, app, world(-1.5), steps=12))


def test_a_vehicle_that_has_crept_over_its_red_line_is_taken_to_wait(scene: Any, place: Any) -> None:
    def world(accel_mps2: float) -> Any:
        return lambda i: [
            scene.car(1, 0, -21.5, 1.5, 1, accel_mps2=accel_mps2),
            scene.walker(100, place(0, -16.0, 7.0), (0.0, 0.9)),
        ]

    app = quiet(scene, world(-0.4), lights={2: Light.RED}, steps=5)
    assert app.silent_because(scene.world([])) == {"stops_at_red": 1}
    assert play(scene, Vrucw(), world(0.8), lights={2: Light.RED})[-1]
    assert play(scene, Vrucw(), world(-0.4), lights={2: Light.PROTECTED_GREEN})[-1]


def test_fifty_by_fifty_is_fast(scene: Any, place: Any) -> None:
    rng = np.random.default_rng(3)
    cars = [
        scene.car(i, int(rng.integers(4)), -float(rng.uniform(22, 90)), float(rng.uniform(5, 15)), i % 3)
        for i in range(50)
    ]
    walkers = [
        scene.walker(
            100 + i,
            place(int(rng.integers(4)), -float(rng.uniform(10, 60)), float(rng.uniform(-12, 12))),
            tuple(rng.normal(0, 1.2, 2)),
        )
        for i in range(50)
    ]
    app = Vrucw()
    app.step(scene.world([*cars, *walkers]))
    best = math.inf
    for _ in range(5):
        scene.advance(STEP_S)
        world = scene.world([*cars, *walkers])
        begun = time.perf_counter()
        app.step(world)
        best = min(best, time.perf_counter() - begun)
    # Four times the aim, for a loaded machine.
    assert best < 0.020
