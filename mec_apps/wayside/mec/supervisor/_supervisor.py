from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from wayside.clock import Clock
from wayside.mec.ports import (
    REPORT_S,
    Family,
    Finish,
    Finished,
    ProcessState,
    Ready,
    Report,
    Sound,
    Stop,
    Stream,
    ToSupervisor,
    to_supervisor,
)
from wayside.mec.supervisor._census import Census
from wayside.observe import Counters, Reason, WaysideError, sum_counts
from wayside.runtime import Backoff, TaskOwner

_log = logging.getLogger(__name__)


class SupervisorReason(Reason, stage="supervisor"):
    """Why the edge as a whole came to an end by itself."""

    DID_NOT_START = "did_not_start"
    GAVE_UP = "gave_up"


class SupervisorError(WaysideError):
    """The edge's processes could not be kept running."""

    reason: SupervisorReason


class SupervisorSettings(msgspec.Struct, frozen=True):
    """When a process counts as dead, and when the supervisor gives up.

    start_s: at most so long until a process is ready. hung_s: one that has not reported for so long is
    killed. quick_s: one that lived less died quickly; quick_deaths of these in a row end the edge. end_s: for
    one process to end in order, before it is killed. drain_s: beside that, for the side to empty the outbox
    towards the centre.
    """

    start_s: float = 60.0
    hung_s: float = 20.0
    quick_s: float = 10.0
    quick_deaths: int = 5
    end_s: float = 10.0
    drain_s: float = 3.0


