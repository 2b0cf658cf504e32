from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from wayside.clock import Clock, MonoNs
from wayside.link import (
    Flag,
    FrameKind,
    Header,
    LinkRules,
    Refused,
    encode_body,
    encode_frame,
)
from wayside.mec.linkserver._gate import WriteGate
from wayside.mec.linkserver._outgoing import Outgoing
from wayside.mec.linkserver._session import Session

_BINARY = WSMsgType.BINARY
_CLOSE_TEXT_BYTES = 123  # RFC 6455, 5.5.1: a close frame's payload of 125 less its code


class Host(Protocol):
    """What a connection needs of its server."""

    clock: Clock
    rules: LinkRules
    holding: bool

    def opened(self, connection: Connection) -> None:
        """The WebSocket is up, no HELLO yet."""

    def arrived(self, connection: Connection, data: bytes | None, arrived: MonoNs) -> None:
        """A binary message, or None for anything else a vehicle may not send."""

    def control_arrived(self, connection: Connection, arrived: MonoNs) -> bool:
        """A WebSocket ping or pong; whether it is within the rate."""

    def blocked(self, connection: Connection) -> None:
        """Its socket takes no more for now."""

    def gone(self, connection: Connection) -> None:
        """The socket is closed."""

    def call(self, callback: Callable[..., None], *arguments: object) -> None:
        """Call something of the edge's that may fail."""


class Connection(WSListener):
    """One vehicle's WebSocket: octets in and out, nothing decided here."""

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._host = host
        self._transport: WSTransport | None = None
        self._gate: WriteGate | None = None
        self.session: Session | None = None
        self.since: MonoNs = host.clock.mono()
        self.ended_at: MonoNs | None = None

    # picows calls

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self._gate = WriteGate(
            transport.underlying_transport,
            self._host.clock,
            self._host.rules.send_buffer_bytes,
            lambda: self._host.blocked(self),
            self.pump,
        )
        self._host.opened(self)
        if self._host.holding:
            self.hold(True)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if self.ended_at is not None:
            return
        arrived = self._host.clock.mono()
        kind = frame.msg_type
        if kind == _BINARY and frame.fin:
            self._host.arrived(self, frame.get_payload_as_bytes(), arrived)
        elif kind == WSMsgType.CLOSE:
            self.ended_at = arrived
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()
        elif kind == WSMsgType.PING:
            # Answered here, not by picows: to one who pings and never reads it would queue without end.
            if self._host.control_arrived(self, arrived) and self.writable():
                transport.send_pong(frame.get_payload_as_bytes())
        elif kind == WSMsgType.PONG:
            self._host.control_arrived(self, arrived)
        else:
            self._host.arrived(self, None, arrived)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if self._gate is not None:
            self._gate.close()
        self._host.gone(self)

    def pause_writing(self) -> None:
        """Nothing: the gate asks the kernel itself."""

    def resume_writing(self) -> None:
        """Nothing: see `pause_writing`."""

    # the server's calls

    def hold(self, holding: bool) -> None:
        """Read nothing from the vehicle, or read again."""
        if self._transport is None or self._transport.is_disconnected:
            return
        transport = self._transport.underlying_transport
        if holding:
            transport.pause_reading()
        else:
            transport.resume_reading()

    @property
    def broke_protocol(self) -> bool | None:
        """Whether picows ended it for a WebSocket frame against RFC 6455; None for one that was too large."""
        handshake = self._transport.close_handshake if self._transport is not None else None
        sent = handshake.sent if handshake is not None else None
        if sent is None or self.ended_at is not None:
            return False
        return None if sent.code == WSCloseCode.MESSAGE_TOO_BIG else True

    def writable(self) -> bool:
        """Whether a frame may be written now."""
        return self.ended_at is None and self._gate is not None and self._gate.open()

    def stuck_s(self, now: MonoNs) -> float:
        """How long the vehicle has not read, seconds."""
        return self._gate.stuck_s(now) if self._gate is not None else 0.0

    def post(self, session: Session, item: Outgoing) -> bool:
        """Write an item, or let it wait behind what waits already. False as for `Session.post`."""
        gate = self._gate
        if session.mailbox or self.ended_at is not None or gate is None or not gate.open():
            return session.post(item)
        framed = session.frame_at_once(item, self._host.clock.mono())
        if framed is not None:
            self._write(session, gate, framed[0], framed[1], item)
        return True

    def pump(self) -> None:
        """Write what waits, as far as the socket takes it."""
        session, gate = self.session, self._gate
        if session is None or gate is None:
            return
        while session.mailbox and self.ended_at is None and gate.open():
            taken = session.next_frame(self._host.clock.mono())
            if taken is None:
                return
            self._write(session, gate, *taken)

    def _write(self, session: Session, gate: WriteGate, data: bytes, seq: int, item: Outgoing) -> None:
        assert self._transport is not None
        self._transport.send(_BINARY, data)
        gate.wrote(len(data))
        if item.on_written is not None:
            self._host.call(item.on_written, session.info.session_id, seq, self._host.clock.mono())

    def reply(self, kind: FrameKind, body: msgspec.Struct) -> bool:
        """Write a session or clock frame at once, past the mailbox; False when the socket is full."""
        if self._transport is None or self._gate is None or not self.writable():
            return False
        seq = self.session.next_seq() if self.session is not None else 0
        created_ms = self._host.clock.utc() // 1_000_000
        data = encode_frame(Header(kind, Flag(0), 255, seq, 0, created_ms, 0), encode_body(body))
        self._transport.send(_BINARY, data)
        self._gate.wrote(len(data))
        return True

    def refuse(self, refused: Refused) -> None:
        """Say why, then close; a vehicle that does not read is cut."""
        if self.ended_at is not None:
            return
        if not self.reply(FrameKind.REFUSED, refused):
            self.cut()
            return
        self.end(f"{refused.reason.value}: {refused.detail}")

    def end(self, text: str = "") -> None:
        """Close in good order."""
        if self._transport is None or self.ended_at is not None:
            return
        self.ended_at = self._host.clock.mono()
        note = text.encode()[:_CLOSE_TEXT_BYTES].decode(errors="ignore")
        self._transport.send_close(WSCloseCode.POLICY_VIOLATION if text else WSCloseCode.OK, note)
        self._transport.disconnect()

    def cut(self) -> None:
        """Close at once and throw away what was not sent."""
        self.ended_at = self.ended_at or self._host.clock.mono()
        if self._transport is not None and not self._transport.is_disconnected:
            if self._gate is not None:
                self._gate.discard_unsent()
            self._transport.disconnect(graceful=False)
