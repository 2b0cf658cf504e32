from __future__ import annotations

import json
from pathlib import Path as File
from typing import Any

import pytest

from wayside.asn1 import load
from wayside.asn1.messages import Light, Path, Position, RoadEvent, RoadEvents
from wayside.asn1.translate import to_message
from wayside.clock import UtcNs
from wayside.link import Severity
from wayside.mec.apps import HazardReport, Hlw, stopping_distance
from wayside.mec.sensors import ParticipantClass
from wayside.mec.world import ReportedHazard

STEP_S = 0.1
VECTORS = File(__file__).parents[2] / "vectors"


def stand(scene: Any, app: Hlw, maker: Any, seconds: float, lights: Any = None) -> list[list[HazardReport]]:
    out = []
    for _ in range(round(seconds / STEP_S)):
        scene.advance(STEP_S)
        out.append(list(app.step(scene.world(maker(), lights or {}))))
    return out


def first_s(steps: list[list[HazardReport]]) -> float:
    """Seconds until the first report."""
    return next(i for i, reports in enumerate(steps) if reports) * STEP_S


def test_a_broken_down_vehicle_is_found_within_ten_seconds(scene: Any) -> None:
    app = Hlw()
    steps = stand(scene, app, lambda: [scene.car(1, 0, -100.0, 0.0, session="")], 8.0)
    assert 5.0 <= first_s(steps) <= 6.0
    (report,) = steps[-1]
    assert report.code == 412 and report.to_rsu and report.subject == "hlw/1"
    assert report.parties[0].track_id == 1
    assert report.evidence["limit_stood_s"] == 5.0
    # Confirming: the standing time and the 3 of 5 frames, apart from the latency.
    assert report.trigger.confirm_ns == pytest.approx(5.2e9, abs=0.11e9)
    (corridor,) = report.corridors
    assert corridor.lane.lane_id == 2
    assert corridor.place_m == pytest.approx(100.0 - 2.3, abs=0.1)
    assert corridor.upstream_m == pytest.approx(stopping_distance(60 / 3.6, 2.0, 3.5), abs=0.5)


def test_a_disabled_vehicle_is_believed_at_once(scene: Any) -> None:
    flagged = lambda: [scene.car(1, 0, -100.0, 0.0, flags=("eventDisabledVehicle",))]  # noqa: E731
    steps = stand(scene, Hlw(), flagged, 1.0)
    assert first_s(steps) <= 0.3
    assert steps[-1][0].code == 103 and steps[-1][0].evidence["cause"] == "breakdown"


@pytest.mark.parametrize(
    ("makers", "lights", "why"),
    [
        (lambda s: [s.car(1, 0, -24.0, 0.0)], {2: Light.RED}, "red_light"),
        (lambda s: [s.car(1, 0, -24.0, 0.0)], {}, "red_light"),
        (lambda s: [s.car(1, 0, -24.0, 0.0)], {2: Light.YELLOW}, "red_light"),
        (lambda s: [s.car(1, 0, -24.0, 0.0, 0)], {1: Light.PERMISSIVE_GREEN}, "yields"),
        (lambda s: [s.car(1, 0, -31.0, 0.0), s.car(2, 0, -24.0, 0.0)], {2: Light.RED}, "leader"),
        (lambda s: [s.car(1, 0, -100.0, 0.0, right_m=11.75)], {}, "parking"),
        (lambda s: [s.car(1, 0, -100.0, 0.0, right_m=20.0)], {}, "off_carriageway"),
    ],
)
def test_stops_that_something_explains(scene: Any, makers: Any, lights: Any, why: str) -> None:
    app = Hlw()
    assert not any(stand(scene, app, lambda: makers(scene), 30.0, lights))
    assert app.silent_because(scene.world([]))[why] >= 1


def test_a_bus_at_its_stop_is_none(scene: Any) -> None:
    bus = lambda: [scene.car(1, 0, -100.0, 0.0, 2, kind=ParticipantClass.BUS)]  # noqa: E731
    steps = stand(scene, Hlw(), bus, 62.0)
    assert 60.0 <= first_s(steps) <= 61.0


def test_red_far_from_the_line_and_without_a_leader_is_a_hazard(scene: Any) -> None:
    steps = stand(scene, Hlw(), lambda: [scene.car(1, 0, -80.0, 0.0)], 7.0, {2: Light.RED})
    assert steps[-1]


def test_breakdown_at_the_head_of_a_queue(scene: Any) -> None:
    app = Hlw()
    queue = lambda: [scene.car(1, 0, -24.0, 0.0), scene.car(2, 0, -31.0, 0.0)]  # noqa: E731
    assert not any(stand(scene, app, queue, 20.0, {2: Light.RED}))
    steps = stand(scene, app, queue, 14.0, {2: Light.PROTECTED_GREEN})
    assert 12.0 <= first_s(steps) <= 13.0
    (report,) = steps[-1]  # the follower is explained by its leader
    assert report.subject == "hlw/1" and report.evidence["was_in_queue"] is True
    # The next red does not take it back.
    assert all(stand(scene, app, queue, 5.0, {2: Light.RED}))


