from __future__ import annotations

import itertools
from collections.abc import Iterator

from wayside.sim._plan import SignalPlan
from wayside.sim._scenes import SCENE_LANES, SCENES, Scenario, Scene
from wayside.sim._simulation import Simulation
from wayside.sim._traffic import Demand

WARM_S = 40.0
DEMAND = Demand(0.8, 0.12, 0.06, 0.8, SCENE_LANES)
_ORDER = (Scenario.PEDESTRIAN, Scenario.RED_RUNNER, Scenario.STOPPED, Scenario.CROSSING)


def scenes(seed: int) -> Iterator[Scene]:
    """All scripted conflicts one after the other, again and again: the first round with `seed`."""
    for round_ in itertools.count():
        for scenario in _ORDER:
            yield SCENES[scenario](seed + round_)


def plan_for(seed: int) -> SignalPlan:
    """A plan whose phase suits the second scene right after the first."""
    first, second = SCENES[_ORDER[0]](seed), SCENES[_ORDER[1]](seed)
    begin_s = WARM_S + 1.0 + first.duration_s + 2.2
    for offset in range(int(SignalPlan().cycle_s)):
        plan = SignalPlan(float(offset))
        if second.ready(plan, begin_s) and second.ready(plan, begin_s + 1.0):
            return plan
    return SignalPlan()


def play(seed: int, *, measure: bool = False) -> Simulation:
    """The crossing in dense traffic with all scripted conflicts one after the other."""
    return Simulation(
        seed=seed,
        scenes=scenes(seed),
        demand=DEMAND,
        plan=plan_for(seed),
        first_scene_s=WARM_S + 1.0,
        measure=measure,
    )
