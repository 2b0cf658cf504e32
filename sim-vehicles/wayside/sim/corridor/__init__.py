"""The pilot corridor: three signalised crossings of Tongyan Road, traffic by SUMO in a process of its own.

`CorridorSimulation` is a `SimulatedRoad`; `single` and `play` make runs of it. See docs/simulation.md.
"""

from __future__ import annotations

from wayside.sim.corridor._frames import TrafficError, TrafficReason
from wayside.sim.corridor._maps import csae_maps, j2735_maps
from wayside.sim.corridor._places import JUNCTIONS, PLANE
from wayside.sim.corridor._runs import WARM_S, play, single, usual_duration_s
from wayside.sim.corridor._scenes import CorridorScenario
from wayside.sim.corridor._sensors import corridor_sensors
from wayside.sim.corridor._simulation import CorridorDemand, CorridorSimulation

__all__ = [
    "JUNCTIONS",
    "PLANE",
    "WARM_S",
    "CorridorDemand",
    "CorridorScenario",
    "CorridorSimulation",
    "TrafficError",
    "TrafficReason",
    "corridor_sensors",
    "csae_maps",
    "j2735_maps",
    "play",
    "single",
    "usual_duration_s",
]
