"""Commands of the centre: `wayside cloud`, `wayside trace`."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr, ValidationError

from wayside.clock import SystemClock
from wayside.cloud._reasons import CloudError, CloudReason
from wayside.cloud._settings import CloudSettings, is_loopback
from wayside.cloud._trace_text import trace_text
from wayside.runtime import allow_open_files

if TYPE_CHECKING:
    from argparse import _SubParsersAction

TOKEN_VARIABLE = "WAYSIDE_CLOUD_TOKEN"
_FAILED = 1
_USAGE = 2


def register(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `wayside cloud`."""
    parser = subparsers.add_parser(
        "cloud",
        help="run the centre: intake, store, API and the live map",
        description="Run the centre: takes in what the edges report, keeps it, shows it on a live map.",
        epilog="example: wayside cloud --data var/cloud --port 8080",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--port", type=int, default=8080, help="port, 0 for any (default %(default)s)")
    parser.add_argument("--data", type=Path, default=Path("var/cloud"), help="folder of the store")
    parser.add_argument(
        "--token-file",
        type=Path,
        help=f"file with the edges' shared secret (else {TOKEN_VARIABLE} is read); needed off the loopback",
    )
    parser.add_argument("--json", action="store_true", help='print {"url": ...} on stdout when it listens')
    parser.set_defaults(func=_cloud)


def register_trace(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `wayside trace`."""
    parser = subparsers.add_parser(
        "trace",
        help="print the way of a warning",
        description="Print the way of a warning: detection, track, app, selection, frames, callback, record.",
        epilog="example: wayside trace 4f1d2c3b5a697887",
    )
    parser.add_argument("trace_id", metavar="ID", help="trace identity of the warning")
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="the centre (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="print the API's answer")
    parser.set_defaults(func=_trace)


def _cloud(args: argparse.Namespace) -> int:
    try:
        settings = CloudSettings(
            host=args.host, port=args.port, data=args.data, token=_token(args.token_file)
        )
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False, include_context=False):
            place = ".".join(str(part) for part in problem["loc"])
            print(f"wayside cloud: {place + ': ' if place else ''}{problem['msg']}", file=sys.stderr)
        return _USAGE
    except OSError as error:
        print(f"wayside cloud: token file: {error}", file=sys.stderr)
        return _USAGE
    allow_open_files()
    return asyncio.run(_serve(settings, announce=args.json))


def _token(path: Path | None) -> SecretStr:
    if path is not None:
        return SecretStr(path.read_text(encoding="utf-8").strip())
    return SecretStr(os.environ.get(TOKEN_VARIABLE, "").strip())


async def _serve(settings: CloudSettings, *, announce: bool) -> int:
    from wayside.cloud._app import create_app
    from wayside.cloud._server import serve

    app = create_app(settings, SystemClock())
    try:
        listener = socket.create_server(
            (settings.host, settings.port), family=socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        )
    except OSError as error:
        print(f"wayside cloud: {settings.host}:{settings.port}: {error}", file=sys.stderr)
        await app.state.centre.close()
        return _FAILED
    with listener:
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        url = f"http://{host}:{listener.getsockname()[1]}"
        if not settings.token.get_secret_value():
            print("wayside cloud: no token: any local process may send records", file=sys.stderr)
        if not is_loopback(settings.host):
            print(
                "wayside cloud: warning: the map and the API have no login, and tokens arrive unencrypted:"
                " put a proxy with TLS and login before it",
                file=sys.stderr,
            )
        print(f"wayside cloud: listening on {url}", file=sys.stderr)
        if announce:
            print(json.dumps({"url": url}), flush=True)
        return 0 if await serve(app, listener, settings) else _FAILED


def _trace(args: argparse.Namespace) -> int:
    # One line a request is for a service's log, not for a person who asks once.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    trace = _fetch_trace(args.url, args.trace_id)
    if trace is None:
        print(f"wayside trace: {args.url} knows no trace {args.trace_id}", file=sys.stderr)
        return _FAILED
    print(json.dumps(trace, indent=2) if args.json else trace_text(trace), end="\n" if args.json else "")
    return 0


def _fetch_trace(url: str, trace_id: str) -> dict[str, Any] | None:
    """The API's answer, None when there is no such trace. Raises CloudError UNREACHABLE."""
    from urllib.parse import quote

    import httpx

    try:
        answer = httpx.get(f"{url.rstrip('/')}/api/trace/{quote(trace_id, safe='')}", timeout=10.0)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        answer.raise_for_status()
        trace: dict[str, Any] = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise CloudError(
            CloudReason.UNREACHABLE,
            f"no answer from the centre: {error}",
            where=url,
            advice="start it with `wayside cloud`, or give its address with --url",
        ) from None
    return trace
