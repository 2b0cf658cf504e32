"""Signs through the whole core: put up, shown, warned of, broadcast, withdrawn; heard from a unit."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from wayside.asn1 import load
from wayside.asn1.geometry import LaneGeometry, RoadGeometry
from wayside.asn1.messages import (
    BasicSafety,
    Direction,
    EllipseAccuracy,
    LaneKind,
    Position,
    RoadEvents,
    RoadMap,
    RoadSign,
    Size,
)
from wayside.asn1.messages import Path as RoadPath
from wayside.asn1.translate import to_message, to_wire
from wayside.clock import UtcNs, VirtualClock
from wayside.geo import LocalPlane, heading_from_yaw
from wayside.link import Advice, AdviceKind, Warning, WarningKind
from wayside.mec.core import EdgeCore, StepResult
from wayside.mec.site import load_site
from wayside.mec.world import SignError, SignPost, SignSource, WorldReason
from wayside.observe import Counters
from wayside.rsu import Direction as Way
from wayside.rsu import Envelope

MAP = Path(__file__).parents[3] / "deploy/demo/maps/haihe-j2735-2024.hex"
DIALECT = "j2735-2024"
CSAE = "csae53-2020"
SITE = f"""
version: 1
id: signs
name: signs
origin: {{lat: 38.9811, lon: 117.3518}}
maps: [{{file: {MAP}, dialect: j2735-2024}}]
rsus:
  - {{id: rsu-1, vendor: usdot_rsu41, dialect: j2735-2024, lat: 38.9812, lon: 117.3516,
     config: {{host: 127.0.0.1, port: 1516}}}}
signs:
  - {{id: school, code: 242, text: school, lat: LAT, lon: LON}}
