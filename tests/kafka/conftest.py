"""A real broker for the session, and the two carriages, HTTP and Kafka, over which the same tests run."""

from __future__ import annotations

import asyncio
import itertools
import socket
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvicorn
from aiokafka import AIOKafkaConsumer

from wayside.broker import BrokerAccess
from wayside.clock import SystemClock
from wayside.cloud import CloudSettings, KafkaSettings, create_app
from wayside.mec.rollup import (
    CommandMark,
    CommandSource,
    HttpCommands,
    HttpUplink,
    KafkaCommands,
    KafkaUplink,
    Outbox,
    UplinkSettings,
)
from wayside.mec.rollup import KafkaSettings as EdgeKafka
from wayside.observe import Counters
from wayside.records import DEAD_TOPIC, Record, decode_record
from wayside.runtime import Backoff, TaskOwner
from wayside.sim.kafka_broker import KafkaBroker, can_run

_sites = itertools.count(1)
CLOCK = SystemClock()


@pytest.fixture(scope="session")
def _session_broker(
    optional_part: Callable[[str, bool], None], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[KafkaBroker]:
    optional_part("Kafka (java, and mvn or its jars)", can_run())
    broker = KafkaBroker(tmp_path_factory.mktemp("kafka"))
    yield broker
    broker.kill()


@pytest.fixture
def kafka_broker(_session_broker: KafkaBroker) -> KafkaBroker:
    """The session's broker, running."""
    _session_broker.resume()
    _session_broker.start()
    return _session_broker


def quick() -> Backoff:
    return Backoff(first_s=0.01, ceiling_s=0.2, floor_s=0.005, seed=2)


async def until(met: Callable[[], object], within_s: float = 45.0) -> None:
    """Wait for a condition; fail when it does not come true in time."""
    deadline = CLOCK.mono() + within_s * 1e9
    while not met():
        assert CLOCK.mono() < deadline, "the condition did not come true"
        await asyncio.sleep(0.02)


class Edge(msgspec.Struct):
    """An outbox and the uplink that empties it."""

    site: str
    outbox: Outbox
    uplink: HttpUplink | KafkaUplink
    counters: Counters


class Carriage(ABC):
    """One way from edges to a centre. The centre's address and store stay over its restarts."""

    name = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.site = f"site-{next(_sites)}"

    def settings(self, **changes: Any) -> CloudSettings:
        return CloudSettings(**({"data": self.folder / "cloud"} | changes))

    @abstractmethod
    def centre(self, **changes: Any) -> AbstractAsyncContextManager[Any]:
        """A running centre."""

    @abstractmethod
    def uplink(self, outbox: Outbox, counters: Counters) -> HttpUplink | KafkaUplink: ...

    @abstractmethod
    def commands(self, instance: str, counters: Counters) -> CommandSource: ...

    @asynccontextmanager
    async def edge(self, name: str = "outbox") -> AsyncIterator[Edge]:
        """An edge of the carriage's site that sends; name: of its outbox file."""
        counters = Counters()
        async with await Outbox.open(self.folder / f"{name}.db", self.site, CLOCK, counters) as outbox:
            uplink = self.uplink(outbox, counters)
            async with TaskOwner("edge") as owner:
                uplink.start(owner)
                yield Edge(self.site, outbox, uplink, counters)
            await uplink.close()

    def stored(self) -> list[Record]:
        """The site's records in the order in which the centre took them in; none before it has a store."""
        path = self.folder / "cloud" / "records.db"
        if not path.exists():
            return []
        sql = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5.0)
        try:
            rows = sql.execute("SELECT body FROM records WHERE site = ? ORDER BY row", (self.site,))
            return [decode_record(body) for (body,) in rows]
        finally:
            sql.close()

    until = staticmethod(until)


class _Server(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


class ByHttp(Carriage):
    name = "http"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = int(listener.getsockname()[1])
        self.to = UplinkSettings(f"http://127.0.0.1:{self.port}", page_records=50, timeout_s=5.0)

    @asynccontextmanager
    async def centre(self, **changes: Any) -> AsyncIterator[Any]:
        app = create_app(self.settings(**changes), CLOCK)
        config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1)
        server = _Server(config)
        with socket.create_server(("127.0.0.1", self.port)) as listener:
            task = asyncio.create_task(server.serve(sockets=[listener]))
            await server.ready.wait()
            try:
                yield app.state.centre
            finally:
                server.should_exit = True
                await task

    def uplink(self, outbox: Outbox, counters: Counters) -> HttpUplink:
        return HttpUplink(self.to, outbox, CLOCK, counters, backoff=quick(), live_backoff=quick())

    def commands(self, instance: str, counters: Counters) -> CommandSource:
        mark = CommandMark(self.folder / "commands")
        return HttpCommands(self.to, self.site, instance, mark, CLOCK, counters, backoff=quick())


class ByKafka(Carriage):
    name = "kafka"

    def __init__(self, folder: Path, broker: KafkaBroker) -> None:
        super().__init__(folder)
        self.broker = broker
        self.access = BrokerAccess((broker.server,))
        self.to = EdgeKafka(self.access, page_records=50, timeout_s=3.0)

    def settings(self, **changes: Any) -> CloudSettings:
        kafka = KafkaSettings(
            servers=(self.broker.server,),
            group=f"centre-{self.site}",
            replication=1,
            partitions=3,
            timeout_s=3.0,
            session_s=6.0,
        )
        return super().settings(**({"kafka": kafka} | changes))

    @asynccontextmanager
    async def centre(self, **changes: Any) -> AsyncIterator[Any]:
        app = create_app(self.settings(**changes), CLOCK)
        async with app.router.lifespan_context(app):
            yield app.state.centre

    def uplink(self, outbox: Outbox, counters: Counters) -> KafkaUplink:
        return KafkaUplink(self.to, outbox, CLOCK, counters, backoff=quick(), live_backoff=quick())

    def commands(self, instance: str, counters: Counters) -> CommandSource:
        return KafkaCommands(self.to, self.site, CLOCK, counters, backoff=quick())

    async def dead(self, number: int) -> list[Any]:
        """The site's first so many dead letters."""
        found: list[Any] = []
        async with AIOKafkaConsumer(
            DEAD_TOPIC, bootstrap_servers=self.broker.server, auto_offset_reset="earliest"
        ) as consumer:
            async with asyncio.timeout(30.0):
                while len(found) < number:
                    letter = await consumer.getone()
                    if (letter.key or b"").startswith(self.site.encode()):
                        found.append(letter)
        return found


@pytest.fixture(params=["http", "kafka"])
def carriage(request: pytest.FixtureRequest, tmp_path: Path) -> Carriage:
    """Both ways in turn."""
    if request.param == "http":
        return ByHttp(tmp_path)
    return ByKafka(tmp_path, request.getfixturevalue("kafka_broker"))


@pytest.fixture
def by_kafka(tmp_path: Path, kafka_broker: KafkaBroker) -> ByKafka:
    """By Kafka alone."""
    return ByKafka(tmp_path, kafka_broker)


Report = Callable[..., Awaitable[list[Any]]]
