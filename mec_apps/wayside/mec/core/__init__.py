"""The edge's core: from what arrives to what is said, without sockets, disk or timers."""

from __future__ import annotations

from wayside.mec.core._claims import ClaimRules, Claims
from wayside.mec.core._core import APPS, EdgeCore, StepResult
from wayside.mec.core._inputs import RadioInputs
from wayside.mec.core._live import lanes_of_groups, live_sensors, live_view
from wayside.mec.core._reasons import EdgeReason
from wayside.mec.core._receipts import DeliveredWarning, ReceiptBook

__all__ = [
    "APPS",
    "ClaimRules",
    "Claims",
    "DeliveredWarning",
    "EdgeCore",
    "EdgeReason",
    "RadioInputs",
    "ReceiptBook",
    "StepResult",
    "lanes_of_groups",
    "live_sensors",
    "live_view",
]
