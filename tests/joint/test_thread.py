"""The whole way of a warning over real sockets: sensors, roadside unit, vehicles, edge and centre."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from wayside.asn1 import load
from wayside.asn1.messages import Light, Path, Position, RoadEvent, RoadEvents
from wayside.asn1.translate import J2735_2024, to_wire
from wayside.clock import SystemClock
from wayside.mec.rollup import RollupReason
from wayside.rsu.vendors.usdot_rsu41 import UsdotRsu41Emulator
from wayside.runtime import TaskOwner
from wayside.sim._plan import SignalPlan
from wayside.sim._senders import UdpSender
from wayside.sim._tscbm import tscbm

pytestmark = [pytest.mark.joint, pytest.mark.timeout(180)]
CLOCK = SystemClock()
MEETS_M = 150.0
WEST_THROUGH = 8
ACCIDENT = 513
WAY = ["detection", "track", "app", "selection", "frame", "callback", "record"]


class Pedestrian:
    """Steps in front of a car on lane 3 of the western leg, and is gone after a while."""

    def __init__(self, place: Any, car: Any) -> None:
        self._place = place
        self._car = car
        self.there = True

    def seen(self) -> list[Any]:
        if not self.there:
            return []
        return [self._place.road.walker(MEETS_M, 12.3 - 1.4 * self._car.travelled_s, 1.4)]


@asynccontextmanager
async def meeting(place: Any) -> AsyncIterator[tuple[Any, Pedestrian]]:
    """A car and a pedestrian on their way to each other, seen by a sensor."""
    car = place.car("bus-12", away_m=195.0, speed_mps=12.0, lane=3)
    async with car.client, TaskOwner("meeting") as tasks:
        await car.client.connected()
        car.begin()
        pedestrian = Pedestrian(place, car)
        tasks.start(car.run(), "bsm")
        tasks.start(place.eye(pedestrian.seen).run(), "sensor")
        yield car, pedestrian


async def over(place: Any, car: Any, kind: str) -> None:
    """Wait until nothing of a kind is in force with the driver."""
    await place.until(lambda: kind not in {w.warning.kind.value for w in car.client.active()})


@pytest.fixture
async def unit(place: Any) -> AsyncIterator[UsdotRsu41Emulator]:
    """The site's roadside unit."""
    emulator = UsdotRsu41Emulator(
        CLOCK, port=place.ports.rsu_down, uplink=("127.0.0.1", {"any": place.ports.rsu_up})
    )
    await emulator.start()
    yield emulator
    await emulator.close()


def accident(place: Any) -> bytes:
    """A TIM of somebody else: an accident on lane 2 of the western leg, 60 m before the crossing."""

    def at(away_m: float) -> Position:
        lat, lon = place.road.crossing.plane.to_lat_lon(*place.road.crossing.at(3, away_m, 3.875))
        return Position(lat, lon)

    event = RoadEvent(
        1,
        itis=(ACCIDENT,),
        position=at(60.0),
        paths=(Path((at(100.0), at(80.0), at(60.0)), 3.0),),
        start_utc_ns=CLOCK.utc() - 120_000_000_000,
        end_utc_ns=CLOCK.utc() + 600_000_000_000,
    )
    said = RoadEvents(b"SOMEONE1", 1, at(60.0), (event,), utc_ns=CLOCK.utc())
    return load(J2735_2024).encode(to_wire(J2735_2024, said).value)


async def red(port: int) -> None:
    """A signal controller that shows the western leg red, until cancelled."""
    plan = SignalPlan()
    t_s = next(t for t in itertools.count() if _red_for_long(plan, float(t)))
    sender = UdpSender(port)
    await sender.open()
    try:
        for number in itertools.count(1):
            sender.send(tscbm(plan, float(t_s), CLOCK.utc(), number))
            await asyncio.sleep(0.1)
    finally:
        await sender.close()


def _red_for_long(plan: SignalPlan, t_s: float) -> bool:
    now = plan.group(WEST_THROUGH, t_s)
    before = plan.group(WEST_THROUGH, t_s - 3.0)
    return now.light is before.light is Light.RED and now.green_in_s > 20.0


