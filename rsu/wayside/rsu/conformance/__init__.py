"""The conformance kit: plain asynchronous checks of an adapter against its emulator or a real device.

`run` is what `wayside rsu conform` and the tests call alike; a check is an async function that takes a Bench
and raises CheckFailed.
"""

from __future__ import annotations

from wayside.rsu.conformance._bench import Bench, Check, CheckFailed, Pair, check, ended_as, expect
from wayside.rsu.conformance._checks import CHECKS
from wayside.rsu.conformance._run import CheckResult, Status, all_checks, quality_gaps, run

__all__ = [
    "CHECKS",
    "Bench",
    "Check",
    "CheckFailed",
    "CheckResult",
    "Pair",
    "Status",
    "all_checks",
    "check",
    "ended_as",
    "expect",
    "quality_gaps",
    "run",
]
