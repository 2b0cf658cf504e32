from __future__ import annotations

from collections.abc import Iterable

import msgspec

from wayside.records import SummaryRecord


class LatencySeries(msgspec.Struct, frozen=True):
    """One stage's latency over time, milliseconds; None where no window told it. p50_ms: mean of the windows'
    medians, p99_ms, max_ms: worst of the windows'."""

    p50_ms: list[float | None]
    p99_ms: list[float | None]
    max_ms: list[float | None]


class Series(msgspec.Struct, frozen=True):
    """What the edges counted, over time. from_utc_ns: start of each step. dropped: stage → reason → numbers.
    counts: name → numbers, all labels together. latency: stage → distribution."""

    step_s: float
    from_utc_ns: list[int]
    dropped: dict[str, dict[str, list[int]]]
    counts: dict[str, list[int]]
    latency: dict[str, LatencySeries]


def series_of(
    summaries: Iterable[tuple[str, SummaryRecord]],
    since_utc_ns: int,
    until_utc_ns: int,
    steps: int,
    names: Iterable[str],
) -> Series:
    """Series of `steps` equal steps between two instants; a window counts where it ends. names: of the counts
    that are wanted."""
    width_ns = max(1, (until_utc_ns - since_utc_ns) // steps)
    wanted = tuple(names)
    dropped: dict[str, dict[str, list[int]]] = {}
    counts = {name: [0] * steps for name in wanted}
    samples: dict[str, list[list[tuple[float, float, float]]]] = {}
    for _, summary in summaries:
        n = (summary.to_utc_ns - since_utc_ns) // width_ns
        if not 0 <= n < steps:
            continue
        for stage, by_reason in summary.dropped.items():
            for reason, number in by_reason.items():
                dropped.setdefault(stage, {}).setdefault(reason, [0] * steps)[n] += number
        for name in wanted:
            counts[name][n] += sum(summary.counts.get(name, {}).values())
        for stage, told in summary.latency.items():
            if told.count:
                row = samples.setdefault(stage, [[] for _ in range(steps)])
                row[n].append((told.p50_ms, told.p99_ms, told.max_ms))
    return Series(
        step_s=width_ns / 1e9,
        from_utc_ns=[since_utc_ns + n * width_ns for n in range(steps)],
        dropped=dropped,
        counts=counts,
        latency={stage: _latency(row) for stage, row in samples.items()},
    )


def _latency(row: list[list[tuple[float, float, float]]]) -> LatencySeries:
    return LatencySeries(
        [sum(p50 for p50, _, _ in step) / len(step) if step else None for step in row],
        [max(p99 for _, p99, _ in step) if step else None for step in row],
        [max(most for _, _, most in step) if step else None for step in row],
    )
