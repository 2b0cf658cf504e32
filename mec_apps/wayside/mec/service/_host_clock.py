from __future__ import annotations

import ctypes
import logging
import math
import sys
from collections.abc import Callable

from wayside.observe import Counters

_log = logging.getLogger(__name__)
_UNSYNCHRONISED = 0x0040


class _Timex(ctypes.Structure):
    """Head of `struct timex`, with room for the rest of it. Source: adjtimex(2)."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


def kernel_clock_error_ms() -> float:
    """Bound of the error of this host's UTC, as its kernel keeps it; it grows while no time service corrects
    the clock.

    inf where the kernel calls its clock unsynchronised, or cannot be asked (other systems than Linux).
    """
    if sys.platform != "linux":
        return math.inf
    timex = _Timex()
    state = ctypes.CDLL(None).ntp_adjtime(ctypes.byref(timex))
    if state < 0 or timex.status & _UNSYNCHRONISED:
        return math.inf
    return int(timex.maxerror) / 1e3


class ClockWatch:
    """Watches the error of this host's UTC; a change between good and doubted is logged and counted."""

    def __init__(self, read_ms: Callable[[], float], limit_ms: float, counters: Counters) -> None:
        self._read_ms = read_ms
        self._limit_ms = limit_ms
        self._counters = counters
        self._doubted = False

    def look(self) -> float:
        """Error now, ms; inf where it is not known."""
        error_ms = self._read_ms()
        doubted = error_ms > self._limit_ms
        if doubted is not self._doubted:
            self._doubted = doubted
            self._counters.count("clock", "doubted" if doubted else "good")
            if doubted:
                _log.warning(
                    "UTC of this host may be wrong by %g ms, limit %g: radio messages with a time stop; run "
                    "a time service (chrony, ptp4l), or set clock.error in the site file",
                    error_ms,
                    self._limit_ms,
                )
            else:
                _log.info("UTC of this host is good again, within %g ms", error_ms)
        return error_ms
