"""Geometry on the ground: the local plane of a site, angles, and places along a line.

Inside the project positions are WGS-84 or metres on one local plane per site (x east, y north).
`heading_deg` is clockwise from true north in [0, 360); `yaw_rad` is counter-clockwise from east.
"""

from __future__ import annotations

from wayside.geo._angles import angle_between_deg, heading_from_yaw, wrap_rad, yaw_from_heading
from wayside.geo._plane import LocalPlane, within_wgs84
from wayside.geo._polyline import Along, Polyline

__all__ = [
    "Along",
    "LocalPlane",
    "Polyline",
    "angle_between_deg",
    "heading_from_yaw",
    "within_wgs84",
    "wrap_rad",
    "yaw_from_heading",
]
