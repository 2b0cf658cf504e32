"""The world model: inputs in, snapshots out, the same for the same inputs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from wayside.asn1.geometry import RoadGeometry
from wayside.asn1.messages import (
    BasicSafety,
    Direction,
    EllipseAccuracy,
    IntersectionId,
    LaneKind,
    Light,
    Position,
    RoadEvent,
    RoadEvents,
    SignalEvent,
    SignalGroup,
    SignalIntersection,
    SignalStates,
    Size,
)
from wayside.clock import UtcNs, VirtualClock
from wayside.geo import heading_from_yaw
from wayside.mec.sensors import Detection, ParticipantClass, Scan, SensorHealth
from wayside.mec.site import Site, load_site
from wayside.mec.world import SignalKey, World, WorldModel, WorldReason
from wayside.mec.world._hazards import HOLD_S, MAX_HAZARDS
from wayside.observe import Counters

MAPS = Path(__file__).parents[3] / "deploy" / "demo" / "maps"
TEXT = f"""\
version: 1
id: haihe-test
name: Haihe
origin: {{lat: 38.9811, lon: 117.3518}}
maps:
  - {{file: {MAPS / "haihe-j2735-2024.hex"}, dialect: j2735-2024}}
sensors:
  - {{id: cam, kind: camera, lat: 38.9811, lon: 117.3518, rate_hz: 10, expected_delay_ms: 50, range_m: 300}}
signals:
  - {{intersection: 12-11201, source: spat}}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    path = tmp_path_factory.mktemp("site") / "site.yaml"
    path.write_text(TEXT, "utf-8")
    return load_site(path)


class Rig:
    def __init__(self, site: Site) -> None:
        self.clock = VirtualClock()
        self.counters = Counters()
        self.plane = site.plane()
        self.geometry = RoadGeometry.from_map(site.road_map, self.plane)
        self.world = WorldModel(site, self.plane, self.geometry, self.clock, self.counters)
        self.seq = 0

    def scan(self, *detections: Detection) -> None:
        self.seq += 1
        now = self.clock.mono()
        measured = UtcNs(self.clock.utc() - 50_000_000)
        self.world.on_scan(Scan("cam", self.seq, measured, now, now, f"t{self.seq}", detections))

    def bsm(self, session: str, x: float, y: float, speed: float, yaw: float) -> Any:
        lat, lon = self.plane.to_lat_lon(x, y)
        message = BasicSafety(
            b"abcd",
            0,
            Position(lat, lon),
            utc_ns=self.clock.utc(),
            accuracy=EllipseAccuracy(0.8, 0.8),
            speed_mps=speed,
            heading_deg=heading_from_yaw(yaw),
            size=Size(1.8, 4.6),
        )
        return self.world.on_basic_safety(session, message, arrived=self.clock.mono(), trace_id="b")

    def event(self, *, number: int = 1, own: bool = False, **more: Any) -> bool:
        values: dict[str, Any] = {"code": 401, "position": Position(38.9811, 117.3518), **more}
        message = RoadEvents(b"\x0a\x0b", 0, None, (RoadEvent(number, **values),))
        return self.world.on_road_events(
            message, device="rsu-1", arrived=self.clock.mono(), trace_id="e", own=own
        )

    def spat(self) -> None:
        told = SignalIntersection(
            IntersectionId(11201, 12),
            (SignalGroup(2, SignalEvent(Light.PROTECTED_GREEN)),),
            utc_ns=self.clock.utc(),
        )
        self.world.on_signal_states(SignalStates((told,)), device="rsu-1", arrived=self.clock.mono())


def ingress(rig: Rig) -> Any:
    lanes = rig.geometry.lanes.values()
    return next(i for i in lanes if i.direction is Direction.INGRESS and i.kind is LaneKind.VEHICLE)


