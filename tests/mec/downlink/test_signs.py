"""Signs of the site and of operators, as RSI and TIM."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
import pytest

from wayside.asn1 import load
from wayside.asn1.geometry import LaneKey
from wayside.asn1.messages import Position, RoadEvents
from wayside.asn1.translate import to_message
from wayside.clock import UtcNs
from wayside.mec.downlink import Downlink, DownlinkReason, Downlinks
from wayside.mec.world import LaneStretch, SignPost, SignSource, StandingSign
from wayside.observe import Counters

CSAE, J2735 = "csae53-2020", "j2735-2024"
SOURCE = bytes.fromhex("3132333400000000")
EAST = LaneKey("1-7", 2)


class Bench:
    """Downlinks of a scene without tracks or signals: only signs go out."""

    def __init__(self, scene: Any) -> None:
        self.scene = scene
        self.counters = Counters()
        reference = Position(scene.plane.lat_deg, scene.plane.lon_deg)
        self.downlinks = Downlinks(reference, (CSAE, J2735), SOURCE, self.counters, Random(7))

    def step(self, signs: Any, seconds: float = 0.1, **more: Any) -> list[Downlink]:
        self.scene.advance(seconds)
        world = msgspec.structs.replace(self.scene.world([], **more), signs=tuple(signs))
        return list(self.downlinks.step(world, ()))

    def read(self, downlink: Downlink) -> RoadEvents:
        value = load(downlink.dialect).decode(downlink.uper)
        message = to_message(downlink.dialect, value, near=UtcNs(self.scene.now)).message
        assert isinstance(message, RoadEvents)
        return message


def sign(name: str = "limit", source: SignSource = SignSource.SITE, **more: Any) -> StandingSign:
    values: dict[str, Any] = {"code": 85, "speed_limit_mps": 40 / 3.6, "priority": 3} | more
    return StandingSign(SignPost(name, source, **values), -50.0, -10.0, (LaneStretch(EAST, 150.0, 180.0),))


def test_a_sign_goes_out_once_a_second_in_both_families(scene: Any, place: Any) -> None:
    bench = Bench(scene)
    sent = [bench.step([sign()]) for _ in range(21)]
    assert [i for i, out in enumerate(sent) if out] == [0, 10, 20]
    rsi, tim = sent[0]
    assert (rsi.message_name, tim.message_name) == ("RSI", "TIM")
    assert {rsi.priority, tim.priority} == {48} and {rsi.ttl_ms, tim.ttl_ms} == {2000}
    assert (rsi.key, tim.key) == (f"{CSAE}/signs/0", f"{J2735}/signs/0")
    for downlink in (rsi, tim):
        message = bench.read(downlink)
        assert not message.events
        (read,) = message.signs
        assert read.text == "40 km/h" and read.priority == 3
        (path,) = read.paths
        ends = [scene.plane.to_xy(p.lat_deg, p.lon_deg) for p in (path.points[0], path.points[-1])]
        # From 100 m before the sign to the end of its stretch, in driving direction.
        assert ends[0] == pytest.approx(place(0, -150.0, 5.25), abs=0.3)
        assert ends[1] == pytest.approx(place(0, -20.0, 5.25), abs=0.3)
        assert read.position is not None
        at = scene.plane.to_xy(read.position.lat_deg, read.position.lon_deg)
        assert at == pytest.approx((-50.0, -10.0), abs=0.1)
    assert bench.read(rsi).signs[0].code == 85 and bench.read(rsi).source_id == SOURCE
    # A TIM is known by its packet id: that of the signs is not that of the events.
    assert bench.read(tim).source_id == SOURCE + b"\x01"


def test_what_a_device_sent_is_not_sent_again(scene: Any) -> None:
    assert not Bench(scene).step([sign(source=SignSource.DEVICE)])


def test_signs_keep_their_numbers_and_fill_several_messages(scene: Any) -> None:
    bench = Bench(scene)
    signs = [sign(f"s{i:02}", SignSource.OPERATOR) for i in range(18)]
    out = bench.step(signs)
    sizes = {d.key: len(bench.read(d).signs) for d in out}
    assert sizes == {
        f"{CSAE}/signs/0": 16,
        f"{CSAE}/signs/1": 2,
        f"{J2735}/signs/0": 8,
        f"{J2735}/signs/1": 8,
        f"{J2735}/signs/2": 2,
    }
    before = [read.sign_id for d in out[:2] for read in bench.read(d).signs]
    assert len(set(before)) == 18
    after = [read.sign_id for d in bench.step(signs[1:], 1.0)[:2] for read in bench.read(d).signs]
    assert after == before[1:]


@pytest.mark.drops(DownlinkReason.TOO_MANY)
def test_more_signs_than_numbers_are_counted(scene: Any) -> None:
    bench = Bench(scene)
    bench.step([sign(f"s{i}", SignSource.OPERATOR) for i in range(258)])
    assert bench.counters.dropped(DownlinkReason.TOO_MANY) == 4  # two in each family


def test_nothing_is_sent_while_utc_is_doubted(scene: Any) -> None:
    bench = Bench(scene)
    assert not bench.step([sign()], degraded=True)
    assert bench.counters.dropped(DownlinkReason.CLOCK) >= 1
