from __future__ import annotations

import asyncio
import itertools
import ssl
from collections.abc import Callable, Mapping
from typing import Any

from wayside.clock import Clock
from wayside.rsu._reasons import RsuError, RsuReason
from wayside.rsu.mqtt._packets import (
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
    Will,
    build_packet,
)
from wayside.rsu.mqtt._tls import Tls, hung_up, refusal
from wayside.runtime import TaskOwner

ANSWER_S = 5.0
_GOODBYE_S = 1.0
_REFUSED = {
    1: (RsuReason.UNSUPPORTED, "the broker does not speak MQTT 3.1.1"),
    2: (RsuReason.CONFIG, "the broker refuses the client id"),
    3: (RsuReason.UNREACHABLE, "the broker is not available"),
    4: (RsuReason.AUTH, "the broker refuses user or password"),
    5: (RsuReason.AUTH, "the broker gives no right"),
}


class MqttClient:
    """One client of an MQTT 3.1.1 broker; `connect` may be called anew after the connection was lost.

    Subscriptions are kept and made again on each `connect`; there is no session at the broker.
    on_message: called with each message, at QoS 1 after it was acknowledged. on_lost: called once when an
    open connection ends without `close`. write_limit_bytes: what may wait for the socket; more is refused
    with QUEUE_FULL. answer_s: real time within which the broker must answer. tls: encrypt, and hold the
    broker to its certificate. on_refused: told of a message over packet_limit_bytes, which is passed over.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        host: str,
        port: int,
        client_id: str,
        on_message: Callable[[Publish], None],
        on_lost: Callable[[RsuError], None],
        username: str = "",
        password: str = "",
        keep_alive_s: int = 60,
        will: Will | None = None,
        packet_limit_bytes: int = 1_048_576,
        write_limit_bytes: int = 4_194_304,
        answer_s: float = ANSWER_S,
        tls: Tls | None = None,
        on_refused: Callable[[RsuError], None] | None = None,
    ) -> None:
        self.host, self.port = host, port
        self._clock = clock
        self._hello = Connect(
            client_id=client_id,
            keep_alive_s=keep_alive_s,
            username=username or None,
            password=password.encode() if username else None,
            will=will,
        )
        self._on_message = on_message
        self._on_lost = on_lost
        self._packet_limit = packet_limit_bytes
        self._write_limit = write_limit_bytes
        self._answer_s = answer_s
        self._tls = tls
        self._on_refused = on_refused
        self._filters: dict[str, int] = {}
        self._numbers = itertools.cycle(range(1, 65_536))
        self._answers: dict[tuple[type, int], asyncio.Future[Packet]] = {}
        self._stream: _Stream | None = None
        self._tasks: TaskOwner | None = None
        self._ping: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether messages can be published now."""
        return self._stream is not None

    async def connect(self) -> None:
        """Connect, log in and subscribe again to what was subscribed before.

        Raises RsuError UNREACHABLE, AUTH (the certificate too), UNSUPPORTED, CONFIG, MALFORMED, TIMEOUT;
        nothing stays open then.
        """
        await self.close()
        secure: dict[str, Any] = {}
        if self._tls is not None:
            context = await asyncio.to_thread(self._tls.context)
            secure = {"ssl": context, "server_hostname": self._tls.server_name or self.host}
        loop = asyncio.get_running_loop()
        stream = _Stream(self, self._packet_limit, bool(secure))
        answer = self._expect(ConnAck, 0)
        try:
            async with asyncio.timeout(self._answer_s):
                await loop.create_connection(lambda: stream, self.host, self.port, **secure)
                stream.write(self._hello)
                found = await answer
            if isinstance(found, ConnAck) and found.code:
                reason, what = _REFUSED.get(found.code, (RsuReason.MALFORMED, "unknown answer"))
                raise RsuError(reason, what, vendor_code=f"CONNACK {found.code}")
            if stream.has_ended:
                raise stream.error
            self._stream = stream
            if self._filters:
                await self._ask_for(self._filters)
        except ssl.SSLError as error:
            await self._drop(stream)
            raise refusal(error, f"{self.host}:{self.port}") from None
        except (OSError, TimeoutError) as error:
            await self._drop(stream)
            reason = RsuReason.TIMEOUT if isinstance(error, TimeoutError) else RsuReason.UNREACHABLE
            what = f"no broker at {self.host}:{self.port}: {error or 'no answer'}"
            raise RsuError(reason, what) from None
        except BaseException:
            await self._drop(stream)
            raise
        finally:
            self._answers.pop((ConnAck, 0), None)
        if self._hello.keep_alive_s:
            self._tasks = self._tasks or TaskOwner("mqtt keep-alive")
            self._ping = self._tasks.start(self._keep_alive(stream), "ping")

    async def subscribe(self, filters: Mapping[str, int]) -> None:
        """Ask for messages by filter and highest QoS, now and on each later `connect`.

        Raises RsuError OFFLINE, TIMEOUT, AUTH for a filter that the broker refuses.
        """
        self._filters |= filters
        await self._ask_for(filters)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish at QoS 0. Raises RsuError OFFLINE, QUEUE_FULL, MALFORMED for a topic."""
        self._write(Publish(topic=topic, payload=payload, retain=retain))

    async def publish_acknowledged(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish at QoS 1 and wait until the broker has taken it. Raises RsuError as above, and TIMEOUT."""
        number = self._next_number(PubAck)
        await self._ask(
            Publish(topic=topic, payload=payload, retain=retain, qos=1, packet_id=number), PubAck, number
        )

    async def close(self) -> None:
        """End the connection cleanly, so that no will is published; harmless when none is open."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.write(Disconnect())
            await self._drop(stream, flush=True)

    async def abort(self) -> None:
        """End the connection as a device without power does: the broker publishes the will."""
        stream, self._stream = self._stream, None
        if stream is not None:
            await self._drop(stream)

    def received(self, packet: Packet) -> None:
        """A packet came; called by the stream."""
        match packet:
            case Publish():
                if packet.qos and self._stream is not None:
                    self._stream.write(PubAck(packet.packet_id))
                self._on_message(packet)
            case ConnAck():
                self._resolve(ConnAck, 0, packet)
            case PubAck() | SubAck():
                self._resolve(type(packet), packet.packet_id, packet)
            case PingResp():
                pass
            case _:
                raise RsuError(RsuReason.MALFORMED, f"{type(packet).__name__} from a broker")

    def passed_over(self, packet_id: int, octets: int) -> None:
        """A message was too large to be read; called by the stream."""
        if packet_id and self._stream is not None:
            self._stream.write(PubAck(packet_id))
        if self._on_refused is not None:
            self._on_refused(
                RsuError(RsuReason.TOO_LARGE, f"a message of {octets} octets", limit=self._packet_limit)
            )

    def lost(self, stream: _Stream, error: RsuError) -> None:
        """A stream ended; called by the stream."""
        for future in self._answers.values():
            if not future.done():
                future.set_exception(error)
        if self._stream is stream:
            self._stream = None
            if self._ping is not None:
                self._ping.cancel()
            self._on_lost(error)

    async def _ask_for(self, filters: Mapping[str, int]) -> None:
        number = self._next_number(SubAck)
        answer = await self._ask(Subscribe(number, tuple(filters.items())), SubAck, number)
        codes = answer.codes if isinstance(answer, SubAck) else ()
        if len(codes) != len(filters):
            raise RsuError(RsuReason.MALFORMED, f"{len(codes)} answers to {len(filters)} filters")
        refused = [name for name, code in zip(filters, codes, strict=True) if code == 0x80]
        if refused:
            raise RsuError(RsuReason.AUTH, f"the broker refuses the filter {refused[0]}")

    async def _ask(self, packet: Packet, answer: type, number: int) -> Packet:
        future = self._expect(answer, number)
        try:
            self._write(packet)
            async with asyncio.timeout(self._answer_s):
                return await future
        except TimeoutError:
            what = f"no {answer.__name__} of the broker within {self._answer_s} s"
            raise RsuError(RsuReason.TIMEOUT, what) from None
        finally:
            self._answers.pop((answer, number), None)
            if future.done() and not future.cancelled():
                # Read here, so that an answer nobody waits for any more is not reported as unread.
                future.exception()

    def _expect(self, answer: type, number: int) -> asyncio.Future[Packet]:
        future: asyncio.Future[Packet] = asyncio.get_running_loop().create_future()
        self._answers[answer, number] = future
        return future

    def _resolve(self, answer: type, number: int, packet: Packet) -> None:
        future = self._answers.get((answer, number))
        if future is not None and not future.done():
            future.set_result(packet)

    def _next_number(self, answer: type) -> int:
        return next(n for n in self._numbers if (answer, n) not in self._answers)

    def _write(self, packet: Packet) -> None:
        stream = self._stream
        if stream is None:
            raise RsuError(RsuReason.OFFLINE, "no connection to the broker")
        if stream.waiting > self._write_limit:
            raise RsuError(RsuReason.QUEUE_FULL, "the broker takes too slowly", limit=self._write_limit)
        stream.write(packet)

    async def _keep_alive(self, stream: _Stream) -> None:
        pause_s = self._hello.keep_alive_s / 2
        while self._stream is stream:
            heard = stream.packets
            stream.write(PingReq())
            await self._clock.sleep(pause_s)
            if stream.packets == heard:
                stream.fail(RsuError(RsuReason.TIMEOUT, "the broker does not answer the keep-alive"))
                return

    async def _drop(self, stream: _Stream, *, flush: bool = False) -> None:
        tasks, self._tasks, self._ping = self._tasks, None, None
        if tasks is not None:
            await tasks.close()
        await stream.close(flush)


class _Stream(asyncio.Protocol):
    def __init__(self, client: MqttClient, packet_limit: int, secure: bool) -> None:
        self._client = client
        self._reader = PacketReader(packet_limit, client.passed_over)
        self._transport: asyncio.Transport | None = None
        self._ended = asyncio.Event()
        self._secure = secure
        self.error = RsuError(RsuReason.OFFLINE, "the broker ended the connection")
        self.packets = 0

    @property
    def has_ended(self) -> bool:
        return self._ended.is_set()

    @property
    def waiting(self) -> int:
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def write(self, packet: Packet) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(build_packet(packet))

    def data_received(self, data: bytes) -> None:
        try:
            for packet in self._reader.feed(data):
                self.packets += 1
                self._client.received(packet)
        except RsuError as error:
            self.fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._ended.set()
        if isinstance(exc, ssl.SSLError):
            self.error = refusal(exc, "the broker")
        elif not self.packets and self._secure:
            self.error = hung_up()
        self._client.lost(self, self.error)

    def fail(self, error: RsuError) -> None:
        self.error = error
        self.end(flush=False)

    async def close(self, flush: bool) -> None:
        """End the connection and wait until its socket is given back; a goodbye that hangs is cut off."""
        if self._transport is None:
            return
        self.end(flush)
        try:
            async with asyncio.timeout(_GOODBYE_S):
                await self._ended.wait()
        except TimeoutError:
            self.end(flush=False)

    def end(self, flush: bool) -> None:
        if self._transport is None:
            return
        if flush and self.waiting < 65_536:
            self._transport.close()
        else:
            self._transport.abort()
