from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

import msgspec
from msgspec import Meta

Positive = Annotated[float, Meta(gt=0.0)]
Port = Annotated[int, Meta(ge=1, le=65_535)]
Count = Annotated[int, Meta(ge=1, le=100_000)]


class DeviceConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every vendor's configuration has. A vendor's own adds its fields.

    lat_deg, lon_deg: surveyed place, for sending to an area; None keeps the device out of areas.
    liveness_s: silence after which an ONLINE device is OFFLINE. sends_per_s: budget of messages down.
    uplink_per_s: budget of datagrams or messages up; more are dropped. send_queue, uplink_queue: bounds.
    reconnect_first_s, reconnect_ceiling_s: bounds of the jittered back-off.
    """

    device_id: Annotated[str, Meta(min_length=1, max_length=64)]
    dialect: str = "j2735-2024"
    lat_deg: Annotated[float, Meta(ge=-90.0, le=90.0)] | None = None
    lon_deg: Annotated[float, Meta(ge=-180.0, le=180.0)] | None = None
    liveness_s: Positive = 10.0
    sends_per_s: Positive = 50.0
    uplink_per_s: Positive = 1_000.0
    send_queue: Count = 256
    uplink_queue: Count = 2_048
    reconnect_first_s: Positive = 0.2
    reconnect_ceiling_s: Positive = 10.0

    def in_folder(self, folder: Path) -> Self:
        """The same with file names relative to a folder. Vendors with files override it."""
        return self

    @property
    def plain_peer(self) -> str:
        """Host to which a login goes unencrypted; empty where none does. Vendors with a login override it."""
        return ""
