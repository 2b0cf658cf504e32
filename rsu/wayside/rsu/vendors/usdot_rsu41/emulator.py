"""Emulated unit of the USDOT RSU 4.1 class, true on the wire in both directions."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from wayside.clock import Clock
from wayside.rsu import Adapter, Broadcast, Emulator, Faults, RsuError, RsuReason, frame_name
from wayside.rsu.radio import Form, build_wsmp, decode_psid, wrap_signed_shape, wrap_unsecured
from wayside.rsu.vendors.usdot_rsu41.adapter import UsdotRsu41
from wayside.rsu.vendors.usdot_rsu41.config import ANY, PSIDS
from wayside.rsu.vendors.usdot_rsu41.wire import parse_text

_DIALECT = "j2735-2024"
_SIGNER_ID = bytes.fromhex("77617973696465ff")
_MAX_WAITING = 1_000
FORMS = tuple(form.value for form in Form if form is not Form.SEARCHED)


class _Protocol(asyncio.DatagramProtocol):
    def __init__(self, received: Callable[[bytes], None]) -> None:
        self._received = received

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self._received(data)


class UsdotRsu41Emulator(Emulator):
    """Takes immediate-forward text on one UDP port, sends uplinks to the ports it is told.

    uplink: host, and port by message name or `any`. form: what it puts around its uplinks.
    wsmp_version: 3 or 2. strict_order: refuse text whose lines stand in another order. channel: written
    into the WSMP header when given.
    """

    forms: ClassVar[tuple[str, ...]] = FORMS

    def __init__(
        self,
        clock: Clock,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        uplink: tuple[str, Mapping[str, int]] | None = None,
        form: str = Form.WSMP_UNSECURED,
        wsmp_version: int = 3,
        channel: int | None = None,
        strict_order: bool = True,
        faults: Faults | None = None,
        sent_over_air: Callable[[Broadcast], None] | None = None,
    ) -> None:
        super().__init__(clock, faults=faults, sent_over_air=sent_over_air)
        self._host = host
        self._port = port
        self.uplink = uplink
        self.form = Form(form)
        self.wsmp_version = wsmp_version
        self.channel = channel
        self.strict_order = strict_order
        self.texts: list[bytes] = []
        self._transport: asyncio.DatagramTransport | None = None
        self._held: tuple[bytes, tuple[str, int]] | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the immediate forward."""
        if self._transport is None:
            return self._host, self._port
        name = self._transport.get_extra_info("sockname")
        return str(name[0]), int(name[1])

    async def start(self) -> None:
        """Open the port. Raises RsuError UNREACHABLE. A closed emulator starts again on the same port."""
        loop = asyncio.get_running_loop()
        try:
            self._transport, _ = await loop.create_datagram_endpoint(
                lambda: _Protocol(self._text), local_addr=(self._host, self._port), family=socket.AF_INET
            )
        except OSError as error:
            what = f"no socket on {self._host}:{self._port}: {error.strerror}"
            raise RsuError(RsuReason.UNREACHABLE, what, where="emulator") from None
        self._port = self.address[1]

    async def power_off(self) -> None:
        """Let go of the port; `start` takes it again."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None
        # A transport gives its socket back on the loop's next turn.
        await asyncio.sleep(0)

    async def close(self) -> None:
        """End the delayed work and the port."""
        await self.tasks.close()
        await self.power_off()

    def adapter_values(self) -> dict[str, Any]:
        """Address of the immediate forward, and one uplink port for every message."""
        host, port = self.address
        return {"host": host, "port": port, "uplink_host": "127.0.0.1", "uplink_ports": {ANY: 0}}

    def attach(self, adapter: Adapter) -> None:
        """Send uplinks to the ports on which this adapter listens. Raises TypeError for another vendor's."""
        if not isinstance(adapter, UsdotRsu41):
            raise TypeError(f"{type(adapter).__name__} is no adapter of this class")
        listening = adapter.listening
        self.uplink = next(iter(listening.values()))[0], {name: at[1] for name, at in listening.items()}

    def build(self, uper: bytes) -> bytes:
        """The datagram of an uplink in the current form, before faults."""
        return self._framed(uper, PSIDS.get(frame_name(_DIALECT, uper), 0))

    def _framed(self, uper: bytes, psid: int) -> bytes:
        if self.form in (Form.UNSECURED, Form.WSMP_UNSECURED):
            uper = wrap_unsecured(uper)
        elif self.form in (Form.SIGNED, Form.WSMP_SIGNED):
            uper = wrap_signed_shape(uper, psid, self.clock.utc(), _SIGNER_ID)
        if self.form in (Form.WSMP, Form.WSMP_UNSECURED, Form.WSMP_SIGNED):
            return build_wsmp(uper, psid, channel=self.channel, version=self.wsmp_version)
        return uper

    def send_up(self, uper: bytes) -> int:
        """Send one frame up, through the faults; how many datagrams went out, or will after slow_s."""
        message = frame_name(_DIALECT, uper)
        named = message
        if self._happens(self.faults.wrong_type):
            named = self._random.choice([name for name in PSIDS if name != message])
        return self.send_datagram(self._framed(uper, PSIDS.get(named, 0)), message)

    def send_datagram(self, data: bytes, message: str = ANY) -> int:
        """Send octets up as they are, through the faults, to the port of a message."""
        faults = self.faults
        if self.uplink is None:
            raise RsuError(RsuReason.CONFIG, "the emulator was given no uplink address")
        if faults.silence or self._happens(faults.drop):
            return 0
        target = self._target(message)
        data = self._damaged(data)
        queue = [(data, target)] * (2 if self._happens(faults.duplicate) else 1)
        held, self._held = self._held, None
        if held is not None:
            queue.append(held)
        elif self._happens(faults.reorder):
            self._held = queue.pop()
        for item in queue:
            self._out(*item)
        return len(queue)

    def _target(self, message: str) -> tuple[str, int]:
        if self.uplink is None:
            raise RsuError(RsuReason.CONFIG, "the emulator was given no uplink address")
        host, ports = self.uplink
        own = ports.get(message, ports.get(ANY))
        others = [port for port in ports.values() if port != own]
        if others and (own is None or self._happens(self.faults.wrong_port)):
            return host, self._random.choice(others)
        if own is None:
            raise RsuError(RsuReason.CONFIG, f"the emulator has no uplink port for {message}")
        return host, own

    def _damaged(self, data: bytes) -> bytes:
        faults = self.faults
        changed = bytearray(data)
        if faults.wrong_length:
            changed = _with_wrong_length(changed, faults.wrong_length)
        if self._happens(faults.corrupt):
            changed[self._random.randrange(len(changed))] ^= self._random.randrange(1, 256)
        return bytes(changed) + bytes(faults.pad_bytes)

    def _out(self, data: bytes, target: tuple[str, int]) -> None:
        if self.faults.slow_s > 0:
            if len(self.tasks) < _MAX_WAITING:
                self.tasks.start(self._out_later(data, target), "slow")
            return
        if self._transport is not None:
            self._transport.sendto(data, target)

    async def _out_later(self, data: bytes, target: tuple[str, int]) -> None:
        await self.clock.sleep(self.faults.slow_s)
        if self._transport is not None:
            self._transport.sendto(data, target)

    def _text(self, data: bytes) -> None:
        if self.faults.silence:
            return
        self.texts.append(data)
        del self.texts[:-100]
        if self.faults.slow_s > 0:
            if len(self.tasks) < _MAX_WAITING:
                self.tasks.start(self._take_later(data), "slow")
            return
        self._take(data)

    async def _take_later(self, data: bytes) -> None:
        await self.clock.sleep(self.faults.slow_s)
        self._take(data)

    def _take(self, data: bytes) -> None:
        try:
            text = parse_text(data, strict_order=self.strict_order)
            name = frame_name(_DIALECT, text.payload)
            if name != text.type:
                raise RsuError(
                    RsuReason.MALFORMED, f"Type={text.type}, but the payload is {name}", where="Type"
                )
        except RsuError as error:
            self._refuse(error)
            return
        self._on_air(
            Broadcast(
                message=text.type,
                uper=text.payload,
                utc_ns=self.clock.utc(),
                mono_ns=self.clock.mono(),
                psid=text.psid,
                channel=text.channel,
                priority=text.priority,
                signed=text.signature,
            )
        )


def _with_wrong_length(data: bytearray, more: int) -> bytearray:
    """The same octets with the first length changed: of the short message, the wrapper or the frame."""
    if data[:1] == b"\x00" or data[:2] == b"\x03\x80":
        at = 2
    elif data[:2] == b"\x03\x81":
        at = 6
    elif data[:2] == b"\x03\x00":
        at = decode_psid(bytes(data), 2)[1]
    else:
        return data[:-1]
    if data[at] >= 0x80:
        at += 1
    data[at] = (data[at] + more) & (0x7F if data[at] < 0x80 else 0xFF)
    return data
