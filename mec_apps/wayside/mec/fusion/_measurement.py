from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wayside.mec.fusion._settings import SensorView
from wayside.mec.sensors import Detection, ParticipantClass

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CLASSES: tuple[ParticipantClass, ...] = tuple(ParticipantClass)
_INDEX = {kind: index for index, kind in enumerate(CLASSES)}
# Kind of body: 0 unknown, 1 on four wheels or more, 2 on two wheels, 3 on foot. 1 and 3 are never confused.
BODY = np.array(
    [{"unknown": 0, "motorcycle": 2, "bicycle": 2, "pedestrian": 3}.get(kind.value, 1) for kind in CLASSES]
)
PEDESTRIAN = _INDEX[ParticipantClass.PEDESTRIAN]
BICYCLE = _INDEX[ParticipantClass.BICYCLE]


class Measurement:
    """A scan as arrays for the tracker, m rows, row order that of the scan.

    xy (m, 2) m; cov (m, 2, 2) m²; range_rate (m,), velocity (m, 2), size (m, 2) length and width,
    yaw (m,): nan where absent; kind (m,) index into CLASSES; confidence (m,).
    """

    __slots__ = (
        "confidence",
        "cov",
        "has_range_rate",
        "has_size",
        "has_velocity",
        "has_yaw",
        "kind",
        "range_rate",
        "size",
        "velocity",
        "view",
        "xy",
        "yaw",
    )

    def __init__(self, view: SensorView, detections: Sequence[Detection]) -> None:
        m = len(detections)
        nan = math.nan
        table = np.array(
            [
                (
                    d.x_m,
                    d.y_m,
                    *(d.std_m or view.std_m),
                    nan if d.range_rate_mps is None else d.range_rate_mps,
                    nan if d.vx_mps is None else d.vx_mps,
                    nan if d.vy_mps is None else d.vy_mps,
                    nan if d.length_m is None else d.length_m,
                    nan if d.width_m is None else d.width_m,
                    nan if d.yaw_rad is None else d.yaw_rad,
                    d.confidence,
                    _INDEX[d.kind],
                )
                for d in detections
            ],
            dtype=np.float64,
        ).reshape(m, 12)
        self.view = view
        self.xy: Floats = table[:, 0:2]
        self.range_rate: Floats = table[:, 4]
        self.velocity: Floats = table[:, 5:7]
        self.size: Floats = table[:, 7:9]
        self.yaw: Floats = table[:, 9]
        self.confidence: Floats = table[:, 10]
        self.kind: Ints = table[:, 11].astype(np.int64)
        self.cov = _covariances(self.xy - (view.x_m, view.y_m), table[:, 2:4])
        self.has_range_rate = bool(np.isfinite(self.range_rate).any())
        self.has_velocity = bool(np.isfinite(self.velocity).any())
        self.has_size = bool(np.isfinite(self.size).any())
        self.has_yaw = bool(np.isfinite(self.yaw).any())

    def __len__(self) -> int:
        return len(self.xy)


def _covariances(away: Floats, std: Floats) -> Floats:
    """Covariances (m, 2, 2) of deviations `std` along and across the line of sight `away` (m, 2)."""
    unit = away / (np.hypot(away[:, 0], away[:, 1])[:, None] + 1e-9)
    along, across = std[:, 0] ** 2, std[:, 1] ** 2
    ux, uy = unit[:, 0], unit[:, 1]
    out = np.empty((len(away), 2, 2))
    # A sensor that stands on the object itself has no line of sight: then both axes count alike.
    lost = ux * ux + uy * uy < 0.5
    out[:, 0, 0] = np.where(lost, along, along * ux * ux + across * uy * uy)
    out[:, 1, 1] = np.where(lost, along, along * uy * uy + across * ux * ux)
    out[:, 0, 1] = out[:, 1, 0] = np.where(lost, 0.0, (along - across) * ux * uy)
    return out
