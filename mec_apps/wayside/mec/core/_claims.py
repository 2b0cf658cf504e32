from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import msgspec

from wayside.clock import MonoNs, UtcNs
from wayside.geo import LocalPlane
from wayside.mec.apps import HazardReport
from wayside.records import EventRecord


class ClaimRules(msgspec.Struct, frozen=True):
    """When a danger that an app reports is one that is known already. Source: own.

    reach_m: a danger of the same app this near to one that nobody reports now is that one: a track may break
    and begin anew. hold_s: a danger that nobody reports is over after this time. adopted_s: the same for
    those left open by the run before; longer than an app needs to find a stopped vehicle again.
    """

    reach_m: float = 8.0
    hold_s: float = 2.0
    adopted_s: float = 20.0


class _Known(msgspec.Struct):
    app: str
    x_m: float
    y_m: float
    seen: MonoNs
    seen_utc: UtcNs
    adopted: bool
    claimed_by: str = ""


class Claims:
    """Keeps one event one event: joins what the apps report now with what is open.

    An app names a danger by its track, and track numbers end with a track or with a run of the edge. The
    event goes on: a new subject claims the open, unclaimed event of the same app nearest to it within reach.
    """

    def __init__(self, rules: ClaimRules | None = None) -> None:
        self.rules = rules or ClaimRules()
        self._known: dict[str, _Known] = {}
        self._of_subject: dict[str, str] = {}
        self._counter = 0

    def adopt(self, events: Mapping[str, EventRecord], plane: LocalPlane, mono: MonoNs, utc: UtcNs) -> None:
        """Take over the events that the run before left open: ledger subject → event."""
        for name, event in events.items():
            x_m, y_m = plane.to_xy(event.lat_deg, event.lon_deg)
            self._known[name] = _Known(event.app, x_m, y_m, mono, utc, True)

    def claim(self, reports: Iterable[HazardReport], mono: MonoNs, utc: UtcNs, run: str) -> None:
        """Join the reports of a step with events; those without one begin one. run: name of this run."""
        fresh: list[HazardReport] = []
        live: set[str] = set()
        for report in reports:
            live.add(report.subject)
            name = self._of_subject.get(report.subject)
            if name is None:
                fresh.append(report)
            else:
                self._see(name, report, mono, utc)
        for subject in [s for s in self._of_subject if s not in live]:
            self._known[self._of_subject.pop(subject)].claimed_by = ""
        for report in fresh:
            if report.subject in self._of_subject:
                continue
            name = self._nearest(report) or self._new(report, run)
            self._of_subject[report.subject] = name
            self._known[name].claimed_by = report.subject
            self._see(name, report, mono, utc)

    def name_of(self, subject: str) -> str:
        """Ledger subject of a danger that was claimed in this step. Raises KeyError for any other."""
        return self._of_subject[subject]

    def lapsed(self, mono: MonoNs) -> list[tuple[str, UtcNs]]:
        """Ledger subjects that nobody has reported for too long, and when each was last seen; forgotten."""
        out = []
        for name, known in list(self._known.items()):
            limit_s = self.rules.adopted_s if known.adopted else self.rules.hold_s
            if not known.claimed_by and mono - known.seen >= limit_s * 1e9:
                del self._known[name]
                out.append((name, known.seen_utc))
        return out

    def _see(self, name: str, report: HazardReport, mono: MonoNs, utc: UtcNs) -> None:
        known = self._known[name]
        known.x_m, known.y_m, known.seen, known.seen_utc = report.x_m, report.y_m, mono, utc
        known.adopted = False

    def _nearest(self, report: HazardReport) -> str | None:
        best, best_m = None, self.rules.reach_m
        for name, known in self._known.items():
            if known.claimed_by or known.app != report.app:
                continue
            away_m = math.hypot(known.x_m - report.x_m, known.y_m - report.y_m)
            if away_m <= best_m:
                best, best_m = name, away_m
        return best

    def _new(self, report: HazardReport, run: str) -> str:
        self._counter += 1
        name = f"{report.app}/{run}-{self._counter}"
        self._known[name] = _Known(report.app, report.x_m, report.y_m, MonoNs(0), UtcNs(0), False)
        return name
