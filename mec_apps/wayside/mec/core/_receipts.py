from __future__ import annotations

from collections import OrderedDict

import msgspec

from wayside.clock import Clock, MonoNs
from wayside.link import Outcome, Receipt, Warning
from wayside.observe import Counters, LatencySamples, LatencySummary, Stage, TraceMark, stage_durations_ms

_LIMIT = 20_000
# A vehicle's estimate of the difference of the clocks may be off; by more than this it tells nothing.
_SLACK_NS = 1_000_000_000


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
    latency: a refresh is not news. What a vehicle says of its instants is held between the writing and now;
    one that is off by more than a second is counted as `implausible` and left out of the latency.
    """

    def __init__(self, counters: Counters, clock: Clock) -> None:
        self._counters = counters
        self._clock = clock
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
        plausible = True
        if receipt.outcome is Outcome.CALLED:
            now, offset = self._clock.mono(), receipt.edge_minus_vehicle_ns
            told = receipt.called_ns + offset
            received = min(max(receipt.received_ns + offset, entry.at), now)
            called = min(max(told, received), now)
            plausible = entry.at - _SLACK_NS <= told <= now + _SLACK_NS
            if not plausible:
                self._counters.count("receipts", "implausible")
            marks = (*marks, TraceMark(Stage.RECEIVED, received), TraceMark(Stage.CALLED, called))
            total_ms = (called - marks[0].at_ns) / 1e6
        latency_ms = stage_durations_ms(marks)
        if total_ms is not None and entry.first and plausible:
            self._sample(marks, latency_ms, total_ms)
        return DeliveredWarning(
            entry.subject, session, receipt.seq, receipt.outcome, entry.warning, marks, latency_ms, total_ms
        )

    def _sample(self, marks: tuple[TraceMark, ...], latency_ms: dict[str, float], total_ms: float) -> None:
        at = {mark.stage: mark.at_ns for mark in marks}
        if at.get(Stage.ARRIVED) == at.get(Stage.FUSED):
            # No input but time has brought it: it counts from the look before, which is one instant.
            self._stages.setdefault("brought_by_time", LatencySamples()).add_ms(total_ms)
            return
        for stage, milliseconds in (*latency_ms.items(), ("total", total_ms)):
            self._stages.setdefault(stage, LatencySamples()).add_ms(milliseconds)

    def latency(self) -> dict[str, LatencySummary]:
        """Stage → distribution, with `total`; apart `confirmation`, the chosen delay before the trigger, and
        `brought_by_time`, the total of dangers that no input but passing time has brought."""
        out = {stage: samples.summary() for stage, samples in self._stages.items()}
        out["confirmation"] = self.confirm.summary()
        return out
