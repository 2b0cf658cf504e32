"""J2735 node lists: chains of points, each an offset from the one before it."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import msgspec

from wayside.asn1.messages import Position
from wayside.asn1.translate._names import alternative
from wayside.asn1.translate._places import from_grid, lon_difference, plane_at, to_grid
from wayside.asn1.translate._units import Lost

Fields = dict[str, Any]

NODES = 63
"""Most nodes in one list."""

_XY = tuple((f"node-XY{i + 1}", 1 << bits) for i, bits in enumerate((9, 10, 11, 12, 13, 15)))
_LL = tuple((f"node-LL{i + 1}", 1 << bits) for i, bits in enumerate((11, 13, 15, 17, 21, 23)))
_XY_NAMES = frozenset(name for name, _ in _XY)
_LL_NAMES = frozenset(name for name, _ in _LL)
_ELEVATION_STEP = 512


class NodeLine(NamedTuple):
    """Points of a node list in the order of the wire, and what its first node says of the whole lane."""

    points: tuple[Position, ...]
    first: Fields


def read_xy(anchor: Position, nodes: list[Fields], lost: Lost, at: str, zoom: int = 0) -> NodeLine | None:
    """Points of a NodeSetXY, offsets in cm x 2^zoom east and north; None with a node that has no place."""
    plane = plane_at(anchor)
    if plane is None:
        return None
    x_cm = y_cm = 0
    grid: list[tuple[float, float]] = []
    for node in nodes:
        kind, delta = alternative(node["delta"])
        if kind in _XY_NAMES:
            x_cm += delta["x"] << zoom
            y_cm += delta["y"] << zoom
            lat, lon = plane.to_lat_lon(x_cm / 100, y_cm / 100)
        elif kind == "node-LatLon" and (place := from_grid(delta["lat"], delta["lon"])) is not None:
            lat, lon = place.lat_deg, place.lon_deg
            x_m, y_m = plane.to_xy(lat, lon)
            x_cm, y_cm = round(x_m * 100), round(y_m * 100)
        else:
            return None
        if not -90.0 <= lat <= 90.0:
            return None
        grid.append((lat, lon))
    return _line(anchor, nodes, grid, lost, at)


def read_ll(anchor: Position, nodes: list[Fields], lost: Lost, at: str, zoom: int = 0) -> NodeLine | None:
    """Points of a NodeSetLL, offsets in 1e-7 degrees x 2^zoom; None with a node that has no place."""
    lat, lon = to_grid(anchor, at)
    grid: list[tuple[float, float]] = []
    for node in nodes:
        kind, delta = alternative(node["delta"])
        if kind in _LL_NAMES:
            place = from_grid(lat + (delta["lat"] << zoom), lon + (delta["lon"] << zoom))
        elif kind == "node-LatLon":
            place = from_grid(delta["lat"], delta["lon"])
        else:
            place = None
        if place is None:
            return None
        lat, lon = to_grid(place, at)
        grid.append((place.lat_deg, place.lon_deg))
    return _line(anchor, nodes, grid, lost, at)


def _line(
    anchor: Position, nodes: list[Fields], grid: list[tuple[float, float]], lost: Lost, at: str
) -> NodeLine:
    height = None if anchor.elevation_m is None else round(anchor.elevation_m * 10)
    points: list[Position] = []
    ignored: set[str] = set()
    first: Fields = {}
    for i, (node, (lat, lon)) in enumerate(zip(nodes, grid, strict=True)):
        attributes = node.get("attributes", {})
        if height is not None:
            height += attributes.get("dElevation", 0)
        elif attributes.get("dElevation"):
            ignored.add("dElevation")
        points.append(Position(lat, lon, None if height is None else height / 10))
        for name, value in attributes.items():
            if name == "dElevation":
                continue
            if i == 0 and name in ("data", "dWidth"):
                first[name] = value
            elif not _is_filler(name, value):
                ignored.add(name)
    lost.extend(f"{at}.nodes: {name}" for name in sorted(ignored))
    return NodeLine(tuple(points), first)


def _is_filler(name: str, value: Any) -> bool:
    """Whether data of a node is nothing but speed limits of unknown kind and 0."""
    if name != "data":
        return False
    return all(
        alternative(item)[0] == "speedLimits"
        and all(limit["type"] == "unknown" and limit["speed"] == 0 for limit in alternative(item)[1])
        for item in value
    )


def write_xy(anchor: Position, points: tuple[Position, ...], lost: Lost, at: str) -> list[Fields]:
    """NodeSetXY in the smallest alternatives that fit; a step beyond 327 m becomes an absolute node.

    Differences are taken between rounded points, so that rounding does not add up along the lane. Raises
    TranslateError(OUT_OF_RANGE) for a place outside WGS-84, ValueError near the poles.
    """
    plane = plane_at(anchor)
    if plane is None:
        raise ValueError(f"no metric offsets at latitude {anchor.lat_deg}")
    last_x = last_y = 0
    nodes: list[Fields] = []
    for point in points:
        lat, lon = to_grid(point, at)
        x_m, y_m = plane.to_xy(point.lat_deg, point.lon_deg)
        x, y = round(x_m * 100), round(y_m * 100)
        dx, dy = x - last_x, y - last_y
        for name, bound in _XY:
            if -bound <= dx < bound and -bound <= dy < bound:
                nodes.append({"delta": (name, {"x": dx, "y": dy})})
                last_x, last_y = x, y
                break
        else:
            nodes.append({"delta": ("node-LatLon", {"lon": lon, "lat": lat})})
            x_m, y_m = plane.to_xy(lat / 1e7, lon / 1e7)
            last_x, last_y = round(x_m * 100), round(y_m * 100)
    _write_elevations(anchor, points, nodes, lost, at)
    return nodes


def write_ll(anchor: Position, points: tuple[Position, ...], lost: Lost, at: str) -> list[Fields]:
    """NodeSetLL in the smallest alternatives that fit."""
    last_lat, last_lon = to_grid(anchor, at)
    nodes: list[Fields] = []
    for point in points:
        lat, lon = to_grid(point, at)
        dlat, dlon = lat - last_lat, lon_difference(lon, last_lon)
        for name, bound in _LL:
            if -bound <= dlat < bound and -bound <= dlon < bound:
                nodes.append({"delta": (name, {"lon": dlon, "lat": dlat})})
                break
        else:
            nodes.append({"delta": ("node-LatLon", {"lon": lon, "lat": lat})})
        last_lat, last_lon = lat, lon
    _write_elevations(anchor, points, nodes, lost, at)
    return nodes


def _write_elevations(
    anchor: Position, points: tuple[Position, ...], nodes: list[Fields], lost: Lost, at: str
) -> None:
    if anchor.elevation_m is None:
        if any(point.elevation_m is not None for point in points):
            lost.append(f"{at}: elevations, the reference has none")
        return
    height = round(anchor.elevation_m * 10)
    for point, node in zip(points, nodes, strict=True):
        if point.elevation_m is None:
            continue
        step = round(point.elevation_m * 10) - height
        if not -_ELEVATION_STEP <= step < _ELEVATION_STEP:
            lost.append(f"{at}: an elevation step of {step / 10:g} m cut to the range")
            step = min(max(step, -_ELEVATION_STEP), _ELEVATION_STEP - 1)
        if step:
            node["attributes"] = {"dElevation": step}
            height += step


def transform(
    anchor: Position,
    reference: tuple[Position, ...],
    shift_m: tuple[float, float],
    turn_deg: float,
    stretch: tuple[float, float],
) -> tuple[Position, ...] | None:
    """Points of a computed lane: a reference lane stretched and turned (clockwise) about its first point,
    then shifted east and north. None near the poles. Source: SAE J2735 DF_ComputedLane."""
    plane = plane_at(anchor)
    if plane is None:
        return None
    x0, y0 = plane.to_xy(reference[0].lat_deg, reference[0].lon_deg)
    cos, sin = math.cos(math.radians(turn_deg)), math.sin(math.radians(turn_deg))
    points: list[Position] = []
    for point in reference:
        x, y = plane.to_xy(point.lat_deg, point.lon_deg)
        x, y = (x - x0) * stretch[0], (y - y0) * stretch[1]
        x, y = x * cos + y * sin + x0 + shift_m[0], y * cos - x * sin + y0 + shift_m[1]
        lat, lon = plane.to_lat_lon(x, y)
        if not -90.0 <= lat <= 90.0:
            return None
        points.append(msgspec.structs.replace(point, lat_deg=lat, lon_deg=lon))
    return tuple(points)


def thin(points: tuple[Position, ...], most: int, lost: Lost, at: str) -> tuple[Position, ...]:
    """At most `most` of the points: those go first that change the line least; the ends stay."""
    if len(points) <= most:
        return points
    stretch = math.cos(math.radians(points[0].lat_deg))
    kept = [(p.lon_deg * stretch, p.lat_deg, p) for p in points]
    worst = 0.0
    while len(kept) > most:
        offs = [_off_chord(kept[i - 1], kept[i], kept[i + 1]) for i in range(1, len(kept) - 1)]
        i = min(range(len(offs)), key=offs.__getitem__)
        worst = max(worst, offs[i])
        del kept[i + 1]
    lost.append(f"{at}: {len(points)} points thinned to {most}, up to {worst * 111_320:.2f} m aside")
    return tuple(p for _, _, p in kept)


def _off_chord(
    a: tuple[float, float, Position], b: tuple[float, float, Position], c: tuple[float, float, Position]
) -> float:
    cx, cy, bx, by = c[0] - a[0], c[1] - a[1], b[0] - a[0], b[1] - a[1]
    length = math.hypot(cx, cy)
    return abs(cx * by - cy * bx) / length if length else math.hypot(bx, by)
