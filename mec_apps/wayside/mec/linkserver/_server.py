from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Callable, Collection

from picows import WSUpgradeRequest, WSUpgradeResponse, WSUpgradeResponseWithListener, ws_create_server

from wayside.clock import Clock, MonoNs
from wayside.link import (
    SUBPROTOCOL,
    ClockPing,
    ClockPong,
    Frame,
    FrameKind,
    Hello,
    LinkError,
    LinkReason,
    LinkRules,
    Receipt,
    Refusal,
    Refused,
    Welcome,
    decode_body,
    decode_frame,
)
from wayside.mec.linkserver._connection import Connection
from wayside.mec.linkserver._outgoing import Outgoing, SessionInfo
from wayside.mec.linkserver._reasons import LinkServerReason, reason_of
from wayside.mec.linkserver._registry import NEVER_S, Registry
from wayside.mec.linkserver._session import Session
from wayside.observe import Counters
from wayside.runtime import TaskOwner

_log = logging.getLogger(__name__)
# picows logs two lines a connection and one for each bad octet; what matters is counted here instead.
_picows_log = logging.getLogger(f"{__name__}.picows")
_picows_log.setLevel(logging.CRITICAL)

OnMessage = Callable[[SessionInfo, bytes, MonoNs], None]
OnReceipt = Callable[[SessionInfo, Receipt], None]
OnSession = Callable[[SessionInfo, bool], None]

# Vehicles that do not read are looked at ten times within `unwritable_s`; the other limits of time are of
# seconds, and looking at every vehicle costs as much as a message to it, so every fifth time will do.
STUCK_SWEEP_S = 0.1
SWEEPS = 5
# Connections that have not said HELLO: more than a restart of the edge brings at once on two cores, few
# enough that idle ones cannot eat the descriptors.
WAITING_FOR_HELLO = 512
# A closed connection whose peer does not take the last octets is cut after this.
LINGER_S = 1.0


