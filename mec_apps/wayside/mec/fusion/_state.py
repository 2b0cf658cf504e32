from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wayside.mec.fusion._measurement import CLASSES

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Columns of `values`.
SCORE, HITS, LENGTH, WIDTH, SIZES, YAW, YAW_KNOWN, AX, AY, SEEN_S, BORN_S, CONFIRMED = range(12)
PULL_X, PULL_Y, LIVELY_S = range(12, 15)
VALUES = 15
# Columns of `marks`.
ID, BORN_SERIAL, LAST_SERIAL, SOURCES, SOURCES_BEFORE = range(5)


class TrackState:
    """All tracks at one instant, n rows.

    time_s: instant. x (n, 4): x, y, vx, vy. cov (n, 4, 4). values (n, 15) and marks (n, 5): columns named
    above. votes (n, number of classes). Rows keep their order; functions that drop or add rows make new
    arrays.
    """

    __slots__ = ("cov", "marks", "slot", "time_s", "values", "votes", "x")

    def __init__(self) -> None:
        self.time_s: float | None = None
        self.slot = 0
        self.x: Floats = np.zeros((0, 4))
        self.cov: Floats = np.zeros((0, 4, 4))
        self.values: Floats = np.zeros((0, VALUES))
        self.marks: Ints = np.zeros((0, 5), dtype=np.int64)
        self.votes: Floats = np.zeros((0, len(CLASSES)))

    def __len__(self) -> int:
        return len(self.x)

    def copy(self) -> TrackState:
        """An independent copy."""
        other = TrackState()
        other.time_s, other.slot = self.time_s, self.slot
        other.x, other.cov = self.x.copy(), self.cov.copy()
        other.values, other.marks, other.votes = self.values.copy(), self.marks.copy(), self.votes.copy()
        return other

    def keep(self, rows: NDArray[np.bool_]) -> None:
        """Drop the rows that are False."""
        self.x, self.cov = self.x[rows], self.cov[rows]
        self.values, self.marks, self.votes = self.values[rows], self.marks[rows], self.votes[rows]

    def append(self, x: Floats, cov: Floats, values: Floats, marks: Ints, votes: Floats) -> None:
        """Add rows at the end."""
        self.x, self.cov = np.concatenate((self.x, x)), np.concatenate((self.cov, cov))
        self.values = np.concatenate((self.values, values))
        self.marks = np.concatenate((self.marks, marks))
        self.votes = np.concatenate((self.votes, votes))

    def kinds(self) -> Ints:
        """Index into CLASSES with most votes, 0 (unknown) without any."""
        found: Ints = self.votes.argmax(axis=1)
        return found
