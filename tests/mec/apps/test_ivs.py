from __future__ import annotations

from typing import Any

import msgspec
import pytest

from wayside.asn1.geometry import LaneKey
from wayside.link import AdviceKind
from wayside.mec.apps import AdviceReport, Ivs, IvsParameters
from wayside.mec.world import LaneStretch, SignPost, SignSource, StandingSign

EAST, EAST_OUT = LaneKey("1-7", 2), LaneKey("1-7", 7)


def sign(
    name: str = "school", from_m: float = 150.0, to_m: float = 150.0, lane: LaneKey = EAST
) -> StandingSign:
    post = SignPost(name, SignSource.SITE, code=242, text="Schule", itis=(1,))
    return StandingSign(post, 5.0, 6.0, (LaneStretch(lane, from_m, to_m),), "trace")


def shown(scene: Any, app: Ivs, views: Any, signs: Any, seconds: float = 0.1) -> list[AdviceReport]:
    scene.advance(seconds)
    return list(app.step(msgspec.structs.replace(scene.world(views), signs=tuple(signs))))


def test_a_sign_is_shown_from_its_approach_to_its_place(scene: Any) -> None:
    app, signs = Ivs(), [sign()]
    at = [s for s in range(-198, -20) if shown(scene, app, [scene.car(1, 0, float(s), 10.0)], signs)]
    # The front is 2.3 m before the centre; the sign stands at -50 m, and is shown from 150 m before it on.
    assert (at[0], at[-1]) == (-198, -53) and len(at) == at[-1] - at[0] + 1
    (advice,) = shown(scene, Ivs(), [scene.car(1, 0, -120.0, 10.0)], signs)
    assert advice.kind is AdviceKind.IN_VEHICLE_SIGN and advice.subject == "school"
    assert advice.values == {
        "sign": "school",
        "source": "site",
        "code": 242,
        "text": "Schule",
        "itis": "1",
        "distance_m": 68.0,
    }
    assert (advice.x_m, advice.y_m, advice.trace_id) == (5.0, 6.0, "trace")


def test_it_begins_at_its_distance_and_is_kept_a_little_beyond(scene: Any) -> None:
    app, signs = Ivs(IvsParameters(ahead_m=50.0)), [sign()]
    assert not shown(scene, app, [scene.car(1, 0, -105.0, 10.0)], signs)
    assert shown(scene, app, [scene.car(1, 0, -102.0, 10.0)], signs)
    assert shown(scene, app, [scene.car(1, 0, -105.0, 10.0)], signs)
    assert not shown(scene, app, [scene.car(1, 0, -125.0, 10.0)], signs)


def test_a_stretch_is_shown_to_its_end(scene: Any) -> None:
    app, signs = Ivs(), [sign(from_m=50.0, to_m=170.0)]
    inside = shown(scene, app, [scene.car(1, 0, -100.0, 10.0)], signs)
    assert inside[0].values["distance_m"] == 0.0
    assert not shown(scene, app, [scene.car(1, 0, -25.0, 10.0)], signs)


def test_a_sign_beyond_the_junction_is_ahead_too(scene: Any) -> None:
    app, signs = Ivs(), [sign(from_m=30.0, to_m=30.0, lane=EAST_OUT)]
    (advice,) = shown(scene, app, [scene.car(1, 0, -60.0, 10.0)], signs)
    assert advice.values["distance_m"] == pytest.approx(60.0 + 50.0 - 2.3, abs=0.5)
    (advice,) = shown(scene, app, [scene.car(1, 0, 0.0, 10.0)], signs)
    assert advice.values["distance_m"] == pytest.approx(50.0 - 2.3, abs=0.5)
    # Another lane leads elsewhere.
    assert not shown(scene, app, [scene.car(2, 0, -60.0, 10.0, 0)], signs)


def test_a_vehicle_lost_for_a_moment_keeps_what_it_is_shown(scene: Any) -> None:
    app, signs = Ivs(), [sign()]
    assert shown(scene, app, [scene.car(1, 0, -100.0, 10.0)], signs)
    lost = lambda: [scene.car(1, 0, -100.0, 10.0, accuracy_m=9.0)]  # noqa: E731
    assert shown(scene, app, lost(), signs, 1.0)
    assert app.silent_because(scene.world([])) == {"accuracy": 1}
    assert not shown(scene, app, lost(), signs, 1.5)
    assert shown(scene, app, [scene.car(1, 0, -100.0, 10.0)], signs)
    # But no sign that is down.
    assert not shown(scene, app, lost(), [sign("other")])


@pytest.mark.parametrize(("more", "why"), [({"accuracy_m": 5.1}, "accuracy"), ({"unseen_s": 1.1}, "unseen")])
def test_whose_place_is_doubtful_is_shown_nothing(scene: Any, more: Any, why: str) -> None:
    app = Ivs()
    assert not shown(scene, app, [scene.car(1, 0, -100.0, 10.0, **more)], [sign()])
    assert app.silent_because(scene.world([])) == {why: 1}


def test_the_nearest_signs_go_first(scene: Any) -> None:
    app = Ivs(IvsParameters(most_signs=2))
    signs = [sign(f"s{i}", 150.0 - i, 150.0 - i) for i in range(5)]
    found = shown(scene, app, [scene.car(1, 0, -100.0, 10.0)], signs)
    assert [advice.subject for advice in found] == ["s4", "s3"]
    assert app.silent_because(scene.world([])) == {"too_many": 3}


def test_vehicles_without_a_link_and_without_signs_cost_nothing(scene: Any) -> None:
    assert not shown(scene, Ivs(), [scene.car(1, 0, -100.0, 10.0, session="")], [sign()])
    assert not shown(scene, Ivs(), [scene.car(1, 0, -100.0, 10.0)], [])
