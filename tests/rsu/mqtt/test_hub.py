"""What the units of one broker share, and what those of several must not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from wayside.clock import VirtualClock
from wayside.rsu import RsuError, RsuReason
from wayside.rsu.mqtt import BrokerAddress, MqttBroker, Publish, Share, join

pytestmark = pytest.mark.joint


class Anyone(msgspec.Struct, frozen=True):
    """The unit's name is the topic."""

    def device_of(self, message: Publish) -> str:
        return message.topic


def share_of(
    name: str, refused: list[RsuReason] | None = None, got: asyncio.Queue[Publish] | None = None
) -> Share:
    return Share(
        name,
        Anyone(),
        {name: 1},
        received=(asyncio.Queue() if got is None else got).put_nowait,
        refused=([] if refused is None else refused).append,
        lost=lambda _: None,
    )


@pytest.fixture
async def broker(clock: VirtualClock) -> AsyncIterator[MqttBroker]:
    broker = MqttBroker(clock)
    await broker.start()
    yield broker
    await broker.close()


@asynccontextmanager
async def mute_broker() -> AsyncIterator[int]:
    """Port of something that takes connections and never answers."""
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while await reader.read(100):
                pass
        writer.close()
        ended.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    await ended.wait()


async def test_a_broker_that_does_not_answer_holds_up_no_other(
    clock: VirtualClock, broker: MqttBroker
) -> None:
    async with mute_broker() as port:
        silent = BrokerAddress(host="127.0.0.1", port=port, client_id="edge")
        waiting = asyncio.ensure_future(join(clock, silent, share_of("a")))
        await asyncio.sleep(0)
        share = share_of("b")
        async with asyncio.timeout(2):
            await join(clock, BrokerAddress(host="127.0.0.1", port=broker.port, client_id="edge"), share)
        assert not waiting.done()
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting
        await share.close()


@pytest.mark.drops(RsuReason.CONFIG)
async def test_two_logins_with_one_client_id_are_refused(clock: VirtualClock, broker: MqttBroker) -> None:
    address = BrokerAddress(host="127.0.0.1", port=broker.port, client_id="edge")
    first = share_of("a")
    await join(clock, address, first)
    with pytest.raises(RsuError) as caught:
        await join(clock, msgspec.structs.replace(address, username="other"), share_of("b"))
    assert caught.value.reason is RsuReason.CONFIG
    assert broker.clients == ("edge",)
    await first.close()


@pytest.mark.drops(RsuReason.TOO_LARGE)
@pytest.mark.parametrize("qos", [0, 1])
async def test_one_units_large_message_ends_nobodys_connection(
    clock: VirtualClock, broker: MqttBroker, qos: int
) -> None:
    address = BrokerAddress(host="127.0.0.1", port=broker.port, client_id="edge", packet_limit_bytes=1_000)
    refused: list[RsuReason] = []
    got: asyncio.Queue[Publish] = asyncio.Queue()
    share = share_of("a", refused, got)
    await join(clock, address, share)
    for payload in (bytes(100_000), b"good"):
        broker.publish(Publish(topic="a", payload=payload, qos=qos))
    async with asyncio.timeout(3):
        assert (await got.get()).payload == b"good"
    assert refused == [RsuReason.TOO_LARGE] and broker.clients == ("edge",)
    await share.close()


async def test_a_message_for_all_that_did_not_leave_is_sent_for_nobody(
    clock: VirtualClock, broker: MqttBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = BrokerAddress(host="127.0.0.1", port=broker.port, client_id="edge")
    shares = [share_of("a"), share_of("b")]
    for share in shares:
        await join(clock, address, share)
    hub = shares[0]._hub
    assert hub is not None

    def full(topic: str, payload: bytes) -> None:
        raise RsuError(RsuReason.QUEUE_FULL, "the broker takes too slowly")

    monkeypatch.setattr(hub.client, "publish", full)
    for share in shares:
        with pytest.raises(RsuError) as caught:
            await share.publish_to_all("all", b"x", qos=0)
        assert caught.value.reason is RsuReason.QUEUE_FULL
    for share in shares:
        await share.close()
