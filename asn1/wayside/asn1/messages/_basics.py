from __future__ import annotations

import msgspec


class Position(msgspec.Struct, frozen=True):
    """WGS-84 degrees; elevation in metres above the ellipsoid or None."""

    lat_deg: float
    lon_deg: float
    elevation_m: float | None = None


class EllipseAccuracy(msgspec.Struct, frozen=True):
    """One-sigma error ellipse: semi-axes in metres, orientation of the major axis clockwise from north."""

    semi_major_m: float
    semi_minor_m: float
    orientation_deg: float | None = None


class Size(msgspec.Struct, frozen=True):
    """Outer size in metres; a length or width of 0 on the wire is None."""

    width_m: float | None
    length_m: float | None
    height_m: float | None = None


class Acceleration(msgspec.Struct, frozen=True):
    """Accelerations in m/s² and yaw rate in degrees/s; None is unavailable.

    long_mps2 is positive when speeding up, lat_mps2 positive to the right, vert_mps2 positive upwards,
    yaw_rate_dps positive clockwise seen from above (SAE J2735 DF_AccelerationSet4Way).
    """

    long_mps2: float | None = None
    lat_mps2: float | None = None
    vert_mps2: float | None = None
    yaw_rate_dps: float | None = None


class IntersectionId(msgspec.Struct, frozen=True, order=True):
    """Identity of an intersection (J2735) or node (CSAE): regulator's region, or None, and number."""

    id: int
    region: int | None = None

    def __str__(self) -> str:
        return f"{self.region or 0}-{self.id}"
