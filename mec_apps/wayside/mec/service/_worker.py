from __future__ import annotations

import asyncio
import gc
import logging
import socket

from wayside.clock import Clock
from wayside.mec.ports import (
    REPORT_S,
    Family,
    Finish,
    Finished,
    FromSupervisor,
    Others,
    Ready,
    Sound,
    Stop,
    Stream,
    from_supervisor,
)
from wayside.mec.service._core_part import CorePart
from wayside.mec.service._part import Part
from wayside.mec.service._side_part import SidePart
from wayside.observe import Containment
from wayside.runtime import TaskOwner

_log = logging.getLogger(__name__)


class Worker:
    """Runs one part in this process for a supervisor at the other end of a socket: says when it is ready,
    reports twice a second, finishes and stops when told, and ends when the supervisor is gone."""

    def __init__(self, part: Part, clock: Clock) -> None:
        self._part = part
        self._clock = clock
        self._finish = asyncio.Event()
        self._stop = asyncio.Event()
        self._gone = asyncio.Event()
        self._tasks = TaskOwner(f"{part.name} worker")
        self._containment = Containment(clock, part.counters)
        self._stream = Stream(
            f"{part.name} to supervisor",
            from_supervisor,
            part.counters,
            on_message=self._contained,
            on_lost=lambda _: self._supervisor_gone(),
        )

    async def run(self, control: socket.socket) -> int:
        """Until told to stop; exit code of the process. Raises what `Part.start` raises."""
        loop = asyncio.get_running_loop()
        await loop.create_unix_connection(lambda: self._stream, sock=control)
        self._stream.keep(Sound(self._part.site.id))
        try:
            await self._part.start()
        except BaseException:
            self._stream.close()
            raise
        # Tables, maps and modules live as long as the process: a full collection that looks at all of them
        # would stop the loop for as long as a warning may take.
        gc.collect()
        gc.freeze()
        self._stream.keep(Ready(self._part.ports))
        self._tasks.start(self._report(), "reports")
        self._tasks.start(self._finish_when_told(), "finish")
        broke = await self._until_the_end()
        await self._part.close()
        await self._tasks.close()
        self._stream.keep(self._part.report(last=True))
        self._stream.close()
        await self._gone.wait()
        return 1 if broke else 0

    async def _until_the_end(self) -> bool:
        failed = asyncio.ensure_future(self._part.wait_failed())
        stopped = asyncio.ensure_future(self._stop.wait())
        await asyncio.wait({failed, stopped}, return_when=asyncio.FIRST_COMPLETED)
        broke = failed.done()
        for task in (failed, stopped):
            task.cancel()
        await asyncio.gather(failed, stopped, return_exceptions=True)
        return broke

    def _contained(self, message: FromSupervisor) -> None:
        with self._containment.around("supervisor's word"):
            self._take(message)

    def _take(self, message: FromSupervisor) -> None:
        part = self._part
        match message:
            case Finish():
                self._finish.set()
            case Stop():
                self._stop.set()
            case Others() if isinstance(part, CorePart):
                part.others(message)
            case Family() if isinstance(part, SidePart):
                part.family(message)

    def _supervisor_gone(self) -> None:
        if not self._stop.is_set():
            _log.error("the supervisor is gone: this process ends too")
        self._stop.set()
        self._gone.set()

    async def _report(self) -> None:
        while True:
            self._stream.send_newest("report", self._part.report())
            await self._clock.sleep(REPORT_S)

    async def _finish_when_told(self) -> None:
        await self._finish.wait()
        await self._part.finish()
        self._stream.keep(self._part.report())
        self._stream.keep(Finished())
