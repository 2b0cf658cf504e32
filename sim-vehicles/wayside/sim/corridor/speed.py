"""Measures how fast the corridor runs: `python -m wayside.sim.corridor.speed`."""

from __future__ import annotations

import argparse
import json
import resource
import sys
from typing import Any

from wayside.clock import Clock, SystemClock
from wayside.sim.corridor._frames import Setup
from wayside.sim.corridor._net import NET_FILE
from wayside.sim.corridor._process import TrafficProcess
from wayside.sim.corridor._simulation import STEP_S, CorridorDemand, CorridorSimulation

_DEMAND = CorridorDemand()


def traffic_speed(clock: Clock, present: float, steps: int) -> dict[str, Any]:
    """Steps per second of the traffic process alone, with what crosses its pipes."""
    demand = _DEMAND._replace(present=present)
    process = TrafficProcess(
        Setup(str(NET_FILE), 1, present, demand.walkers_per_s, demand.cyclists_per_s, STEP_S)
    )
    try:
        moved = 0
        begun = _Begun(clock)
        for _ in range(steps):
            process.send(())
            moved += len(process.receive().moved)
        return begun.figures("traffic alone", present, moved, steps)
    finally:
        process.close()


def road_speed(clock: Clock, present: float, steps: int, *, measure: bool) -> dict[str, Any]:
    """As `traffic_speed` for the whole road: traffic, sensors, drivers, and conflicts if measured."""
    road = CorridorSimulation(seed=1, demand=_DEMAND._replace(present=present), measure=measure)
    try:
        moved = 0
        begun = _Begun(clock)
        for _ in range(steps):
            road.advance()
            moved += len(road.users)
        what = "road with conflicts measured" if measure else "road"
        return begun.figures(what, present, moved, steps)
    finally:
        road.close()


class _Begun:
    """Where the clocks stood when a measurement began."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._mono = clock.mono()
        self._cpu_s = _cpu_s()

    def figures(self, what: str, present: float, moved: int, steps: int) -> dict[str, Any]:
        """What has come of it. cpu_ms_per_step: of this process, which says more where cores are shared."""
        took_s = (self._clock.mono() - self._mono) / 1e9
        return {
            "what": what,
            "vehicles_wanted": present,
            "users_mean": round(moved / steps, 1),
            "steps_per_s": round(steps / took_s, 1),
            "times_real_time": round(steps * STEP_S / took_s, 1),
            "cpu_ms_per_step": round((_cpu_s() - self._cpu_s) / steps * 1e3, 2),
        }


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main(argv: list[str] | None = None) -> int:
    """Print the figures; returns 0."""
    parser = argparse.ArgumentParser(
        prog="python -m wayside.sim.corridor.speed",
        description="Measure how much faster than real time the corridor runs on this machine.",
        epilog="example: python -m wayside.sim.corridor.speed --present 100 300 --steps 600",
    )
    parser.add_argument("--present", type=float, nargs="+", default=[100.0, 300.0], help="vehicles at once")
    parser.add_argument("--steps", type=int, default=600, help="steps of 0.1 s (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="print as JSON instead")
    args = parser.parse_args(argv)
    clock = SystemClock()
    rows: list[dict[str, Any]] = []
    for present in args.present:
        print(f"{present:.0f} vehicles …", file=sys.stderr)
        rows.append(traffic_speed(clock, present, args.steps))
        rows += [road_speed(clock, present, args.steps, measure=measure) for measure in (False, True)]
    if args.json:
        print(json.dumps(rows))
    else:
        for row in rows:
            users = (
                f"{row['vehicles_wanted']:4.0f} vehicles wanted, {row['users_mean']:5.1f} users on average"
            )
            speed = f"{row['steps_per_s']:7.1f} steps/s, {row['times_real_time']:6.1f} × real time, "
            speed += f"{row['cpu_ms_per_step']:.1f} ms CPU a step here"
            print(f"{row['what']:30} {users}: {speed}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
