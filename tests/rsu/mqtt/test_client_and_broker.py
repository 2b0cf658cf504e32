"""The client over the broker of the package, and over Mosquitto; real sockets on the loopback."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from wayside.clock import SystemClock, VirtualClock
from wayside.rsu import RsuError, RsuReason
from wayside.rsu.mqtt import (
    BrokerLimits,
    Connect,
    MqttBroker,
    MqttClient,
    Publish,
    Subscribe,
    Will,
    build_packet,
)

pytestmark = pytest.mark.joint

USERS = {"edge": "secret", "unit": "other"}


class Person:
    """A client with what it got."""

    def __init__(self, clock: VirtualClock | SystemClock, port: int, name: str, **more: object) -> None:
        self.got: list[Publish] = []
        self.lost: list[RsuError] = []
        self.news = asyncio.Event()
        values: dict[str, object] = {"username": "edge", "password": "secret", "keep_alive_s": 5, **more}
        self.client = MqttClient(
            clock,
            host="127.0.0.1",
            port=port,
            client_id=name,
            on_message=self._take,
            on_lost=self._lose,
            **values,  # type: ignore[arg-type]
        )

    def _take(self, message: Publish) -> None:
        self.got.append(message)
        self.news.set()

    def _lose(self, error: RsuError) -> None:
        self.lost.append(error)
        self.news.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(3):
            while not condition():
                self.news.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.news.wait(), 0.01)

    @property
    def texts(self) -> list[tuple[str, bytes]]:
        return [(message.topic, message.payload) for message in self.got]


@pytest.fixture
async def broker(clock: VirtualClock) -> AsyncIterator[MqttBroker]:
    broker = MqttBroker(clock, users=USERS)
    await broker.start()
    yield broker
    await broker.close()


@pytest.fixture(params=["own", "mosquitto"])
async def port(request: pytest.FixtureRequest, clock: VirtualClock) -> AsyncIterator[int]:
    if request.param == "own":
        broker = MqttBroker(clock, users=USERS)
        await broker.start()
        yield broker.port
        await broker.close()
        return
    async with request.getfixturevalue("mosquitto")(USERS) as found:
        yield found


async def test_messages_go_from_one_to_the_other(clock: VirtualClock, port: int) -> None:
    reader, writer = Person(clock, port, "reader"), Person(clock, port, "writer")
    await reader.client.connect()
    await reader.client.subscribe({"V2X/RSU/+/MAP/DOWN": 1, "V2X.RSU.MAP.UP": 0, "V2X/#": 0})
    await writer.client.connect()
    writer.client.publish("V2X/RSU/R1/SPAT/UP", b"0")
    await writer.client.publish_acknowledged("V2X/RSU/R1/MAP/DOWN", b"1")
    await writer.client.publish_acknowledged("other", b"2")
    await writer.client.publish_acknowledged("V2X.RSU.MAP.UP", bytes(70_000))
    await writer.client.publish_acknowledged("V2X/last", b"3")
    await reader.until(lambda: ("V2X/last", b"3") in reader.texts)
    assert [topic for topic, _ in dict.fromkeys(reader.texts)] == [
        "V2X/RSU/R1/SPAT/UP",
        "V2X/RSU/R1/MAP/DOWN",
        "V2X.RSU.MAP.UP",
        "V2X/last",
    ]
    await reader.client.close()
    await writer.client.close()
    assert not reader.lost and not writer.lost


async def test_a_will_tells_of_a_client_that_vanished(clock: VirtualClock, port: int) -> None:
    reader = Person(clock, port, "reader")
    await reader.client.connect()
    await reader.client.subscribe({"will/+": 1})
    for name in ("polite", "gone"):
        unit = Person(clock, port, name, will=Will(f"will/{name}", b"off", 1))
        await unit.client.connect()
        await (unit.client.close() if name == "polite" else unit.client.abort())
    await reader.until(lambda: bool(reader.got))
    assert reader.texts == [("will/gone", b"off")]
    await reader.client.close()


async def test_a_retained_message_waits_for_those_who_come_later(clock: VirtualClock, port: int) -> None:
    writer = Person(clock, port, "writer")
    await writer.client.connect()
    await writer.client.publish_acknowledged("kept/a", b"old", retain=True)
    await writer.client.publish_acknowledged("kept/a", b"new", retain=True)
    await writer.client.publish_acknowledged("kept/b", b"x", retain=True)
    await writer.client.publish_acknowledged("kept/b", b"", retain=True)
    late = Person(clock, port, "late")
    await late.client.connect()
    await late.client.subscribe({"kept/#": 1})
    await late.until(lambda: bool(late.got))
    assert late.texts == [("kept/a", b"new")] and late.got[0].retain
    await late.client.close()
    await writer.client.close()


@pytest.mark.drops(RsuReason.AUTH)
@pytest.mark.parametrize("password", ["wrong", ""])
async def test_a_wrong_password_is_refused(clock: VirtualClock, port: int, password: str) -> None:
    person = Person(clock, port, "reader", password=password)
    with pytest.raises(RsuError) as caught:
        await person.client.connect()
    assert caught.value.reason is RsuReason.AUTH
    assert "secret" not in str(caught.value) and not person.client.is_open


async def test_subscriptions_are_made_again_after_a_reconnect(clock: VirtualClock) -> None:
    broker = MqttBroker(clock)
    await broker.start()
    person = Person(clock, broker.port, "reader")
    await person.client.connect()
    await person.client.subscribe({"a": 1})
    await broker.close()
    await person.until(lambda: bool(person.lost))
    assert [error.reason for error in person.lost] == [RsuReason.OFFLINE]
    with pytest.raises(RsuError):
        person.client.publish("a", b"nobody")
    with pytest.raises(RsuError) as caught:
        await person.client.connect()
    assert caught.value.reason is RsuReason.UNREACHABLE
    await broker.start()
    await person.client.connect()
    await person.client.publish_acknowledged("a", b"again")
    await person.until(lambda: bool(person.got))
    assert person.texts == [("a", b"again")]
    await person.client.close()
    await broker.close()


@asynccontextmanager
async def mute_broker(answer: bytes) -> AsyncIterator[int]:
    """Port of something that gives one answer and none after it."""
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(answer)
        with contextlib.suppress(ConnectionError):
            while await reader.read(100):
                pass
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        ended.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    await ended.wait()


@pytest.mark.drops(RsuReason.TIMEOUT)
async def test_a_broker_that_stops_answering_is_lost(clock: VirtualClock) -> None:
    async with mute_broker(b"\x20\x02\x00\x00") as port:
        person = Person(clock, port, "reader", keep_alive_s=4)
        await person.client.connect()
        await asyncio.sleep(0)
        for _ in range(5):
            clock.advance(1.0)
            await asyncio.sleep(0)
        await person.until(lambda: bool(person.lost))
        assert person.lost[0].reason is RsuReason.TIMEOUT
        await person.client.close()


async def test_a_broker_that_never_answers_is_given_up(clock: VirtualClock) -> None:
    async with mute_broker(b"") as port:
        person = Person(clock, port, "reader", answer_s=0.05)
        with pytest.raises(RsuError) as caught:
            await person.client.connect()
        assert caught.value.reason is RsuReason.TIMEOUT


async def test_a_silent_client_is_cut_off_and_its_will_published(
    clock: VirtualClock, broker: MqttBroker
) -> None:
    reader = Person(clock, broker.port, "reader", keep_alive_s=0)
    await reader.client.connect()
    await reader.client.subscribe({"will": 0})
    hello = Connect(
        client_id="silent", keep_alive_s=60, username="edge", password=b"secret", will=Will("will", b"off")
    )
    _, silent = await asyncio.open_connection("127.0.0.1", broker.port)
    silent.write(build_packet(hello))
    await reader.until(lambda: "silent" in broker.clients)
    clock.advance(89.0)
    await asyncio.sleep(0)
    assert "silent" in broker.clients
    clock.advance(2.0)
    await reader.until(lambda: bool(reader.got))
    assert reader.texts == [("will", b"off")]
    assert broker.counters.dropped(RsuReason.TIMEOUT) == 1
    silent.close()
    with contextlib.suppress(ConnectionError):
        await silent.wait_closed()
    await reader.client.close()


async def test_a_newer_connection_of_a_client_ends_the_older(clock: VirtualClock, broker: MqttBroker) -> None:
    older, newer = Person(clock, broker.port, "same"), Person(clock, broker.port, "same")
    await older.client.connect()
    await newer.client.connect()
    await older.until(lambda: bool(older.lost))
    assert newer.client.is_open and broker.clients == ("same",)
    await newer.client.close()


@pytest.mark.drops(RsuReason.QUEUE_FULL)
async def test_a_slow_reader_is_cut_off_and_nobody_else(clock: VirtualClock) -> None:
    broker = MqttBroker(clock, limits=BrokerLimits(queue_bytes=50_000))
    await broker.start()
    _, slow_writer = await asyncio.open_connection("127.0.0.1", broker.port, limit=1)
    slow_writer.write(bytes.fromhex("100d00044d51545404020000000173" + "82060001000161" + "00"))
    good, writer = Person(clock, broker.port, "good"), Person(clock, broker.port, "writer")
    await good.client.connect()
    await good.client.subscribe({"a": 0})
    await writer.client.connect()
    await good.until(lambda: len(broker.clients) == 3)
    for count in range(1, 400):
        await writer.client.publish_acknowledged("a", bytes(40_000))
        await good.until(lambda n=count: len(good.got) == n)  # type: ignore[misc]
        if broker.counters.dropped(RsuReason.QUEUE_FULL):
            break
    assert broker.counters.dropped(RsuReason.QUEUE_FULL) == 1
    assert len(broker.clients) == 2
    slow_writer.close()
    with contextlib.suppress(ConnectionError):
        await slow_writer.wait_closed()
    await good.client.close()
    await writer.client.close()
    await broker.close()


async def test_an_unacknowledging_reader_loses_messages_counted(clock: VirtualClock) -> None:
    broker = MqttBroker(clock, limits=BrokerLimits(unacknowledged=2))
    await broker.start()
    _, mute = await asyncio.open_connection("127.0.0.1", broker.port)
    mute.write(bytes.fromhex("100d00044d51545404020000000173" + "82060001000161" + "01"))
    writer = Person(clock, broker.port, "writer")
    await writer.client.connect()
    await writer.until(lambda: len(broker.clients) == 2)
    for _ in range(5):
        await writer.client.publish_acknowledged("a", b"x")
    assert broker.counters.dropped(RsuReason.QUEUE_FULL) == 3
    mute.close()
    with contextlib.suppress(ConnectionError):
        await mute.wait_closed()
    await writer.client.close()
    await broker.close()


@pytest.mark.drops(RsuReason.RATE_LIMITED, RsuReason.MALFORMED, RsuReason.TOO_LARGE)
@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", RsuReason.MALFORMED),
        (bytes.fromhex("c000"), RsuReason.MALFORMED),
        (bytes.fromhex("30ffff7f"), RsuReason.TOO_LARGE),
        (bytes.fromhex("100d00044d5154540302003c000161"), RsuReason.UNSUPPORTED),
    ],
)
async def test_what_is_no_client_is_cut_off_and_the_rest_goes_on(
    clock: VirtualClock, broker: MqttBroker, octets: bytes, reason: RsuReason
) -> None:
    person = Person(clock, broker.port, "good")
    await person.client.connect()
    reader, writer = await asyncio.open_connection("127.0.0.1", broker.port)
    writer.write(octets)
    async with asyncio.timeout(3):
        with contextlib.suppress(ConnectionError):
            await reader.read()
    assert broker.counters.dropped(reason) == 1
    await person.client.publish_acknowledged("a", b"still here")
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    await person.client.close()


async def test_the_broker_bounds_its_clients_and_subscriptions(clock: VirtualClock) -> None:
    broker = MqttBroker(clock, limits=BrokerLimits(clients=1, subscriptions=1, retained=1))
    await broker.start()
    first = Person(clock, broker.port, "first")
    await first.client.connect()
    with pytest.raises(RsuError) as caught:
        await Person(clock, broker.port, "second").client.connect()
    assert caught.value.vendor_code == "CONNACK 3"
    await first.client.subscribe({"a": 0})
    with pytest.raises(RsuError) as caught:
        await first.client.subscribe({"b": 0})
    assert caught.value.reason is RsuReason.AUTH
    for topic in ("a", "b"):
        await first.client.publish_acknowledged(topic, b"x", retain=True)
    assert broker.counters.dropped(RsuReason.QUEUE_FULL) == 1
    await first.client.close()
    await broker.close()


async def test_a_lost_connection_leaves_no_task_behind(clock: VirtualClock) -> None:
    before = asyncio.all_tasks()
    broker = MqttBroker(clock)
    await broker.start()
    person = Person(clock, broker.port, "reader", keep_alive_s=60)
    await person.client.connect()
    await broker.close()
    await person.until(lambda: bool(person.lost))
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_a_broker_that_answers_and_hangs_up_is_no_open_connection(clock: VirtualClock) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"\x20\x02\x00\x00")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    for _ in range(20):
        person = Person(clock, server.sockets[0].getsockname()[1], "reader")
        try:
            await person.client.connect()
        except RsuError as error:
            assert error.reason is RsuReason.OFFLINE
        else:
            await person.until(lambda p=person: bool(p.lost))  # type: ignore[misc]
        assert not person.client.is_open
        await person.client.close()
    server.close()
    await server.wait_closed()


async def test_a_broker_that_answers_to_fewer_filters_is_refused(clock: VirtualClock) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"\x20\x02\x00\x00")
        await reader.readuntil(b"\x82")
        writer.write(b"\x90\x03\x00\x01\x00")
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    person = Person(clock, server.sockets[0].getsockname()[1], "reader")
    await person.client.connect()
    with pytest.raises(RsuError) as caught:
        await person.client.subscribe({"a": 0, "b": 0})
    assert caught.value.reason is RsuReason.MALFORMED
    await person.client.close()
    server.close()
    await server.wait_closed()


async def test_who_sends_single_octets_does_not_hold_a_place(clock: VirtualClock, broker: MqttBroker) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", broker.port)
    for octet in bytes.fromhex("100d00"):
        writer.write(bytes((octet,)))
        await asyncio.sleep(0.01)
        clock.advance(4.0)
        await asyncio.sleep(0.01)
    async with asyncio.timeout(3):
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
    assert broker.counters.dropped(RsuReason.TIMEOUT) == 1
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def test_a_filter_that_is_named_often_gets_what_is_kept_once(
    clock: VirtualClock, broker: MqttBroker
) -> None:
    writer = Person(clock, broker.port, "writer")
    await writer.client.connect()
    await writer.client.publish_acknowledged("kept", b"x", retain=True)
    delivered = broker.counters.value("broker_delivered")
    hello = Connect(client_id="many", username="edge", password=b"secret")
    _, many = await asyncio.open_connection("127.0.0.1", broker.port)
    many.write(build_packet(hello) + build_packet(Subscribe(1, (("kept", 0),) * 1_000)))
    await writer.until(lambda: broker.counters.value("broker_delivered") > delivered)
    assert broker.counters.value("broker_delivered") == delivered + 1
    many.close()
    with contextlib.suppress(ConnectionError):
        await many.wait_closed()
    await writer.client.close()
