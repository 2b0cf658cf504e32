from __future__ import annotations

import itertools
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayside.asn1 import load
from wayside.asn1.geometry import LaneKey
from wayside.asn1.messages import (
    Light,
    ObjectKind,
    ObjectSource,
    PerceivedObjects,
    Position,
    RoadEvents,
    SignalStates,
)
from wayside.asn1.translate import to_message
from wayside.clock import MonoNs, UtcNs
from wayside.link import Action, Severity, WarningKind
from wayside.mec.apps import Corridor, HazardReport, Trigger
from wayside.mec.dispatch import OpenEvent
from wayside.mec.downlink import Downlink, DownlinkReason, DownlinkRules, Downlinks, Numbers
from wayside.mec.sensors import ParticipantClass
from wayside.observe import Counters

CSAE, J2735 = "csae53-2020", "j2735-2024"
SOURCE = bytes.fromhex("3132333400000000")
EAST = LaneKey("1-7", 2)


class Bench:
    def __init__(self, scene: Any, *dialects: str, **rules: Any) -> None:
        self.scene = scene
        self.counters = Counters()
        self.downlinks = Downlinks(
            Position(scene.plane.lat_deg, scene.plane.lon_deg),
            dialects or (CSAE,),
            SOURCE,
            self.counters,
            Random(7),
            DownlinkRules(**rules),
            {"cam-1": ObjectSource.CAMERA},
        )

    def step(
        self, views: Any = (), lights: Any = None, events: Any = (), seconds: float = 0.1, **more: Any
    ) -> Any:
        self.scene.advance(seconds)
        return self.downlinks.step(self.scene.world(views, lights, **more), events)

    def read(self, downlink: Downlink) -> Any:
        value = load(downlink.dialect).decode(downlink.uper)
        return to_message(downlink.dialect, value, near=UtcNs(self.scene.now)).message


def event(scene: Any, **more: Any) -> OpenEvent:
    values: dict[str, Any] = {
        "app": "hlw",
        "kind": WarningKind.HAZARDOUS_LOCATION,
        "subject": "hlw/9",
        "severity": Severity.ADVISE,
        "x_m": -60.0,
        "y_m": -5.25,
        "action": Action.SLOW_DOWN,
        "trigger": Trigger("cd" * 8, MonoNs(1), MonoNs(1), MonoNs(1)),
        "ttl_ms": 3000,
        "corridors": (Corridor(EAST, 140.0, 120.0), Corridor(EAST, 0.2, 50.0)),
        "evidence": {"existence": 0.9},
        "code": 412,
        "to_rsu": True,
        "radius_m": 2.5,
    }
    number = more.pop("number", 0)
    return OpenEvent(f"ev-{number}", f"hlw/{number}", UtcNs(scene.now), HazardReport(**(values | more)))


def test_objects_of_a_world(scene: Any, place: Any) -> None:
    bench = Bench(scene)
    views = [
        scene.car(1, 0, -100.0, 12.5, vehicle_id=b"\x01\x02\x03\x04\x05\x06\x07\x08"),
        scene.walker(2, place(0, -16.0, 3.0), (0.0, 1.5)),
        scene.car(3, 1, -30.0, 5.0, session="", sources=("cam-1", "radar-1")),
    ]
    (downlink,) = bench.step(views)
    assert downlink.message_name == "RSM" and downlink.dialect == CSAE
    assert (downlink.ttl_ms, downlink.priority) == (200, 208)
    assert downlink.trace_id in {view.trace_id for view in views}
    message = bench.read(downlink)
    assert isinstance(message, PerceivedObjects)
    walker, crossing, car = message.objects  # nearest to the reference first
    assert walker.kind is ObjectKind.PEDESTRIAN and walker.source is ObjectSource.CAMERA
    assert crossing.source is ObjectSource.FUSED
    assert car.vehicle_id == b"\x01\x02\x03\x04\x05\x06\x07\x08" and car.source is ObjectSource.V2X
    assert car.speed_mps == pytest.approx(12.5, abs=0.01)
    assert car.heading_deg == pytest.approx(90.0, abs=0.01)
    x, y = scene.plane.to_xy(car.position.lat_deg, car.position.lon_deg)
    assert (x, y) == pytest.approx((-100.0, -5.25), abs=0.02)
    assert len({o.object_id for o in message.objects}) == 3
    assert all(1 <= o.object_id <= 255 for o in message.objects)