def test_inside_the_junction_all_lanes_that_lead_there_are_warned(scene: Any) -> None:
    # Where the straight movement of lane 3 and the right turn of lane 13 join.
    steps = stand(scene, Hlw(), lambda: [scene.car(1, 0, 16.0, 0.0, 2, session="")], 17.0)
    assert 15.0 <= first_s(steps) <= 16.0
    corridors = {c.lane.lane_id: c for c in steps[-1][0].corridors}
    assert set(corridors) == {3, 13}
    assert corridors[3].place_m == pytest.approx(180.0 + 36.0 - 2.3, abs=0.2)


def test_it_clears_after_the_vehicle_moves_and_holds_while_it_is_hidden(scene: Any) -> None:
    app = Hlw()
    stand(scene, app, lambda: [scene.car(1, 0, -100.0, 0.0)], 6.0)
    assert all(stand(scene, app, lambda: [], 1.5))
    assert all(stand(scene, app, lambda: [scene.car(1, 0, -100.0, 1.0)], 1.0))
    moving = stand(scene, app, lambda: [scene.car(1, 0, -95.0, 5.0)], 3.0)
    assert moving[0] and not moving[-1]
    assert not app._stops


def test_short_stops_give_nothing(scene: Any) -> None:
    app = Hlw()
    for _ in range(10):
        assert not any(stand(scene, app, lambda: [scene.car(1, 0, -100.0, 0.3)], 4.5))
        assert not any(stand(scene, app, lambda: [scene.car(1, 0, -100.0, 3.0)], 2.5))


def hazard(scene: Any, place: Any, **more: Any) -> ReportedHazard:
    def position(s_m: float, right_m: float = 5.25) -> Position:
        return Position(*scene.plane.to_lat_lon(*place(0, s_m, right_m)))

    values: dict[str, Any] = {
        "event_id": 5,
        "code": 501,
        "priority": 4,
        "paths": (Path((position(-180.0), position(-120.0), position(-60.0)), 1.75),),
        "position": position(-60.0),
    }
    own = more.pop("own", False)
    event = RoadEvent(**(values | more))
    return ReportedHazard("rsu-1/5", "rsu-1", event, scene.mono - 1_000_000, "00ff", own)


def test_a_reported_hazard_with_a_path(scene: Any, place: Any) -> None:
    app = Hlw()
    (report,) = app.step(scene.world([], hazards=[hazard(scene, place)]))
    assert report.subject == "hlw/rsu-1/5" and report.code == 501
    assert not report.to_rsu  # it came from there
    assert report.severity is Severity.ADVISE
    assert report.trigger.trace_id == "00ff"
    (corridor,) = report.corridors
    assert corridor.lane.lane_id == 2
    assert corridor.place_m == pytest.approx(140.0, abs=0.1)
    assert corridor.upstream_m == pytest.approx(120.0, abs=0.1)


def test_a_reported_hazard_without_a_path_takes_the_lanes_around_it(scene: Any, place: Any) -> None:
    (report,) = Hlw().step(scene.world([], hazards=[hazard(scene, place, paths=(), radius_m=6.0)]))
    assert {c.lane.lane_id for c in report.corridors} >= {1, 2, 3}


def test_a_path_that_ends_beyond_the_map_counts_at_its_place(scene: Any, place: Any) -> None:
    def position(s_m: float) -> Position:
        return Position(*scene.plane.to_lat_lon(*place(0, s_m, 5.25)))

    long = Path((position(-180.0), position(-60.0), position(600.0)), 1.75)
    (report,) = Hlw().step(scene.world([], hazards=[hazard(scene, place, paths=(long,))]))
    assert report.corridors[0].lane.lane_id == 2


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"own": True}, "own_content"),
        ({"end_utc_ns": 1}, "not_valid"),
        ({"start_utc_ns": 2_000_000_000_000_000_000}, "not_valid"),
        ({"paths": (), "position": Position(38.0, 117.0)}, "off_map"),
        ({"paths": (), "position": None}, "off_map"),
        (
            {"paths": (Path((Position(38.9, 117.3), Position(38.9, 117.3)), 1.0),), "position": None},
            "off_map",
        ),
    ],
)
def test_reported_hazards_that_are_not_taken(scene: Any, place: Any, more: Any, why: str) -> None:
    app = Hlw()
    assert not app.step(scene.world([], hazards=[hazard(scene, place, **more)]))
    assert app.silent_because(scene.world([])) == {why: 1}


@pytest.mark.parametrize(("priority", "severity"), [(None, 2), (0, 1), (4, 2), (7, 3)])
def test_severity_of_a_reported_hazard(scene: Any, place: Any, priority: int | None, severity: int) -> None:
    (report,) = Hlw().step(scene.world([], hazards=[hazard(scene, place, priority=priority)]))
    assert report.severity == severity


