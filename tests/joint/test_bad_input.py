"""The running edge under everything that can be wrong with what it is given: counted under its reason, and a
danger is warned of all the same."""

from __future__ import annotations

import asyncio
import math
import random
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from wayside.asn1 import load
from wayside.asn1.messages import (
    BasicSafety,
    EllipseAccuracy,
    IntersectionId,
    Light,
    Position,
    SignalEvent,
    SignalGroup,
    SignalIntersection,
    SignalStates,
    Size,
)
from wayside.asn1.translate import J2735_2024, to_wire
from wayside.clock import SystemClock
from wayside.link import (
    SUBPROTOCOL,
    Flag,
    FrameKind,
    Header,
    Hello,
    LinkReason,
    encode_body,
    encode_frame,
)
from wayside.mec.core import EdgeReason
from wayside.mec.fusion import FusionReason
from wayside.mec.linkserver import LinkServerReason, Outgoing
from wayside.mec.rollup import RollupReason
from wayside.mec.sensors import SensorReason, WireObject, encode_scan
from wayside.mec.signals import SignalReason
from wayside.observe import Reason, stage_of
from wayside.obu import ObuClient, ObuError
from wayside.rsu import RsuReason
from wayside.rsu.radio import build_wsmp, wrap_unsecured
from wayside.runtime import TaskOwner
from wayside.sim._plan import SignalPlan
from wayside.sim._tscbm import tscbm

pytestmark = [pytest.mark.joint, pytest.mark.timeout(120)]
CLOCK = SystemClock()
SITE_MAP = Path(__file__).parents[2] / "deploy" / "demo" / "maps" / "haihe-j2735-2024.hex"
SIGNALS = SignalStates(
    (SignalIntersection(IntersectionId(11_201, 12), (SignalGroup(1, SignalEvent(Light.RED)),)),)
)

Bad = Callable[["Abuser"], Awaitable[None]]


class Abuser:
    """Sends what it should not, by every way into the edge."""

    def __init__(self, place: Any, service: Any, tasks: TaskOwner) -> None:
        self.place = place
        self.service = service
        self.tasks = tasks
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._streams: list[asyncio.StreamWriter] = []

    def close(self) -> None:
        self._socket.close()
        for writer in self._streams:
            writer.close()

    def dropped(self, reason: Reason) -> int:
        return int(self.service.counters.drops().get(stage_of(reason), {}).get(reason.value, 0))

    def scan(self, data: bytes) -> None:
        self._socket.sendto(data, ("127.0.0.1", self.place.ports.sensors_udp))

    def objects(self, *objects: WireObject, sensor: str = "lidar-w", seq: int = 1) -> None:
        self.scan(encode_scan(sensor, seq, CLOCK.utc(), objects))

    def controller(self, data: bytes) -> None:
        self._socket.sendto(data, ("127.0.0.1", self.place.ports.tscbm))

    def unit(self, uper: bytes, psid: int) -> None:
        self.radio(build_wsmp(wrap_unsecured(uper), psid))

    def radio(self, data: bytes) -> None:
        self._socket.sendto(data, ("127.0.0.1", self.place.ports.rsu_up))

    async def vehicle(self, name: str = "abuser") -> Vehicle:
        """A vehicle on a bare socket that has said HELLO."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.place.ports.link, limit=4_096)
        self._streams.append(writer)
        vehicle = Vehicle(reader, writer)
        await vehicle.greet(name, self.service)
        return vehicle


class Vehicle:
    """Octets of the link by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def greet(self, name: str, service: Any) -> None:
        request = (
            "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
        )
        self.writer.write(request.encode())
        await self.reader.readuntil(b"\r\n\r\n")
        self.frame(FrameKind.HELLO, encode_body(Hello(name, J2735_2024, "joint-secret")))
        async with asyncio.timeout(10.0):
            while all(info.vehicle_id != name for info in service.link.sessions()):  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    def frame(self, kind: FrameKind, body: bytes) -> None:
        """A frame of the link."""
        self.message(encode_frame(Header(kind, Flag(0), 0, 1, 0, 0, 0), body))

    def message(self, data: bytes) -> None:
        """A masked binary WebSocket message, mask 0."""
        size = len(data)
        head = bytes([0x82, 0x80 | size]) if size < 126 else bytes([0x82, 0xFE]) + size.to_bytes(2, "big")
        if not self.writer.is_closing():
            self.writer.write(head + bytes(4) + data)


