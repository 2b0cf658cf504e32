"""What only a broker can do to an edge and a centre."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from wayside.broker import CLIENT_ERRORS, BrokerAccess, Producer
from wayside.cloud import CloudError, CloudReason, KafkaSettings, KafkaState
from wayside.cloud._kafka_topics import make_topics
from wayside.mec.rollup import RollupReason, UplinkState
from wayside.mec.rollup._reasons import broker_error
from wayside.records import (
    COMMANDS_TOPIC,
    MAX_RECORD_BYTES,
    TRACKS_TOPIC,
    DeviceRecord,
    LiveParticipant,
    LiveView,
    Record,
    RecordId,
    RecordReason,
    encode_record,
)
from wayside.sim.kafka_broker import KafkaBroker

pytestmark = [pytest.mark.joint, pytest.mark.timeout(150)]

DEVICES = "wayside.devices.v1"
EVENTS = "wayside.events.v1"


def device(key: str, n: int, size: int = 0) -> tuple[str, DeviceRecord]:
    return key, DeviceRecord(key, "rsu", "up", detail={"n": n, "text": "x" * size})


async def configure(broker: KafkaBroker, topic: str, **configs: str) -> None:
    client = AIOKafkaAdminClient(bootstrap_servers=broker.server)
    await client.start()
    try:
        named = {name.replace("_", "."): value for name, value in configs.items()}
        await client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, named)])
    finally:
        await client.close()


async def put(broker: KafkaBroker, topic: str, *messages: tuple[bytes | None, bytes | None, Any]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=broker.server, max_request_size=2_000_000) as producer:
        for key, value, headers in messages:
            await producer.send_and_wait(topic, value, key=key, headers=headers)


@pytest.mark.drops(RollupReason.REFUSED)
async def test_a_record_too_large_for_the_broker_is_set_aside_and_the_others_go_on(by_kafka: Any) -> None:
    async with by_kafka.centre() as centre, by_kafka.edge() as edge:
        await by_kafka.until(lambda: centre.kafka.state is KafkaState.CONSUMING)
        await configure(by_kafka.broker, DEVICES, max_message_bytes="4000")
        try:
            key = f"{by_kafka.site}-rsu"
            sizes = [0, 0, 8_000, 0, 0, 0]
            ids = await edge.outbox.append([device(key, n, size) for n, size in enumerate(sizes)])
            assert await edge.uplink.drain(60.0)
            assert [row[1:3] for row in await edge.outbox.refused()] == [(3, "too_large")]
            assert edge.counters.dropped(RollupReason.REFUSED) == 1
            await by_kafka.until(lambda: len(by_kafka.stored()) == 5)
            assert [record.id for record in by_kafka.stored()] == [ids[n] for n in (0, 1, 3, 4, 5)]
        finally:
            await configure(by_kafka.broker, DEVICES, max_message_bytes="1048588")


@pytest.mark.drops(RollupReason.UNREACHABLE)
async def test_a_broker_that_hangs_is_left_and_gets_everything_once_when_it_goes_on(by_kafka: Any) -> None:
    async with by_kafka.centre(), by_kafka.edge() as edge:
        key = f"{by_kafka.site}-rsu"
        ids = await edge.outbox.append([device(key, n) for n in range(20)])
        await by_kafka.until(lambda: len(by_kafka.stored()) == 20)
        by_kafka.broker.pause()
        try:
            for n in range(20, 40):
                ids += await edge.outbox.append([device(key, n)])
            await by_kafka.until(lambda: edge.counters.dropped(RollupReason.UNREACHABLE) >= 1)
            assert edge.uplink.state is UplinkState.FAILING
            assert edge.outbox.state.rows >= 1
        finally:
            by_kafka.broker.resume()
        assert await edge.uplink.drain(60.0)
        await by_kafka.until(lambda: len(by_kafka.stored()) == 40, 60.0)
        assert [record.id for record in by_kafka.stored()] == ids
        assert edge.uplink.state is UplinkState.CONNECTED


@pytest.mark.drops(CloudReason.BROKER_UNREACHABLE, RollupReason.UNREACHABLE)
async def test_a_broker_that_is_away_is_told_by_state_and_its_return_too(
    by_kafka: Any, caplog: pytest.LogCaptureFixture
) -> None:
    broker = by_kafka.broker
    await asyncio.to_thread(broker.stop)
    async with by_kafka.centre() as centre, by_kafka.edge() as edge:
        source = by_kafka.commands(edge.outbox.instance, edge.counters)
        waiting = asyncio.ensure_future(anext(source.commands()))
        (first,) = await edge.outbox.append([device(f"{by_kafka.site}-rsu", 1)])
        await by_kafka.until(lambda: centre.kafka.state is KafkaState.FAILING)
        await by_kafka.until(lambda: edge.counters.dropped(RollupReason.UNREACHABLE) >= 2)
        with pytest.raises(CloudError) as caught:
            await centre.kafka.publish_command(by_kafka.site, b"lost?")
        assert caught.value.reason is CloudReason.BROKER_UNREACHABLE
        assert centre.counters.dropped(CloudReason.BROKER_UNREACHABLE) >= 2
        assert any("records stay on Kafka" in line for line in caplog.messages)
        await asyncio.to_thread(broker.start)
        await by_kafka.until(lambda: centre.kafka.state is KafkaState.CONSUMING, 60.0)
        await by_kafka.until(lambda: len(by_kafka.stored()) == 1, 60.0)
        assert by_kafka.stored()[0].id == first
        await centre.kafka.publish_command(by_kafka.site, b"now")
        received = await asyncio.wait_for(waiting, 60.0)
        assert received.body == b"now"
        await received.taken()
        await source.close()


@pytest.mark.drops(RollupReason.UNFIT, RecordReason.TOO_LARGE)
async def test_what_is_too_large_for_a_command_or_a_live_view_is_counted_and_dropped(by_kafka: Any) -> None:
    async with by_kafka.centre() as centre, by_kafka.edge() as edge:
        await by_kafka.until(lambda: centre.kafka.state is KafkaState.CONSUMING)
        one = LiveParticipant(1, "car" + "x" * 120, 38.9, 117.3, 0.0, 0.0, 4.5, 1.8)
        # A view that the edge's own rules allow, but no default broker does.
        view = LiveView(by_kafka.site, 1, 1, participants=(one,) * 5_000)
        edge.uplink.show(view)
        await by_kafka.until(lambda: edge.counters.dropped(RollupReason.UNFIT) == 1)
        edge.uplink.show(LiveView(by_kafka.site, 2, 2))
        await by_kafka.until(lambda: edge.counters.value("uplink_live") == 1)
        key = by_kafka.site.encode()
        await put(
            by_kafka.broker,
            COMMANDS_TOPIC,
            (b"other", b"theirs", []),
            (key, b"x" * 20_000, []),
            (key, b"ok", []),
        )
        source = by_kafka.commands(edge.outbox.instance, edge.counters)
        received = await asyncio.wait_for(anext(source.commands()), 40.0)
        assert received.body == b"ok" and edge.counters.dropped(RollupReason.UNFIT) == 2
        await source.close()


@pytest.mark.drops(
    RecordReason.MALFORMED, RecordReason.TOO_LARGE, CloudReason.ID_CONFLICT, CloudReason.SITE_LIMIT
)
async def test_whatever_is_on_a_topic_the_records_behind_it_are_stored(by_kafka: Any) -> None:
    site = by_kafka.site
    key = f"{site}-rsu".encode()

    def record(seq: int, n: int = 0) -> bytes:
        return encode_record(Record(RecordId(site, 1, seq), key.decode(), 1, device(site, n)[1]))

    instance = [("wayside-instance", b"0" * 32)]
    async with by_kafka.centre() as centre:
        await by_kafka.until(lambda: centre.kafka.state is KafkaState.CONSUMING)
        await put(
            by_kafka.broker,
            DEVICES,
            (key, record(1), instance),
            (key, b"\xc1 no msgpack", instance),
            (key, record(1).replace(b"rsu", b"r\xffu"), instance),
            (key, None, instance),
            (key, b"x" * (MAX_RECORD_BYTES + 1), instance),
            (key, record(2), [("wayside-instance", b"not hexadecimal")]),
            (key, record(1, n=7), instance),
            (key, record(2), instance),
        )
        await by_kafka.until(lambda: len(by_kafka.stored()) == 2)
        letters = await by_kafka.dead(6)
        reasons = sorted(dict(letter.headers)["wayside-reason"].decode() for letter in letters)
        assert reasons == ["id_conflict", *["malformed"] * 4, "too_large"]
        assert centre.counters.value("kafka_dead") == 6
        await put(by_kafka.broker, TRACKS_TOPIC, (key, b"no view", instance), (key, b"", [("x", None)]))
        await by_kafka.until(lambda: centre.counters.dropped(RecordReason.MALFORMED) >= 4)
        assert centre.kafka.state is KafkaState.CONSUMING


@pytest.mark.drops(RecordReason.TOO_LARGE, RecordReason.MALFORMED)
async def test_a_letter_that_is_too_large_for_the_broker_is_buried_without_what_it_held(
    by_kafka: Any,
) -> None:
    key = f"{by_kafka.site}-rsu".encode()
    good = encode_record(Record(RecordId(by_kafka.site, 1, 1), key.decode(), 1, device(by_kafka.site, 1)[1]))
    async with by_kafka.centre() as centre:
        await by_kafka.until(lambda: centre.kafka.state is KafkaState.CONSUMING)
        # Just what the broker takes: with a reason it is more than that.
        await put(
            by_kafka.broker,
            DEVICES,
            (key, b"x" * 1_048_480, []),
            (key, b"no record", [("x", b"y" * 1_048_400)]),
            (key, good, []),
        )
        await by_kafka.until(lambda: len(by_kafka.stored()) == 1)
        letters = await by_kafka.dead(2)
        assert [letter.value for letter in letters] == [b"", b""]
        told = [dict(letter.headers) for letter in letters]
        assert [one["wayside-reason"] for one in told] == [b"too_large", b"malformed"]
        assert all(one["wayside-place"].startswith(DEVICES.encode()) for one in told)


async def test_after_a_restart_the_group_goes_on_where_the_store_had_committed(by_kafka: Any) -> None:
    async with by_kafka.edge() as edge:
        async with by_kafka.centre() as centre:
            await edge.outbox.append([device(f"{by_kafka.site}-rsu", n) for n in range(30)])
            await by_kafka.until(lambda: len(by_kafka.stored()) == 30)
            async with centre.kafka._turn:
                """What is stored is committed too."""
        await edge.outbox.append([device(f"{by_kafka.site}-rsu", n) for n in range(30, 40)])
        assert await edge.uplink.drain(30.0)
        async with by_kafka.centre() as centre:
            await by_kafka.until(lambda: len(by_kafka.stored()) == 40)
            assert centre.counters.value("records_repeated") == 0


async def test_two_centres_of_one_store_share_the_partitions_and_store_each_record_once(
    by_kafka: Any,
) -> None:
    async with by_kafka.edge() as edge, by_kafka.centre() as first:
        await by_kafka.until(lambda: first.kafka.state is KafkaState.CONSUMING)
        ids = []
        for n in range(60):
            ids += await edge.outbox.append([device(f"{by_kafka.site}-rsu-{n % 7}", n)])
        async with by_kafka.centre() as second:
            for n in range(60, 120):
                ids += await edge.outbox.append([device(f"{by_kafka.site}-rsu-{n % 7}", n)])
                await asyncio.sleep(0.01)
            await by_kafka.until(lambda: second.kafka.state is KafkaState.CONSUMING)
            await by_kafka.until(lambda: len(by_kafka.stored()) == 120)
        for n in range(120, 150):
            ids += await edge.outbox.append([device(f"{by_kafka.site}-rsu-{n % 7}", n)])
        await by_kafka.until(lambda: len(by_kafka.stored()) == 150)
    stored = by_kafka.stored()
    assert sorted(record.id for record in stored) == ids


async def test_the_topics_are_made_so_that_an_acknowledgement_means_something(
    kafka_broker: KafkaBroker,
) -> None:
    access = BrokerAccess((kafka_broker.server,))
    one = KafkaSettings(servers=access.servers, replication=1, timeout_s=5.0)
    await make_topics(one, access)
    await make_topics(one, access)  # what is there stays
    client = AIOKafkaAdminClient(bootstrap_servers=kafka_broker.server)
    await client.start()
    try:
        (answer,) = await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, EVENTS)])
        configs = {row[0]: row[1] for row in answer.resources[0][4]}
        assert configs["min.insync.replicas"] == "1"
        assert configs["message.timestamp.type"] == "LogAppendTime"
        await client.delete_topics(["wayside.results.v1"])
        with pytest.raises(KafkaError, match=r"wayside\.results\.v1.*[Rr]eplication"):
            await make_topics(one.model_copy(update={"replication": 3}), access)
        await client.create_topics([NewTopic("wayside.results.v1", 3, 1)])
    finally:
        await client.close()
    assert KafkaSettings(servers=access.servers).replication == 3


@pytest.mark.drops(RollupReason.UNREACHABLE, RollupReason.BAD_STATUS)
@pytest.mark.parametrize("fault", ["no such topic", "not let in"])
async def test_a_producer_says_when_it_may_not_write(kafka_broker: KafkaBroker, fault: str) -> None:
    secured = {"mechanism": "PLAIN", "user": "u", "password": "geheim"} if fault == "not let in" else {}
    access = BrokerAccess((kafka_broker.server,), **secured)
    producer = Producer(access, timeout_s=1.0)
    with pytest.raises(CLIENT_ERRORS) as caught:
        await producer.send({("no.such.topic", b"k"): [(b"v", [])]})
    said = broker_error(caught.value)
    assert said.reason in {RollupReason.UNREACHABLE, RollupReason.BAD_STATUS}
    assert "geheim" not in str(said) and "geheim" not in repr(access)
    await producer.discard()
    await producer.discard()


async def test_a_broker_keeps_what_it_has_acknowledged_over_a_kill(kafka_broker: KafkaBroker) -> None:
    access = BrokerAccess((kafka_broker.server,))
    await make_topics(KafkaSettings(servers=access.servers, replication=1, timeout_s=5.0), access)
    producer = Producer(access, timeout_s=5.0)
    await producer.send({(COMMANDS_TOPIC, b"kept"): [(b"%d" % n, []) for n in range(50)]})
    await asyncio.to_thread(kafka_broker.kill)
    await asyncio.to_thread(kafka_broker.start)
    found: list[bytes] = []
    async with AIOKafkaConsumer(
        COMMANDS_TOPIC, bootstrap_servers=kafka_broker.server, auto_offset_reset="earliest"
    ) as consumer:
        async with asyncio.timeout(30.0):
            while len(found) < 50:
                message = await consumer.getone()
                if message.key == b"kept":
                    found.append(message.value)
    assert found == [b"%d" % n for n in range(50)]
    await producer.discard()
