from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI


class _Server(uvicorn.Server):
    """A server for which being told to end (SIGINT, SIGTERM) and ending in order is a success."""

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


async def serve(app: FastAPI, listener: socket.socket) -> bool:
    """Serve an application on a listening socket until SIGINT or SIGTERM; False when it did not start."""
    config = uvicorn.Config(
        app,
        ws="websockets-sansio",
        ws_max_size=65_536,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=3,
    )
    server = _Server(config)
    await server.serve(sockets=[listener])
    return server.started
