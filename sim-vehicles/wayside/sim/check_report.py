"""Checks the report of a demo run: `python -m wayside.sim.check_report [FILE]`."""

from __future__ import annotations

import argparse
import importlib
import math
import pkgutil
import sys
from pathlib import Path

import msgspec

import wayside
from wayside.observe import all_reasons, stage_of
from wayside.sim.report import FORMAT, Report, read_report, schema_text

DEFAULT = Path("var/demo/report.json")
STAGE_SUM_MS = 1.0
EDGE_MB = 1_000.0


def known_reasons() -> set[tuple[str, str]]:
    """(stage, reason) of every reason in every part of the project that is installed with what it needs."""
    for module in pkgutil.walk_packages(wayside.__path__, "wayside."):
        name = module.name.rsplit(".", 1)[-1]
        if not (module.ispkg or "reasons" in name or "errors" in name):
            continue
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            if error.name is None or error.name.startswith("wayside"):
                raise
    return {(stage_of(reason), reason.value) for reason in all_reasons()}


def faults(report: Report, known: set[tuple[str, str]]) -> list[str]:
    """What is wrong with a report; empty when it is sound."""
    found = list(report.problems)
    if report.format != FORMAT:
        found.append(f"format {report.format}, this software reads {FORMAT}")
    records = report.records
    if records.committed == 0:
        found.append("no record was committed")
    if records.stored != records.committed:
        found.append(f"{records.committed} records committed, {records.stored} stored")
    for name, unit in report.units.items():
        if not unit.deliveries:
            found.append(f"nothing was delivered to {name} ({unit.vendor})")
        if not unit.broadcast:
            found.append(f"{name} ({unit.vendor}) put nothing on the air")
    edge = report.memory.get("edge")
    if edge is not None and edge.peak_mb > EDGE_MB:
        found.append(f"the edge's processes took {edge.peak_mb:.0f} MB, at most {EDGE_MB:.0f}")
    for stage, reasons in report.dropped.items():
        for reason, number in reasons.items():
            if (stage, reason) not in known:
                found.append(f"{number} dropped at {stage} for {reason!r}, which is no known reason")
    if not report.latency.deliveries:
        found.append("no warning reached a driver")
    for delivery in report.latency.deliveries:
        total = math.fsum(delivery.stages_ms.values())
        if abs(total - delivery.total_ms) > STAGE_SUM_MS:
            found.append(
                f"stages of {delivery.trace_id} at {delivery.session} sum to {total:.3f} ms, "
                f"the whole is {delivery.total_ms:.3f} ms"
            )
    return found


def main(argv: list[str] | None = None) -> int:
    """Check a file, print what was checked. Returns 0 when sound, 1 when not, 2 when it is no report."""
    parser = argparse.ArgumentParser(
        prog="python -m wayside.sim.check_report",
        description="Check the report of a demo run: stored equals committed, every drop has a known reason, "
        "the stages of each warning sum to its total within 1 ms, every roadside unit was delivered to and "
        "put something on the air, the edge kept within its memory, and the run itself found nothing wrong.",
        epilog="example: python -m wayside.sim.check_report var/demo/report.json",
    )
    parser.add_argument("file", type=Path, nargs="?", default=DEFAULT, help="report (default %(default)s)")
    parser.add_argument("--schema", action="store_true", help="print the JSON Schema of a report instead")
    args = parser.parse_args(argv)
    if args.schema:
        print(schema_text(), end="")
        return 0
    try:
        report = read_report(args.file)
    except (OSError, msgspec.DecodeError) as error:
        print(f"check_report: {args.file}: {error}", file=sys.stderr)
        return 2
    found = faults(report, known_reasons())
    for fault in found:
        print(f"check_report: {fault}", file=sys.stderr)
    records, deliveries = report.records, len(report.latency.deliveries)
    drops = sum(len(reasons) for reasons in report.dropped.values())
    print(
        f"{args.file}: {'not sound' if found else 'sound'}; checked {records.committed} committed against "
        f"{records.stored} stored records, {drops} drop reasons, {deliveries} deliveries"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
