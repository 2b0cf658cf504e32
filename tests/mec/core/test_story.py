"""What an event's record says of the way of its warnings."""

from __future__ import annotations

import pytest

from wayside.clock import MonoNs, VirtualClock
from wayside.link import Action, Outcome, Place, Receipt, Severity, Warning, WarningKind
from wayside.mec.core import ReceiptBook
from wayside.mec.core._story import Story
from wayside.observe import STAGES, Counters, TraceMark
from wayside.records import EventRecord, EventState


def test_the_latency_of_a_record_is_by_stage_and_nothing_else() -> None:
    clock = VirtualClock()
    begun = clock.mono() - 20_000_000
    marks = tuple(TraceMark(stage, begun + n * 1_000_000) for n, stage in enumerate(STAGES[:5]))
    warning = Warning(
        WarningKind.HAZARDOUS_LOCATION, Severity.URGENT, "e", "t", Place(0.0, 0.0), Action.STOP, marks=marks
    )
    book = ReceiptBook(Counters(), clock)
    book.wrote("s", 1, MonoNs(begun + 5_000_000), "hlw/1", warning, first=True)
    clock.advance(0.01)
    delivered = book.received("s", Receipt(1, "t", Outcome.CALLED, begun + 6_000_000, begun + 7_000_000, 0))
    assert delivered is not None
    story = Story(clock)
    story.delivered(delivered)
    event = EventRecord(
        event_id="e", revision=1, state=EventState.OPEN, kind="hlw", severity=3, lat_deg=0.0, lon_deg=0.0,
        opened_utc_ns=clock.utc(), closed_utc_ns=None, app="hlw", trace_id="t",
    )  # fmt: skip
    told = story.facts_again(event, "hlw/1").latency_ms
    assert set(told) == set(STAGES[1:])
    assert sum(told.values()) == pytest.approx(7.0)
