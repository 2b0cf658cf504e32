from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from wayside.clock import Clock, MonoNs
from wayside.mec.sensors._roster import SensorSpec
from wayside.mec.sensors._scan import Scan

_WEIGHT = 0.1


class SensorHealth(StrEnum):
    """How a sensor does, judged by what arrives.

    AWAITED: nothing heard yet. SILENT: heard before, nothing for three periods and at least 0.5 s. LATE: its
    scans arrive later after their exposure than the site says, by as much again and at least 100 ms.
    """

    AWAITED = "awaited"
    OK = "ok"
    LATE = "late"
    SILENT = "silent"


class SensorStatus(NamedTuple):
    """State of one sensor. unheard_s, delay_ms, rate_hz: None before the first scan."""

    sensor_id: str
    kind: str
    health: SensorHealth
    unheard_s: float | None
    delay_ms: float | None
    rate_hz: float | None
    scans: int


class _Heard:
    __slots__ = ("arrived", "delay_ms", "period_s", "scans")

    def __init__(self) -> None:
        self.arrived: MonoNs | None = None
        self.delay_ms = 0.0
        self.period_s = 0.0
        self.scans = 0


class SensorWatch:
    """Health of each sensor from its scans. Pure."""

    def __init__(self, sensors: Iterable[SensorSpec], clock: Clock) -> None:
        self._specs = {spec.sensor_id: spec for spec in sensors}
        self._heard = {sensor_id: _Heard() for sensor_id in self._specs}
        self._clock = clock

    def on_scan(self, scan: Scan) -> None:
        """Note a scan of a known sensor."""
        spec, heard = self._specs[scan.sensor_id], self._heard[scan.sensor_id]
        arrived_utc = self._clock.utc() - (self._clock.mono() - scan.arrived)
        delay_ms = (arrived_utc - scan.measured) / 1e6
        if heard.arrived is None:
            heard.delay_ms, heard.period_s = delay_ms, 1.0 / spec.rate_hz
        else:
            heard.delay_ms += _WEIGHT * (delay_ms - heard.delay_ms)
            heard.period_s += _WEIGHT * ((scan.arrived - heard.arrived) / 1e9 - heard.period_s)
        heard.arrived = scan.arrived
        heard.scans += 1

    def states(self) -> tuple[SensorStatus, ...]:
        """All sensors in the site's order."""
        now = self._clock.mono()
        out = []
        for sensor_id, spec in self._specs.items():
            heard = self._heard[sensor_id]
            if heard.arrived is None:
                out.append(SensorStatus(sensor_id, spec.kind, SensorHealth.AWAITED, None, None, None, 0))
                continue
            unheard_s = max(0.0, (now - heard.arrived) / 1e9)
            health = SensorHealth.OK
            if unheard_s > max(3.0 / spec.rate_hz, 0.5):
                health = SensorHealth.SILENT
            elif heard.delay_ms > spec.expected_delay_ms + max(100.0, spec.expected_delay_ms):
                health = SensorHealth.LATE
            out.append(
                SensorStatus(
                    sensor_id,
                    spec.kind,
                    health,
                    unheard_s,
                    heard.delay_ms,
                    1.0 / max(heard.period_s, 1e-3),
                    heard.scans,
                )
            )
        return tuple(out)
