from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
from collections.abc import Callable
from typing import Any

import msgspec

from wayside.mec.ports._frames import FrameReader, pack
from wayside.mec.ports._lanes import LaneLimits, Lanes
from wayside.mec.ports._reasons import PortError, PortReason
from wayside.observe import Counters

_log = logging.getLogger(__name__)

# What the kernel and the transport may hold before the lanes' policies apply: a tenth of a second of the
# messages of a hundred vehicles, so that what waits longer is chosen, not merely old.
SEND_BUFFER_BYTES = 32_768

_CREDENTIALS = struct.Struct("3i")
_encoder = msgspec.msgpack.Encoder()


class Stream(asyncio.Protocol):
    """One connection between two processes of the edge: typed messages in and out, none of them blocking.

    decoder: of the messages that come in. on_message: called with each. on_lost: called once when the
    connection is gone. on_congested(bool): kept frames wait beyond the limit, or no longer. Belongs to one
    loop; nothing raises.
    """

    def __init__(
        self,
        name: str,
        decoder: msgspec.msgpack.Decoder[Any],
        counters: Counters,
        *,
        on_message: Callable[[Any], None],
        on_lost: Callable[[Stream], None],
        on_made: Callable[[Stream], None] | None = None,
        on_congested: Callable[[bool], None] | None = None,
        limits: LaneLimits | None = None,
    ) -> None:
        self.name = name
        self._decoder = decoder
        self._counters = counters
        self._on_message = on_message
        self._on_lost = on_lost
        self._on_made = on_made
        self._on_congested = on_congested
        self._reader = FrameReader()
        self._lanes = Lanes(limits or LaneLimits(), counters.drop)
        self._transport: asyncio.Transport | None = None
        self._paused = False
        self._congested = False
        self._lost = False
        self.own = True

    # asyncio calls

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The connection is there."""
        self._transport = transport
        own: socket.socket | None = transport.get_extra_info("socket")
        if own is not None:
            self.own = _peer_is_own(own)
            own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        transport.set_write_buffer_limits(high=SEND_BUFFER_BYTES)
        if self._on_made is not None:
            self._on_made(self)

    def data_received(self, data: bytes) -> None:
        """Octets of the peer."""
        if self._lost:
            return
        try:
            for body in self._reader.feed(data):
                self._on_message(self._decoder.decode(body))
        except PortError as error:
            self._cut(error.reason, str(error))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._cut(PortReason.MALFORMED, str(error))

    def pause_writing(self) -> None:
        """The stream takes no more for now."""
        self._paused = True

    def resume_writing(self) -> None:
        """The stream takes more: what waits goes first."""
        self._paused = False
        while not self._paused:
            frame = self._lanes.take()
            if frame is None:
                break
            self._write(frame)
        self._look_at_congestion()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        if not self._lost:
            self._lost = True
            for _ in range(self._lanes.clear()):
                self._counters.drop(PortReason.NO_PEER)
            self._look_at_congestion()
        self._on_lost(self)

    # the owner's calls

    @property
    def waiting(self) -> int:
        """Frames that wait for the stream."""
        return len(self._lanes)

    def keep(self, message: msgspec.Struct) -> None:
        """Send what must not be lost, in order. A peer that does not take it is cut."""
        frame = self._frame(message)
        if frame is None:
            return
        if not self._paused:
            self._write(frame)
        elif not self._lanes.keep(frame):
            self._cut(PortReason.NOT_READ, "too much waits that must not be lost")
        self._look_at_congestion()

    def send_newest(self, key: object, message: msgspec.Struct) -> None:
        """Send what a newer message of its key makes needless."""
        frame = self._frame(message)
        if frame is None:
            return
        if self._paused:
            self._lanes.put_newest(key, frame)
        else:
            self._write(frame)

    def send_oldest(self, message: msgspec.Struct) -> None:
        """Send what grows old: of too much that waits, the oldest goes."""
        frame = self._frame(message)
        if frame is None:
            return
        if self._paused:
            self._lanes.put_oldest(frame)
        else:
            self._write(frame)

    def close(self) -> None:
        """Write what the transport holds, then close. Idempotent."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once. Idempotent."""
        if self._transport is not None:
            self._transport.abort()

    def _frame(self, message: msgspec.Struct) -> bytes | None:
        if self._lost or self._transport is None or self._transport.is_closing():
            self._counters.drop(PortReason.NO_PEER)
            return None
        try:
            return pack(_encoder.encode(message))
        except PortError as error:
            self._counters.drop(error.reason)
            _log.error("port %s: %s is too large", self.name, type(message).__name__)
            return None

    def _write(self, frame: bytes) -> None:
        assert self._transport is not None
        self._transport.write(frame)

    def _look_at_congestion(self) -> None:
        congested = self._lanes.congested and not self._lost
        if congested is not self._congested:
            self._congested = congested
            if self._on_congested is not None:
                self._on_congested(congested)

    def _cut(self, reason: PortReason, why: str) -> None:
        self._counters.drop(reason)
        _log.error("port %s is cut: %s", self.name, why)
        self.abort()


def _peer_is_own(own: socket.socket | None) -> bool:
    """Whether the process at the other end belongs to this user; True where the system cannot tell, as the
    folder lets nobody else in. Source: unix(7), SO_PEERCRED."""
    if own is None or not hasattr(socket, "SO_PEERCRED"):
        return True
    _, uid, _ = _CREDENTIALS.unpack(own.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return bool(uid == os.getuid())
