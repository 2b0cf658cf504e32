from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from wayside.clock import Clock, MonoNs
from wayside.link import (
    Bye,
    ClockPing,
    ClockPong,
    Flag,
    Frame,
    FrameKind,
    Header,
    Hello,
    LinkError,
    LinkRules,
    Refused,
    Welcome,
    decode_body,
    decode_frame,
    encode_body,
    encode_frame,
)
from wayside.observe import Counters
from wayside.obu._offset import ClockOffset
from wayside.obu._reasons import ObuError, ObuReason
from wayside.obu._transport import Connection, Connector
from wayside.obu._types import ObuState, StateChange
from wayside.runtime import Backoff, BoundedQueue, Full, TaskOwner

# The first attempt after a loss comes within 0.2 s: a hand-over of a 5G cell is over by then.
FIRST_RETRY_S = 0.2
# A vehicle out of coverage should notice the edge within seconds of coming back, and two thousand vehicles
# asking every 5 s on average are 400 attempts a second at most.
RETRY_CEILING_S = 10.0
# Four answers within a fifth of a second make the clock estimate usable when the first warning comes.
FIRST_PINGS = 4
FIRST_PING_GAP_S = 0.05
# Crystals drift by some 50 µs in 2 s at worst: less than a round trip over 5G.
PING_PERIOD_S = 2.0
# Unanswered for three pings: the estimate is old news.
PINGS_MISSED = 3
WATCH_PERIOD_S = 0.25
# A session this old without any answer to a ping is degraded rather than still coming up.
FIRST_ANSWER_WITHIN_S = 1.0
# A safety message (10 a second) older than this misleads more than the next one helps.
SAFETY_MESSAGE_LIVES_S = 0.5
# Frames waiting upward: three seconds at the rate a vehicle sends, then the oldest go.
WAITING_UP = 64
BYE_WITHIN_S = 0.2


class _Up(NamedTuple):
    kind: FrameKind
    body: bytes
    deadline: MonoNs | None


class _End(NamedTuple):
    """How a connection ended. hopeless: asking this server again is useless."""

    detail: str
    was_up: bool = False
    retry_after_s: float = 0.0
    hopeless: bool = False


