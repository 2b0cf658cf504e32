"""Roadside units: one contract for all vendors, an emulator beside each adapter, and distribution.

A vendor is a folder that exports `info`, a VendorInfo; see docs/adding-a-vendor.md.
"""

from __future__ import annotations

from wayside.rsu._adapter import BATCH_LIMIT, Adapter, DeviceStatus
from wayside.rsu._config import Count, DeviceConfig, Port, Positive
from wayside.rsu._delivery import Delivery, is_stream
from wayside.rsu._distribution import Area, Distribution
from wayside.rsu._emulator import Broadcast, Emulator, Faults, read_faults
from wayside.rsu._envelope import (
    DeviceEvent,
    Direction,
    Envelope,
    Flags,
    Security,
    Tx,
    downlink,
    new_msg_uid,
)
from wayside.rsu._frames import CSAE_ALTERNATIVES, J2735_IDS, Checked, check_frame, decodable, frame_name
from wayside.rsu._reasons import RsuError, RsuReason
from wayside.rsu._states import AckLevel, Capabilities, DeliveryState, DeviceState
from wayside.rsu._vendors import (
    VendorInfo,
    find_vendor,
    known_vendors,
    profile_names,
    read_config,
    read_profile,
)

__all__ = [
    "BATCH_LIMIT",
    "CSAE_ALTERNATIVES",
    "J2735_IDS",
    "AckLevel",
    "Adapter",
    "Area",
    "Broadcast",
    "Capabilities",
    "Checked",
    "Count",
    "Delivery",
    "DeliveryState",
    "DeviceConfig",
    "DeviceEvent",
    "DeviceState",
    "DeviceStatus",
    "Direction",
    "Distribution",
    "Emulator",
    "Envelope",
    "Faults",
    "Flags",
    "Port",
    "Positive",
    "RsuError",
    "RsuReason",
    "Security",
    "Tx",
    "VendorInfo",
    "check_frame",
    "decodable",
    "downlink",
    "find_vendor",
    "frame_name",
    "is_stream",
    "known_vendors",
    "new_msg_uid",
    "profile_names",
    "read_config",
    "read_faults",
    "read_profile",
]
