"""Adapter of T/ITS 0117 units: MQTT both ways. Thin around `wire` and `wayside.rsu.mqtt`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import msgspec

from wayside.clock import Clock, MonoNs, UtcNs
from wayside.observe import Counters
from wayside.rsu import (
    Adapter,
    Capabilities,
    Delivery,
    DeliveryState,
    DeviceConfig,
    DeviceState,
    Envelope,
    RsuError,
    RsuReason,
)
from wayside.rsu.mqtt import Publish, Share, join
from wayside.rsu.vendors.tits0117 import wire
from wayside.rsu.vendors.tits0117.config import Config
from wayside.rsu.vendors.tits0117.device_clock import DeviceClock
from wayside.rsu.vendors.tits0117.orders import log_order, ordered
from wayside.rsu.vendors.tits0117.questions import Questions
from wayside.rsu.vendors.tits0117.repeats import Repeats
from wayside.rsu.vendors.tits0117.transfer import Transfer, Transfers, any_seq, refusal_of
from wayside.rsu.vendors.tits0117.uplink import Payload, Reader
from wayside.runtime import BoundedQueue, Full

_log = logging.getLogger(__name__)

MISSED_HEARTBEATS = 3
_WAITING_TRANSFERS = 64
_TELEMETRY = ("BASEINFO", "RUNNINGINFO", "STATE")
# A unit that goes on registering has not got its orders: they are sent again, but not for each word of it.
_ORDERS_AGAIN_NS = 10_000_000_000


class Tits0117(Adapter):
    """A T/ITS 0117 unit behind an MQTT broker, in the JSON or the binary form.

    A unit waits for approval (`approved` of its configuration, or `approve`). MAP and settings are ACKED by
    the unit alone, by the right sequence number; for all else SENT is the most that can be said. JSON becomes
    frames of T/CSAE 53-2020, with the fields named that were lost or filled in. The unit's clock is watched
    and flagged, and decides nothing.
    """

    vendor: ClassVar[str] = "tits0117"

    def __init__(
        self,
        config: DeviceConfig,
        clock: Clock,
        counters: Counters,
        on_delivery: Callable[[Delivery], None] | None = None,
        *,
        seed: int | None = None,
    ) -> None:
        if not isinstance(config, Config):
            raise TypeError(f"{self.vendor} needs its own Config, not {type(config).__name__}")
        super().__init__(config, clock, counters, on_delivery, seed=seed)
        self._config = config
        self._layout = config.layout
        self._abilities = config.capabilities()
        self._approved = config.approved
        self._management = wire.Management(
            hb_rate_s=config.hb_rate_s,
            running_info_rate_s=config.running_info_rate_s,
            log_level=config.log_level,
        )
        self._share: Share | None = None
        self._transfers = Transfers(_WAITING_TRANSFERS, any_seq(seed))
        self._repeats = Repeats(
            config, clock, self.tasks, counters, self._transfers, publish=self._publish, end=self._end
        )
        self._questions = Questions(clock, self.tasks, tries=config.ack_tries, wait_s=config.ack_wait_s)
        self._stored: dict[object, Delivery] = {}
        self._telemetry: dict[str, dict[str, Any]] = {}
        self._device_clock = DeviceClock(config.clock_skew_ms)
        self._reader = Reader(config, self.vendor)
        self._ordered_mono: MonoNs | None = None
        self._inbox: BoundedQueue[Payload] = BoundedQueue(
            config.receive_queue, Full.DROP_OLDEST, lambda _: self._refuse(RsuReason.QUEUE_FULL)
        )
        self._decoding = False
        self._has_settled = False

    # --- approval and verbs ---------------------------------------------------------------------------

    @property
    def approved(self) -> bool:
        """Whether an operator has let the unit in."""
        return self._approved

    def approve(self) -> None:
        """Let the unit in: what it sends is taken from now on, and it gets its orders."""
        if self._approved:
            return
        self._approved = True
        if self.state is DeviceState.PENDING_APPROVAL:
            # Its next word makes it ONLINE: the last one may be long ago.
            self._set_state(DeviceState.CONNECTING)
        self._order_soon()

    async def configure(self, settings: Mapping[str, Any]) -> None:
        """Set what the unit reports: `bsmConfig`, `rsiConfig`, `rsmConfig`, `mapConfig`, `spatConfig`.

        Returns when the unit has acknowledged; where its layout knows no acknowledgement, when it was sent.
        Raises RsuError CONFIG, NOT_APPROVED, OFFLINE, TIMEOUT, DEVICE_ERROR with the unit's code.
        """
        seq = self._transfers.next_seq()
        payload = wire.build_config(settings, seq, self._config.key_case)
        if "CONFIG" not in self._layout.acknowledged:
            await self._publish("CONFIG", payload)
            return
        transfer = Transfer(self._layout.ack_up("CONFIG", self._config.name), [(seq, payload)], None)
        self._check_approved()
        self._transfers.add(transfer)
        try:
            await self._ask(seq, "CONFIG", payload)
        finally:
            self._transfers.remove(transfer)

    async def query(self, names: tuple[str, ...]) -> dict[str, Any]:
        """Values of the unit: `BASEINFO`, `RUNNINGINFO`, `STATE` as last reported, others by INFOQuery.

        Raises RsuError UNSUPPORTED where the layout has no such question, NOT_APPROVED, OFFLINE, TIMEOUT.
        """
        found: dict[str, Any] = {}
        for name in names:
            if name.upper() in _TELEMETRY:
                found[name] = self._telemetry.get(name.upper())
                continue
            if not self._config.up_id:
                raise RsuError(RsuReason.UNSUPPORTED, f"this unit cannot be asked for {name}")
            seq = self._transfers.next_seq()
            config = self._config
            payload = wire.build_query(
                config.envelope_id, config.esn, name, seq, self.clock.utc(), config.key_case
            )
            found[name] = await self._ask(seq, wire.QUERY, payload)
        return found

    async def command(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Have the unit do something; nothing of it is confirmed.

        approve. reboot. report: hb_rate_s, running_info_rate_s, log_level. move: address, address_at_s (s of
        UTC). upload_log: url, user, password, protocol. Raises RsuError UNSUPPORTED, CONFIG, NOT_APPROVED,
        OFFLINE.
        """
        if name == "approve":
            self.approve()
            return {}
        if name == "upload_log":
            await self._publish("Log", log_order(arguments))
            return {}
        settings = ordered(self._management, name, arguments)
        await self._manage(settings)
        if name == "report":
            self._management = settings
        return {}

    # --- what the base asks for -----------------------------------------------------------------------

    def _capabilities(self) -> Capabilities:
        return self._abilities

    def _liveness_s(self) -> float:
        beat_s = self._management.hb_rate_s
        return MISSED_HEARTBEATS * beat_s if beat_s else self._config.liveness_s

    def _clock_offset_ms(self) -> float | None:
        return self._device_clock.offset_ms

    async def _open(self) -> None:
        config = self._config
        filters = dict.fromkeys(self._layout.up_filters(config.name), config.qos)
        share = Share(
            config.name,
            self._layout,
            filters,
            received=self._arrived,
            refused=self._refuse,
            lost=self._lost,
        )
        await join(self.clock, config.broker, share)
        self._share = share
        if not self._decoding:
            self._decoding = True
            self.tasks.start(self._decode_all(), "decoder")
        try:
            if config.up_id:
                await share.publish(self._layout.register_now(), b"", qos=config.qos)
            if self._approved:
                await self._manage(self._management)
        except RsuError:
            await self._shut()
            raise

    async def _shut(self) -> None:
        share, self._share = self._share, None
        if share is not None:
            await share.close()

    async def _transmit(self, delivery: Delivery) -> DeliveryState:
        envelope = delivery.envelope
        if envelope.uper is None:
            raise RsuError(RsuReason.UNSUPPORTED, "only UPER can be sent", where=self.device_id)
        message = delivery.message
        if self._config.body == "binary":
            payload = wire.build_envelope(
                message,
                self._config.envelope_id,
                self.clock.utc() // 1_000_000,
                (envelope.uper,),
                self._config.id_padding,
            )
            await self._publish(message, payload)
        else:
            body, delivery.lost_fields = wire.body_of(
                message, envelope.uper, self._reader.context(self.clock.utc())
            )
            if message == "MAP":
                self._check_approved()
                await self._repeats.send(delivery, wire.slices_of(body, self._config.slice_bytes))
            else:
                await self._publish(message, msgspec.json.encode(body))
        # Only at QoS 1: cut back to SENT by the base, with the broker's word noted.
        return DeliveryState.ACKED if delivery.ack.name == "TRANSPORT" else DeliveryState.SENT

    # --- down -----------------------------------------------------------------------------------------

    def _check_approved(self) -> None:
        if not self._approved:
            raise RsuError(RsuReason.NOT_APPROVED, "the unit waits for approval", where=self.device_id)

    async def _publish(self, kind: str, payload: bytes) -> None:
        self._check_approved()
        if self._share is None:
            raise RsuError(RsuReason.OFFLINE, "no connection to the broker", where=self.device_id)
        topic, qos = self._layout.down(kind, self._config.name), self._config.qos
        if kind in self._layout.to_all:
            await self._share.publish_to_all(topic, payload, qos=qos)
        else:
            await self._share.publish(topic, payload, qos=qos)

    async def _manage(self, settings: wire.Management) -> None:
        config = self._config
        payload = wire.build_management(
            settings, config.unit_name, config.esn, self.clock.utc(), config.key_case
        )
        self._ordered_mono = self.clock.mono()
        # Called while the connection opens as well: the share is there before the base says open.
        await self._publish("MNG", payload)

    def _order_soon(self) -> None:
        now, before = self.clock.mono(), self._ordered_mono
        if self._share is None or (before is not None and now - before < _ORDERS_AGAIN_NS):
            return
        self._ordered_mono = now
        self.tasks.start(self._order(), "orders")

    async def _order(self) -> None:
        try:
            await self._manage(self._management)
        except RsuError as error:
            # The unit asks again.
            self._refuse(error.reason)

    async def _ask(self, seq: str, kind: str, payload: bytes) -> Any:
        self._check_approved()
        if self._share is None:
            raise RsuError(RsuReason.OFFLINE, "no connection to the broker", where=self.device_id)
        return await self._questions.ask(seq, kind, lambda: self._publish(kind, payload))

    # --- up -------------------------------------------------------------------------------------------

    def _heard(self) -> None:
        if self._approved:
            super()._heard()
        else:
            self._heard_mono = self.clock.mono()
            self._set_state(DeviceState.PENDING_APPROVAL)

    def _arrived(self, message: Publish) -> None:
        if message.retain:
            # Kept by the broker since some time or other: no sign of life, and nothing of now.
            self._refuse(RsuReason.EXPIRED)
        elif len(message.payload) > self._config.max_payload_bytes:
            self._refuse(RsuReason.TOO_LARGE)
        elif self._admit():
            self._inbox.put(Payload(message.topic, message.payload, self.clock.utc(), self.clock.mono()))

    async def _decode_all(self) -> None:
        while True:
            payload = await self._inbox.get()
            with self._containment.around("rsu decode"):
                try:
                    await self._take(payload)
                except RsuError as error:
                    self._refuse(error.reason)
            # Decoding takes its turn with sending and with the other devices.
            await asyncio.sleep(0)

    async def _take(self, payload: Payload) -> None:
        arrived = self._layout.read(payload.topic)
        if arrived.kind == self._layout.registration:
            self._registered(wire.read_body(payload.data))
            return
        self._has_settled = True
        if not self._approved:
            self._heard()
            raise RsuError(RsuReason.NOT_APPROVED, f"{arrived.kind} before approval")
        if arrived.ack:
            self._acknowledged(wire.read_ack(payload.data), payload.topic)
        elif arrived.kind == wire.QUERY.upper():
            self._answered(wire.read_body(payload.data))
        elif arrived.driver:
            await self._take_raw(arrived, payload)
        elif arrived.kind in wire.MESSAGES:
            self._pass_on(self._reader.message(arrived.kind, payload), payload.utc_ns)
        else:
            self._reported(arrived.kind, wire.read_body(payload.data), payload.utc_ns)

    def _registered(self, body: Mapping[str, Any]) -> None:
        self._telemetry["BASEINFO"] = dict(body)
        known = self.state in (DeviceState.ONLINE, DeviceState.DEGRADED, DeviceState.PENDING_APPROVAL)
        # A unit that had gone on to other work and registers again has restarted.
        new, self._has_settled = self._has_settled or not known, False
        self._heard()
        self.counters.count("rsu_registration", "new" if new else "repeated")
        if new:
            _log.info("%s has registered", self.device_id)
            # What it held it may have lost with its power: it is sent again when next asked for.
            for delivery in self._stored.values():
                self._end(delivery, RsuReason.EXPIRED, "the unit has registered anew")
            self._stored.clear()
        if self._approved:
            self._order_soon()

    def _reported(self, kind: str, body: dict[str, Any], utc_ns: UtcNs) -> None:
        if kind in _TELEMETRY:
            self._telemetry[kind] = body
        else:
            stamp_ms = wire.read_time_ms(body)
            if stamp_ms is not None:
                self._compare_clocks(stamp_ms, utc_ns)
        self.counters.count("rsu_report", kind)
        self._heard()

    def _answered(self, body: Mapping[str, Any]) -> None:
        if not self._questions.answer(str(body.get("seqnum")), wire.QUERY, body.get("infovalue")):
            raise RsuError(RsuReason.UNEXPECTED_ACK, "an answer that nobody waits for", where="seqNum")
        self._heard()

    def _acknowledged(self, ack: wire.Ack, topic: str) -> None:
        transfer = self._transfers.take(ack, topic)
        self._heard()
        refusal = refusal_of(ack, self.device_id)
        if refusal is not None:
            self._transfers.remove(transfer)
        delivery = transfer.delivery
        if delivery is None:
            self._questions.answer(ack.seq_num, "CONFIG", refusal)
        elif refusal is not None:
            self._end(delivery, refusal.reason, str(refusal))
        elif transfer.done:
            if delivery.key:
                self._stored[delivery.slot] = delivery
            self._acknowledge(delivery, DeliveryState.ACKED)

    async def _take_raw(self, arrived: wire.Arrived, payload: Payload) -> None:
        try:
            self._pass_on(self._reader.raw(arrived, payload), payload.utc_ns)
        except wire.MissingKey as error:
            if self._share is not None:
                topic = self._layout.raw_answer(self._config.name)
                await self._share.publish(topic, error.key.encode(), qos=0)
            raise

    def _pass_on(self, envelopes: list[Envelope], utc_ns: UtcNs) -> None:
        stamp_ns = envelopes[0].device_utc_ns
        if stamp_ns is not None:
            self._compare_clocks(stamp_ns // 1_000_000, utc_ns)
        for envelope in envelopes:
            flags = msgspec.structs.replace(envelope.flags, clock_skew=self._device_clock.is_off)
            self._receive(msgspec.structs.replace(envelope, flags=flags))

    def _compare_clocks(self, stamp_ms: int, utc_ns: UtcNs) -> None:
        watch = self._device_clock
        watch.compare(stamp_ms, utc_ns)
        if watch.is_off is not bool(self._ailment):
            self._ails(f"its clock is off by {(watch.offset_ms or 0) / 1e3:.1f} s" if watch.is_off else "")
