from __future__ import annotations

import math
from typing import Any

import numpy as np

from wayside.asn1.geometry import VEHICLE, LaneKey, RoadGeometry
from wayside.asn1.messages import BasicSafety, LaneKind, RoadEvents, SignalStates
from wayside.clock import Clock, MonoNs
from wayside.geo import LocalPlane
from wayside.mec.fusion import FusedTrack, Fusion, FusionReason
from wayside.mec.sensors import ParticipantClass, Scan, SensorStatus, SensorWatch
from wayside.mec.signals import SignalBoard
from wayside.mec.site import Site
from wayside.mec.world._hazards import HazardBook
from wayside.mec.world._roads import Roads
from wayside.mec.world._signs import SignBook, post_of
from wayside.mec.world._snapshot import TrackTable, TrackView, World
from wayside.observe import Counters

_FOOTWAYS = frozenset({LaneKind.CROSSWALK, LaneKind.SIDEWALK})
_CYCLEWAYS = frozenset({LaneKind.VEHICLE, LaneKind.BIKE})
_WAYS = {
    ParticipantClass.PEDESTRIAN: _FOOTWAYS,
    ParticipantClass.BICYCLE: _CYCLEWAYS,
}
_STANDING_MPS = 0.3


class WorldModel:
    """All that the edge knows of its site now: inputs go in as they come, snapshots come out.

    Synchronous, without input or output of its own; with the same inputs at the same instants of its clock
    it gives the same worlds. What it does not use is counted under the reason of the part that refused it.
    """

    def __init__(
        self, site: Site, plane: LocalPlane, geometry: RoadGeometry, clock: Clock, counters: Counters
    ) -> None:
        self.site = site
        self.plane = plane
        self.geometry = geometry
        self.clock_error_ms = 0.0
        self._clock = clock
        self._watch = SensorWatch(site.sensor_specs(), clock)
        self._fusion = Fusion(
            plane,
            site.sensor_views(),
            clock,
            counters,
            tracker=site.tracker_settings(),
            vehicles=site.vehicle_settings(),
        )
        self._signals = SignalBoard(site.signal_sources(), clock, counters)
        self._hazards = HazardBook(counters)
        self.signs = SignBook(Roads(geometry), counters)
        for sign in site.model.signs:
            self.signs.post(post_of(sign, geometry))

    def on_scan(self, scan: Scan) -> bool:
        """Take a scan of one of the site's sensors; False when it came too late to be used."""
        self._watch.on_scan(scan)
        return self._fusion.on_scan(scan)

    def on_basic_safety(
        self, session: str, message: BasicSafety, *, arrived: MonoNs, trace_id: str
    ) -> FusionReason | None:
        """Take a BSM of a session, or with "" one that a roadside unit heard; why it was refused, or None."""
        return self._fusion.on_basic_safety(session, message, arrived=arrived, trace_id=trace_id)

    def on_signal_states(self, message: SignalStates, *, device: str, arrived: MonoNs) -> bool:
        """Take a SPAT from a roadside unit; whether any of it was used."""
        return self._signals.on_signal_states(message, device=device, arrived=arrived)

    def on_tscbm(self, data: bytes | memoryview, *, arrived: MonoNs, address: str = "") -> bool:
        """Take a signal controller's datagram from a host; whether it was used."""
        return self._signals.on_tscbm(data, arrived=arrived, address=address)

    def on_road_events(
        self, message: RoadEvents, *, device: str, arrived: MonoNs, trace_id: str, own: bool = False
    ) -> bool:
        """Take a TIM or RSI; whether it changed anything. own: its content is our own output come back."""
        now, doubted = self._clock.utc(), self.degraded
        about: dict[str, Any] = {"device": device, "arrived": arrived, "trace_id": trace_id}
        hazards = self._hazards.hear(message, **about, own=own, now=now, doubted=doubted)
        signs = self.signs.hear(message, **about, own=own, now=now, doubted=doubted)
        return hazards or signs

    def on_session(self, session: str, up: bool) -> None:
        """A vehicle's session came up or went down."""
        self._fusion.on_session(session, up)

    def snapshot(self) -> World:
        """The world now."""
        # Before the clock is read: what a world rests on is older than its instant.
        self._fusion.settle()
        now, mono = self._clock.utc(), self._clock.mono()
        return World(
            now=now,
            mono=mono,
            plane=self.plane,
            geometry=self.geometry,
            tracks=TrackTable.of(self._placed(self._fusion.tracks(now))),
            signals=self._signals.table(mono),
            hazards=self._hazards.current(now, mono, doubted=self.degraded),
            degraded=self.degraded,
            signs=self.signs.current(now, mono, doubted=self.degraded),
        )

    @property
    def degraded(self) -> bool:
        """Whether the error of this host's UTC is beyond what UTC-stamped messages allow."""
        return self.clock_error_ms > self.site.model.clock.max_error_ms

    def health(self) -> tuple[SensorStatus, ...]:
        """How each sensor does, in the order of the site file."""
        return self._watch.states()

    def _placed(self, tracks: list[FusedTrack]) -> list[TrackView]:
        """Tracks with their lanes: people on foot on footways, bicycles on lanes and cycle ways."""
        n = len(tracks)
        order = self.geometry.order
        lane: list[LaneKey | None] = [None] * n
        along, across = [0.0] * n, [0.0] * n
        groups: dict[frozenset[LaneKind], list[int]] = {}
        for row, track in enumerate(tracks):
            groups.setdefault(_WAYS.get(track.kind, VEHICLE), []).append(row)
        for kinds, rows in groups.items():
            xy = np.array([(tracks[row].x_m, tracks[row].y_m) for row in rows])
            yaw = None if kinds is _FOOTWAYS else np.array([_direction(tracks[row]) for row in rows])
            found = self.geometry.match_many(xy, yaw, kinds)
            for row, on, place, off in zip(
                rows, found.lane.tolist(), found.along_m.tolist(), found.across_m.tolist(), strict=True
            ):
                if on >= 0:
                    lane[row], along[row], across[row] = order[on], place, off
        return [_view(track, lane[row], along[row], across[row]) for row, track in enumerate(tracks)]


def _view(t: FusedTrack, lane: LaneKey | None, along_m: float, across_m: float) -> TrackView:
    return TrackView(
        t.track_id,
        t.kind,
        t.x_m,
        t.y_m,
        t.vx_mps,
        t.vy_mps,
        t.yaw_rad,
        t.speed_mps,
        t.accel_mps2,
        t.length_m,
        t.width_m,
        t.accuracy_m,
        t.existence,
        t.age_s,
        t.unseen_s,
        lane,
        along_m,
        across_m,
        t.session,
        t.vehicle_id,
        t.trace_id,
        t.arrived,
        t.ingested,
        t.fused,
        t.born_arrived,
        t.sources,
        t.yaw_rate_rps,
        t.turn,
        t.flags,
        t.velocity_std_mps,
        t.emergency,
    )


def _direction(track: FusedTrack) -> float:
    """Yaw for the lane match; NaN where nothing but the noise of a standing track would give one."""
    known = track.speed_mps > _STANDING_MPS or track.session or track.vehicle_id
    return track.yaw_rad if known else math.nan
