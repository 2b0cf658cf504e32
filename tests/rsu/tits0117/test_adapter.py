"""The adapter and the emulated unit over a real broker: the package's own, and Mosquitto."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import uvloop

from wayside.clock import VirtualClock
from wayside.observe import Counters
from wayside.rsu import (
    Delivery,
    DeliveryState,
    DeviceState,
    Distribution,
    Envelope,
    RsuError,
    RsuReason,
    downlink,
    find_vendor,
    read_config,
)
from wayside.rsu.conformance import Bench
from wayside.rsu.mqtt import MqttBroker, MqttClient
from wayside.rsu.vendors.tits0117 import Tits0117, Tits0117Emulator, Tits0117Faults
from wayside.rsu.vendors.tits0117.wire import Context, body_of
from wayside.runtime import TaskOwner

pytestmark = pytest.mark.joint

INFO = find_vendor("tits0117")
CSAE = "csae53-2020"
LOGIN = {"username": "edge", "password": "secret"}


def frame_of(clock: VirtualClock, message: str) -> bytes:
    return Bench(INFO, clock).frames(message)[0].uper or b""


class Unit:
    """An adapter, its emulated unit, and what came up."""

    def __init__(self, clock: VirtualClock, emulator: Tits0117Emulator, **more: Any) -> None:
        self.clock = clock
        self.emulator = emulator
        self.counters = Counters()
        values = {"device_id": "rsu-1", **emulator.adapter_values(), **more}
        self.adapter = Tits0117(read_config(INFO, values), clock, self.counters, seed=1)
        self.envelopes: list[Envelope] = []
        self.tasks = TaskOwner("test")

    async def start(self) -> None:
        self.tasks.start(self._read(), "uplink")
        assert await self.adapter.connect()

    async def close(self) -> None:
        await self.adapter.close()
        await self.emulator.close()
        await self.tasks.close()

    async def _read(self) -> None:
        async for batch in self.adapter.uplink():
            self.envelopes += [item for item in batch if isinstance(item, Envelope)]

    def send(self, message: str, *, key: str = "", ttl_ms: int = 20_000) -> Delivery:
        envelope = downlink(self.clock, message, frame_of(self.clock, message), dialect=CSAE)
        return self.adapter.send(envelope, ttl_ms=ttl_ms, key=key)

    async def stray(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Somebody else publishes."""
        host, port = self.emulator.address
        client = MqttClient(
            self.clock,
            host=host,
            port=port,
            client_id="stray",
            on_message=lambda _: None,
            on_lost=lambda _: None,
        )
        await client.connect()
        await client.publish_acknowledged(topic, payload, retain=retain)
        await client.close()

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.Event().wait(), 0.005)

    async def pass_time(self, seconds: float) -> None:
        for _ in range(round(seconds * 10)):
            self.clock.advance(0.1)
            for _ in range(6):
                await asyncio.sleep(0)


@asynccontextmanager
async def unit(
    clock: VirtualClock, *, emulator: Tits0117Emulator | None = None, **more: Any
) -> AsyncIterator[Unit]:
    emulator = emulator or Tits0117Emulator(clock)
    await emulator.start()
    made = Unit(clock, emulator, **more)
    try:
        await made.start()
        yield made
    finally:
        await made.close()


async def test_over_mosquitto_messages_go_both_ways(
    clock: VirtualClock, mosquitto: Callable[..., Any], tmp_path: Any
) -> None:
    async with mosquitto({"edge": "secret"}) as port:
        for profile in ("openv2x", "city"):
            emulator = Tits0117Emulator(clock, broker=f"127.0.0.1:{port}", profile=profile, **LOGIN)
            async with unit(clock, emulator=emulator, client_id=f"edge-{profile}") as one:
                await one.until(lambda e=emulator: e.approved)
                for message in ("SPAT", "RSM", "RSI", "MAP"):
                    frame = frame_of(clock, message)
                    before = len(one.envelopes)
                    emulator.send_up(frame)
                    await one.until(lambda n=before, o=one: len(o.envelopes) > n)
                    assert one.envelopes[-1].uper == emulator.carried(frame), (profile, message)
                    delivery = one.send(message)
                    await one.until(lambda d=delivery: d.state is not DeliveryState.QUEUED)
                    wanted = emulator.carried(frame)
                    await one.until(lambda e=emulator, w=wanted: w in [sent.uper for sent in e.broadcasts])
                    if message == "MAP" and profile == "openv2x":
                        await one.until(lambda d=delivery: d.state is DeliveryState.ACKED)
                    else:
                        assert delivery.state is DeliveryState.SENT
                assert one.adapter.state is DeviceState.ONLINE


