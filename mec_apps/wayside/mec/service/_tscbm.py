from __future__ import annotations

import asyncio
from collections.abc import Callable

from wayside.clock import Clock, MonoNs

OnDatagram = Callable[[bytes, MonoNs, str], None]


class ControllerReceiver(asyncio.DatagramProtocol):
    """Takes a signal controller's datagrams; `on_datagram(data, arrived, host)` is called on the loop."""

    def __init__(self, clock: Clock, on_datagram: OnDatagram) -> None:
        self._clock = clock
        self._on_datagram = on_datagram
        self._transport: asyncio.BaseTransport | None = None

    async def open(self, host: str, port: int) -> tuple[str, int]:
        """Begin to listen; the address listened on. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(host, port))
        name = self._transport.get_extra_info("sockname")
        return str(name[0]), int(name[1])

    async def close(self) -> None:
        """Stop listening."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None
            await asyncio.sleep(0)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """One datagram of the controller."""
        self._on_datagram(data, self._clock.mono(), addr[0])
