from __future__ import annotations

from collections import OrderedDict
from typing import TypeVar

from wayside.clock import MonoNs, UtcNs
from wayside.link import Advice, Cancel, Flag, Frame, Header, Outcome, Warning, decode_body
from wayside.obu._offset import ClockOffset
from wayside.obu._types import ReceivedAdvice, ReceivedCancel, ReceivedMessage, ReceivedWarning

V = TypeVar("V")

# Dangers a vehicle can be near at once, with room to spare; beyond it the oldest are forgotten.
KEYS_KEPT = 256


class Inbox:
    """Judges what comes down: how long it is valid, whether it was here before. No I/O, no queues."""

    def __init__(self, offset: ClockOffset, dialect: str) -> None:
        self._offset = offset
        self._dialect = dialect
        self._last: OrderedDict[int, tuple[int, bytes]] = OrderedDict()
        self._active: OrderedDict[int, ReceivedWarning] = OrderedDict()
        self._advice: OrderedDict[int, ReceivedAdvice] = OrderedDict()

    def warning(self, frame: Frame, received: MonoNs) -> ReceivedWarning | tuple[Outcome, str]:
        """A WARNING frame as the user gets it, or why he does not with its trace_id.

        Raises LinkError BAD_BODY.
        """
        body = decode_body(frame, Warning)
        header = frame.header
        if header.key:
            mark = (header.created_ms, frame.body)
            if self._last.get(header.key) == mark:
                return Outcome.DUPLICATE, body.trace_id
            _keep(self._last, header.key, mark)
        valid_until, degraded = self._valid_until(header, received)
        if valid_until <= received:
            return Outcome.EXPIRED, body.trace_id
        warning = ReceivedWarning(
            warning=body,
            key=header.key,
            seq=header.seq,
            priority=header.priority,
            created=_created(header),
            ttl_ms=header.ttl_ms,
            received=received,
            valid_until=valid_until,
            degraded=degraded,
            resumed=bool(header.flags & Flag.RESUMED),
        )
        if header.key:
            _keep(self._active, header.key, warning)
        return warning

    def cancel(self, frame: Frame, received: MonoNs) -> ReceivedCancel:
        """A CANCEL frame. Raises LinkError BAD_BODY."""
        body = decode_body(frame, Cancel)
        self._active.pop(frame.header.key, None)
        self._advice.pop(frame.header.key, None)
        return ReceivedCancel(frame.header.key, body.reason, body.event_id, body.trace_id, received)

    def advice(self, frame: Frame, received: MonoNs) -> ReceivedAdvice | None:
        """An ADVICE frame, None when it is stale. Raises LinkError BAD_BODY."""
        body = decode_body(frame, Advice)
        header = frame.header
        valid_until, _ = self._valid_until(header, received)
        if valid_until <= received:
            return None
        advice = ReceivedAdvice(body, header.key, _created(header), header.ttl_ms, received, valid_until)
        if header.key:
            _keep(self._advice, header.key, advice)
        return advice

    def message(self, frame: Frame, received: MonoNs) -> ReceivedMessage | None:
        """A MESSAGE frame, None when it is stale; ttl 0 never is."""
        header = frame.header
        valid_until = self._valid_until(header, received)[0] if header.ttl_ms else None
        if valid_until is not None and valid_until <= received:
            return None
        return ReceivedMessage(frame.body, self._dialect, _created(header), received, valid_until)

    def active(self, now: MonoNs) -> list[ReceivedWarning]:
        """Warnings in force: neither expired nor cancelled, latest of each key, most severe first."""
        for key in [key for key, warning in self._active.items() if warning.valid_until <= now]:
            del self._active[key]
        return sorted(self._active.values(), key=lambda w: (-w.priority, w.valid_until))

    def advice_in_force(self, now: MonoNs) -> list[ReceivedAdvice]:
        """Advice in force, latest of each key, in the order of the keys' last frames."""
        for key in [key for key, advice in self._advice.items() if advice.valid_until <= now]:
            del self._advice[key]
        return list(self._advice.values())

    def _valid_until(self, header: Header, received: MonoNs) -> tuple[MonoNs, bool]:
        lifetime_ns = header.ttl_ms * 1_000_000
        longest = received + lifetime_ns
        created = None if header.flags & Flag.DEGRADED else self._offset.at(_created(header))
        if created is None:
            return MonoNs(longest), True
        return MonoNs(min(created + lifetime_ns, longest)), False


def _created(header: Header) -> UtcNs:
    return UtcNs(header.created_ms * 1_000_000)


def _keep(kept: OrderedDict[int, V], key: int, value: V) -> None:
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > KEYS_KEPT:
        kept.popitem(last=False)
