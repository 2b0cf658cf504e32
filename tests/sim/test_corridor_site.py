"""The corridor's site file and the road that it serves say the same."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from wayside.geo import angle_between_deg, heading_from_yaw
from wayside.mec.site import Site, load_site
from wayside.sim._addresses import controller_hosts
from wayside.sim._demo_site import choose_ports, read_site, write_site
from wayside.sim.corridor import JUNCTIONS, PLANE, corridor_sensors

SITE_FILE = Path(__file__).parents[2] / "deploy" / "corridor" / "site.yaml"


@pytest.fixture(scope="module")
def site() -> Site:
    return load_site(SITE_FILE)


def test_every_sensor_stands_where_the_road_has_it(site: Site) -> None:
    specs = {spec.id: spec for specs in corridor_sensors().values() for spec in specs}
    assert {sensor.id for sensor in site.model.sensors} == specs.keys()
    for sensor in site.model.sensors:
        spec = specs[sensor.id]
        assert math.dist(PLANE.to_xy(sensor.lat, sensor.lon), (spec.x_m, spec.y_m)) < 0.05
        assert sensor.kind.value == spec.kind.value
        assert (sensor.fov_deg, sensor.range_m, sensor.rate_hz) == (spec.fov_deg, spec.range_m, spec.hz)
        assert sensor.expected_delay_ms == spec.delay_ms
        if spec.fov_deg < 360.0:
            assert angle_between_deg(sensor.heading_deg, heading_from_yaw(spec.yaw_rad)) < 0.1


def test_every_crossing_has_its_controller_with_the_groups_of_its_plan(site: Site) -> None:
    sources = {source.intersection: source for source in site.signal_sources()}
    assert sources.keys() == {str(junction.id) for junction in JUNCTIONS}
    assert len(set(controller_hosts(site).values())) == len(JUNCTIONS), "the sender's host tells them apart"
    mapped = {str(intersection.id) for intersection in site.road_map.intersections}
    for junction in JUNCTIONS:
        source = sources[str(junction.id)]
        groups = {group for phase in junction.plan.phases for group in phase.groups}
        assert source.vehicle == {group: group for group in groups}
        assert source.permissive == {g for phase in junction.plan.phases for g in phase.permissive}
        assert str(junction.id) in mapped


def test_units_of_both_vendors_stand_at_the_crossings(site: Site) -> None:
    assert {rsu.vendor for rsu in site.model.rsus} == {"tits0117", "usdot_rsu41"}
    bodies = {getattr(config, "body", "") for config in site.devices.values()}
    assert bodies == {"json", "binary", ""}
    for junction in JUNCTIONS:
        at = [PLANE.to_xy(rsu.lat, rsu.lon) for rsu in site.model.rsus]
        assert min(math.dist(place, (junction.x_m, junction.y_m)) for place in at) < 40.0


def test_signs_stand_beside_lanes_that_they_are_for(site: Site) -> None:
    assert {sign.code for sign in site.model.signs} >= {85, 242}
    assert all(sign.heading_deg is not None for sign in site.model.signs)


def test_a_run_s_site_has_ports_of_its_own_and_is_sound(tmp_path: Path) -> None:
    ports = choose_ports(SITE_FILE, any_free=True)
    assert len(set(ports.all())) == len(ports.all())
    assert set(ports.units) == {"rsu-c"} and ports.broker
    target = tmp_path / "site.yaml"
    write_site(SITE_FILE, target, ports, "http://127.0.0.1:9")
    written = read_site(target)
    by_broker = [rsu["config"]["port"] for rsu in written["rsus"] if rsu["vendor"] == "tits0117"]
    assert by_broker == [ports.broker] * 2
    loaded = load_site(target)
    assert loaded.endpoint("link") == ("127.0.0.1", ports.link)
    assert loaded.model.uplink is not None and loaded.model.uplink.url == "http://127.0.0.1:9"
