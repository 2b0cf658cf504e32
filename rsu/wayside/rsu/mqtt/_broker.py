from __future__ import annotations

import asyncio
import hmac
import itertools
import logging
from collections.abc import Mapping

import msgspec

from wayside.clock import Clock
from wayside.observe import Counters
from wayside.rsu._reasons import RsuError, RsuReason
from wayside.rsu.mqtt._packets import (
    PROTOCOL_LEVEL,
    ConnAck,
    Connect,
    Disconnect,
    Packet,
    PacketReader,
    PingReq,
    PingResp,
    PubAck,
    Publish,
    SubAck,
    Subscribe,
    UnsubAck,
    Unsubscribe,
    Will,
    build_packet,
)
from wayside.rsu.mqtt._topics import matches
from wayside.runtime import TaskOwner

_log = logging.getLogger(__name__)

_LOGIN_S = 10.0
_SWEEP_S = 1.0
_REFUSED_FILTER = 0x80


class BrokerLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of a broker.

    packet_bytes: largest packet. clients: connections at once. subscriptions: a client. queue_bytes: what
    may wait for one reader; more cuts it off. unacknowledged: QoS 1 messages a reader may owe an answer to;
    more are dropped for it. retained: topics with a kept message.
    """

    packet_bytes: int = 1_048_576
    clients: int = 64
    subscriptions: int = 1_024
    queue_bytes: int = 4_194_304
    unacknowledged: int = 1_000
    retained: int = 1_000


class MqttBroker:
    """A small MQTT 3.1.1 broker on one event loop, for demonstrations and tests where there is no other.

    QoS 0 and 1, retained messages, wildcards, wills, user and password. Sessions are not kept: each
    connection starts anew. users: name → password; without it everybody may come. What is dropped or refused
    is counted in `counters` under the reasons of the stage `rsu`.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        users: Mapping[str, str] | None = None,
        limits: BrokerLimits | None = None,
        counters: Counters | None = None,
    ) -> None:
        self.limits = limits or BrokerLimits()
        self.counters = counters or Counters()
        self._clock = clock
        self._host = host
        self._port = port
        self._users = dict(users) if users is not None else None
        self._server: asyncio.Server | None = None
        self._tasks: TaskOwner | None = None
        self._connections: set[_Connection] = set()
        self._clients: dict[str, _Connection] = {}
        self._retained: dict[str, Publish] = {}
        self._empty = asyncio.Event()

    @property
    def port(self) -> int:
        """Port it listens on; once started, the one that the system chose for 0."""
        return self._port

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return self._host, self._port

    @property
    def running(self) -> bool:
        """Whether it listens."""
        return self._server is not None

    @property
    def clients(self) -> tuple[str, ...]:
        """Ids of the clients that are logged in."""
        return tuple(self._clients)

    async def start(self) -> None:
        """Listen. A closed broker starts again on the same port. Raises RsuError UNREACHABLE."""
        loop = asyncio.get_running_loop()
        try:
            server = await loop.create_server(lambda: _Connection(self), self._host, self._port)
        except OSError as error:
            what = f"no socket on {self._host}:{self._port}: {error.strerror}"
            raise RsuError(RsuReason.UNREACHABLE, what, where="broker") from None
        self._server = server
        self._port = int(server.sockets[0].getsockname()[1])
        self._tasks = TaskOwner("mqtt broker")
        self._tasks.start(self._sweep(), "sweep")

    async def close(self) -> None:
        """End all connections and the port."""
        server, self._server = self._server, None
        tasks, self._tasks = self._tasks, None
        if tasks is not None:
            await tasks.close()
        for connection in tuple(self._connections):
            connection.will = None
            connection.end()
        if server is not None:
            server.close()
            await server.wait_closed()
        if self._connections:
            self._empty.clear()
            await self._empty.wait()
        self._retained.clear()

    def publish(self, message: Publish) -> None:
        """Hand a message to everyone who subscribed to its topic."""
        self.counters.count("broker_published")
        if message.retain:
            self._retain(message)
        passed_on = msgspec.structs.replace(message, retain=False, duplicate=False, packet_id=0)
        for connection in tuple(self._clients.values()):
            qos = connection.wants(message.topic)
            if qos is not None:
                connection.deliver(passed_on, min(qos, message.qos))

    def opened(self, connection: _Connection) -> bool:
        """A connection was made; False when there are too many."""
        self._connections.add(connection)
        if len(self._connections) > self.limits.clients:
            self.counters.drop(RsuReason.RATE_LIMITED)
            return False
        return True

    def closed(self, connection: _Connection) -> None:
        """A connection ended; its will is published unless it said goodbye."""
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()
        if self._clients.get(connection.client_id) is connection:
            del self._clients[connection.client_id]
        will, connection.will = connection.will, None
        if will is not None:
            self.publish(Publish(topic=will.topic, payload=will.payload, qos=will.qos, retain=will.retain))

    def log_in(self, connection: _Connection, hello: Connect) -> ConnAck:
        """Answer a client's first packet, and end an older connection of the same client."""
        if hello.level != PROTOCOL_LEVEL:
            self.counters.drop(RsuReason.UNSUPPORTED)
            return ConnAck(1)
        if not hello.client_id and not hello.clean_session:
            self.counters.drop(RsuReason.MALFORMED)
            return ConnAck(2)
        if self._users is not None:
            known = self._users.get(hello.username or "", "").encode()
            given = hello.password or b""
            if hello.username not in self._users or not hmac.compare_digest(known, given):
                self.counters.drop(RsuReason.AUTH)
                return ConnAck(4)
        connection.client_id = hello.client_id or f"anonymous {id(connection):x}"
        older = self._clients.get(connection.client_id)
        self._clients[connection.client_id] = connection
        if older is not None:
            older.end()
        return ConnAck(0)

    def retained(self, name: str) -> list[Publish]:
        """Kept messages that a filter takes."""
        return [message for topic, message in self._retained.items() if matches(name, topic)]

    def now_s(self) -> float:
        """Monotonic seconds of the broker's clock."""
        return self._clock.mono() / 1e9

    def _retain(self, message: Publish) -> None:
        if not message.payload:
            self._retained.pop(message.topic, None)
        elif message.topic in self._retained or len(self._retained) < self.limits.retained:
            self._retained[message.topic] = msgspec.structs.replace(message, duplicate=False, packet_id=0)
        else:
            self.counters.drop(RsuReason.QUEUE_FULL)

    async def _sweep(self) -> None:
        while True:
            await self._clock.sleep(_SWEEP_S)
            now_s = self.now_s()
            for connection in tuple(self._connections):
                if connection.silent_since(now_s):
                    self.counters.drop(RsuReason.TIMEOUT)
                    connection.end()


