from __future__ import annotations

import asyncio
import logging
import ssl as ssl_module
import weakref
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from wayside.clock import Clock, MonoNs, SystemClock
from wayside.link import (
    Frame,
    FrameKind,
    Hello,
    LinkRules,
    Outcome,
    Receipt,
    Severity,
    WarningKind,
    encode_body,
)
from wayside.observe import Counters
from wayside.obu._delivery import Callback, Lane, Parcel, Queue
from wayside.obu._inbox import Inbox
from wayside.obu._link import SAFETY_MESSAGE_LIVES_S, Link
from wayside.obu._message import WireValue, encoded
from wayside.obu._reasons import ObuError, ObuReason
from wayside.obu._transport import Connector, websocket_connector
from wayside.obu._types import (
    ObuState,
    ObuStatus,
    ReceivedAdvice,
    ReceivedCancel,
    ReceivedMessage,
    ReceivedWarning,
    StateChange,
)
from wayside.runtime import TaskOwner

if TYPE_CHECKING:
    from wayside.asn1.messages import BasicSafety

_log = logging.getLogger(__name__)

Unsubscribe = Callable[[], None]


class WarningStream(AsyncIterator[ReceivedWarning]):
    """Warnings one after the other, most urgent first, never a stale one. Ends when the client is closed;
    raises ObuError REFUSED when every server has refused this vehicle for good."""

    def __init__(self, client: ObuClient, queue: Queue, wanted: Callable[[ReceivedWarning], bool]) -> None:
        self._client = client
        self._wanted = wanted
        self.queue = queue

    def offer(self, parcel: Parcel) -> None:
        """Queue a warning that is wanted; a cancel only takes back what waits."""
        if parcel.ends or (isinstance(parcel.content, ReceivedWarning) and self._wanted(parcel.content)):
            self.queue.put(parcel, seen=False)

    def __aiter__(self) -> WarningStream:
        return self

    async def __anext__(self) -> ReceivedWarning:
        parcel = await self.queue.get()
        if parcel is None:
            if self._client.failure is not None:
                raise self._client.failure
            raise StopAsyncIteration
        assert isinstance(parcel.content, ReceivedWarning)
        self._client.judged(parcel, Outcome.CALLED, self._client.clock.mono())
        return parcel.content