class _Child:
    """One process: what the supervisor knows of it, over its restarts."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.process: asyncio.subprocess.Process | None = None
        self.stream: Stream | None = None
        self.report: Report | None = None
        self.began = 0
        self.up = False
        self.restarts = 0
        self.quick = 0
        self.why = ""
        self.sound = asyncio.Event()
        self.ready = asyncio.Event()
        self.finished = asyncio.Event()
        self.ended = asyncio.Event()
        self.silent = asyncio.Event()

    def state(self) -> ProcessState:
        pid = 0 if self.process is None else self.process.pid
        return ProcessState(self.name, pid, self.up, self.restarts, self.why, self.report)

    def kill(self) -> None:
        """End it at once."""
        # By its number, so that its exit code is left to asyncio.
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGKILL)

    def tell(self, message: msgspec.Struct) -> None:
        if self.stream is not None and not self.silent.is_set():
            self.stream.keep(message)


Command = Callable[[str, int, Path], Sequence[str]]


class Supervisor:
    """Runs the edge's three processes, starts anew what ends, and ends all in order.

    command: gives the words of the process of a role, for the descriptor of its control socket and the folder
    of the ports; None for the project's own. The processes die with this one. What they have counted is
    kept over their restarts. ports: name → port, once `start` has returned.
    """

    def __init__(
        self,
        command: Command,
        clock: Clock,
        settings: SupervisorSettings | None = None,
    ) -> None:
        self.clock = clock
        self.counters = Counters()
        self.settings = settings or SupervisorSettings()
        self.ports: dict[str, int] = {}
        self.site = ""
        self._command = command
        self._run = Path(tempfile.mkdtemp(prefix="wayside-"))
        self._census = Census()
        self._children = {name: _Child(name) for name in ("core", "link", "side")}
        self._tasks = TaskOwner("supervisor", self._failed)
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stopping = False

    async def start(self) -> None:
        """Start all and wait until each is ready; the core first, which says what is wrong with the site file
        before the others would.

        Raises SupervisorError DID_NOT_START; nothing runs then. Each process says by itself what it lacks.
        """
        core, *others = self._children.values()
        self._tasks.start(self._keep(core), core.name)
        await self._started(core, core.sound)
        for child in others:
            self._tasks.start(self._keep(child), child.name)
        for child in self._children.values():
            await self._started(child, child.ready)
        self._tasks.start(self._tell_all(), "reports")
        self._tasks.start(self._watch(), "watch")

    async def wait_failed(self) -> None:
        """Return never, but raise SupervisorError GAVE_UP when a process cannot be kept running."""
        await asyncio.shield(self._failure)

    async def close(self) -> None:
        """End all in the order in which nothing gets lost: vehicles are told, units and core pass on what
        they know, the side sends it to the centre within the time for that, the outbox is closed.
        Idempotent."""
        if self._stopping:
            return
        self._stopping = True
        core, link, side = (self._children[name] for name in ("core", "link", "side"))
        end_s, drain_s = self.settings.end_s, self.settings.drain_s
        for child in self._children.values():
            if not child.up:
                child.kill()  # it has nothing yet that could be lost
        link.tell(Stop())
        await self._gone(link, end_s)
        side.tell(Finish())
        await self._wait(side.finished, drain_s + 1.0, side.silent)
        core.tell(self._census.others("core"))
        core.tell(Finish())
        await self._wait(core.finished, end_s, core.silent)
        side.tell(Stop())
        await self._gone(side, drain_s + end_s)
        core.tell(Stop())
        await self._gone(core, end_s)
        await self._tasks.close()
        for child in self._children.values():
            # One that was just being started anew.
            if child.process is not None and child.process.returncode is None:
                child.kill()
                await child.process.wait()
        shutil.rmtree(self._run, ignore_errors=True)

    def figures(self) -> dict[str, Any]:
        """What the run came to, JSON-able: records, counts, drops, latency; over all restarts."""
        figures = self._census.figures(self.site)
        figures["counts"] = sum_counts(figures["counts"], self.counters.counts())
        figures["dropped"] = sum_counts(figures["dropped"], self.counters.drops())
        return figures

    def states(self) -> tuple[ProcessState, ...]:
        """How each process does."""
        return tuple(child.state() for child in self._children.values())

    # a process and its end

    async def _started(self, child: _Child, event: asyncio.Event) -> None:
        if not await self._wait(event, self.settings.start_s, child.ended):
            await self.close()
            self.counters.drop(SupervisorReason.DID_NOT_START)
            raise SupervisorError(
                SupervisorReason.DID_NOT_START, f"edge-{child.name} did not start {child.why}".strip()
            )

    async def _keep(self, child: _Child) -> None:
        backoff = Backoff(first_s=0.1, ceiling_s=5.0)
        while not self._stopping:
            how = await self._live(child)
            child.up = False
            child.report = None
            self._census.ended(child.name)
            child.ended.set()
            if self._stopping or not child.ready.is_set():
                child.why = f"({how})"
                return
            child.why = child.why or how
            self.counters.count("process_ended", child.name)
            _log.error("edge-%s %s, it is started anew", child.name, child.why)
            if (self.clock.mono() - child.began) / 1e9 < self.settings.quick_s:
                child.quick += 1
            else:
                child.quick = 1
                backoff.reset()
            if child.quick >= self.settings.quick_deaths:
                self._give_up(child)
                return
            child.restarts += 1
            await self.clock.sleep(backoff.next_s())

    async def _live(self, child: _Child) -> str:
        """Start a process and wait for its end; how that came."""
        try:
            await self._spawn(child)
        except OSError as error:  # no memory or descriptors for another one, perhaps in a while
            return f"could not be started: {error}"
        assert child.process is not None
        code = await child.process.wait()
        await child.silent.wait()
        return f"ended with {code}"

    async def _spawn(self, child: _Child) -> None:
        child.began = self.clock.mono()
        child.finished.clear()
        child.ended.clear()
        child.silent.clear()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        ours.setblocking(False)
        try:
            child.process = await asyncio.create_subprocess_exec(
                *self._command(child.name, theirs.fileno(), self._run),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        child.stream = stream = Stream(
            f"supervisor to {child.name}",
            to_supervisor,
            self.counters,
            on_message=lambda message: self._take(child, message),
            on_lost=lambda _: child.silent.set(),
        )
        await asyncio.get_running_loop().create_unix_connection(lambda: stream, sock=ours)

    def _take(self, child: _Child, message: ToSupervisor) -> None:
        match message:
            case Sound(site):
                self.site = site
                child.sound.set()
            case Ready(ports):
                self.ports |= ports
                child.up = True
                child.why = ""
                child.ready.set()
                if child.name == "core":
                    child.tell(self._census.others("core"))
            case Report():
                child.report = message
                self._census.take(child.name, message)
            case Finished():
                child.finished.set()

    def _give_up(self, child: _Child) -> None:
        self.counters.drop(SupervisorReason.GAVE_UP)
        error = SupervisorError(
            SupervisorReason.GAVE_UP,
            f"edge-{child.name} ended {child.quick} times within {self.settings.quick_s:g} s of its start",
            advice="its log says why; the edge goes down",
        )
        self._failed(child.name, error)

    def _failed(self, task: str, error: BaseException) -> None:
        if not self._failure.done():
            self._failure.set_exception(error)
            self._failure.exception()  # nobody may come for it

    async def _gone(self, child: _Child, within_s: float) -> None:
        """Wait until a process has ended; kill it when it takes too long."""
        if child.process is None:
            return
        if not await self._wait(child.ended, within_s):
            _log.error("edge-%s does not end, it is killed", child.name)
            child.kill()
            await child.ended.wait()

    async def _wait(
        self, event: asyncio.Event, within_s: float, instead: asyncio.Event | None = None
    ) -> bool:
        """Whether an event came within the time, and before another one."""
        waits = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(self.clock.sleep(within_s))]
        if instead is not None:
            waits.append(asyncio.ensure_future(instead.wait()))
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        return event.is_set()

    # all the time

    async def _tell_all(self) -> None:
        while True:
            self._children["core"].tell(self._census.others("core"))
            self._children["side"].tell(Family(self.states()))
            await self.clock.sleep(REPORT_S)

    async def _watch(self) -> None:
        """Kill a process whose loop does not turn."""
        while True:
            await self.clock.sleep(REPORT_S)
            now = self.clock.mono()
            for child in self._children.values():
                if child.process is None or child.ended.is_set():
                    continue
                since = child.began if child.report is None else child.report.at
                limit_s = self.settings.start_s if child.report is None else self.settings.hung_s
                if (now - since) / 1e9 > limit_s:
                    child.why = f"did not answer for {limit_s:g} s and was killed"
                    child.kill()


def process_command(
    site_file: Path, *, summary_s: float, drain_s: float, log_format: str, log_level: int
) -> Command:
    """Words that start the project's own processes; see `ServiceSettings` and `configure_logs`."""

    def command(name: str, control: int, run: Path) -> Sequence[str]:
        return [
            *(sys.executable, "-m", "wayside.mec.service.process", name),
            *("--site", str(site_file), "--run", str(run), "--control", str(control)),
            *("--supervisor", str(os.getpid())),
            *("--summary", str(summary_s), "--drain", str(drain_s)),
            *("--log-format", log_format, "--log-level", str(log_level)),
        ]

    return command
