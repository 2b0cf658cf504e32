from __future__ import annotations

import logging
from collections.abc import Callable

from wayside.clock import Clock, MonoNs
from wayside.mec.downlink import Downlink
from wayside.mec.ports import PortReason
from wayside.mec.site import Site
from wayside.observe import Counters
from wayside.records import DeliveryRecord, LiveRsu
from wayside.rsu import (
    Adapter,
    Delivery,
    DeliveryState,
    DeviceEvent,
    Distribution,
    Envelope,
    Tx,
    downlink,
    find_vendor,
)
from wayside.runtime import TaskOwner

_log = logging.getLogger(__name__)

# Signals and objects go out ten times a second and are worth no record each.
_RECORDED = frozenset({"TIM", "RSI", "MAP"})
# Deliveries that can be looked up: a minute of the busiest broadcast; what matters longer is a record.
_KEPT_DELIVERIES = 5_000
_RECORDED_STATES = frozenset(DeliveryState) - {DeliveryState.QUEUED, DeliveryState.SUPERSEDED}


class RoadsideUnits:
    """The site's roadside units: what they say goes to `on_envelope`, what is due goes out to them.

    on_record: called with a DeliveryRecord when a road event or map came to another state on a device than
    the one before it. All callbacks are called on the loop.
    """

    def __init__(
        self,
        site: Site,
        clock: Clock,
        counters: Counters,
        on_envelope: Callable[[Envelope], None],
        on_record: Callable[[DeliveryRecord], None],
    ) -> None:
        self._clock = clock
        self._counters = counters
        self._on_envelope = on_envelope
        self._on_record = on_record
        self._last: dict[tuple[str, str], DeliveryState] = {}
        self.distribution = Distribution(clock, counters, on_delivery=self._delivered, keep=_KEPT_DELIVERIES)
        self._of_dialect: dict[str, list[str]] = {}
        for rsu in site.model.rsus:
            config = site.devices[rsu.id]
            self.distribution.add(find_vendor(rsu.vendor).adapter(config, clock, counters))
            self._of_dialect.setdefault(rsu.dialect, []).append(rsu.id)

    @property
    def adapters(self) -> dict[str, Adapter]:
        """The units by id; to be read."""
        return self.distribution.adapters

    def start(self, owner: TaskOwner) -> None:
        """Connect all units; they keep trying on their own."""
        for adapter in self.adapters.values():
            owner.start(adapter.connect(), f"connect {adapter.device_id}")
            owner.start(self._listen(adapter), f"listen {adapter.device_id}")

    async def close(self) -> None:
        """End all units' connections."""
        for adapter in self.adapters.values():
            await adapter.close()

    def live(self) -> tuple[LiveRsu, ...]:
        """What the map shows of them."""
        return tuple(_live(adapter) for adapter in self.adapters.values())

    def broadcast(self, message: Downlink, expires: MonoNs) -> None:
        """Send what is due to the units that speak its dialect, for what is left of its life; what had to
        wait for longer than that is counted as EXPIRED."""
        left_ms = (expires - self._clock.mono()) // 1_000_000
        if left_ms <= 0:
            self._counters.drop(PortReason.EXPIRED)
            return
        envelope = downlink(
            self._clock,
            message.message_name,
            message.uper,
            dialect=message.dialect,
            # The radio knows eight levels of priority, the standard 256.
            tx=Tx(priority=message.priority >> 5),
            trace_id=message.trace_id,
        )
        self.distribution.send(
            envelope,
            to=self._of_dialect.get(message.dialect, ()),
            ttl_ms=min(message.ttl_ms, left_ms),
            priority=message.priority,
            key=message.key,
        )

    async def _listen(self, adapter: Adapter) -> None:
        async for batch in adapter.uplink():
            for item in batch:
                if isinstance(item, DeviceEvent):
                    _log.info("%s is %s %s", item.device_id, item.state.value, item.detail)
                else:
                    self._on_envelope(item)

    def _delivered(self, delivery: Delivery) -> None:
        self._counters.count("rsu_deliveries", delivery.state.value)
        kind = f"{delivery.device_id}/{delivery.message}"
        self._counters.count("deliveries", f"{kind}/{delivery.state.value}")
        if delivery.message not in _RECORDED or delivery.state not in _RECORDED_STATES:
            return
        about = (delivery.device_id, delivery.message)
        if self._last.get(about) is delivery.state:
            return
        self._last[about] = delivery.state
        self._on_record(
            DeliveryRecord(
                delivery_id=delivery.delivery_id,
                device_id=delivery.device_id,
                message=delivery.message,
                state=delivery.state.value,
                reason="" if delivery.reason is None else delivery.reason.value,
                trace_id=delivery.trace_id,
            )
        )


def _live(adapter: Adapter) -> LiveRsu:
    status = adapter.status()
    return LiveRsu(
        device_id=status.device_id,
        vendor=status.vendor,
        state=status.state.value,
        lat_deg=adapter.config.lat_deg or 0.0,
        lon_deg=adapter.config.lon_deg or 0.0,
        last_heard_s=status.last_heard_s,
        sent=status.sent,
        received=status.received,
    )
