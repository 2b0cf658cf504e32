from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from wayside.asn1.geometry import LaneKey
from wayside.link import Action, Severity, WarningKind
from wayside.mec.apps import HazardReport, Slw, SlwParameters
from wayside.mec.world import EmergencyVehicle, LaneStretch, SignPost, SignSource, StandingSign

STEP_S = 0.1
LIMIT_MPS = 60 / 3.6
EAST = LaneKey("1-7", 2)


def drive(
    scene: Any, app: Slw, speeds: list[float], signs: Any = (), **more: Any
) -> list[list[HazardReport]]:
    out = []
    for speed in speeds:
        scene.advance(STEP_S)
        world = scene.world([scene.car(1, 0, more.pop("s_m", -120.0), speed, **more)])
        out.append(list(app.step(msgspec.structs.replace(world, signs=tuple(signs)))))
    return out


def sign(mps: float, from_m: float = 50.0, to_m: float = 180.0, lane: LaneKey = EAST) -> StandingSign:
    post = SignPost("limit", SignSource.OPERATOR, code=85, speed_limit_mps=mps)
    return StandingSign(post, 0.0, 0.0, (LaneStretch(lane, from_m, to_m),))


def test_who_is_too_fast_is_told_so_and_how_fast_he_may_go(scene: Any) -> None:
    out = drive(scene, Slw(), [20.0] * 5)
    assert [len(reports) for reports in out] == [0, 0, 1, 1, 1]
    (report,) = out[-1]
    assert report.kind is WarningKind.SPEED_LIMIT and report.subject == "slw/1"
    assert report.severity is Severity.ADVISE and not report.to_rsu and report.code is None
    (concern,) = report.concerns
    assert (concern.track_id, concern.action) == (1, Action.SLOW_DOWN)
    assert concern.advised_speed_mps == pytest.approx(LIMIT_MPS, abs=0.01)
    assert report.evidence["allowed_by"] == "lane" and report.evidence["speed_mps"] == 20.0


@pytest.mark.parametrize(("over_mps", "raised"), [(0.0, False), (1.39, False), (1.45, True)])
def test_a_little_is_tolerated(scene: Any, over_mps: float, raised: bool) -> None:
    assert bool(drive(scene, Slw(), [LIMIT_MPS + over_mps] * 6)[-1]) is raised


def test_one_frame_is_not_enough(scene: Any) -> None:
    assert not any(drive(scene, Slw(), [20.0, 16.0, 20.0, 16.0, 16.0, 16.0]))


def test_it_ends_at_the_limit_not_at_the_tolerance(scene: Any) -> None:
    app = Slw()
    assert drive(scene, app, [20.0] * 4)[-1]
    assert drive(scene, app, [LIMIT_MPS + 0.8] * 20)[-1]
    out = drive(scene, app, [LIMIT_MPS + 0.2] * 15)
    assert out[0] and not out[-1]
    assert drive(scene, app, [LIMIT_MPS + 0.8] * 20)[-1] == []


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"accuracy_m": 5.1}, "accuracy"),
        ({"accuracy_m": math.inf}, "accuracy"),
        ({"unseen_s": 1.1}, "unseen"),
    ],
)
def test_whose_place_is_doubtful_is_not_judged(scene: Any, more: Any, why: str) -> None:
    app = Slw()
    assert not any(drive(scene, app, [25.0] * 6, **more))
    assert app.silent_because(scene.world([])) == {why: 1}


def test_a_warning_stands_for_a_while_when_the_place_gets_doubtful(scene: Any) -> None:
    app = Slw()
    assert drive(scene, app, [20.0] * 4)[-1]
    out = drive(scene, app, [20.0] * 15, accuracy_m=9.0)
    assert out[0] and out[0][0].concerns[0].advised_speed_mps is None and not out[-1]


def test_a_sign_below_the_limit_of_the_map_holds_on_its_stretch(scene: Any) -> None:
    slow = [sign(40 / 3.6)]
    (report,) = drive(scene, Slw(), [13.0] * 5, slow)[-1]
    assert report.evidence["allowed_by"] == "limit"
    assert report.concerns[0].advised_speed_mps == pytest.approx(11.11, abs=0.01)
    assert not any(drive(scene, Slw(), [13.0] * 5, [sign(40 / 3.6, 100.0)]))
    assert not any(drive(scene, Slw(), [13.0] * 5, [sign(40 / 3.6, lane=LaneKey("1-7", 3))]))
    # A sign does not allow what the map forbids.
    assert drive(scene, Slw(), [20.0] * 5, [sign(80 / 3.6)])[-1]


def test_a_sign_counts_where_the_map_has_no_limit(scene: Any) -> None:
    for lane in scene.geometry.lanes.values():
        lane.speed_limit_mps = None
    app = Slw()
    assert not any(drive(scene, app, [30.0] * 5))
    assert app.silent_because(scene.world([])) == {"no_limit": 1}
    assert drive(scene, app, [15.0] * 5, [sign(12.0)])[-1]


def test_of_a_doubtful_lane_the_highest_limit_beside_it_counts(scene: Any) -> None:
    scene.geometry.lanes[LaneKey("1-7", 1)].speed_limit_mps = 25.0
    assert drive(scene, Slw(), [20.0] * 5)[-1]
    assert not any(drive(scene, Slw(), [20.0] * 5, accuracy_m=2.0))
    assert drive(scene, Slw(), [27.0] * 5, accuracy_m=2.0)[-1]
    scene.geometry.lanes[LaneKey("1-7", 1)].speed_limit_mps = None
    assert not any(drive(scene, Slw(), [27.0] * 5, accuracy_m=2.0))


def test_only_connected_vehicles_are_told(scene: Any) -> None:
    assert not any(drive(scene, Slw(), [25.0] * 6, session=""))


def test_an_emergency_vehicle_on_its_way_may_be_faster(scene: Any) -> None:
    app = Slw()
    assert not any(drive(scene, app, [25.0] * 6, emergency=EmergencyVehicle(None, "police", siren=True)))
    assert app.silent_because(scene.world([])) == {"emergency": 1}
    assert drive(scene, app, [25.0] * 6, emergency=EmergencyVehicle(None, "police"))[-1]


def test_parameters_hold(scene: Any) -> None:
    assert drive(scene, Slw(SlwParameters(tolerance_mps=0.5)), [LIMIT_MPS + 0.6] * 4)[-1]
