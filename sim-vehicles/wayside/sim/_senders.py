from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import Counter
from collections.abc import Mapping

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from wayside.clock import Clock, UtcNs
from wayside.mec.sensors import encode_scan, wire_object
from wayside.runtime import Backoff, BoundedQueue, Full
from wayside.sim._sensors import Look


class UdpSender:
    """Sends datagrams to one port of this computer. host: what it sends from, of the loopback 127.0.0.0/8."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._port = port
        self._host = host
        self._transport: asyncio.DatagramTransport | None = None
        self.sent = 0

    async def open(self) -> None:
        """Open the socket."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, local_addr=(self._host, 0), remote_addr=("127.0.0.1", self._port)
        )

    def send(self, data: bytes) -> None:
        """Send one datagram."""
        if self._transport is not None:
            self._transport.sendto(data)
            self.sent += 1

    async def close(self) -> None:
        """Close the socket."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None
            await asyncio.sleep(0)


class SocketSender:
    """Sends binary messages over a WebSocket and opens it again when it was lost.

    At most 20 messages wait; the oldest is lost to a newer one and counted in `lost`.
    """

    def __init__(self, url: str, token: str, clock: Clock) -> None:
        self._url = url
        self._token = token
        self._clock = clock
        self._queue: BoundedQueue[bytes] = BoundedQueue(20, Full.DROP_OLDEST, self._lose)
        self.sent = 0
        self.lost = 0

    def send(self, data: bytes) -> None:
        """Queue one message."""
        self._queue.put(data)

    async def run(self) -> None:
        """Until cancelled."""
        backoff = Backoff()
        headers = {"Authorization": f"Bearer {self._token}"}
        while True:
            try:
                async with connect(
                    self._url, additional_headers=headers, compression=None, proxy=None
                ) as connection:
                    backoff.reset()
                    await self._pass_on(connection)
            except (OSError, WebSocketException):
                await self._clock.sleep(backoff.next_s())

    async def _pass_on(self, connection: ClientConnection) -> None:
        while True:
            await connection.send(await self._queue.get())
            self.sent += 1

    def _lose(self, data: bytes) -> None:
        self.lost += 1


class ScanPost:
    """Holds each scan back until it would arrive, then sends it by its sensor's way."""

    def __init__(self, ways: Mapping[str, UdpSender | SocketSender]) -> None:
        self._ways = ways
        self._waiting: list[tuple[float, int, str, bytes]] = []
        self._order = itertools.count()
        self.sent: Counter[str] = Counter()

    def take(self, look: Look, measured: UtcNs) -> None:
        """Take a scan; measured: when the sensor looked."""
        data = encode_scan(look.sensor_id, look.seq, measured, [wire_object(d) for d in look.detections])
        heapq.heappush(self._waiting, (look.arrives_s, next(self._order), look.sensor_id, data))

    def send_due(self, now_s: float) -> float | None:
        """Send what is due; when the next is, in simulation time."""
        while self._waiting and self._waiting[0][0] <= now_s:
            _, _, sensor, data = heapq.heappop(self._waiting)
            self._ways[sensor].send(data)
            self.sent[sensor] += 1
        return self._waiting[0][0] if self._waiting else None
