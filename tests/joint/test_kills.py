"""The edge is killed in mid-run, again and again: what it had written is at the centre once, and what was
open goes on as the same event.

WAYSIDE_KILLS sets how many kills (5); seeds are printed.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
from collections import Counter
from typing import Any

import msgspec
import pytest

from wayside.mec.sensors import Detection
from wayside.records import EventRecord, EventState, Record, RecordId, decode_record
from wayside.runtime import TaskOwner

KILLS = int(os.environ.get("WAYSIDE_KILLS", "5"))
SEED = 20_261
STANDS_M = 100.0
MEETS_M = 150.0
PASS_S = 6.0

pytestmark = [pytest.mark.joint, pytest.mark.timeout(120 + 30 * KILLS)]


class Traffic:
    """A car that stands all the time, and one connected vehicle after the other that meets a pedestrian."""

    def __init__(self, place: Any, owner: TaskOwner) -> None:
        self._place = place
        self._owner = owner
        self._step_out = 0
        self.warned: Counter[str] = Counter()
        self._car: Any = None

    def seen(self) -> list[Detection]:
        """What the sensor sees now."""
        out = [self._place.road.standing(STANDS_M)]
        car = self._car
        if car is not None and 1.5 <= car.travelled_s < 5.5:
            out.append(self._place.road.walker(MEETS_M, 13.5 - 1.4 * (car.travelled_s - 1.5), 1.4))
        return out

    async def run(self) -> None:
        """Vehicles come and go until cancelled, whether the edge is there or not."""
        for number in itertools.count():
            car = self._place.car(f"car-{number}", away_m=225.0, speed_mps=12.0, lane=3)
            async with car.client, TaskOwner(f"car {number}") as tasks:
                self._car = car
                car.begin()
                tasks.start(car.run(), "bsm")
                await asyncio.sleep(PASS_S)
                self._car = None
            for kind in car.kinds():
                self.warned[kind] += 1


def ids(bodies: list[bytes]) -> list[RecordId]:
    return [decode_record(body).id for body in bodies]


def opened(events: dict[str, bytes], app: str) -> list[EventRecord]:
    found = (msgspec.msgpack.decode(body, type=EventRecord) for body in events.values())
    return [event for event in found if event.app == app]


def standing_events(records: list[Record]) -> list[tuple[RecordId, EventRecord]]:
    return [(r.id, r.body) for r in records if isinstance(r.body, EventRecord) and r.body.app == "hlw"]


async def test_killed_again_and_again_it_reports_each_record_once_and_an_open_event_as_one(
    place: Any, owner: TaskOwner
) -> None:
    chance = random.Random(SEED)
    traffic = Traffic(place, owner)
    owner.start(place.eye(traffic.seen).run(), "sensor")
    owner.start(traffic.run(), "vehicles")
    written: set[RecordId] = set()
    open_ids: list[str] = []
    try:
        for kill in range(KILLS):
            # At every second kill the centre is away, so that there is something left in the outbox.
            if kill % 2 == 0:
                await place.centre.stop()
            edge = await place.child()
            await edge.line()
            if kill == 0:
                await place.until(lambda: opened(place.outbox()[1], "hlw"), 40.0)
            lives_s = chance.uniform(0.2, 3.0)
            print(f"kill {kill + 1} of {KILLS}: seed {SEED}, {lives_s:.3f} s after it was ready")
            await asyncio.sleep(lives_s)
            await edge.kill()
            rows, events = place.outbox()
            written.update(ids(rows))
            open_ids += [event.event_id for event in opened(events, "hlw")]
            await place.centre.start()
        edge = await place.child()
        await edge.line()
        assert written
        boot = place.boot()

        def taken_up() -> bool:
            records = [decode_record(body) for body in place.centre.bodies()]
            return any(record_id.boot == boot for record_id, _ in standing_events(records))

        await place.until(taken_up, 60.0)
        await place.until(lambda: traffic.warned["vrucw"] + traffic.warned["hlw"], 60.0)
        figures = await edge.end()
        assert figures["records"]["waiting"] == 0
        stored = [decode_record(body) for body in place.centre.bodies()]
    finally:
        await place.centre.stop()

    # Each record once, none missing: also those that the centre had before the kill.
    counted = Counter(record.id for record in stored)
    assert not written - counted.keys()
    assert set(counted.values()) == {1}
    for boot in {record_id.boot for record_id in counted}:
        numbers = sorted(record_id.seq for record_id in counted if record_id.boot == boot)
        assert numbers == list(range(1, len(numbers) + 1)), f"gap in boot {boot}"
    assert len({record_id.boot for record_id in counted}) >= 2

    # The standing car is one event over all runs.
    standing = standing_events(stored)
    assert len(open_ids) == KILLS and len(set(open_ids)) == 1
    assert {event.event_id for _, event in standing} == set(open_ids)
    revisions = [event.revision for _, event in standing]
    assert revisions == list(range(1, len(revisions) + 1)) and len(revisions) > 1
    assert [event.state for _, event in standing].count(EventState.CLOSED) <= 1
    assert len({record_id.boot for record_id, _ in standing}) >= 2
