from __future__ import annotations

from typing import Any

import pytest

from wayside.asn1.geometry import LaneKey
from wayside.asn1.messages import IntersectionId, LinkRef, Path, Position, RoadEvents, RoadSign
from wayside.clock import MonoNs, UtcNs
from wayside.mec.world import Roads, SignBook, SignError, SignPost, SignSource, StandingSign, WorldReason
from wayside.observe import Counters

SOURCE = b"\x31" * 8


class Bench:
    """A book of signs on a scene."""

    def __init__(self, scene: Any) -> None:
        self.scene = scene
        self.counters = Counters()
        self.book = SignBook(Roads(scene.geometry), self.counters)

    def place(self, x: float, y: float) -> Position:
        return Position(*self.scene.plane.to_lat_lon(x, y))

    def post(self, name: str = "limit", **more: Any) -> None:
        values: dict[str, Any] = {"position": self.place(-100.0, -12.0), "speed_limit_mps": 11.0} | more
        source = values.pop("source", SignSource.OPERATOR)
        self.book.post(SignPost(name, source, **values))

    def hear(
        self, *signs: RoadSign, source: bytes = SOURCE, own: bool = False, doubted: bool = False
    ) -> bool:
        return self.book.hear(
            RoadEvents(source, 0, None, signs=signs),
            device="rsu-1",
            arrived=MonoNs(self.scene.mono),
            trace_id="t",
            own=own,
            now=UtcNs(self.scene.now),
            doubted=doubted,
        )

    def sign(self, number: int = 1, **more: Any) -> RoadSign:
        values: dict[str, Any] = {"code": 242, "position": self.place(-100.0, -12.0)} | more
        return RoadSign(number, **values)

    def now(self, seconds: float = 0.0, doubted: bool = False) -> tuple[StandingSign, ...]:
        self.scene.advance(seconds)
        return self.book.current(UtcNs(self.scene.now), MonoNs(self.scene.mono), doubted=doubted)

    def names(self, seconds: float = 0.0, doubted: bool = False) -> list[str]:
        return [sign.post.sign_id for sign in self.now(seconds, doubted)]


@pytest.fixture
def bench(scene: Any) -> Bench:
    return Bench(scene)


def lanes(sign: StandingSign) -> set[int]:
    return {stretch.lane.lane_id for stretch in sign.stretches}


def test_a_sign_beside_the_road_is_for_the_lanes_of_the_nearer_direction(bench: Bench) -> None:
    bench.post(radius_m=15.0)
    (sign,) = bench.now()
    assert lanes(sign) == {1, 2, 3} and (sign.x_m, sign.y_m) == pytest.approx((-100.0, -12.0), abs=0.01)
    # A limit holds from the sign to the end of the lane, any other sign at its place.
    assert {(round(s.from_m), round(s.to_m)) for s in sign.stretches} == {(100, 180)}
    bench.post(radius_m=15.0, speed_limit_mps=None)
    assert {(round(s.from_m), round(s.to_m)) for s in bench.now()[0].stretches} == {(100, 100)}


def test_a_heading_says_which_direction_is_meant(bench: Bench) -> None:
    bench.post(radius_m=25.0, heading_deg=270.0)
    (sign,) = bench.now()
    assert lanes(sign) == {26, 27, 28}


def test_named_lanes_go_before_what_lies_near(bench: Bench) -> None:
    bench.post(lanes=(LaneKey("1-7", 11),), position=bench.place(-1.75, -100.0))
    (sign,) = bench.now()
    (stretch,) = sign.stretches
    assert (stretch.lane, round(stretch.from_m), round(stretch.to_m)) == (LaneKey("1-7", 11), 100, 180)
    bench.post(lanes=(LaneKey("1-7", 11),), position=None)
    assert round(bench.now()[0].stretches[0].from_m) == 0


def test_a_path_gives_the_lanes_along_it(bench: Bench) -> None:
    through = Path(tuple(bench.place(x, -5.25) for x in (-90.0, 0.0, 60.0)), 1.75)
    bench.post(paths=(through,))
    (sign,) = bench.now()
    found = {s.lane.lane_id: (round(s.from_m), round(s.to_m)) for s in sign.stretches}
    assert found.keys() == {2, 7}
    assert found[2] == (110, 180) and found[7][0] == 0 and 38 <= found[7][1] <= 40
    against = Path(through.points[::-1], 1.75, both_ways=True)
    bench.post(paths=(against,))
    assert lanes(bench.now()[0]) == {2, 7}


def test_an_area_gives_the_lanes_inside(bench: Bench) -> None:
    corners = [(-150.0, -11.0), (-100.0, -11.0), (-100.0, 0.0), (-150.0, 0.0)]
    bench.post(paths=(Path(tuple(bench.place(*c) for c in corners), 1.0, closed=True),), position=None)
    (sign,) = bench.now()
    assert lanes(sign) == {1, 2, 3}
    assert all(45 <= s.from_m <= 55 and 94 <= s.to_m <= 105 for s in sign.stretches)


def test_a_link_that_the_map_lacks_leaves_the_place(bench: Bench) -> None:
    unknown = LinkRef(IntersectionId(9, 1), IntersectionId(7, 1))
    bench.post(links=(unknown,), radius_m=15.0)
    assert lanes(bench.now()[0]) == {1, 2, 3}