def bsm(ident: int = 7, **changes: Any) -> bytes:
    lat, lon = 38.9811, 117.3518
    values: dict[str, Any] = {
        "vehicle_id": ident.to_bytes(4, "big"),
        "msg_count": 1,
        "position": Position(lat, lon, 3.0),
        "utc_ns": CLOCK.utc(),
        "accuracy": EllipseAccuracy(0.5, 0.5, 0.0),
        "speed_mps": 5.0,
        "heading_deg": 90.0,
        "size": Size(1.8, 4.6),
    } | changes
    return load(J2735_2024).encode(to_wire(J2735_2024, BasicSafety(**values)).value)


def own_map() -> bytes:
    """A sound message that no vehicle is to send."""
    return bytes.fromhex(SITE_MAP.read_text("utf-8").split()[0])


def nowhere() -> bytes:
    """A BSM whose position is beyond the pole."""
    messages = load(J2735_2024)
    frame: Any = messages.decode(bsm())
    frame["value"]["coreData"]["lat"] = 900_000_001
    return messages.encode(frame)


def phases(change: Callable[[bytearray], None]) -> bytes:
    """A controller's datagram with something changed in it."""
    data = bytearray(tscbm(SignalPlan(), 0.0, CLOCK.utc(), 1))
    change(data)
    return bytes(data)


def lit(**changes: float | None) -> WireObject:
    """An object in front of the sensor, with something changed in it."""
    values: dict[str, Any] = {"x": -110.0, "y": 0.0, "vx": 0.0, "vy": 0.0} | changes
    return WireObject(**values)


async def scan_without_form(a: Abuser) -> None:
    a.scan(b"\xff\xc1 no scan")


async def scan_of_wrong_shape(a: Abuser) -> None:
    a.scan(msgspec.msgpack.encode({"v": 1, "sensor": 5, "objects": "none"}))


async def scan_in_json(a: Abuser) -> None:
    a.scan(msgspec.json.encode({"v": 1, "sensor": "lidar-w", "seq": 1, "t_ns": CLOCK.utc(), "objects": []}))


async def scan_of_another_version(a: Abuser) -> None:
    a.scan(msgspec.msgpack.encode({"v": 9, "sensor": "lidar-w", "seq": 1, "t_ns": 0, "objects": []}))


async def scan_of_nobody(a: Abuser) -> None:
    a.objects(lit(), sensor="no-such-sensor")


async def scan_by_the_wrong_way(a: Abuser) -> None:
    a.objects(lit(), sensor="lidar-c")


async def scan_with_nan(a: Abuser) -> None:
    a.objects(lit(x=math.nan))


async def scan_with_infinity(a: Abuser) -> None:
    a.objects(lit(vx=math.inf))


async def scan_from_afar(a: Abuser) -> None:
    a.objects(lit(x=1e12))


async def scan_beyond_the_pole(a: Abuser) -> None:
    a.objects(WireObject(lat=95.0, lon=117.0))


async def scan_faster_than_any_car(a: Abuser) -> None:
    a.objects(lit(vx=900.0))


async def scan_of_objects_without_form(a: Abuser) -> None:
    head = {"v": 1, "sensor": "lidar-w", "seq": 1, "t_ns": CLOCK.utc(), "objects": ["car", {"x": 1.0}]}
    a.scan(msgspec.msgpack.encode(head))


async def scan_from_the_past(a: Abuser) -> None:
    a.scan(encode_scan("lidar-w", 1, 1, []))


async def scan_from_the_future(a: Abuser) -> None:
    a.scan(encode_scan("lidar-w", 1, CLOCK.utc() + 60_000_000_000, []))


async def scans_in_a_flood(a: Abuser) -> None:
    for n in range(60):
        a.objects(lit(), sensor="cam-w", seq=n)


async def controller_cut_short(a: Abuser) -> None:
    a.controller(phases(lambda d: d.__delitem__(slice(100, None))))


