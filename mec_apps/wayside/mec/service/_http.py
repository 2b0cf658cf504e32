from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from uvicorn.protocols.http.h11_impl import H11Protocol

from wayside.mec.service._health import Health
from wayside.observe import METRICS_CONTENT_TYPE
from wayside.runtime import TaskOwner

# Probes and one or two scrapers; more is no monitoring, and is closed at once.
CONNECTIONS = 32
# An answer takes milliseconds: whoever holds a connection longer than some scrapes need opens another one.
LIFE_S = 60.0


def create_app(health: Health) -> FastAPI:
    """The edge's own HTTP: health, metrics, state. It only reads."""
    app = FastAPI(title="Wayside edge", docs_url=None, redoc_url=None)

    @app.get("/healthz", summary="Alive: every process has answered in time (200), or not (503)")
    async def healthz() -> JSONResponse:
        alive, told = health.alive()
        return JSONResponse(told, 200 if alive else 503)

    @app.get("/readyz", summary="Ready to warn (200), or not (503), and what is lacking")
    async def readyz() -> JSONResponse:
        ready, told = health.ready()
        return JSONResponse(told, 200 if ready else 503)

    @app.get("/metrics", summary="Prometheus metrics of all processes")
    async def metrics() -> Response:
        return Response(health.metrics(), media_type=METRICS_CONTENT_TYPE)

    @app.get("/v1/state", summary="All that is known of the processes, as JSON")
    async def state() -> JSONResponse:
        return JSONResponse(health.state())

    return app


class _Bounded(H11Protocol):
    """uvicorn's HTTP, with what it lacks: a bound on connections and on the life of each."""

    _end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS:
            transport.abort()
        else:
            self._end = self.loop.call_later(LIFE_S, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._end is not None:
            self._end.cancel()
        super().connection_lost(exc)


class _Server(uvicorn.Server):
    """A server whose process takes care of signals itself."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HealthServer:
    """Serves `create_app` on a port of this computer's, beside the other work of a loop."""

    def __init__(self, health: Health) -> None:
        self._socket: socket.socket | None = None
        self._task: asyncio.Task[None] | None = None
        # A line for each malformed request would let any peer fill the log.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        self._server = _Server(
            uvicorn.Config(
                create_app(health),
                http=_Bounded,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=round(LIFE_S),
                timeout_graceful_shutdown=1,
                h11_max_incomplete_event_size=16_384,
            )
        )

    async def open(self, host: str, port: int) -> int:
        """Take the address; the port it is. Raises OSError."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        own = socket.socket(family, socket.SOCK_STREAM)
        try:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            own.bind((host, port))
            own.listen(CONNECTIONS)
        except OSError:
            own.close()
            raise
        own.setblocking(False)
        self._socket = own
        return int(own.getsockname()[1])

    def start(self, owner: TaskOwner) -> None:
        """Serve as a task of `owner`; then call `close`."""
        assert self._socket is not None
        self._task = owner.start(self._server.serve(sockets=[self._socket]), "http")

    async def close(self) -> None:
        """Stop serving."""
        self._server.should_exit = True
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        if self._socket is not None:
            self._socket.close()
            self._socket = None
