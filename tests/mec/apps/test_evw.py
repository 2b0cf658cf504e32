from __future__ import annotations

from typing import Any

import pytest

from wayside.asn1.messages import Light
from wayside.link import Action, Severity, WarningKind
from wayside.mec.apps import Evw, EvwParameters, HazardReport, Rlvw
from wayside.mec.world import EmergencyVehicle, TrackView

STEP_S = 0.1
AMBULANCE = EmergencyVehicle(65, None, True, True, "emergency")


def play(scene: Any, app: Any, makers: Any, *, steps: int = 3, lights: Any = None) -> list[Any]:
    """Steps of 0.1 s; `makers(i)` gives the tracks of step i. All reports, by step."""
    out: list[list[HazardReport]] = []
    for i in range(steps):
        scene.advance(STEP_S)
        out.append(list(app.step(scene.world(makers(i), lights or {}))))
    return out


def coming(scene: Any, s_m: float = -150.0, speed_mps: float = 15.0, **more: Any) -> TrackView:
    """An ambulance, car 1, on the second lane of the east-bound arm."""
    emergency = more.pop("emergency", AMBULANCE)
    view: TrackView = scene.car(1, 0, s_m, speed_mps, emergency=emergency, **more)
    return view


def told(report: HazardReport) -> dict[int, tuple[Severity, Action]]:
    return {c.track_id: (c.severity, c.action) for c in report.concerns}


def test_who_is_ahead_gives_way_who_is_beside_watches_and_others_are_not_told(scene: Any) -> None:
    def views(i: int) -> list[Any]:
        return [
            coming(scene),
            scene.car(2, 0, -100.0, 10.0),  # ahead in its lane
            scene.car(3, 0, -60.0, 0.0),  # standing there
            scene.car(4, 0, -80.0, 12.0, 2),  # beside its way
            scene.car(5, 0, -170.0, 15.0),  # behind
            scene.car(6, 2, -100.0, 14.0),  # coming towards it
            scene.car(7, 0, -90.0, 12.0, session=""),  # not connected
            scene.car(8, 0, 60.0, 10.0),  # beyond the junction, on its way
        ]

    steps = play(scene, Evw(), views)
    assert not steps[0]
    (report,) = steps[1]
    assert report.kind is WarningKind.EMERGENCY_VEHICLE and report.subject == "evw/1"
    assert told(report) == {
        2: (Severity.ADVISE, Action.GIVE_WAY),
        3: (Severity.ADVISE, Action.GIVE_WAY),
        4: (Severity.INFORM, Action.WATCH),
        8: (Severity.ADVISE, Action.GIVE_WAY),
    }
    concern = next(c for c in report.concerns if c.track_id == 2)
    assert concern.distance_m == pytest.approx(50.0 - 4.6)
    assert concern.time_to_conflict_s == pytest.approx((50.0 - 4.6) / 5.0, rel=1e-3)
    assert report.code == 905 and report.to_rsu and report.radius_m == 300.0
    assert [p.track_id for p in report.parties] == [1]
    assert report.evidence["siren"] is True and report.evidence["vehicle_class"] == 65


@pytest.mark.parametrize(("gap_m", "tells"), [(299.9, True), (300.1, False)])
def test_the_reach_is_300_m_from_bumper_to_bumper(scene: Any, gap_m: float, tells: bool) -> None:
    ahead = lambda i: [coming(scene, -190.0), scene.car(2, 0, -190.0 + 4.6 + gap_m, 10.0)]  # noqa: E731
    (report,) = play(scene, Evw(), ahead)[-1]
    assert bool(report.concerns) is tells


@pytest.mark.parametrize(
    ("emergency", "why"),
    [
        (EmergencyVehicle(65, None), "no_siren"),
        (EmergencyVehicle(65, None, True, True, "nonEmergency"), "not_responding"),
        (EmergencyVehicle(65, None, True, True, "stationary"), "not_responding"),
        (EmergencyVehicle(65, None, True, True, "notInUseOrNotEquipped"), "not_responding"),
    ],
)
def test_one_that_is_not_on_its_way_to_an_emergency_gives_nothing(
    scene: Any, emergency: EmergencyVehicle, why: str
) -> None:
    app = Evw()
    steps = play(scene, app, lambda i: [coming(scene, emergency=emergency), scene.car(2, 0, -100.0, 10.0)])
    assert not any(steps)
    assert app.silent_because(scene.world([])) == {why: 1}


