"""Scans over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from wayside.clock import SystemClock
from wayside.geo import LocalPlane
from wayside.mec.sensors import (
    Scan,
    ScanIntake,
    SensorPose,
    SensorReason,
    SensorSpec,
    encode_scan,
)
from wayside.mec.sensors.receivers import UdpSensorReceiver, WebSocketSensorReceiver
from wayside.observe import Counters

pytestmark = pytest.mark.joint
POSE = SensorPose(0.0, 0.0, 0.0, 100.0)


def spec(sensor_id: str, transport: str) -> SensorSpec:
    return SensorSpec(
        sensor_id=sensor_id,
        kind="lidar",
        transport=transport,
        pose=POSE,
        rate_hz=200.0,
        expected_delay_ms=50.0,
        late_ms=5_000.0,
        address="127.0.0.1" if transport == "udp" else "",
    )


class Rig:
    def __init__(self) -> None:
        self.clock = SystemClock()
        self.counters = Counters()
        sensors = (spec("u", "udp"), spec("w", "websocket"), spec("v", "websocket"))
        self.intake = ScanIntake(sensors, LocalPlane(39.0, 117.0), self.clock, self.counters)
        self.scans: list[Scan] = []
        self.heard = asyncio.Event()
        self.udp = UdpSensorReceiver(self.intake, self.clock, self.on_scan)
        self.websocket = WebSocketSensorReceiver(
            self.intake, self.clock, self.counters, {"w": "secret-w", "v": "secret-v"}, self.on_scan
        )

    def on_scan(self, scan: Scan) -> None:
        self.scans.append(scan)
        self.heard.set()

    async def next(self) -> Scan:
        async with asyncio.timeout(5):
            await self.heard.wait()
        self.heard.clear()
        return self.scans[-1]

    def data(self, sensor: str, seq: int) -> bytes:
        return encode_scan(sensor, seq, self.clock.utc(), [])


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    rig = Rig()
    yield rig
    await rig.udp.close()
    await rig.websocket.close()


async def test_datagrams_become_scans_and_garbage_harms_nothing(rig: Rig) -> None:
    address = await rig.udp.open("127.0.0.1", 0)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=address)
    transport.sendto(b"garbage")
    transport.sendto(rig.data("w", 1))
    transport.sendto(rig.data("u", 1))
    scan = await rig.next()
    transport.close()
    assert (scan.sensor_id, scan.seq) == ("u", 1)
    assert rig.counters.drops() == {"sensors": {"malformed": 1, "wrong_source": 1}}
    await rig.udp.close()
    await rig.udp.close()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_a_socket_carries_the_scans_of_its_own_sensor(rig: Rig) -> None:
    host, port = await rig.websocket.open("127.0.0.1", 0)
    url = f"ws://{host}:{port}/sensors"
    async with connect(url, additional_headers=bearer("secret-w")) as socket:
        await socket.send(rig.data("v", 1))
        await socket.send("text is no scan")
        await socket.send(rig.data("w", 1))
        scan = await rig.next()
    assert scan.sensor_id == "w"
    assert rig.counters.drops() == {"sensors": {"malformed": 1, "wrong_source": 1}}


@pytest.mark.drops(SensorReason.BAD_TOKEN)
@pytest.mark.parametrize("token", [None, "", "wrong", "secret-w2"])
async def test_no_token_no_socket(rig: Rig, token: str | None) -> None:
    host, port = await rig.websocket.open("127.0.0.1", 0)
    headers = None if token is None else bearer(token)
    with pytest.raises(InvalidStatus) as refused:
        async with connect(f"ws://{host}:{port}/sensors", additional_headers=headers):
            pass
    assert refused.value.response.status_code == 401
    assert rig.counters.dropped(SensorReason.BAD_TOKEN) == 1


@pytest.mark.parametrize("value", [b"secret-w", b"Basic secret-w", b"Bearer \xff\xfe", b"Bearer"])
async def test_a_header_of_another_form_is_no_token(rig: Rig, value: bytes) -> None:
    host, port = await rig.websocket.open("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(
        b"GET /sensors HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n"
        b"Authorization: " + value + b"\r\n\r\n"
    )
    async with asyncio.timeout(5):
        status = await reader.readline()
    writer.close()
    assert status.split()[1] in (b"400", b"401")
    assert rig.websocket._open == {}


async def test_another_path_is_not_found(rig: Rig) -> None:
    host, port = await rig.websocket.open("127.0.0.1", 0)
    with pytest.raises(InvalidStatus) as refused:
        async with connect(f"ws://{host}:{port}/", additional_headers=bearer("secret-w")):
            pass
    assert refused.value.response.status_code == 404


async def test_a_socket_of_nothing_but_garbage_is_closed_and_others_go_on(rig: Rig) -> None:
    host, port = await rig.websocket.open("127.0.0.1", 0)
    url = f"ws://{host}:{port}/sensors"
    async with connect(url, additional_headers=bearer("secret-v")) as good:
        async with connect(url, additional_headers=bearer("secret-w")) as bad:
            with pytest.raises(ConnectionClosedError) as closed:
                for _ in range(200):
                    await bad.send(b"garbage")
                async with asyncio.timeout(5):
                    await bad.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008
        await good.send(rig.data("v", 1))
        assert (await rig.next()).sensor_id == "v"
    assert rig.counters.dropped(SensorReason.MALFORMED) == 100


async def test_a_message_beyond_the_limit_ends_its_socket_only(rig: Rig) -> None:
    host, port = await rig.websocket.open("127.0.0.1", 0)
    url = f"ws://{host}:{port}/sensors"
    async with connect(url, additional_headers=bearer("secret-w")) as socket:
        await socket.send(bytes(70_000))
        with pytest.raises(ConnectionClosedError):
            async with asyncio.timeout(5):
                await socket.recv()
    async with connect(url, additional_headers=bearer("secret-w")) as socket:
        await socket.send(rig.data("w", 1))
        assert (await rig.next()).sensor_id == "w"


async def test_a_second_socket_of_a_sensor_replaces_the_first(rig: Rig) -> None:
    host, port = await rig.websocket.open("127.0.0.1", 0)
    url = f"ws://{host}:{port}/sensors"
    async with connect(url, additional_headers=bearer("secret-w")) as first:
        async with connect(url, additional_headers=bearer("secret-w")) as second:
            with pytest.raises(ConnectionClosedError) as closed:
                async with asyncio.timeout(5):
                    await first.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.reason == "replaced"
            await second.send(rig.data("w", 1))
            assert (await rig.next()).seq == 1