@pytest.mark.drops(RsuReason.AUTH)
async def test_over_mosquitto_a_wrong_password_is_refused_and_tried_again(
    clock: VirtualClock, mosquitto: Callable[..., Any]
) -> None:
    async with mosquitto({"edge": "secret"}) as port:
        values = {"host": "127.0.0.1", "port": port, "username": "edge", "password": "wrong", "esn": "R1"}
        config = read_config(INFO, {"device_id": "r", **values})
        assert "wrong" not in repr(config) and "wrong" not in repr(config.broker)  # type: ignore[attr-defined]
        counters = Counters()
        adapter = Tits0117(config, clock, counters)
        assert not await adapter.connect()
        assert counters.dropped(RsuReason.AUTH) == 1
        assert adapter.state is DeviceState.CONNECTING
        await adapter.close()


async def test_at_qos_1_the_brokers_word_is_noted_and_no_more(clock: VirtualClock) -> None:
    async with unit(clock, qos=1) as one:
        delivery = one.send("RSM")
        await one.until(lambda: delivery.transport_ack)
        assert delivery.state is DeliveryState.SENT


async def test_units_of_one_broker_share_a_connection_and_hear_their_own(clock: VirtualClock) -> None:
    broker = MqttBroker(clock)
    await broker.start()
    units = []
    for esn in ("R1", "R2", "R3"):
        emulator = Tits0117Emulator(clock, broker=broker, esn=esn)
        await emulator.start()
        # The third one is at the broker and not in the site.
        if esn != "R3":
            one = Unit(clock, emulator, device_id=esn)
            await one.start()
            units.append(one)
    assert sorted(broker.clients) == ["unit-R1", "unit-R2", "unit-R3", "wayside-edge"]
    first, second = units
    for one in units:
        one.emulator.beat()
        one.emulator.send_up(frame_of(clock, "SPAT"))
    emulator.beat()
    await first.until(lambda: all(len(one.envelopes) == 1 for one in units))
    await first.until(lambda: all(one.counters.value("rsu_report", "HB") == 1 for one in units))
    strangers = sum(one.counters.dropped(RsuReason.UNKNOWN_SOURCE) for one in units)
    await first.until(
        lambda: sum(one.counters.dropped(RsuReason.UNKNOWN_SOURCE) for one in units) >= max(strangers, 1)
    )
    assert {one.envelopes[0].device_id for one in units} == {"R1", "R2"}
    await first.close()
    assert "wayside-edge" in broker.clients
    second.emulator.send_up(frame_of(clock, "SPAT"))
    await second.until(lambda: len(second.envelopes) == 2)
    await second.close()
    await second.until(lambda: broker.clients == ("unit-R3",))
    await emulator.close()
    await broker.close()


async def test_a_spat_for_all_units_reaches_each_of_them_once(clock: VirtualClock) -> None:
    broker = MqttBroker(clock)
    await broker.start()
    units = []
    for esn in ("R1", "R2"):
        emulator = Tits0117Emulator(clock, broker=broker, esn=esn)
        await emulator.start()
        units.append(Unit(clock, emulator, device_id=esn))
        await units[-1].start()
    for count in (1, 2):
        for one in units:
            one.send("SPAT")
        await units[0].until(lambda n=count: all(len(u.emulator.broadcasts) >= n for u in units))
        await units[0].pass_time(0.2)
    assert [len(one.emulator.broadcasts) for one in units] == [2, 2]
    for one in units:
        await one.close()
    await broker.close()


async def test_two_devices_with_one_serial_number_are_refused(clock: VirtualClock) -> None:
    async with unit(clock) as one:
        config = read_config(INFO, {"device_id": "twin", **one.emulator.adapter_values()})
        counters = Counters()
        twin = Tits0117(config, clock, counters)
        assert not await twin.connect()
        assert counters.dropped(RsuReason.CONFIG) == 1
        await twin.close()


