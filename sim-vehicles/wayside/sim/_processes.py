from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

from wayside.clock import Clock

_PERIOD_S = 1.0


class MemoryUse(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Resident memory of a process and all that it has started, at its largest. peak_mb: sum over the tree;
    pages that two of them share count twice. processes: how many there were then. samples: looks taken."""

    peak_mb: float
    processes: int
    samples: int


def tree_of(pid: int) -> list[int]:
    """A process and all its descendants; empty when it is gone."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        one = waiting.pop()
        with contextlib.suppress(OSError, ValueError):
            for task in Path(f"/proc/{one}/task").iterdir():
                waiting += [int(child) for child in (task / "children").read_text().split()]
            found.append(one)
    return found


def resident_mb(pid: int) -> float:
    """Resident memory of one process, 0 when it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class TreeWatch:
    """Follows the resident memory of a process and its descendants, once a second. Linux only: elsewhere it
    sees nothing."""

    def __init__(self, pid: int, clock: Clock) -> None:
        self._pid = pid
        self._clock = clock
        self._use = MemoryUse(0.0, 0, 0)

    @property
    def use(self) -> MemoryUse:
        """The largest that was seen."""
        return self._use

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self.look()
            await self._clock.sleep(_PERIOD_S)

    def look(self) -> None:
        """One look now."""
        pids = tree_of(self._pid)
        if not pids:
            return
        total = round(sum(resident_mb(pid) for pid in pids), 1)
        before = self._use
        larger = total > before.peak_mb
        self._use = MemoryUse(
            total if larger else before.peak_mb,
            len(pids) if larger else before.processes,
            before.samples + 1,
        )
