"""The pilot corridor: three signalised crossings of Tongyan Road, traffic by SUMO in a process of its own.

`CorridorSimulation` is a `SimulatedRoad`; `single` makes runs of it, `scenes` is what the demo plays. See
docs/simulation.md.
"""

from __future__ import annotations

from wayside.sim.corridor._frames import TrafficError, TrafficReason
from wayside.sim.corridor._maps import csae_maps, j2735_maps
from wayside.sim.corridor._places import JUNCTIONS, PLANE
from wayside.sim.corridor._runs import PLAY_DEMAND, WARM_S, scenes, single, usual_duration_s
from wayside.sim.corridor._scene import CorridorScenario
from wayside.sim.corridor._scenes import begin_for
from wayside.sim.corridor._sensors import corridor_sensors
from wayside.sim.corridor._simulation import CorridorDemand, CorridorSimulation

__all__ = [
    "JUNCTIONS",
    "PLANE",
    "PLAY_DEMAND",
    "WARM_S",
    "CorridorDemand",
    "CorridorScenario",
    "CorridorSimulation",
    "TrafficError",
    "TrafficReason",
    "begin_for",
    "corridor_sensors",
    "csae_maps",
    "j2735_maps",
    "scenes",
    "single",
    "usual_duration_s",
]