def line(scene: Any, place: Any, *s_m: float, right_m: float = 5.25, **more: Any) -> Path:
    points = tuple(Position(*scene.plane.to_lat_lon(*place(0, s, right_m))) for s in s_m)
    return Path(points, more.pop("radius_m", 1.75), **more)


def lanes(report: HazardReport) -> set[int]:
    return {corridor.lane.lane_id for corridor in report.corridors}


@pytest.mark.parametrize(
    ("itis", "code"), [((1025,), 501), ((8195, 4885), 301), ((769,), None), ((6156, 5908), 409)]
)
def test_itis_codes_say_what_a_reported_hazard_is(
    scene: Any, place: Any, itis: tuple[int, ...], code: int | None
) -> None:
    (report,) = Hlw().step(scene.world([], hazards=[hazard(scene, place, code=None, itis=itis)]))
    assert report.code == code


@pytest.mark.parametrize("itis", [(), (4104,), (3841, 7986), (125, 250)])
def test_advice_in_a_tim_is_no_hazard(scene: Any, place: Any, itis: tuple[int, ...]) -> None:
    app = Hlw()
    advice = hazard(scene, place, code=None, itis=itis, text="GAME TODAY")
    assert not app.step(scene.world([], hazards=[advice]))
    assert app.silent_because(scene.world([])) == {"no_hazard": 1}


def test_a_line_for_both_ways_means_both_and_sectors_choose(scene: Any, place: Any) -> None:
    both = line(scene, place, -150.0, -60.0, right_m=0.0, radius_m=6.0, both_ways=True)
    (report,) = Hlw().step(scene.world([], hazards=[hazard(scene, place, paths=(both,))]))
    assert lanes(report) == {1, 2, 26, 27}
    east = line(
        scene,
        place,
        *(-150.0, -60.0),
        right_m=0.0,
        radius_m=6.0,
        both_ways=True,
        headings_deg=((80.0, 100.0),),
    )
    (report,) = Hlw().step(scene.world([], hazards=[hazard(scene, place, paths=(east,))]))
    assert lanes(report) == {1, 2}
    north = line(scene, place, -150.0, -60.0, headings_deg=((350.0, 10.0),))
    assert not Hlw().step(scene.world([], hazards=[hazard(scene, place, paths=(north,))]))


def test_a_closed_line_means_the_lanes_inside(scene: Any, place: Any) -> None:
    corners = ((-150.0, 3.5), (-100.0, 3.5), (-100.0, 7.0), (-150.0, 7.0))
    points = tuple(Position(*scene.plane.to_lat_lon(*place(0, s, right))) for s, right in corners)
    area = Path(points, 2.5, closed=True)
    (report,) = Hlw().step(scene.world([], hazards=[hazard(scene, place, paths=(area,))]))
    (corridor,) = report.corridors
    assert corridor.lane.lane_id == 2
    assert corridor.place_m == pytest.approx(97.5, abs=2.6)
    assert corridor.upstream_m > 45.0 + 50.0


def test_a_line_that_only_passes_through_the_map_counts_where_it_leaves_it(scene: Any, place: Any) -> None:
    far = Position(*scene.plane.to_lat_lon(*place(0, 3_000.0, 5.25)))
    long = line(scene, place, -3_000.0, 3_000.0)
    (report,) = Hlw().step(scene.world([], hazards=[hazard(scene, place, paths=(long,), position=far)]))
    assert lanes(report) == {7}
    assert report.corridors[0].place_m == pytest.approx(180.0, abs=5.0)


def test_a_hazard_repeated_unchanged_is_looked_for_on_the_map_once(scene: Any, place: Any) -> None:
    app, told = Hlw(), hazard(scene, place)
    app.step(scene.world([], hazards=[told]))
    before = app._places[told.subject][1]
    app.step(scene.world([], hazards=[told._replace(heard=told.heard + 1)]))
    assert app._places[told.subject][1] is before
    app.step(scene.world([]))
    assert not app._places


@pytest.mark.parametrize("number", range(8))
def test_real_tims_are_taken_without_harm(scene: Any, number: int) -> None:
    found = json.loads((VECTORS / "j2735.json").read_text("utf-8"))
    tims = [entry for entry in found if entry["message"] == "TravelerInformation"]
    value, _ = load("j2735-2024").decode_prefix(bytes.fromhex(tims[number % len(tims)]["hex"]))
    message = to_message("j2735-2024", value, near=UtcNs(scene.now)).message
    assert isinstance(message, RoadEvents)
    told = [
        ReportedHazard(f"x/{i}", "rsu-1", event, scene.mono, "00ff") for i, event in enumerate(message.events)
    ]
    app = Hlw()
    assert not app.step(scene.world([], hazards=told, degraded=True))
    assert sum(app.silent_because(scene.world([])).values()) == len(told)
