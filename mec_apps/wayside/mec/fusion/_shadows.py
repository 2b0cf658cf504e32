from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_OVERLAP = 0.35
_LIKE_SPEED_MPS = 5.0


def shadows(vehicles: Floats, others: Floats) -> NDArray[np.bool_]:
    """Which of `others` lie so deep inside a vehicle, at its speed, that they can only be the vehicle itself.

    Both have rows x, y, vx, vy, length, width, and vehicles a yaw besides: shapes (n, 7) and (m, 6). Two
    bodies cannot overlap by as much as 0.3 of their lengths and widths together.
    """
    if not len(vehicles) or not len(others):
        return np.zeros(len(others), dtype=bool)
    gap = others[None, :, :4] - vehicles[:, None, :4]
    ux, uy = np.cos(vehicles[:, 6, None]), np.sin(vehicles[:, 6, None])
    along = np.abs(ux * gap[..., 0] + uy * gap[..., 1])
    across = np.abs(ux * gap[..., 1] - uy * gap[..., 0])
    size = vehicles[:, None, 4:6] + others[None, :, 4:6]
    inside = (along < _OVERLAP * size[..., 0]) & (across < _OVERLAP * size[..., 1])
    inside &= np.hypot(gap[..., 2], gap[..., 3]) < _LIKE_SPEED_MPS
    return np.asarray(inside.any(axis=0), dtype=np.bool_)
