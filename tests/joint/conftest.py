"""The edge with everything around it: a centre, sensors, vehicles, a roadside unit, on the demo's site."""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
import socket
import sqlite3
import sys
import zlib
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from wayside.asn1 import load
from wayside.asn1.messages import BasicSafety, EllipseAccuracy, Position, Size
from wayside.asn1.translate import J2735_2024, to_wire
from wayside.clock import Clock, SystemClock, UtcNs
from wayside.geo import heading_from_yaw
from wayside.mec.sensors import Detection, ParticipantClass, encode_scan, wire_object
from wayside.mec.service import EdgeService, ServiceSettings
from wayside.mec.site import load_site
from wayside.observe import Counters
from wayside.obu import ObuClient, ReceivedCancel, ReceivedWarning
from wayside.runtime import TaskOwner
from wayside.sim._children import free_port
from wayside.sim._crossing import Crossing, RouteKey, Turn
from wayside.sim._demo_site import Ports, choose_ports, write_site
from wayside.sim._senders import UdpSender

SITE_FILE = Path(__file__).parents[2] / "deploy" / "demo" / "site.yaml"
SITE = "haihe-demo"
WEST = 3
TOKEN = "joint-secret"
DIALECT = J2735_2024
SCAN_S = 0.1
CLOCK = SystemClock()


async def until(met: Callable[[], object], within_s: float = 30.0) -> None:
    """Wait for a condition; fail when it does not come true in time."""
    deadline = CLOCK.mono() + within_s * 1e9
    while not met():
        assert CLOCK.mono() < deadline, "the condition did not come true"
        await asyncio.sleep(0.01)


class Process:
    """A command of the project as a child of the test."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, *words: str, log: Path) -> Process:
        with log.open("ab") as said:
            return cls(
                await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "wayside.cli",
                    *words,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=said,
                    start_new_session=True,
                    limit=4_194_304,
                )
            )

    async def line(self, within_s: float = 40.0) -> dict[str, Any]:
        """Its next line of output."""
        assert self._process.stdout is not None
        async with asyncio.timeout(within_s):
            return dict(json.loads(await self._process.stdout.readline()))

    async def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self._process.kill()
        assert self._process.stdout is not None
        await self._process.stdout.read()
        assert await self._process.wait() == -signal.SIGKILL

    async def end(self) -> dict[str, Any]:
        """SIGTERM; its last line, {} when it says none."""
        assert self._process.stdout is not None
        if self._process.returncode is None:
            self._process.terminate()
        async with asyncio.timeout(30.0):
            said = (await self._process.stdout.read()).splitlines()
            await self._process.wait()
        return dict(json.loads(said[-1])) if said else {}


class Centre:
    """A real `wayside cloud` that can be started, stopped and asked."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._process: Process | None = None

    async def start(self) -> None:
        if self._process is not None:
            return
        self._process = await Process.start(
            "cloud",
            "--port",
            str(self.port),
            "--data",
            str(self.folder / "centre"),
            "--json",
            log=self.folder / "centre.log",
        )
        await self._process.line()

    async def stop(self) -> None:
        if self._process is not None:
            await self._process.end()
            self._process = None

    async def get(self, path: str) -> dict[str, Any]:
        """Answer of the API."""
        async with httpx.AsyncClient(trust_env=False, timeout=20.0) as client:
            answer = await client.get(self.url + path)
        return dict(answer.json()) if answer.status_code == 200 else {}

    async def until(
        self, path: str, met: Callable[[dict[str, Any]], object], within_s: float = 30.0
    ) -> dict[str, Any]:
        """Ask until the answer is as wanted."""
        deadline = CLOCK.mono() + within_s * 1e9
        while True:
            answer = await self.get(path)
            if answer and met(answer):
                return answer
            assert CLOCK.mono() < deadline, f"{path} did not come to what was wanted: {str(answer)[:500]}"
            await asyncio.sleep(0.1)

    def bodies(self) -> list[bytes]:
        """All records of the store in the order of their arrival."""
        sql = sqlite3.connect(f"file:{self.folder / 'centre' / 'records.db'}?mode=ro", uri=True)
        rows = sql.execute("SELECT body FROM records ORDER BY row").fetchall()
        sql.close()
        return [body for (body,) in rows]


