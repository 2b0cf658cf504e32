"""One connection to a broker for all units behind it, messages told apart by the unit they come from."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Protocol
from weakref import WeakKeyDictionary, WeakValueDictionary

import msgspec

from wayside.clock import Clock, MonoNs
from wayside.rsu._reasons import RsuError, RsuReason
from wayside.rsu.mqtt._client import MqttClient
from wayside.rsu.mqtt._packets import Publish
from wayside.rsu.mqtt._tls import Tls

# One message for all units reaches each of their shares within this time. Own.
_AT_ONCE_NS = 50_000_000


class Layout(Hashable, Protocol):
    """How a vendor's units name themselves; equal layouts are asked once for all their units."""

    def device_of(self, message: Publish) -> str:
        """Name of the unit that a message comes from. Raises RsuError when it names none."""


class BrokerAddress(msgspec.Struct, frozen=True, kw_only=True):
    """A broker and how to log in; units with the same one share a connection."""

    host: str
    port: int
    client_id: str
    username: str = ""
    password: str = ""
    keep_alive_s: int = 60
    packet_limit_bytes: int = 1_048_576
    tls: Tls | None = None

    def __repr__(self) -> str:
        return f"BrokerAddress({self.host}:{self.port}, {self.client_id})"


class Share:
    """One unit's share of a connection.

    received: called with each message of the unit. refused: with the reason, for a message of no unit of
    this connection. lost: when the connection ended.
    """

    def __init__(
        self,
        device: str,
        layout: Layout,
        filters: dict[str, int],
        *,
        received: Callable[[Publish], None],
        refused: Callable[[RsuReason], None],
        lost: Callable[[RsuError], None],
    ) -> None:
        self.device = device
        self.layout = layout
        self.filters = filters
        self.received = received
        self.refused = refused
        self.lost = lost
        self._hub: _Hub | None = None

    async def publish(self, topic: str, payload: bytes, *, qos: int) -> None:
        """Publish; at QoS 1 until the broker has taken it. Raises RsuError OFFLINE, QUEUE_FULL, TIMEOUT."""
        if self._hub is None:
            raise RsuError(RsuReason.OFFLINE, "no connection to the broker")
        await self._hub.publish(topic, payload, qos)

    async def publish_to_all(self, topic: str, payload: bytes, *, qos: int) -> None:
        """Publish under a topic that all units hear; what another share just published is not repeated."""
        if self._hub is None:
            raise RsuError(RsuReason.OFFLINE, "no connection to the broker")
        await self._hub.publish_once(topic, payload, qos)

    def join(self, hub: _Hub | None) -> None:
        """Take the share of an open connection."""
        self._hub = hub

    async def close(self) -> None:
        """Give the share up; the last one closes the connection."""
        hub, self._hub = self._hub, None
        if hub is not None:
            await hub.leave(self)


class _Hub:
    def __init__(self, clock: Clock, address: BrokerAddress, closed: Callable[[], object]) -> None:
        self.shares: list[Share] = []
        self.client = MqttClient(
            clock,
            host=address.host,
            port=address.port,
            client_id=address.client_id,
            username=address.username,
            password=address.password,
            keep_alive_s=address.keep_alive_s,
            packet_limit_bytes=address.packet_limit_bytes,
            on_message=self._route,
            tls=address.tls,
            on_lost=self._lost,
            on_refused=self._refused,
        )
        self._clock = clock
        self._closed = closed
        self._to_all: dict[str, tuple[bytes, MonoNs, asyncio.Future[None]]] = {}

    async def publish(self, topic: str, payload: bytes, qos: int) -> None:
        if qos:
            await self.client.publish_acknowledged(topic, payload)
        else:
            self.client.publish(topic, payload)

    async def publish_once(self, topic: str, payload: bytes, qos: int) -> None:
        now = self._clock.mono()
        before = self._to_all.get(topic)
        if before is not None and before[0] == payload and now - before[1] < _AT_ONCE_NS:
            # What became of it is true for this share as well.
            await asyncio.shield(before[2])
            return
        outcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._to_all[topic] = payload, now, outcome
        try:
            await self.publish(topic, payload, qos)
            outcome.set_result(None)
        except RsuError as error:
            outcome.set_exception(error)
            raise
        finally:
            if not outcome.done():
                outcome.set_exception(RsuError(RsuReason.OFFLINE, "closed before it was sent"))
            # Read here: there may be nobody else who asks.
            outcome.exception()

    async def leave(self, share: Share) -> None:
        self.shares.remove(share)
        if not self.shares:
            self._closed()
            await self.client.close()

    def _route(self, message: Publish) -> None:
        named: dict[Layout, str | RsuReason] = {}
        for share in self.shares:
            if share.layout not in named:
                try:
                    named[share.layout] = share.layout.device_of(message)
                except RsuError as error:
                    named[share.layout] = error.reason
            if named[share.layout] == share.device:
                share.received(message)
                return
        for share in self.shares[:1]:
            first = named[share.layout]
            share.refused(first if isinstance(first, RsuReason) else RsuReason.UNKNOWN_SOURCE)

    def _refused(self, error: RsuError) -> None:
        for share in self.shares[:1]:
            share.refused(error.reason)

    def _lost(self, error: RsuError) -> None:
        shares, self.shares = self.shares, []
        self._closed()
        for share in shares:
            share.join(None)
            share.lost(error)


class _Hubs:
    def __init__(self) -> None:
        # One a broker: waiting for one that does not answer holds up no other.
        self.locks: WeakValueDictionary[BrokerAddress, asyncio.Lock] = WeakValueDictionary()
        self.open: dict[BrokerAddress, _Hub] = {}

    def check_client_id(self, address: BrokerAddress) -> None:
        """A broker ends the older of two connections with one client id: they would take turns for ever."""
        for other in self.open:
            same = (other.host, other.port, other.client_id) == (
                address.host,
                address.port,
                address.client_id,
            )
            if same and other != address:
                what = f"two logins have the client id {address.client_id} at {address.host}:{address.port}"
                raise RsuError(RsuReason.CONFIG, what, advice="give each login its own client_id")


_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, _Hubs] = WeakKeyDictionary()


async def join(clock: Clock, address: BrokerAddress, share: Share) -> None:
    """Open the connection to a broker, or join the units that are on it already, and subscribe.

    Raises RsuError as `MqttClient.connect` does, and CONFIG for a unit that another share has.
    """
    hubs = _by_loop.setdefault(asyncio.get_running_loop(), _Hubs())
    lock = hubs.locks.setdefault(address, asyncio.Lock())
    async with lock:
        hub = hubs.open.get(address)
        if hub is None:
            hubs.check_client_id(address)
            hub = _Hub(clock, address, lambda: hubs.open.pop(address, None))
            await hub.client.connect()
            hubs.open[address] = hub
        for other in hub.shares:
            if other.device == share.device and other.layout == share.layout:
                what = f"two units have the name {share.device} at one broker"
                raise RsuError(RsuReason.CONFIG, what, advice="give each unit its own serial number")
        hub.shares.append(share)
        share.join(hub)
        try:
            await hub.client.subscribe(share.filters)
        except BaseException:
            await share.close()
            raise
