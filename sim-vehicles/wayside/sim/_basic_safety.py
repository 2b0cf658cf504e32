from __future__ import annotations

import random

from wayside.asn1.messages import (
    Acceleration,
    BasicSafety,
    EllipseAccuracy,
    Emergency,
    Position,
    Size,
    Transmission,
)
from wayside.clock import UtcNs
from wayside.geo import LocalPlane, heading_from_yaw
from wayside.sim._world import RoadVehicle

_GNSS_STD_M = 0.35
_JITTER_STD_M = 0.05


class SatelliteReceivers:
    """What vehicles say of themselves: true but for the error of each one's satellite receiver, which is a
    constant of the vehicle (0.35 m each way) and a little noise."""

    def __init__(self, plane: LocalPlane, seed: int) -> None:
        self._plane = plane
        self._rng = random.Random(f"{seed}/gnss")
        self._bias_m: dict[int, tuple[float, float]] = {}

    def said(
        self,
        vehicle: RoadVehicle,
        utc: UtcNs,
        msg_count: int,
        *,
        yaw_rate_dps: float = 0.0,
        emergency: Emergency | None = None,
    ) -> BasicSafety:
        """Its message now. yaw_rate_dps: clockwise positive."""
        rng = self._rng
        bias = self._bias_m.get(vehicle.id)
        if bias is None:
            bias = rng.gauss(0.0, _GNSS_STD_M), rng.gauss(0.0, _GNSS_STD_M)
            self._bias_m[vehicle.id] = bias
        box = vehicle.box()
        lat, lon = self._plane.to_lat_lon(
            box.x_m + bias[0] + rng.gauss(0.0, _JITTER_STD_M),
            box.y_m + bias[1] + rng.gauss(0.0, _JITTER_STD_M),
        )
        return BasicSafety(
            vehicle_id=vehicle.id.to_bytes(4, "big"),
            msg_count=msg_count % 128,
            position=Position(lat, lon, 3.0),
            utc_ns=utc,
            accuracy=EllipseAccuracy(2.0 * _GNSS_STD_M, 2.0 * _GNSS_STD_M, 0.0),
            transmission=Transmission.FORWARD,
            speed_mps=vehicle.speed_mps,
            heading_deg=heading_from_yaw(box.yaw_rad),
            acceleration=Acceleration(
                long_mps2=vehicle.accel_mps2, lat_mps2=0.0, vert_mps2=0.0, yaw_rate_dps=yaw_rate_dps
            ),
            size=Size(vehicle.size.width_m, vehicle.size.length_m),
            emergency=emergency,
        )

    def keep(self, present: set[int]) -> None:
        """Forget the receivers of vehicles that are not in `present`."""
        self._bias_m = {i: bias for i, bias in self._bias_m.items() if i in present}
