from __future__ import annotations

from collections.abc import Iterable

from wayside.clock import Clock, MonoNs, UtcNs
from wayside.mec.core._receipts import DeliveredWarning
from wayside.mec.rollup import EventFacts
from wayside.observe import Stage, TraceStep
from wayside.records import EventRecord

# A record explains the first vehicles in full; how many more were warned stands in `warned`.
_STEPS = 32


class Story:
    """Explains each open event step by step: from the detection to what the drivers' units did."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._steps: dict[str, list[TraceStep]] = {}
        self._latency_ms: dict[str, dict[str, float]] = {}

    def tell(self, subject: str, steps: Iterable[TraceStep]) -> None:
        """Add steps of an event."""
        told = self._steps.setdefault(subject, [])
        for step in steps:
            if len(told) < _STEPS:
                told.append(step)

    def delivered(self, delivered: DeliveredWarning) -> None:
        """Add what a vehicle did with a warning: when its frame was written, and its receipt."""
        at = {mark.stage: mark.at_ns for mark in delivered.marks}
        about = {"session": delivered.session, "seq": delivered.seq}
        severity = {"severity": int(delivered.warning.severity)}
        steps = [TraceStep("frame", self._utc(at[Stage.WRITTEN]), {**about, **severity})]
        if Stage.CALLED in at:
            latency = {f"{stage}_ms": round(ms, 3) for stage, ms in delivered.latency_ms.items()}
            total = {"total_ms": round(delivered.total_ms or 0.0, 3)}
            steps.append(
                TraceStep(
                    "callback",
                    self._utc(at[Stage.CALLED]),
                    {**about, "outcome": delivered.outcome.value, **latency, **total},
                )
            )
            self._latency_ms.setdefault(delivered.subject, delivered.latency_ms)
        else:
            steps.append(
                TraceStep("callback", self._clock.utc(), {**about, "outcome": delivered.outcome.value})
            )
        self.tell(delivered.subject, steps)

    def of(self, subject: str) -> tuple[TraceStep, ...]:
        """Steps of an event so far."""
        return tuple(self._steps.get(subject, ()))

    def facts_again(self, event: EventRecord, subject: str) -> EventFacts:
        """What is known of an event, with its story as it stands now."""
        return EventFacts(
            kind=event.kind,
            severity=event.severity,
            lat_deg=event.lat_deg,
            lon_deg=event.lon_deg,
            app=event.app,
            trace_id=event.trace_id,
            lane=event.lane,
            warned=event.warned,
            evidence=event.evidence,
            latency_ms=self._latency_ms.get(subject, {}),
            trace=self.of(subject),
        )

    def end(self, subject: str) -> None:
        """Forget an event."""
        self._steps.pop(subject, None)
        self._latency_ms.pop(subject, None)

    def _utc(self, mono_ns: int) -> UtcNs:
        return UtcNs(self._clock.utc() - (self._clock.mono() - MonoNs(mono_ns)))
