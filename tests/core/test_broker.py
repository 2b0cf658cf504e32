"""Kafka clients that outlive their failures, without a broker."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import pytest
from aiokafka.errors import KafkaError

from wayside.broker import CLIENT_ERRORS, BrokerAccess, Producer, StallWatch, client_calls, stop_consumer
from wayside.clock import VirtualClock
from wayside.records import (
    INSTANCE_HEADER,
    DeviceRecord,
    Record,
    RecordError,
    RecordId,
    RecordReason,
    address_of,
    check_instance,
    encode_record,
    record_topics,
)


class FakeConsumer:
    """Holds one partition or none, and is so many records behind."""

    def __init__(self) -> None:
        self.places = {"p"}
        self.behind = 0
        self.looks = 0
        self._client = self

    def assignment(self) -> set[str]:
        return self.places

    async def end_offsets(self, places: list[str]) -> dict[str, int]:
        self.looks += 1
        return dict.fromkeys(places, 10)

    async def position(self, place: str) -> int:
        return 10 - self.behind

    async def stop(self) -> None:
        raise KafkaError("already gone")

    async def close(self) -> None:
        self.looks = -1


@pytest.mark.parametrize("fault", ["records but none come", "no partition"])
async def test_a_consumer_that_died_silently_is_found_out(clock: VirtualClock, fault: str) -> None:
    consumer: Any = FakeConsumer()
    watch = StallWatch(consumer, clock, look_s=5.0, stall_s=20.0)
    for _ in range(100):
        clock.advance(1.0)
        await watch.look()
    assert consumer.looks == 20, "idle is not dead"
    consumer.behind, consumer.places = (3, {"p"}) if fault == "records but none come" else (0, set())
    for _ in range(15):
        clock.advance(1.0)
        await watch.look()
    watch.moved()
    with pytest.raises(TimeoutError):
        for _ in range(30):
            clock.advance(1.0)
            await watch.look()
    assert clock.mono() > 0


async def test_a_consumer_is_closed_whatever_it_does() -> None:
    consumer: Any = FakeConsumer()
    await stop_consumer(consumer, 1.0)
    assert consumer.looks == -1, "its connections are closed all the same"


async def test_a_client_that_cancels_who_waits_for_it_is_a_failure_of_the_client() -> None:
    async def dies() -> None:
        inner = asyncio.ensure_future(asyncio.sleep(60.0))
        asyncio.get_running_loop().call_soon(inner.cancel)
        with client_calls():
            await inner

    with pytest.raises(KafkaError, match="by itself"):
        await dies()

    async def waits() -> None:
        with client_calls():
            await asyncio.Event().wait()

    task = asyncio.ensure_future(waits())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_without_a_broker_a_producer_fails_and_can_be_thrown_away() -> None:
    producer = Producer(BrokerAccess(("127.0.0.1:9",)), timeout_s=1.0)
    for _ in range(2):
        with pytest.raises(CLIENT_ERRORS):
            await producer.send({("t", None): [(b"v", [])]})
    await producer.discard()


@pytest.mark.parametrize(
    ("tls", "mechanism", "protocol"),
    [
        (False, "", "PLAINTEXT"),
        (True, "", "SSL"),
        (False, "SCRAM-SHA-512", "SASL_PLAINTEXT"),
        (True, "PLAIN", "SASL_SSL"),
    ],
)
def test_access_tells_the_client_all_and_the_log_no_secret(tls: bool, mechanism: str, protocol: str) -> None:
    context = ssl.create_default_context() if tls else None
    access = BrokerAccess(("a:1", "b:2"), context, mechanism, "edge", "geheim")
    arguments = access.client_arguments()
    assert arguments["security_protocol"] == protocol and arguments["bootstrap_servers"] == ["a:1", "b:2"]
    assert arguments.get("sasl_plain_password") == ("geheim" if mechanism else None)
    assert "geheim" not in repr(access) and "a:1" in repr(access)


def test_a_record_goes_to_the_topic_of_its_kind_under_its_key() -> None:
    record = Record(RecordId("haihe", 1, 1), "rsu-1", 1, DeviceRecord("rsu-1", "rsu", "up"))
    address = address_of(encode_record(record))
    assert (address.topic, address.key) == ("wayside.devices.v1", "rsu-1")
    assert address.topic in record_topics()


@pytest.mark.drops(RecordReason.MALFORMED)
@pytest.mark.parametrize(
    "data",
    [b"", b"\xc1", b"\x80", b"\x81\xa3key\xa1\xff", b"\x83\xa2id\x93\xa1s\x01\x01\xa3key\xa1k\xa4body\x80"],
)
def test_octets_that_are_no_record_have_no_address(data: bytes) -> None:
    with pytest.raises(RecordError) as caught:
        address_of(data)
    assert caught.value.reason is RecordReason.MALFORMED


@pytest.mark.drops(RecordReason.MALFORMED)
@pytest.mark.parametrize("text", ["x", "0" * 31, "0" * 33, "G" * 32, "A" * 32, "0" * 32 + "\n"])
def test_an_instance_has_one_form(text: str) -> None:
    assert check_instance("") == "" and check_instance("0af9" * 8) == "0af9" * 8
    with pytest.raises(RecordError) as caught:
        check_instance(text)
    assert caught.value.reason is RecordReason.MALFORMED and caught.value.where == INSTANCE_HEADER
