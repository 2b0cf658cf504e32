from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray

from wayside.mec.fusion._associate import associate, expected
from wayside.mec.fusion._filter import predict, update
from wayside.mec.fusion._measurement import BODY, CLASSES, PEDESTRIAN, Measurement
from wayside.mec.fusion._settings import TrackerSettings
from wayside.mec.fusion._state import (
    BORN_S,
    BORN_SERIAL,
    CONFIRMED,
    HITS,
    ID,
    LAST_SERIAL,
    LENGTH,
    LIVELY_S,
    SCORE,
    SEEN_S,
    SIZES,
    SOURCES,
    SOURCES_BEFORE,
    VALUES,
    WIDTH,
    YAW,
    YAW_KNOWN,
    TrackState,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_BIRTH_SCORE = 3.0
_SOURCE_SLOT_S = 0.5
# Length and width until a sensor says more, per class.
_SIZES = np.array(
    [
        {
            "pedestrian": (0.5, 0.5),
            "bicycle": (1.8, 0.6),
            "motorcycle": (2.2, 0.8),
            "truck": (9.0, 2.5),
            "bus": (12.0, 2.55),
        }.get(kind.value, (4.5, 1.8))
        for kind in CLASSES
    ]
)


class Ids:
    """Track identities: each number once, for the life of the process."""

    def __init__(self) -> None:
        self._next = itertools.count(1)

    def take(self) -> int:
        """A number never given before."""
        return next(self._next)


class Tracker:
    """Multi-object tracker: constant-velocity Kalman filters as arrays, existence by log-odds.

    Scans must come in the order of their time; `Rollback` sees to that. Pure and deterministic. `births`
    remembers which detection began which track, so that a repeated scan gives the same identities.
    """

    def __init__(self, settings: TrackerSettings, ids: Ids) -> None:
        self.settings = settings
        self.state = TrackState()
        self.births: dict[tuple[int, int], int] = {}
        self.refused_births = 0
        self._ids = ids

    def scan(self, time_s: float, scan: Measurement, serial: int, source_bit: int) -> None:
        """Take one scan. serial: its number in the order of arrival. source_bit: of its sensor, 0..61."""
        state, settings = self.state, self.settings
        recent = state.values[:, SEEN_S] > time_s - settings.coast_s
        if not recent.all():
            state.keep(recent)
        predict(state, time_s, settings)
        self._rotate_sources(time_s)
        tracks, detections, near = associate(state, scan, settings)
        if len(tracks):
            update(state, tracks, scan, detections, settings)
            marks = state.marks
            marks[tracks, LAST_SERIAL] = np.maximum(marks[tracks, LAST_SERIAL], serial)
            marks[tracks, BORN_SERIAL] = np.minimum(marks[tracks, BORN_SERIAL], serial)
            marks[tracks, SOURCES] |= 1 << source_bit
        if len(tracks) < len(state):
            hit = np.zeros(len(state), dtype=bool)
            hit[tracks] = True
            missed = np.flatnonzero(~hit)
            seen = expected(state, scan.view, missed)
            state.values[missed[seen], SCORE] += math.log(1.0 - settings.miss)
        values = state.values
        np.minimum(values[:, SCORE], settings.max_score, out=values[:, SCORE])
        ready = (values[:, SCORE] >= settings.confirm_score) & (values[:, HITS] >= settings.confirm_hits)
        values[ready, CONFIRMED] = 1.0
        fresh = np.ones(len(scan), dtype=bool)
        fresh[detections] = False
        fresh &= ~near
        if fresh.any():
            self._birth(np.flatnonzero(fresh), time_s, scan, serial, source_bit)
        self._prune()

    def _rotate_sources(self, time_s: float) -> None:
        slot = math.floor(time_s / _SOURCE_SLOT_S)
        state = self.state
        if slot != state.slot:
            state.marks[:, SOURCES_BEFORE] = state.marks[:, SOURCES] if slot == state.slot + 1 else 0
            state.marks[:, SOURCES] = 0
            state.slot = slot

    def _birth(self, j: Ints, time_s: float, scan: Measurement, serial: int, source_bit: int) -> None:
        settings = self.settings
        room = settings.max_tracks - len(self.state)
        if len(j) > room:
            self.refused_births += len(j) - max(room, 0)
            j = j[: max(room, 0)]
        n = len(j)
        if not n:
            return
        kind, xy = scan.kind[j], scan.xy[j]
        x = np.zeros((n, 4))
        x[:, :2] = xy
        cov = np.zeros((n, 4, 4))
        cov[:, :2, :2] = scan.cov[j]
        speed = np.where(kind == PEDESTRIAN, settings.ped_birth_speed_mps, settings.birth_speed_mps)
        cov[:, 2, 2] = cov[:, 3, 3] = speed**2
        if scan.has_range_rate:
            away = xy - (scan.view.x_m, scan.view.y_m)
            away /= np.hypot(away[:, 0], away[:, 1])[:, None] + 1e-6
            x[:, 2:] = away * np.nan_to_num(scan.range_rate[j])[:, None]
        if scan.has_velocity:
            given = _whole(scan.velocity[j])
            x[given, 2:] = scan.velocity[j[given]]
            cov[given, 2, 2] = cov[given, 3, 3] = (2.0 * settings.velocity_std_mps) ** 2
        values = np.zeros((n, VALUES))
        values[:, SCORE] = _BIRTH_SCORE * scan.confidence[j]
        values[:, HITS] = 1.0
        sized = _whole(scan.size[j])
        size = np.where(sized[:, None], scan.size[j], _SIZES[kind])
        values[:, LENGTH], values[:, WIDTH] = size[:, 0], size[:, 1]
        values[:, SIZES] = sized
        turned = np.isfinite(scan.yaw[j])
        values[:, YAW] = np.where(turned, scan.yaw[j], 0.0)
        values[:, YAW_KNOWN] = turned
        values[:, SEEN_S] = values[:, BORN_S] = time_s
        values[:, LIVELY_S] = time_s + settings.young_s
        marks = np.zeros((n, 5), dtype=np.int64)
        marks[:, ID] = [self._identity(serial, int(k)) for k in j]
        marks[:, BORN_SERIAL] = marks[:, LAST_SERIAL] = serial
        marks[:, SOURCES] = 1 << source_bit
        votes = np.zeros((n, len(CLASSES)))
        votes[np.arange(n), kind] = np.where(kind > 0, scan.confidence[j], 0.0)
        self.state.append(x, cov, values, marks, votes)

    def _identity(self, serial: int, detection: int) -> int:
        found = self.births.get((serial, detection))
        if found is None:
            found = self.births[serial, detection] = self._ids.take()
        return found

    def _prune(self) -> None:
        state, settings = self.state, self.settings
        if not len(state):
            return
        values = state.values
        keep = values[:, SCORE] > 0.0
        keep &= state.cov[:, 0, 0] + state.cov[:, 1, 1] < settings.coarse_m**2 * 4.0
        self._drop_doubles(keep)
        if not keep.all():
            state.keep(keep)

    def _drop_doubles(self, keep: NDArray[np.bool_]) -> None:
        """Of two tracks on one body, drop the one with fewer hits: any close pair while one is unconfirmed,
        and two vehicles that overlap as no two vehicles can."""
        state = self.state
        rows = np.flatnonzero(keep)
        if len(rows) < 2:
            return
        xy = state.x[rows, :2]
        dx = xy[:, None, 0] - xy[None, :, 0]
        dy = xy[:, None, 1] - xy[None, :, 1]
        a, b = np.nonzero(np.triu(dx * dx + dy * dy < 1.5**2, 1))
        if not len(a):
            return
        distance = np.hypot(dx[a, b], dy[a, b])
        a, b = rows[a], rows[b]
        dv = state.x[a, 2:] - state.x[b, 2:]
        like_speed = np.hypot(dv[:, 0], dv[:, 1]) < 3.0
        body = BODY[state.kinds()]
        both_known = (body[a] > 0) & (body[b] > 0)
        unlike = both_known & (np.abs(body[a] - body[b]) >= 2)
        values = state.values
        fewer = values[a, HITS] < values[b, HITS]
        young = np.where(fewer, a, b)
        unconfirmed = (values[young, CONFIRMED] == 0) & (distance < 1.2)
        vehicles = (body[a] == 1) & (body[b] == 1)
        drop = like_speed & ~unlike & (unconfirmed | vehicles)
        keep[young[drop]] = False


def _whole(pairs: Floats) -> NDArray[np.bool_]:
    """Rows of (n, 2) in which both numbers are given."""
    return np.isfinite(pairs[:, 0]) & np.isfinite(pairs[:, 1])
