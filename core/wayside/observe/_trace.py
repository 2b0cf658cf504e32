from __future__ import annotations

import secrets
from collections.abc import Iterable
from enum import StrEnum
from typing import Any

import msgspec


class Stage(StrEnum):
    """Marks on the way of a warning, in order; each is the instant at which that step was complete.

    The time of a step is the difference to the mark before it, so the steps sum to the total. Delays that
    are chosen rather than suffered (re-ordering, confirmation) are reported apart: latency counts from the
    arrival of the detection that first satisfies the trigger.
    """

    ARRIVED = "arrived"
    INGESTED = "ingested"
    FUSED = "fused"
    DECIDED = "decided"
    SELECTED = "selected"
    WRITTEN = "written"
    RECEIVED = "received"
    CALLED = "called"


STAGES: tuple[Stage, ...] = tuple(Stage)


class TraceMark(msgspec.Struct, frozen=True, array_like=True):
    """One instant on the way: `at_ns` is monotonic on the host that set it (see `Stage`)."""

    stage: Stage
    at_ns: int


class TraceStep(msgspec.Struct, frozen=True):
    """One explained step of a warning's way: who, what, and the values it worked on.

    name: detection, track, app, selection, frame, callback, record. detail: names to JSON-able values with
    units in the names.
    """

    name: str
    at_utc_ns: int
    detail: dict[str, Any]


def new_trace_id() -> str:
    """Random 64-bit identity as 16 lower-case hex digits."""
    return secrets.token_hex(8)


def stage_durations_ms(marks: Iterable[TraceMark]) -> dict[str, float]:
    """Milliseconds spent in each stage, keyed by the stage that ended, from marks of one host.

    A missing mark gives its time to the next one that is there. Marks out of order count as 0 for the
    later stage and are never negative.
    """
    at = {mark.stage: mark.at_ns for mark in marks}
    out: dict[str, float] = {}
    previous: int | None = None
    for stage in STAGES:
        if stage not in at:
            continue
        if previous is not None:
            out[stage.value] = max(0, at[stage] - previous) / 1e6
        previous = at[stage] if previous is None else max(previous, at[stage])
    return out
