from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from typing import Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.typing import Subprotocol

from wayside.link import SUBPROTOCOL, LinkRules

# The radio may be gone: a close that waits for the other end's answer only delays the next attempt.
CLOSE_TIMEOUT_S = 0.5


class Connection(Protocol):
    """A way to one edge for whole frames. All methods raise ConnectionError when it is lost."""

    async def send(self, data: bytes) -> None:
        """Send one frame; waits while the socket is full."""

    async def recv(self) -> bytes:
        """Next frame; empty for a message that cannot be one."""

    async def close(self) -> None:
        """Close; never raises, may be called again."""


Connector = Callable[[str], Awaitable[Connection]]
"""Opens a connection to a server's address. Raises ConnectionError with a text for a person."""


class _WebSocket:
    def __init__(self, inner: ClientConnection) -> None:
        self._inner = inner

    async def send(self, data: bytes) -> None:
        try:
            await self._inner.send(data)
        except ConnectionClosed as error:
            raise ConnectionError(str(error)) from None

    async def recv(self) -> bytes:
        try:
            data = await self._inner.recv()
        except ConnectionClosed as error:
            raise ConnectionError(str(error)) from None
        return data if isinstance(data, bytes) else b""

    async def close(self) -> None:
        await self._inner.close()


def websocket_connector(rules: LinkRules, ssl_context: ssl.SSLContext | None) -> Connector:
    """Connector over WebSocket; `ssl_context` for wss:// addresses, None for the system's own trust."""

    async def open_(server: str) -> Connection:
        secure = server.startswith("wss:")
        try:
            inner = await connect(
                server,
                subprotocols=[Subprotocol(SUBPROTOCOL)],
                compression=None,
                ping_interval=None,
                open_timeout=rules.hello_timeout_s,
                close_timeout=CLOSE_TIMEOUT_S,
                max_size=rules.max_frame_bytes,
                proxy=None,
                ssl=(ssl_context or ssl.create_default_context()) if secure else None,
            )
        except InvalidStatus as error:
            status = error.response.status_code
            raise ConnectionError(f"{server} answers HTTP {status}: no vehicle link there") from None
        except (OSError, TimeoutError, InvalidHandshake, InvalidURI, EOFError) as error:
            raise ConnectionError(f"{server}: {str(error) or 'no answer in time'}") from None
        if inner.subprotocol != SUBPROTOCOL:
            await inner.close()
            raise ConnectionError(f"{server} does not speak {SUBPROTOCOL}")
        return _WebSocket(inner)

    return open_