"""
START_M, SIGN_M = 40.0, 120.0


def road() -> tuple[LocalPlane, LaneGeometry]:
    """The plane, and the longest ingress lane of the map."""
    plane = LocalPlane(38.9811, 117.3518)
    lanes = RoadGeometry.from_map(read_road_map(), plane).lanes.values()
    ingress = [x for x in lanes if x.kind is LaneKind.VEHICLE and x.direction is Direction.INGRESS]
    return plane, max(ingress, key=lambda lane: lane.polyline.length_m)


def read_road_map() -> RoadMap:
    line = next(line for line in MAP.read_text().splitlines() if line and not line.startswith("#"))
    found = to_message(DIALECT, load(DIALECT).decode(bytes.fromhex(line)), near=UtcNs(0)).message
    assert isinstance(found, RoadMap)
    return found


class Edge:
    """A core whose site has a sign, with one vehicle that drives along the longest ingress lane."""

    def __init__(self, folder: Path) -> None:
        self.clock = VirtualClock()
        self.counters = Counters()
        self.plane, self.lane = road()
        at = self.position(SIGN_M)
        file = folder / "site.yaml"
        file.write_text(SITE.replace("LAT", str(at.lat_deg)).replace("LON", str(at.lon_deg)), "utf-8")
        self.core = EdgeCore(load_site(file), self.clock, self.counters, seed=1)
        self.core.on_session("s-1", True, DIALECT)
        self.count = 0

    def position(self, along_m: float) -> Position:
        return Position(*self.plane.to_lat_lon(*self.lane.polyline.point_at(along_m)))

    def drive(self, along_m: float, speed_mps: float, steps: int = 6) -> list[StepResult]:
        out = []
        for _ in range(steps):
            self.clock.advance(0.1)
            self.count = (self.count + 1) % 128
            message = BasicSafety(
                vehicle_id=b"\x01\x02\x03\x04",
                msg_count=self.count,
                position=self.position(along_m),
                speed_mps=speed_mps,
                heading_deg=heading_from_yaw(self.lane.polyline.yaw_at(along_m)),
                size=Size(1.8, 4.6),
                accuracy=EllipseAccuracy(0.5, 0.5, 0.0),
                accuracy_m=0.5,
                utc_ns=self.clock.utc(),
            )
            frame = load(DIALECT).encode(to_wire(DIALECT, message).value)
            self.core.on_vehicle_frame("s-1", frame, self.clock.mono())
            out.append(self.core.step())
            along_m += 0.1 * speed_mps
        return out

    def heard(self, message: RoadEvents, dialect: str = CSAE) -> None:
        uper = load(dialect).encode(to_wire(dialect, message).value)
        self.core.on_rsu_envelope(
            Envelope(
                msg_uid="0" * 24,
                device_id="rsu-1",
                vendor="usdot_rsu41",
                direction=Way.UP,
                dialect=dialect,
                message="RSI" if dialect == CSAE else "TIM",
                uper=uper,
                utc_ns=self.clock.utc(),
                mono_ns=self.clock.mono(),
                trace_id="ab",
            )
        )


def shown(results: list[StepResult]) -> dict[str, Advice]:
    """Advice about signs, by sign; the last of each."""
    pushes = [push.warning for result in results for push in result.pushes]
    return {
        str(a.values["sign"]): a
        for a in pushes
        if isinstance(a, Advice) and a.kind is AdviceKind.IN_VEHICLE_SIGN
    }


def warned(results: list[StepResult]) -> list[Warning]:
    pushes = [push.warning for result in results for push in result.pushes]
    return [w for w in pushes if isinstance(w, Warning) and w.kind is WarningKind.SPEED_LIMIT]


@pytest.fixture
def edge(tmp_path: Path) -> Edge:
    return Edge(tmp_path)


def test_a_sign_of_the_site_is_shown_and_broadcast(edge: Edge) -> None:
    results = edge.drive(START_M, 10.0)
    advice = shown(results)["school"]
    assert advice.values["code"] == 242 and advice.values["source"] == "site"
    assert advice.values["distance_m"] == pytest.approx(SIGN_M - START_M - 2.3, abs=6.0)
    tims = [d for result in results for d in result.downlinks if d.key.endswith("signs/0")]
    assert len(tims) == 1 and tims[0].message_name == "TIM"
    assert not warned(results)


def test_an_operator_puts_up_a_limit_and_takes_it_down(edge: Edge) -> None:
    assert not warned(edge.drive(START_M, 12.0))
    post = SignPost("works", SignSource.OPERATOR, 85, "", 30 / 3.6, edge.position(20.0), radius_m=3.0)
    edge.core.post_sign(post)
    results = edge.drive(START_M, 12.0)
    (warning, *_) = warned(results)
    assert warning.advised_speed_mps == pytest.approx(8.33, abs=0.01)
    assert warning.evidence["allowed_by"] == "works"
    assert shown(results)["works"].values["speed_limit_mps"] == 8.33
    assert edge.core.withdraw_sign("works") and not edge.core.withdraw_sign("works")
    results = edge.drive(START_M, 12.0, 20)
    assert not warned(results[-5:]) and "works" not in shown(results)
    # Both the warning and the sign are taken back.
    assert len([cancel for result in results for cancel in result.cancels]) == 2
    assert not edge.core.withdraw_sign("school")


def test_a_sign_that_lies_on_no_road_is_refused_with_the_reason(edge: Edge) -> None:
    with pytest.raises(SignError) as refused:
        edge.core.post_sign(SignPost("far", SignSource.OPERATOR, 85, "", 8.0, Position(39.5, 117.0)))
    assert refused.value.reason is WorldReason.SIGN_UNPLACED and "far" in str(refused.value)


@pytest.mark.parametrize("dialect", [CSAE, DIALECT])
def test_a_sign_that_a_unit_sends_is_shown(edge: Edge, dialect: str) -> None:
    path = RoadPath((edge.position(60.0), edge.position(110.0)), 1.6)
    sign = RoadSign(0, code=85, text="30", position=edge.position(60.0), priority=3, paths=(path,))
    sign = msgspec.structs.replace(sign, start_utc_ns=edge.clock.utc())
    edge.heard(
        RoadEvents(b"\x31" * 8, 0, edge.position(0.0), signs=(sign,), utc_ns=edge.clock.utc()), dialect
    )
    results = edge.drive(START_M, 12.0, 35)
    (name,) = [name for name in shown(results) if name.startswith("heard/")]
    assert name.startswith(f"heard/{'31' * 8}")
    # The limit of a TIM's sign is not read: its number stands in no field of its own.
    assert bool(warned(results)) is (dialect == CSAE)


def test_our_own_signs_come_back_are_none(edge: Edge) -> None:
    first = edge.drive(START_M, 10.0, 1)
    (result,) = first
    (tim,) = [d for d in result.downlinks if d.key.endswith("signs/0")]
    value = load(DIALECT).decode(tim.uper)
    message = to_message(DIALECT, value, near=edge.clock.utc()).message
    assert isinstance(message, RoadEvents)
    edge.heard(message, DIALECT)
    assert edge.counters.dropped(WorldReason.SIGN_OWN) == 1
    assert set(shown(first + edge.drive(START_M, 10.0))) == {"school"}
