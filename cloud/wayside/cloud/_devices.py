from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec

from wayside.cloud._queries import StoredDelivery, StoredDevice
from wayside.records import SummaryRecord

_Key = tuple[str, str]


def devices_of(
    devices: Iterable[StoredDevice],
    deliveries: Iterable[StoredDelivery],
    windows: Iterable[tuple[str, SummaryRecord]],
) -> list[dict[str, Any]]:
    """Devices with what became of the messages to them, as models.DeviceOut.

    The numbers are the edges' counts `deliveries` (`device/message/state`) and `messages_up`
    (`device/message`) of the windows.
    """
    reached: dict[_Key, dict[str, Counter[str]]] = {}
    received: dict[_Key, Counter[str]] = {}
    for site, window in windows:
        for label, number in window.counts.get("deliveries", {}).items():
            parts = label.rsplit("/", 2)
            if len(parts) == 3:
                device, message, state = parts
                reached.setdefault((site, device), {}).setdefault(message, Counter())[state] += number
        for label, number in window.counts.get("messages_up", {}).items():
            device, _, message = label.rpartition("/")
            received.setdefault((site, device), Counter())[message] += number
    last: dict[_Key, dict[str, Any]] = {}
    for delivery in deliveries:
        last.setdefault((delivery.site, delivery.device_id), {})[delivery.message] = {
            "utc_ns": delivery.utc_ns,
            "state": delivery.state,
            "reason": delivery.reason,
        }
    out = []
    for stored in devices:
        key = (stored.site, stored.device.device_id)
        out.append(
            msgspec.structs.asdict(stored.device)
            | {
                "site": stored.site,
                "utc_ns": stored.utc_ns,
                "received_utc_ns": stored.received_utc_ns,
                "deliveries": reached.get(key, {}),
                "last": last.get(key, {}),
                "received": received.get(key, {}),
            }
        )
    return out
