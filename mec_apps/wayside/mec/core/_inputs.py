from __future__ import annotations

from typing import Any

from wayside.asn1 import CodecError, load
from wayside.asn1.messages import BasicSafety, Message, RoadEvents, SignalStates
from wayside.asn1.translate import TranslateError, to_message
from wayside.clock import Clock, MonoNs, UtcNs
from wayside.mec.core._reasons import EdgeReason
from wayside.mec.world import WorldModel
from wayside.observe import Counters, new_trace_id
from wayside.rsu import Envelope


class RadioInputs:
    """Takes what vehicles and roadside units say into the world.

    own_sources: ids of 8 octets under which this edge itself sends; a message whose source begins with one
    (a TIM's packet id is an octet longer) is our own output come back and never a measurement. What is not
    used is counted under EdgeReason; nothing raises.
    """

    def __init__(
        self, world: WorldModel, own_sources: frozenset[bytes], clock: Clock, counters: Counters
    ) -> None:
        self._world = world
        self._own_sources = own_sources
        self._clock = clock
        self._counters = counters

    def from_vehicle(self, session: str, dialect: str, frame: bytes, arrived: MonoNs) -> bool:
        """Take a MessageFrame that came up a session; whether it changed the world."""
        try:
            value = load(dialect).decode(frame)
        except CodecError:
            self._counters.drop(EdgeReason.UNDECODABLE)
            return False
        message = self._translated(dialect, value)
        if message is None:
            return False
        if not isinstance(message, BasicSafety):
            self._counters.drop(EdgeReason.NOT_EXPECTED)
            return False
        self._counters.count("messages_up", "link/BSM")
        reason = self._world.on_basic_safety(session, message, arrived=arrived, trace_id=new_trace_id())
        return reason is None

    def from_device(self, envelope: Envelope) -> bool:
        """Take a message that a roadside unit passed on; whether it changed the world."""
        self._counters.count("messages_up", f"{envelope.device_id}/{envelope.message}")
        if envelope.message not in _USED:
            self._counters.count("messages_not_used", envelope.message)
            return False
        value = envelope.value
        if value is None:
            try:
                value = load(envelope.dialect).decode(envelope.uper or b"")
            except CodecError:
                self._counters.drop(EdgeReason.UNDECODABLE)
                return False
        message = self._translated(envelope.dialect, value)
        match message:
            case BasicSafety():
                reason = self._world.on_basic_safety(
                    "", message, arrived=envelope.mono_ns, trace_id=envelope.trace_id
                )
                return reason is None
            case SignalStates():
                return self._world.on_signal_states(
                    message, device=envelope.device_id, arrived=envelope.mono_ns
                )
            case RoadEvents():
                return self._world.on_road_events(
                    message,
                    device=envelope.device_id,
                    arrived=envelope.mono_ns,
                    trace_id=envelope.trace_id,
                    own=any(message.source_id.startswith(source) for source in self._own_sources),
                )
            case _:
                return False

    def _translated(self, dialect: str, value: Any) -> Message | None:
        near: UtcNs = self._clock.utc()
        try:
            return to_message(dialect, value, near=near).message
        except TranslateError:
            self._counters.drop(EdgeReason.UNTRANSLATABLE)
            return None


# Messages of a roadside unit that the edge acts on. Its own MAP is the site file's; perceived objects of
# other units are not fused.
_USED = frozenset({"BSM", "SPAT", "RSI", "TIM"})