class ObuClient:
    """A vehicle's end of the link: warnings and messages down, safety messages up.

    servers: addresses (`ws://` or `wss://`) in order of preference; the next is tried when one fails.
    vehicle_id: lasting identity at the edge, 1..64 characters. token: the site's secret. dialect: of the
    messages both ways. ssl: context for wss, default the system's trust. Everything else is for tests:
    `connector` opens connections, `seed` fixes the jitter.

    Use as an async context manager, or call `start` and `close`. Entering does not wait for a connection
    (see `connected`); the client keeps trying, and takes its session up again after a loss. A queue holds at
    most 64 keys a consumer: the most urgent leave first, the latest of a key replaces the older, beyond the
    limit the oldest of the lowest priority is dropped and counted.

    Raises ValueError for a bad vehicle_id or no server.
    """

    def __init__(
        self,
        servers: Sequence[str],
        *,
        vehicle_id: str,
        token: str = "",
        dialect: str = "csae53-2020",
        ssl: ssl_module.SSLContext | None = None,
        software: str = "wayside-obu",
        rules: LinkRules | None = None,
        clock: Clock | None = None,
        counters: Counters | None = None,
        connector: Connector | None = None,
        seed: int | None = None,
    ) -> None:
        if not servers or isinstance(servers, str):
            raise ValueError("servers is a list of at least one address")
        if not 1 <= len(vehicle_id) <= 64:
            raise ValueError("vehicle_id has 1 to 64 characters")
        self.clock: Clock = clock or SystemClock()
        self.counters = counters or Counters()
        self.dialect = dialect
        rules = rules or LinkRules()
        hello = Hello(vehicle_id, dialect, token, software=software)
        self._link = Link(
            servers,
            hello,
            self.clock,
            self.counters,
            rules,
            connector or websocket_connector(rules, ssl),
            self._deliver,
            self._changed,
            seed,
        )
        self._inbox = Inbox(self._link.offset, dialect)
        self._alerts = Lane("alerts", self.clock, self.counters, self.judged)
        self._messages = Lane("messages", self.clock, self.counters, self.judged)
        self._streams: weakref.WeakSet[WarningStream] = weakref.WeakSet()
        self._on_state: list[Callable[[StateChange], None]] = []
        self._settled = asyncio.Event()
        self._tasks = TaskOwner("obu")
        self._started = False
        self._closed = False

    # life

    async def start(self) -> None:
        """Begin to connect; returns at once. Raises RuntimeError when called twice."""
        if self._started:
            raise RuntimeError("an ObuClient is started once")
        self._started = True
        self._tasks.start(self._alerts.run(), "alerts")
        self._tasks.start(self._messages.run(), "messages")
        self._tasks.start(self._run(), "link")

    async def close(self) -> None:
        """Say goodbye to the edge, end every task and every stream. Idempotent."""
        if self._closed:
            return
        self._closed = True
        await self._tasks.close()
        self._end()

    async def __aenter__(self) -> ObuClient:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def connected(self, timeout_s: float = 10.0) -> None:
        """Wait for a session. Raises ObuError: UNREACHABLE in time, REFUSED when it is refused for good."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._settled.wait()
        except TimeoutError:
            raise ObuError(
                ObuReason.UNREACHABLE,
                f"no session within {timeout_s:g} s: {self._last_detail}",
                where=self._link.server,
                advice="check the address, and that the edge is running",
            ) from None
        if self.failure is not None:
            raise self.failure

    # down

    def warnings(
        self,
        kinds: Collection[WarningKind | str] | None = None,
        min_severity: Severity = Severity.INFORM,
    ) -> WarningStream:
        """Warnings from now on, to iterate over."""
        stream = WarningStream(
            self, Queue(self.clock, self.counters, self.judged), _warning_filter(kinds, min_severity)
        )
        if self._closed or self.failure is not None:
            stream.queue.end()
        self._streams.add(stream)
        return stream

    def on_warning(
        self,
        callback: Callback,
        kinds: Collection[WarningKind | str] | None = None,
        min_severity: Severity = Severity.INFORM,
    ) -> Unsubscribe:
        """Call back with each `ReceivedWarning`. Coroutine functions run on the loop, plain ones on a thread
        of their own; a slow one delays later calls, never the link, and may find fewer: stale warnings are
        left out."""
        wanted = _warning_filter(kinds, min_severity)
        return self._alerts.subscribe(lambda c: isinstance(c, ReceivedWarning) and wanted(c), callback)

    def on_cancel(self, callback: Callback) -> Unsubscribe:
        """Call back with each `ReceivedCancel`, in order with the warnings."""
        return self._alerts.subscribe(lambda c: isinstance(c, ReceivedCancel), callback)

    def on_advice(self, callback: Callback) -> Unsubscribe:
        """Call back with each `ReceivedAdvice`."""
        return self._alerts.subscribe(lambda c: isinstance(c, ReceivedAdvice), callback)

    def on_message(self, callback: Callback) -> Unsubscribe:
        """Call back with each `ReceivedMessage`."""
        return self._messages.subscribe(lambda c: isinstance(c, ReceivedMessage), callback)

    def on_state(self, callback: Callable[[StateChange], None]) -> Unsubscribe:
        """Call back with each change of state, on the loop: return at once."""
        self._on_state.append(callback)
        return lambda: self._on_state.remove(callback) if callback in self._on_state else None

    def active(self) -> list[ReceivedWarning]:
        """Warnings in force now: neither expired nor cancelled, most urgent first."""
        return self._inbox.active(self.clock.mono())

    def active_advice(self) -> list[ReceivedAdvice]:
        """Advice in force now: neither expired nor cancelled, the latest of each key."""
        return self._inbox.advice_in_force(self.clock.mono())

    # up

    async def send_bsm(self, message: BasicSafety | WireValue | bytes) -> bool:
        """Send a safety message: a BasicSafety, a wire value, or the octets of a MessageFrame.

        False, and counted, when there is no session; it is not kept for later. Raises ObuError BAD_MESSAGE
        when it cannot be encoded in the dialect.
        """
        posted = self._link.post(FrameKind.MESSAGE, encoded(self.dialect, message), SAFETY_MESSAGE_LIVES_S)
        if not posted:
            self.counters.drop(ObuReason.NOT_CONNECTED)
        return posted

    # state

    @property
    def state(self) -> ObuState:
        """Where the link stands."""
        return self._link.state

    @property
    def failure(self) -> ObuError | None:
        """Why the client gave up for good, None while it has not."""
        return self._link.failure

    def status(self) -> ObuStatus:
        """The link at this moment."""
        estimate = self._link.offset.estimate()
        welcome = self._link.welcome
        vehicle_utc_minus_mono_ns = self.clock.utc() - self.clock.mono()
        return ObuStatus(
            state=self.state,
            server=self._link.server,
            session_id=welcome.session_id if welcome else "",
            site=welcome.site if welcome else "",
            resumes=self._link.resumes,
            rtt_ms=estimate.rtt_ns / 1e6 if estimate else None,
            edge_minus_vehicle_ms=estimate.edge_minus_vehicle_ns / 1e6 if estimate else None,
            utc_minus_vehicle_ms=(estimate.utc_minus_vehicle_ns - vehicle_utc_minus_mono_ns) / 1e6
            if estimate
            else None,
            warnings=self.counters.value("obu_received", "warning"),
            cancels=self.counters.value("obu_received", "cancel"),
            messages=self.counters.value("obu_received", "message"),
            sent=self._link.sent,
        )

    def judged(self, parcel: Parcel, outcome: Outcome, called: MonoNs) -> None:
        """Tell the edge what became of a warning, once."""
        content = parcel.content
        if parcel.judged or not isinstance(content, ReceivedWarning):
            return
        parcel.judged = True
        self._receipt(content.seq, content.trace_id, outcome, content.received, called)

    # inside

    _last_detail = "not started"

    async def _run(self) -> None:
        await self._link.run()
        self._end()

    def _end(self) -> None:
        self._link.close()
        for stream in list(self._streams):
            stream.queue.end()
        self._settled.set()

    def _changed(self, change: StateChange) -> None:
        self._last_detail = change.detail or change.state.value
        if change.state in (ObuState.CONNECTED, ObuState.DEGRADED, ObuState.CLOSED):
            self._settled.set()
        else:
            self._settled.clear()
        for callback in list(self._on_state):
            try:
                callback(change)
            except Exception:
                self.counters.drop(ObuReason.CALLBACK_FAILED)
                _log.exception("a state callback failed")

    def _deliver(self, frame: Frame, received: MonoNs) -> None:
        kind = frame.header.kind
        self.counters.count("obu_received", kind.name.lower())
        if kind is FrameKind.WARNING:
            self._warning(frame, received)
        elif kind is FrameKind.CANCEL:
            cancel = self._inbox.cancel(frame, received)
            self._alert(Parcel(cancel, cancel.key, frame.header.priority, None, ends=True))
        elif kind is FrameKind.ADVICE:
            advice = self._inbox.advice(frame, received)
            if advice is None:
                self.counters.drop(ObuReason.EXPIRED)
                return
            self._alert(Parcel(advice, advice.key, frame.header.priority, advice.valid_until))
        else:
            message = self._inbox.message(frame, received)
            if message is None:
                self.counters.drop(ObuReason.EXPIRED)
                return
            self._messages.put(Parcel(message, frame.header.key, frame.header.priority, message.valid_until))

    def _warning(self, frame: Frame, received: MonoNs) -> None:
        warning = self._inbox.warning(frame, received)
        if isinstance(warning, ReceivedWarning):
            self._alert(Parcel(warning, warning.key, warning.priority, warning.valid_until))
            return
        outcome, trace_id = warning
        duplicate = outcome is Outcome.DUPLICATE
        self.counters.drop(ObuReason.DUPLICATE if duplicate else ObuReason.EXPIRED)
        self._receipt(frame.header.seq, trace_id, outcome, received, MonoNs(0))

    def _alert(self, parcel: Parcel) -> None:
        self._alerts.put(parcel)
        for stream in list(self._streams):
            stream.offer(parcel)

    def _receipt(self, seq: int, trace_id: str, outcome: Outcome, received: MonoNs, called: MonoNs) -> None:
        estimate = self._link.offset.estimate()
        offset_ns = estimate.edge_minus_vehicle_ns if estimate is not None else 0
        receipt = Receipt(seq, trace_id, outcome, received, called, offset_ns)
        self._link.post(FrameKind.RECEIPT, encode_body(receipt))


def _warning_filter(
    kinds: Collection[WarningKind | str] | None, min_severity: Severity
) -> Callable[[ReceivedWarning], bool]:
    wanted = None if kinds is None else {WarningKind(kind) for kind in kinds}
    return lambda w: (wanted is None or w.kind in wanted) and w.severity >= min_severity