def test_objects_in_both_dialects_and_over_several_messages(scene: Any) -> None:
    bench = Bench(scene, CSAE, J2735)
    views = [scene.car(i, i % 4, -25.0 - 6.0 * i, 5.0, i % 3) for i in range(1, 21)]
    out = bench.step(views)
    assert [(d.message_name, d.dialect) for d in out] == [("RSM", CSAE)] * 2 + [("SDSM", J2735)] * 2
    sizes = [len(bench.read(d).objects) for d in out]
    assert sizes == [15, 5, 15, 5]
    assert len({d.key for d in out}) == 4
    counts = [bench.read(d).msg_count for d in out[:2]]
    assert (counts[1] - counts[0]) % 128 == 1


def test_numbers_of_objects_stay(scene: Any) -> None:
    bench = Bench(scene)

    def ids(*tracks: int) -> dict[int, int]:
        views = [scene.car(i, 0, -30.0 - 7.0 * i, 5.0) for i in tracks]
        (downlink,) = bench.step(views)
        return {i: o.object_id for i, o in zip(tracks, bench.read(downlink).objects, strict=True)}

    first = ids(1, 2, 3)
    assert ids(2, 3) == {i: first[i] for i in (2, 3)}
    assert ids(1, 2, 3) == first
    assert ids(1, 2, 3, 4)[4] not in first.values()


def test_heading_of_a_slow_object_is_held(scene: Any) -> None:
    bench = Bench(scene)

    def heading(speed_mps: float, yaw_rad: float) -> float:
        (downlink,) = bench.step([scene.car(1, 0, -50.0, speed_mps)._replace(yaw_rad=yaw_rad)])
        value = bench.read(downlink).objects[0].heading_deg
        assert value is not None
        return float(value)

    assert heading(5.0, 0.0) == pytest.approx(90.0)
    assert heading(1.0, 0.0) == pytest.approx(90.0)  # below 4 km/h: held from here
    assert heading(0.1, 1.0) == pytest.approx(90.0)
    assert heading(1.2, 1.0) == pytest.approx(90.0)  # between: still held
    assert heading(1.5, 0.5) != pytest.approx(90.0)  # above 5 km/h: released


def test_message_counts_run_per_type(scene: Any) -> None:
    bench = Bench(scene, CSAE)
    lights = {2: Light.RED}
    counts: dict[str, list[int]] = {}
    for _ in range(130):
        for downlink in bench.step([scene.car(1, 0, -50.0, 5.0)], lights):
            counts.setdefault(downlink.message_name, []).append(bench.read(downlink).msg_count)
    for numbers in counts.values():
        assert len(numbers) == 130
        assert all((b - a) % 128 == 1 for a, b in itertools.pairwise(numbers))
    assert counts["RSM"][0] != counts["SPAT"][0]


def test_periods_hold_when_steps_come_faster(scene: Any) -> None:
    bench = Bench(scene)
    sent = sum(len(bench.step([scene.car(1, 0, -50.0, 5.0)], seconds=0.03)) for _ in range(1000))
    assert sent == pytest.approx(300, abs=2)


