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

from pydantic import SecretStr

from wayside.clock import SystemClock
from wayside.cloud._config import ConfigError, load_settings
from wayside.cloud._reasons import CloudError, CloudReason
from wayside.cloud._settings import CloudSettings, is_loopback
from wayside.cloud._trace_text import trace_text
from wayside.observe import configure_logs
from wayside.runtime import allow_open_files

if TYPE_CHECKING:
    from argparse import _SubParsersAction

_log = logging.getLogger(__name__)

TOKEN_VARIABLE = "WAYSIDE_CLOUD_TOKEN"
OPERATOR_VARIABLE = "WAYSIDE_OPERATOR_TOKEN"
_FAILED = 1
_USAGE = 2


def register(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `wayside cloud`."""
    parser = subparsers.add_parser(
        "cloud",
        help="run the centre: intake, store, API and the live map",
        description="Run the centre: takes in what the edges report, keeps it, shows it on a live map.",
        epilog="example: wayside cloud --config deploy/cloud.yaml --port 8080",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="configuration, YAML; see docs/centre.md")
    parser.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port, 0 for any (default 8080)")
    parser.add_argument("--data", type=Path, help="folder of the store (default var/cloud)")
    parser.add_argument(
        "--token-file",
        type=Path,
        help=f"file with the edges' shared secret (else {TOKEN_VARIABLE} is read); needed off the loopback",
    )
    parser.add_argument(
        "--operator-token-file",
        type=Path,
        help=f"file with the operators' shared secret (else {OPERATOR_VARIABLE} is read); without one only"
        " this computer itself may give commands",
    )
    parser.add_argument(
        "--log-format", choices=("auto", "json", "text"), default="auto", help="of the log (default auto)"
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
    given = {name: getattr(args, name) for name in ("host", "port", "data")}
    overrides = {name: value for name, value in given.items() if value is not None}
    try:
        for name, file, variable in (
            ("token", args.token_file, TOKEN_VARIABLE),
            ("operator_token", args.operator_token_file, OPERATOR_VARIABLE),
        ):
            secret = _token(file, variable)
            if secret.get_secret_value():
                overrides[name] = secret
        settings = load_settings(args.config, overrides)
    except ConfigError as error:
        for line in error.what.splitlines():
            print(f"wayside cloud: {line}", file=sys.stderr)
        return _USAGE
    except (OSError, UnicodeDecodeError) as error:
        print(f"wayside cloud: token file: {error}", file=sys.stderr)
        return _USAGE
    configure_logs("cloud", fmt=args.log_format)
    allow_open_files()
    return asyncio.run(_serve(settings, announce=args.json))


def _token(path: Path | None, variable: str) -> SecretStr:
    if path is not None:
        return SecretStr(path.read_text(encoding="utf-8").strip())
    return SecretStr(os.environ.get(variable, "").strip())


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
            _log.warning("no token: any local process may send records")
        if not is_loopback(settings.host):
            _log.warning(
                "the pages and the API have no login, and tokens arrive unencrypted:"
                " put a proxy with TLS and login before it"
            )
        _log.info("listening on %s", url)
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
