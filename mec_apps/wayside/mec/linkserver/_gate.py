from __future__ import annotations

import asyncio
import os
import select
import socket
import struct
from collections.abc import Callable

from wayside.clock import Clock, MonoNs

# Unsent octets the kernel may hold before the socket counts as full: ten warnings. Together with the small
# send buffer this keeps the decision what is still worth sending on our side of the socket.
NOTSENT_LOWAT_BYTES = 2_048
# The kernel is asked once for so many octets, not for each frame: asking costs as much as building the frame.
ASK_AFTER_BYTES = 1_024
# Under TLS the loop may gather writes until the end of its turn, unseen by the kernel: pause after as much.
TLS_TURN_BYTES = 8_192


class WriteGate:
    """Says whether the kernel would take a frame now, and calls back when it would no longer or again.

    It asks the kernel (poll) instead of the transport's buffer, which under TLS reports nothing until
    hundreds of kilobytes lie in it. Waiting uses a duplicate of the descriptor, since event loops refuse
    to watch one that a transport owns. Works on uvloop and the standard loop, plain and TLS.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        clock: Clock,
        send_buffer_bytes: int,
        blocked: Callable[[], None],
        resumed: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._blocked = blocked
        self._resumed = resumed
        self._loop = asyncio.get_running_loop()
        self._socket: socket.socket = transport.get_extra_info("socket")
        self._tls = transport.get_extra_info("ssl_object") is not None
        self._turn_bytes = 0
        self._unasked_bytes = ASK_AFTER_BYTES
        self._watched: int | None = None
        self.blocked_since: MonoNs | None = None
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer_bytes)
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, NOTSENT_LOWAT_BYTES)
        transport.set_write_buffer_limits(high=0)
        poll = select.poll()
        poll.register(self._socket.fileno(), select.POLLOUT)
        self._ask_kernel = poll.poll
        self._unwritten = transport.get_write_buffer_size

    def open(self) -> bool:
        """Whether a frame may be written now. When not, `resumed` will be called once it may."""
        if self._watched is not None:
            return False
        if not self._unwritten():
            if self._unasked_bytes < ASK_AFTER_BYTES:
                return True
            if self._ask_kernel(0):
                self._unasked_bytes = 0
                self.blocked_since = None
                return True
        self._watch()
        return False

    def wrote(self, size: int) -> None:
        """Account for octets just written."""
        self._unasked_bytes += size
        if self._tls:
            self._turn_bytes += size
            if self._turn_bytes >= TLS_TURN_BYTES:
                self._watch()

    def stuck_s(self, now: MonoNs) -> float:
        """How long the socket has been full, seconds."""
        return 0.0 if self.blocked_since is None else (now - self.blocked_since) * 1e-9

    def discard_unsent(self) -> None:
        """Make the coming close throw away what the kernel holds: it would be stale on arrival."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def close(self) -> None:
        """Stop watching. Idempotent."""
        if self._watched is not None:
            self._loop.remove_writer(self._watched)
            os.close(self._watched)
            self._watched = None

    def _watch(self) -> None:
        if self._watched is not None:
            return
        if self.blocked_since is None:
            self.blocked_since = self._clock.mono()
            self._blocked()
        try:
            self._watched = os.dup(self._socket.fileno())
        except OSError:
            return  # no descriptor left: the next write asks again, and the vehicle counts as stuck till then
        self._loop.add_writer(self._watched, self._writable)

    def _writable(self) -> None:
        if self._unwritten():
            return  # the transport has the rest of a frame to write first, in this same turn
        self.close()
        self.blocked_since = None
        self._turn_bytes = 0
        self._unasked_bytes = 0
        self._resumed()