def test_signal_states(scene: Any) -> None:
    bench = Bench(scene, CSAE, J2735)
    lights = lambda: {  # noqa: E731
        1: scene.light(Light.RED, 5.0, 9.0, 20.0),
        2: scene.light(Light.PROTECTED_GREEN, 4.0, 4.0),
        3: scene.light(Light.RED, -3.0, -3.0, -3.0),
        4: scene.light(Light.PERMISSIVE_GREEN, 9.0, 5.0, 7.0),
    }
    out = bench.step((), lights(), seconds=0.0)
    assert [d.message_name for d in out] == ["SPAT", "SPAT"]
    assert {(d.ttl_ms, d.priority) for d in out} == {(200, 176)}
    for downlink in out:
        message = bench.read(downlink)
        assert isinstance(message, SignalStates)
        (intersection,) = message.intersections
        assert (intersection.id.region, intersection.id.id) == (1, 7)
        by_group = {group.group: group.current for group in intersection.groups}
        assert by_group[1].light is Light.RED
        assert by_group[1].likely_end_utc_ns == pytest.approx(scene.now + 9e9, abs=1e8)  # cut to the latest
        assert by_group[2].likely_end_utc_ns == pytest.approx(scene.now + 4e9, abs=1e8)
        assert by_group[3].max_end_utc_ns is None  # an end that has passed says nothing
        low, high = by_group[4].min_end_utc_ns, by_group[4].max_end_utc_ns
        assert low is not None and high is not None and low <= high


def test_a_yellow_after_a_protected_green_is_protected_in_j2735(scene: Any) -> None:
    bench = Bench(scene, J2735)
    bench.step((), {2: Light.PROTECTED_GREEN, 4: Light.PERMISSIVE_GREEN})
    (downlink,) = bench.step((), {2: Light.YELLOW, 4: Light.YELLOW})
    (intersection,) = bench.read(downlink).intersections
    assert [g.current.light for g in intersection.groups] == [Light.PROTECTED_YELLOW, Light.PERMISSIVE_YELLOW]


@pytest.mark.drops(DownlinkReason.SIGNAL_STALE)
def test_a_stale_input_stops_the_whole_intersection(scene: Any) -> None:
    bench = Bench(scene)
    old = lambda: scene.light(Light.RED, age_s=0.7)  # noqa: E731
    assert not bench.step((), {1: old(), 2: Light.RED}, seconds=0.0)
    assert not bench.step((), {2: Light.RED}, stale=(1,))
    assert bench.counters.dropped(DownlinkReason.SIGNAL_STALE) == 2
    assert bench.step((), {1: Light.RED, 2: Light.RED})


def test_states_heard_from_an_rsu_are_not_sent_back(scene: Any) -> None:
    assert not Bench(scene).step((), {2: scene.light(Light.RED, source="spat")})
    assert Bench(scene, relay_spat=True).step((), {2: scene.light(Light.RED, source="spat")})


def test_events_in_both_dialects(scene: Any) -> None:
    bench = Bench(scene, CSAE, J2735)
    out = bench.step(events=[event(scene), event(scene, number=1, to_rsu=False)])
    assert [d.message_name for d in out] == ["RSI", "TIM"]
    assert [(d.ttl_ms, d.priority) for d in out] == [(200, 112), (2000, 112)]
    assert {d.trace_id for d in out} == {"cd" * 8}
    rsi, tim = (bench.read(d) for d in out)
    assert isinstance(rsi, RoadEvents) and isinstance(tim, RoadEvents)
    (said,) = rsi.events
    assert said.code == 412 and said.confidence == pytest.approx(0.9)
    assert said.position is not None
    assert scene.plane.to_xy(said.position.lat_deg, said.position.lon_deg) == pytest.approx(
        (-60.0, -5.25), abs=0.02
    )
    (path,) = said.paths  # the second corridor is too short to be one
    assert path.radius_m == pytest.approx(1.75, abs=0.06)
    first, last = path.points[0], path.points[-1]
    assert scene.plane.to_xy(first.lat_deg, first.lon_deg)[0] == pytest.approx(-180.0, abs=0.05)
    assert scene.plane.to_xy(last.lat_deg, last.lon_deg)[0] == pytest.approx(-60.0, abs=0.05)
    assert tim.events[0].itis == (532,)


def test_a_new_event_goes_out_at_once(scene: Any) -> None:
    bench = Bench(scene, J2735)
    first = event(scene)
    assert len(bench.step(events=[first])) == 1
    assert not bench.step(events=[first])
    assert len(bench.step(events=[first, event(scene, number=1, severity=Severity.URGENT)])) == 1
    sent = sum(len(bench.step(events=[first])) for _ in range(30))
    assert sent in (3, 4)


