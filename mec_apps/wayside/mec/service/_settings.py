from __future__ import annotations

from pathlib import Path

import msgspec

# Of a folder of its own that only this user may enter.
LINK_SOCKET = "core-link.sock"
SIDE_SOCKET = "core-side.sock"

SUMMARY_S = 10.0
# What the centre has not taken by then stays in the outbox for the next start.
DRAIN_S = 3.0


class ServiceSettings(msgspec.Struct, frozen=True):
    """Rhythms of the services. summary_s: window of the summaries. drain_s: at most so long the end waits for
    the centre."""

    summary_s: float = SUMMARY_S
    drain_s: float = DRAIN_S


def link_socket(run: Path) -> Path:
    """Where the core listens for the link."""
    return run / LINK_SOCKET


def side_socket(run: Path) -> Path:
    """Where the core listens for the side."""
    return run / SIDE_SOCKET