async def test_a_lost_broker_is_found_again_with_all_its_units(clock: VirtualClock) -> None:
    async with unit(clock, liveness_s=1.0) as one:
        one.emulator.send_up(frame_of(clock, "SPAT"))
        await one.until(lambda: one.adapter.state is DeviceState.ONLINE)
        broker = one.emulator.broker
        assert broker is not None
        await broker.close()
        await one.until(lambda: not one.adapter.is_open)
        assert one.adapter.state is DeviceState.OFFLINE
        await broker.start()
        for _ in range(100):
            await one.pass_time(0.5)
            if one.adapter.is_open and broker.clients == ("unit-R0000001", "wayside-edge"):
                break
        await one.until(lambda: set(broker.clients) == {"unit-R0000001", "wayside-edge"})
        await one.until(lambda: one.adapter.is_open)
        one.emulator.send_up(frame_of(clock, "SPAT"))
        await one.until(lambda: len(one.envelopes) == 2)


@pytest.mark.drops(RsuReason.NOT_APPROVED)
async def test_nothing_goes_to_or_comes_from_a_unit_before_its_approval(clock: VirtualClock) -> None:
    async with unit(clock, approved=False) as one:
        await one.until(lambda: one.adapter.state is DeviceState.PENDING_APPROVAL)
        delivery = one.send("MAP")
        await one.until(lambda: delivery.ended)
        assert (delivery.state, delivery.reason) == (DeliveryState.REJECTED, RsuReason.NOT_APPROVED)
        with pytest.raises(RsuError) as caught:
            await one.adapter.configure({"rsmConfig": {}})
        assert caught.value.reason is RsuReason.NOT_APPROVED
        one.emulator.beat()
        await one.until(lambda: one.counters.dropped(RsuReason.NOT_APPROVED) >= 2)
        assert await one.adapter.command("approve", {}) == {}
        await one.until(lambda: one.emulator.approved)
        one.emulator.beat()
        await one.until(lambda: one.counters.value("rsu_report", "HB") == 1)


@pytest.mark.drops(RsuReason.UNEXPECTED_ACK)
@pytest.mark.parametrize("payload", [b'{"seqNum":"99","errorCode":0}', b'{"seqNum":5,"errorCode":0}'])
async def test_an_acknowledgement_of_nothing_is_counted(clock: VirtualClock, payload: bytes) -> None:
    async with unit(clock, emulator=Tits0117Emulator(clock, faults=Tits0117Faults(ack="lost"))) as one:
        delivery = one.send("MAP")
        await one.until(lambda: len(one.emulator.broadcasts) == 1)
        one.emulator.acknowledge("MAP", json.loads(payload)["seqNum"])
        # The right number, but for settings.
        one.emulator.acknowledge("CONFIG", one.emulator.last_seq)
        await one.until(lambda: one.counters.dropped(RsuReason.UNEXPECTED_ACK) == 2)
        assert delivery.state is DeliveryState.SENT
        one.emulator.acknowledge("MAP", one.emulator.last_seq)
        await one.until(lambda: delivery.state is DeliveryState.ACKED)


@pytest.mark.drops(RsuReason.MALFORMED)
@pytest.mark.parametrize(
    "payload",
    [b"", b"[]", b'{"seqNum":"1"}', b'{"seqNum":null,"errorCode":0}', b'{"seqNum":"1","errorCode":true}'],
)
async def test_an_acknowledgement_of_a_wrong_form_is_refused(clock: VirtualClock, payload: bytes) -> None:
    async with unit(clock, emulator=Tits0117Emulator(clock, faults=Tits0117Faults(ack="lost"))) as one:
        delivery = one.send("MAP")
        await one.until(lambda: len(one.emulator.broadcasts) == 1)
        refused = one.adapter.status().refused
        await one.stray("V2X/RSU/R0000001/MAP/DOWN/ACK", payload)
        await one.until(lambda: one.adapter.status().refused == refused + 1)
        assert one.counters.dropped(RsuReason.MALFORMED) == 1
        assert delivery.state is DeliveryState.SENT


