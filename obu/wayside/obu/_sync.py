from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import Callable, Collection, Coroutine, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from wayside.link import Severity, WarningKind
from wayside.obu._client import ObuClient, Unsubscribe
from wayside.obu._delivery import Callback
from wayside.obu._message import WireValue
from wayside.obu._reasons import ObuError, ObuReason
from wayside.obu._types import ObuState, ObuStatus, ReceivedAdvice, ReceivedWarning

if TYPE_CHECKING:
    from wayside.asn1.messages import BasicSafety

T = TypeVar("T")


class SyncObuClient:
    """`ObuClient` for programs without an event loop: one background loop on one thread.

    Arguments as for `ObuClient`. Use as a context manager. Every method may be called from any thread.
    Callbacks run on the client's own thread, one after the other.
    """

    def __init__(self, servers: Sequence[str], *, vehicle_id: str, **options: Any) -> None:
        self._make: Callable[[], ObuClient] = lambda: ObuClient(servers, vehicle_id=vehicle_id, **options)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: ObuClient | None = None
        self._thread: threading.Thread | None = None
        self._stop: asyncio.Event | None = None

    def start(self) -> None:
        """Start the loop and begin to connect. Raises as `ObuClient` does; RuntimeError when called twice."""
        if self._thread is not None:
            raise RuntimeError("a SyncObuClient is started once")
        ready = threading.Event()
        errors: list[BaseException] = []

        async def main() -> None:
            try:
                client = self._make()
                await client.start()
            except BaseException as error:
                errors.append(error)
                ready.set()
                return
            self._loop, self._client = asyncio.get_running_loop(), client
            self._stop = asyncio.Event()
            ready.set()
            await self._stop.wait()
            await client.close()

        self._thread = threading.Thread(target=lambda: asyncio.run(main()), name="wayside-obu", daemon=True)
        self._thread.start()
        ready.wait()
        if errors:
            self._thread.join()
            raise errors[0]

    def close(self) -> None:
        """Say goodbye and end the thread. Idempotent."""
        if self._thread is None or self._loop is None or self._stop is None:
            return
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def __enter__(self) -> SyncObuClient:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def connected(self, timeout_s: float = 10.0) -> None:
        """Wait for a session; raises as `ObuClient.connected`."""
        self._run(self._inner.connected(timeout_s))

    def warnings(
        self,
        kinds: Collection[WarningKind | str] | None = None,
        min_severity: Severity = Severity.INFORM,
        timeout_s: float | None = None,
    ) -> Iterator[ReceivedWarning]:
        """Warnings from now on; ends after `timeout_s` without one (None: never), or when closed."""

        async def subscribe() -> Any:
            return self._inner.warnings(kinds, min_severity)

        stream = self._run(subscribe())

        async def following() -> ReceivedWarning | None:
            with contextlib.suppress(StopAsyncIteration, TimeoutError):
                async with asyncio.timeout(timeout_s):
                    warning: ReceivedWarning = await anext(stream)
                    return warning
            return None

        def each() -> Iterator[ReceivedWarning]:
            while True:
                try:
                    warning = self._run(following())
                except ObuError as error:
                    if error.reason is ObuReason.NOT_CONNECTED:
                        return
                    raise
                if warning is None:
                    return
                yield warning

        return each()

    def on_warning(
        self,
        callback: Callback,
        kinds: Collection[WarningKind | str] | None = None,
        min_severity: Severity = Severity.INFORM,
    ) -> Unsubscribe:
        """See `ObuClient.on_warning`."""
        return self._subscribed(lambda client: client.on_warning(callback, kinds, min_severity))

    def on_cancel(self, callback: Callback) -> Unsubscribe:
        """See `ObuClient.on_cancel`."""
        return self._subscribed(lambda client: client.on_cancel(callback))

    def on_advice(self, callback: Callback) -> Unsubscribe:
        """See `ObuClient.on_advice`."""
        return self._subscribed(lambda client: client.on_advice(callback))

    def on_message(self, callback: Callback) -> Unsubscribe:
        """See `ObuClient.on_message`."""
        return self._subscribed(lambda client: client.on_message(callback))

    def active(self) -> list[ReceivedWarning]:
        """See `ObuClient.active`."""
        return self._call(lambda client: client.active())

    def active_advice(self) -> list[ReceivedAdvice]:
        """See `ObuClient.active_advice`."""
        return self._call(lambda client: client.active_advice())

    def send_bsm(self, message: BasicSafety | WireValue | bytes) -> bool:
        """See `ObuClient.send_bsm`."""
        return self._run(self._inner.send_bsm(message))

    @property
    def state(self) -> ObuState:
        """Where the link stands."""
        return self._client.state if self._client is not None else ObuState.OFFLINE

    def status(self) -> ObuStatus:
        """The link at this moment."""
        return self._call(lambda client: client.status())

    @property
    def _inner(self) -> ObuClient:
        if self._client is None:
            raise RuntimeError("the SyncObuClient is not started")
        return self._client

    def _subscribed(self, subscribe: Callable[[ObuClient], Unsubscribe]) -> Unsubscribe:
        unsubscribe = self._call(subscribe)
        return lambda: self._call(lambda _: unsubscribe())

    def _call(self, act: Callable[[ObuClient], T]) -> T:
        async def on_loop() -> T:
            return act(self._inner)

        return self._run(on_loop())

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        if self._loop is None or self._thread is None or not self._thread.is_alive():
            coroutine.close()
            raise ObuError(ObuReason.NOT_CONNECTED, "the SyncObuClient is not running")
        try:
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError:
            coroutine.close()
            raise ObuError(ObuReason.NOT_CONNECTED, "the SyncObuClient is not running") from None
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise ObuError(ObuReason.NOT_CONNECTED, "the SyncObuClient was closed meanwhile") from None
