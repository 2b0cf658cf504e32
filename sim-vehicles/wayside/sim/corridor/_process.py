from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Sequence

from wayside.sim.corridor._frames import (
    Answer,
    Failed,
    Order,
    Ready,
    Setup,
    State,
    Step,
    TrafficError,
    TrafficReason,
    answer_of,
    frame,
    length_of,
)

_HEAD_BYTES = 4
_CHUNK_BYTES = 1 << 20
_END_S = 10.0
COMMAND = (sys.executable, "-m", "wayside.sim.corridor.traffic")


class TrafficProcess:
    """The traffic process as a child of this one. Between `send` and `receive` both sides work.

    timeout_s: for the set-up and for each step. command: what to start. Raises TrafficError when it does not
    come up.
    """

    def __init__(self, setup: Setup, *, timeout_s: float = 60.0, command: Sequence[str] = COMMAND) -> None:
        self._timeout_s = timeout_s
        self._buffer = bytearray()
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        try:
            self._write(frame(setup))
            ready = self._answer()
            if not isinstance(ready, Ready):
                raise TrafficError(TrafficReason.BAD_FRAME, f"{type(ready).__name__} instead of Ready")
        except BaseException:
            self.close()
            raise
        self.version = ready.version

    @property
    def pid(self) -> int:
        """Process number of the child."""
        return self._child.pid

    def send(self, orders: tuple[Order, ...]) -> None:
        """Have the next step made. Raises TrafficError."""
        self._write(frame(Step(orders)))

    def receive(self) -> State:
        """State after the step that was sent. Raises TrafficError."""
        state = self._answer()
        if not isinstance(state, State):
            raise TrafficError(TrafficReason.BAD_FRAME, f"{type(state).__name__} instead of State")
        return state

    def close(self) -> None:
        """End the child: close its stdin, and kill it when it has not ended within 10 s."""
        child = self._child
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                stream.close()
        try:
            child.wait(_END_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def _write(self, data: bytes) -> None:
        assert self._child.stdin is not None
        view = memoryview(data)
        try:
            while view:
                view = view[self._child.stdin.write(view) or 0 :]
        except (BrokenPipeError, ValueError):
            # It may have said why before it ended.
            self._answer()
            raise TrafficError(TrafficReason.ENDED, "it takes no more") from None

    def _answer(self) -> Answer:
        body = self._take(length_of(self._take(_HEAD_BYTES)))
        answer = answer_of(body)
        if isinstance(answer, Failed):
            raise TrafficError(TrafficReason.FAILED, answer.detail)
        return answer

    def _take(self, size: int) -> bytes:
        assert self._child.stdout is not None
        if self._child.stdout.closed:
            raise TrafficError(TrafficReason.ENDED, "it has been closed")
        while len(self._buffer) < size:
            ready, _, _ = select.select([self._child.stdout], [], [], self._timeout_s)
            if not ready:
                raise TrafficError(TrafficReason.LATE, f"no answer within {self._timeout_s:g} s")
            data = os.read(self._child.stdout.fileno(), _CHUNK_BYTES)
            if not data:
                raise TrafficError(TrafficReason.ENDED, f"exit code {self._child.wait()}")
            self._buffer += data
        out = bytes(self._buffer[:size])
        del self._buffer[:size]
        return out
