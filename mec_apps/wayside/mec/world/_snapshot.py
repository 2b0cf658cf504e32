from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from wayside.asn1.geometry import LaneKey, RoadGeometry
from wayside.asn1.messages import Maneuver, RoadEvent
from wayside.clock import MonoNs, UtcNs
from wayside.geo import LocalPlane
from wayside.mec.fusion import EmergencyVehicle
from wayside.mec.sensors import ParticipantClass
from wayside.mec.signals import SignalTable
from wayside.mec.world._signs import StandingSign

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class TrackView(NamedTuple):
    """One track of a snapshot, predicted to its instant.

    session: link session of the vehicle that this track was joined with, or "". accuracy_m: one sigma of
    the position; for a vehicle that speaks the accuracy that it reports, inf where it reports none. age_s:
    since birth. unseen_s: since the last detection or BSM. lane, along_m, across_m: match to a lane, None
    when on none. trace_id, arrived, ingested, fused: of the input that last updated the track. born_arrived:
    arrival of the first detection. sources: sensor ids that support it, "v2x" among them for a BSM.
    yaw_rate_rps: counter-clockwise, None where nothing measures it. turn: manoeuvre that the vehicle
    signals, None unknown. flags: names of the set bits of the BSM's event flags. velocity_std_mps: one sigma
    of each component of the velocity as the sensors give it, 0 for a vehicle that tells its own. emergency:
    what it says of itself as an emergency vehicle, None where it is none.
    """

    track_id: int
    kind: ParticipantClass
    x_m: float
    y_m: float
    vx_mps: float
    vy_mps: float
    yaw_rad: float
    speed_mps: float
    accel_mps2: float
    length_m: float
    width_m: float
    accuracy_m: float
    existence: float
    age_s: float
    unseen_s: float
    lane: LaneKey | None
    along_m: float
    across_m: float
    session: str
    vehicle_id: bytes
    trace_id: str
    arrived: MonoNs
    ingested: MonoNs
    fused: MonoNs
    born_arrived: MonoNs
    sources: tuple[str, ...]
    yaw_rate_rps: float | None = None
    turn: Maneuver | None = None
    flags: tuple[str, ...] = ()
    velocity_std_mps: float = 0.0
    emergency: EmergencyVehicle | None = None


class TrackTable(msgspec.Struct, frozen=True):
    """Tracks as columns, one row each, all of the same length n.

    xy_m, v_mps: shape (n, 2); the others shape (n,) or lists of n. `views` holds the rows.
    """

    track_id: Ints
    xy_m: Floats
    v_mps: Floats
    yaw_rad: Floats
    length_m: Floats
    width_m: Floats
    existence: Floats
    views: tuple[TrackView, ...]

    @classmethod
    def of(cls, views: list[TrackView]) -> TrackTable:
        """Columns of a list of rows."""
        return cls(
            track_id=np.array([v.track_id for v in views], dtype=np.int64),
            xy_m=np.array([(v.x_m, v.y_m) for v in views], dtype=np.float64).reshape(-1, 2),
            v_mps=np.array([(v.vx_mps, v.vy_mps) for v in views], dtype=np.float64).reshape(-1, 2),
            yaw_rad=np.array([v.yaw_rad for v in views], dtype=np.float64),
            length_m=np.array([v.length_m for v in views], dtype=np.float64),
            width_m=np.array([v.width_m for v in views], dtype=np.float64),
            existence=np.array([v.existence for v in views], dtype=np.float64),
            views=tuple(views),
        )

    def __len__(self) -> int:
        return len(self.views)

    def __iter__(self) -> Iterator[TrackView]:
        return iter(self.views)


class ReportedHazard(NamedTuple):
    """A road event that an RSU or the cloud reported (TIM, RSI), still valid.

    origin: device it came from. own: whether its content is our own output come back, which is never a
    measurement.
    """

    subject: str
    origin: str
    event: RoadEvent
    heard: MonoNs
    trace_id: str
    own: bool = False


class World(msgspec.Struct, frozen=True):
    """Snapshot of one step; nothing in it changes afterwards.

    now, mono: its instant. degraded: the error of this host's UTC is beyond what UTC-stamped messages allow.
    signs: those that are valid.
    """

    now: UtcNs
    mono: MonoNs
    plane: LocalPlane
    geometry: RoadGeometry
    tracks: TrackTable
    signals: SignalTable
    hazards: tuple[ReportedHazard, ...] = ()
    degraded: bool = False
    signs: tuple[StandingSign, ...] = ()
