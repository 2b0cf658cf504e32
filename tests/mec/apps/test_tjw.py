from __future__ import annotations

from typing import Any

import pytest

from wayside.asn1.messages import Light
from wayside.link import Action, Severity, WarningKind
from wayside.mec.apps import HazardReport, Tjw, TjwParameters
from wayside.mec.sensors import ParticipantClass

STEP_S = 0.5


def stand(scene: Any, app: Tjw, maker: Any, seconds: float, lights: Any = None) -> list[list[HazardReport]]:
    out = []
    for _ in range(round(seconds / STEP_S)):
        scene.advance(STEP_S)
        out.append(list(app.step(scene.world(maker(), lights or {}))))
    return out


def first_s(steps: list[list[HazardReport]]) -> float:
    """Seconds until the first report."""
    return next(i for i, reports in enumerate(steps, 1) if reports) * STEP_S


def queue(scene: Any, head_s: float, n: int = 6, speed: float = 0.2, lane: int = 1, **more: Any) -> list[Any]:
    """Cars one behind the other, the first at `head_s` of the eastbound road."""
    return [
        scene.car(10 * (lane + 1) + i, 0, head_s - 7.0 * i, speed, lane, session="", **more) for i in range(n)
    ]


def test_a_queue_in_the_middle_of_the_road_is_a_jam(scene: Any) -> None:
    steps = stand(scene, Tjw(), lambda: queue(scene, -100.0), 40.0)
    assert 30.0 <= first_s(steps) <= 32.0
    (report,) = steps[-1]
    assert report.kind is WarningKind.TRAFFIC_JAM and report.code == 707 and report.to_rsu
    assert report.severity is Severity.ADVISE and report.action is Action.SLOW_DOWN
    # The place is the back of the last vehicle; warned is who comes to it.
    assert report.x_m == pytest.approx(-100.0 - 35.0 - 2.3, abs=0.1)
    (corridor,) = report.corridors
    assert corridor.lane.lane_id == 2 and corridor.place_m == pytest.approx(62.7, abs=0.1)
    assert corridor.upstream_m >= 100.0
    assert report.evidence["vehicles"] == 6 and report.evidence["length_m"] == pytest.approx(39.6, abs=0.1)


@pytest.mark.parametrize(
    ("head_s", "lights", "why"),
    [
        (-23.0, {2: Light.RED}, "red_light"),
        (-23.0, {2: Light.YELLOW}, "red_light"),
        (-34.0, {2: Light.RED}, "red_light"),  # one vehicle that no sensor sees before it
        (-23.0, {}, "signal_unknown"),
    ],
)
def test_a_queue_at_a_signal_is_none(scene: Any, head_s: float, lights: Any, why: str) -> None:
    app = Tjw()
    assert not any(stand(scene, app, lambda: queue(scene, head_s, 12), 120.0, lights))
    assert app.silent_because(scene.world([])) == {why: 1}


def test_a_queue_that_starts_at_green_is_none(scene: Any) -> None:
    app = Tjw()
    assert not any(stand(scene, app, lambda: queue(scene, -23.0, 10), 60.0, {2: Light.RED}))
    # Green: the first have gone, those behind still stand.
    assert not any(stand(scene, app, lambda: queue(scene, -23.0, 10), 3.0, {2: Light.PROTECTED_GREEN}))
    assert not any(stand(scene, app, lambda: queue(scene, -51.0, 6), 14.0, {2: Light.PROTECTED_GREEN}))
    assert app.silent_because(scene.world([])) == {"starting": 1}


def test_a_queue_that_green_does_not_move_is_one(scene: Any) -> None:
    steps = stand(scene, Tjw(), lambda: queue(scene, -23.0, 6), 70.0, {2: Light.PROTECTED_GREEN})
    # Eighteen seconds are granted to start, then half a minute.
    assert 45.0 <= first_s(steps) <= 52.0


def test_a_signal_explains_no_more_than_five_minutes(scene: Any) -> None:
    steps = stand(scene, Tjw(), lambda: queue(scene, -23.0, 12), 340.0, {2: Light.RED})
    assert 300.0 <= first_s(steps) <= 335.0


