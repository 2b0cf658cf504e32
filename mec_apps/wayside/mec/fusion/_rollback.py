from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from wayside.mec.fusion._measurement import Measurement
from wayside.mec.fusion._settings import TrackerSettings
from wayside.mec.fusion._state import ID, TrackState
from wayside.mec.fusion._tracker import Ids, Tracker

_LATE_IN_A_ROW = 20
_RENAME_M = 2.0


class _Logged(NamedTuple):
    """A scan in its place by time. before: tracks when it was used, None while it still waits."""

    time_s: float
    order: tuple[int, int]
    scan: Measurement
    serial: int
    before: TrackState | None

    def key(self) -> tuple[float, tuple[int, int]]:
        return self.time_s, self.order


class Rollback:
    """Gives a tracker its scans in the order of measurement, without waiting for late ones.

    Each scan is used at the next look at the state, which is as soon as the apps look. One that is older
    than scans already used restores the state before it and repeats what followed, as long as it lies within
    the horizon; several that came between two looks are put in together. The result depends on the set of
    scans, not on the order of their arrival. No delay is chosen, so none is added to the latency. A track
    keeps its identity over a repetition. Where scans of all sensors are too old for a while (the clock was
    set back), everything is begun anew.
    """

    def __init__(self, settings: TrackerSettings, ids: Ids) -> None:
        self.tracker = Tracker(settings, ids)
        self.resets = 0
        self.replayed = 0
        self._settings = settings
        self._ids = ids
        self._log: list[_Logged] = []
        # Newest scan that is no longer in the log: nothing can be put in before it.
        self._floor: tuple[float, tuple[int, int]] = (-math.inf, (0, 0))
        self._late_in_a_row = 0
        # First entry of the log that waits to be used, and the state before it.
        self._waiting_from: int | None = None
        self._base: TrackState | None = None

    @property
    def state(self) -> TrackState:
        """Tracks after the newest scan."""
        self.settle()
        return self.tracker.state

    def states(self) -> Iterator[TrackState]:
        """The state after the newest scan, and each that a later repetition may begin with."""
        self.settle()
        yield self.tracker.state
        for entry in self._log:
            assert entry.before is not None
            yield entry.before

    def oldest_serial(self) -> int | None:
        """Smallest serial that a later repetition may still need."""
        return min((entry.serial for entry in self._log), default=None)

    def add(self, time_s: float, order: tuple[int, int], scan: Measurement, serial: int) -> bool:
        """Use a scan; False when it is too late. order: sensor's index and the scan's number, which decide
        between scans of the same instant; the index is the sensor's source bit."""
        log = self._log
        at = len(log)
        while at and log[at - 1].key() > (time_s, order):
            at -= 1
        if log and (time_s < log[-1].time_s - self._settings.horizon_s or (time_s, order) < self._floor):
            return self._late(time_s, order, scan, serial)
        self._late_in_a_row = 0
        entry = _Logged(time_s, order, scan, serial, None)
        if self._waiting_from is None:
            self._waiting_from = at
            self._base = log[at].before if at < len(log) else None
        elif at < self._waiting_from:
            self._waiting_from, self._base = at, log[at].before
        log.insert(at, entry)
        self._forget()
        return True

    def settle(self) -> None:
        """Use the scans that wait, and repeat those behind them."""
        if self._waiting_from is None:
            return
        known = self.tracker.state
        waiting = self._log[self._waiting_from :]
        del self._log[self._waiting_from :]
        again = self._base is not None
        if self._base is not None:
            self.tracker.state = self._base
        self._waiting_from = self._base = None
        for entry in waiting:
            self._use(entry)
        self.replayed += sum(entry.before is not None for entry in waiting)
        if again:
            self._rename(known)

    def _use(self, entry: _Logged) -> None:
        self._log.append(entry._replace(before=self.tracker.state.copy()))
        self.tracker.scan(entry.time_s, entry.scan, entry.serial, entry.order[0])

    def _rename(self, known: TrackState) -> None:
        """Give a track that was begun by another detection this time the identity it had before."""
        state = self.tracker.state
        old_rows = np.flatnonzero(~np.isin(known.marks[:, ID], state.marks[:, ID]))
        new_rows = np.flatnonzero(~np.isin(state.marks[:, ID], known.marks[:, ID]))
        for row in old_rows:
            if not len(new_rows):
                return
            away = state.x[new_rows, :2] - known.x[row, :2]
            distance = np.hypot(away[:, 0], away[:, 1])
            nearest = int(np.argmin(distance))
            if distance[nearest] > _RENAME_M:
                continue
            given, had = int(state.marks[new_rows[nearest], ID]), int(known.marks[row, ID])
            for each in (state, *(entry.before for entry in self._log if entry.before is not None)):
                was_given, was_had = each.marks[:, ID] == given, each.marks[:, ID] == had
                each.marks[was_given, ID], each.marks[was_had, ID] = had, given
            for birth, identity in self.tracker.births.items():
                if identity == given:
                    self.tracker.births[birth] = had
                elif identity == had:
                    self.tracker.births[birth] = given
            new_rows = np.delete(new_rows, nearest)

    def _late(self, time_s: float, order: tuple[int, int], scan: Measurement, serial: int) -> bool:
        self._late_in_a_row += 1
        if self._late_in_a_row < _LATE_IN_A_ROW:
            return False
        self.tracker = Tracker(self._settings, self._ids)
        self._log.clear()
        self._floor = (-math.inf, (0, 0))
        self._late_in_a_row = 0
        self._waiting_from = self._base = None
        self.resets += 1
        self._use(_Logged(time_s, order, scan, serial, None))
        return True

    def _forget(self) -> None:
        log = self._log
        drop = max(0, len(log) - self._settings.log_scans)
        oldest = log[-1].time_s - self._settings.horizon_s
        while log[drop].time_s < oldest:
            drop += 1
        if drop:
            if self._waiting_from is not None and drop > self._waiting_from:
                self.settle()
            self._floor = log[drop - 1].key()
            del log[:drop]
            if self._waiting_from is not None:
                self._waiting_from -= drop
        serials = {entry.serial for entry in log}
        births = self.tracker.births
        if len(births) > 64:
            self.tracker.births = {key: value for key, value in births.items() if key[0] in serials}
