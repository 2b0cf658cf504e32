from __future__ import annotations

from typing import Any

import msgspec

from wayside.clock import Clock, MonoNs
from wayside.mec.ports import Family, Lack, ProcessState
from wayside.observe import ProcessSnapshot, metrics_text

# A process reports twice a second; one that has not for so long does not turn its loop.
ANSWER_S = 5.0
PROCESSES = ("core", "link", "side")


class Health:
    """Whether the edge lives and is ready, from what its processes report. Pure but for the clock.

    Alive: each of the three processes is up and has answered within 5 s. Ready: alive, and nothing that
    blocks is lacking: at least one sensor is heard (where there are any), the link listens, the outbox takes
    records, the processes have each other.
    """

    def __init__(self, site: str, clock: Clock) -> None:
        self._site = site
        self._clock = clock
        self._family = Family(())

    def take(self, family: Family) -> None:
        """How the processes do now."""
        self._family = family

    def alive(self) -> tuple[bool, dict[str, Any]]:
        """Whether the edge lives, and each process with its age since it answered, seconds."""
        now = self._clock.mono()
        of = {process.name: process for process in self._family.processes}
        processes = {name: self._process(of.get(name), now) for name in PROCESSES}
        alive = all(process["alive"] for process in processes.values())
        return alive, {"site": self._site, "alive": alive, "processes": processes}

    def ready(self) -> tuple[bool, dict[str, Any]]:
        """Whether the edge does its work, and what is not as it should be."""
        alive, told = self.alive()
        lacks = [
            Lack(name, process["why"] or "does not answer", True)
            for name, process in told["processes"].items()
            if not process["alive"]
        ]
        for process in self._family.processes:
            if process.report is not None:
                lacks += process.report.lacks
        ready = alive and not any(lack.blocks for lack in lacks)
        listed = [{"what": lack.what, "why": lack.why, "blocks": lack.blocks} for lack in lacks]
        return ready, {"site": self._site, "ready": ready, "lacks": listed}

    def state(self) -> dict[str, Any]:
        """All that is known, JSON-able."""
        _, alive = self.alive()
        _, ready = self.ready()
        reports = {p.name: p.report for p in self._family.processes if p.report is not None}
        parts = {
            name: {
                "gauges": report.snapshot.gauges,
                "latency": report.snapshot.latency,
                "counts": report.snapshot.counts,
                "dropped": report.snapshot.dropped,
                "usage": report.snapshot.usage,
            }
            for name, report in reports.items()
        }
        told: dict[str, Any] = msgspec.to_builtins({**alive, **ready, "parts": parts})
        return told

    def metrics(self) -> bytes:
        """Prometheus text of all processes."""
        snapshots = []
        for process in self._family.processes:
            # Also of one that is down or starts: that it is not up is what its metric is for.
            report = process.report
            own = ProcessSnapshot(f"edge-{process.name}") if report is None else report.snapshot
            more = {"process_up": float(process.up), "process_restarts": float(process.restarts)}
            snapshots.append(msgspec.structs.replace(own, gauges={**own.gauges, **more}))
        return metrics_text(snapshots, site=self._site)

    def _process(self, process: ProcessState | None, now: MonoNs) -> dict[str, Any]:
        if process is None:
            return {"alive": False, "why": "not started"}
        report = process.report
        age_s = None if report is None else (now - report.at) / 1e9
        alive = process.up and age_s is not None and age_s <= ANSWER_S
        return {
            "alive": alive,
            "pid": process.pid,
            "answered_s_ago": None if age_s is None else round(age_s, 3),
            "restarts": process.restarts,
            "why": process.why,
        }
