from __future__ import annotations

import math

import msgspec

from wayside.mec.sensors._wire import SensorPose

DEFAULT_STD_M: dict[str, tuple[float, float]] = {
    "camera": (1.2, 0.5),
    "radar": (0.4, 0.9),
    "lidar": (0.25, 0.25),
}


class SensorSpec(msgspec.Struct, frozen=True):
    """A sensor as the site knows it.

    kind: camera, radar or lidar. transport: udp or websocket. address: the only host that may send for it
    by UDP, "" for any. rate_hz, expected_delay_ms: what is normal; late_ms: stamps older than this at
    arrival are refused. clock_offset_ms: how far its clock is ahead of UTC. std_m: one sigma along and
    across the line of sight where an object says none. fov_deg: full opening angle.
    """

    sensor_id: str
    kind: str
    transport: str
    pose: SensorPose
    rate_hz: float
    expected_delay_ms: float
    late_ms: float
    address: str = ""
    clock_offset_ms: float = 0.0
    std_m: tuple[float, float] = (1.0, 1.0)
    fov_deg: float = 360.0

    @property
    def fov_rad(self) -> float:
        """Full opening angle, radians."""
        return math.radians(self.fov_deg)
