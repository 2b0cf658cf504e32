from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from wayside.clock import Clock, MonoNs
from wayside.link import Loss, Mailbox, Outcome
from wayside.observe import Counters
from wayside.obu._reasons import ObuReason

_log = logging.getLogger(__name__)

Callback = Callable[[Any], Awaitable[None] | None]
Judged = Callable[["Parcel", Outcome, MonoNs], None]
"""Told once what became of a parcel; the instant is that before the first callback, 0 for none."""

# Keys that may wait for one slow consumer; the same as the edge lets wait for one slow vehicle.
WAITING_LIMIT = 64
_REASON = {
    Loss.EXPIRED: ObuReason.EXPIRED,
    Loss.SUPERSEDED: ObuReason.SUPERSEDED,
    Loss.FULL: ObuReason.QUEUE_FULL,
}


class Parcel:
    """Something received on its way to the user; the consumers share it. ends: a cancel."""

    __slots__ = ("content", "ends", "judged", "key", "priority", "valid_until")

    def __init__(
        self, content: object, key: int, priority: int, valid_until: MonoNs | None, ends: bool = False
    ) -> None:
        self.content = content
        self.key = key
        self.priority = priority
        self.valid_until = valid_until
        self.ends = ends
        self.judged = False

    def expired(self, now: MonoNs) -> bool:
        """Whether it must no longer reach the user."""
        return self.valid_until is not None and now >= self.valid_until


class Queue:
    """What waits for one consumer: most urgent first, latest of each key, bounded, nothing stale."""

    def __init__(self, clock: Clock, counters: Counters, judged: Judged) -> None:
        self._clock = clock
        self._counters = counters
        self._judged = judged
        self._mailbox: Mailbox[Parcel] = Mailbox(WAITING_LIMIT, self._lost)
        self._ready = asyncio.Event()
        self.ended = False

    def put(self, parcel: Parcel, *, seen: bool) -> None:
        """Queue; `seen` as in `Mailbox.put`."""
        if not self._mailbox.put(parcel, seen=seen):
            self._counters.drop(ObuReason.QUEUE_FULL)
        self._ready.set()

    def end(self) -> None:
        """Let `get` return None once nothing waits."""
        self.ended = True
        self._ready.set()

    async def get(self) -> Parcel | None:
        """Next parcel that is not stale; None after the end."""
        while True:
            taken = self._mailbox.take(self._clock.mono())
            if taken is not None:
                return taken[0]
            if self.ended:
                return None
            self._ready.clear()
            await self._ready.wait()

    def _lost(self, parcel: Parcel, loss: Loss) -> None:
        self._counters.drop(_REASON[loss])
        if loss is Loss.EXPIRED:
            self._judged(parcel, Outcome.EXPIRED, MonoNs(0))


class Lane:
    """Calls the user's callbacks, one parcel after the other, away from the receiving task.

    Coroutine functions are awaited on the loop; plain functions run on the lane's one thread, so that a
    slow one holds up neither. A callback that raises is logged and counted, and the others are called.
    """

    def __init__(self, name: str, clock: Clock, counters: Counters, judged: Judged) -> None:
        self.queue = Queue(clock, counters, judged)
        self._name = name
        self._clock = clock
        self._counters = counters
        self._judged = judged
        self._callbacks: list[tuple[Callable[[Any], bool], Callback, bool]] = []
        self._thread: ThreadPoolExecutor | None = None

    def subscribe(self, wanted: Callable[[Any], bool], callback: Callback) -> Callable[[], None]:
        """Call `callback` with what is `wanted`; returns the function that ends it."""
        entry = (wanted, callback, _is_async(callback))
        self._callbacks.append(entry)

        def unsubscribe() -> None:
            if entry in self._callbacks:
                self._callbacks.remove(entry)

        return unsubscribe

    def put(self, parcel: Parcel) -> None:
        """Queue a parcel when anyone wants it."""
        if parcel.ends or any(wanted(parcel.content) for wanted, _, _ in self._callbacks):
            self.queue.put(parcel, seen=True)

    async def run(self) -> None:
        """Call until the queue ends or the task is cancelled."""
        try:
            while (parcel := await self.queue.get()) is not None:
                await self._deliver(parcel)
        finally:
            if self._thread is not None:
                self._thread.shutdown(wait=False, cancel_futures=True)

    async def _deliver(self, parcel: Parcel) -> None:
        for wanted, callback, on_loop in list(self._callbacks):
            if not wanted(parcel.content):
                continue
            try:
                called = await self._call(callback, parcel, on_loop)
            except Exception:
                self._counters.drop(ObuReason.CALLBACK_FAILED)
                _log.exception("a callback of the %s lane failed", self._name)
                continue
            if called is None:
                self._counters.drop(ObuReason.EXPIRED)
                self._judged(parcel, Outcome.EXPIRED, MonoNs(0))

    async def _call(self, callback: Callback, parcel: Parcel, on_loop: bool) -> MonoNs | None:
        """Instant of the call; None when the parcel went stale before it."""
        if on_loop:
            now = self._clock.mono()
            if parcel.expired(now):
                return None
            self._judged(parcel, Outcome.CALLED, now)
            result = callback(parcel.content)
            if result is not None:
                await result
            return now
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"wayside-obu-{self._name}")
        loop = asyncio.get_running_loop()

        def on_thread() -> MonoNs | None:
            now = self._clock.mono()
            if parcel.expired(now):
                return None
            loop.call_soon_threadsafe(self._judged, parcel, Outcome.CALLED, now)
            callback(parcel.content)
            return now

        return await loop.run_in_executor(self._thread, on_thread)


def _is_async(callback: Callback) -> bool:
    return inspect.iscoroutinefunction(callback) or inspect.iscoroutinefunction(type(callback).__call__)
