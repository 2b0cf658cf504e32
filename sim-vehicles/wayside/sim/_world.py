from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from wayside.asn1.messages import BasicSafety, IntersectionId
from wayside.clock import UtcNs
from wayside.geo import LocalPlane
from wayside.link import Warning
from wayside.mec.sensors import ParticipantClass
from wayside.sim._conflicts import PairMeasure
from wayside.sim._participants import Dimensions
from wayside.sim._plan import SignalPlan
from wayside.sim._sensors import Look, SimulatedSensor
from wayside.sim._shapes import Box
from wayside.sim._travel import Travel


class RoadUser(Protocol):
    """Anybody on a simulated road. speed_mps: along its own direction, never negative."""

    @property
    def id(self) -> int:
        """Number within the run; never used twice."""

    @property
    def kind(self) -> ParticipantClass:
        """What it is."""

    @property
    def size(self) -> Dimensions:
        """Outer size."""

    @property
    def speed_mps(self) -> float:
        """Speed now."""

    @property
    def accel_mps2(self) -> float:
        """Acceleration now."""

    def box(self) -> Box:
        """Footprint now, on the road's plane."""


class RoadVehicle(RoadUser, Protocol):
    """A motor vehicle on a simulated road."""

    @property
    def session(self) -> str:
        """Identity on the vehicle link, "" when it has none."""


class PlayedScene(NamedTuple):
    """A scripted conflict that has begun. hazards: ids of those whom nobody expects, as they come up."""

    name: str
    began_s: float
    hazards: frozenset[int]


class SimulatedRoad(Protocol):
    """What a run needs of a simulated road with one or several signalised intersections.

    Time begins at 0 and goes on only by `advance`. The same arguments and the same warnings give the same
    run. Positions are metres on `plane`, on which the sensors report too.
    """

    @property
    def plane(self) -> LocalPlane:
        """The local plane; its origin is the origin of the site."""

    @property
    def step_s(self) -> float:
        """Length of one step."""

    @property
    def now_s(self) -> float:
        """Simulation time."""

    @property
    def plans(self) -> Mapping[IntersectionId, SignalPlan]:
        """The signal plan of each intersection, by the intersection's number in the MAP."""

    @property
    def sensors(self) -> Sequence[SimulatedSensor]:
        """All roadside sensors."""

    @property
    def vehicles(self) -> Mapping[int, RoadVehicle]:
        """Motor vehicles on the road now, by id."""

    @property
    def scene_name(self) -> str:
        """The scripted conflict under way (the latest to begin), "" for none."""

    @property
    def scenes_played(self) -> Sequence[PlayedScene]:
        """Scripted conflicts that have begun, in order."""

    def advance(self) -> list[Look]:
        """One step; returns what the sensors saw that looked in it."""

    def everyone(self) -> Sequence[RoadUser]:
        """All road users, by id."""

    def connected(self) -> Mapping[str, RoadVehicle]:
        """Vehicles on the link now, by their session."""

    def basic_safety(self, vehicle: RoadVehicle, utc: UtcNs, msg_count: int) -> BasicSafety:
        """What a vehicle says of itself, with the error of its satellite receiver."""

    def warn(self, session: str, key: int, warning: Warning, ttl_s: float) -> bool:
        """Show a warning to a driver; False when the vehicle has left. ttl_s: what is left of its life."""

    def cancel(self, session: str, key: int) -> None:
        """Take a warning back."""

    def pairs(self) -> list[PairMeasure]:
        """All measured pairs, without those that a script leads past each other."""

    def travel(self) -> Travel:
        """What driving cost so far."""

    def close(self) -> None:
        """End what the road has started."""
