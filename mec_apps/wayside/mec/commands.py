"""`wayside mec`: run the edge of one site. `wayside check`: see `wayside.mec.site.commands`."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import signal
import sys
from pathlib import Path
from typing import Any

from wayside.mec.site import Site, load_site
from wayside.mec.site.commands import register_check
from wayside.runtime import allow_open_files

__all__ = ["register", "register_check"]

_EPILOG = """examples:
  wayside check deploy/demo/site.yaml && wayside mec --site deploy/demo/site.yaml
  wayside mec --site site.yaml --json > figures.jsonl    # a line when ready, a line of figures at the end"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `mec` to the commands."""
    parser = subparsers.add_parser(
        "mec",
        help="run the edge of one site",
        description="Run the edge of one site until SIGINT or SIGTERM: sensors, roadside units and vehicles "
        "in, warnings out, records to the centre. What is wrong with the site file is said first.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--site", type=Path, required=True, metavar="FILE", help="the site file")
    parser.add_argument(
        "--summary",
        type=float,
        default=10.0,
        metavar="S",
        help="window of the summaries (default %(default)g)",
    )
    parser.add_argument("--json", action="store_true", help="ready line and final figures as JSON")
    parser.set_defaults(func=_run)


def _run(args: argparse.Namespace) -> int:
    site = load_site(args.site)
    allow_open_files()
    try:
        import uvloop
    except ModuleNotFoundError:
        return asyncio.run(_serve(site, args))
    return uvloop.run(_serve(site, args))


async def _serve(site: Site, args: argparse.Namespace) -> int:
    from wayside.clock import SystemClock
    from wayside.mec.service import EdgeService, ServiceSettings
    from wayside.observe import Counters

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    service = EdgeService(site, SystemClock(), Counters(), ServiceSettings(summary_s=args.summary))
    try:
        await service.start()
        # Tables, maps and modules live as long as the process: a full collection that looks at all of them
        # would stop the loop for as long as a warning may take.
        gc.collect()
        gc.freeze()
    except OSError as error:
        print(f"wayside mec: an address of the site file cannot be had: {error}", file=sys.stderr)
        return 1
    failed = asyncio.ensure_future(service.wait_failed())
    stopped = asyncio.ensure_future(stop.wait())
    try:
        ports = " ".join(f"{name}={port}" for name, port in service.ports.items())
        _say(
            args.json, {"ready": site.id, "ports": service.ports}, f"{site.id} is up: {ports}  (Ctrl-C ends)"
        )
        await asyncio.wait({failed, stopped}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        broke = failed.done()
        for task in (failed, stopped):
            task.cancel()
        await asyncio.gather(failed, stopped, return_exceptions=True)
        await service.close()
    figures = service.figures()
    records = figures["records"]
    _say(
        args.json,
        figures,
        f"{site.id} is down: {records['committed']} records committed, {records['waiting']} still to be sent",
    )
    return 1 if broke else 0


def _say(as_json: bool, values: dict[str, Any], line: str) -> None:
    print(json.dumps(values) if as_json else line, flush=True)
