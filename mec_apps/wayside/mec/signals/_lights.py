from __future__ import annotations

from wayside.asn1.messages import Light
from wayside.mec.signals.tscbm import Masks


def vehicle_light(masks: Masks, phase: int, *, permissive: bool = False) -> Light | None:
    """Light of a vehicle phase 1..16; None where red and green, or green and yellow, show together."""
    bit = 1 << (phase - 1)
    return _light(
        bool(masks.red & bit),
        bool(masks.yellow & bit),
        bool(masks.green & bit),
        bool(masks.flash_phases & bit),
        permissive,
    )


def overlap_light(masks: Masks, overlap: int, *, permissive: bool = False) -> Light | None:
    """Light of an overlap 1..16, as `vehicle_light`."""
    bit = 1 << (overlap - 1)
    return _light(
        bool(masks.overlap_red & bit),
        bool(masks.overlap_yellow & bit),
        bool(masks.overlap_green & bit),
        bool(masks.flash_overlaps & bit),
        permissive,
    )


def pedestrian_light(masks: Masks, phase: int) -> Light | None:
    """Light of a pedestrian phase: don't walk is red, walk green, clearance yellow."""
    bit = 1 << (phase - 1)
    return _light(
        bool(masks.dont_walk & bit),
        bool(masks.pedestrian_clear & bit),
        bool(masks.walk & bit),
        False,
        False,
        clearing=True,
    )


def _light(
    red: bool, yellow: bool, green: bool, flash: bool, permissive: bool, *, clearing: bool = False
) -> Light | None:
    if green and (red or yellow):
        return None
    if red and yellow:
        # A pedestrian clearance that is shown as a flashing don't walk sets both.
        return Light.PROTECTED_YELLOW if clearing else Light.RED_YELLOW
    if green:
        if flash:
            return Light.FLASHING_GREEN
        return Light.PERMISSIVE_GREEN if permissive else Light.PROTECTED_GREEN
    if yellow:
        if flash:
            return Light.FLASHING_YELLOW
        return Light.PERMISSIVE_YELLOW if permissive else Light.PROTECTED_YELLOW
    if red:
        return Light.FLASHING_RED if flash else Light.RED
    return Light.DARK
