from __future__ import annotations

import os
from pathlib import Path

import msgspec

_STATM = Path("/proc/self/statm")


class Usage(msgspec.Struct, frozen=True):
    """What a process takes of its host. rss_bytes: resident now. cpu_s: of all its threads since it began.
    open_files: descriptors; 0 where the system does not tell."""

    rss_bytes: int
    cpu_s: float
    open_files: int = 0


def own_usage() -> Usage:
    """Usage of this process, now. Source: proc(5), getrusage(2)."""
    import resource  # of servers' systems only; the vehicle's part runs elsewhere too

    spent = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = spent.ru_utime + spent.ru_stime
    try:
        pages = int(_STATM.read_text("ascii").split()[1])
        return Usage(pages * os.sysconf("SC_PAGE_SIZE"), cpu_s, len(os.listdir("/proc/self/fd")))
    except OSError:
        # Other systems than Linux tell the largest size only; macOS in octets.
        return Usage(spent.ru_maxrss, cpu_s)