@pytest.mark.drops(RsuReason.DEVICE_ERROR)
async def test_a_refused_map_and_refused_settings_say_the_units_code(clock: VirtualClock) -> None:
    emulator = Tits0117Emulator(clock, faults=Tits0117Faults(ack="error", error_code=7))
    async with unit(clock, emulator=emulator) as one:
        delivery = one.send("MAP")
        await one.until(lambda: delivery.ended)
        assert (delivery.state, delivery.reason) == (DeliveryState.REJECTED, RsuReason.DEVICE_ERROR)
        assert "7" in delivery.detail
        with pytest.raises(RsuError) as caught:
            await one.adapter.configure({"bsmConfig": {"upLimit": 5}})
        assert (caught.value.reason, caught.value.vendor_code) == (RsuReason.DEVICE_ERROR, "7")


@pytest.mark.drops(RsuReason.TIMEOUT)
async def test_a_map_is_sent_three_times_five_seconds_apart(clock: VirtualClock) -> None:
    async with unit(clock, emulator=Tits0117Emulator(clock, faults=Tits0117Faults(ack="lost"))) as one:
        delivery = one.send("MAP")
        seen: list[int] = []
        for _ in range(17):
            await one.until(lambda: True)
            seen.append(len(one.emulator.broadcasts))
            await one.pass_time(1.0)
        await one.until(lambda: delivery.state is DeliveryState.TIMEOUT)
        await one.until(lambda: len(one.emulator.broadcasts) == 3)
        assert "3 times" in delivery.detail and seen[4] <= 1 and seen[9] <= 2


async def test_parts_are_acknowledged_one_by_one(clock: VirtualClock) -> None:
    body, _ = body_of("MAP", frame_of(clock, "MAP"), Context(source_id=bytes(8), utc_ns=clock.utc()))
    largest = max(len(msgspec.json.encode({**body, "nodes": [node]})) for node in body["nodes"])
    emulator = Tits0117Emulator(clock, faults=Tits0117Faults(ack="lost"))
    async with unit(clock, emulator=emulator, slice_bytes=largest) as one:
        delivery = one.send("MAP")
        await one.until(lambda: len(one.emulator.slices) > 1)
        parts = len(one.emulator.slices)
        await one.until(lambda: len(one.emulator.broadcasts) == parts)
        last = int(one.emulator.last_seq)
        for seq in range(last, last - parts, -1):
            assert delivery.state is DeliveryState.SENT
            one.emulator.acknowledge("MAP", str(seq))
            await one.until(lambda s=seq: one.adapter.status().last_heard_s is not None and s)
            await one.pass_time(0.1)
        await one.until(lambda: delivery.state is DeliveryState.ACKED)
        # What is acknowledged is not sent again.
        await one.pass_time(16.0)
        assert len(one.emulator.broadcasts) == parts


@pytest.mark.drops(RsuReason.TOO_LARGE)
async def test_a_map_too_large_for_its_parts_says_the_limit(clock: VirtualClock) -> None:
    async with unit(clock, slice_bytes=1_024) as one:
        delivery = one.send("MAP")
        await one.until(lambda: delivery.ended)
        assert delivery.state is DeliveryState.TOO_LARGE and "1024" in delivery.detail
        assert not one.emulator.broadcasts


async def test_a_stored_map_goes_once_and_again_after_a_change_or_a_restart(clock: VirtualClock) -> None:
    async with unit(clock) as one:
        distribution = Distribution(clock, one.counters)
        distribution.add(one.adapter)
        frame = frame_of(clock, "MAP")

        def send(octets: bytes) -> Delivery:
            envelope = downlink(clock, "MAP", octets, dialect=CSAE)
            (delivery,) = distribution.send(envelope, to=["rsu-1"], ttl_ms=700, key="map/12-1")
            return delivery

        one.emulator.send_up(frame_of(clock, "SPAT"))
        await one.until(lambda: one.adapter.state is DeviceState.ONLINE)
        first = send(frame)
        await one.until(lambda: first.state is DeliveryState.ACKED)
        for _ in range(5):
            await one.pass_time(1.0)
            assert send(frame) is first
        # The last bit of the message count: another map under the same key.
        other = bytes((frame[0], frame[1] ^ 0x08, *frame[2:]))
        second = send(other)
        await one.until(lambda: second.state is DeliveryState.ACKED)
        assert len(one.emulator.broadcasts) == 2
        await one.emulator.power_off()
        await one.pass_time(31.0)
        assert one.adapter.state is DeviceState.OFFLINE
        await one.emulator.start()
        await one.until(lambda: second.ended)
        assert second.state is DeliveryState.EXPIRED
        await one.pass_time(11.0)
        third = send(other)
        await one.until(lambda: third.state is DeliveryState.ACKED)


