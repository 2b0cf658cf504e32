from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Mapping

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from wayside.clock import Clock
from wayside.mec.sensors._intake import ScanIntake
from wayside.mec.sensors._reasons import SensorReason
from wayside.mec.sensors._udp import OnScan
from wayside.mec.sensors._wire import MAX_SCAN_BYTES
from wayside.observe import Counters

PATH = "/sensors"
_REFUSED_IN_A_ROW = 100
_POLICY_VIOLATION = 1008


class WebSocketSensorReceiver:
    """Takes scans from WebSockets at `/sensors`, one a binary message.

    tokens: sensor → its secret; a sensor shows it as `Authorization: Bearer …` and may then send scans of
    that sensor only. A second connection of a sensor replaces the first. A connection whose last hundred
    messages were all refused is closed. `on_scan` is called on the loop and must not block.
    """

    def __init__(
        self,
        intake: ScanIntake,
        clock: Clock,
        counters: Counters,
        tokens: Mapping[str, str],
        on_scan: OnScan,
    ) -> None:
        if not all(tokens.values()):
            raise ValueError("a sensor's token is empty")
        self._intake = intake
        self._clock = clock
        self._counters = counters
        self._tokens = dict(tokens)
        self._on_scan = on_scan
        self._server: Server | None = None
        self._open: dict[str, ServerConnection] = {}

    async def open(self, host: str, port: int) -> tuple[str, int]:
        """Begin to listen; the address listened on. Raises OSError."""
        self._server = await serve(
            self._serve,
            host,
            port,
            process_request=self._admit,
            max_size=MAX_SCAN_BYTES,
            max_queue=8,
            compression=None,
            open_timeout=5.0,
            close_timeout=1.0,
            logger=_quiet(),
        )
        name = next(iter(self._server.sockets)).getsockname()
        return str(name[0]), int(name[1])

    async def close(self) -> None:
        """Stop listening and end all connections."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        if request.path.partition("?")[0] != PATH:
            return connection.respond(404, f"sensors connect at {PATH}\n")
        if not self._sensor_of(request):
            self._counters.drop(SensorReason.BAD_TOKEN)
            return connection.respond(401, "no sensor has this token\n")
        return None

    def _sensor_of(self, request: Request) -> str:
        shown = request.headers.get_all("Authorization")
        scheme, _, text = shown[0].partition(" ") if len(shown) == 1 else ("", "", "")
        # A header is octets; what is no text in it must not become an error of ours.
        token = text.encode("utf-8", "surrogateescape") if scheme.lower() == "bearer" else b""
        found = ""
        for sensor_id, secret in self._tokens.items():
            # All are compared, so that the time taken tells nothing.
            if hmac.compare_digest(token, secret.encode()):
                found = sensor_id
        return found

    async def _serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        sensor_id = self._sensor_of(connection.request)
        before = self._open.get(sensor_id)
        self._open[sensor_id] = connection
        if before is not None:
            await before.close(_POLICY_VIOLATION, "replaced")
        refused = 0
        try:
            async for message in connection:
                arrived = self._clock.mono()
                data = message.encode() if isinstance(message, str) else message
                scan = self._intake.take(data, arrived=arrived, sensor_id=sensor_id)
                if scan is not None:
                    refused = 0
                    self._on_scan(scan)
                    continue
                refused += 1
                if refused >= _REFUSED_IN_A_ROW:
                    await connection.close(_POLICY_VIOLATION, "too many refused scans")
                    return
                # Buffered messages are read without a wait; a flood must not keep the loop.
                await asyncio.sleep(0)
        except ConnectionClosed:
            return
        finally:
            if self._open.get(sensor_id) is connection:
                del self._open[sensor_id]


def _quiet() -> logging.Logger:
    """The library's log of failed handshakes would let any peer fill ours."""
    logger = logging.getLogger("wayside.mec.sensors.websocket")
    logger.setLevel(logging.CRITICAL)
    return logger