@pytest.mark.parametrize(
    "emergency",
    [
        EmergencyVehicle(60, None, True, False),
        EmergencyVehicle(None, "fire", False, True, "pursuit"),
    ],
)
def test_siren_or_lights_suffice(scene: Any, emergency: EmergencyVehicle) -> None:
    assert play(scene, Evw(), lambda i: [coming(scene, emergency=emergency)])[-1]


def test_an_ordinary_vehicle_is_not_even_counted(scene: Any) -> None:
    app = Evw()
    assert not any(play(scene, app, lambda i: [coming(scene, emergency=None)]))
    assert not app.silent_because(scene.world([])) and not app._coming


def test_cross_traffic_with_green_is_warned_and_that_before_its_red_is_not(scene: Any) -> None:
    # It comes against red; the north-bound arm has green, the south-bound one waits for its own.
    def views(i: int) -> list[Any]:
        return [
            coming(scene, -75.0),
            scene.car(2, 1, -65.0, 14.0),
            scene.car(3, 3, -40.0, 5.0, accel_mps2=-1.5),
            scene.car(4, 1, -190.0, 10.0),
        ]

    lights = {2: Light.RED, 4: Light.PROTECTED_GREEN, 8: Light.RED}
    (report,) = play(scene, Evw(), views, lights=lights)[-1]
    assert told(report) == {2: (Severity.URGENT, Action.BRAKE)}
    assert report.severity is Severity.URGENT
    # The red light is no matter of its driver's, who may pass it.
    app = Rlvw()
    assert not any(play(scene, app, views, lights=lights, steps=20))
    assert app.silent_because(scene.world([])) == {"emergency": 1}


def test_cross_traffic_is_not_told_long_before(scene: Any) -> None:
    views = lambda i: [coming(scene, -190.0), scene.car(2, 1, -65.0, 14.0)]  # noqa: E731
    (report,) = play(scene, Evw(), views, lights={4: Light.PROTECTED_GREEN})[-1]
    assert not report.concerns


def test_a_poor_place_is_informed_only_and_none_is_counted(scene: Any) -> None:
    def views(i: int) -> list[Any]:
        return [
            coming(scene),
            scene.car(2, 0, -100.0, 10.0, accuracy_m=1.6),
            scene.car(3, 0, -80.0, 10.0, accuracy_m=5.1),
            scene.car(4, 0, -60.0, 10.0, unseen_s=1.2),
        ]

    app = Evw()
    (report,) = play(scene, app, views)[-1]
    assert told(report) == {2: (Severity.INFORM, Action.WATCH)}
    assert app.silent_because(scene.world([])) == {"accuracy": 1, "unseen": 1}


def test_a_stop_in_a_queue_does_not_end_it_and_a_long_stand_does(scene: Any) -> None:
    app = Evw()
    assert play(scene, app, lambda i: [coming(scene)])[-1]
    assert all(play(scene, app, lambda i: [coming(scene, speed_mps=0.0)], steps=90))
    steps = play(scene, app, lambda i: [coming(scene, speed_mps=0.0)], steps=60)
    assert not steps[-1] and app.silent_because(scene.world([])) == {"stands": 1}
    assert not any(play(scene, Evw(), lambda i: [coming(scene, speed_mps=1.0)]))


def test_messages_without_the_part_that_tells_the_siren_do_not_end_it(scene: Any) -> None:
    # One message in ten tells it.
    app = Evw()

    def views(i: int) -> list[Any]:
        said = AMBULANCE if i % 10 == 0 else EmergencyVehicle(65, None)
        return [coming(scene, emergency=said)]

    steps = play(scene, app, views, steps=40)
    assert not any(steps[:10]) and all(steps[10:])
    steps = play(scene, app, lambda i: [coming(scene, emergency=EmergencyVehicle(65, None))], steps=45)
    assert not steps[-1]


def test_one_heard_by_radio_only_counts_where_the_site_says_so(scene: Any) -> None:
    views = lambda i: [coming(scene, session=""), scene.car(2, 0, -100.0, 10.0)]  # noqa: E731
    (report,) = play(scene, Evw(), views)[-1]
    assert report.evidence["by_radio_only"] is True and told(report)
    app = Evw(EvwParameters(trust_radio=False))
    assert not any(play(scene, app, views))
    assert app.silent_because(scene.world([])) == {"radio_only": 1}


def test_state_ends_with_its_track(scene: Any) -> None:
    app = Evw()
    assert play(scene, app, lambda i: [coming(scene)])[-1]
    assert not any(play(scene, app, lambda i: [], steps=40))
    assert not app._coming
    # One that says of itself that it is none any more is forgotten too.
    assert play(scene, app, lambda i: [coming(scene)])[-1]
    play(scene, app, lambda i: [coming(scene, emergency=None)], steps=40)
    assert not app._coming