class Eye:
    """A lidar of the site that sees what `objects(now)` gives, ten times a second, over UDP."""

    def __init__(
        self, port: int, objects: Callable[[], Iterable[Detection]], sensor: str = "lidar-w"
    ) -> None:
        self.sender = UdpSender(port)
        self._objects = objects
        self._sensor = sensor
        # Begins at the time, so that a sensor that is started again does not repeat its numbers.
        self._seq = CLOCK.utc() // 1_000_000

    async def run(self) -> None:
        await self.sender.open()
        try:
            while True:
                self.look()
                await asyncio.sleep(SCAN_S)
        finally:
            await self.sender.close()

    def look(self) -> None:
        self._seq += 1
        objects = [wire_object(o) for o in self._objects()]
        self.sender.send(encode_scan(self._sensor, self._seq, CLOCK.utc(), objects))


class Car:
    """A connected vehicle on a lane of the western leg: a real client that sends its BSM."""

    def __init__(self, link_port: int, name: str, *, away_m: float, speed_mps: float, lane: int = 2) -> None:
        self.warnings: list[ReceivedWarning] = []
        self.cancels: list[ReceivedCancel] = []
        self.name = name
        self._crossing = Crossing()
        self._route = self._crossing.routes[RouteKey(WEST, lane, Turn.STRAIGHT)]
        self._start_m = self._route.stop_m + 22.0 - away_m
        self._speed = speed_mps
        self._began = CLOCK.mono()
        self._ident = zlib.crc32(name.encode()).to_bytes(4, "big")
        self._sent = 0
        self.client = ObuClient(
            [f"ws://127.0.0.1:{link_port}/"], vehicle_id=name, token=TOKEN, dialect=DIALECT, seed=1
        )

        async def warned(received: ReceivedWarning) -> None:
            self.warnings.append(received)

        async def cancelled(received: ReceivedCancel) -> None:
            self.cancels.append(received)

        self.client.on_warning(warned)
        self.client.on_cancel(cancelled)

    @property
    def travelled_s(self) -> float:
        return (CLOCK.mono() - self._began) / 1e9

    def begin(self) -> None:
        """Set off now."""
        self._began = CLOCK.mono()

    def kinds(self) -> set[str]:
        return {w.warning.kind.value for w in self.warnings}

    def of(self, kind: str) -> list[ReceivedWarning]:
        return [w for w in self.warnings if w.warning.kind.value == kind]

    def message(self) -> bytes:
        along = self._start_m + self._speed * self.travelled_s
        x, y = self._route.line.point_at(along)
        lat, lon = self._crossing.plane.to_lat_lon(float(x), float(y))
        self._sent += 1
        said = BasicSafety(
            vehicle_id=self._ident,
            msg_count=self._sent % 128,
            position=Position(lat, lon, 3.0),
            utc_ns=CLOCK.utc(),
            accuracy=EllipseAccuracy(0.5, 0.5, 0.0),
            speed_mps=self._speed,
            heading_deg=heading_from_yaw(self._route.line.yaw_at(along)),
            size=Size(1.8, 4.6),
        )
        return load(DIALECT).encode(to_wire(DIALECT, said).value)

    async def run(self) -> None:
        """Send BSM until cancelled."""
        while True:
            await self.client.send_bsm(self.message())
            await asyncio.sleep(0.1)


