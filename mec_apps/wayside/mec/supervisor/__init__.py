"""The edge's processes kept running by one that does nothing else, and so needs little."""

from __future__ import annotations

from wayside.mec.supervisor._census import Census
from wayside.mec.supervisor._supervisor import (
    Command,
    Supervisor,
    SupervisorError,
    SupervisorReason,
    SupervisorSettings,
    process_command,
)

__all__ = [
    "Census",
    "Command",
    "Supervisor",
    "SupervisorError",
    "SupervisorReason",
    "SupervisorSettings",
    "process_command",
]
