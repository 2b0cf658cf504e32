from __future__ import annotations

from typing import Any

import pytest

from wayside.link import Action, Party, Severity, WarningKind
from wayside.mec.apps import HazardReport, one_voice, trigger_of

KINDS = {
    "icw": WarningKind.INTERSECTION_COLLISION,
    "lta": WarningKind.LEFT_TURN,
    "rlvw": WarningKind.RED_LIGHT_VIOLATION,
    "evw": WarningKind.EMERGENCY_VEHICLE,
    "vrucw": WarningKind.VULNERABLE_ROAD_USER,
}


def report(scene: Any, app: str, *tracks: int) -> HazardReport:
    trigger = trigger_of(scene.car(1, 0, -50.0, 10.0))
    parties = tuple(Party("car", 39.0, 117.0, 10.0, 90.0, track) for track in tracks)
    subject = f"{app}/{tracks[0]}"
    return HazardReport(
        app, KINDS[app], subject, Severity.ADVISE, 0.0, 0.0, Action.WATCH, trigger, 1000, parties=parties
    )


@pytest.mark.parametrize("lower", ["icw", "lta"])
@pytest.mark.parametrize("upper", ["rlvw", "evw"])
@pytest.mark.parametrize("shared", [1, 2])
def test_the_one_who_watches_the_vehicle_speaks_of_it(
    scene: Any, lower: str, upper: str, shared: int
) -> None:
    above, below = report(scene, upper, shared), report(scene, lower, 1, 2)
    for outputs in ([above, below], [below, above]):
        kept, left_out = one_voice(outputs)
        assert kept == [above] and left_out == {(lower, upper): 1}


def test_dangers_of_other_vehicles_are_left_alone(scene: Any) -> None:
    outputs = [
        report(scene, "rlvw", 7),
        report(scene, "icw", 1, 2),
        report(scene, "lta", 3, 4),
        report(scene, "vrucw", 7),
        report(scene, "evw", 8),
    ]
    assert one_voice(outputs) == (outputs, {})
