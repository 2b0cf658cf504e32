"""UDP ports on which several units may report: one socket a port, datagrams told apart by their address."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from wayside.rsu import RsuError, RsuReason

Received = Callable[[bytes, str], None]


class Listener:
    """One unit's share of a port. `stranger` is called for a datagram of no unit of the port."""

    def __init__(self, sources: frozenset[str], received: Received, stranger: Callable[[], None]) -> None:
        self.sources = sources
        self.received = received
        self.stranger = stranger
        self.address: tuple[str, int] = ("", 0)
        self._port: _Port | None = None

    def close(self) -> None:
        """Give the share up; the last one closes the socket."""
        if self._port is not None:
            self._port.leave(self)
            self._port = None

    def join(self, port: _Port) -> None:
        """Take the share of an open port."""
        self._port = port
        self.address = port.address


class _Port(asyncio.DatagramProtocol):
    def __init__(self, closed: Callable[[], object]) -> None:
        self.listeners: list[Listener] = []
        self.transport: asyncio.DatagramTransport | None = None
        self.address: tuple[str, int] = ("", 0)
        self._closed = closed

    def leave(self, listener: Listener) -> None:
        self.listeners.remove(listener)
        if not self.listeners and self.transport is not None:
            self._closed()
            self.transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        source = plain_address(str(addr[0]))
        for listener in self.listeners:
            if source in listener.sources:
                listener.received(data, source)
                return
        if self.listeners:
            self.listeners[0].stranger()


class _Ports:
    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.open: dict[tuple[str, int], _Port] = {}


_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, _Ports] = WeakKeyDictionary()


async def listen(host: str, port: int, listener: Listener) -> Listener:
    """Open a port, or join the units that report on it already; port 0 is always one of its own.

    Raises OSError, and RsuError CONFIG for an address that another unit of the port has.
    """
    loop = asyncio.get_running_loop()
    ports = _by_loop.setdefault(loop, _Ports())
    key = (host, port)
    async with ports.lock:
        shared = ports.open.get(key) if port else None
        if shared is None:
            shared = _Port(lambda: ports.open.pop(key, None))
            transport, _ = await loop.create_datagram_endpoint(lambda: shared, local_addr=key)
            shared.transport = transport
            name = transport.get_extra_info("sockname")
            shared.address = (str(name[0]), int(name[1]))
            if port:
                ports.open[key] = shared
        for other in shared.listeners:
            both = other.sources & listener.sources
            if both:
                what = f"two units report from {min(both)} to port {port}"
                raise RsuError(RsuReason.CONFIG, what, advice="give each unit a port of its own")
        shared.listeners.append(listener)
    listener.join(shared)
    return listener


def plain_address(text: str) -> str:
    """One spelling an address: IPv4 in IPv6 as IPv4; a text that is no address stays."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)
