from __future__ import annotations

import asyncio
from collections.abc import Callable

from wayside.clock import Clock
from wayside.mec.sensors._intake import ScanIntake
from wayside.mec.sensors._scan import Scan

OnScan = Callable[[Scan], None]


class UdpSensorReceiver:
    """Takes scans from UDP datagrams, one a datagram, and gives the sound ones to `on_scan` at once.

    `on_scan` is called on the loop and must not block.
    """

    def __init__(self, intake: ScanIntake, clock: Clock, on_scan: OnScan) -> None:
        self._intake = intake
        self._clock = clock
        self._on_scan = on_scan
        self._transport: asyncio.DatagramTransport | None = None

    async def open(self, host: str, port: int) -> tuple[str, int]:
        """Begin to listen; the address listened on (port 0: one chosen by the system). Raises OSError."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: _Protocol(self._datagram), local_addr=(host, port)
        )
        name = self._transport.get_extra_info("sockname")
        return str(name[0]), int(name[1])

    async def close(self) -> None:
        """Stop listening."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None
            await asyncio.sleep(0)

    def _datagram(self, data: bytes, address: str) -> None:
        scan = self._intake.take(data, arrived=self._clock.mono(), address=address)
        if scan is not None:
            self._on_scan(scan)


class _Protocol(asyncio.DatagramProtocol):
    def __init__(self, took: Callable[[bytes, str], None]) -> None:
        self._took = took

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._took(data, addr[0])
