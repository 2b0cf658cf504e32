from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from wayside.asn1.messages import (
    Acceleration,
    ObjectKind,
    ObjectSource,
    PerceivedObject,
    PerceivedObjects,
    Position,
    Size,
)
from wayside.geo import heading_from_yaw
from wayside.mec.downlink._numbers import Numbers
from wayside.mec.downlink._reasons import DownlinkReason
from wayside.mec.downlink._rules import DownlinkRules
from wayside.mec.sensors import ParticipantClass
from wayside.mec.world import TrackView, World
from wayside.observe import Counters

_KINDS = {
    ParticipantClass.UNKNOWN: ObjectKind.UNKNOWN,
    ParticipantClass.CAR: ObjectKind.VEHICLE,
    ParticipantClass.TRUCK: ObjectKind.VEHICLE,
    ParticipantClass.BUS: ObjectKind.VEHICLE,
    ParticipantClass.MOTORCYCLE: ObjectKind.VEHICLE,
    ParticipantClass.BICYCLE: ObjectKind.NON_MOTOR,
    ParticipantClass.PEDESTRIAN: ObjectKind.PEDESTRIAN,
}
_FASTEST_MPS = 8190 * 0.02
_V2X = "v2x"


class ObjectComposer:
    """Perceived objects of a world as messages of at most `objects_each` objects, nearest first.

    State: the number 1..255 of each object, kept while it is seen (T/CSAE 159: unique within the unit), and
    the held heading of each slow one. sensor_sources: what each sensor is.
    """

    def __init__(
        self,
        reference: Position,
        source_id: bytes,
        counters: Counters,
        rules: DownlinkRules,
        sensor_sources: Mapping[str, ObjectSource],
    ) -> None:
        self._reference = reference
        self._source_id = source_id
        self._counters = counters
        self._rules = rules
        self._sources = sensor_sources
        self._numbers = Numbers(1, 255)
        self._held: dict[int, float] = {}

    def compose(self, world: World) -> tuple[list[PerceivedObjects], str]:
        """Messages of this moment without their counts, and the trace id of the newest input in them."""
        views = self._chosen(world)
        numbers = self._numbers.number([view.track_id for view in views], world.mono)
        numbered = [view for view in views if view.track_id in numbers]
        if len(numbered) < len(views):
            self._counters.drop(DownlinkReason.TOO_MANY, len(views) - len(numbered))
        objects = [self._object(world, view, numbers[view.track_id]) for view in numbered]
        present = {view.track_id for view in numbered}
        self._held = {track: yaw for track, yaw in self._held.items() if track in present}
        each = self._rules.objects_each
        messages = [
            PerceivedObjects(
                self._source_id, 0, self._reference, tuple(objects[i : i + each]), utc_ns=world.now
            )
            for i in range(0, len(objects), each)
        ]
        newest = max(numbered, key=lambda view: view.arrived, default=None)
        return messages, newest.trace_id if newest is not None else ""

    def _chosen(self, world: World) -> list[TrackView]:
        rules = self._rules
        views: list[TrackView] = []
        lacking = 0
        x0, y0 = world.plane.to_xy(self._reference.lat_deg, self._reference.lon_deg)
        away = np.hypot(world.tracks.xy_m[:, 0] - x0, world.tracks.xy_m[:, 1] - y0)
        order = np.argsort(away, kind="stable")
        for row in order:
            view = world.tracks.views[row]
            if view.existence < rules.min_existence or view.unseen_s > rules.max_unseen_s:
                continue
            values = (view.x_m, view.y_m, view.speed_mps, view.yaw_rad, view.length_m, view.width_m)
            if not all(map(math.isfinite, values)) or not 0.0 <= view.speed_mps <= _FASTEST_MPS:
                lacking += 1
                continue
            if away[row] <= rules.reach_m:
                views.append(view)
        if lacking:
            self._counters.drop(DownlinkReason.MINIMUM_FIELDS, lacking)
        if len(views) > rules.max_objects:
            self._counters.drop(DownlinkReason.TOO_MANY, len(views) - rules.max_objects)
        return views[: rules.max_objects]

    def _object(self, world: World, view: TrackView, number: int) -> PerceivedObject:
        lat, lon = world.plane.to_lat_lon(view.x_m, view.y_m)
        yaw_rate = view.yaw_rate_rps
        return PerceivedObject(
            object_id=number,
            kind=_KINDS[view.kind],
            position=Position(lat, lon),
            utc_ns=world.now,
            source=self._source(view),
            speed_mps=view.speed_mps,
            heading_deg=heading_from_yaw(self._yaw(view)),
            accuracy_m=view.accuracy_m,
            acceleration=Acceleration(
                long_mps2=view.accel_mps2,
                yaw_rate_dps=None if yaw_rate is None else -math.degrees(yaw_rate),
            ),
            size=Size(view.width_m, view.length_m),
            kind_confidence=min(max(view.existence, 0.0), 1.0),
            vehicle_id=view.vehicle_id or None,
        )

    def _source(self, view: TrackView) -> ObjectSource:
        if len(view.sources) > 1:
            return ObjectSource.FUSED
        if not view.sources:
            return ObjectSource.UNKNOWN
        (sensor,) = view.sources
        return ObjectSource.V2X if sensor == _V2X else self._sources.get(sensor, ObjectSource.UNKNOWN)

    def _yaw(self, view: TrackView) -> float:
        held = self._held.get(view.track_id)
        if view.speed_mps > self._rules.release_mps or (
            held is None and view.speed_mps > self._rules.latch_mps
        ):
            self._held.pop(view.track_id, None)
            return view.yaw_rad
        return self._held.setdefault(view.track_id, view.yaw_rad)