class LinkServer:
    """The edge's end of the vehicle link; knows sessions and frames, nothing of the world.

    rules: limits. token: secret that every HELLO must carry, None for an open site. dialects: those a
    vehicle may agree on. on_message(session, body, arrived): a MessageFrame came up. on_receipt(session,
    receipt): what became of a warning. on_session(session, up): True when a vehicle is connected, also
    after a resume; False when it is cut or gone. The callbacks run on the loop and must not block; what
    they raise is logged and counted as `link_callback_failed`. ssl_context: for wss.

    All methods belong to the loop that called `start`.
    """

    def __init__(
        self,
        rules: LinkRules,
        clock: Clock,
        counters: Counters,
        *,
        site: str,
        token: str | None,
        dialects: Collection[str],
        on_message: OnMessage,
        on_receipt: OnReceipt,
        on_session: OnSession,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self.rules = rules
        self.clock = clock
        self._counters = counters
        self._site = site
        self._on_message = on_message
        self._on_receipt = on_receipt
        self._on_session = on_session
        self._ssl_context = ssl_context
        self._registry = Registry(rules, token, dialects, counters.drop)
        self._connections: set[Connection] = set()
        self._carried: dict[str, Connection] = {}
        self._waiting: set[Connection] = set()
        self._blocked: set[Connection] = set()
        self._all_gone = asyncio.Event()
        self._all_gone.set()
        self._server: asyncio.Server | None = None
        self._tasks = TaskOwner("link-server")
        self._closing = False
        self.holding = False

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; port 0 lets the system choose. Raises OSError when the address cannot be had."""
        self._server = await ws_create_server(
            self._upgrade,
            host,
            port,
            ssl=self._ssl_context,
            ssl_handshake_timeout=self.rules.hello_timeout_s if self._ssl_context else None,
            websocket_handshake_timeout=self.rules.hello_timeout_s,
            max_frame_size=self.rules.max_frame_bytes,
            enable_auto_pong=False,
            enable_auto_ping=False,
            use_aiofastnet=False,  # the loops' own transports: a failed handshake is no error of ours
            read_buffer_init_size=2_048,
            logger_name=_picows_log,
            backlog=1_024,
        )
        self._tasks.start(self._sweep(), "sweep")

    @property
    def port(self) -> int:
        """Port it listens on. Raises RuntimeError before `start`."""
        if self._server is None or not self._server.sockets:
            raise RuntimeError("the link server is not listening")
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Tell every vehicle, close all connections and end every task. Idempotent."""
        if self._closing:
            return
        self._closing = True
        if self._server is not None:
            self._server.close()
        bye = Refused(Refusal.SHUTTING_DOWN, "the edge goes down", 1.0)
        for connection in list(self._connections):
            connection.refuse(bye)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                await self._all_gone.wait()
        for connection in list(self._connections):
            connection.cut()
        await self._all_gone.wait()
        for session in list(self._registry.by_id.values()):
            self._registry.remove(session)
        await self._tasks.close()

    def send(self, session_id: str, item: Outgoing) -> bool:
        """Write a frame to one vehicle, or let it wait for its socket or its return.

        False, and counted as NO_SESSION, when there is no such session.
        """
        connection = self._carried.get(session_id)
        session = connection.session if connection is not None else self._registry.by_id.get(session_id)
        if session is None:
            self._counters.drop(LinkServerReason.NO_SESSION)
            return False
        if connection.post(session, item) if connection is not None else session.post(item):
            return True
        self._end(session, Refusal.TOO_SLOW, "more cancels than can wait")
        return False

    def sessions(self) -> list[SessionInfo]:
        """Vehicles that are connected now."""
        return [self._registry.by_id[session_id].info for session_id in self._carried]

    @property
    def known(self) -> int:
        """How many sessions there are, connected or cut."""
        return len(self._registry.by_id)

    def hold(self, holding: bool) -> None:
        """Read nothing from any vehicle while it holds; vehicles that are then unheard are not cut for it."""
        if holding is self.holding:
            return
        self.holding = holding
        now = self.clock.mono()
        for connection in self._connections:
            connection.hold(holding)
            if not holding and connection.session is not None:
                connection.session.last_heard = now

    def waiting(self, session_id: str) -> int:
        """How many keys wait for a vehicle; 0 when there is no such session."""
        session = self._registry.by_id.get(session_id)
        return len(session.mailbox) if session is not None else 0

    # Host of the connections

    def opened(self, connection: Connection) -> None:
        """See `Host`."""
        self._connections.add(connection)
        self._waiting.add(connection)
        self._all_gone.clear()

    def blocked(self, connection: Connection) -> None:
        """See `Host`."""
        self._blocked.add(connection)

    def gone(self, connection: Connection) -> None:
        """See `Host`."""
        self._connections.discard(connection)
        self._blocked.discard(connection)
        self._waiting.discard(connection)
        if not self._connections:
            self._all_gone.set()
        broke = connection.broke_protocol
        if broke is not False:
            self._counters.drop(LinkServerReason.BAD_FRAMES if broke else LinkReason.FRAME_TOO_LARGE)
        session = connection.session
        if session is None:
            return
        if broke is not False:
            self._registry.remove(session)
        self._detach(session, connection)

    def control_arrived(self, connection: Connection, arrived: MonoNs) -> bool:
        """See `Host`."""
        return connection.session is not None and self._within_rate(connection, connection.session, arrived)

    def arrived(self, connection: Connection, data: bytes | None, arrived: MonoNs) -> None:
        """See `Host`."""
        session = connection.session
        if session is None:
            self._greet(connection, data, arrived)
            return
        if not self._within_rate(connection, session, arrived):
            return
        if data is None:
            self._bad(connection, session, LinkServerReason.UNEXPECTED_FRAME)
            return
        try:
            frame = decode_frame(data, self.rules.max_frame_bytes)
            good = self._act(connection, session, frame, arrived)
        except LinkError as error:
            self._bad(connection, session, error.reason)
            return
        if good:
            session.bad_frames = 0
        else:
            self._bad(connection, session, LinkServerReason.UNEXPECTED_FRAME)

    def call(self, callback: Callable[..., None], *arguments: object) -> None:
        """See `Host`."""
        try:
            callback(*arguments)
        except Exception:
            self._counters.count("link_callback_failed")
            _log.exception("a callback of the link server failed")

    # a vehicle comes

    def _upgrade(self, request: WSUpgradeRequest) -> WSUpgradeResponseWithListener:
        offered = request.headers.get("Sec-WebSocket-Protocol", "")
        if SUBPROTOCOL not in {word.strip() for word in offered.split(",")}:
            self._counters.drop(LinkServerReason.BAD_HELLO)
            answer = WSUpgradeResponse.create_error_response(
                426, f"this is a vehicle link: offer the subprotocol {SUBPROTOCOL}\n".encode()
            )
            return WSUpgradeResponseWithListener(answer, None)
        if self._closing or len(self._waiting) >= WAITING_FOR_HELLO:
            self._counters.drop(LinkServerReason.FULL)
            answer = WSUpgradeResponse.create_error_response(503, b"try again\n", {"Retry-After": "1"})
            return WSUpgradeResponseWithListener(answer, None)
        answer = WSUpgradeResponse.create_101_response({"Sec-WebSocket-Protocol": SUBPROTOCOL})
        return WSUpgradeResponseWithListener(answer, Connection(self))

    def _greet(self, connection: Connection, data: bytes | None, now: MonoNs) -> None:
        try:
            frame = decode_frame(data or b"", self.rules.max_frame_bytes)
            hello = decode_body(frame, Hello)
        except LinkError as error:
            self._counters.drop(error.reason)
            self._refuse(connection, Refused(Refusal.BAD_HELLO, "the first frame is no HELLO", NEVER_S))
            return
        admission = self._registry.admit(hello, now)
        if isinstance(admission, Refused):
            self._refuse(connection, admission)
            return
        session, resumed, replaced = admission
        displaced = session if resumed else replaced
        if displaced is not None:
            self._displace(displaced)
        session.cut_at = None
        connection.session = session
        self._waiting.discard(connection)
        self._carried[session.info.session_id] = connection
        welcome = Welcome(
            session_id=session.info.session_id,
            resume=session.resume_token,
            site=self._site,
            dialect=session.info.dialect,
            server_utc_ms=self.clock.utc() // 1_000_000,
            keepalive_s=self.rules.keepalive_s,
            resumed=resumed,
        )
        self._counters.count("link_sessions", "resumed" if resumed else "new")
        connection.reply(FrameKind.WELCOME, welcome)
        self.call(self._on_session, session.info, True)
        connection.pump()

    def _displace(self, session: Session) -> None:
        older = self._carried.get(session.info.session_id)
        if older is None:
            return
        self._refuse(older, Refused(Refusal.REPLACED, "another connection took over", NEVER_S))
        self._detach(session, older)

    # a vehicle speaks

    def _act(self, connection: Connection, session: Session, frame: Frame, arrived: MonoNs) -> bool:
        kind = frame.header.kind
        if kind is FrameKind.MESSAGE:
            self.call(self._on_message, session.info, frame.body, arrived)
        elif kind is FrameKind.CLOCK_PING:
            ping = decode_body(frame, ClockPing)
            pong = ClockPong(ping.sent_ns, arrived, self.clock.mono(), self.clock.utc())
            if not connection.reply(FrameKind.CLOCK_PONG, pong):
                self._counters.count("link_pongs_unsent")
        elif kind is FrameKind.RECEIPT:
            self.call(self._on_receipt, session.info, decode_body(frame, Receipt))
        elif kind is FrameKind.BYE:
            self._registry.remove(session)
            connection.end()
            self._detach(session, connection)
        else:
            return False
        return True

    def _within_rate(self, connection: Connection, session: Session, arrived: MonoNs) -> bool:
        if session.heard(arrived):
            return True
        self._counters.drop(LinkServerReason.OVER_RATE)
        if session.floods():
            rate = f"more than {self.rules.up_rate_hz:g} frames a second"
            self._end(session, Refusal.TOO_FAST, rate)
        return False

    def _bad(self, connection: Connection, session: Session, reason: LinkReason | LinkServerReason) -> None:
        self._counters.drop(reason)
        if session.bad_frame():
            self._end(session, Refusal.BAD_FRAMES, f"{session.bad_frames} bad frames in a row")

    # a vehicle goes

    def _refuse(self, connection: Connection, refused: Refused) -> None:
        reason = reason_of(refused.reason)
        if reason is not None:
            self._counters.drop(reason)
        connection.refuse(refused)

    def _end(self, session: Session, refusal: Refusal, detail: str) -> None:
        """End a session for good, with a reason."""
        self._registry.remove(session)
        connection = self._carried.get(session.info.session_id)
        if connection is None:
            reason = reason_of(refusal)
            if reason is not None:
                self._counters.drop(reason)
            return
        self._refuse(connection, Refused(refusal, detail, self.rules.keepalive_s))
        self._detach(session, connection)

    def _cut(self, session: Session, connection: Connection, reason: LinkServerReason) -> None:
        """Cut a connection and keep the session for its return."""
        self._counters.drop(reason)
        _log.info("vehicle %r is cut: %s", session.info.vehicle_id, reason.value)
        connection.cut()
        self._detach(session, connection)

    def _detach(self, session: Session, connection: Connection) -> None:
        if self._carried.get(session.info.session_id) is not connection:
            return
        del self._carried[session.info.session_id]
        session.cut_at = self.clock.mono()
        self.call(self._on_session, session.info, False)

    async def _sweep(self) -> None:
        while True:
            for _ in range(SWEEPS):
                await self.clock.sleep(STUCK_SWEEP_S)
                self._sweep_blocked(self.clock.mono())
            self.sweep(self.clock.mono())

    def _sweep_blocked(self, now: MonoNs) -> None:
        for connection in list(self._blocked):
            stuck_s = connection.stuck_s(now)
            if stuck_s == 0.0 or connection.ended_at is not None:
                self._blocked.discard(connection)
            elif stuck_s > self.rules.unwritable_s and connection.session is not None:
                self._cut(connection.session, connection, LinkServerReason.TOO_SLOW)

    def sweep(self, now: MonoNs) -> None:
        """Enforce every limit of time; runs by itself twice a second."""
        self._sweep_blocked(now)
        for connection in list(self._connections):
            session = connection.session
            if connection.ended_at is not None:
                if now - connection.ended_at > LINGER_S * 1e9:
                    connection.cut()
            elif session is None:
                if not self.holding and now - connection.since > self.rules.hello_timeout_s * 1e9:
                    self._refuse(connection, Refused(Refusal.BAD_HELLO, "no HELLO in time"))
            elif not self.holding and session.silent(now):
                self._cut(session, connection, LinkServerReason.SILENT)
        for session in self._registry.lapsed(now):
            self._registry.remove(session)
