from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wayside.asn1.geometry import RoadGeometry
from wayside.asn1.messages import LaneKind, Maneuver
from wayside.mec.apps._red import GREEN
from wayside.mec.apps._ways import OnWay, signal_key
from wayside.mec.sensors import ParticipantClass
from wayside.mec.world import TrackView, World

_BEFORE_M = 3.0
_BESIDE_M = 1.0
_CROSSWALK_M = 9.0


class Kerbs:
    """Both ends of a site's crosswalks, where those on foot wait."""

    def __init__(self, geometry: RoadGeometry) -> None:
        rows = []
        for lane in geometry.lanes.values():
            if lane.kind is LaneKind.CROSSWALK:
                points = lane.polyline.points
                for end, inner in ((points[0], points[1]), (points[-1], points[-2])):
                    into = (inner - end) / max(float(np.hypot(*(inner - end))), 1e-9)
                    rows.append((*end, *into, lane.width_m / 2.0))
        # Shape (5, ends): x, y, direction onto the crosswalk as two components, half its width.
        self._ends: NDArray[np.float64] = np.array(rows).reshape(-1, 5).T

    def waits(self, world: World, user: TrackView, on: OnWay, beyond_m: float, onto_m: float) -> bool:
        """Whether somebody on foot is at a kerb, at most `onto_m` onto the crosswalk, while the vehicle has a
        green light to go straight on, or to pass the crosswalk at its own line: then those on foot have red.

        beyond_m: from the vehicle's stop line to the meeting, negative before it."""
        movement = on.way.movement
        if user.kind is not ParticipantClass.PEDESTRIAN or movement is None:
            return False
        crossed = movement.maneuver is Maneuver.STRAIGHT or beyond_m <= _CROSSWALK_M
        key = signal_key(movement) if crossed else None
        state = world.signals.get(key) if key is not None else None
        if state is None or state.light not in GREEN:
            return False
        x, y, ux, uy, half = self._ends
        dx, dy = user.x_m - x, user.y_m - y
        along, across = dx * ux + dy * uy, dy * ux - dx * uy
        at = (along >= -_BEFORE_M) & (along <= onto_m) & (np.abs(across) <= half + _BESIDE_M)
        return bool(at.any())
