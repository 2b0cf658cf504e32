from __future__ import annotations

import abc
import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, ClassVar

import msgspec

from wayside.clock import Clock, MonoNs
from wayside.observe import Containment, Counters
from wayside.rsu._config import DeviceConfig
from wayside.rsu._delivery import STATE_OF_REASON, Delivery, SendQueue
from wayside.rsu._envelope import DeviceEvent, Direction, Envelope
from wayside.rsu._frames import frame_name
from wayside.rsu._pacing import RateBudget
from wayside.rsu._reasons import RsuError, RsuReason
from wayside.rsu._states import Capabilities, DeliveryState, DeviceState
from wayside.runtime import Backoff, BoundedQueue, Full, TaskOwner

_log = logging.getLogger(__name__)

BATCH_LIMIT = 64
MAX_TTL_MS = 86_400_000
_TICK_S = 0.25


class DeviceStatus(msgspec.Struct, frozen=True):
    """A device at a glance. last_heard_s: age of its last sign of life, None when it never gave one.

    clock_offset_ms: its clock ahead of this host's, None where its interface tells no time.
    """

    device_id: str
    vendor: str
    state: DeviceState
    last_heard_s: float | None
    sent: int
    received: int
    refused: int
    waiting: int
    clock_offset_ms: float | None = None