def test_a_vehicle_is_placed_on_its_lane_and_a_pedestrian_on_the_crossing(site: Site) -> None:
    rig = Rig(site)
    lane = ingress(rig)
    crossing = next(i for i in rig.geometry.lanes.values() if i.kind is LaneKind.CROSSWALK)
    walk_x, walk_y = crossing.polyline.point_at(crossing.polyline.length_m / 2)
    for k in range(20):
        along = lane.polyline.length_m - 60.0 + 10.0 * 0.1 * k
        x, y = lane.polyline.point_at(along)
        rig.scan(
            Detection(x, y, ParticipantClass.CAR, std_m=(0.3, 0.3)),
            Detection(walk_x, walk_y, ParticipantClass.PEDESTRIAN, std_m=(0.2, 0.2)),
        )
        rig.bsm("s1", x, y, 10.0, lane.polyline.yaw_at(along))
        rig.clock.advance(0.1)
    views = {view.kind: view for view in rig.world.snapshot().tracks}
    car, walker = views[ParticipantClass.CAR], views[ParticipantClass.PEDESTRIAN]
    assert len(views) == 2
    assert (car.lane, car.session, car.sources) == (lane.key, "s1", ("cam", "v2x"))
    assert car.along_m == pytest.approx(lane.polyline.length_m - 60.0 + 20.0, abs=1.0)
    assert abs(car.across_m) < 0.5
    assert walker.lane == crossing.key
    table = rig.world.snapshot().tracks
    assert table.xy_m.shape == (2, 2) and len(table) == 2


def test_far_from_any_lane_there_is_none(site: Site) -> None:
    rig = Rig(site)
    rig.bsm("s1", 900.0, 900.0, 10.0, 0.0)
    (view,) = rig.world.snapshot().tracks
    assert (view.lane, view.along_m) == (None, 0.0)


def test_the_same_inputs_give_the_same_worlds(site: Site) -> None:
    def play() -> list[World]:
        rig, worlds = Rig(site), []
        for k in range(15):
            rig.scan(Detection(1.0 * k, 2.0, ParticipantClass.CAR))
            rig.bsm("s1", 1.0 * k, 2.2, 10.0, 0.0)
            rig.spat()
            rig.event()
            worlds.append(rig.world.snapshot())
            rig.clock.advance(0.1)
        return worlds

    for one, other in zip(play(), play(), strict=True):
        assert one.tracks.views == other.tracks.views
        assert one.signals.items() == other.signals.items()
        assert one.hazards == other.hazards


def test_an_empty_world_is_a_world(site: Site) -> None:
    world = Rig(site).world.snapshot()
    assert (len(world.tracks), world.hazards, world.signals.items(), world.degraded) == (0, (), [], False)
    assert world.tracks.xy_m.shape == (0, 2)


def test_signals_and_sensor_health_are_in_it(site: Site) -> None:
    rig = Rig(site)
    rig.spat()
    rig.scan()
    key = SignalKey("12-11201", 2)
    state = rig.world.snapshot().signals.get(key)
    assert state is not None and state.light is Light.PROTECTED_GREEN
    assert [s.health for s in rig.world.health()] == [SensorHealth.OK]
    rig.clock.advance(0.6)
    assert rig.world.snapshot().signals.stale == {key}
    assert [s.health for s in rig.world.health()] == [SensorHealth.SILENT]
    rig.world.on_tscbm(b"", arrived=rig.clock.mono(), address="127.0.0.1")
    assert rig.counters.drops() == {"signals": {"unknown_controller": 1}}


def test_a_session_that_went_down_is_not_named(site: Site) -> None:
    rig = Rig(site)
    rig.bsm("s1", 0.0, 0.0, 1.0, 0.0)
    rig.world.on_session("s1", False)
    assert [view.session for view in rig.world.snapshot().tracks] == [""]


def test_a_doubted_clock_degrades_the_world(site: Site) -> None:
    rig = Rig(site)
    rig.world.clock_error_ms = 151.0
    assert rig.world.snapshot().degraded


