from __future__ import annotations

from wayside.geo import heading_from_yaw
from wayside.link import Party
from wayside.mec.apps._encounters import Encounter, Side
from wayside.mec.apps._kinematics import CANNOT_STOP, needed_deceleration, reaction_of
from wayside.mec.world import TrackView, World

_BRAKES_MPS2 = -1.0


def brakes(view: TrackView) -> bool:
    """Whether a driver brakes already."""
    return view.accel_mps2 <= _BRAKES_MPS2


def needed_by(side: Side, reaction_s: float, slow_mps: float, slow_reaction_s: float) -> float:
    """Braking, m/s², that keeps a vehicle out of the other's way; CANNOT_STOP for one who is in it already.

    Who speeds up needs the whole reaction time at any speed, and goes on speeding up until then.
    """
    view = side.view
    if side.way_m <= 0.0:
        return CANNOT_STOP
    if view.accel_mps2 <= 0.0:
        reaction_s = reaction_of(view.speed_mps, view.accel_mps2, reaction_s, slow_mps, slow_reaction_s)
    return needed_deceleration(view.speed_mps, view.accel_mps2, side.way_m, reaction_s)


def frames_of(encounter: Encounter) -> tuple[TrackView, TrackView]:
    """Track whose inputs confirm an encounter, and track whose input decided.

    Where one of the two is only perceived, it is that one that has to be confirmed.
    """
    a, b = encounter.a.view, encounter.b.view
    later = max(a, b, key=lambda view: view.arrived)
    perceived = [view for view in (a, b) if not view.session]
    return (perceived[0] if len(perceived) == 1 else later), later


def party_of(world: World, view: TrackView) -> Party:
    """A vehicle as a participant of a danger."""
    lat, lon = world.plane.to_lat_lon(view.x_m, view.y_m)
    return Party(view.kind.value, lat, lon, view.speed_mps, heading_from_yaw(view.yaw_rad), view.track_id)


def evidence_of(name: str, side: Side, needed_mps2: float) -> dict[str, float | int | str | bool]:
    """Values of one vehicle of an encounter, under a name of its own."""
    view = side.view
    return {
        f"{name}_track": view.track_id,
        f"{name}_movement": str(side.movement.key)[:64],
        f"{name}_distance_m": round(side.way_m, 1),
        f"{name}_speed_mps": round(view.speed_mps, 2),
        f"{name}_acceleration_mps2": round(view.accel_mps2, 2),
        f"{name}_accuracy_m": round(view.accuracy_m, 2),
        f"{name}_needed_decel_mps2": round(min(needed_mps2, 99.0), 2),
    }