def test_an_operator_s_sign_is_replaced_and_withdrawn(bench: Bench) -> None:
    bench.post()
    bench.post(speed_limit_mps=8.0)
    (sign,) = bench.now()
    assert sign.post.speed_limit_mps == 8.0
    assert bench.book.withdraw("limit") and not bench.book.withdraw("limit")
    assert not bench.now()


def test_a_sign_holds_in_its_time(bench: Bench, scene: Any) -> None:
    second = 1_000_000_000
    bench.post(from_utc=UtcNs(scene.now + 5 * second), until_utc=UtcNs(scene.now + 10 * second))
    assert [len(bench.now(2.0)) for _ in range(6)] == [0, 0, 1, 1, 0, 0]
    assert not bench.book.withdraw("limit")


@pytest.mark.drops(WorldReason.SIGN_TAKEN)
def test_a_sign_of_the_site_is_not_the_operator_s(bench: Bench) -> None:
    bench.post(source=SignSource.SITE)
    with pytest.raises(SignError) as refused:
        bench.post()
    assert refused.value.reason is WorldReason.SIGN_TAKEN
    assert not bench.book.withdraw("limit") and bench.names() == ["limit"]
    assert bench.counters.dropped(WorldReason.SIGN_TAKEN) == 1


@pytest.mark.drops(WorldReason.SIGN_UNPLACED)
@pytest.mark.parametrize("at", [(500.0, 500.0), (float("nan"), 0.0)])
def test_a_sign_on_no_lane_is_refused(bench: Bench, at: tuple[float, float]) -> None:
    with pytest.raises(SignError) as refused:
        bench.post(position=Position(at[0], at[1]) if at[0] != at[0] else bench.place(*at))
    assert refused.value.reason is WorldReason.SIGN_UNPLACED
    bench.hear(bench.sign(position=bench.place(500.0, 500.0)))
    bench.hear(bench.sign(position=bench.place(500.0, 500.0)))
    # Looked for once, however often it is repeated.
    assert bench.counters.dropped(WorldReason.SIGN_UNPLACED) == 2
    assert not bench.now()


@pytest.mark.drops(WorldReason.SIGNS_FULL)
def test_signs_are_bounded(bench: Bench) -> None:
    for i in range(256):
        bench.post(f"s{i}", lanes=(LaneKey("1-7", 2),))
    with pytest.raises(SignError) as refused:
        bench.post("more")
    assert refused.value.reason is WorldReason.SIGNS_FULL
    bench.hear(*(bench.sign(i) for i in range(256)))
    assert not bench.hear(bench.sign(300))
    assert bench.counters.dropped(WorldReason.SIGNS_FULL) == 2
    # The one that has been silent longest gives way.
    bench.scene.advance(31.0)
    assert bench.hear(bench.sign(300))


def test_what_a_device_repeats_is_held_and_then_forgotten(bench: Bench) -> None:
    assert bench.hear(bench.sign())
    assert not bench.hear(bench.sign())
    (sign,) = bench.now(20.0)
    assert sign.post.source is SignSource.DEVICE and sign.post.origin == "rsu-1" and sign.trace_id == "t"
    assert sign.post.sign_id == f"heard/{SOURCE.hex()}/1"
    assert not bench.hear(bench.sign())
    assert bench.names(29.0) and not bench.names(2.0)


def test_a_newer_report_replaces_the_older(bench: Bench) -> None:
    bench.hear(bench.sign())
    assert bench.hear(bench.sign(code=85, text="40"))
    (sign,) = bench.now()
    assert sign.post.code == 85
    # Without an identity of the source it is known by what it says.
    bench.hear(bench.sign(), source=b"")
    bench.hear(bench.sign(text="other"), source=b"")
    assert len(bench.now()) == 3


@pytest.mark.drops(WorldReason.SIGN_ENDED)
def test_an_end_withdraws_unless_utc_is_doubted(bench: Bench, scene: Any) -> None:
    bench.hear(bench.sign())
    over = bench.sign(end_utc_ns=scene.now - 1)
    assert bench.hear(over, doubted=True) and bench.names(doubted=True)
    assert bench.hear(over)
    assert bench.counters.dropped(WorldReason.SIGN_ENDED) == 1 and not bench.names()


@pytest.mark.drops(WorldReason.SIGN_OWN)
def test_our_own_sign_come_back_is_no_sign(bench: Bench) -> None:
    assert not bench.hear(bench.sign(), own=True)
    assert bench.counters.dropped(WorldReason.SIGN_OWN) == 1 and not bench.now()


@pytest.mark.parametrize(
    ("code", "text", "kmh"),
    [
        (85, "40", 40),
        (85, "限速 60 km/h", 60),
        (85, "0123456789ABCDEF 30", 30),
        (85, "", None),
        (85, "999", None),
        (85, "40 t", None),
        (242, "40", None),
    ],
)
def test_the_limit_is_what_a_speed_limit_sign_ends_with(
    bench: Bench, code: int, text: str, kmh: int | None
) -> None:
    bench.hear(bench.sign(code=code, text=text))
    (sign,) = bench.now()
    limit = sign.post.speed_limit_mps
    assert limit is None if kmh is None else limit == pytest.approx(kmh / 3.6)
