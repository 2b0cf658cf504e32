from __future__ import annotations

import itertools
from collections.abc import Iterator

from wayside.sim.corridor._scene import CorridorScenario, CorridorScene
from wayside.sim.corridor._scenes import SCENES, begin_for
from wayside.sim.corridor._simulation import FIRST_SCENE_S, CorridorDemand, CorridorSimulation

# Scripted conflicts meet in light traffic: in a queue there is nothing to meet.
SCENE_DEMAND = CorridorDemand(present=40.0, walkers_per_s=0.05, cyclists_per_s=0.03)
PLAY_DEMAND = CorridorDemand(present=60.0)
WARM_S = 5.0
CLEAN_S = 300.0
_ORDER = (
    CorridorScenario.PEDESTRIAN,
    CorridorScenario.RED_RUNNER,
    CorridorScenario.LEFT_TURN,
    CorridorScenario.STOPPED,
    CorridorScenario.CROSSING,
    CorridorScenario.JAM,
    CorridorScenario.EMERGENCY,
)


def single(
    scenario: CorridorScenario, seed: int, *, demand: CorridorDemand | None = None, measure: bool = True
) -> CorridorSimulation:
    """A run of one scripted conflict, or of clean traffic. demand: default 100 vehicles present in clean
    traffic, 40 beside a scripted conflict."""
    if scenario is CorridorScenario.CLEAN:
        return CorridorSimulation(seed=seed, demand=demand or CorridorDemand(), measure=measure)
    scene = SCENES[scenario](seed)
    return CorridorSimulation(
        seed=seed,
        scenes=(scene,),
        demand=(demand or SCENE_DEMAND)._replace(closed=scene.closed),
        begin_s=begin_for(scene, FIRST_SCENE_S),
        measure=measure,
    )


def usual_duration_s(scenario: CorridorScenario) -> float:
    """How long a run of a scenario lasts unless told otherwise."""
    if scenario is CorridorScenario.CLEAN:
        return CLEAN_S
    return FIRST_SCENE_S + SCENES[scenario].duration_s + 10.0


def scenes(seed: int) -> Iterator[CorridorScene]:
    """All scripted conflicts one after the other, again and again: the first round with `seed`."""
    for round_ in itertools.count():
        for scenario in _ORDER:
            yield SCENES[scenario](seed + round_)
