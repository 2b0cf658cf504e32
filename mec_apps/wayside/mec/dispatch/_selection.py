from __future__ import annotations

from typing import NamedTuple

import numpy as np

from wayside.link import Action, Severity
from wayside.mec.apps import HazardReport, Trigger, required_deceleration
from wayside.mec.dispatch._corridors import CorridorIndex
from wayside.mec.dispatch._reasons import DispatchReason
from wayside.mec.dispatch._rules import DispatchRules
from wayside.mec.dispatch._vehicles import ConnectedVehicles


class Chosen(NamedTuple):
    """A vehicle that is to be told, and what. by: concern, lane or link, how it was found. trigger: None for
    the report's own or, when the danger stood before, the vehicle's own last input."""

    row: int
    severity: Severity
    action: Action
    distance_m: float | None
    time_to_conflict_s: float | None
    advised_speed_mps: float | None
    by: str
    trigger: Trigger | None = None


class Selection(NamedTuple):
    """Vehicles of one report: those to be told, and those passed over, by row and reason."""

    chosen: list[Chosen]
    passed_over: list[tuple[int, DispatchReason]]


def select(
    report: HazardReport, vehicles: ConnectedVehicles, index: CorridorIndex, rules: DispatchRules
) -> Selection:
    """Who is concerned by a report.

    First the vehicles that the app names. Then all that have the place of a corridor ahead of them on their
    lane or a way that leads to it, but never a party of the danger itself. A vehicle of poor accuracy is
    informed without lane and distance, one of none is passed over.
    """
    chosen: dict[int, Chosen] = {}
    passed: dict[int, DispatchReason] = {}
    for concern in report.concerns:
        row = vehicles.row_of.get(concern.track_id)
        if row is not None:
            chosen[row] = Chosen(
                row,
                concern.severity,
                concern.action,
                concern.distance_m,
                concern.time_to_conflict_s,
                concern.advised_speed_mps,
                "concern",
                concern.trigger,
            )
    if report.corridors and vehicles.views:
        _by_corridor(report, vehicles, index, rules, chosen, passed)
    return Selection(list(chosen.values()), list(passed.items()))


def _by_corridor(
    report: HazardReport,
    vehicles: ConnectedVehicles,
    index: CorridorIndex,
    rules: DispatchRules,
    chosen: dict[int, Chosen],
    passed: dict[int, DispatchReason],
) -> None:
    nearest = np.full(len(vehicles.views), np.inf)
    for corridor in report.corridors:
        rows, distance = vehicles.ahead_of(corridor, index)
        nearest[rows] = np.minimum(nearest[rows], distance)
    themselves = {vehicles.row_of.get(party.track_id, -1) for party in report.parties}
    for row in (int(r) for r in np.flatnonzero(np.isfinite(nearest))):
        if row in chosen or row in themselves:
            continue
        if vehicles.unseen_s[row] > rules.max_unseen_s:
            passed[row] = DispatchReason.STALE_POSITION
        elif vehicles.accuracy_m[row] > rules.link_accuracy_m:
            passed[row] = DispatchReason.ACCURACY
        elif vehicles.accuracy_m[row] > rules.lane_accuracy_m:
            chosen[row] = Chosen(row, Severity.INFORM, Action.WATCH, None, None, None, "link")
        else:
            chosen[row] = _on_lane(report, vehicles, rules, row, float(nearest[row]))
    for row in (int(r) for r in vehicles.off_lane_near(report.x_m, report.y_m, rules.off_lane_m)):
        if row not in chosen and row not in themselves:
            passed[row] = DispatchReason.OFF_LANE


def _on_lane(
    report: HazardReport, vehicles: ConnectedVehicles, rules: DispatchRules, row: int, distance_m: float
) -> Chosen:
    speed = float(vehicles.speed_mps[row])
    needed = required_deceleration(speed, distance_m, rules.reaction_s)
    urgent = needed > rules.urgent_decel_mps2
    severity = Severity.URGENT if urgent else report.severity
    action = Action.BRAKE if urgent else report.action
    return Chosen(row, severity, action, distance_m, None, None, "lane")
