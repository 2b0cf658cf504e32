from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayside.clock import VirtualClock
from wayside.observe import (
    STAGES,
    Counters,
    LatencySamples,
    Reason,
    Stage,
    TraceMark,
    WaysideError,
    new_trace_id,
    stage_durations_ms,
    timer_lateness,
)


class Colour(Reason, stage="test_observe"):
    PALE = "pale"


class PaintError(WaysideError):
    advice_default = "use another brush"


def test_counters_keep_counts_and_drops_apart() -> None:
    counters = Counters()
    counters.count("messages", "SPAT", by=3)
    counters.count("messages", "MAP")
    counters.drop(Colour.PALE, by=2)
    assert counters.value("messages", "SPAT") == 3
    assert counters.counts() == {"messages": {"MAP": 1, "SPAT": 3}}
    assert counters.dropped(Colour.PALE) == 2
    assert counters.drops() == {"test_observe": {"pale": 2}}


def test_an_error_says_what_where_why_and_what_to_do() -> None:
    error = PaintError(Colour.PALE, "too little pigment", where="wall[2].north")
    assert str(error) == "wall[2].north: too little pigment [pale]; use another brush"
    assert str(PaintError(Colour.PALE, "dry", advice="add water")) == "dry [pale]; add water"


def test_percentiles_by_nearest_rank() -> None:
    samples = LatencySamples()
    assert samples.summary().count == 0
    for n in range(100, 0, -1):
        samples.add_ms(float(n))
    summary = samples.summary()
    assert (summary.count, summary.p50_ms, summary.p99_ms, summary.max_ms) == (100, 50.0, 99.0, 100.0)


async def test_timer_lateness_measures_what_a_sleep_took_too_long() -> None:
    class Late(VirtualClock):
        async def sleep(self, seconds: float) -> None:
            await asyncio.sleep(0)
            self.advance(seconds + 0.002)

    samples = LatencySamples(limit=50)
    probe = asyncio.create_task(timer_lateness(Late(), samples))
    for _ in range(20):
        await asyncio.sleep(0)
    probe.cancel()
    assert samples.summary().count >= 5
    assert samples.summary().p50_ms == pytest.approx(2.0)


@given(st.sets(st.sampled_from(STAGES), min_size=1), st.data())
def test_the_stages_sum_to_the_total(present: set[Stage], data: st.DataObject) -> None:
    at = 10**15
    marks = []
    for stage in STAGES:
        if stage in present:
            at += data.draw(st.integers(0, 10**9))
            marks.append(TraceMark(stage, at))
    durations = stage_durations_ms(marks)
    assert sum(durations.values()) == pytest.approx((marks[-1].at_ns - marks[0].at_ns) / 1e6, abs=1e-3)
    assert all(ms >= 0 for ms in durations.values())


def test_a_mark_that_lies_before_its_predecessor_counts_as_no_time() -> None:
    marks = [
        TraceMark(Stage.WRITTEN, 2_000_000),
        TraceMark(Stage.RECEIVED, 1_900_000),
        TraceMark(Stage.CALLED, 2_500_000),
    ]
    assert stage_durations_ms(marks) == {"received": 0.0, "called": 0.5}


def test_trace_ids_do_not_repeat() -> None:
    ids = {new_trace_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(len(i) == 16 for i in ids)
