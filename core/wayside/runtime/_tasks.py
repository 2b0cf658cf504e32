from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any

_log = logging.getLogger(__name__)


class TaskOwner:
    """Owns every task it starts and ends them all when it is closed.

    A task that fails is reported to `on_failure` (default: logged at ERROR) and the first failure is
    kept in `failure`; the others go on, so that one broken part does not silence the rest. Use as an
    async context manager, or call `close`.
    """

    def __init__(self, name: str, on_failure: Callable[[str, BaseException], None] | None = None) -> None:
        self.name = name
        self.failure: BaseException | None = None
        self._on_failure = on_failure
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closing = False

    def start(self, coroutine: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Run a coroutine as an owned task. Raises RuntimeError once closing has begun."""
        if self._closing:
            coroutine.close()
            raise RuntimeError(f"{self.name} is closing: {name} was not started")
        task = asyncio.get_running_loop().create_task(coroutine, name=f"{self.name}/{name}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def close(self) -> None:
        """Cancel all tasks and wait until each has ended."""
        self._closing = True
        current = asyncio.current_task()
        tasks = [task for task in self._tasks if task is not current]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def __aenter__(self) -> TaskOwner:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __len__(self) -> int:
        return len(self._tasks)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            return
        if self.failure is None:
            self.failure = error
        if self._on_failure is not None:
            self._on_failure(task.get_name(), error)
        else:
            _log.error("task %s failed", task.get_name(), exc_info=error)