class Adapter(abc.ABC):
    """One roadside unit as the edge sees it; a vendor's subclass fills in the methods that start with `_`.

    The base does for all: reconnecting with jittered back-off, liveness, the budget and order of sending,
    latest-wins, expiry, size limits, bounded queues, counting, and the ownership of every task. A vendor
    implements `_open`, `_shut`, `_transmit` and `_capabilities`, calls `_heard`, `_receive`, `_refuse` and
    `_lost`, and overrides `probe`, `_withdraw`, `configure`, `query`, `command` where its device has them.

    on_delivery: called on each change of a delivery's state; it must not raise or block.
    """

    vendor: ClassVar[str]

    def __init__(
        self,
        config: DeviceConfig,
        clock: Clock,
        counters: Counters,
        on_delivery: Callable[[Delivery], None] | None = None,
        *,
        seed: int | None = None,
    ) -> None:
        self.config = config
        self.device_id = config.device_id
        self.clock = clock
        self.counters = counters
        self.state = DeviceState.REGISTERED
        self.tasks = TaskOwner(f"rsu/{config.device_id}")
        self.on_delivery = on_delivery
        self._backoff = Backoff(
            first_s=config.reconnect_first_s, ceiling_s=config.reconnect_ceiling_s, seed=seed
        )
        now = clock.mono()
        self._containment = Containment(clock, counters)
        self._budget = RateBudget(config.sends_per_s, config.sends_per_s / 5, now)
        self._uplink_budget = RateBudget(config.uplink_per_s, config.uplink_per_s / 2, now)
        self._queue = SendQueue(config.send_queue)
        self._up: BoundedQueue[Envelope | DeviceEvent | None] = BoundedQueue(
            config.uplink_queue, Full.DROP_OLDEST, self._uplink_lost
        )
        self._work = asyncio.Event()
        self._is_open = asyncio.Event()
        self._is_lost = asyncio.Event()
        self._tried = asyncio.Event()
        self._heard_mono: MonoNs | None = None
        self._ailment = ""
        self._sent = 0
        self._received = 0
        self._refused = 0

    # --- the verbs ------------------------------------------------------------------------------------

    @property
    def capabilities(self) -> Capabilities:
        """What this device can do, as configured; `probe` asks it."""
        return self._capabilities()

    @property
    def is_open(self) -> bool:
        """Whether messages can leave for the device now."""
        return self._is_open.is_set()

    async def probe(self) -> Capabilities:
        """Ask the device what it can do, as far as its interface tells. Raises RsuError."""
        return self._capabilities()

    async def connect(self) -> bool:
        """Start, and return after the first attempt whether it is open; attempts go on until `close`."""
        if self.state is DeviceState.RETIRED:
            raise RsuError(RsuReason.OFFLINE, f"{self.device_id} has been closed")
        if not len(self.tasks):
            self.tasks.start(self._supervise(), "connection")
            self.tasks.start(self._send_all(), "sender")
            self.tasks.start(self._watch(), "watchdog")
        await self._tried.wait()
        return self.is_open

    async def close(self) -> None:
        """End every task, drop what still waits, end the uplink stream. A closed adapter stays closed."""
        if self.state is DeviceState.RETIRED:
            return
        await self.tasks.close()
        self._is_open.clear()
        await self._shut()
        while (delivery := self._queue.pop()) is not None:
            self._end(delivery, RsuReason.OFFLINE, "closed before it was sent")
        self._set_state(DeviceState.RETIRED)
        self._tried.set()
        self._up.put(None)

    def send(self, envelope: Envelope, *, ttl_ms: int, priority: int = 0, key: str = "") -> Delivery:
        """Queue one message for the device; its way is told by the delivery that comes back.

        ttl_ms: 1..86 400 000; what has not left by then never leaves. priority: higher overtakes. key: a
        newer message of the same type and key takes the place of one that still waits; signal states and
        perceived objects do so without a key too. Never blocks and never raises for the message's sake: a
        refused one has its state at once.
        """
        if not 1 <= ttl_ms <= MAX_TTL_MS:
            raise ValueError(f"ttl_ms {ttl_ms} is outside 1..{MAX_TTL_MS}")
        addressed = msgspec.structs.replace(
            envelope, device_id=self.device_id, vendor=self.vendor, direction=Direction.DOWN
        )
        capabilities = self._capabilities()
        delivery = Delivery(
            self.clock,
            addressed,
            ttl_ms=ttl_ms,
            priority=priority,
            key=key,
            ack=capabilities.ack_of(addressed.message),
        )
        try:
            if self.state is DeviceState.RETIRED:
                raise RsuError(RsuReason.OFFLINE, f"{self.device_id} has been closed")
            self._check(addressed, capabilities)
        except RsuError as error:
            self._end(delivery, error.reason, str(error))
            return delivery
        lost = self._queue.push(delivery)
        if lost is not None:
            self._end(lost[0], lost[1], "a newer one" if lost[1] is RsuReason.SUPERSEDED else "queue full")
        if not delivery.ended:
            self._changed(delivery)
            self._work.set()
        return delivery

    async def revoke(self, delivery: Delivery) -> bool:
        """Take a message back: out of the queue, or off the device where that is possible.

        True when it is REVOKED. What was broadcast once cannot be taken back: False.
        """
        if self._queue.remove(delivery) or (not delivery.ended and await self._withdraw(delivery)):
            if delivery.end(DeliveryState.REVOKED, None, ""):
                self._changed(delivery)
            return True
        return False

    async def configure(self, settings: Mapping[str, Any]) -> None:
        """Change settings of the device. Raises RsuError UNSUPPORTED where the interface has no such way."""
        raise self._unsupported("configure")

    async def query(self, names: tuple[str, ...]) -> dict[str, Any]:
        """Read values of the device. Raises RsuError UNSUPPORTED where the interface has no such way."""
        raise self._unsupported("query")

    async def command(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Have the device do something. Raises RsuError UNSUPPORTED where the interface has no such way."""
        raise self._unsupported("command")

    async def uplink(self) -> AsyncIterator[list[Envelope | DeviceEvent]]:
        """Batches of 1 to 64 envelopes and device events in the order they came, until `close`.

        For one reader. A reader that is too slow loses the oldest, counted.
        """
        while True:
            batch: list[Envelope | DeviceEvent] = []
            item = await self._up.get()
            while item is not None:
                batch.append(item)
                if len(batch) >= BATCH_LIMIT or not len(self._up):
                    break
                item = await self._up.get()
            if batch:
                yield batch
            if item is None:
                return

    def status(self) -> DeviceStatus:
        """State and counts, now."""
        heard = self._heard_mono
        return DeviceStatus(
            device_id=self.device_id,
            vendor=self.vendor,
            state=self.state,
            last_heard_s=None if heard is None else (self.clock.mono() - heard) / 1e9,
            sent=self._sent,
            received=self._received,
            refused=self._refused,
            waiting=len(self._queue),
            clock_offset_ms=self._clock_offset_ms(),
        )

    # --- what a vendor fills in -----------------------------------------------------------------------

    @abc.abstractmethod
    def _capabilities(self) -> Capabilities:
        """What the device can do, as configured."""

    @abc.abstractmethod
    async def _open(self) -> None:
        """Open the way to the device, once. Raises RsuError; leaves nothing open then."""

    @abc.abstractmethod
    async def _shut(self) -> None:
        """Close whatever `_open` opened; harmless when nothing is open."""

    @abc.abstractmethod
    async def _transmit(self, delivery: Delivery) -> DeliveryState:
        """Send one message now, within a time of its own, and say how far it came. Raises RsuError."""

    async def _withdraw(self, delivery: Delivery) -> bool:
        """Take a sent message off the device; False where that is not possible."""
        return False

    def _liveness_s(self) -> float:
        """Silence after which an ONLINE device is OFFLINE."""
        return self.config.liveness_s

    def _clock_offset_ms(self) -> float | None:
        """The device's clock ahead of this host's; None where its interface tells no time."""
        return None

    # --- what a vendor calls --------------------------------------------------------------------------

    def _heard(self) -> None:
        """The device gave a sign of life."""
        self._heard_mono = self.clock.mono()
        if self.state in (DeviceState.CONNECTING, DeviceState.OFFLINE):
            self._set_state(DeviceState.DEGRADED if self._ailment else DeviceState.ONLINE)

    def _ails(self, what: str) -> None:
        """The device has a fault of its own; empty: it is well. Between ONLINE and DEGRADED only."""
        self._ailment = what
        if self.state is DeviceState.ONLINE and what:
            self._set_state(DeviceState.DEGRADED, detail=what)
        elif self.state is DeviceState.DEGRADED and not what:
            self._set_state(DeviceState.ONLINE)

    def _admit(self) -> bool:
        """Whether the budget of uplinks has room for one more; counted when not."""
        if self._uplink_budget.take(self.clock.mono()):
            return True
        self._refuse(RsuReason.RATE_LIMITED)
        return False

    def _receive(self, envelope: Envelope) -> None:
        """A checked message has come up."""
        self._received += 1
        self.counters.count("rsu_received", envelope.message)
        self._heard()
        self._up.put(envelope)

    def _refuse(self, reason: RsuReason) -> None:
        """Something that came up is dropped."""
        self._refused += 1
        self.counters.drop(reason)

    def _lost(self, error: RsuError) -> None:
        """The way to the device is gone; the base will open it again."""
        self._is_lost.set()
        if self._is_open.is_set():
            self._is_open.clear()
            self.counters.drop(error.reason)
            self._silent(error)

    def _acknowledge(self, delivery: Delivery, state: DeliveryState) -> None:
        """A confirmation came later than `_transmit` returned."""
        if delivery.advance(state):
            self._changed(delivery)

    # --- the shared machinery -------------------------------------------------------------------------

    def _check(self, envelope: Envelope, capabilities: Capabilities) -> None:
        if envelope.message not in capabilities.down:
            raise RsuError(RsuReason.UNSUPPORTED, f"{self.device_id} takes no {envelope.message}")
        if envelope.dialect not in capabilities.dialects:
            raise RsuError(RsuReason.UNSUPPORTED, f"{self.device_id} does not speak {envelope.dialect}")
        if envelope.uper is None:
            return
        limit = capabilities.limit_bytes(envelope.message)
        if len(envelope.uper) > limit:
            what = f"{envelope.message} of {len(envelope.uper)} octets, limit {limit}"
            raise RsuError(RsuReason.TOO_LARGE, what, limit=limit)
        name = frame_name(envelope.dialect, envelope.uper)
        if name != envelope.message:
            raise RsuError(RsuReason.MALFORMED, f"the frame is {name}, not {envelope.message}")

    async def _supervise(self) -> None:
        while True:
            if self.state is not DeviceState.OFFLINE:
                self._set_state(DeviceState.CONNECTING)
            self._is_lost.clear()
            try:
                await self._open()
            except RsuError as error:
                self.counters.drop(error.reason)
                if not self._backoff.attempts:
                    _log.warning("%s: %s; trying on", self.device_id, error)
                self._silent(error)
                self._tried.set()
            else:
                opened = self.clock.mono()
                if not self._is_lost.is_set():
                    self._is_open.set()
                self._tried.set()
                self._work.set()
                await self._is_lost.wait()
                await self._shut()
                # A way that opens and is lost at once, time and again, is no success.
                if self.clock.mono() - opened >= self.config.reconnect_ceiling_s * 1e9:
                    self._backoff.reset()
            self.counters.count("rsu_reconnects")
            await self.clock.sleep(self._backoff.next_s())

    async def _send_all(self) -> None:
        while True:
            await self._work.wait()
            if not self.is_open:
                await self._is_open.wait()
                continue
            wait_s = self._budget.wait_s(self.clock.mono())
            if wait_s > 0:
                # What is most urgent is chosen after the wait, not before.
                await self.clock.sleep(wait_s)
                continue
            delivery = self._queue.pop()
            if delivery is None:
                self._work.clear()
                continue
            if delivery.expires_mono_ns <= self.clock.mono():
                self._end(delivery, RsuReason.EXPIRED, "its time was over before it was sent")
                continue
            self._budget.take(self.clock.mono())
            await self._send_one(delivery)

    async def _send_one(self, delivery: Delivery) -> None:
        reached: DeliveryState | None = None
        with self._containment.around("rsu transmit"):
            try:
                reached = await self._transmit(delivery)
            except RsuError as error:
                self._end(delivery, error.reason, str(error))
                return
        if reached is None:
            self._end(delivery, RsuReason.UNREACHABLE, "a fault of the adapter")
            return
        self._sent += 1
        self.counters.count("rsu_sent", delivery.message)
        delivery.sent_utc_ns = self.clock.utc()
        if delivery.advance(reached):
            self._changed(delivery)

    async def _watch(self) -> None:
        while True:
            await self.clock.sleep(_TICK_S)
            now = self.clock.mono()
            for delivery in self._queue.take_expired(now):
                if self.is_open:
                    self._end(delivery, RsuReason.EXPIRED, "its time was over before it was sent")
                else:
                    self._end(delivery, RsuReason.OFFLINE, "no way to the device before its time was over")
            heard = self._heard_mono
            if heard is not None and now - heard > self._liveness_s() * 1e9:
                self._silent(None)

    def _silent(self, error: RsuError | None) -> None:
        if self.state in (DeviceState.ONLINE, DeviceState.DEGRADED):
            self._set_state(DeviceState.OFFLINE, error)

    def _set_state(self, state: DeviceState, error: RsuError | None = None, detail: str = "") -> None:
        if state is self.state:
            return
        previous, self.state = self.state, state
        detail = detail if error is None else str(error)
        _log.info("%s: %s, was %s %s", self.device_id, state, previous, detail)
        self._up.put(
            DeviceEvent(
                device_id=self.device_id,
                vendor=self.vendor,
                state=state,
                previous=previous,
                utc_ns=self.clock.utc(),
                mono_ns=self.clock.mono(),
                reason=None if error is None else error.reason,
                detail=detail,
            )
        )

    def _end(self, delivery: Delivery, reason: RsuReason, detail: str) -> None:
        state = STATE_OF_REASON.get(reason, DeliveryState.REJECTED)
        if delivery.end(state, reason, detail):
            self.counters.drop(reason)
            self._changed(delivery)

    def _changed(self, delivery: Delivery) -> None:
        self.counters.count("rsu_delivery", delivery.state.value)
        if self.on_delivery is not None:
            self.on_delivery(delivery)

    def _uplink_lost(self, item: Envelope | DeviceEvent | None) -> None:
        self._refuse(RsuReason.QUEUE_FULL)

    def _unsupported(self, verb: str) -> RsuError:
        return RsuError(RsuReason.UNSUPPORTED, f"{self.vendor} has no {verb}", where=self.device_id)
