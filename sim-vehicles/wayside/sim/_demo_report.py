from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import NamedTuple

from wayside.observe import STAGES
from wayside.sim._figures import CentreFigures, EdgeFigures, merged, summary_of
from wayside.sim._processes import MemoryUse
from wayside.sim._stage import Stage
from wayside.sim.report import FORMAT, Comparison, LatencyReport, RecordCount, Report, UnitReport


class Ended(NamedTuple):
    """A run that is over: what each part of it tells. memory: process → its tree's largest."""

    stage: Stage
    edge: EdgeFigures
    centre: CentreFigures
    took_s: float
    memory: Mapping[str, MemoryUse]


def demo_report(
    seed: int,
    road: str,
    started: int,
    ended: Ended,
    comparisons: tuple[Comparison, ...],
    problems: Sequence[str],
) -> Report:
    """The report of a run. started: UTC, nanoseconds."""
    stage, edge, centre, took_s, memory = ended
    shown = stage.fleet.shown
    latency = edge.latency
    return Report(
        format=FORMAT,
        road=road,
        seed=seed,
        started_utc_ns=started,
        duration_s=round(took_s, 3),
        behind_s=round(stage.behind_s, 3),
        versions={"wayside": version("wayside"), "python": sys.version.split()[0]},
        linked=stage.fleet.peak,
        messages=stage.messages(),
        warnings=dict(sorted(Counter(s.kind for s in shown).items())),
        advice=dict(sorted(stage.fleet.advice.items())),
        units=_units(stage, edge),
        scenes=stage.scenes_played(),
        comparisons=comparisons,
        latency=LatencyReport(
            stages={stage.value: summary_of(latency, stage.value) for stage in STAGES[1:]},
            total=summary_of(latency, "total"),
            timer_lateness={
                "edge": summary_of(latency, "timer_lateness"),
                "vehicles": stage.lateness.summary(),
            },
            confirmation=summary_of(latency, "confirmation"),
            reorder=summary_of(latency, "reorder"),
            brought_by_time=summary_of(latency, "brought_by_time"),
            deliveries=tuple(s.latency for s in shown if s.latency is not None),
        ),
        records=RecordCount(edge.records.committed, centre.kept(edge.site), edge.records.waiting),
        memory=dict(memory),
        dropped=merged((edge.dropped, centre.dropped, stage.counters.drops(), *stage.units.drops())),
        problems=tuple(problems),
    )


def _units(stage: Stage, edge: EdgeFigures) -> dict[str, UnitReport]:
    deliveries: dict[str, dict[str, dict[str, int]]] = {}
    # The edge counts each delivery as `device/message/state`.
    for label, number in edge.counts.get("deliveries", {}).items():
        device, message, state = label.split("/")
        deliveries.setdefault(device, {}).setdefault(message, {})[state] = number
    return {
        unit.id: UnitReport(
            unit.vendor,
            unit.dialect,
            dict(unit.emulator.counters.counts().get("emulator_broadcast", {})),
            deliveries.get(unit.id, {}),
        )
        for unit in stage.units.units
    }
