from __future__ import annotations

import math
from typing import NamedTuple

from wayside.mec.fusion._reasons import FusionReason

_MAX_ACCEL_MPS2 = 12.0
_SLACK_M = 2.0
_WINDOW_S = 1.0
_AGREEING = 5


class Fix(NamedTuple):
    """What a vehicle said of itself at one instant: seconds of the site's time, metres of its plane.

    speed_mps, yaw_rad: None where it does not know.
    """

    time_s: float
    x_m: float
    y_m: float
    speed_mps: float | None
    yaw_rad: float | None
    std_m: float


class Plausibility:
    """Checks a vehicle's fixes against each other: no jumps, and a speed that fits the way made.

    A vehicle whose positioning was lost and found again is believed anew after five fixes in a row that
    agree among themselves. Source: own.
    """

    __slots__ = ("_agreeing", "_anchor", "_last", "_refused", "_way_m")

    def __init__(self) -> None:
        self._last: Fix | None = None
        self._anchor: Fix | None = None
        self._way_m = 0.0
        self._refused: Fix | None = None
        self._agreeing = 0

    def check(self, fix: Fix) -> FusionReason | None:
        """Why a fix is not believed; None when it is (it is then the new reference)."""
        last = self._last
        reason = None if last is None else _jump(last, fix)
        if reason is None:
            reason = self._speed(fix)
        if reason is None:
            self._accept(fix)
            return None
        before = self._refused
        self._agreeing = self._agreeing + 1 if before is not None and _jump(before, fix) is None else 1
        self._refused = fix
        if self._agreeing >= _AGREEING and reason is FusionReason.BSM_JUMP:
            self._last = self._anchor = None
            self._accept(fix)
            return None
        return reason

    def _accept(self, fix: Fix) -> None:
        last, anchor = self._last, self._anchor
        if last is not None:
            self._way_m += _speed_of(last, fix) * (fix.time_s - last.time_s)
        if anchor is None or fix.time_s - anchor.time_s >= _WINDOW_S:
            self._anchor, self._way_m = fix, 0.0
        self._last, self._refused, self._agreeing = fix, None, 0

    def _speed(self, fix: Fix) -> FusionReason | None:
        """Whether the way made since the anchor fits the speeds told since."""
        anchor, last = self._anchor, self._last
        if anchor is None or last is None or fix.speed_mps is None or last.speed_mps is None:
            return None
        elapsed = fix.time_s - anchor.time_s
        if not 0.5 * _WINDOW_S <= elapsed <= 5.0 * _WINDOW_S:
            return None
        told = self._way_m + _speed_of(last, fix) * (fix.time_s - last.time_s)
        made = math.hypot(fix.x_m - anchor.x_m, fix.y_m - anchor.y_m)
        slack = 3.0 + 2.0 * max(fix.std_m, anchor.std_m)
        if made > 1.5 * told + slack or made < 0.4 * told - slack:
            return FusionReason.BSM_SPEED_MISMATCH
        return None


def _speed_of(before: Fix, after: Fix) -> float:
    told = [fix.speed_mps for fix in (before, after) if fix.speed_mps is not None]
    return sum(told) / len(told) if told else 0.0


def _jump(before: Fix, after: Fix) -> FusionReason | None:
    dt = after.time_s - before.time_s
    speed = max((fix.speed_mps for fix in (before, after) if fix.speed_mps is not None), default=30.0)
    limit = speed * dt + 0.5 * _MAX_ACCEL_MPS2 * dt * dt + _SLACK_M + 2.0 * max(before.std_m, after.std_m)
    if math.hypot(after.x_m - before.x_m, after.y_m - before.y_m) > limit:
        return FusionReason.BSM_JUMP
    return None
