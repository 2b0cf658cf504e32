from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from wayside.sim._world import SimulatedRoad

_SETTLED_S = 16.0
CLEAN = "clean"
PLAY = "play"
DEFAULT_ROAD = "corridor"


class Road(NamedTuple):
    """A road that can be simulated, and the site that serves it.

    scenarios: names of its scripted conflicts. single: a run of one of them, or of clean traffic, for a seed.
    usual_s: how long such a run lasts. play: all conflicts one after the other for a seed, with or without
    measuring pairs, with about so many vehicles linked (None: the road's own number). warm_s: after so long
    the road is filled; the first conflict of `play` comes then.
    """

    name: str
    site_file: Path
    scenarios: tuple[str, ...]
    single: Callable[[str, int], SimulatedRoad]
    usual_s: Callable[[str], float]
    play: Callable[[int, bool, int | None], SimulatedRoad]
    warm_s: float


def _crossing() -> Road:
    from wayside.sim._play import WARM_S, play
    from wayside.sim._scenes import Scenario
    from wayside.sim._simulation import single, usual_duration_s

    return Road(
        name="crossing",
        site_file=Path("deploy/demo/site.yaml"),
        scenarios=tuple(s.value for s in Scenario if s is not Scenario.CLEAN),
        single=lambda scenario, seed: single(Scenario(scenario), seed),
        usual_s=lambda scenario: usual_duration_s(Scenario(scenario)),
        play=lambda seed, measure, linked: play(seed, measure=measure),
        warm_s=WARM_S,
    )


def _corridor() -> Road:
    from wayside.sim.corridor import (
        PLAY_DEMAND,
        WARM_S,
        CorridorScenario,
        CorridorSimulation,
        begin_for,
        scenes,
        single,
        usual_duration_s,
    )

    def play(seed: int, measure: bool, linked: int | None) -> SimulatedRoad:
        present = PLAY_DEMAND.present if linked is None else linked / PLAY_DEMAND.connected
        first, second = itertools.islice(scenes(seed), 2)
        # The signals suit the second conflict when the first is over and the road has settled.
        begin_s = begin_for(second, WARM_S + first.duration_s + _SETTLED_S)
        return CorridorSimulation(
            seed=seed,
            scenes=scenes(seed),
            demand=PLAY_DEMAND._replace(present=present),
            begin_s=begin_s,
            first_scene_s=WARM_S + 1.0,
            measure=measure,
        )

    return Road(
        name="corridor",
        site_file=Path("deploy/corridor/site.yaml"),
        scenarios=tuple(s.value for s in CorridorScenario if s is not CorridorScenario.CLEAN),
        single=lambda scenario, seed: single(CorridorScenario(scenario), seed),
        usual_s=lambda scenario: usual_duration_s(CorridorScenario(scenario)),
        play=play,
        # The bus of the first conflict comes to its stop meanwhile.
        warm_s=WARM_S + 8.0,
    )


# Imported when asked for: a road brings its traffic with it.
ROADS: dict[str, Callable[[], Road]] = {"corridor": _corridor, "crossing": _crossing}


def road_of(name: str) -> Road:
    """A road by its name. Raises KeyError."""
    return ROADS[name]()
