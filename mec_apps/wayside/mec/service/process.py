"""One process of the edge, as its supervisor starts it: `python -m wayside.mec.service.process`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import logging
import os
import signal
import socket
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from wayside.clock import SystemClock
from wayside.mec.service._core_part import CorePart
from wayside.mec.service._link_part import LinkPart
from wayside.mec.service._part import Part
from wayside.mec.service._settings import ServiceSettings
from wayside.mec.service._side_part import SidePart
from wayside.mec.service._worker import Worker
from wayside.mec.site import Site, load_site
from wayside.observe import Counters, WaysideError, configure_logs
from wayside.runtime import allow_open_files

ROLES = ("core", "link", "side")
_PR_SET_PDEATHSIG = 1
# The side's work may wait for the others'.
_SIDE_NICE = 5


def main(argv: list[str] | None = None) -> int:
    """Run one part until the supervisor says so: 0 ended in order, 1 failed or could not start."""
    parser = argparse.ArgumentParser(prog="wayside.mec.service.process")
    parser.add_argument("role", choices=ROLES)
    parser.add_argument("--site", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--control", type=int, required=True)
    parser.add_argument("--supervisor", type=int, required=True)
    parser.add_argument("--summary", type=float, required=True)
    parser.add_argument("--drain", type=float, required=True)
    parser.add_argument("--log-format", choices=("auto", "json", "text"), default="auto")
    parser.add_argument("--log-level", type=int, default=logging.INFO)
    args = parser.parse_args(argv)
    _end_with(args.supervisor)
    # Ctrl-C reaches the whole group, a service manager's SIGTERM too; the supervisor ends its processes in
    # order.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    control = socket.socket(fileno=args.control)
    control.setblocking(False)
    try:
        site = load_site(args.site)
        configure_logs(f"edge-{args.role}", site=site.id, fmt=args.log_format, level=args.log_level)
        allow_open_files()
        if args.role == "side":
            with contextlib.suppress(OSError):
                os.nice(_SIDE_NICE)
        return _run_loop(_serve(site, args, control))
    except (WaysideError, OSError) as error:
        print(f"wayside mec: edge-{args.role}: {error}", file=sys.stderr)
        return 1


async def _serve(site: Site, args: argparse.Namespace, control: socket.socket) -> int:
    clock, counters = SystemClock(), Counters()
    settings = ServiceSettings(summary_s=args.summary, drain_s=args.drain)
    part: Part
    if args.role == "core":
        part = CorePart(site, clock, counters, args.run, settings)
    elif args.role == "link":
        part = LinkPart(site, clock, counters, args.run)
    else:
        part = SidePart(site, clock, counters, args.run, settings)
    return await Worker(part, clock).run(control)


def _run_loop(work: Coroutine[Any, Any, int]) -> int:
    try:
        import uvloop
    except ModuleNotFoundError:
        return asyncio.run(work)
    return uvloop.run(work)


def _end_with(supervisor: int) -> None:
    """Have the system kill this process when its supervisor ends, however that ends; elsewhere than on Linux
    the end of the control stream tells. Source: prctl(2)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != supervisor:
            sys.exit(1)  # it ended before it could be watched


if __name__ == "__main__":
    sys.exit(main())