async def controller_with_another_header(a: Abuser) -> None:
    a.controller(phases(lambda d: d.__setitem__(0, 0x00)))


async def controller_that_contradicts_itself(a: Abuser) -> None:
    # Masks of red and green, all lit.
    def all_lit(d: bytearray) -> None:
        d[210:216] = b"\xff" * 6

    a.controller(phases(all_lit))


async def radio_noise(a: Abuser) -> None:
    a.radio(random.Random(3).randbytes(90))


async def radio_of_damaged_uper(a: Abuser) -> None:
    spat = to_wire(J2735_2024, SIGNALS).value
    good = load(J2735_2024).encode(spat)
    # The frame's number and length stand; what is in it does not.
    a.unit(good[:3] + b"\xff" * (len(good) - 3), 0x82)


async def radio_of_a_vehicle_without_place(a: Abuser) -> None:
    a.unit(nowhere(), 0x20)


async def vehicle_with_damaged_uper(a: Abuser) -> None:
    (await a.vehicle()).frame(FrameKind.MESSAGE, b"\x00\x14\xff\xff\xff")


async def vehicle_without_place(a: Abuser) -> None:
    (await a.vehicle()).frame(FrameKind.MESSAGE, nowhere())


async def vehicle_with_a_map(a: Abuser) -> None:
    (await a.vehicle()).frame(FrameKind.MESSAGE, own_map())


async def vehicle_in_another_country(a: Abuser) -> None:
    (await a.vehicle()).frame(FrameKind.MESSAGE, bsm(position=Position(48.1, 11.5, 500.0)))


async def vehicle_that_jumps(a: Abuser) -> None:
    vehicle = await a.vehicle()
    vehicle.frame(FrameKind.MESSAGE, bsm())
    await asyncio.sleep(0.1)
    vehicle.frame(FrameKind.MESSAGE, bsm(position=Position(38.9851, 117.3518, 3.0), msg_count=2))


async def vehicle_with_short_frames(a: Abuser) -> None:
    (await a.vehicle()).message(b"\x10\x00")


async def vehicle_with_frames_of_no_kind(a: Abuser) -> None:
    (await a.vehicle()).message(bytes([99]) + bytes(27))


async def vehicle_with_a_receipt_of_wrong_shape(a: Abuser) -> None:
    (await a.vehicle()).frame(FrameKind.RECEIPT, msgspec.msgpack.encode({"seq": "one"}))


async def vehicle_that_only_sends_garbage(a: Abuser) -> None:
    vehicle = await a.vehicle()
    for _ in range(25):
        vehicle.message(b"\xff" * 40)
    await gone(a, "abuser")


async def vehicle_that_floods(a: Abuser) -> None:
    vehicle = await a.vehicle()
    frame = bsm()

    def cut() -> bool:
        for _ in range(50):
            vehicle.frame(FrameKind.MESSAGE, frame)
        return all(info.vehicle_id != "abuser" for info in a.service.link.sessions())

    await a.place.until(cut)


async def vehicle_that_stops_reading(a: Abuser) -> None:
    vehicle = await a.vehicle()
    vehicle.writer.transport.pause_reading()  # type: ignore[attr-defined]
    session = next(i.session_id for i in a.service.link.sessions() if i.vehicle_id == "abuser")
    body = bytes(20_000)

    def fed() -> bool:
        for key in range(1, 5):
            item = Outgoing(FrameKind.MESSAGE, key, 10, CLOCK.utc(), CLOCK.mono(), 0, body)
            a.service.link.send(session, item)
        vehicle.frame(FrameKind.MESSAGE, bsm())
        return bool(a.dropped(LinkServerReason.TOO_SLOW))

    await a.place.until(fed)


async def vehicle_without_the_secret(a: Abuser) -> None:
    client = ObuClient([f"ws://127.0.0.1:{a.place.ports.link}/"], vehicle_id="thief", token="wrong")
    async with client:
        with pytest.raises(ObuError):
            await client.connected()


async def centre_that_is_down(a: Abuser) -> None:
    pass


async def gone(a: Abuser, name: str) -> None:
    await a.place.until(lambda: all(i.vehicle_id != name for i in a.service.link.sessions()))


