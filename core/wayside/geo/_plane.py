from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

_A_M = 6_378_137.0
_E2 = 6.694_379_990_141_316e-3


def within_wgs84(lat_deg: float, lon_deg: float) -> bool:
    """Whether both are finite and inside ±90 and ±180 degrees."""
    return -90.0 <= lat_deg <= 90.0 and -180.0 <= lon_deg <= 180.0


class LocalPlane:
    """Metric plane that touches the WGS-84 ellipsoid at a site's origin; x east, y north.

    One scale each way, from the ellipsoid's radii of curvature at the origin, so that the two directions
    are exact inverses. East-west scale is off by tan(latitude) x north / earth radius: at latitude 39
    under 0.007 % within 500 m, 0.07 % at 5 km. Source: own; WGS-84 constants.
    """

    __slots__ = ("_m_per_deg_lat", "_m_per_deg_lon", "lat_deg", "lon_deg")

    def __init__(self, lat_deg: float, lon_deg: float) -> None:
        if not within_wgs84(lat_deg, lon_deg) or abs(lat_deg) > 85.0:
            raise ValueError(f"no local plane at latitude {lat_deg}, longitude {lon_deg}")
        self.lat_deg = lat_deg
        self.lon_deg = lon_deg
        sin2 = math.sin(math.radians(lat_deg)) ** 2
        w = math.sqrt(1.0 - _E2 * sin2)
        self._m_per_deg_lat = math.radians(1.0) * _A_M * (1.0 - _E2) / w**3
        self._m_per_deg_lon = math.radians(1.0) * _A_M / w * math.cos(math.radians(lat_deg))

    def to_xy(self, lat_deg: float, lon_deg: float) -> tuple[float, float]:
        """Metres east and north of the origin; across the antimeridian the short way."""
        dlon = math.remainder(lon_deg - self.lon_deg, 360.0)
        return dlon * self._m_per_deg_lon, (lat_deg - self.lat_deg) * self._m_per_deg_lat

    def to_lat_lon(self, x_m: float, y_m: float) -> tuple[float, float]:
        """Latitude and longitude, degrees, of a point of the plane."""
        lon = self.lon_deg + x_m / self._m_per_deg_lon
        return self.lat_deg + y_m / self._m_per_deg_lat, math.remainder(lon, 360.0)

    def to_xy_array(self, lat_lon_deg: NDArray[np.float64]) -> NDArray[np.float64]:
        """As `to_xy` for an array of shape (n, 2) latitude, longitude → (n, 2) x, y."""
        out: NDArray[np.float64] = np.empty_like(lat_lon_deg, dtype=np.float64)
        dlon: NDArray[Any] = lat_lon_deg[:, 1] - self.lon_deg
        out[:, 0] = (dlon - 360.0 * np.round(dlon / 360.0)) * self._m_per_deg_lon
        out[:, 1] = (lat_lon_deg[:, 0] - self.lat_deg) * self._m_per_deg_lat
        return out