@pytest.mark.drops(RsuReason.SUPERSEDED)
async def test_a_newer_map_takes_the_place_of_one_that_waits_for_its_word(clock: VirtualClock) -> None:
    async with unit(clock, emulator=Tits0117Emulator(clock, faults=Tits0117Faults(ack="lost"))) as one:
        older = one.send("MAP", key="map")
        await one.until(lambda: len(one.emulator.broadcasts) == 1)
        newer = one.send("MAP", key="map")
        await one.until(lambda: older.state is DeliveryState.SUPERSEDED)
        await one.until(lambda: len(one.emulator.broadcasts) == 2)
        one.emulator.acknowledge("MAP", one.emulator.last_seq)
        await one.until(lambda: newer.state is DeliveryState.ACKED)


async def test_what_is_missing_in_raw_data_is_told_to_the_unit(clock: VirtualClock) -> None:
    thing = {
        "ptcType": 1,
        "ptcId": 7,
        "global_track_id": "a-1",
        "timeStamp": 1605336902333,
        "pos_lat": 31.2345678,
        "pos_lon": 121.1234567,
        "heading": 90.0,
    }
    body = [{"dev_pos": {"lat": 31.23, "lon": 121.12}, "content": [thing]}]
    async with unit(clock) as one:
        one.emulator.send_up_raw(body)
        await one.until(lambda: len(one.envelopes) == 1)
        envelope = one.envelopes[0]
        assert (envelope.message, envelope.form, envelope.flags.transcoded) == ("RSM", "raw", True)
        assert "[0].content[0].speed" in envelope.defaulted_fields
        del thing["heading"]
        one.emulator.send_up_raw(body)
        await one.until(lambda: one.counters.dropped(RsuReason.MALFORMED) == 1)
        await one.until(lambda: one.emulator.counters.value("emulator_told", "other") == 1)


async def test_several_bsm_of_one_envelope_arrive_one_by_one(clock: VirtualClock) -> None:
    from wayside.rsu.conformance._bench import _frames

    frames = tuple(bytes.fromhex(f.uper) for f in _frames() if f.dialect == CSAE and f.message == "BSM")
    async with unit(clock, emulator=Tits0117Emulator(clock, profile="city")) as one:
        one.emulator.send_up_bsms(frames)
        await one.until(lambda: len(one.envelopes) == len(frames))
        assert tuple(envelope.uper for envelope in one.envelopes) == frames
        assert one.envelopes[0].device_utc_ns == clock.utc() // 1_000_000 * 1_000_000
        for off in (1, -1):
            one.emulator.faults = Tits0117Faults(count_off=off)
            one.emulator.send_up_bsms(frames)
        await one.until(lambda: one.adapter.status().refused == 2)


async def test_verbs_reach_the_unit(clock: VirtualClock) -> None:
    async with unit(clock) as one:
        adapter, emulator = one.adapter, one.emulator
        await adapter.configure({"rsmConfig": {"upLimit": 10, "upFilters": []}})
        await one.until(lambda: emulator.settings.get("rsmconfig") == {"upLimit": 10, "upFilters": []})
        assert await adapter.query(("7",)) == {"7": {"ok": 1}}
        await adapter.command("report", {"hb_rate_s": 3, "log_level": "WARN"})
        await one.until(lambda: emulator.management.hb_rate_s == 3)
        await adapter.command("upload_log", {"url": "ftp://192.0.2.9/x", "protocol": "ftp"})
        await one.until(lambda: len(emulator.log_orders) == 1)
        await adapter.command("reboot", {})
        await one.until(lambda: emulator.reboots == 1)
        for name, arguments, reason in (
            ("fly", {}, RsuReason.UNSUPPORTED),
            ("report", {"hb_rate_s": "x"}, RsuReason.CONFIG),
            ("report", {"hb_rate_s": -1}, RsuReason.CONFIG),
            ("report", {"reboot": True}, RsuReason.CONFIG),
            ("upload_log", {}, RsuReason.CONFIG),
        ):
            with pytest.raises(RsuError) as caught:
                await adapter.command(name, arguments)
            assert caught.value.reason is reason
        with pytest.raises(RsuError) as caught:
            await adapter.configure({"colour": 1})
        assert caught.value.reason is RsuReason.CONFIG


