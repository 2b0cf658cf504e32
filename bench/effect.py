"""What warnings change on the road: the same traffic without and with them, over many seeds.

    python bench/effect.py [--short] [--seeds 30] [--road NAME] [--duration S] [--jobs 2] [--json]

Each seed is run twice in lockstep, the road with its scripted conflicts one after the other: once with the
edge left out, once with it, its sensors, its link and the drivers' reactions. Both runs meet the same
arrivals. Counted from the first conflict's warm-up on: pairs of participants that came close (time to
collision, post-encroachment time), collisions, stop lines passed on red, stops and delay of the vehicles that
are not scripted.

Shown are the means, the change, and its 95 % interval: a percentile bootstrap over the pairs of runs. Below a
table of the model's assumptions. Table, figures and a picture go to var/effect.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import msgspec

from wayside.mec.site import load_site
from wayside.sim._effect import effects
from wayside.sim._effect_text import assumptions, effect_picture, effect_text
from wayside.sim._lockstep import LockstepResult, run_lockstep
from wayside.sim._roads import DEFAULT_ROAD, PLAY, ROADS, road_of
from wayside.sim._virtual_edge import DOWNLINK_S, UPLINK_S

ROOT = Path(__file__).parents[1]
SEEDS, SHORT_SEEDS = 30, 3
PLAY_S, SHORT_PLAY_S = 120.0, 60.0


def one(road_name: str, seed: int, warned: bool, play_s: float) -> LockstepResult:
    """One run; called in a process of its own."""
    os.chdir(ROOT)
    road = road_of(road_name)
    site = load_site(road.site_file)
    return run_lockstep(PLAY, seed, warnings=warned, duration_s=road.warm_s + play_s, road=road, site=site)


def run_all(road: str, seeds: list[int], play_s: float, jobs: int) -> dict[tuple[int, bool], LockstepResult]:
    """All runs, several at once; a line to stderr as each ends."""
    results: dict[tuple[int, bool], LockstepResult] = {}
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting = {
            pool.submit(one, road, seed, warned, play_s): (seed, warned)
            for seed in seeds
            for warned in (False, True)
        }
        for done in as_completed(waiting):
            seed, warned = waiting[done]
            result = results[seed, warned] = done.result()
            print(
                f"[{len(results)}/{len(waiting)}] seed {seed} {'with' if warned else 'without'} warnings: "
                f"{result.conflicts} conflicts, {result.collisions} collisions",
                file=sys.stderr,
                flush=True,
            )
    return results


def main() -> int:
    parser = argparse.ArgumentParser(description="What warnings change on the road, over many seeds.")
    parser.add_argument("--short", action="store_true", help="few seeds, short runs: whether it works")
    parser.add_argument("--seeds", type=int, help=f"number of seeds (default {SEEDS}, short {SHORT_SEEDS})")
    parser.add_argument("--first-seed", type=int, default=1, help="begin with this seed")
    parser.add_argument("--road", choices=tuple(ROADS), default=DEFAULT_ROAD, help="which road")
    parser.add_argument(
        "--duration",
        type=float,
        help=f"seconds after the warm-up (default {PLAY_S:g}, short {SHORT_PLAY_S:g})",
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="runs at once")
    parser.add_argument("--out", type=Path, default=ROOT / "var" / "effect", help="folder of the results")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    args = parser.parse_args()
    number = args.seeds or (SHORT_SEEDS if args.short else SEEDS)
    play_s = args.duration or (SHORT_PLAY_S if args.short else PLAY_S)
    seeds = list(range(args.first_seed, args.first_seed + number))
    begun = time.monotonic()
    results = run_all(args.road, seeds, play_s, args.jobs)
    took_s = time.monotonic() - begun
    without, with_ = ([results[seed, warned] for seed in seeds] for warned in (False, True))
    found = effects(without, with_)
    vehicles = sum(r.vehicles for r in without)
    linked = max(r.most_connected for r in with_)
    shown = sum(sum(r.warnings.values()) for r in with_)
    speed = sum(r.duration_s for r in results.values()) / took_s
    links = (
        f"link: {1e3 * UPLINK_S[0]:g} to {1e3 * UPLINK_S[1]:g} ms up, "
        f"{1e3 * DOWNLINK_S[0]:g} to {1e3 * DOWNLINK_S[1]:g} ms down, without loss"
    )
    basis = assumptions(
        f"vehicles: {vehicles} in the runs without warnings, up to {linked} on the link at once", links
    )
    title = f"{args.road}: {number} seeds of {play_s:g} s, {shown} warnings shown"
    text = "\n".join(
        (
            title,
            f"({speed:.1f} times as fast as real time with {args.jobs} at once)",
            "",
            effect_text(found),
            "",
            basis,
        )
    )
    args.out.mkdir(parents=True, exist_ok=True)
    figures = {
        "road": args.road,
        "seeds": seeds,
        "play_s": play_s,
        "warnings": shown,
        "speed": round(speed, 2),
    }
    whole = {**figures, "effects": msgspec.to_builtins(found)}
    (args.out / "effect.json").write_text(json.dumps(whole, indent=2) + "\n", "utf-8")
    (args.out / "effect.txt").write_text(text + "\n", "utf-8")
    (args.out / "effect.svg").write_text(effect_picture(found, title), "utf-8")
    print(json.dumps(whole) if args.json else f"{text}\n\n{args.out}/effect.txt, .json, .svg")
    fewer = found[0].with_ <= found[0].without
    return 0 if fewer else 1


if __name__ == "__main__":
    sys.exit(main())
