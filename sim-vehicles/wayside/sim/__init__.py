"""Simulation of everything outside the edge: a crossing, its traffic, sensors, signals, drivers and vehicles.

`run_lockstep` drives it with the edge's core on a virtual clock; `python -m wayside.sim.demo` in real time
over sockets. See docs/simulation.md. Names are imported when they are used: the lockstep runner needs the
edge, the road does not.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wayside.sim._conflicts import ConflictMeter, Motion, PairMeasure, time_to_collision
    from wayside.sim._crossing import Crossing, Route, RouteKey, Turn
    from wayside.sim._driver import Driver, Heard, Reactions
    from wayside.sim._lockstep import FalseWarning, LockstepResult, compare, comparison_of, run_lockstep
    from wayside.sim._plan import SignalPlan
    from wayside.sim._road_map import csae_map, j2735_map
    from wayside.sim._roads import CLEAN, ROADS, Road, road_of
    from wayside.sim._scenes import SCENES, Scenario, Scene
    from wayside.sim._sensors import Look, SensorSpec, SimulatedSensor, sensor_set
    from wayside.sim._simulation import Simulation, single
    from wayside.sim._traffic import Demand, Traffic
    from wayside.sim._travel import Travel
    from wayside.sim._tscbm import tscbm
    from wayside.sim._world import PlayedScene, RoadUser, RoadVehicle, SimulatedRoad

_WHERE = {
    "_conflicts": ("ConflictMeter", "Motion", "PairMeasure", "time_to_collision"),
    "_crossing": ("Crossing", "Route", "RouteKey", "Turn"),
    "_driver": ("Driver", "Heard", "Reactions"),
    "_lockstep": ("FalseWarning", "LockstepResult", "compare", "comparison_of", "run_lockstep"),
    "_plan": ("SignalPlan",),
    "_road_map": ("csae_map", "j2735_map"),
    "_roads": ("CLEAN", "ROADS", "Road", "road_of"),
    "_scenes": ("SCENES", "Scenario", "Scene"),
    "_sensors": ("Look", "SensorSpec", "SimulatedSensor", "sensor_set"),
    "_simulation": ("Simulation", "single"),
    "_traffic": ("Demand", "Traffic"),
    "_tscbm": ("tscbm",),
    "_travel": ("Travel",),
    "_world": ("PlayedScene", "RoadUser", "RoadVehicle", "SimulatedRoad"),
}
_MODULE_OF = {name: module for module, names in _WHERE.items() for name in names}

__all__ = [
    "CLEAN",
    "ROADS",
    "SCENES",
    "ConflictMeter",
    "Crossing",
    "Demand",
    "Driver",
    "FalseWarning",
    "Heard",
    "LockstepResult",
    "Look",
    "Motion",
    "PairMeasure",
    "PlayedScene",
    "Reactions",
    "Road",
    "RoadUser",
    "RoadVehicle",
    "Route",
    "RouteKey",
    "Scenario",
    "Scene",
    "SensorSpec",
    "SignalPlan",
    "SimulatedRoad",
    "SimulatedSensor",
    "Simulation",
    "Traffic",
    "Travel",
    "Turn",
    "compare",
    "comparison_of",
    "csae_map",
    "j2735_map",
    "road_of",
    "run_lockstep",
    "sensor_set",
    "single",
    "time_to_collision",
    "tscbm",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