async def test_a_pedestrian_steps_out_and_everyone_concerned_learns_of_it(
    place: Any, unit: UsdotRsu41Emulator
) -> None:
    await place.centre.start()
    try:
        async with place.edge() as service:
            await place.until(lambda: service.units.adapters["rsu-1"].listening)
            async with meeting(place) as (car, pedestrian):
                await place.until(lambda: car.of("vrucw"))
                first = car.of("vrucw")[0]
                # The unit tells the vehicles without a link: who is there, and the danger.
                await place.until(lambda: {"SDSM", "TIM"} <= {b.message for b in unit.broadcasts})
                pedestrian.there = False
                await over(place, car, "vrucw")
                assert first.warning.parties[0].kind == "pedestrian"
                assert {w.warning.event_id for w in car.of("vrucw")} == {first.warning.event_id}

                # Its own word, come back by radio, is no news.
                own = [b.uper for b in unit.broadcasts if b.message == "TIM"]
                unit.send_up(own[-1])
                await place.until(lambda: service.counters.value("hlw_silent", "own_content"))
                assert not car.of("hlw")
            trace = first.warning.trace_id
            told = await place.centre.until(
                f"/api/trace/{trace}", lambda a: {"callback", "record"} <= {s["name"] for s in a["steps"]}
            )
            names = [step["name"] for step in told["steps"]]
            assert [name for name in WAY if name in names] == WAY
            assert names[:3] == WAY[:3] and names[-1] == "record"
            assert told["steps"][0]["detail"]["trace_id"] == trace
            assert told["steps"][names.index("selection")]["detail"]["by"] == "concern"
            assert sum(told["latency_ms"].values()) == pytest.approx(told["total_ms"])
            await place.centre.until(
                f"/api/events?site={service.site.id}&state=closed",
                lambda a: first.warning.event_id in {e["event_id"] for e in a["events"]},
            )
            assert service.counters.value("link_callback_failed") == 0
    finally:
        await place.centre.stop()


async def test_a_hazard_that_a_unit_reports_reaches_the_vehicles_that_drive_towards_it(
    place: Any, unit: UsdotRsu41Emulator, owner: TaskOwner
) -> None:
    async with place.edge(drain_s=0.1) as service:
        await place.until(lambda: service.units.adapters["rsu-1"].listening)
        coming = place.car("coming", away_m=160.0, speed_mps=6.0)
        past = place.car("past", away_m=45.0, speed_mps=1.0)
        async with coming.client, past.client:
            for car in (coming, past):
                await car.client.connected()
                car.begin()
                owner.start(car.run(), "bsm")
            owner.start(unit.send_up_every(0.5, lambda: [accident(place)]), "unit")
            await place.until(lambda: coming.of("hlw"))
            assert coming.of("hlw")[0].warning.evidence["origin"] == "rsu-1"
            assert coming.of("hlw")[0].warning.distance_m
            assert not past.of("hlw")


async def test_a_driver_who_does_not_stop_at_red_is_told(place: Any, owner: TaskOwner) -> None:
    async with place.edge(drain_s=0.1) as service:
        owner.start(red(place.ports.tscbm), "controller")
        await place.until(lambda: service.core.world.snapshot().signals.items())
        runner = place.car("runner", away_m=95.0, speed_mps=14.0)
        stands = place.car("stands", away_m=27.0, speed_mps=0.0, lane=3)
        async with runner.client, stands.client:
            for car in (runner, stands):
                await car.client.connected()
                car.begin()
                owner.start(car.run(), "bsm")
            await place.until(lambda: runner.of("rlvw"))
            assert not stands.warnings


async def test_without_a_centre_warnings_go_on_and_it_learns_of_them_later(place: Any) -> None:
    async with place.edge() as service:
        async with meeting(place) as (car, pedestrian):
            await place.until(lambda: car.of("vrucw"))
            pedestrian.there = False
            await over(place, car, "vrucw")
        assert service.counters.dropped(RollupReason.UNREACHABLE) > 0
        trace = car.of("vrucw")[0].warning.trace_id
        await place.centre.start()
        try:
            told = await place.centre.until(
                f"/api/trace/{trace}", lambda a: "callback" in {s["name"] for s in a["steps"]}
            )
            assert told["kind"] == "vrucw"
        finally:
            await place.centre.stop()
