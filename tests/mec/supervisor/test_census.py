"""Counts of all processes over their restarts."""

from __future__ import annotations

from wayside.clock import MonoNs, VirtualClock
from wayside.mec.ports import Others, Report
from wayside.mec.service._report import SummaryWindow
from wayside.mec.supervisor import Census
from wayside.observe import LatencySummary, ProcessSnapshot

SUMMARY = LatencySummary(1, 2.0, 3.0, 4.0)


def report(steps: int, lost: int = 0, **more: int) -> Report:
    snapshot = ProcessSnapshot("p", {"steps": {"": steps}}, {"edge": {"lost": lost}}, {"total": SUMMARY})
    return Report(snapshot, MonoNs(0), **more)


def test_counts_survive_a_restart() -> None:
    census = Census()
    census.take("core", report(3, 1, committed=10, waiting=2, boot=5))
    census.take("link", report(7))
    census.take("link", report(8))
    census.ended("core")
    census.ended("core")
    census.take("core", report(1, committed=4, waiting=6, boot=6))
    figures = census.figures("haihe")
    assert figures["counts"] == {"steps": {"": 12}}
    assert figures["dropped"] == {"edge": {"lost": 1}}
    assert figures["records"] == {"committed": 14, "waiting": 6}
    assert figures["boot"] == 6 and figures["latency"]["total"]["p99_ms"] == 3.0


def test_the_last_word_of_a_core_that_ended_counts() -> None:
    census = Census()
    census.take("core", report(3, committed=10, waiting=2, boot=5))
    census.ended("core")
    assert census.figures("haihe")["records"] == {"committed": 10, "waiting": 2}


def test_others_are_all_but_one() -> None:
    census = Census()
    census.take("core", report(3))
    census.take("link", report(7, 2))
    census.ended("link")
    census.take("side", report(1))
    assert census.others("core") == Others({"steps": {"": 8}}, {"edge": {"lost": 2}})


def test_a_summary_has_the_others_but_not_what_they_had_before(clock: VirtualClock) -> None:
    counts = {"steps": {"": 5}}
    window = SummaryWindow(clock, lambda: (counts, {}))
    window.rebase({"steps": {"": 3}}, {})
    counts = {"steps": {"": 9}}
    assert window.close({}).counts == {"steps": {"": 6}}
    counts = {"steps": {"": 10}, "cancels": {"": 1}}
    assert window.close({}).counts == {"steps": {"": 1}, "cancels": {"": 1}}
    assert window.close({}).counts == {}
