"""Long runs that must all end well: `python -m wayside.sim.soak`, from a clone of the repository.

Twenty seeded kills of the edge in mid-run, twenty of Kafka's broker and the edge that sends to it, the
latency bench over many acts with one edge whose memory is followed, and an hour of clean traffic in lockstep
on each road. `--short` is the same in a few minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from wayside.sim._roads import ROADS
from wayside.sim.report import table

ROOT = Path(__file__).parents[3]
# What a process may still grow by once it has seen all its kinds of work; only long runs can tell.
SLOPE_MB_PER_MIN = 0.5
SLOPE_NEEDS_S = 300.0
_ACT_S = 15.0


class Extent(NamedTuple):
    """How much of each is run."""

    kills: int
    kafka_kills: int
    acts: int
    clean_s: int


LONG = Extent(kills=20, kafka_kills=20, acts=40, clean_s=3_600)
SHORT = Extent(kills=3, kafka_kills=2, acts=2, clean_s=60)


class Outcome(NamedTuple):
    """One line of the table."""

    name: str
    figure: str
    good: bool


class SoakError(Exception):
    """A part that could not be run or said nothing that can be read."""


def run_kills(extent: Extent) -> list[Outcome]:
    """Kill the edge in mid-run again and again; seeds are printed as they come."""
    test = ROOT / "tests" / "joint" / "test_kills.py"
    done = _run(
        [sys.executable, "-m", "pytest", "-q", "-s", str(test)],
        {"WAYSIDE_KILLS": str(extent.kills)},
        show=True,
    )
    return [Outcome("kills in mid-run", f"{extent.kills}, each record once", done.returncode == 0)]


def run_latency(extent: Extent) -> list[Outcome]:
    """A hundred vehicles, act after act, on one edge."""
    bench = ROOT / "bench" / "latency.py"
    words = [sys.executable, str(bench), "--json", "--runs", "1", "--acts", str(extent.acts)]
    said = _json(_run(words))
    run = said["runs"][0]
    total = run["total"]
    outcomes = [
        Outcome(
            "latency, 100 vehicles",
            f"{run['first_warnings']} first warnings: p50 {total['p50_ms']:.1f}, p99 {total['p99_ms']:.1f}, "
            f"max {total['max_ms']:.1f} ms; p99 {said['above_lateness_ms']:.1f} ms above the timers', "
            f"goal {said['goal_ms']:g}: {said['verdict']}",
            said["verdict"] != "missed",
        )
    ]
    memory = run["edge"]["memory"]
    if memory:
        judged = extent.acts * _ACT_S >= SLOPE_NEEDS_S
        slope = memory["slope_mb_per_min"]
        outcomes.append(
            Outcome(
                "memory of the edge",
                f"{memory['first_mb']} to {memory['last_mb']} MB, {slope:+.2f} MB/min in the second half"
                + ("" if judged else " (too short to judge)"),
                not judged or slope <= SLOPE_MB_PER_MIN,
            )
        )
    return outcomes


def run_kafka(extent: Extent) -> list[Outcome]:
    """Kill Kafka's broker and an edge that sends to it, round after round; seeds are printed as they come."""
    from wayside.sim.kafka_broker import KafkaMissing, RoundFailed

    name = "kills of Kafka and the edge"
    try:
        records, repeated = asyncio.run(_kafka_rounds(extent.kafka_kills))
    except KafkaMissing as error:
        raise SoakError(f"no Kafka: {error}") from None
    except RoundFailed as error:
        return [Outcome(name, str(error), False)]
    figure = f"{extent.kafka_kills}: {records} records, {repeated} came again, each stored once and in order"
    return [Outcome(name, figure, True)]


async def _kafka_rounds(number: int) -> tuple[int, int]:
    """Records and repeats over all rounds."""
    from wayside.sim.kafka_broker import KafkaBroker, kill_round

    records = repeated = 0
    with tempfile.TemporaryDirectory(prefix="wayside-soak-") as folder:
        broker = KafkaBroker(Path(folder) / "broker")
        try:
            for seed in range(1, number + 1):
                round_folder = Path(folder) / f"round-{seed}"
                round_folder.mkdir()
                figures = await kill_round(broker, round_folder, seed)
                records += figures.records
                repeated += figures.repeated
                print(f"round {seed}: {figures.records} records in {figures.seconds:.0f} s", flush=True)
        finally:
            await asyncio.to_thread(broker.stop)
    return records, repeated


def run_clean(extent: Extent) -> list[Outcome]:
    """Traffic without a conflict, on a virtual clock, on each road: nobody is to be warned of a danger."""
    return [_clean(road, extent.clean_s) for road in ROADS]


def _clean(road: str, seconds: int) -> Outcome:
    words = [sys.executable, "-m", "wayside.cli", "sim", "lockstep", "--road", road, "--scenario", "clean"]
    done = _run([*words, "--seeds", "1", "--duration", str(seconds), "--json"])
    (result,) = _json(done)
    false = ", ".join(f"{n} {kind}" for kind, n in result["false_warnings"].items()) or "no"
    figure = f"{seconds} s, {result['vehicles']} vehicles, {false} false warnings"
    return Outcome(f"clean traffic, {road}", figure, done.returncode == 0 and not result["false_warnings"])


PARTS: dict[str, Callable[[Extent], list[Outcome]]] = {
    "kills": run_kills,
    "kafka": run_kafka,
    "latency": run_latency,
    "clean": run_clean,
}


def _run(
    words: list[str], more: dict[str, str] | None = None, *, show: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run a part; its errors are shown, and with `show` all that it says."""
    return subprocess.run(
        words,
        cwd=ROOT,
        env=os.environ | (more or {}),
        stdin=subprocess.DEVNULL,
        stdout=None if show else subprocess.PIPE,
        text=True,
        check=False,
    )


def _json(done: subprocess.CompletedProcess[str]) -> Any:
    lines = (done.stdout or "").strip().splitlines()
    try:
        return json.loads(lines[-1])
    except (IndexError, ValueError):
        part = " ".join(done.args[1:4])
        raise SoakError(f"no figures from {part}, which ended with {done.returncode}") from None


def main(argv: list[str] | None = None) -> int:
    """Run all parts or the named ones; 0 when all ended well."""
    parser = argparse.ArgumentParser(
        prog="python -m wayside.sim.soak",
        description="Long runs: kills in mid-run, of Kafka too, latency and memory with 100 vehicles, clean "
        "traffic on each road.",
        epilog="example: python -m wayside.sim.soak --short",
    )
    parser.add_argument("--short", action="store_true", help="the same in a few minutes")
    parser.add_argument("--part", choices=tuple(PARTS), action="append", help="only this part (repeatable)")
    args = parser.parse_args(argv)
    if not (ROOT / "bench" / "latency.py").exists():
        parser.error("this needs the repository: tests/ and bench/ are not beside the package")
    extent = SHORT if args.short else LONG
    outcomes: list[Outcome] = []
    for name in args.part or PARTS:
        print(f"== {name}", flush=True)
        try:
            outcomes += PARTS[name](extent)
        except SoakError as error:
            outcomes.append(Outcome(name, str(error), False))
    rows = [(each.name, each.figure, "good" if each.good else "FAILED") for each in outcomes]
    print("\n" + table(("run", "figure", ""), rows))
    return 0 if all(each.good for each in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
