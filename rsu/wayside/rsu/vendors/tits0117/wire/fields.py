"""Reading JSON objects with bounds, and an account of what was not read or had to be filled in. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from wayside.rsu import RsuError, RsuReason

_E7 = 10_000_000
_LARGEST_DEG = 180
_INTEGER = re.compile(r"-?[0-9]{1,12}")
# Names of lost keys are the sender's own: so many of a body are kept. Own.
_MOST_LOST = 64


class Account:
    """What a transcoding lost, filled in and guessed, by place."""

    def __init__(self) -> None:
        self.lost: list[str] = []
        self.defaulted: list[str] = []
        self.unit_guessed = False


class Fields:
    """One JSON object. `end` notes the keys that nobody read as lost, the first 64 of a body.

    All readers raise RsuError MALFORMED with the place; TOO_LARGE for a list over its bound.
    """

    def __init__(self, value: Any, place: str, account: Account) -> None:
        if not isinstance(value, dict):
            raise malformed(f"{type(value).__name__} where an object belongs", place)
        self.place = place
        self.account = account
        self._value: dict[str, Any] = value
        self._read: set[str] = set()

    def raw(self, key: str) -> Any:
        """The value of a key as it is, None when it is not there."""
        self._read.add(key)
        return self._value.get(key)

    def at(self, key: str) -> str:
        """Place of a key."""
        return f"{self.place}.{key}" if self.place else key

    def integer(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """A whole number, also where it stands in a text. default: noted, where the key is not there."""
        value = self.raw(key)
        if value is None and default is not None:
            self.account.defaulted.append(self.at(key))
            return default
        return _integer(value, low, high, self.at(key))

    def optional(self, key: str, low: int, high: int) -> int | None:
        """A whole number, or None where the key is not there."""
        value = self.raw(key)
        return None if value is None else _integer(value, low, high, self.at(key))

    def number(self, key: str, low: float, high: float) -> float | None:
        """A number, or None where the key is not there."""
        value = self.raw(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise malformed(f"{value!r:.40} is not in {low}..{high}", self.at(key))
        return float(value)

    def text(self, key: str, most: int) -> str:
        """A text, cut at its bound; empty where the key is not there."""
        value = self.raw(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise malformed(f"{type(value).__name__} where a text belongs", self.at(key))
        if len(value) > most:
            self.account.lost.append(f"{self.at(key)}[{most}:]")
        return value[:most]

    def child(self, key: str) -> Fields | None:
        """An object, or None where the key is not there."""
        value = self.raw(key)
        return None if value is None else Fields(value, self.at(key), self.account)

    def demand(self, key: str) -> Fields:
        """An object that must be there."""
        return Fields(self.raw(key), self.at(key), self.account)

    def children(self, key: str, most: int) -> Iterator[Fields]:
        """Objects of a list; none where the key is not there."""
        for i, value in enumerate(listed(self.raw(key), self.at(key), most)):
            yield Fields(value, f"{self.at(key)}[{i}]", self.account)

    def end(self) -> None:
        """All that was wanted has been read."""
        lost = self.account.lost
        for key in self._value:
            if key not in self._read:
                if len(lost) >= _MOST_LOST:
                    lost[_MOST_LOST:] = ["more"]
                    return
                lost.append(self.at(key[:40]))


def listed(value: Any, place: str, most: int) -> list[Any]:
    """A list within its bound; empty for None. Raises RsuError MALFORMED, TOO_LARGE."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise malformed(f"{type(value).__name__} where a list belongs", place)
    if len(value) > most:
        raise RsuError(RsuReason.TOO_LARGE, f"{len(value)} items", where=place, limit=most)
    return value


def read_position(fields: Fields) -> dict[str, int]:
    """A place as Position3D: `lat`, `lon` in 1e-7 degree, `ele` in 0.1 m.

    Units also send degrees: a number within ±180 is taken for degrees, noted as a guess.
    """
    place: dict[str, int] = {}
    for key, name, largest in (("lat", "lat", 90), ("lon", "long", 180)):
        value = fields.number(key, -largest * _E7, largest * _E7)
        if value is None:
            raise malformed("missing", fields.at(key))
        if abs(value) <= _LARGEST_DEG:
            fields.account.unit_guessed = True
            value *= _E7
        if abs(value) > largest * _E7:
            raise malformed(f"{value!r:.40} is no place", fields.at(key))
        place[name] = round(value)
    elevation = fields.optional("ele", -4096, 61_439)
    if elevation is not None:
        place["elevation"] = elevation
    fields.end()
    return place


def offset_of(place: dict[str, int]) -> dict[str, Any]:
    """A place as PositionOffsetLLV in its absolute form."""
    offset: dict[str, Any] = {"offsetLL": ("position-LatLon", {"lon": place["long"], "lat": place["lat"]})}
    if "elevation" in place:
        offset["offsetV"] = ("elevation", place["elevation"])
    return offset


def place_of(offset: dict[str, Any], reference: dict[str, int]) -> dict[str, int]:
    """A PositionOffsetLLV as a JSON place; relative forms count from the reference (Position3D)."""
    form, pair = offset["offsetLL"]
    absolute = form == "position-LatLon"
    place = {
        "lat": pair["lat"] + (0 if absolute else reference["lat"]),
        "lon": pair["lon"] + (0 if absolute else reference["long"]),
    }
    if "offsetV" in offset:
        form, height = offset["offsetV"]
        base = reference.get("elevation", 0)
        place["ele"] = height if form == "elevation" else min(max(base + height, -4096), 61_439)
    return place


def json_position(position: dict[str, int]) -> dict[str, int]:
    """A Position3D as a JSON place."""
    place = {"lat": position["lat"], "lon": position["long"]}
    if "elevation" in position:
        place["ele"] = position["elevation"]
    return place


def malformed(what: str, where: str) -> RsuError:
    """The refusal of a body."""
    return RsuError(RsuReason.MALFORMED, what, where=where)


def _integer(value: Any, low: int, high: int, place: str) -> int:
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise malformed(f"{value!r:.40} is not in {low}..{high}", place)
    return value
