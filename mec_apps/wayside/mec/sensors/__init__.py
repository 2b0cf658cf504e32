"""Roadside sensors: scans as they arrive, checked and stamped.

The receivers stand in modules of their own (`wayside.mec.sensors.receivers`), so that the pure part needs no
network library.
"""

from __future__ import annotations

from wayside.mec.sensors._health import SensorHealth, SensorStatus, SensorWatch
from wayside.mec.sensors._intake import FUTURE_MS, ScanIntake
from wayside.mec.sensors._reasons import SensorError, SensorReason
from wayside.mec.sensors._roster import DEFAULT_STD_M, SensorSpec
from wayside.mec.sensors._scan import VULNERABLE, Detection, ParticipantClass, Scan
from wayside.mec.sensors._wire import (
    MAX_OBJECTS,
    MAX_SCAN_BYTES,
    WIRE_VERSION,
    SensorPose,
    WireObject,
    decode_scan,
    encode_scan,
    wire_object,
)

__all__ = [
    "DEFAULT_STD_M",
    "FUTURE_MS",
    "MAX_OBJECTS",
    "MAX_SCAN_BYTES",
    "VULNERABLE",
    "WIRE_VERSION",
    "Detection",
    "ParticipantClass",
    "Scan",
    "ScanIntake",
    "SensorError",
    "SensorHealth",
    "SensorPose",
    "SensorReason",
    "SensorSpec",
    "SensorStatus",
    "SensorWatch",
    "WireObject",
    "decode_scan",
    "encode_scan",
    "wire_object",
]
