from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wayside.asn1 import load
from wayside.clock import VirtualClock
from wayside.mec.core import EdgeCore, EdgeReason
from wayside.mec.site import load_site
from wayside.observe import Counters
from wayside.rsu import Direction, Envelope

ROOT = Path(__file__).parents[3]
J2735 = "j2735-2024"


def vector(message: str, number: int = 0, file: str = "j2735.json") -> dict[str, Any]:
    found = json.loads((ROOT / "tests/vectors" / file).read_text("utf-8"))
    return [entry for entry in found if entry["message"] == message][number]


class Edge:
    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.counters = Counters()
        self.core = EdgeCore(load_site(ROOT / "deploy/demo/site.yaml"), clock, self.counters, seed=1)
        self.core.on_session("s-1", True, J2735)

    def from_vehicle(self, frame: bytes) -> bool:
        return self.core.on_vehicle_frame("s-1", frame, self.clock.mono())

    def from_unit(self, message: str, uper: bytes | None, value: Any = None, dialect: str = J2735) -> bool:
        return self.core.on_rsu_envelope(
            Envelope(
                msg_uid="0" * 24,
                device_id="rsu-1",
                vendor="usdot_rsu41",
                direction=Direction.UP,
                dialect=dialect,
                message=message,
                uper=uper,
                utc_ns=self.clock.utc(),
                mono_ns=self.clock.mono(),
                trace_id="ab",
                value=value,
            )
        )

    def dropped(self) -> dict[str, int]:
        return self.counters.drops().get("edge", {})


@pytest.fixture
def edge(clock: VirtualClock) -> Edge:
    return Edge(clock)


def here(edge: Edge) -> bytes:
    """A BSM frame of a car at the site's origin."""
    messages = load(J2735)
    frame: Any = messages.decode(bytes.fromhex(vector("BasicSafetyMessage")["hex"]))
    core = frame["value"]["coreData"]
    core["lat"], core["long"] = round(edge.core.plane.lat_deg * 1e7), round(edge.core.plane.lon_deg * 1e7)
    core["speed"], core["heading"], core["size"] = 500, 7200, {"width": 180, "length": 460}
    return messages.encode(frame)


def test_a_vehicles_own_word_puts_it_into_the_world(edge: Edge) -> None:
    assert edge.from_vehicle(here(edge))
    (track,) = edge.core.step().world.tracks
    assert (track.session, track.speed_mps) == ("s-1", pytest.approx(10.0))
    assert abs(track.x_m) < 0.1
    assert edge.dropped() == {}


def test_a_vehicle_that_a_unit_hears_too_is_one_vehicle(edge: Edge) -> None:
    frame = here(edge)
    assert edge.from_vehicle(frame)
    edge.from_unit("BSM", frame)
    assert len(edge.core.step().world.tracks) == 1


@pytest.mark.drops(EdgeReason.UNDECODABLE)
def test_damaged_frames_are_counted_and_change_nothing(edge: Edge) -> None:
    good = here(edge)
    for frame in (b"", b"\xff" * 40, good[:-3], good + b"\x01"):
        assert not edge.from_vehicle(frame)
    assert not edge.from_unit("BSM", None)
    assert not edge.from_unit("SPAT", b"\x00")
    assert edge.dropped() == {"undecodable": 6}
    assert len(edge.core.step().world.tracks) == 0
    assert edge.from_vehicle(good)


@pytest.mark.drops(EdgeReason.UNTRANSLATABLE)
def test_a_vehicle_that_does_not_know_its_position_is_counted(edge: Edge) -> None:
    messages = load(J2735)
    frame: Any = messages.decode(here(edge))
    frame["value"]["coreData"]["lat"] = 900_000_001
    assert not edge.from_vehicle(messages.encode(frame))
    assert edge.dropped() == {"untranslatable": 1}


@pytest.mark.drops(EdgeReason.NOT_EXPECTED)
def test_a_vehicle_does_not_get_to_say_what_the_signals_show(edge: Edge) -> None:
    assert not edge.from_vehicle(bytes.fromhex(vector("SPAT")["hex"]))
    assert edge.dropped() == {"not_expected": 1}
    assert edge.core.step().world.signals.items() == []


def test_messages_of_a_unit_that_the_edge_does_not_use_are_counted_without_being_read(edge: Edge) -> None:
    assert not edge.from_unit("MAP", b"\xff\xff")
    assert edge.counters.counts()["messages_not_used"] == {"MAP": 1}
    assert edge.dropped() == {}


def test_steps_are_the_same_for_the_same_inputs() -> None:
    def run() -> list[object]:
        edge = Edge(VirtualClock())
        out: list[object] = []
        for _ in range(5):
            edge.from_vehicle(here(edge))
            edge.clock.advance(0.1)
            result = edge.core.step()
            out.append([(t.track_id, t.x_m, t.y_m) for t in result.world.tracks])
            out.append([(d.message_name, d.uper) for d in result.downlinks])
        return out

    first = run()
    assert first == run()
    assert any(first)
