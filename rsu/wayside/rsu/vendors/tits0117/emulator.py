"""Emulated T/ITS 0117 unit on a real broker, true on the wire in both directions."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, ClassVar

import msgspec

from wayside.rsu import Adapter, Broadcast, RsuError, RsuReason, frame_name
from wayside.rsu.mqtt import Publish
from wayside.rsu.vendors.tits0117 import wire
from wayside.rsu.vendors.tits0117.adapter import Tits0117
from wayside.rsu.vendors.tits0117.config import DIALECT
from wayside.rsu.vendors.tits0117.emulated_link import MAX_WAITING, SHARED, EmulatedLink
from wayside.rsu.vendors.tits0117.faults import damaged

_REGISTER_EVERY_S = 10.0
_MAX_SLICES = 64


class Tits0117Emulator(EmulatedLink):
    """Registers, beats, takes messages for broadcast and acknowledges them; a client of an MQTT broker.

    Arguments as of `EmulatedLink`.
    """

    forms: ClassVar[tuple[str, ...]] = ()

    def _set_up(self) -> None:
        self.approved = False
        self.management = wire.Management(hb_rate_s=0, running_info_rate_s=0)
        self.settings: dict[str, Any] = {}
        self.slices: dict[str, str] = {}
        self.reboots = 0
        self.last_seq = ""
        self.log_orders: list[dict[str, Any]] = []
        self._beats = 0

    def adapter_values(self) -> dict[str, Any]:
        """The broker, the unit's names and layout; approved, and alive by its last message."""
        host, port = self.address
        config = self._config
        shared = {key: getattr(config, key) for key in SHARED}
        login = {"username": config.username, "password": config.password}
        names = {"esn": config.esn, "unit_id": config.unit_id}
        rates = {"hb_rate_s": 0, "running_info_rate_s": 0}
        return {"host": host, "port": port, "approved": True, **login, **names, **shared, **rates}

    def attach(self, adapter: Adapter) -> None:
        """Nothing to be told: both are at the broker. Raises TypeError for another vendor's adapter."""
        if not isinstance(adapter, Tits0117):
            raise TypeError(f"{type(adapter).__name__} is no adapter of this class")

    # --- up -------------------------------------------------------------------------------------------

    def send_up(self, uper: bytes) -> int:
        """Send one frame up in the unit's form, through the faults. Raises RsuError OFFLINE, UNSUPPORTED."""
        message = frame_name(DIALECT, uper)
        topic = message
        if self._happens(self.faults.wrong_type):
            topic = self._random.choice([name for name in wire.MESSAGES if name != message])
        length_at = 17 if message == "BSM" else 16
        payload = self._damaged(self._built(message, uper), length_at if self._config.body == "binary" else 0)
        return self._send(self.layout.up(topic, self._config.name), payload)

    def send_up_bsms(self, upers: tuple[bytes, ...]) -> int:
        """Send several BSM in one envelope. Raises RsuError OFFLINE, UNSUPPORTED in the JSON form."""
        if self._config.body == "json":
            raise RsuError(RsuReason.UNSUPPORTED, "BSM has no JSON form here")
        payload = bytearray(self._wrapped("BSM", upers))
        payload[16] = (payload[16] + self._faults.count_off) & 0xFF
        return self._send(self.layout.up("BSM", self._config.name), self._damaged(bytes(payload), 17))

    def send_up_raw(self, body: Any, driver: str = "BOX") -> int:
        """Send a perception vendor's objects up as they are, a JSON value."""
        topic = self.layout.raw_up("RSM", self._config.name, driver)
        return self._send(topic, self._damaged(msgspec.json.encode(body)))

    def send_payload(self, kind: str, payload: bytes) -> int:
        """Send any octets under the topic of a kind."""
        return self._send(self.layout.up(kind, self._config.name), payload)

    def acknowledge(self, kind: str, seq_num: str | int, error_code: int = 0) -> None:
        """Send one acknowledgement, wanted or not."""
        payload = wire.build_ack(seq_num, error_code, self._config.key_case)
        self._out(self.layout.ack_up(kind, self._config.name), payload)

    def carried(self, uper: bytes) -> bytes:
        """The frame that can come back after the unit's form: in JSON without what it has no room for."""
        if self._config.body == "binary":
            return uper
        message, context = frame_name(DIALECT, uper), self._context()
        body, _ = wire.body_of(message, uper, context)
        return wire.frames_of(message, body, context)[0][0]

    def register(self) -> None:
        """Send one registration."""
        config = self._config
        payload = wire.build_info(
            config.envelope_id, config.esn, config.unit_name, *self.place, config.key_case
        )
        if config.up_id:
            self._out(self.layout.up("INFO", config.name), payload)
        else:
            self._out(self.layout.up("BASEINFO", config.name), payload)

    def beat(self) -> None:
        """Send one heartbeat."""
        config = self._config
        self._beats += 1
        utc_ms = self._utc_ms()
        payload = wire.build_heartbeat(
            config.envelope_id, config.esn, config.unit_name, self._beats, utc_ms, config.key_case
        )
        self._out(self.layout.up("HB", config.name), payload)

    # --- the unit's own work --------------------------------------------------------------------------

    def _began(self) -> None:
        self.approved = False

    def _works(self) -> dict[str, Coroutine[Any, Any, None]]:
        return {
            "registration": self._register_on(),
            "heartbeat": self._beat_on(),
            "running info": self._tell_on(),
        }

    def _context(self) -> wire.Context:
        return wire.Context(
            source_id=self._config.source_id,
            utc_ns=self.clock.utc(),
            utc_offset_min=self._config.utc_offset_min,
        )

    def _utc_ms(self) -> int:
        return max(0, self.clock.utc() // 1_000_000 + self._faults.clock_skew_ms)

    async def _register_on(self) -> None:
        while True:
            if not self.approved:
                self.register()
            await self.clock.sleep(_REGISTER_EVERY_S)

    async def _beat_on(self) -> None:
        while True:
            rate_s = self.management.hb_rate_s
            if self.approved and rate_s and not self._faults.no_beats:
                self.beat()
            await self.clock.sleep(rate_s or 1.0)

    async def _tell_on(self) -> None:
        while True:
            rate_s = self.management.running_info_rate_s
            if self.approved and rate_s:
                body = {"rsuEsn": self._config.esn, "rsuId": self._config.envelope_id}
                running = {
                    "cpu": {"load": 0.1, "uti": "10,9"},
                    "mem": {"total": 1024, "used": 512, "free": 512},
                }
                self._out(
                    self.layout.up("RunningInfo", self._config.name),
                    msgspec.json.encode({**body, "runningInfo": running}),
                )
            await self.clock.sleep(rate_s or 1.0)

    # --- out, through the faults ----------------------------------------------------------------------

    def _built(self, message: str, uper: bytes) -> bytes:
        if self._config.body == "binary":
            return self._wrapped(message, (uper + bytes(self.faults.pad_bytes),))
        body, _ = wire.body_of(message, uper, self._context())
        if message == "MAP":
            return wire.slices_of(body, self._config.slice_bytes)[0].payload("0")
        return msgspec.json.encode(body)

    def _wrapped(self, message: str, upers: tuple[bytes, ...]) -> bytes:
        return wire.build_envelope(
            message, self._config.envelope_id, self._utc_ms(), upers, self._config.id_padding
        )

    def _damaged(self, payload: bytes, length_at: int = 0) -> bytes:
        return damaged(payload, self._faults, self._happens, self._random, length_at)

    # --- down -----------------------------------------------------------------------------------------

    def _take(self, message: Publish) -> None:
        kind = self.layout.read_down(message.topic, self._config.name)
        try:
            if kind == "TICE":
                self.register()
            elif kind == "MNG":
                self._obey(wire.read_management(message.payload))
            elif kind == "Log":
                self.log_orders.append(wire.read_body(message.payload))
                del self.log_orders[:-10]
            elif kind == "CONFIG":
                settings = wire.read_body(message.payload)
                self.settings |= {key: settings[key] for key in wire.SETTINGS if key in settings}
                self._answer("CONFIG", settings)
            elif kind == wire.QUERY:
                self._tell(wire.read_body(message.payload))
            elif kind is not None:
                self._broadcast(kind, message.payload)
            else:
                self.counters.count("emulator_told", "other")
        except RsuError as error:
            self._refuse(error)

    def _obey(self, orders: wire.Management) -> None:
        self.approved = True
        self.management = orders
        if orders.reboot:
            self.reboots += 1
            self.approved = False
            self.register()

    def _tell(self, question: dict[str, Any]) -> None:
        answer = {"rsuEsn": self._config.esn, "seqNum": question.get("seqnum"), "InfoValue": {"ok": 1}}
        self._out(self.layout.up(wire.QUERY, self._config.name), msgspec.json.encode(answer))

    def _broadcast(self, kind: str, payload: bytes) -> None:
        if self._config.body == "binary":
            frames = wire.parse_envelope(kind, payload).frames
            for frame in frames:
                if frame_name(DIALECT, frame) != kind:
                    raise RsuError(RsuReason.MALFORMED, f"the frame is no {kind}", where="topic")
        else:
            body, _ = wire.read_json(payload)
            frames = tuple(frame for frame, _ in wire.frames_of(kind, body, self._context()))
            if kind == "MAP":
                read = wire.read_body(payload)
                self.slices[str(read.get("mapslice"))[:16]] = str(read.get("etag"))[:64]
                if len(self.slices) > _MAX_SLICES:
                    del self.slices[next(iter(self.slices))]
                self._answer("MAP", read)
        for frame in frames:
            now_utc, now_mono = self.clock.utc(), self.clock.mono()
            self._on_air(Broadcast(message=kind, uper=frame, utc_ns=now_utc, mono_ns=now_mono))

    def _answer(self, kind: str, body: dict[str, Any]) -> None:
        faults, seq = self._faults, str(body.get("seqnum"))[: wire.MAX_SEQ]
        self.last_seq = seq
        match faults.ack:
            case "lost":
                pass
            case "error":
                self.acknowledge(kind, seq, faults.error_code)
            case "late":
                if len(self.tasks) < MAX_WAITING:
                    self.tasks.start(self._answer_later(faults.ack_late_s, kind, seq), "late")
            case "duplicate":
                self.acknowledge(kind, seq)
                self.acknowledge(kind, seq)
            case "unknown":
                self.acknowledge(kind, f"{seq}0000000")
            case "number":
                self.acknowledge(kind, int(seq) if seq.isdigit() else seq)
            case _:
                self.acknowledge(kind, seq)

    async def _answer_later(self, seconds: float, kind: str, seq: str) -> None:
        await self.clock.sleep(seconds)
        self.acknowledge(kind, seq)
