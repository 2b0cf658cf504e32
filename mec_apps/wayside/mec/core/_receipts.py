from __future__ import annotations

from collections import OrderedDict

import msgspec

from wayside.clock import MonoNs
from wayside.link import Outcome, Receipt, Warning
from wayside.observe import Counters, LatencySamples, LatencySummary, Stage, TraceMark, stage_durations_ms

_LIMIT = 20_000


class DeliveredWarning(msgspec.Struct, frozen=True):
    """What became of one warning frame at one vehicle.

    marks: all instants of its way on the edge's monotonic clock. latency_ms: stage → milliseconds, which
    sum to the total. total_ms: from the arrival of the detection to the driver's callback; None unless it
    was called.
    """

    subject: str
    session: str
    seq: int
    outcome: Outcome
    warning: Warning
    marks: tuple[TraceMark, ...]
    latency_ms: dict[str, float]
    total_ms: float | None


class _Written(msgspec.Struct):
    subject: str
    warning: Warning
    at: MonoNs
    first: bool


class ReceiptBook:
    """Joins what was written to a vehicle with what the vehicle says became of it.

    Keeps the newest 20,000 written frames; an older one, or a receipt of an unknown frame, is counted under
    `receipts` and otherwise ignored. Only the first frame of an event to a vehicle counts towards the
    latency: a refresh is not news.
    """

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._written: OrderedDict[tuple[str, int], _Written] = OrderedDict()
        self._stages: dict[str, LatencySamples] = {}
        self.confirm = LatencySamples()

    def wrote(
        self, session: str, seq: int, at: MonoNs, subject: str, warning: Warning, *, first: bool
    ) -> None:
        """Note a warning frame at the instant after it was handed to the socket."""
        self._written[session, seq] = _Written(subject, warning, at, first)
        if len(self._written) > _LIMIT:
            self._written.popitem(last=False)

    def received(self, session: str, receipt: Receipt) -> DeliveredWarning | None:
        """Take a receipt in; None when it belongs to no frame that is known."""
        entry = self._written.pop((session, receipt.seq), None)
        if entry is None:
            self._counters.count("receipts", "unknown_frame")
            return None
        self._counters.count("receipts", receipt.outcome.value)
        marks = (*entry.warning.marks, TraceMark(Stage.WRITTEN, entry.at))
        total_ms: float | None = None
        if receipt.outcome is Outcome.CALLED:
            offset = receipt.edge_minus_vehicle_ns
            received = max(receipt.received_ns + offset, entry.at)
            called = max(receipt.called_ns + offset, received)
            marks = (*marks, TraceMark(Stage.RECEIVED, received), TraceMark(Stage.CALLED, called))
            total_ms = (called - marks[0].at_ns) / 1e6
        latency_ms = stage_durations_ms(marks)
        if total_ms is not None and entry.first:
            for stage, milliseconds in (*latency_ms.items(), ("total", total_ms)):
                self._stages.setdefault(stage, LatencySamples()).add_ms(milliseconds)
        return DeliveredWarning(
            entry.subject, session, receipt.seq, receipt.outcome, entry.warning, marks, latency_ms, total_ms
        )

    def latency(self) -> dict[str, LatencySummary]:
        """Stage → distribution, with `total`, and `confirmation`, the chosen delay before the trigger."""
        out = {stage: samples.summary() for stage, samples in self._stages.items()}
        out["confirmation"] = self.confirm.summary()
        return out
