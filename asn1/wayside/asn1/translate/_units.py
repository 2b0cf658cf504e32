"""Numbers of the wire and their units: scaling, sentinels, ranges. The same in both families."""

from __future__ import annotations

import math
from typing import NamedTuple

from wayside.asn1.translate._errors import TranslateError, TranslateReason

Lost = list[str]
"""Collects what could not be carried, one line a thing: place, and value where that helps."""


class Scale(NamedTuple):
    """A wire integer that stands for a physical value: value = raw x numerator / denominator.

    low, high: range of real values on the wire, without the sentinel; unavailable: the sentinel, if any.
    """

    numerator: float
    denominator: float
    low: int
    high: int
    unavailable: int | None = None

    def read(self, raw: int | None) -> float | None:
        """Physical value, None for an absent field and for the sentinel."""
        if raw is None or raw == self.unavailable:
            return None
        return raw * self.numerator / self.denominator

    def write(self, value: float | None, lost: Lost, at: str) -> int:
        """Nearest raw value; None becomes the sentinel; beyond the range cut to its end and noted as lost.

        Raises TranslateError(OUT_OF_RANGE) for a value that is not finite, MISSING for None where the
        dialect knows no sentinel.
        """
        if value is None:
            if self.unavailable is None:
                raise TranslateError(TranslateReason.MISSING, "the dialect demands a value", where=at)
            return self.unavailable
        if not math.isfinite(value):
            raise TranslateError(TranslateReason.OUT_OF_RANGE, f"{value} is not finite", where=at)
        raw = round(value * self.denominator / self.numerator)
        if raw < self.low or raw > self.high:
            lost.append(f"{at}: {value:g} cut to the range")
            return min(max(raw, self.low), self.high)
        return raw

    def write_if(self, value: float | None, lost: Lost, at: str) -> int | None:
        """As `write`, but None stays None: for optional fields, whose absence is the better sentinel."""
        return None if value is None else self.write(value, lost, at)


_G_MPS2 = 9.80665

SPEED_MPS = Scale(1, 50, 0, 8190, 8191)
HEADING_DEG = Scale(1, 80, 0, 28799, 28800)
COARSE_HEADING_DEG = Scale(3, 2, 0, 239, 240)
STEERING_DEG = Scale(3, 2, -126, 126, 127)
ACCELERATION_MPS2 = Scale(1, 100, -2000, 2000, 2001)
VERTICAL_MPS2 = Scale(0.02 * _G_MPS2, 1, -126, 127, -127)
YAW_RATE_DPS = Scale(1, 100, -32767, 32767)
ELEVATION_M = Scale(1, 10, -4095, 61439, -4096)
WIDTH_M = Scale(1, 100, 1, 1023, 0)
LENGTH_M = Scale(1, 100, 1, 4095, 0)
HEIGHT_M = Scale(1, 20, 1, 127, 0)
OBSTACLE_M = Scale(1, 10, 1, 1023, 0)
LANE_WIDTH_M = Scale(1, 100, 0, 32767)
SEMI_AXIS_M = Scale(1, 20, 0, 254, 255)
ORIENTATION_DEG = Scale(360, 65535, 0, 65534, 65535)
FRACTION = Scale(1, 200, 0, 200)
PERCENT = Scale(1, 100, 0, 100, 101)
RADIUS_M = Scale(1, 10, 0, 65535)
CURVE_M = Scale(1, 10, -32766, 32766, 32767)
AGE_S = Scale(1, 100, 1, 65534, 65535)
NODE_ELEVATION_M = Scale(1, 10, -512, 511)


def write_heading(heading_deg: float | None, lost: Lost, at: str) -> int:
    """Raw heading of degrees clockwise from north; any turn is taken back into one circle."""
    if heading_deg is None or not math.isfinite(heading_deg):
        return HEADING_DEG.write(heading_deg, lost, at)
    return round(heading_deg * 80.0) % 28800


def count(number: int, high: int, at: str, low: int = 0) -> int:
    """An identifying number as it stands. Raises TranslateError(OUT_OF_RANGE) outside low..high."""
    if not low <= number <= high:
        raise TranslateError(TranslateReason.OUT_OF_RANGE, f"{number} is not within {low}..{high}", where=at)
    return number


def limit(items: int, high: int, at: str) -> None:
    """Raise TranslateError(TOO_MANY) where a list is longer than its type on the wire."""
    if items > high:
        raise TranslateError(TranslateReason.TOO_MANY, f"{items} items, the dialect carries {high}", where=at)