async def test_a_question_without_an_answer_ends(clock: VirtualClock) -> None:
    async with unit(clock) as one:
        one.emulator.faults = Tits0117Faults(silence=True)
        for question in (one.adapter.query(("7",)), one.adapter.configure({"rsmConfig": {}})):
            asked = one.tasks.start(_reason_of(question), "question")
            for _ in range(200):
                await one.pass_time(0.1)
                if asked.done():
                    break
            assert await asked is RsuReason.TIMEOUT
        asked = one.tasks.start(_reason_of(one.adapter.query(("7",))), "question")
        await one.pass_time(0.1)
        await one.adapter.close()
        assert await asked is RsuReason.OFFLINE
        assert await _reason_of(one.adapter.query(("7",))) is RsuReason.OFFLINE


async def _reason_of(question: Any) -> RsuReason | None:
    try:
        await question
    except RsuError as error:
        return error.reason
    return None


async def test_an_opening_that_fails_half_way_leaves_nothing_open(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator = Tits0117Emulator(clock)
    await emulator.start()
    one = Unit(clock, emulator)
    manage = one.adapter._manage

    async def fails(_: Any) -> None:
        raise RsuError(RsuReason.QUEUE_FULL, "the broker takes too slowly")

    monkeypatch.setattr(one.adapter, "_manage", fails)
    assert not await one.adapter.connect()
    assert emulator.broker is not None
    await one.until(lambda: emulator.broker and emulator.broker.clients == ("unit-R0000001",))
    monkeypatch.setattr(one.adapter, "_manage", manage)
    await one.pass_time(1.0)
    await one.until(lambda: one.adapter.is_open)
    assert one.counters.dropped(RsuReason.CONFIG) == 0
    await one.close()


async def test_a_large_report_is_refused_before_it_is_parsed(clock: VirtualClock) -> None:
    async with unit(clock) as one:
        one.emulator.send_payload("HB", b"[" * 65_537)
        await one.until(lambda: one.counters.dropped(RsuReason.TOO_LARGE) == 1)


async def test_a_large_payload_is_refused_unread(clock: VirtualClock) -> None:
    async with unit(clock, max_payload_bytes=2_048) as one:
        one.emulator.send_payload("RSM", b" " * 2_049)
        await one.until(lambda: one.counters.dropped(RsuReason.TOO_LARGE) == 1)


async def test_telemetry_is_kept_for_questions(clock: VirtualClock) -> None:
    async with unit(clock, running_info_rate_s=2) as one:
        await one.until(lambda: one.emulator.approved)
        await one.pass_time(3.0)
        await one.until(lambda: one.counters.value("rsu_report", "RUNNINGINFO") >= 1)
        found = await one.adapter.query(("RunningInfo", "STATE"))
        assert found["RunningInfo"]["runninginfo"]["cpu"] == {"load": 0.1, "uti": "10,9"}
        assert found["STATE"] is None


@pytest.mark.parametrize(
    "values",
    [
        {"esn": "a/b"},
        {"esn": ""},
        {"esn": "longer-than-eight", "body": "binary"},
        {"up_id": False},
        {"dialect": "j2735-2024"},
        {"unit_id": "ninechars"},
    ],
)
def test_a_configuration_that_cannot_work_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(RsuError) as caught:
        read_config(INFO, {"device_id": "r", "host": "h", "esn": "R1", **values})
    assert caught.value.reason is RsuReason.CONFIG


async def test_a_map_whose_time_is_over_is_not_sent_again(clock: VirtualClock) -> None:
    async with unit(clock, emulator=Tits0117Emulator(clock, faults=Tits0117Faults(ack="lost"))) as one:
        short, long = one.send("MAP", key="a", ttl_ms=700), one.send("MAP", key="b", ttl_ms=7_000)
        await one.until(lambda: len(one.emulator.broadcasts) == 2)
        await one.pass_time(4.5)
        # It may still say that it has it.
        assert short.state is long.state is DeliveryState.SENT
        await one.pass_time(12.0)
        await one.until(lambda: short.ended and long.ended)
        assert short.state is long.state is DeliveryState.TIMEOUT
        assert "sent 1 times" in short.detail and "sent 2 times" in long.detail
        assert len(one.emulator.broadcasts) == 3


async def test_an_answer_to_a_question_acknowledges_no_settings(clock: VirtualClock) -> None:
    async with unit(clock, emulator=Tits0117Emulator(clock, faults=Tits0117Faults(ack="lost"))) as one:
        asked = one.tasks.start(one.adapter.configure({"rsmConfig": {}}), "settings")
        await one.until(lambda: one.emulator.last_seq)
        answer = {"rsuEsn": "R0000001", "seqNum": one.emulator.last_seq, "InfoValue": {}}
        await one.stray("V2X/RSU/INFOQuery/Response", json.dumps(answer).encode())
        await one.until(lambda: one.counters.dropped(RsuReason.UNEXPECTED_ACK) == 1)
        assert not asked.done()
        one.emulator.acknowledge("CONFIG", one.emulator.last_seq)
        await one.until(asked.done)
        assert asked.exception() is None


@pytest.mark.drops(RsuReason.EXPIRED)
async def test_what_a_broker_kept_is_no_sign_of_life(clock: VirtualClock) -> None:
    emulator = Tits0117Emulator(clock)
    await emulator.start()
    one = Unit(clock, emulator)
    beat = {"rsuEsn": "R0000001", "timestamp": clock.utc() // 1_000_000}
    await one.stray("V2X/RSU/HB/UP", json.dumps(beat).encode(), retain=True)
    await emulator.power_off()
    await one.start()
    await one.until(lambda: one.counters.dropped(RsuReason.EXPIRED) == 1)
    assert one.adapter.state is DeviceState.CONNECTING
    assert one.adapter.status().last_heard_s is None
    await one.close()


async def test_a_unit_that_restarts_between_two_beats_gets_its_map_again(clock: VirtualClock) -> None:
    async with unit(clock) as one:
        await one.until(lambda: one.emulator.approved)
        one.emulator.send_up(frame_of(clock, "SPAT"))
        await one.until(lambda: one.adapter.state is DeviceState.ONLINE)
        stored = one.send("MAP", key="map")
        await one.until(lambda: stored.state is DeliveryState.ACKED)
        await one.emulator.power_off()
        await one.emulator.start()
        await one.until(lambda: stored.state is DeliveryState.EXPIRED)
        assert one.adapter.state is DeviceState.ONLINE


async def test_the_own_broker_bears_the_topics_of_a_dozen_units(clock: VirtualClock) -> None:
    broker = MqttBroker(clock)
    await broker.start()
    units = []
    for number in range(12):
        emulator = Tits0117Emulator(clock, broker=broker, esn=f"R{number}")
        await emulator.start()
        units.append(Unit(clock, emulator, device_id=f"r{number}"))
        await units[-1].start()
    for one in units:
        await one.close()
    await broker.close()


async def test_two_starts_of_the_host_number_their_maps_apart(clock: VirtualClock) -> None:
    async with unit(clock) as one:
        first = {
            Tits0117(one.adapter.config, clock, Counters(), seed=seed)._transfers.next_seq()
            for seed in range(20)
        }
        assert len(first) == 20


def test_it_all_works_on_uvloop_too() -> None:
    """The edge runs on uvloop, whose transports end in another order."""

    async def there_and_back() -> None:
        clock = VirtualClock()
        async with unit(clock) as one:
            one.emulator.send_up(frame_of(clock, "SPAT"))
            await one.until(lambda: len(one.envelopes) == 1)
            delivery = one.send("MAP")
            await one.until(lambda: delivery.state is DeliveryState.ACKED)
            await one.emulator.power_off()
            await one.emulator.start()
            one.emulator.send_up(frame_of(clock, "SPAT"))
            await one.until(lambda: len(one.envelopes) == 2)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(there_and_back())