class Link:
    """Keeps one session alive over whatever connections it takes: fail-over, back-off, resume, pings.

    deliver(frame, received) gets every MESSAGE, WARNING, ADVICE and CANCEL. changed(change) hears every
    change of state.
    """

    def __init__(
        self,
        servers: Sequence[str],
        hello: Hello,
        clock: Clock,
        counters: Counters,
        rules: LinkRules,
        connector: Connector,
        deliver: Callable[[Frame, MonoNs], None],
        changed: Callable[[StateChange], None],
        seed: int | None = None,
    ) -> None:
        self._servers = list(servers)
        self._hello = hello
        self._clock = clock
        self._counters = counters
        self._rules = rules
        self._connector = connector
        self._deliver = deliver
        self._changed = changed
        self._backoff = Backoff(first_s=FIRST_RETRY_S, ceiling_s=RETRY_CEILING_S, seed=seed)
        self._random = random.Random(seed)
        self._up: BoundedQueue[_Up] = BoundedQueue(
            WAITING_UP, Full.DROP_OLDEST, lambda _: counters.drop(ObuReason.NOT_SENT_IN_TIME)
        )
        self._up_seq = 0
        self._last_seq = 0
        self._last_heard = MonoNs(0)
        self._up_since = MonoNs(0)
        self._estimated_for = ""
        self._edge_doubts = False
        self._bad_frames = 0
        self.offset = ClockOffset()
        self.state = ObuState.OFFLINE
        self.server = ""
        self.welcome: Welcome | None = None
        self.up = asyncio.Event()
        self.resumes = 0
        self.sent = 0
        self.failure: ObuError | None = None

    def post(self, kind: FrameKind, body: bytes, lives_s: float | None = None) -> bool:
        """Queue a frame upward; False when there is no session."""
        if not self.up.is_set():
            return False
        deadline = None if lives_s is None else MonoNs(self._clock.mono() + round(lives_s * 1e9))
        return self._up.put(_Up(kind, body, deadline))

    async def run(self) -> None:
        """Connect for ever; returns only when every server has refused this vehicle for good."""
        hopeless: set[str] = set()
        turn = tried = 0
        while True:
            server = self._servers[turn % len(self._servers)]
            if server in hopeless:
                turn += 1
                continue
            self._set(ObuState.CONNECTING, server=server)
            end = await self._attempt(server)
            if end.hopeless:
                hopeless.add(server)
                if len(hopeless) == len(set(self._servers)):
                    self.failure = ObuError(ObuReason.REFUSED, end.detail, where=server)
                    return
            self._set(ObuState.OFFLINE, end.detail)
            if end.was_up:
                self._backoff.reset()
                tried = 0
            else:
                turn, tried = turn + 1, tried + 1
                if tried % len(self._servers) and not end.retry_after_s:
                    continue
            wait_s = self._backoff.next_s()
            await self._clock.sleep(max(wait_s, end.retry_after_s * self._random.uniform(1.0, 1.5)))

    def close(self) -> None:
        """Note the end."""
        self.up.clear()
        self._set(ObuState.CLOSED, str(self.failure) if self.failure else "")

    async def _attempt(self, server: str) -> _End:
        try:
            connection = await self._connector(server)
        except ConnectionError as error:
            self._counters.drop(ObuReason.UNREACHABLE)
            return _End(str(error))
        try:
            return await self._converse(connection, server)
        finally:
            self.up.clear()
            await connection.close()

    async def _converse(self, connection: Connection, server: str) -> _End:
        self.offset.new_connection(same_server=server == self._estimated_for)
        self._estimated_for = server
        self._last_heard = self._clock.mono()
        self._bad_frames = 0
        async with TaskOwner("obu-link") as tasks:
            try:
                await self._send(connection, FrameKind.HELLO, self._greeting())
                tasks.start(self._watch(connection), "watch")
                tasks.start(self._ping(connection), "ping")
                tasks.start(self._write(connection), "write")
                while True:
                    end = self._received(await connection.recv(), self._clock.mono())
                    if end is not None:
                        return end
            except ConnectionError as error:
                self._counters.drop(ObuReason.LOST)
                return _End(f"connection lost: {error}", was_up=self.up.is_set())
            except asyncio.CancelledError:
                if self.up.is_set():
                    with contextlib.suppress(ConnectionError, TimeoutError):
                        async with asyncio.timeout(BYE_WITHIN_S):
                            await self._send(connection, FrameKind.BYE, Bye())
                raise

    def _greeting(self) -> Hello:
        if self.welcome is None:
            return self._hello
        return msgspec.structs.replace(self._hello, resume=self.welcome.resume, last_seq=self._last_seq)

    # down

    def _received(self, data: bytes, received: MonoNs) -> _End | None:
        """Act on one message from the edge; an end when this connection is over."""
        self._last_heard = received
        try:
            frame = decode_frame(data, self._rules.max_frame_bytes)
            end = self._act(frame, received)
        except LinkError as error:
            self._counters.drop(error.reason)
            self._bad_frames += 1
            if not self.up.is_set() or self._bad_frames >= self._rules.bad_frames_limit:
                return _End(f"the edge sends what is no link frame: {error}", was_up=self.up.is_set())
            return None
        self._bad_frames = 0
        return end

    def _act(self, frame: Frame, received: MonoNs) -> _End | None:
        header = frame.header
        kind = header.kind
        if kind is FrameKind.REFUSED:
            return self._refused(decode_body(frame, Refused))
        if not self.up.is_set():
            if kind is not FrameKind.WELCOME:
                self._counters.drop(ObuReason.UNEXPECTED_FRAME)
                return _End(f"the edge began with {kind.name} instead of WELCOME")
            self._welcomed(decode_body(frame, Welcome), header)
            return None
        self._last_seq = header.seq
        if kind in (FrameKind.MESSAGE, FrameKind.WARNING, FrameKind.ADVICE, FrameKind.CANCEL):
            self._edge_doubts = bool(header.flags & Flag.DEGRADED)
            self._deliver(frame, received)
            self._assess(received)
        elif kind is FrameKind.CLOCK_PONG:
            if not self.offset.answer(decode_body(frame, ClockPong), received):
                self._counters.drop(ObuReason.UNEXPECTED_FRAME)
            self._assess(received)
        elif kind is FrameKind.BYE:
            return _End("the edge said goodbye", was_up=True)
        else:
            self._counters.drop(ObuReason.UNEXPECTED_FRAME)
        return None

    def _welcomed(self, welcome: Welcome, header: Header) -> None:
        if welcome.resumed:
            self.resumes += 1
        else:
            self._up.take_all()  # receipts of frames that this session never had
        self.welcome = welcome
        self._last_seq = header.seq
        self._edge_doubts = False
        self._up_since = self._clock.mono()
        self.up.set()

    def _refused(self, refused: Refused) -> _End:
        self._counters.drop(ObuReason.REFUSED)
        detail = f"refused, {refused.reason.value}: {refused.detail}"
        hopeless = refused.retry_after_s < 0
        return _End(detail, self.up.is_set(), max(0.0, refused.retry_after_s), hopeless)

    def _assess(self, now: MonoNs) -> None:
        if not self.up.is_set():
            return
        answered_at = self.offset.answered_at
        late_s = PING_PERIOD_S * PINGS_MISSED
        fresh = answered_at is not None and now - answered_at <= late_s * 1e9
        if fresh and not self._edge_doubts:
            self._set(ObuState.CONNECTED)
        elif self._edge_doubts:
            self._set(ObuState.DEGRADED, "the edge doubts its clock")
        elif answered_at is not None or now - self._up_since > FIRST_ANSWER_WITHIN_S * 1e9:
            self._set(ObuState.DEGRADED, "the edge does not answer pings")

    # up

    async def _watch(self, connection: Connection) -> None:
        """Give up an edge that is silent, or does not answer HELLO in time."""
        started = self._clock.mono()
        while True:
            await self._clock.sleep(WATCH_PERIOD_S)
            now = self._clock.mono()
            if self.welcome is not None and self.up.is_set():
                over = now - self._last_heard > 3e9 * self.welcome.keepalive_s
            else:
                over = now - started > 1e9 * self._rules.hello_timeout_s
            if over:
                await connection.close()
                return
            self._assess(now)

    async def _ping(self, connection: Connection) -> None:
        await self.up.wait()
        keepalive_s = self.welcome.keepalive_s if self.welcome is not None else self._rules.keepalive_s
        period_s = min(PING_PERIOD_S, keepalive_s / 2)
        count = 0
        try:
            while True:
                now = self._clock.mono()
                self.offset.asked(now)
                await self._send(connection, FrameKind.CLOCK_PING, ClockPing(now))
                count += 1
                await self._clock.sleep(FIRST_PING_GAP_S if count < FIRST_PINGS else period_s)
        except ConnectionError:
            return  # the receiving side sees it too, and acts

    async def _write(self, connection: Connection) -> None:
        await self.up.wait()
        try:
            while True:
                item = await self._up.get()
                if item.deadline is not None and self._clock.mono() > item.deadline:
                    self._counters.drop(ObuReason.NOT_SENT_IN_TIME)
                    continue
                await connection.send(self._frame(item.kind, item.body))
                self.sent += 1
        except ConnectionError:
            return  # the receiving side sees it too, and acts

    async def _send(self, connection: Connection, kind: FrameKind, body: msgspec.Struct) -> None:
        await connection.send(self._frame(kind, encode_body(body)))

    def _frame(self, kind: FrameKind, body: bytes) -> bytes:
        self._up_seq += 1
        created_ms = self._clock.utc() // 1_000_000
        return encode_frame(Header(kind, Flag(0), 0, self._up_seq, 0, created_ms, 0), body)

    def _set(self, state: ObuState, detail: str = "", server: str | None = None) -> None:
        if server is not None:
            self.server = server
        if state is self.state:
            return
        before, self.state = self.state, state
        self._changed(StateChange(state, before, self.server, detail))
