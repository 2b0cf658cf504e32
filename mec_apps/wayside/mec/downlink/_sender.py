from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from random import Random
from typing import NamedTuple

import msgspec

from wayside.asn1 import EncodeError, MessageSet, load
from wayside.asn1.messages import (
    IntersectionId,
    Light,
    Message,
    ObjectSource,
    Position,
    RoadMap,
    SignalStates,
)
from wayside.asn1.translate import TranslateError, to_wire
from wayside.clock import MonoNs
from wayside.mec.dispatch import OpenEvent
from wayside.mec.downlink._events import compose_events
from wayside.mec.downlink._maps import EncodedMap, encode_maps
from wayside.mec.downlink._numbers import MessageCounts, Numbers
from wayside.mec.downlink._objects import ObjectComposer
from wayside.mec.downlink._reasons import DownlinkReason
from wayside.mec.downlink._rules import DownlinkRules
from wayside.mec.downlink._signals import compose_signals
from wayside.mec.downlink._signs import compose_signs, ours
from wayside.mec.world import World
from wayside.observe import Counters

_GREENS = (Light.PERMISSIVE_GREEN, Light.PROTECTED_GREEN, Light.FLASHING_GREEN)


class Downlink(NamedTuple):
    """One message for the RSUs of a dialect.

    message_name: as `MessageSet.frame_name` gives it. uper: encoded MessageFrame. key: a newer message of the
    same key replaces an older one that still waits. priority: of the radio, 0..255. trace_id: of the input
    that it rests on. lost: what the dialect has no room for.
    """

    message_name: str
    dialect: str
    uper: bytes
    key: str
    ttl_ms: int
    priority: int
    trace_id: str
    lost: tuple[str, ...]


