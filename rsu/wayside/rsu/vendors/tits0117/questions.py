"""Questions to a unit that wait for their answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from wayside.clock import Clock
from wayside.rsu import RsuError, RsuReason
from wayside.runtime import TaskOwner


class Questions:
    """Sends each question `tries` times, wait_s apart, until its answer comes or `tasks` is closed."""

    def __init__(self, clock: Clock, tasks: TaskOwner, *, tries: int, wait_s: float) -> None:
        self._clock = clock
        self._tasks = tasks
        self._tries = tries
        self._wait_s = wait_s
        self._answers: dict[tuple[str, str], asyncio.Future[Any]] = {}

    async def ask(self, seq: str, what: str, send: Callable[[], Awaitable[None]]) -> Any:
        """The answer to what is asked, under a sequence number.

        Raises RsuError TIMEOUT, OFFLINE when closed, what the unit refuses with, and what `send` raises.
        """
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._answers[what, seq] = answer
        timer = self._tasks.start(self._send_until(answer, what, send), "question")
        try:
            return await answer
        finally:
            timer.cancel()
            del self._answers[what, seq]

    def answer(self, seq: str, what: str, answer: Any) -> bool:
        """An answer, or an RsuError instead of one, has come; False when nobody waits for it."""
        waiting = self._answers.get((what, seq))
        if waiting is None or waiting.done():
            return False
        if isinstance(answer, RsuError):
            waiting.set_exception(answer)
        else:
            waiting.set_result(answer)
        return True

    async def _send_until(
        self, answer: asyncio.Future[Any], what: str, send: Callable[[], Awaitable[None]]
    ) -> None:
        try:
            for _ in range(self._tries):
                await send()
                await self._clock.sleep(self._wait_s)
            raise RsuError(RsuReason.TIMEOUT, f"no answer to {what}, sent {self._tries} times")
        except RsuError as error:
            if not answer.done():
                answer.set_exception(error)
        finally:
            # Closed in the middle of a question: nobody may wait for ever.
            if not answer.done():
                answer.set_exception(RsuError(RsuReason.OFFLINE, f"closed before {what} was answered"))