BAD: list[tuple[Bad, Reason]] = [
    (scan_without_form, SensorReason.MALFORMED),
    (scan_of_wrong_shape, SensorReason.MALFORMED),
    (scan_in_json, SensorReason.MALFORMED),
    (scan_of_another_version, SensorReason.WRONG_VERSION),
    (scan_of_nobody, SensorReason.UNKNOWN_SENSOR),
    (scan_by_the_wrong_way, SensorReason.WRONG_SOURCE),
    (scan_with_nan, SensorReason.OBJECT_NOT_FINITE),
    (scan_with_infinity, SensorReason.OBJECT_NOT_FINITE),
    (scan_from_afar, SensorReason.OBJECT_OUT_OF_RANGE),
    (scan_beyond_the_pole, SensorReason.OBJECT_OUT_OF_RANGE),
    (scan_faster_than_any_car, SensorReason.OBJECT_IMPLAUSIBLE),
    (scan_of_objects_without_form, SensorReason.OBJECT_MALFORMED),
    (scan_from_the_past, SensorReason.STALE),
    (scan_from_the_future, SensorReason.FUTURE),
    (scans_in_a_flood, SensorReason.FLOOD),
    (controller_cut_short, SignalReason.TSCBM_LENGTH),
    (controller_with_another_header, SignalReason.TSCBM_HEADER),
    (controller_that_contradicts_itself, SignalReason.CONTRADICTION),
    (radio_noise, RsuReason.UNSUPPORTED),
    (radio_of_damaged_uper, RsuReason.DECODE),
    (radio_of_a_vehicle_without_place, EdgeReason.UNTRANSLATABLE),
    (vehicle_with_damaged_uper, EdgeReason.UNDECODABLE),
    (vehicle_without_place, EdgeReason.UNTRANSLATABLE),
    (vehicle_with_a_map, EdgeReason.NOT_EXPECTED),
    (vehicle_in_another_country, FusionReason.BSM_IMPLAUSIBLE),
    (vehicle_that_jumps, FusionReason.BSM_JUMP),
    (vehicle_with_short_frames, LinkReason.SHORT_FRAME),
    (vehicle_with_frames_of_no_kind, LinkReason.UNKNOWN_KIND),
    (vehicle_with_a_receipt_of_wrong_shape, LinkReason.BAD_BODY),
    (vehicle_that_only_sends_garbage, LinkServerReason.BAD_FRAMES),
    (vehicle_that_floods, LinkServerReason.OVER_RATE),
    (vehicle_that_floods, LinkServerReason.TOO_FAST),
    (vehicle_that_stops_reading, LinkServerReason.TOO_SLOW),
    (vehicle_without_the_secret, LinkServerReason.BAD_TOKEN),
    (centre_that_is_down, RollupReason.UNREACHABLE),
]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        pytest.param(bad, reason, marks=pytest.mark.drops(reason), id=f"{bad.__name__}-{reason.value}")
        for bad, reason in BAD
    ],
)
async def test_it_is_counted_and_the_danger_is_warned_of_all_the_same(
    bad: Bad, reason: Reason, place: Any, owner: TaskOwner
) -> None:
    async with place.edge(drain_s=0.1) as service:
        await place.until(lambda: service.units.adapters["rsu-1"].listening)
        abuser = Abuser(place, service, owner)
        try:
            before = abuser.dropped(reason)
            await bad(abuser)
            await place.until(lambda: abuser.dropped(reason) > before)
            await warned_of_a_pedestrian(place, owner)
        finally:
            abuser.close()
        assert service.counters.value("link_callback_failed") == 0


async def warned_of_a_pedestrian(place: Any, owner: TaskOwner) -> None:
    """A pedestrian steps in front of a connected vehicle, which is told."""
    car = place.car("good", away_m=195.0, speed_mps=12.0, lane=3)
    async with car.client:
        await car.client.connected()
        car.begin()
        owner.start(car.run(), "bsm")
        eye = place.eye(lambda: [place.road.walker(150.0, 12.3 - 1.4 * car.travelled_s, 1.4)])
        owner.start(eye.run(), "sensor")
        await place.until(lambda: car.of("vrucw"), 15.0)