@pytest.mark.parametrize(
    ("maker", "why"),
    [
        (lambda s: queue(s, -100.0, 3), None),
        (lambda s: queue(s, -100.0, 6, 3.5), None),
        (lambda s: queue(s, -100.0, 6, right_m=11.75), None),
        (lambda s: queue(s, -100.0, 6, right_m=25.0), None),
        (lambda s: [s.car(20 + i, 0, -60.0 - 30.0 * i, 0.2, session="") for i in range(5)], None),
    ],
)
def test_what_is_no_queue(scene: Any, maker: Any, why: Any) -> None:
    assert not any(stand(scene, Tjw(), lambda: maker(scene), 60.0))


def test_a_bus_at_its_stop_holds_up_others_for_a_minute(scene: Any) -> None:
    def views() -> list[Any]:
        bus = scene.car(1, 0, -90.0, 0.1, 2, kind=ParticipantClass.BUS, session="")
        return [bus, *queue(scene, -102.0, 5, lane=2)]

    app = Tjw()
    assert not any(stand(scene, app, views, 58.0))
    assert app.silent_because(scene.world([])) == {"bus": 1}
    assert stand(scene, app, views, 60.0)[-1]


def test_who_waits_within_the_junction_gives_way(scene: Any) -> None:
    app = Tjw()
    assert not any(stand(scene, app, lambda: queue(scene, -14.0, 6), 100.0, {2: Light.PROTECTED_GREEN}))
    assert app.silent_because(scene.world([])) == {"junction": 1}


def test_who_comes_is_told_and_who_is_in_it_is_not(scene: Any) -> None:
    def views() -> list[Any]:
        coming = scene.car(1, 0, -190.0, 14.0)
        near = scene.car(2, 0, -147.0, 6.0)
        creeping = scene.car(3, 0, -143.0, 1.0)
        within = scene.car(4, 0, -100.0, 0.2)
        beside = scene.car(5, 0, -150.0, 14.0, 0)
        return [coming, near, creeping, beside, within, *queue(scene, -107.0, 5)]

    (report,) = stand(scene, Tjw(), views, 40.0)[-1]
    assert {concern.track_id for concern in report.concerns} == {1, 2}
    assert all(concern.severity is Severity.ADVISE for concern in report.concerns)
    assert {party.track_id for party in report.parties} == {3, 4}


def test_lanes_side_by_side_are_one_jam(scene: Any) -> None:
    both = lambda: queue(scene, -100.0, 5) + queue(scene, -95.0, 7, lane=2)  # noqa: E731
    (report,) = stand(scene, Tjw(), both, 40.0)[-1]
    assert {corridor.lane.lane_id for corridor in report.corridors} == {2, 3}
    assert report.evidence["vehicles"] == 12 and report.evidence["lanes"] == 2
    assert report.lane is not None and report.lane.lane_id == 3


def test_figures_are_put_out_once_a_minute_and_the_place_at_once(scene: Any) -> None:
    app = Tjw()
    assert stand(scene, app, lambda: queue(scene, -100.0, 6), 40.0)[-1]
    (report,) = stand(scene, app, lambda: queue(scene, -100.0, 9), 5.0)[-1]
    assert report.evidence["vehicles"] == 6
    assert report.corridors[0].place_m == pytest.approx(62.7 - 21.0, abs=0.1)
    (report,) = stand(scene, app, lambda: queue(scene, -100.0, 9), 60.0)[-1]
    assert report.evidence["vehicles"] == 9


def test_it_ends_when_traffic_moves_again(scene: Any) -> None:
    app = Tjw()
    assert stand(scene, app, lambda: queue(scene, -100.0), 40.0)[-1]
    steps = stand(scene, app, lambda: queue(scene, -100.0, 6, 8.0), 12.0)
    assert steps[0] and not steps[-1]
    assert not any(stand(scene, app, lambda: queue(scene, -100.0), 20.0))


def test_stop_and_go_is_a_jam_too(scene: Any) -> None:
    app, steps = Tjw(), []
    for i in range(8):
        steps += stand(scene, app, lambda: queue(scene, -100.0, 6, 0.2 if i % 2 else 2.0), 5.0)  # noqa: B023
    assert steps[-1]


def test_parameters_hold(scene: Any) -> None:
    steps = stand(
        scene, Tjw(TjwParameters(jam_s=5.0, least_vehicles=3)), lambda: queue(scene, -100.0, 3), 10.0
    )
    assert 5.0 <= first_s(steps) <= 7.0
