from __future__ import annotations

import asyncio
import math
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from wayside.clock import SystemClock
from wayside.cloud import CloudSettings, create_app
from wayside.geo import LocalPlane
from wayside.observe import TraceStep
from wayside.records import (
    EventRecord,
    EventState,
    LiveEvent,
    LiveParticipant,
    LiveRsu,
    LiveSignal,
    LiveView,
    SiteRecord,
)

Serve = Callable[..., AbstractAsyncContextManager[str]]
LATENCY_MS = {
    "ingested": 0.31,
    "fused": 2.74,
    "decided": 1.12,
    "selected": 0.46,
    "written": 0.22,
    "received": 3.9,
    "called": 0.18,
}


class _Server(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """`async with serve(port=0, **settings) as url`: a real centre on a loopback port, store in tmp_path."""

    @asynccontextmanager
    async def start(port: int = 0, **changes: Any) -> AsyncIterator[str]:
        settings = CloudSettings(**({"data": tmp_path / "cloud", "port": port} | changes))
        app = create_app(settings, SystemClock())
        config = uvicorn.Config(
            app, ws="websockets-sansio", log_config=None, access_log=False, timeout_graceful_shutdown=1
        )
        server = _Server(config)
        with socket.create_server(("127.0.0.1", port)) as listener:
            task = asyncio.create_task(server.serve(sockets=[listener]))
            await server.ready.wait()
            try:
                yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            finally:
                server.should_exit = True
                await task

    return start


class Crossing:
    """A made-up but plausible crossing at the Haihe Education Park in Tianjin: four legs with two lanes in,
    two out, crosswalks, signals, and traffic that moves with `second`."""

    site = "haihe"
    lane_width_m = 3.5
    leg_m = 130.0
    stop_m = 17.0
    crosswalk_m = 12.5

    def __init__(self) -> None:
        self.plane = LocalPlane(38.9976, 117.3120)

    def _point(self, leg: int, along_m: float, across_m: float) -> list[float]:
        """Longitude, latitude on a leg (0 north, 1 east …), `across_m` right of the way out."""
        yaw = math.radians(90.0 - 90.0 * leg - 6.0)
        x = along_m * math.cos(yaw) + across_m * math.sin(yaw)
        y = along_m * math.sin(yaw) - across_m * math.cos(yaw)
        lat, lon = self.plane.to_lat_lon(x, y)
        return [round(lon, 7), round(lat, 7)]

    def _heading(self, leg: int) -> float:
        """Heading of the way out of a leg, degrees."""
        return (90.0 * leg + 6.0) % 360.0

    def lanes(self) -> dict[str, Any]:
        features = []

        def add(lane: int, kind: str, direction: str, width_m: float, points: list[list[float]]) -> None:
            features.append(
                {
                    "type": "Feature",
                    "properties": {
                        "lane": f"1/{lane}",
                        "kind": kind,
                        "direction": direction,
                        "width_m": width_m,
                    },
                    "geometry": {"type": "LineString", "coordinates": points},
                }
            )

        for leg in range(4):
            for n in range(2):
                across = (n + 0.5) * self.lane_width_m
                ends = (self.stop_m, self.leg_m)
                out = [self._point(leg, along, across) for along in ends]
                into = [self._point(leg, along, -across) for along in reversed(ends)]
                add(leg * 10 + 1 + n, "vehicle", "ingress", self.lane_width_m, into)
                add(leg * 10 + 5 + n, "vehicle", "egress", self.lane_width_m, out)
            side = 2 * self.lane_width_m + 1.6
            add(
                leg * 10 + 8,
                "bike",
                "ingress",
                2.2,
                [self._point(leg, a, -side) for a in (self.leg_m, self.stop_m)],
            )
            add(
                leg * 10 + 9,
                "crosswalk",
                "both",
                4.0,
                [self._point(leg, self.crosswalk_m, across) for across in (-8.4, 8.4)],
            )
        return {"type": "FeatureCollection", "features": features}

    def record(self) -> SiteRecord:
        return SiteRecord(
            "海河教育园区 Haihe Education Park", 38.9976, 117.3120, "wayside 0.1.0", self.lanes()
        )

    def _participants(self, second: float) -> list[LiveParticipant]:
        chance = random.Random(20)
        found = []

        def add(
            kind: str, leg: int, along: float, across: float, heading: float, speed: float, **size: Any
        ) -> None:
            lon, lat = self._point(leg, along, across)
            found.append(LiveParticipant(len(found) + 1, kind, lat, lon, heading % 360.0, speed, **size))

        for leg in range(4):
            for n in range(2):
                for k in range(3):
                    kind = chance.choice(["car", "car", "car", "truck", "bus", "motorcycle"])
                    length, width = {"car": (4.6, 1.8), "truck": (8.5, 2.5), "bus": (11.5, 2.55)}.get(
                        kind, (2.1, 0.8)
                    )
                    waiting = leg in (0, 2)
                    speed = 0.0 if waiting else 11.0 + n
                    start = 3 + self.stop_m + 15 * k + (2 if waiting else 22 * k + 9 * n)
                    travel = self.leg_m - 12.0
                    along = (
                        start if waiting else self.leg_m - ((self.leg_m - start + speed * second) % travel)
                    )
                    add(
                        kind,
                        leg,
                        along + length / 2,
                        -(n + 0.5) * self.lane_width_m,
                        self._heading(leg) + 180.0,
                        speed,
                        length_m=length,
                        width_m=width,
                        connected=chance.random() < 0.4,
                    )
            out = 30.0 + 20 * leg + (9.0 * second) % 60.0
            add(
                "car",
                leg,
                out,
                1.5 * self.lane_width_m,
                self._heading(leg),
                9.0,
                length_m=4.5,
                width_m=1.8,
                connected=leg % 2 == 0,
            )
            walk = -7.0 + (1.4 * second + 3 * leg) % 14.0
            for shift in (0.0, -1.2):
                add(
                    "pedestrian",
                    leg,
                    self.crosswalk_m + shift,
                    walk + shift,
                    self._heading(leg) + 90.0,
                    1.4,
                    length_m=0.5,
                    width_m=0.5,
                )
            add(
                "bicycle",
                leg,
                26.0 + 14 * leg,
                -8.6,
                self._heading(leg) + 180.0,
                4.2,
                length_m=1.8,
                width_m=0.6,
                connected=leg == 3,
            )
        lon, lat = self._point(1, 58.0, -0.5 * self.lane_width_m)
        found.append(LiveParticipant(900, "car", lat, lon, self._heading(1) + 180.0, 0.0, 4.6, 1.8))
        return found

    def signals(self, second: float) -> tuple[LiveSignal, ...]:
        found = []
        for leg in range(4):
            moving = leg in (1, 3)
            rest = 27.0 - second % 27.0
            state = ("green" if rest > 3.0 else "yellow") if moving else "red"
            remaining = rest if not moving else (rest - 3.0 if rest > 3.0 else rest)
            found.append(
                LiveSignal(
                    "1", leg + 1, state, round(remaining, 1), (f"1/{leg * 10 + 1}", f"1/{leg * 10 + 2}")
                )
            )
        return tuple(found)

    def events(self, utc_ns: int) -> tuple[LiveEvent, ...]:
        """Two dangers: a stopped vehicle, a pedestrian who steps out from behind a bus."""
        stopped = self._point(1, 58.0, -0.5 * self.lane_width_m)
        walker = self._point(3, self.crosswalk_m, -3.0)
        return (
            LiveEvent(
                "69c0-1",
                "hlw",
                2,
                stopped[1],
                stopped[0],
                utc_ns - 74_000_000_000,
                "a1b2c3d4e5f60718",
                6,
                {k: v * 1.6 for k, v in LATENCY_MS.items()},
            ),
            LiveEvent(
                "69c0-2",
                "vrucw",
                3,
                walker[1],
                walker[0],
                utc_ns - 3_400_000_000,
                "0f1e2d3c4b5a6978",
                2,
                LATENCY_MS,
            ),
        )

    def view(self, utc_ns: int, seq: int, *, with_events: bool = True) -> LiveView:
        """The live view at an instant."""
        second = seq / 10.0
        north, south = self._point(0, 22.0, 11.0), self._point(2, 24.0, 12.5)
        return LiveView(
            site=self.site,
            utc_ns=utc_ns,
            seq=seq,
            participants=tuple(self._participants(second)),
            signals=self.signals(second),
            rsus=(
                LiveRsu("rsu-north", "usdot_rsu41", "online", north[1], north[0], 0.2, 5_312, 18_440),
                LiveRsu("rsu-south", "usdot_rsu41", "degraded", south[1], south[0], 4.8, 2_120, 7_904),
            ),
            events=self.events(utc_ns) if with_events else (),
        )

    def event_record(self, live: LiveEvent) -> EventRecord:
        """The stored form of a live event, with its trace."""
        at = live.opened_utc_ns
        names = {
            "detection": {"sensor": "camera-west", "object": 17, "confidence": 0.94},
            "track": {"track_id": 41, "age_s": 0.3, "speed_mps": 1.42, "sensors": 2},
            "app": {"app": live.kind, "time_to_conflict_s": 1.8, "limit_s": 3.5, "distance_m": 21.4},
            "selection": {"corridor_m": 60.0, "concerned": 2, "connected": 9},
            "frame": {"vehicle_id": "veh-7", "frame_bytes": 268, "ttl_ms": 1000},
            "callback": {"vehicle_id": "veh-7", "outcome": "called"},
        }
        steps = tuple(
            TraceStep(name, at + 2_000_000 * n, detail) for n, (name, detail) in enumerate(names.items())
        )
        return EventRecord(
            event_id=live.event_id, revision=1, state=EventState.OPEN, kind=live.kind, severity=live.severity,
            lat_deg=live.lat_deg, lon_deg=live.lon_deg, opened_utc_ns=at, closed_utc_ns=None, app=live.kind,
            trace_id=live.trace_id, lane="1/31", warned=live.warned,
            evidence=(
                {"distance_m": 21.4, "time_to_conflict_s": 1.8, "occluded": True}
                if live.kind == "vrucw"
                else {"distance_m": 86.0, "standing_s": 72.5}
            ),
            latency_ms=live.latency_ms, trace=steps,
        )  # fmt: skip


@pytest.fixture
def crossing() -> Crossing:
    """A site with lanes, traffic, signals, roadside units and two dangers."""
    return Crossing()


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """`await until(condition)`: give the loop time until something has come true, at most some seconds."""

    async def wait(condition: Callable[[], bool]) -> None:
        for _ in range(5_000):
            if condition():
                return
            await asyncio.sleep(0.001)
        raise AssertionError("the condition did not come true")

    return wait
