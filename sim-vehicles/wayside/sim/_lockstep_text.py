from __future__ import annotations

from collections.abc import Sequence

from wayside.sim._lockstep import LockstepResult
from wayside.sim.report import table

_SHOWN_FALSE = 40


def progress(result: LockstepResult) -> str:
    """One line on a run that has ended."""
    return (
        f"{result.scenario} seed {result.seed} {'with' if result.warned else 'without'} warnings: "
        f"{result.conflicts} conflicts, {result.collisions} collisions, "
        f"{sum(result.warnings.values())} warnings"
    )


def clean_text(results: Sequence[LockstepResult]) -> str:
    """Runs without a scripted conflict as a table, and each false warning with what led to it."""
    rows = [
        (
            f"{r.scenario}, seed {r.seed}",
            f"{r.duration_s:.0f}",
            r.vehicles,
            r.most_connected,
            r.conflicts,
            r.collisions,
            sum(r.false_warnings.values()),
            _per_hour(r),
            sum(r.notices.values()),
        )
        for r in results
    ]
    headings = (
        "traffic",
        "seconds",
        "vehicles",
        "linked at once",
        "conflicts",
        "collisions",
        "false warnings",
        "an hour",
        "notices",
    )
    parts = [table(headings, rows)]
    kinds = sorted({kind for r in results for kind in (*r.warnings, *r.notices, *r.advice)})
    if kinds:
        counts = [
            (kind, *(sum(named.get(kind, 0) for named in many) for many in _by_use(results)))
            for kind in kinds
        ]
        parts.append(table(("kind", "warnings", "of these false", "notices", "advice frames"), counts))
    parts += [_false_text(r) for r in results if r.false]
    return "\n\n".join(parts)


def _by_use(results: Sequence[LockstepResult]) -> tuple[list[dict[str, int]], ...]:
    return (
        [r.warnings for r in results],
        [r.false_warnings for r in results],
        [r.notices for r in results],
        [r.advice for r in results],
    )


def _per_hour(result: LockstepResult) -> str:
    return f"{sum(result.false_warnings.values()) * 3_600.0 / max(result.duration_s, 1e-9):.2f}"


def _false_text(result: LockstepResult) -> str:
    lines = [f"false warnings of seed {result.seed}:"]
    for false in result.false[:_SHOWN_FALSE]:
        lines.append(
            f"  {false.at_s:.2f} to {false.last_s:.2f} s  {false.kind} ({false.severity}, {false.action}) to "
            f"{false.session}, trace {false.trace_id}, event {false.event_id}"
        )
        where = f"    at ({false.x_m:.1f}, {false.y_m:.1f}) m, lane {false.lane or 'none'}"
        if false.distance_m is not None:
            where += f", {false.distance_m:.1f} m ahead"
        if false.time_to_conflict_s is not None:
            where += f", in {false.time_to_conflict_s:.2f} s"
        lines.append(where)
        lines += [f"    party: {party}" for party in false.parties]
        named = ", ".join(f"{name} {_value(value)}" for name, value in false.evidence.items())
        lines.append(f"    because: {named}")
    if len(result.false) > _SHOWN_FALSE:
        lines.append(f"  and {len(result.false) - _SHOWN_FALSE} more; --json holds all")
    return "\n".join(lines)


def _value(value: float | int | str | bool) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
