"""Payloads of a unit as checked envelopes, whatever their form. Pure."""

from __future__ import annotations

from typing import NamedTuple

from wayside.clock import MonoNs, UtcNs
from wayside.observe import new_trace_id
from wayside.rsu import Direction, Envelope, Flags, RsuError, RsuReason, check_frame, new_msg_uid
from wayside.rsu.vendors.tits0117 import wire
from wayside.rsu.vendors.tits0117.config import Config


class Payload(NamedTuple):
    """What came under a topic, with the instants of its arrival."""

    topic: str
    data: bytes
    utc_ns: UtcNs
    mono_ns: MonoNs


class Reader:
    """Reads the messages of one unit. vendor: name for its envelopes."""

    def __init__(self, config: Config, vendor: str) -> None:
        self._config = config
        self._vendor = vendor

    def context(self, utc_ns: UtcNs) -> wire.Context:
        """What transcoding rests on at an instant."""
        config = self._config
        return wire.Context(source_id=config.source_id, utc_ns=utc_ns, utc_offset_min=config.utc_offset_min)

    def message(self, kind: str, payload: Payload) -> list[Envelope]:
        """Envelopes of one of the five messages, in the unit's form.

        Raises RsuError MALFORMED, DECODE, TOO_LARGE, UNSUPPORTED: all of a payload is taken, or nothing.
        """
        if self._config.body == "binary":
            return self._binary(kind, payload)
        body, trailing = wire.read_json(payload.data)
        found = wire.frames_of(kind, body, self.context(payload.utc_ns))
        return [self._transcoded(frame, one, payload, "json", trailing) for frame, one in found]

    def raw(self, arrived: wire.Arrived, payload: Payload) -> list[Envelope]:
        """Envelopes of a perception vendor's raw objects. Raises RsuError as above, and MissingKey."""
        if arrived.kind != "RSM":
            what = f"raw {arrived.kind} of {arrived.driver[:32]}"
            raise RsuError(RsuReason.UNSUPPORTED, what, where="topic")
        body, trailing = wire.read_json(payload.data)
        found = wire.read_raw_rsm(body, self.context(payload.utc_ns))
        return [self._transcoded(wire.encoded(one), one, payload, "raw", trailing) for one in found]

    def _binary(self, kind: str, payload: Payload) -> list[Envelope]:
        wrapped = wire.parse_envelope(kind, payload.data)
        device_utc_ns = UtcNs(wrapped.utc_ms * 1_000_000)
        envelopes = []
        for frame in wrapped.frames:
            envelope = self._checked(frame, payload, "envelope", device_utc_ns=device_utc_ns)
            if envelope.message != kind:
                what = f"{envelope.message} under the topic of {kind}"
                raise RsuError(RsuReason.MALFORMED, what, where="topic")
            envelopes.append(envelope)
        return envelopes

    def _transcoded(
        self, frame: bytes, transcoded: wire.Transcoded, payload: Payload, form: str, trailing: int
    ) -> Envelope:
        account = transcoded.account
        return self._checked(
            frame,
            payload,
            form,
            flags=Flags(transcoded=True, trailing_bytes=trailing, unit_guessed=account.unit_guessed),
            lost=tuple(account.lost),
            defaulted=tuple(account.defaulted),
        )

    def _checked(
        self,
        frame: bytes,
        payload: Payload,
        form: str,
        *,
        flags: Flags | None = None,
        device_utc_ns: UtcNs | None = None,
        lost: tuple[str, ...] = (),
        defaulted: tuple[str, ...] = (),
    ) -> Envelope:
        checked = check_frame(self._config.dialect, frame)
        return Envelope(
            msg_uid=new_msg_uid(),
            device_id=self._config.device_id,
            vendor=self._vendor,
            direction=Direction.UP,
            dialect=self._config.dialect,
            message=checked.message,
            uper=frame[: checked.octets],
            value=checked.value,
            form=form,
            source=payload.topic,
            flags=flags or Flags(trailing_bytes=len(frame) - checked.octets),
            utc_ns=payload.utc_ns,
            mono_ns=payload.mono_ns,
            device_utc_ns=device_utc_ns,
            lost_fields=lost,
            defaulted_fields=defaulted,
            trace_id=new_trace_id(),
        )
