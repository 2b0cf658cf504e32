"""The report of a demo run: what was sent, warned, prevented, stored and dropped, and how long it took."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from wayside.observe import LatencySummary
from wayside.sim._processes import MemoryUse

FORMAT = 2
SCHEMA_FILE = Path("docs/schemas/report.json")

Count = Annotated[int, Meta(ge=0)]
Milliseconds = Annotated[float, Meta(ge=0.0)]


class Comparison(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A scripted conflict on the same seeds without and with warnings, in lockstep.

    conflicts, collisions: pairs of participants, see `wayside.sim.PairMeasure`. min_ttc_s: smallest time to
    collision that involved the scripted participant, None when there was none. warnings: shown to drivers.
    """

    scenario: str
    seeds: tuple[int, ...]
    conflicts_without: Count
    conflicts_with: Count
    collisions_without: Count
    collisions_with: Count
    min_ttc_without_s: float | None
    min_ttc_with_s: float | None
    warnings: Count


class DeliveredLatency(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Way of one warning from the arrival of the detection to the driver's callback.

    stages_ms: time of each stage by the stage that ended. total_ms: measured on its own, from first to last.
    """

    trace_id: str
    session: str
    kind: str
    stages_ms: dict[str, Milliseconds]
    total_ms: Milliseconds


class LatencyReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Latency of first deliveries: distribution by stage and in total, and every single one.

    stages, total: as the edge knows them from the vehicles' receipts. timer_lateness: process → how late its
    timers fired in the same run, the floor of what can be measured. confirmation: chosen delay from the
    first detection of an object to the one that satisfied the trigger. reorder: chosen delay of waiting for
    late scans; none where the tracker takes them as they come. deliveries: as the vehicles measured them;
    their stage `received` holds the writing too. brought_by_time: total of
    dangers that no input but passing time brought, from the look before.
    """

    stages: dict[str, LatencySummary]
    total: LatencySummary
    timer_lateness: dict[str, LatencySummary]
    confirmation: LatencySummary
    reorder: LatencySummary
    brought_by_time: LatencySummary
    deliveries: tuple[DeliveredLatency, ...]


class RecordCount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Records by where they are. committed: given an identity in the edge's outbox. stored: distinct
    identities that the centre has. waiting: still in the outbox at the end."""

    committed: Count
    stored: Count
    waiting: Count


class UnitReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A roadside unit. broadcast: message → number that the device put on the air. deliveries: message →
    state that the edge could claim → number."""

    vendor: str
    dialect: str
    broadcast: dict[str, Count]
    deliveries: dict[str, dict[str, Count]]


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a demo run did.

    behind_s: how far the simulation was behind real time at worst; seconds of it mean an overloaded computer.
    linked: most vehicles on the link at once. messages: type → device → number. warnings: kind → number of
    dangers a driver was shown. advice: kind → frames that reached a vehicle. units: roadside units by id.
    memory: process → its tree's largest resident memory. dropped: stage → reason → number, over all
    processes. problems: what was not as it should be, empty for a sound run.
    """

    format: int
    road: str
    seed: int
    started_utc_ns: int
    duration_s: float
    behind_s: float
    versions: dict[str, str]
    linked: Count
    messages: dict[str, dict[str, Count]]
    warnings: dict[str, Count]
    advice: dict[str, Count]
    units: dict[str, UnitReport]
    scenes: dict[str, Count]
    comparisons: tuple[Comparison, ...]
    latency: LatencyReport
    records: RecordCount
    memory: dict[str, MemoryUse]
    dropped: dict[str, dict[str, Count]]
    problems: tuple[str, ...] = ()


def read_report(path: Path) -> Report:
    """Report of a file. Raises OSError, msgspec.DecodeError (also for JSON of another shape)."""
    return msgspec.json.decode(path.read_bytes(), type=Report)


def write_report(path: Path, report: Report) -> None:
    """Write the report, in one step, as JSON that a person can read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    part.replace(path)


def report_schema() -> dict[str, Any]:
    """JSON Schema of a report."""
    return msgspec.json.schema(Report)


def schema_text() -> str:
    """The schema as it stands in `docs/schemas/report.json`."""
    return json.dumps(report_schema(), indent=2, sort_keys=True) + "\n"


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Plain text table: the first column to the left, the others to the right."""
    cells = [[str(c) for c in headings], *([str(c) for c in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(headings))]
    lines = []
    for row in cells:
        first = row[0].ljust(widths[0])
        lines.append("  ".join([first, *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]))
    lines.insert(1, "  ".join("-" * w for w in widths))
    return "\n".join(lines)


def report_text(report: Report) -> str:
    """The report as tables for a person."""
    behind = f"at worst {report.behind_s:.2f} s behind real time"
    run = f"Demo of {report.duration_s:.0f} s on the {report.road}, seed {report.seed}"
    parts = [f"{run}, up to {report.linked} vehicles linked, {behind}"]
    sent = [(kind, device, n) for kind, by in report.messages.items() for device, n in by.items()]
    parts.append(table(("message", "device", "number"), sent))
    parts.append(table(("warning", "shown"), list(report.warnings.items())))
    if report.advice:
        parts.append(table(("advice", "frames"), list(report.advice.items())))
    parts.append(_units_text(report))
    parts.append(comparison_text(report.comparisons))
    latency = report.latency
    named = [*latency.stages.items(), ("total", latency.total)]
    named += [(f"timer lateness, {name}", summary) for name, summary in latency.timer_lateness.items()]
    named += [("confirmation (apart)", latency.confirmation), ("re-order (apart)", latency.reorder)]
    named += [("brought by time (apart)", latency.brought_by_time)]
    rows = [(name, s.count, f"{s.p50_ms:.2f}", f"{s.p99_ms:.2f}", f"{s.max_ms:.2f}") for name, s in named]
    parts.append(table(("latency, ms", "number", "p50", "p99", "max"), rows))
    records = report.records
    parts.append(
        f"records: {records.committed} committed, {records.stored} stored, {records.waiting} waiting"
    )
    if report.memory:
        used = [(name, use.processes, f"{use.peak_mb:.0f}") for name, use in report.memory.items()]
        parts.append(table(("process", "with children", "peak MB"), used))
    drops = [(stage, reason, n) for stage, by in report.dropped.items() for reason, n in by.items()]
    parts.append(table(("dropped at", "because", "number"), drops) if drops else "dropped: nothing")
    if report.problems:
        parts.append("\n".join(("not as it should be:", *(f"  {p}" for p in report.problems))))
    return "\n\n".join(parts)


def _units_text(report: Report) -> str:
    rows = []
    for name, unit in report.units.items():
        for message in sorted({*unit.broadcast, *unit.deliveries}):
            states = unit.deliveries.get(message, {})
            told = ", ".join(f"{number} {state}" for state, number in states.items())
            rows.append((f"{name} ({unit.vendor})", message, unit.broadcast.get(message, 0), told or "-"))
    return table(("roadside unit", "message", "on the air", "deliveries by state"), rows)


def comparison_text(comparisons: Sequence[Comparison]) -> str:
    """Conflicts without and with warnings as a table."""

    def seconds(value: float | None) -> str:
        return "-" if value is None else f"{value:.2f}"

    return table(
        ("scenario", "seeds", "conflicts", "with", "collisions", "with", "min TTC s", "with", "warnings"),
        [
            (
                c.scenario,
                len(c.seeds),
                c.conflicts_without,
                c.conflicts_with,
                c.collisions_without,
                c.collisions_with,
                seconds(c.min_ttc_without_s),
                seconds(c.min_ttc_with_s),
                c.warnings,
            )
            for c in comparisons
        ],
    )