class Downlinks:
    """Composes what the RSUs broadcast, each kind at its period, encoded once for each dialect.

    State: when each kind is due, message counts, object, event and sign numbers, the last green of each
    signal group. Nothing with a UTC stamp is sent while the host doubts its UTC; a map has none. random:
    start of the message counts. road_map: what is sent as MAP, one for each intersection; None sends none.
    """

    def __init__(
        self,
        reference: Position,
        dialects: Sequence[str],
        source_id: bytes,
        counters: Counters,
        random: Random,
        rules: DownlinkRules | None = None,
        sensor_sources: Mapping[str, ObjectSource] | None = None,
        road_map: RoadMap | None = None,
    ) -> None:
        self.rules = rules or DownlinkRules()
        self._reference = reference
        self._source_id = source_id
        self._counters = counters
        self._sets: dict[str, MessageSet] = {dialect: load(dialect) for dialect in dict.fromkeys(dialects)}
        self._counts = MessageCounts(random)
        self._objects = ObjectComposer(reference, source_id, counters, self.rules, sensor_sources or {})
        self._numbers = Numbers(0, 255)
        self._sign_numbers = Numbers(0, 255)
        self._due: dict[Hashable, int] = {}
        self._greens: dict[tuple[IntersectionId, int], Light] = {}
        self._maps: dict[str, list[EncodedMap]] = {}
        if road_map is not None:
            for dialect, messages in self._sets.items():
                self._maps[dialect], refused = encode_maps(road_map, dialect, messages)
                counters.drop(DownlinkReason.ENCODE, refused)

    def step(self, world: World, events: Sequence[OpenEvent]) -> list[Downlink]:
        """Messages that are due in this step."""
        out: list[Downlink] = []
        rules = self.rules
        if self._is_due("objects", rules.objects_period_ms, world.mono) and self._clock_is_good(world):
            self._send_objects(world, out)
        if self._is_due("signals", rules.signals_period_ms, world.mono) and self._clock_is_good(world):
            signals = compose_signals(world, self._counters, rules)
            if signals is not None:
                self._remember_greens(signals)
                ttl_ms = min(2 * rules.signals_period_ms, rules.signal_age_ms)
                for dialect in self._sets:
                    self._encode(dialect, signals, "signals", ttl_ms, rules.signals_priority, "", out)
        self._send_events(world, events, out)
        if self._maps and self._is_due("maps", rules.maps_period_ms, world.mono):
            self._send_maps(out)
        if self._is_due("signs", rules.signs_period_ms, world.mono):
            self._send_signs(world, out)
        return out

    def _send_maps(self, out: list[Downlink]) -> None:
        ttl_ms = self.rules.maps_period_ms * 7 // 8
        for dialect, maps in self._maps.items():
            for one in maps:
                key = f"{dialect}/map/{one.intersection}"
                out.append(
                    Downlink(
                        one.message_name,
                        dialect,
                        one.uper,
                        key,
                        ttl_ms,
                        self.rules.maps_priority,
                        "",
                        one.lost,
                    )
                )

    def _send_objects(self, world: World, out: list[Downlink]) -> None:
        messages, trace_id = self._objects.compose(world)
        ttl_ms = 2 * self.rules.objects_period_ms
        for dialect in self._sets:
            for i, message in enumerate(messages):
                key = f"objects/{i}"
                self._encode(dialect, message, key, ttl_ms, self.rules.objects_priority, trace_id, out)

    def _send_events(self, world: World, events: Sequence[OpenEvent], out: list[Downlink]) -> None:
        wanted = [event for event in events if event.report.to_rsu]
        if not wanted:
            return
        rules = self.rules
        numbers = self._numbers.number([event.event_id for event in wanted], world.mono)
        families = (
            ("csae", rules.csae_events_period_ms, numbers),
            ("j2735", rules.j2735_events_period_ms, {e.event_id: i for i, e in enumerate(wanted)}),
        )
        for family, period_ms, numbered in families:
            dialects = [dialect for dialect in self._sets if dialect.startswith(family)]
            # A danger that is new goes out at once, not with the next period.
            due_for = (family, frozenset(numbered))
            if not dialects or not self._is_due(due_for, period_ms, world.mono):
                continue
            self._due = {k: v for k, v in self._due.items() if not _other(k, due_for)}
            if not self._clock_is_good(world):
                continue
            message, trace_id = compose_events(
                world, wanted, numbered.get, self._reference, self._source_id, self._counters, rules
            )
            if message is not None:
                for dialect in dialects:
                    ttl_ms = 2 * period_ms
                    self._encode(dialect, message, "events", ttl_ms, rules.events_priority, trace_id, out)

    def _send_signs(self, world: World, out: list[Downlink]) -> None:
        signs = ours(world)
        if not signs or not self._clock_is_good(world):
            return
        numbers = self._sign_numbers.number([sign.post.sign_id for sign in signs], world.mono)
        ttl_ms = 2 * self.rules.signs_period_ms
        for dialect in self._sets:
            family = "csae" if dialect.startswith("csae") else "j2735"
            messages = compose_signs(
                world, signs, numbers.get, self._reference, self._source_id, self._counters, family
            )
            for i, message in enumerate(messages):
                key = f"signs/{i}"
                self._encode(dialect, message, key, ttl_ms, self.rules.signs_priority, "", out)

    def _clock_is_good(self, world: World) -> bool:
        if world.degraded:
            self._counters.drop(DownlinkReason.CLOCK)
        return not world.degraded

    def _is_due(self, kind: Hashable, period_ms: int, mono: MonoNs) -> bool:
        due = self._due.get(kind, mono)
        if mono < due:
            return False
        step_ns = period_ms * 1_000_000
        # Keep the pace while the steps come in time; after a gap start anew.
        self._due[kind] = due + step_ns if mono - due < step_ns else mono + step_ns
        return True

    def _remember_greens(self, signals: SignalStates) -> None:
        for intersection in signals.intersections:
            for group in intersection.groups:
                if group.current.light in _GREENS:
                    self._greens[intersection.id, group.group] = group.current.light

    def _encode(
        self,
        dialect: str,
        message: Message,
        key: str,
        ttl_ms: int,
        priority: int,
        trace_id: str,
        out: list[Downlink],
    ) -> None:
        messages = self._sets[dialect]
        counted = msgspec.structs.replace(message, msg_count=self._counts.take((dialect, type(message))))
        try:
            wire = to_wire(dialect, counted, greens=self._greens)
            uper = messages.encode(wire.value)
        except (TranslateError, EncodeError):
            self._counters.drop(DownlinkReason.ENCODE)
            return
        name = messages.frame_name(wire.value)
        out.append(Downlink(name, dialect, uper, f"{dialect}/{key}", ttl_ms, priority, trace_id, wire.lost))


def _other(known: Hashable, now: tuple[str, frozenset[Hashable]]) -> bool:
    """Whether a due time is of the same family's events with another set of dangers."""
    return isinstance(known, tuple) and known[0] == now[0] and known != now
