"""Adapter of the USDOT RSU 4.1 class: text down, datagrams up. Thin around `wire` and `wayside.rsu.radio`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, NamedTuple

import msgspec

from wayside.clock import Clock, MonoNs, UtcNs
from wayside.observe import Counters, new_trace_id
from wayside.rsu import (
    J2735_IDS,
    Adapter,
    Capabilities,
    Checked,
    Delivery,
    DeliveryState,
    DeviceConfig,
    Direction,
    Envelope,
    Flags,
    RsuError,
    RsuReason,
    Security,
    Tx,
    check_frame,
    decodable,
    new_msg_uid,
)
from wayside.rsu.radio import Form, Peeled, Unchecked, peel
from wayside.rsu.vendors.usdot_rsu41.config import ANY, PSIDS, Config
from wayside.rsu.vendors.usdot_rsu41.listen import Listener, listen, plain_address
from wayside.rsu.vendors.usdot_rsu41.wire import build_text
from wayside.runtime import BoundedQueue, Full


class _Datagram(NamedTuple):
    expected: str
    data: bytes
    source: str
    utc_ns: UtcNs
    mono_ns: MonoNs


class _Sender(asyncio.DatagramProtocol):
    def __init__(self, failed: Callable[[Exception], None]) -> None:
        self._failed = failed

    def error_received(self, exc: Exception) -> None:
        self._failed(exc)


class UsdotRsu41(Adapter):
    """A unit of the USDOT RSU 4.1 class.

    Down: immediate-forward text, one datagram a message; nothing comes back, so SENT is the most that can be
    said. Up: datagrams with WSMP, IEEE 1609.2 or bare frames, from known addresses only.
    """

    vendor: ClassVar[str] = "usdot_rsu41"

    def __init__(
        self,
        config: DeviceConfig,
        clock: Clock,
        counters: Counters,
        on_delivery: Callable[[Delivery], None] | None = None,
        *,
        seed: int | None = None,
    ) -> None:
        if not isinstance(config, Config):
            raise TypeError(f"{self.vendor} needs its own Config, not {type(config).__name__}")
        if not decodable(config.dialect):
            what = f"no tables to decode {config.dialect}"
            raise RsuError(RsuReason.CONFIG, what, where=config.device_id)
        super().__init__(config, clock, counters, on_delivery, seed=seed)
        self._config = config
        self._abilities = config.capabilities()
        self._senders: dict[int, asyncio.DatagramTransport] = {}
        self._listeners: dict[str, Listener] = {}
        self._inbox: BoundedQueue[_Datagram] = BoundedQueue(
            config.receive_queue, Full.DROP_OLDEST, lambda _: self._refuse(RsuReason.QUEUE_FULL)
        )
        self._expect = Unchecked(frozenset(J2735_IDS.values()), config.header_search)
        self._decoding = False

    @property
    def listening(self) -> dict[str, tuple[str, int]]:
        """Where uplinks are taken now: message or `any` → host and port."""
        return {name: listener.address for name, listener in self._listeners.items()}

    def _capabilities(self) -> Capabilities:
        return self._abilities

    async def _open(self) -> None:
        config = self._config
        loop = asyncio.get_running_loop()
        try:
            for port in {config.port, *config.port_by_message.values()}:
                sender = await loop.create_datagram_endpoint(
                    lambda: _Sender(self._refused_by_host), remote_addr=(config.host, port)
                )
                self._senders[port] = sender[0]
            peer = str(self._senders[config.port].get_extra_info("peername")[0])
            sources = frozenset(plain_address(text) for text in config.uplink_sources or (peer,))
            for name, port in config.uplink_ports.items():
                share = Listener(sources, partial(self._datagram, name), self._stranger)
                self._listeners[name] = await listen(config.uplink_host, port, share)
        except (OSError, RsuError) as error:
            await self._shut()
            if isinstance(error, RsuError):
                raise
            what = f"no socket for {config.host}: {error.strerror or error}"
            raise RsuError(RsuReason.UNREACHABLE, what, where=self.device_id) from None
        if not self._decoding:
            self._decoding = True
            self.tasks.start(self._decode_all(), "decoder")

    async def _shut(self) -> None:
        for transport in self._senders.values():
            transport.close()
        for listener in self._listeners.values():
            listener.close()
        self._senders.clear()
        self._listeners.clear()
        # A transport gives its socket back on the loop's next turn.
        await asyncio.sleep(0)

    async def _transmit(self, delivery: Delivery) -> DeliveryState:
        envelope = delivery.envelope
        if envelope.uper is None:
            raise RsuError(RsuReason.UNSUPPORTED, "only UPER can be sent", where=self.device_id)
        config, tx = self._config, envelope.tx
        forward = config.forward(envelope.message, envelope.uper, envelope.psid)
        changes: dict[str, Any] = {
            name: value
            for name, value in (
                ("channel", tx.channel),
                ("priority", tx.priority),
                ("interval_ms", tx.interval_ms),
                ("signature", tx.sign),
            )
            if value is not None
        }
        text = build_text(msgspec.structs.replace(forward, **changes))
        port = config.port_by_message.get(envelope.message, config.port)
        transport = self._senders.get(port)
        if transport is None or transport.is_closing():
            # Octets given to a socket that is gone are gone too: that is not SENT.
            error = RsuError(RsuReason.OFFLINE, "no socket is open", where=self.device_id)
            self._lost(error)
            raise error
        transport.sendto(text)
        return DeliveryState.SENT

    def _refused_by_host(self, error: Exception) -> None:
        """The network answered that nobody takes the text (ICMP): known to be silent until heard again."""
        self.counters.drop(RsuReason.UNREACHABLE)
        self._silent(
            RsuError(RsuReason.UNREACHABLE, f"the text was not taken: {error}", where=self.device_id)
        )

    def _stranger(self) -> None:
        self._refuse(RsuReason.UNKNOWN_SOURCE)

    def _datagram(self, expected: str, data: bytes, source: str) -> None:
        if len(data) > self._config.max_datagram_bytes:
            self._refuse(RsuReason.TOO_LARGE)
        elif self._admit():
            self._inbox.put(_Datagram(expected, data, source, self.clock.utc(), self.clock.mono()))

    async def _decode_all(self) -> None:
        while True:
            self._decode_one(await self._inbox.get())
            # Decoding takes its turn with sending and with the other devices.
            await asyncio.sleep(0)

    def _decode_one(self, datagram: _Datagram) -> None:
        with self._containment.around("rsu decode"):
            try:
                peeled, checked = peel(datagram.data, self._expect, self._check_up)
                envelope = self._envelope(datagram, peeled, checked)
            except RsuError as error:
                self._refuse(error.reason)
            else:
                self._receive(envelope)

    def _check_up(self, frame: bytes) -> Checked:
        return check_frame(self._config.dialect, frame)

    def _envelope(self, datagram: _Datagram, peeled: Peeled, checked: Checked) -> Envelope:
        dot2, wsm, config = peeled.dot2, peeled.wsm, self._config
        security = Security()
        if dot2 is not None and dot2.signed:
            security = Security(
                signed=True, signer=dot2.signer, signer_id=dot2.signer_id, generated=dot2.generated
            )
        flags = Flags(
            header_searched=peeled.form is Form.SEARCHED,
            trailing_bytes=peeled.trailing_bytes + len(peeled.frame) - checked.octets,
            type_mismatch=datagram.expected not in (ANY, checked.message),
            psid_mismatch=peeled.psid is not None
            and peeled.psid != config.psid_by_message.get(checked.message, PSIDS.get(checked.message)),
        )
        return Envelope(
            msg_uid=new_msg_uid(),
            device_id=self.device_id,
            vendor=self.vendor,
            direction=Direction.UP,
            dialect=config.dialect,
            message=checked.message,
            uper=peeled.frame[: checked.octets],
            value=checked.value,
            psid=peeled.psid,
            form=peeled.form.value,
            source=datagram.source,
            tx=Tx(channel=None if wsm is None else wsm.channel),
            security=security,
            flags=flags,
            utc_ns=datagram.utc_ns,
            mono_ns=datagram.mono_ns,
            trace_id=new_trace_id(),
        )
