from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wayside.mec.world import TrackView

_SAME_WAY_COS = 0.5
_BESIDE_M = 1.0


class Queue(NamedTuple):
    """Vehicles one behind the other, the head first. length_m: from the head's front to the tail's back."""

    views: tuple[TrackView, ...]
    length_m: float


def leader_of(views: Sequence[TrackView], *, gap_m: float, side_m: float) -> NDArray[np.int64]:
    """For each vehicle the index of the nearest one ahead of it, shape (n,), -1 for none.

    gap_m: largest distance from bumper to bumper. side_m: largest offset to the side. Vehicles that point
    elsewhere, by more than 60°, are none.
    """
    if not views:
        return np.empty(0, np.int64)
    at = np.array([(v.x_m, v.y_m, v.yaw_rad, v.length_m) for v in views])
    dx = at[None, :, 0] - at[:, None, 0]
    dy = at[None, :, 1] - at[:, None, 1]
    cos, sin = np.cos(at[:, 2, None]), np.sin(at[:, 2, None])
    along = dx * cos + dy * sin
    gap = along - (at[:, 3, None] + at[None, :, 3]) / 2.0
    fits = (along > 0.0) & (gap > -_BESIDE_M) & (gap <= gap_m) & (np.abs(dy * cos - dx * sin) <= side_m)
    fits &= np.cos(at[None, :, 2] - at[:, 2, None]) > _SAME_WAY_COS
    np.fill_diagonal(fits, False)
    nearest = np.where(fits, gap, np.inf)
    leader = nearest.argmin(axis=1)
    return np.where(np.isfinite(nearest[np.arange(len(views)), leader]), leader, -1).astype(np.int64)


def queues_of(views: Sequence[TrackView], leaders: NDArray[np.int64]) -> list[Queue]:
    """The queues that leaders make, each vehicle in one; a single vehicle is a queue of one."""
    n = len(views)
    head = np.where(leaders < 0, np.arange(n), leaders)
    depth = (leaders >= 0).astype(np.int64)
    # A ring, which noise may make of vehicles side by side, ends here too, by the number of steps.
    for _ in range(max(n, 1).bit_length()):
        depth = depth + depth[head]
        head = head[head]
    members: dict[int, list[int]] = {}
    for row in np.argsort(depth, kind="stable").tolist():
        members.setdefault(int(head[row]), []).append(row)
    out: list[Queue] = []
    for rows in members.values():
        chain = tuple(views[row] for row in rows)
        first, last = chain[0], chain[-1]
        span_m = float(np.hypot(first.x_m - last.x_m, first.y_m - last.y_m))
        out.append(Queue(chain, span_m + (first.length_m + last.length_m) / 2.0))
    return out