class Road:
    """Places of the western leg, as detections."""

    def __init__(self) -> None:
        self.crossing = Crossing()

    def standing(self, away_m: float, lane_m: float = 3.875) -> Detection:
        """A car that stands."""
        x, y = self.crossing.at(WEST, away_m, lane_m)
        yaw = self.crossing.legs[WEST].yaw_rad + math.pi
        return Detection(
            x,
            y,
            ParticipantClass.CAR,
            0.95,
            0.0,
            0.0,
            length_m=4.6,
            width_m=1.8,
            yaw_rad=yaw,
            std_m=(0.1, 0.1),
        )

    def walker(self, away_m: float, right_m: float, speed_mps: float) -> Detection:
        """A person who walks from the right across the lanes."""
        x, y = self.crossing.at(WEST, away_m, right_m)
        yaw = self.crossing.legs[WEST].yaw_rad - math.pi / 2.0
        v = speed_mps * math.cos(yaw), speed_mps * math.sin(yaw)
        return Detection(
            x,
            y,
            ParticipantClass.PEDESTRIAN,
            0.95,
            *v,
            length_m=0.5,
            width_m=0.5,
            yaw_rad=yaw,
            std_m=(0.1, 0.1),
        )


class Place:
    """One run of the site: its folder, ports, and an edge in this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports: Ports = choose_ports(SITE_FILE, any_free=True)
        self.site_file = folder / "site.yaml"
        self.clock: Clock = CLOCK
        self.road = Road()
        self.centre = Centre(folder, free_port(socket.SOCK_STREAM))
        write_site(SITE_FILE, self.site_file, self.ports, self.centre.url)

    @asynccontextmanager
    async def edge(self, drain_s: float = 5.0) -> AsyncIterator[EdgeService]:
        """The edge's service on this loop. drain_s: how long its end waits for the centre."""
        service = EdgeService(
            load_site(self.site_file), CLOCK, Counters(), ServiceSettings(summary_s=2.0, drain_s=drain_s)
        )
        await service.start()
        try:
            yield service
        finally:
            await service.close()

    def car(self, name: str, **how: Any) -> Car:
        """A vehicle; see `Car`."""
        return Car(self.ports.link, name, **how)

    def eye(self, objects: Callable[[], Iterable[Detection]], sensor: str = "lidar-w") -> Eye:
        """A sensor; see `Eye`."""
        return Eye(self.ports.sensors_udp, objects, sensor)

    async def child(self, *more: str) -> Process:
        """The edge as processes of its own."""
        return await Process.start(
            "mec", "--site", str(self.site_file), "--json", *more, log=self.folder / "edge.log"
        )

    def outbox(self) -> tuple[list[bytes], dict[str, bytes]]:
        """What the outbox file holds now, read beside whoever has it open: records, and open events."""
        sql = sqlite3.connect(f"file:{self.folder / 'outbox.sqlite'}?mode=ro", uri=True, timeout=5.0)
        try:
            rows = [body for (body,) in sql.execute("SELECT body FROM outbox ORDER BY row")]
            return rows, dict(sql.execute("SELECT subject, body FROM open_events"))
        finally:
            sql.close()

    def boot(self) -> int:
        """Number of the outbox's last start."""
        sql = sqlite3.connect(f"file:{self.folder / 'outbox.sqlite'}?mode=ro", uri=True, timeout=5.0)
        try:
            return int(sql.execute("SELECT value FROM meta WHERE name = 'boot'").fetchone()[0])
        finally:
            sql.close()

    until = staticmethod(until)

    @staticmethod
    def utc() -> UtcNs:
        return CLOCK.utc()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A site of its own on free ports."""
    monkeypatch.setenv("WAYSIDE_LINK_TOKEN", TOKEN)
    monkeypatch.setenv("WAYSIDE_SENSOR_TOKEN", TOKEN)
    monkeypatch.delenv("WAYSIDE_CLOUD_TOKEN", raising=False)
    assert os.environ["WAYSIDE_LINK_TOKEN"] == TOKEN
    return Place(tmp_path)


@pytest.fixture
async def owner() -> AsyncIterator[TaskOwner]:
    """Ends what a test has started; a task that failed fails the test."""
    async with TaskOwner("joint test") as tasks:
        yield tasks
    assert tasks.failure is None, tasks.failure
