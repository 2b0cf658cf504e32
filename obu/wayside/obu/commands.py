"""`wayside obu`: a vehicle's end of the link in a terminal."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import ssl
import sys
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.live import Live

from wayside.obu import (
    ObuClient,
    ObuError,
    ObuReason,
    ReceivedAdvice,
    ReceivedCancel,
    ReceivedWarning,
    StateChange,
)
from wayside.obu._table import view

DEFAULT_SERVER = "ws://127.0.0.1:47010/"
TOKEN_VARIABLE = "WAYSIDE_LINK_TOKEN"
REFRESH_S = 0.1


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `wayside obu`."""
    parser = subparsers.add_parser(
        "obu",
        help="be a vehicle: show the warnings and advice of an edge",
        description="Connect to an edge as a vehicle and show its warnings and advice as they come.",
        epilog=f"example: {TOKEN_VARIABLE}=… wayside obu --server {DEFAULT_SERVER} --vehicle-id bus-12",
    )
    parser.add_argument(
        "--server",
        action="append",
        type=_server,
        metavar="URL",
        help=f"address of an edge, ws:// or wss://; again for a second choice (default {DEFAULT_SERVER})",
    )
    parser.add_argument(
        "--vehicle-id",
        type=_vehicle_id,
        default="wayside-obu",
        metavar="ID",
        help="lasting identity, 1 to 64 characters (default wayside-obu)",
    )
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE", help=f"file with the site's token (or ${TOKEN_VARIABLE})"
    )
    parser.add_argument(
        "--ca-file",
        type=Path,
        metavar="FILE",
        help="PEM certificates that a wss:// server may lead to (default: those that this system trusts)",
    )
    parser.add_argument("--dialect", default="csae53-2020", help="of the messages (default csae53-2020)")
    parser.add_argument("--duration", type=float, metavar="S", help="end after so many seconds")
    parser.add_argument(
        "--connect-timeout",
        type=float,
        default=5.0,
        metavar="S",
        help="give up when there is no session after so many seconds (default 5)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line instead of the table")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Run `wayside obu`; raises ObuError when there is no session in time."""
    client_token, trust = _token(args.token_file), _trust(args.ca_file)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_watch(args, client_token, trust))
    return 0


def _server(text: str) -> str:
    if not text.startswith(("ws://", "wss://")):
        raise argparse.ArgumentTypeError(f"{text!r} is no address such as {DEFAULT_SERVER}")
    return text


def _vehicle_id(text: str) -> str:
    if not 1 <= len(text) <= 64:
        raise argparse.ArgumentTypeError("1 to 64 characters are needed")
    return text


def _trust(path: Path | None) -> ssl.SSLContext | None:
    if path is None:
        return None
    try:
        return ssl.create_default_context(cafile=str(path))
    except OSError as error:
        why = error.strerror if error.filename or not isinstance(error, ssl.SSLError) else "not in PEM form"
        what = f"the certificates cannot be read: {why}"
        raise ObuError(ObuReason.REFUSED, what, where=str(path), advice="give a PEM file") from None


def _token(path: Path | None) -> str:
    if path is None:
        return os.environ.get(TOKEN_VARIABLE, "")
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ObuError(ObuReason.REFUSED, f"the token cannot be read: {error}", where=str(path)) from None


async def _watch(args: argparse.Namespace, token: str, trust: ssl.SSLContext | None) -> None:
    servers = args.server or [DEFAULT_SERVER]
    client = ObuClient(servers, vehicle_id=args.vehicle_id, token=token, dialect=args.dialect, ssl=trust)
    if args.json:
        _print_events(client)
    async with client:
        await client.connected(args.connect_timeout)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(args.duration):
                await (_until_over(client) if args.json else _show(client))
        if args.json:
            _line("status", client.status(), drops=client.counters.drops())
        if client.failure is not None:
            raise client.failure


async def _until_over(client: ObuClient) -> None:
    async for _ in client.warnings():
        pass


async def _show(client: ObuClient) -> None:
    console = Console()
    stream = client.warnings()  # so that the edge gets its receipts
    over = asyncio.ensure_future(_drain(stream))
    try:
        with Live(console=console, auto_refresh=False) as live:
            while not over.done():
                drops = sum(sum(reasons.values()) for reasons in client.counters.drops().values())
                shown = view(
                    client.status(), client.active(), client.clock.mono(), drops, client.active_advice()
                )
                live.update(shown, refresh=True)
                await client.clock.sleep(REFRESH_S)
        await over
    finally:
        over.cancel()


async def _drain(stream: Any) -> None:
    async for _ in stream:
        pass


def _print_events(client: ObuClient) -> None:
    async def warned(warning: ReceivedWarning) -> None:
        _line("warning", warning)

    async def advised(advice: ReceivedAdvice) -> None:
        _line("advice", advice, says=msgspec.to_builtins(advice.typed()))

    async def cancelled(cancel: ReceivedCancel) -> None:
        _line("cancel", cancel)

    def changed(change: StateChange) -> None:
        _line("state", change)

    client.on_warning(warned)
    client.on_advice(advised)
    client.on_cancel(cancelled)
    client.on_state(changed)


def _line(event: str, content: msgspec.Struct, **more: object) -> None:
    record = {"event": event, **msgspec.to_builtins(content), **more}
    sys.stdout.write(msgspec.json.encode(record).decode() + "\n")
    sys.stdout.flush()