@pytest.mark.drops(DownlinkReason.CLOCK)
def test_a_doubtful_clock_stops_all_that_carries_utc(scene: Any) -> None:
    bench = Bench(scene)
    views, lights = [scene.car(1, 0, -50.0, 5.0)], {2: Light.RED}
    assert not bench.step(views, lights, [event(scene)], degraded=True)
    assert bench.counters.dropped(DownlinkReason.CLOCK) == 3
    assert len(bench.step(views, lights, [event(scene)])) == 3


@pytest.mark.drops(DownlinkReason.MINIMUM_FIELDS)
def test_what_lacks_a_minimum_field_is_left_out(scene: Any) -> None:
    bench = Bench(scene)
    good = scene.car(1, 0, -50.0, 5.0)
    bad = scene.car(2, 0, -60.0, 5.0)._replace(speed_mps=float("nan"))
    fast = scene.car(3, 0, -70.0, 5.0)._replace(speed_mps=200.0)
    (downlink,) = bench.step([good, bad, fast], events=[event(scene, code=None)])
    assert len(bench.read(downlink).objects) == 1
    assert bench.counters.dropped(DownlinkReason.MINIMUM_FIELDS) == 3
    scene.intersection = "no number"
    assert not bench.step((), {2: Light.RED})
    assert bench.counters.dropped(DownlinkReason.MINIMUM_FIELDS) == 4


@pytest.mark.drops(DownlinkReason.TOO_MANY)
def test_more_than_can_be_said_is_counted(scene: Any) -> None:
    bench = Bench(scene)
    views = [scene.car(i, i % 4, -25.0 - 0.5 * i, 5.0, i % 3) for i in range(1, 301)]
    out = bench.step(views, events=[event(scene, number=i) for i in range(9)])
    assert len(out) == 17 + 1
    assert bench.counters.dropped(DownlinkReason.TOO_MANY) == 45 + 1


@pytest.mark.drops(DownlinkReason.ENCODE)
def test_what_a_dialect_cannot_carry_is_counted(scene: Any) -> None:
    bench = Bench(scene, CSAE, J2735)
    out = bench.step((), {group: Light.RED for group in range(1, 18)})  # CSAE: at most 16 phases
    assert [d.dialect for d in out] == [J2735]
    assert bench.counters.dropped(DownlinkReason.ENCODE) == 1


def test_doubtful_and_far_objects_are_not_sent(scene: Any) -> None:
    bench = Bench(scene)
    assert not bench.step(
        [
            scene.car(1, 0, -50.0, 5.0, existence=0.3),
            scene.car(2, 0, -60.0, 5.0, unseen_s=2.0),
            scene.track(3, ParticipantClass.CAR, (5000.0, 0.0), (5.0, 0.0)),
        ]
    )


def test_objects_without_a_known_source(scene: Any) -> None:
    bench = Bench(scene)
    (downlink,) = bench.step(
        [scene.car(1, 0, -50.0, 5.0, sources=()), scene.car(2, 0, -70.0, 5.0, sources=("lidar-9",))]
    )
    assert {o.source for o in bench.read(downlink).objects} == {ObjectSource.UNKNOWN}


@given(st.lists(st.tuples(st.sets(st.integers(0, 40), max_size=20), st.floats(0.0, 5.0)), max_size=30))
def test_numbers_are_unique_and_stay(steps: Any) -> None:
    numbers = Numbers(1, 12, rest_s=3.0)
    mono = 0
    known: dict[int, tuple[int, int]] = {}
    for things, seconds in steps:
        mono += round(seconds * 1e9)
        given_now = numbers.number(sorted(things), MonoNs(mono))
        assert len(set(given_now.values())) == len(given_now)
        assert all(1 <= number <= 12 for number in given_now.values())
        assert len(given_now) == len(things) or len(numbers._of) == 12
        for thing, number in given_now.items():
            if thing in known and mono - known[thing][1] <= 3_000_000_000:
                assert known[thing][0] == number
            known[thing] = (number, mono)
        assert len(numbers._of) <= 12
