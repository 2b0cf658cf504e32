from __future__ import annotations

import math


def heading_from_yaw(yaw_rad: float) -> float:
    """Compass heading in degrees [0, 360) of a yaw in radians counter-clockwise from east."""
    return (90.0 - math.degrees(yaw_rad)) % 360.0


def yaw_from_heading(heading_deg: float) -> float:
    """Yaw in radians (-π, π] of a compass heading in degrees clockwise from north."""
    return wrap_rad(math.radians(90.0 - heading_deg))


def wrap_rad(angle_rad: float) -> float:
    """The same angle in (-π, π]."""
    wrapped = math.remainder(angle_rad, math.tau)
    return math.pi if wrapped == -math.pi else wrapped


def angle_between_deg(a_deg: float, b_deg: float) -> float:
    """Smallest unsigned difference of two headings, degrees [0, 180]."""
    return abs(math.remainder(a_deg - b_deg, 360.0))