class _Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, broker: MqttBroker) -> None:
        self.client_id = ""
        self.will: Will | None = None
        self._broker = broker
        self._reader = PacketReader(broker.limits.packet_bytes)
        self._transport: asyncio.Transport | None = None
        self._filters: dict[str, int] = {}
        self._unacknowledged: set[int] = set()
        self._numbers = itertools.cycle(range(1, 65_536))
        self._keep_alive_s = 0
        self._logged_in = False
        self._heard_s = broker.now_s()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        if not self._broker.opened(self):
            self._write(ConnAck(3))
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._broker.closed(self)

    def data_received(self, data: bytes) -> None:
        try:
            for packet in self._reader.feed(data):
                # Whole packets are signs of life, single octets are not.
                self._heard_s = self._broker.now_s()
                self._take(packet)
        except RsuError as error:
            _log.info("broker: %s is cut off: %s", self.client_id or "a client", error)
            self._broker.counters.drop(error.reason)
            self.end()

    def end(self) -> None:
        """Cut the connection."""
        if self._transport is not None:
            self._transport.abort()

    def silent_since(self, now_s: float) -> bool:
        """Whether the client has been silent for longer than it promised, or has not logged in in time."""
        allowed_s = 1.5 * self._keep_alive_s if self._logged_in else _LOGIN_S
        return allowed_s > 0 and now_s - self._heard_s > allowed_s

    def wants(self, topic: str) -> int | None:
        """Highest QoS under which this client asked for a topic, None when it did not."""
        return max((qos for name, qos in self._filters.items() if matches(name, topic)), default=None)

    def deliver(self, message: Publish, qos: int) -> None:
        """Send a message to the client, or cut off one that reads too slowly."""
        limits, counters = self._broker.limits, self._broker.counters
        if self._transport is None or self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() > limits.queue_bytes:
            counters.drop(RsuReason.QUEUE_FULL)
            self.end()
            return
        number = 0
        if qos:
            if len(self._unacknowledged) >= limits.unacknowledged:
                counters.drop(RsuReason.QUEUE_FULL)
                return
            number = next(n for n in self._numbers if n not in self._unacknowledged)
            self._unacknowledged.add(number)
        counters.count("broker_delivered")
        self._write(msgspec.structs.replace(message, qos=qos, packet_id=number))

    def _take(self, packet: Packet) -> None:
        if isinstance(packet, Connect) is self._logged_in:
            raise RsuError(RsuReason.MALFORMED, f"{type(packet).__name__} out of turn")
        match packet:
            case Connect():
                self._log_in(packet)
            case Publish():
                self._broker.publish(packet)
                if packet.qos:
                    self._write(PubAck(packet.packet_id))
            case PubAck():
                self._unacknowledged.discard(packet.packet_id)
            case Subscribe():
                self._subscribe(packet)
            case Unsubscribe():
                for name in packet.filters:
                    self._filters.pop(name, None)
                self._write(UnsubAck(packet.packet_id))
            case PingReq():
                self._write(PingResp())
            case Disconnect():
                self.will = None
                if self._transport is not None:
                    self._transport.close()
            case _:
                raise RsuError(RsuReason.MALFORMED, f"{type(packet).__name__} from a client")

    def _log_in(self, hello: Connect) -> None:
        answer = self._broker.log_in(self, hello)
        self._write(answer)
        if answer.code:
            if self._transport is not None:
                self._transport.close()
            return
        self._logged_in = True
        self._keep_alive_s = hello.keep_alive_s
        self.will = hello.will

    def _subscribe(self, packet: Subscribe) -> None:
        codes = []
        for name, qos in packet.filters:
            if name not in self._filters and len(self._filters) >= self._broker.limits.subscriptions:
                self._broker.counters.drop(RsuReason.RATE_LIMITED)
                codes.append(_REFUSED_FILTER)
                continue
            self._filters[name] = min(qos, 1)
            codes.append(min(qos, 1))
        self._write(SubAck(packet.packet_id, tuple(codes)))
        granted = {name: code for (name, _), code in zip(packet.filters, codes, strict=True)}
        for name, code in granted.items():
            if code != _REFUSED_FILTER:
                for message in self._broker.retained(name):
                    self.deliver(message, min(code, message.qos))

    def _write(self, packet: Packet) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(build_packet(packet))
