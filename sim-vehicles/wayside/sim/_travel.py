from __future__ import annotations

from typing import NamedTuple

_STANDS_MPS = 0.5
_ROLLS_MPS = 2.0


class Travel(NamedTuple):
    """What driving cost since a run began, over the motor vehicles of the demand (scripted ones left out).

    vehicles: that were on the road. stops: times that one came to rest. delay_s: time lost against each one's
    own wished speed. red_runs: stop lines passed on red by anybody, scripted or not, without the right turns
    that may. distance_m: driven by all.
    """

    vehicles: int
    stops: int
    delay_s: float
    red_runs: int
    distance_m: float


class TravelMeter:
    """Sums up the cost of driving. A stop: below 0.5 m/s after having been above 2 m/s."""

    def __init__(self) -> None:
        self._rolling: dict[int, bool] = {}
        self._seen: set[int] = set()
        self._stops = 0
        self._delay_s = 0.0
        self._red_runs = 0
        self._distance_m = 0.0

    def observe(self, dt_s: float, vehicle: int, speed_mps: float, wished_mps: float) -> None:
        """Take in one vehicle in one step."""
        rolling = self._rolling.get(vehicle, False)
        if rolling and speed_mps < _STANDS_MPS:
            self._stops += 1
            self._rolling[vehicle] = False
        elif not rolling and speed_mps > _ROLLS_MPS:
            self._rolling[vehicle] = True
        self._seen.add(vehicle)
        self._distance_m += speed_mps * dt_s
        self._delay_s += max(0.0, 1.0 - speed_mps / wished_mps) * dt_s

    def red_run(self) -> None:
        """Somebody passed a stop line on red."""
        self._red_runs += 1

    def forget(self, present: set[int]) -> None:
        """Drop what is kept of vehicles that are not in `present`."""
        self._rolling = {i: r for i, r in self._rolling.items() if i in present}

    def travel(self) -> Travel:
        """The sums so far."""
        return Travel(len(self._seen), self._stops, self._delay_s, self._red_runs, self._distance_m)
