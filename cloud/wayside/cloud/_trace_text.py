from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

_WIDTH = 100


def trace_text(trace: Mapping[str, Any]) -> str:
    """A trace, as the API gives it, as a table for people: each step with its time and what it worked on,
    then the stages with their share of the latency."""
    lines = [f"trace {trace['trace_id']}"]
    if trace["event_id"] is not None:
        lines.append(
            f"  {trace['kind']} event {trace['event_id']} at {trace['site']}, severity {trace['severity']}"
        )
    lines += ["", *_steps(trace["steps"]), *_stages(trace["latency_ms"], trace["total_ms"])]
    lines += _deliveries(trace["deliveries"])
    return "\n".join(_printable(line) for line in lines).rstrip() + "\n"


def _printable(line: str) -> str:
    """The line without what would steer the terminal: much of it came over the wire."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in line)


def _steps(steps: list[dict[str, Any]]) -> list[str]:
    if not steps:
        return ["no steps are recorded under this trace", ""]
    name_width = max(len("step"), *(len(step["name"]) for step in steps))
    lines = [f"{'time (UTC)':<16}{'+ms':>11}  {'step':<{name_width}}  detail"]
    before: int | None = None
    for step in steps:
        at = step["at_utc_ns"]
        since = "" if before is None else f"{(at - before) / 1e6:.3f}"
        head = f"{_clock(at):<16}{since:>11}  {step['name']:<{name_width}}  "
        details = _wrapped(step["detail"], _WIDTH)
        lines.append((head + details[0]).rstrip())
        lines += [" " * len(head) + more for more in details[1:]]
        before = at
    return [*lines, ""]


def _stages(latency_ms: Mapping[str, float | None], total_ms: float | None) -> list[str]:
    if not latency_ms or total_ms is None:
        return []
    width = max(len("total"), *(len(stage) for stage in latency_ms))
    lines = [f"{'stage':<{width}}{'ms':>11}"]
    for stage, value in latency_ms.items():
        share = 0.0 if value is None or total_ms <= 0.0 else value / total_ms
        lines.append(f"{stage:<{width}}{value or 0.0:>11.3f}  {'#' * round(40 * share)}".rstrip())
    return [*lines, f"{'total':<{width}}{total_ms:>11.3f}", ""]


def _deliveries(deliveries: list[dict[str, Any]]) -> list[str]:
    if not deliveries:
        return []
    columns = ("device_id", "message", "state", "reason")
    rows = [columns, *(tuple(str(delivery[column]) for column in columns) for delivery in deliveries)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(columns))]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _wrapped(detail: Mapping[str, Any], width: int) -> list[str]:
    lines = [""]
    for name, value in detail.items():
        text = f"{name}={_value(value)}"
        if lines[-1] and len(lines[-1]) + len(text) + 2 > width:
            lines.append("")
        lines[-1] += ("  " if lines[-1] else "") + text
    return lines


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}={_value(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    return str(value)


def _clock(utc_ns: int) -> str:
    try:
        moment = datetime.fromtimestamp(utc_ns // 1_000_000_000, tz=UTC)
    except (ValueError, OverflowError, OSError):
        return str(utc_ns)
    return f"{moment:%H:%M:%S}.{utc_ns % 1_000_000_000 // 1_000:06d}"
