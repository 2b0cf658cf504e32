"""Positions of the wire: absolute ones, and the CSAE offsets from a reference (longitude first)."""

from __future__ import annotations

from typing import Any

from wayside.asn1.messages import Position
from wayside.asn1.translate._errors import TranslateError, TranslateReason
from wayside.asn1.translate._names import alternative
from wayside.asn1.translate._units import ELEVATION_M, Lost
from wayside.geo import LocalPlane, within_wgs84

_LAT_UNAVAILABLE = 900_000_001
_LON_UNAVAILABLE = 1_800_000_001
_FULL_CIRCLE = 3_600_000_000
_HALF_CIRCLE = 1_800_000_000

# CSAE PositionOffsetLL: alternatives by growing size, each with its bound 2^n.
_LL = tuple((f"position-LL{i + 1}", 1 << bits) for i, bits in enumerate((11, 13, 15, 17, 21, 23)))
_LL_NAMES = frozenset((*(name for name, _ in _LL), "position-LatLon"))
# CSAE VerticalOffset: likewise; the lowest value of each means unavailable.
_V = tuple((f"offset{i + 1}", 1 << bits) for i, bits in enumerate((6, 7, 8, 9, 10, 11)))
_V_UNAVAILABLE = {name: -bound for name, bound in _V}


def from_grid(lat: int, lon: int, elevation_m: float | None = None) -> Position | None:
    """Position of 1e-7 degrees; longitude wraps; None where unavailable or beyond a pole."""
    if lat == _LAT_UNAVAILABLE or lon == _LON_UNAVAILABLE or not -900_000_000 <= lat <= 900_000_000:
        return None
    if not -_HALF_CIRCLE < lon <= _HALF_CIRCLE:
        lon = (lon + _HALF_CIRCLE) % _FULL_CIRCLE - _HALF_CIRCLE
        lon = _HALF_CIRCLE if lon == -_HALF_CIRCLE else lon
    return Position(lat / 1e7, lon / 1e7, elevation_m)


def to_grid(position: Position, at: str) -> tuple[int, int]:
    """Latitude and longitude in 1e-7 degrees. Raises TranslateError(OUT_OF_RANGE) outside WGS-84."""
    if not within_wgs84(position.lat_deg, position.lon_deg):
        raise TranslateError(
            TranslateReason.OUT_OF_RANGE,
            f"latitude {position.lat_deg}, longitude {position.lon_deg} is no place on earth",
            where=at,
        )
    lon = round(position.lon_deg * 1e7)
    return round(position.lat_deg * 1e7), _HALF_CIRCLE if lon == -_HALF_CIRCLE else lon


def lon_difference(lon: int, reference: int) -> int:
    """Longitude difference in 1e-7 degrees, the short way round."""
    return (lon - reference + _HALF_CIRCLE) % _FULL_CIRCLE - _HALF_CIRCLE


def read_position(value: dict[str, Any]) -> Position | None:
    """Position3D of either family."""
    return from_grid(value["lat"], value["long"], ELEVATION_M.read(value.get("elevation")))


def read_reference(value: dict[str, Any], at: str) -> Position:
    """Position3D that offsets refer to. Raises TranslateError(NO_POSITION) where it is unavailable."""
    position = read_position(value)
    if position is None:
        raise TranslateError(TranslateReason.NO_POSITION, "the reference position is unavailable", where=at)
    return position


def write_position(position: Position, lost: Lost, at: str) -> dict[str, Any]:
    """Position3D; without elevation where that is unknown."""
    lat, lon = to_grid(position, at)
    value = {"lat": lat, "long": lon}
    if position.elevation_m is not None:
        value["elevation"] = ELEVATION_M.write(position.elevation_m, lost, at + ".elevation")
    return value


def read_offset(reference: Position, value: dict[str, Any], lost: Lost, at: str) -> Position | None:
    """Position of a CSAE PositionOffsetLLV; None where it is unavailable or no place on earth."""
    kind, offset = alternative(value["offsetLL"])
    if kind not in _LL_NAMES:
        return None
    elevation = _read_vertical(reference, value.get("offsetV"), lost, at)
    if kind == "position-LatLon":
        return from_grid(offset["lat"], offset["lon"], elevation)
    lat, lon = to_grid(reference, at)
    return from_grid(lat + offset["lat"], lon + offset["lon"], elevation)


def _read_vertical(reference: Position, value: Any, lost: Lost, at: str) -> float | None:
    if value is None:
        return None
    kind, raw = alternative(value)
    if kind == "elevation":
        return ELEVATION_M.read(raw)
    if kind not in _V_UNAVAILABLE or raw == _V_UNAVAILABLE[kind]:
        return None
    if reference.elevation_m is None:
        lost.append(f"{at}.offsetV: the reference has no elevation")
        return None
    return (round(reference.elevation_m * 10) + int(raw)) / 10


def write_offset(reference: Position, position: Position, lost: Lost, at: str) -> dict[str, Any]:
    """CSAE PositionOffsetLLV in the smallest alternative that fits, longitude before latitude."""
    ref_lat, ref_lon = to_grid(reference, at)
    lat, lon = to_grid(position, at)
    dlat, dlon = lat - ref_lat, lon_difference(lon, ref_lon)
    value: dict[str, Any] = {"offsetLL": ("position-LatLon", {"lon": lon, "lat": lat})}
    for name, bound in _LL:
        if -bound <= dlat < bound and -bound <= dlon < bound:
            value["offsetLL"] = (name, {"lon": dlon, "lat": dlat})
            break
    if position.elevation_m is not None:
        raw = ELEVATION_M.write(position.elevation_m, lost, at + ".elevation")
        value["offsetV"] = ("elevation", raw)
        if reference.elevation_m is not None:
            step = raw - round(reference.elevation_m * 10)
            for name, bound in _V:
                if -bound < step < bound:
                    value["offsetV"] = (name, step)
                    break
    return value


def plane_at(position: Position) -> LocalPlane | None:
    """Metric plane at a reference, None near the poles, where there is none."""
    if abs(position.lat_deg) > 85.0:
        return None
    return LocalPlane(position.lat_deg, position.lon_deg)
