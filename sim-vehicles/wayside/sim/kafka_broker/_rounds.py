from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import sys
from collections import defaultdict
from pathlib import Path

import msgspec

from wayside.clock import Clock, SystemClock
from wayside.cloud import CloudSettings, create_app
from wayside.cloud import KafkaSettings as CentreKafka
from wayside.records import Record, decode_record, topic_of
from wayside.sim.kafka_broker._broker import KafkaBroker

_LIVES_S = (0.3, 2.5)
_AWAY_S = (0.0, 2.0)
_ARRIVES_S = 120.0
_LOOK_S = 0.1


class RoundFailed(Exception):
    """A record was lost, doubled or put in another order; the text says which."""


class RoundFigures(msgspec.Struct, frozen=True):
    """What one round did. records: on disk at the edge, hence at the centre. repeated: that came again, and
    were known. dead: letters."""

    seed: int
    records: int
    repeated: int
    dead: int
    broker_kills: int
    edge_kills: int
    seconds: float


async def kill_round(
    broker: KafkaBroker, folder: Path, seed: int, *, rate_hz: float = 300.0, clock: Clock | None = None
) -> RoundFigures:
    """Kill the broker and the edge in mid-stream, start both again, and compare the centre's store with what
    the edge had on disk: nothing lost, doubled, or in another order within a topic and key.

    broker: may be down or up, is up afterwards. folder: of the round, new. Raises RoundFailed, KafkaMissing.
    """
    clock = clock or SystemClock()
    began = clock.mono()
    chance = random.Random(seed)
    await asyncio.to_thread(broker.start)
    site = f"round-{seed}"
    kafka = CentreKafka(
        servers=(broker.server,), group=f"centre-{site}", replication=1, timeout_s=4.0, session_s=6.0
    )
    app = create_app(CloudSettings(data=folder / "centre", kafka=kafka), clock)
    centre = app.state.centre
    edge = _Edge(folder / "outbox.sqlite", broker.server, site, rate_hz)
    async with app.router.lifespan_context(app):
        try:
            await edge.start()
            await clock.sleep(chance.uniform(*_LIVES_S))
            first, second = (broker, edge) if chance.random() < 0.5 else (edge, broker)
            for victim in (first, second):
                await _kill(victim)
                await clock.sleep(chance.uniform(*_AWAY_S))
            for victim in (first, second) if chance.random() < 0.5 else (second, first):
                await _start(victim)
            await clock.sleep(chance.uniform(*_LIVES_S))
            if not await edge.finish():
                raise RoundFailed(f"seed {seed}: the edge could not send everything within its time")
            await _wait_stored(folder, site, len(edge.told), clock)
        finally:
            await edge.kill()
        repeated, dead = centre.counters.value("records_repeated"), centre.counters.value("kafka_dead")
    _compare(edge.told, _stored(folder, site), seed)
    return RoundFigures(seed, len(edge.told), repeated, dead, 1, 1, (clock.mono() - began) / 1e9)


async def _kill(victim: KafkaBroker | _Edge) -> None:
    if isinstance(victim, KafkaBroker):
        await asyncio.to_thread(victim.kill)
    else:
        await victim.kill()


async def _start(victim: KafkaBroker | _Edge) -> None:
    if isinstance(victim, KafkaBroker):
        await asyncio.to_thread(victim.start)
    else:
        await victim.start()


class _Edge:
    """The edge's process, and what it has told of: (boot, sequence) → key."""

    def __init__(self, outbox: Path, server: str, site: str, rate_hz: float) -> None:
        self.told: dict[tuple[int, int], str] = {}
        self._words = [str(outbox), server, site, str(rate_hz)]
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._more = asyncio.Event()

    async def start(self) -> None:
        """Start it and wait until it has reported again."""
        before = len(self.told)
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "wayside.sim.kafka_broker._edge",
            *self._words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        self._reader = asyncio.create_task(self._read(self._process), name="edge of a kill round")
        await self.reports(before + 1)

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        # Lines in the pipe when the process dies tell of records that are on disk too.
        while line := await process.stdout.readline():
            if line.endswith(b"\n"):
                boot, seq, key = line.split()
                self.told[int(boot), int(seq)] = key.decode()
                self._more.set()

    async def reports(self, number: int) -> None:
        """Wait until it has told of so many records."""
        async with asyncio.timeout(_ARRIVES_S):
            while len(self.told) < number:
                self._more.clear()
                await self._more.wait()

    async def finish(self) -> bool:
        """End it in order; whether it could send everything."""
        return await self._end(signal.SIGTERM) == 0

    async def kill(self) -> None:
        """SIGKILL, if it runs."""
        await self._end(signal.SIGKILL)

    async def _end(self, number: signal.Signals) -> int | None:
        process, self._process = self._process, None
        if process is None:
            return None
        if process.returncode is None:
            os.kill(process.pid, number)
        if self._reader is not None:
            await self._reader
        return await process.wait()


def _stored(folder: Path, site: str) -> list[Record]:
    """The centre's records of a site in the order in which it took them in."""
    sql = sqlite3.connect(f"file:{folder / 'centre' / 'records.db'}?mode=ro", uri=True)
    try:
        rows = sql.execute("SELECT body FROM records WHERE site = ? ORDER BY row", (site,))
        return [decode_record(body) for (body,) in rows]
    finally:
        sql.close()


async def _wait_stored(folder: Path, site: str, number: int, clock: Clock) -> None:
    deadline = clock.mono() + _ARRIVES_S * 1e9
    while len(_stored(folder, site)) < number and clock.mono() < deadline:
        await clock.sleep(_LOOK_S)


def _compare(told: dict[tuple[int, int], str], stored: list[Record], seed: int) -> None:
    there = [(record.id.boot, record.id.seq) for record in stored]
    missing = sorted(told.keys() - set(there))
    if missing:
        raise RoundFailed(f"seed {seed}: {len(missing)} of {len(told)} records lost, first {missing[0]}")
    if len(there) != len(set(there)):
        raise RoundFailed(f"seed {seed}: {len(there) - len(set(there))} records doubled")
    for boot in {boot for boot, _ in there}:
        numbers = sorted(seq for other, seq in there if other == boot)
        if numbers != list(range(1, len(numbers) + 1)):
            raise RoundFailed(f"seed {seed}: a gap in the numbers of boot {boot}")
    order: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for record in stored:
        order[topic_of(record), record.key].append((record.id.boot, record.id.seq))
    for place, ids in order.items():
        if ids != sorted(ids):
            raise RoundFailed(f"seed {seed}: another order in {place}")
