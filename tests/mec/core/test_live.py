"""The live view: what the map at the centre shows of a world."""

from __future__ import annotations

from pathlib import Path

from wayside.asn1.messages import Position
from wayside.clock import VirtualClock
from wayside.mec.core import EdgeCore, lanes_of_groups, live_sensors, live_view
from wayside.mec.site import load_site
from wayside.mec.world import SignPost, SignSource
from wayside.observe import Counters
from wayside.records import EventRecord, EventState, decode_live, encode_live

SITE = load_site(Path(__file__).parents[3] / "deploy/demo/site.yaml")


def jam(**evidence: float | str) -> EventRecord:
    return EventRecord(
        "e1", 1, EventState.OPEN, "tjw", 2, 38.99, 117.33, 1, None, "tjw", "t1", "1-7/3", 4, dict(evidence)
    )


def test_sensors_and_signs_stand_where_the_site_says() -> None:
    core = EdgeCore(SITE, VirtualClock(), Counters(), seed=1)
    lane = next(lane for lane in core.geometry.lanes.values() if lane.stop_line is not None)
    place = lane.polyline.point_at(lane.polyline.length_m / 2)
    at = Position(*core.plane.to_lat_lon(*place))
    core.post_sign(SignPost("s1", SignSource.OPERATOR, 85, "40", 40 / 3.6, at))
    sensors = live_sensors(SITE, core.world.health())
    groups = lanes_of_groups(core.geometry)
    view = live_view(SITE.id, 1, core.world.snapshot(), [jam(length_m=120.0)], {}, groups, sensors)
    assert decode_live(encode_live(view)) == view
    assert [(s.device_id, s.kind, s.state) for s in view.sensors] == [
        (sensor.id, sensor.kind.value, "awaited") for sensor in SITE.model.sensors
    ]
    assert view.sensors[0].lat_deg == SITE.model.sensors[0].lat
    own = [sign for sign in view.signs if sign.source == "operator"]
    assert [(sign.sign_id, sign.code, sign.text) for sign in own] == [("s1", 85, "40")]
    assert (view.events[0].lane, view.events[0].length_m) == ("1-7/3", 120.0)


def test_only_a_jam_has_a_length() -> None:
    core = EdgeCore(SITE, VirtualClock(), Counters(), seed=1)
    view = live_view(SITE.id, 1, core.world.snapshot(), [jam(), jam(length_m="far")], {}, {})
    assert [event.length_m for event in view.events] == [None, None]