def test_a_hazard_lives_from_its_start_to_its_end(site: Site) -> None:
    rig = Rig(site)
    now = rig.clock.utc()
    assert rig.event(start_utc_ns=now + 1_000_000_000, end_utc_ns=now + 3_000_000_000)
    assert rig.world.snapshot().hazards == ()
    rig.clock.advance(1.0)
    (hazard,) = rig.world.snapshot().hazards
    assert (hazard.subject, hazard.origin, hazard.own) == ("0a0b/1", "rsu-1", False)
    rig.clock.advance(2.0)
    assert rig.world.snapshot().hazards == ()


def test_an_open_hazard_stays_while_it_is_repeated(site: Site) -> None:
    rig = Rig(site)
    changed = []
    for _ in range(4):
        changed.append(rig.event())
        rig.clock.advance(HOLD_S - 1.0)
        assert len(rig.world.snapshot().hazards) == 1
    assert changed == [True, False, False, False]
    rig.clock.advance(2.0)
    assert rig.world.snapshot().hazards == ()


@pytest.mark.drops(WorldReason.HAZARD_ENDED)
def test_an_end_withdraws_and_an_ended_one_never_enters(site: Site) -> None:
    rig = Rig(site)
    rig.event()
    assert rig.event(end_utc_ns=rig.clock.utc())
    assert rig.world.snapshot().hazards == ()
    assert not rig.event(end_utc_ns=rig.clock.utc())
    assert rig.counters.dropped(WorldReason.HAZARD_ENDED) == 1


@pytest.mark.drops(WorldReason.HAZARD_UNPLACED)
@pytest.mark.parametrize("position", [None, Position(math.nan, 117.0)])
def test_a_hazard_without_a_place_is_refused(site: Site, position: Position | None) -> None:
    rig = Rig(site)
    assert not rig.event(position=position)
    assert rig.counters.dropped(WorldReason.HAZARD_UNPLACED) == 1


@pytest.mark.drops(WorldReason.HAZARDS_FULL)
def test_hazards_are_bounded(site: Site) -> None:
    rig = Rig(site)
    for number in range(MAX_HAZARDS + 7):
        rig.event(number=number)
    assert len(rig.world.snapshot().hazards) == MAX_HAZARDS
    assert rig.counters.dropped(WorldReason.HAZARDS_FULL) == 7


def test_our_own_output_stays_known_as_such(site: Site) -> None:
    rig = Rig(site)
    rig.event(own=True)
    rig.event()
    assert [hazard.own for hazard in rig.world.snapshot().hazards] == [True]


def test_what_has_been_silent_gives_its_place_to_what_is_new(site: Site) -> None:
    rig = Rig(site)
    end = rig.clock.utc() + 3_600_000_000_000
    for number in range(MAX_HAZARDS):
        rig.event(number=number, end_utc_ns=end)
    rig.clock.advance(HOLD_S + 1.0)
    rig.event(number=1, end_utc_ns=end)
    assert rig.event(number=MAX_HAZARDS, end_utc_ns=end)
    kept = {hazard.event.event_id for hazard in rig.world.snapshot().hazards}
    assert len(kept) == MAX_HAZARDS and {1, MAX_HAZARDS} <= kept and 0 not in kept


def test_events_of_sources_without_an_identity_do_not_replace_one_another(site: Site) -> None:
    rig = Rig(site)
    here = [Position(38.9811, 117.3518), Position(38.9821, 117.3518)]
    for position in (*here, *here):
        message = RoadEvents(b"", 0, None, (RoadEvent(0, itis=(1025,), position=position),))
        rig.world.on_road_events(message, device="rsu-1", arrived=rig.clock.mono(), trace_id="e")
    assert {hazard.event.position for hazard in rig.world.snapshot().hazards} == set(here)


def test_while_the_clock_is_doubted_hazards_live_by_their_repetition(site: Site) -> None:
    rig = Rig(site)
    rig.world.clock_error_ms = 3_600_000.0
    rig.event(number=1, end_utc_ns=rig.clock.utc() - 1)
    rig.event(number=2, start_utc_ns=rig.clock.utc() + 1_000_000_000)
    assert len(rig.world.snapshot().hazards) == 2
    rig.clock.advance(HOLD_S + 1.0)
    assert rig.world.snapshot().hazards == ()
