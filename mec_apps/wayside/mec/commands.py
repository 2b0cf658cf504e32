"""`wayside mec`: run the edge of one site. `wayside check`: see `wayside.mec.site.commands`."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Protocol

__all__ = ["register", "register_check"]

_EPILOG = """examples:
  wayside check deploy/demo/site.yaml && wayside mec --site deploy/demo/site.yaml
  wayside mec --site site.yaml --json > figures.jsonl    # a line when ready, a line of figures at the end
  wayside mec --site site.yaml --single                  # one process, for a small computer or a debugger"""
_FAILED = 1


class _Edge(Protocol):
    """What runs: three processes, or one."""

    ports: dict[str, int]

    async def start(self) -> None: ...

    async def wait_failed(self) -> None: ...

    async def close(self) -> None: ...

    def figures(self) -> dict[str, Any]: ...


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `mec` to the commands."""
    parser = subparsers.add_parser(
        "mec",
        help="run the edge of one site",
        description="Run the edge of one site until SIGINT or SIGTERM: sensors, roadside units and vehicles "
        "in, warnings out, records to the centre; health and metrics on the site file's listen.http. Three "
        "processes (core, link, side) under this one, which starts anew what ends. What is wrong with the "
        "site file is said first.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--site", type=Path, required=True, metavar="FILE", help="the site file")
    parser.add_argument("--single", action="store_true", help="all in one process")
    parser.add_argument(
        "--summary",
        type=float,
        default=10.0,
        metavar="S",
        help="window of the summaries (default %(default)g)",
    )
    parser.add_argument(
        "--log-format",
        choices=("auto", "json", "text"),
        default="auto",
        help="of the log on stderr; auto: text on a terminal, else JSON lines",
    )
    parser.add_argument("--json", action="store_true", help="ready line and final figures as JSON")
    parser.set_defaults(func=_run)


def register_check(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `check` to the commands."""
    # Not at the top: the supervisor of a running edge needs nothing of the site file's check.
    from wayside.mec.site.commands import register_check as register_site_check

    register_site_check(subparsers)


def _run(args: argparse.Namespace) -> int:
    from wayside.observe import configure_logs

    configure_logs("edge", fmt=args.log_format)
    return _run_single(args) if args.single else _run_processes(args)


def _run_single(args: argparse.Namespace) -> int:
    from wayside.clock import SystemClock
    from wayside.mec.service import EdgeService, ServiceSettings
    from wayside.mec.site import load_site
    from wayside.observe import Counters, configure_logs
    from wayside.runtime import allow_open_files

    site = load_site(args.site)
    configure_logs("edge", site=site.id, fmt=args.log_format)
    allow_open_files()

    async def serve() -> int:
        settings = ServiceSettings(summary_s=args.summary)
        edge = EdgeService(site, SystemClock(), Counters(), settings)

        async def start() -> None:
            await edge.start()
            # Tables, maps and modules live as long as the process: a full collection that looks at all of
            # them would stop the loop for as long as a warning may take.
            gc.collect()
            gc.freeze()

        return await _serve(edge, start, lambda: site.id, args.json)

    try:
        import uvloop
    except ModuleNotFoundError:
        return asyncio.run(serve())
    return uvloop.run(serve())


def _run_processes(args: argparse.Namespace) -> int:
    from wayside.clock import SystemClock
    from wayside.mec.supervisor import Supervisor, SupervisorSettings, process_command

    async def serve() -> int:
        settings = SupervisorSettings()
        command = process_command(
            args.site,
            summary_s=args.summary,
            drain_s=settings.drain_s,
            log_format=args.log_format,
            log_level=logging.getLogger().getEffectiveLevel(),
        )
        edge = Supervisor(command, SystemClock(), settings)
        return await _serve(edge, edge.start, lambda: edge.site, args.json)

    return asyncio.run(serve())


async def _serve(
    edge: _Edge, start: Callable[[], Coroutine[Any, Any, None]], site: Callable[[], str], as_json: bool
) -> int:
    """Run an edge until SIGINT, SIGTERM or its own failure."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    stopped = asyncio.ensure_future(stop.wait())
    failed: asyncio.Future[None] | None = None
    try:
        starting = asyncio.ensure_future(start())
        await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            return 0
        try:
            starting.result()
        except OSError as error:
            print(f"wayside mec: an address of the site file cannot be had: {error}", file=sys.stderr)
            return _FAILED
        ports = " ".join(f"{name}={port}" for name, port in edge.ports.items())
        _say(as_json, {"ready": site(), "ports": edge.ports}, f"{site()} is up: {ports}  (Ctrl-C ends)")
        failed = asyncio.ensure_future(edge.wait_failed())
        await asyncio.wait({failed, stopped}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
        await edge.close()
    broke = failed.done() and not failed.cancelled()
    if broke:
        print(f"wayside mec: {failed.exception()}", file=sys.stderr)
    else:
        failed.cancel()
    await asyncio.gather(failed, stopped, return_exceptions=True)
    figures = edge.figures()
    records = figures["records"]
    _say(
        as_json,
        figures,
        f"{site()} is down: {records['committed']} records committed, {records['waiting']} still to be sent",
    )
    return _FAILED if broke else 0


def _say(as_json: bool, values: dict[str, Any], line: str) -> None:
    print(json.dumps(values) if as_json else line, flush=True)
