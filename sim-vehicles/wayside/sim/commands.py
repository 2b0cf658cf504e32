"""Commands of the simulator: `wayside sim lockstep`, `wayside sim demo`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wayside.sim._demo_arguments import add_arguments
from wayside.sim._roads import DEFAULT_ROAD, ROADS

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from wayside.sim._lockstep import LockstepResult


def register(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `wayside sim`."""
    parser = subparsers.add_parser(
        "sim",
        help="simulate traffic, sensors and vehicles",
        description="Simulate a road: traffic, sensors, drivers and their vehicles.",
        epilog="example: wayside sim lockstep --scenario all --seeds 5",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    lockstep = commands.add_parser(
        "lockstep",
        help="compare conflicts without and with warnings, faster than real time",
        description="Run road, sensors, edge core and drivers on a virtual clock in one process, each seed "
        "once without and once with warnings; clean traffic runs with warnings only and must have none.",
        epilog="example: wayside sim lockstep --scenario clean --duration 3600",
    )
    lockstep.add_argument(
        "--road", choices=tuple(ROADS), default=DEFAULT_ROAD, help="which road (default %(default)s)"
    )
    lockstep.add_argument(
        "--scenario",
        default="all",
        metavar="NAME",
        help="scripted conflict of the road, clean for none, or all (default %(default)s)",
    )
    lockstep.add_argument(
        "--seeds", type=_positive, default=5, metavar="N", help="number of seeds (default 5)"
    )
    lockstep.add_argument("--first-seed", type=int, default=1, metavar="N", help="begin with seed N")
    lockstep.add_argument(
        "--duration", type=float, metavar="S", help="seconds of each run (default: what the scenario needs)"
    )
    lockstep.add_argument("--site", type=Path, help="site file (default: the road's)")
    lockstep.add_argument("--json", action="store_true", help="print the single results as JSON instead")
    lockstep.set_defaults(func=_lockstep)
    demo = commands.add_parser(
        "demo",
        help="run everything in real time over sockets",
        description="Run centre, edge, emulated RSU, sensors and vehicles on this computer in real time.",
        epilog="example: wayside sim demo --duration 30",
    )
    add_arguments(demo)
    demo.set_defaults(func=_demo)


def _demo(args: argparse.Namespace) -> int:
    from wayside.sim.demo import run_demo

    return run_demo(args)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _lockstep(args: argparse.Namespace) -> int:
    import msgspec

    from wayside.mec.site import load_site
    from wayside.sim._lockstep import comparison_of, run_lockstep
    from wayside.sim._lockstep_text import clean_text, progress
    from wayside.sim._roads import CLEAN, road_of
    from wayside.sim.report import comparison_text

    road = road_of(args.road)
    site = load_site(args.site or road.site_file)
    wanted = [*road.scenarios, CLEAN] if args.scenario == "all" else [args.scenario]
    unknown = [scenario for scenario in wanted if scenario not in (*road.scenarios, CLEAN)]
    if unknown:
        known = ", ".join((*road.scenarios, CLEAN))
        print(f"wayside sim: the {road.name} has no scenario {unknown[0]}; it has {known}", file=sys.stderr)
        return 2
    results: list[LockstepResult] = []
    for scenario in wanted:
        for seed in range(args.first_seed, args.first_seed + args.seeds):
            for warned in (True,) if scenario == CLEAN else (False, True):
                result = run_lockstep(
                    scenario,
                    seed,
                    warnings=warned,
                    duration_s=args.duration,
                    road=road,
                    site=site,
                    told=_tell,
                )
                results.append(result)
                _tell(progress(result))
    if args.json:
        print(msgspec.json.encode(results).decode())
    else:
        scripted = [s for s in wanted if s != CLEAN]
        if scripted:
            print(comparison_text([comparison_of([r for r in results if r.scenario == s]) for s in scripted]))
        clean = [r for r in results if r.scenario == CLEAN]
        if clean:
            print(clean_text(clean))
    return 1 if any(r.false_warnings for r in results) else 0
