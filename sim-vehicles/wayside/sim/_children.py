from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_END_S = 15.0
# The part that failed says why, and the one that started it that it did.
_LAST_LINES = 2


class ChildError(Exception):
    """A child process that did not start, or ended when it should not."""


class Child:
    """A command of the project as a process that this one owns: started, watched, ended.

    log: file that takes what it says on stderr. nice: lowers its priority. secrets: added to its environment.
    program: what the words are given to instead of the project's command line.
    """

    def __init__(
        self,
        name: str,
        words: Sequence[str],
        log: Path,
        *,
        nice: int = 0,
        secrets: Mapping[str, str] | None = None,
        program: Sequence[str] = (sys.executable, "-m", "wayside.cli"),
    ) -> None:
        self.name = name
        self._words = [*program, *words]
        self._log = log
        self._nice = nice
        self._secrets = dict(secrets or {})
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it in a process group of its own, so that Ctrl-C reaches only this process."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._words,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=os.environ | self._secrets | {"PYTHONUNBUFFERED": "1"},
                start_new_session=True,
                limit=4_194_304,
            )
        if self._nice:
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, self._process.pid, self._nice)

    async def first_line(self, timeout_s: float = 30.0) -> dict[str, Any]:
        """The JSON object that it prints when it is ready. Raises ChildError when it ends or is late."""
        assert self._process is not None and self._process.stdout is not None
        try:
            async with asyncio.timeout(timeout_s):
                line = await self._process.stdout.readline()
            told = json.loads(line)
        except TimeoutError:
            raise ChildError(f"{self.name} was not ready within {timeout_s:g} s; see {self._log}") from None
        except ValueError:
            raise ChildError(f"{self.name} did not start: {self._tail()}") from None
        if not isinstance(told, dict):
            raise ChildError(f"{self.name} said {line!r:.100}")
        return told

    async def output(self) -> bytes:
        """All that it says on stdout until it ends. Raises ChildError when it ends with a failure."""
        assert self._process is not None and self._process.stdout is not None
        said = await self._process.stdout.read()
        if await self._process.wait() != 0:
            raise ChildError(f"{self.name} ended with {self._process.returncode}: {self._tail()}")
        return said

    @property
    def pid(self) -> int:
        """Number of its process, 0 before the start."""
        return 0 if self._process is None else self._process.pid

    async def ended(self) -> None:
        """Return when it has ended."""
        if self._process is not None:
            await self._process.wait()

    @property
    def running(self) -> bool:
        """Whether it has been started and not ended."""
        return self._process is not None and self._process.returncode is None

    async def end(self) -> int | None:
        """Ask it to end (SIGTERM), make it (SIGKILL) when it does not within 15 s; its exit code."""
        process = self._process
        if process is None:
            return None
        if process.returncode is None:
            _signal(process.pid, signal.SIGTERM)
            try:
                async with asyncio.timeout(_END_S):
                    await process.wait()
            except TimeoutError:
                _signal(process.pid, signal.SIGKILL)
                await process.wait()
        # Reading to the end lets the transport close with the loop still there.
        if process.stdout is not None:
            await process.stdout.read()
        return process.returncode

    def _tail(self) -> str:
        text = self._log.read_text(errors="replace").strip() if self._log.exists() else ""
        return "; ".join(text.splitlines()[-_LAST_LINES:]) if text else f"nothing in {self._log}"


def _signal(pid: int, number: signal.Signals) -> None:
    # Not by the process object: it would collect the exit code of a child that has just ended by itself, and
    # asyncio could then no longer tell it.
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def free_port(kind: socket.SocketKind, wanted: int = 0, tries: int = 1) -> int:
    """A port of 127.0.0.1 that is free now: `wanted` or one of the next, 0 for any. Raises OSError."""
    failed: OSError | None = None
    for port in range(wanted, wanted + tries):
        try:
            with socket.socket(socket.AF_INET, kind) as probe:
                if kind is socket.SOCK_STREAM:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
                return int(probe.getsockname()[1])
        except OSError as error:
            failed = error
    raise failed or OSError("no port asked for")
