from __future__ import annotations

import math


def idm_mps2(
    speed_mps: float,
    desired_mps: float,
    gap_m: float,
    leader_mps: float,
    *,
    headway_s: float = 1.4,
    accel_mps2: float = 1.5,
    brake_mps2: float = 2.0,
    standstill_m: float = 2.0,
) -> float:
    """Acceleration of the Intelligent Driver Model (Treiber, Hennecke, Helbing 2000).

    gap_m: bumper to bumper, infinite on a free road. desired_mps must be positive.
    """
    free = 1.0 - (speed_mps / desired_mps) ** 4
    if gap_m == math.inf:
        return accel_mps2 * free
    wanted = speed_mps * headway_s + speed_mps * (speed_mps - leader_mps) / (
        2.0 * math.sqrt(accel_mps2 * brake_mps2)
    )
    ratio = (standstill_m + max(0.0, wanted)) / max(gap_m, 0.1)
    return accel_mps2 * (free - ratio * ratio)


def stopping_mps2(speed_mps: float, room_m: float) -> float:
    """Constant deceleration (positive) that brings a vehicle to rest within `room_m`; infinite for none."""
    return speed_mps * speed_mps / (2.0 * room_m) if room_m > 0.0 else math.inf


def arrival_s(distance_m: float, speed_mps: float) -> float:
    """Time to cover a distance at a constant speed; infinite when standing."""
    return distance_m / speed_mps if speed_mps > 1e-6 else math.inf
