from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from wayside.clock import Clock
from wayside.mec.ports._lanes import LaneLimits
from wayside.mec.ports._reasons import PortReason
from wayside.mec.ports._stream import Stream
from wayside.observe import Containment, Counters
from wayside.runtime import Backoff, TaskOwner

_log = logging.getLogger(__name__)

Call = Callable[[], None]

# A connection that lived for so long was a good one.
_LASTED_S = 1.0


class Port:
    """One process's end of the way to another one: at most one connection, made anew when it breaks.

    name: for logs and counts. decoder: of what comes in. on_message: called with each message; what it raises
    is contained. on_up, on_down: the peer is there, or gone; after each `on_up` both ends tell anew what
    stands. on_congested: see Stream. Messages to a peer that is not there are counted as NO_PEER.
    """

    def __init__(
        self,
        name: str,
        decoder: msgspec.msgpack.Decoder[Any],
        clock: Clock,
        counters: Counters,
        *,
        on_message: Callable[[Any], None],
        on_up: Call,
        on_down: Call,
        on_congested: Callable[[bool], None] | None = None,
        limits: LaneLimits | None = None,
    ) -> None:
        self.name = name
        self._decoder = decoder
        self._clock = clock
        self._counters = counters
        self._on_message = on_message
        self._on_up = on_up
        self._on_down = on_down
        self._on_congested = on_congested
        self._limits = limits
        self._containment = Containment(clock, counters)
        self._stream: Stream | None = None
        self._gone = asyncio.Event()

    @property
    def up(self) -> bool:
        """Whether the peer is there."""
        return self._stream is not None

    def keep(self, message: msgspec.Struct) -> None:
        """See Stream."""
        if self._stream is None:
            self._counters.drop(PortReason.NO_PEER)
        else:
            self._stream.keep(message)

    def send_newest(self, key: object, message: msgspec.Struct) -> None:
        """See Stream."""
        if self._stream is None:
            self._counters.drop(PortReason.NO_PEER)
        else:
            self._stream.send_newest(key, message)

    def send_oldest(self, message: msgspec.Struct) -> None:
        """See Stream."""
        if self._stream is None:
            self._counters.drop(PortReason.NO_PEER)
        else:
            self._stream.send_oldest(message)

    def hang_up(self) -> None:
        """Close the connection that there is."""
        if self._stream is not None:
            self._stream.close()

    def _new_stream(self) -> Stream:
        return Stream(
            self.name,
            self._decoder,
            self._counters,
            on_message=self._take,
            on_made=self._made,
            on_lost=self._lost,
            on_congested=self._on_congested,
            limits=self._limits,
        )

    def _take(self, message: Any) -> None:
        with self._containment.around(f"port {self.name}"):
            self._on_message(message)

    def _made(self, stream: Stream) -> None:
        older, self._stream = self._stream, stream
        if older is not None:
            # A process that was started anew, before the end of the one before it was noticed.
            older.abort()
            self._tell_down()
        self._gone.clear()
        with self._containment.around(f"port {self.name}"):
            self._on_up()

    def _lost(self, stream: Stream) -> None:
        if stream is self._stream:
            self._stream = None
            self._gone.set()
            self._tell_down()

    def _tell_down(self) -> None:
        with self._containment.around(f"port {self.name}"):
            self._on_down()


class ListeningPort(Port):
    """The end that waits to be connected, on a socket file that only this user may open."""

    _server: asyncio.Server | None = None

    async def listen(self, path: Path) -> None:
        """Begin to listen. path: in a folder of mode 0700; a file that an earlier run has left is replaced.

        Raises OSError.
        """
        await asyncio.to_thread(path.unlink, missing_ok=True)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(self._accepted, str(path))

    async def close(self) -> None:
        """Stop listening and hang up."""
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._stream is not None:
            self._stream.close()
            await self._gone.wait()

    def _accepted(self) -> asyncio.Protocol:
        return self._new_stream()

    def _made(self, stream: Stream) -> None:
        if stream.own:
            super()._made(stream)
        else:
            self._counters.drop(PortReason.STRANGER)
            _log.error("port %s: a process of another user was turned away", self.name)
            stream.abort()


class ConnectingPort(Port):
    """The end that connects, and keeps trying."""

    def start(self, path: Path, owner: TaskOwner) -> None:
        """Keep a connection to a socket file, as a task of `owner`; then call `close`."""
        owner.start(self._run(path), f"port {self.name}")

    async def close(self) -> None:
        """Hang up."""
        if self._stream is not None:
            self._stream.close()
            await self._gone.wait()

    async def _run(self, path: Path) -> None:
        backoff = Backoff(first_s=0.05, ceiling_s=1.0, floor_s=0.02)
        loop = asyncio.get_running_loop()
        while True:
            try:
                await loop.create_unix_connection(self._new_stream, str(path))
            except OSError as error:
                if backoff.attempts == 3:
                    _log.info("port %s: nobody listens yet: %s", self.name, error)
                await self._clock.sleep(backoff.next_s())
                continue
            began = self._clock.mono()
            await self._gone.wait()
            if (self._clock.mono() - began) / 1e9 >= _LASTED_S:
                backoff.reset()
            else:  # who hangs up at once is not asked again at once, round after round
                await self._clock.sleep(backoff.next_s())
