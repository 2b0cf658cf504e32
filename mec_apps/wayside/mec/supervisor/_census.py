from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from wayside.mec.ports import Others, Report
from wayside.observe import sum_counts

Nested = dict[str, dict[str, int]]


class Census:
    """What all processes of the edge have counted in this run, over their restarts.

    Give it each report, and say when a process has ended: what its last report said is kept then.
    """

    def __init__(self) -> None:
        self.reports: dict[str, Report] = {}
        self._counts: dict[str, Nested] = {}
        self._dropped: dict[str, Nested] = {}
        self._committed = 0
        self._core: Report | None = None

    def take(self, name: str, report: Report) -> None:
        """The newest report of a process."""
        self.reports[name] = report
        if name == "core":
            self._core = report

    def ended(self, name: str) -> None:
        """A process is gone; the next of its name counts anew."""
        report = self.reports.pop(name, None)
        if report is None:
            return
        self._counts[name] = sum_counts(self._counts.get(name, {}), report.snapshot.counts)
        self._dropped[name] = sum_counts(self._dropped.get(name, {}), report.snapshot.dropped)
        self._committed += report.committed

    def others(self, name: str) -> Others:
        """What all but one process have counted."""
        return Others(
            self._sum(self._counts, "counts", but=name), self._sum(self._dropped, "dropped", but=name)
        )

    def figures(self, site: str) -> dict[str, Any]:
        """What the run came to, JSON-able: records, counts, drops, and the core's latency."""
        core = self._core
        latency = {} if core is None else core.snapshot.latency
        return {
            "site": site,
            "boot": 0 if core is None else core.boot,
            "records": {
                "committed": self._committed + sum(r.committed for r in self.reports.values()),
                "waiting": 0 if core is None else core.waiting,
            },
            "counts": self._sum(self._counts, "counts"),
            "dropped": self._sum(self._dropped, "dropped"),
            "latency": msgspec.to_builtins(latency),
        }

    def _sum(self, past: Mapping[str, Nested], field: str, but: str = "") -> Nested:
        now = ((name, getattr(report.snapshot, field)) for name, report in self.reports.items())
        return sum_counts(*(nested for name, nested in (*past.items(), *now) if name != but))
