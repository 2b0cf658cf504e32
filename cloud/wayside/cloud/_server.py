from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from wayside.cloud._settings import CloudSettings


class _Server(uvicorn.Server):
    """A server for which being told to end (SIGINT, SIGTERM) and ending in order is a success.

    on_exit: called when it is told; for what would else hold connections open.
    """

    def __init__(self, config: uvicorn.Config, on_exit: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_exit = on_exit

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._on_exit()
        super().handle_exit(sig, frame)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGINT, signal.SIGTERM)
        for number in numbers:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)


def _guarded(connections: int, head_timeout_s: float) -> type[H11Protocol]:
    """uvicorn's HTTP, with what it lacks: a bound on connections, and on the time for a request's head."""

    class Guarded(H11Protocol):
        _limit: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if len(self.connections) > connections:
                transport.abort()
                return
            self._watch_head()

        def connection_lost(self, exc: Exception | None) -> None:
            self._end_watch()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            # IDLE: of the next request no whole head has come yet.
            if self.conn.their_state is h11.IDLE:
                self._watch_head()
            else:
                self._end_watch()

        def _watch_head(self) -> None:
            if self._limit is None:
                self._limit = self.loop.call_later(head_timeout_s, self.transport.abort)

        def _end_watch(self) -> None:
            if self._limit is not None:
                self._limit.cancel()
                self._limit = None

    return Guarded


async def serve(app: FastAPI, listener: socket.socket, settings: CloudSettings) -> bool:
    """Serve an application on a listening socket until SIGINT or SIGTERM; False when it did not start."""
    # A line for each malformed request would let any peer fill the log.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    config = uvicorn.Config(
        app,
        http=_guarded(settings.connections, settings.head_timeout_s),
        ws="websockets-sansio",
        ws_max_size=65_536,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=3,
    )
    server = _Server(config, app.state.centre.commands.end_polls)
    await server.serve(sockets=[listener])
    return server.started
