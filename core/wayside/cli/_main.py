from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points

from wayside.observe import WaysideError

_GROUP = "wayside.commands"
_FAILED = 1
_USAGE = 2
_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run `wayside …`; returns the exit code (0 done, 1 failed, 2 wrong words, 130 interrupted).

    Each part registers its commands under the entry-point group `wayside.commands`: a function that takes
    the sub-parsers action, adds a parser and sets `func(args) -> int`. Only the part that is called is
    imported.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    found = {point.name: point for point in entry_points(group=_GROUP)}
    parser = argparse.ArgumentParser(
        prog="wayside",
        description="V2X roadside units, roadside perception and MEC applications.",
        epilog="example: wayside asn1 decode --dialect j2735-2024 0014…",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="log at DEBUG")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    named = next((word for word in words if not word.startswith("-")), None)
    wanted = [found[named]] if named in found else list(found.values())
    absent = [
        point.name
        for point in sorted(wanted, key=lambda p: p.name)
        if not _register(point, commands, parser if named in found else None)
    ]
    if absent:
        parser.epilog = (
            f"{parser.epilog}; not installed: {', '.join(absent)} (call one to learn what it needs)"
        )
    args = parser.parse_args(words)
    logging.basicConfig(
        level=logging.DEBUG if args.verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    try:
        return int(args.func(args))
    except WaysideError as error:
        print(f"wayside: {error}", file=sys.stderr)
        return _FAILED
    except ModuleNotFoundError as error:
        # Imported only when the command runs; one of our own that is missing is a fault and keeps its trace.
        if named not in found or (error.name or "").partition(".")[0] in ("", "wayside"):
            raise
        print(f"wayside: {_needs(found[named], error)}", file=sys.stderr)
        return _USAGE
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe has gone (`| head`); keep the interpreter from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _FAILED


def _register(
    point: EntryPoint,
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    strict: argparse.ArgumentParser | None,
) -> bool:
    """Add a part's command; False for a part whose extra is not installed, an error for it when `strict`."""
    try:
        register = point.load()
    except ModuleNotFoundError as error:
        if strict is not None:
            strict.error(_needs(point, error))
        return False
    register(commands)
    return True


def _needs(point: EntryPoint, error: ModuleNotFoundError) -> str:
    extra = _extra(point)
    return f"`wayside {point.name}` needs {error.name}: in Wayside's folder, pip install -e '.[{extra}]'"


def _extra(point: EntryPoint) -> str:
    part = point.module.split(".")[1]
    return part if part in {"obu", "mec", "cloud", "sim"} else "mec"
