from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Sequence

import msgspec

from wayside.clock import Clock
from wayside.geo import LocalPlane
from wayside.observe import Counters
from wayside.rsu._adapter import Adapter
from wayside.rsu._delivery import Delivery
from wayside.rsu._envelope import Envelope
from wayside.rsu._reasons import RsuError, RsuReason
from wayside.rsu._states import DeliveryState

# A message that the device keeps, or cannot take as it is, is not tried again before this. Own.
_AGAIN_NS = 10_000_000_000
_LASTING = frozenset({DeliveryState.TOO_LARGE, DeliveryState.UNSUPPORTED, DeliveryState.ENCODE_ERROR})


class Area(msgspec.Struct, frozen=True):
    """A circle on the ground; devices whose surveyed place lies in it are meant."""

    lat_deg: float
    lon_deg: float
    radius_m: float


class Distribution:
    """Sends messages to several devices and keeps a record of each message on each device.

    Records are kept in memory, the newest `keep`. on_delivery: called on each change of any record; it
    must not raise or block.
    """

    def __init__(
        self,
        clock: Clock,
        counters: Counters,
        *,
        on_delivery: Callable[[Delivery], None] | None = None,
        keep: int = 10_000,
    ) -> None:
        self._clock = clock
        self._counters = counters
        self._on_delivery = on_delivery
        self._keep = keep
        self._adapters: dict[str, Adapter] = {}
        self._records: OrderedDict[str, Delivery] = OrderedDict()
        self._by_key: dict[tuple[str, str, str], Delivery] = {}
        self._states: Counter[DeliveryState] = Counter()

    @property
    def adapters(self) -> dict[str, Adapter]:
        """The devices, by id; to be read."""
        return self._adapters

    def add(self, adapter: Adapter) -> None:
        """Take a device in; its deliveries are reported here from now on. Raises RsuError CONFIG."""
        if adapter.device_id in self._adapters:
            raise RsuError(RsuReason.CONFIG, f"device {adapter.device_id} is there twice")
        self._adapters[adapter.device_id] = adapter
        adapter.on_delivery = self._changed

    def remove(self, device_id: str) -> Adapter:
        """Take a device out; its records stay. Raises RsuError CONFIG."""
        if device_id not in self._adapters:
            raise RsuError(RsuReason.CONFIG, f"no device {device_id}")
        return self._adapters.pop(device_id)

    def devices_in(self, area: Area) -> list[str]:
        """Ids of the devices with a surveyed place inside an area."""
        plane = LocalPlane(area.lat_deg, area.lon_deg)
        inside = []
        for device_id, adapter in self._adapters.items():
            lat_deg, lon_deg = adapter.config.lat_deg, adapter.config.lon_deg
            if lat_deg is None or lon_deg is None:
                continue
            x_m, y_m = plane.to_xy(lat_deg, lon_deg)
            if x_m * x_m + y_m * y_m <= area.radius_m * area.radius_m:
                inside.append(device_id)
        return inside

    def send(
        self,
        message: Envelope | Sequence[Envelope],
        *,
        to: Iterable[str] | Area,
        ttl_ms: int,
        priority: int = 0,
        key: str = "",
    ) -> list[Delivery]:
        """Queue one message for devices, by id or by area; one delivery a device, in their order.

        message: one envelope, or the same content in several dialects: each device gets the first that it
        speaks. key: identity of the content, such as an event or intersection with its kind: the same
        octets under the same key are not sent to a device again while their record stands and its time is
        not over; other octets under it take the place of what still waits. What a device stores itself is
        sent once, and again when it failed 10 s ago or more; so is what it refused for its kind or size. An
        unknown device id raises RsuError CONFIG before anything is sent.
        """
        alternatives = [message] if isinstance(message, Envelope) else list(message)
        if not alternatives:
            raise ValueError("no message to send")
        ids = self.devices_in(to) if isinstance(to, Area) else list(to)
        for device_id in ids:
            if device_id not in self._adapters:
                known = ", ".join(sorted(self._adapters)) or "none"
                raise RsuError(RsuReason.CONFIG, f"no device {device_id}", advice=f"devices: {known}")
        return [self._send_one(i, alternatives, ttl_ms, priority, key) for i in ids]

    async def revoke(self, key: str, message: str, *, to: Iterable[str] | None = None) -> dict[str, bool]:
        """Take back what was last sent under a key; device id → whether it is REVOKED there."""
        ids = list(self._adapters) if to is None else list(to)
        out: dict[str, bool] = {}
        for device_id in ids:
            delivery = self._by_key.get((device_id, message, key))
            adapter = self._adapters.get(device_id)
            if delivery is not None and adapter is not None:
                out[device_id] = await adapter.revoke(delivery)
        return out

    def delivery(self, delivery_id: str) -> Delivery | None:
        """A record by its id, or None when there is none (any more)."""
        return self._records.get(delivery_id)

    def deliveries(self, device_id: str | None = None) -> list[Delivery]:
        """Records, oldest first, of one device or of all."""
        return [d for d in self._records.values() if device_id is None or d.device_id == device_id]

    def counts(self) -> dict[DeliveryState, int]:
        """How often each state was reached since the start."""
        return dict(self._states)

    def _send_one(
        self, device_id: str, alternatives: list[Envelope], ttl_ms: int, priority: int, key: str
    ) -> Delivery:
        adapter = self._adapters[device_id]
        spoken = adapter.capabilities.dialects
        envelope = next((e for e in alternatives if e.dialect in spoken), alternatives[0])
        identity = (device_id, envelope.message, key)
        stored = envelope.message in adapter.capabilities.stores
        if key:
            before = self._by_key.get(identity)
            if before is not None and self._stands(before, envelope, stored):
                self._counters.count("rsu_repeated", envelope.message)
                return before
        delivery = adapter.send(envelope, ttl_ms=ttl_ms, priority=priority, key=key)
        self._remember(delivery)
        if key and (stored or not delivery.ended or delivery.state in _LASTING):
            self._by_key[identity] = delivery
        return delivery

    def _stands(self, before: Delivery, envelope: Envelope, stored: bool) -> bool:
        now = self._clock.mono()
        if stored or before.state in _LASTING:
            stands = not before.ended or now - before.created_mono_ns < _AGAIN_NS
        else:
            stands = not before.ended and before.expires_mono_ns > now
        same = before.envelope.uper == envelope.uper and before.envelope.dialect == envelope.dialect
        return stands and same

    def _remember(self, delivery: Delivery) -> None:
        self._records[delivery.delivery_id] = delivery
        if len(self._records) > self._keep:
            _, oldest = self._records.popitem(last=False)
            identity = (oldest.device_id, oldest.message, oldest.key)
            if self._by_key.get(identity) is oldest:
                del self._by_key[identity]

    def _changed(self, delivery: Delivery) -> None:
        self._states[delivery.state] += 1
        if self._on_delivery is not None:
            self._on_delivery(delivery)
