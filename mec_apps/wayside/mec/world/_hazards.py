from __future__ import annotations

import hashlib
import math

import msgspec

from wayside.asn1.messages import RoadEvent, RoadEvents
from wayside.clock import MonoNs, UtcNs
from wayside.mec.world._reasons import WorldReason
from wayside.mec.world._snapshot import ReportedHazard
from wayside.observe import Counters

MAX_HAZARDS = 500
HOLD_S = 30.0


class HazardBook:
    """Road events that others reported, each by the identity of its source and its number in it.

    A newer report replaces the older of the same item; one whose end has come withdraws it. An event with
    no end is held for 30 s after it was last heard: roadside units repeat what is still true. Where the
    source gives no identity (a TIM without packet id) the event is known by what it says and where.
    Bounded: a new one takes the place of the one that has been silent longest, if for more than 30 s.
    Source: identity of items from T/CSAE 159; the rest own.
    """

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._hazards: dict[str, ReportedHazard] = {}

    def hear(
        self,
        message: RoadEvents,
        *,
        device: str,
        arrived: MonoNs,
        trace_id: str,
        own: bool,
        now: UtcNs,
        doubted: bool = False,
    ) -> bool:
        """Take a message from a device; whether anything that counts has changed. doubted: as `current`."""
        changed = False
        for event in message.events:
            subject = _subject(message, event)
            if event.end_utc_ns is not None and event.end_utc_ns <= now and not doubted:
                if self._hazards.pop(subject, None) is None:
                    self._counters.drop(WorldReason.HAZARD_ENDED)
                else:
                    changed = True
                continue
            if not _placed(event):
                self._counters.drop(WorldReason.HAZARD_UNPLACED)
                continue
            before = self._hazards.get(subject)
            if before is None and not self._has_room(arrived):
                self._counters.drop(WorldReason.HAZARDS_FULL)
                continue
            same = before is not None and before.event == event
            changed = changed or not same
            # What is repeated unchanged stays the same object: an app need not look at it anew.
            event = before.event if before is not None and same else event
            # What is once known as our own stays so, whichever device heard it come back.
            own_output = own or (before is not None and before.own)
            self._hazards[subject] = ReportedHazard(subject, device, event, arrived, trace_id, own_output)
        return changed

    def _has_room(self, arrived: MonoNs) -> bool:
        if len(self._hazards) < MAX_HAZARDS:
            return True
        subject, oldest = min(self._hazards.items(), key=lambda item: item[1].heard)
        if (arrived - oldest.heard) / 1e9 <= HOLD_S:
            return False
        del self._hazards[subject]
        return True

    def current(self, now: UtcNs, mono: MonoNs, *, doubted: bool = False) -> tuple[ReportedHazard, ...]:
        """The hazards that are valid now, by subject; those that are over are forgotten.

        doubted: this host's UTC is, so that starts and ends say nothing: all are held as those without end.
        """
        for subject, hazard in list(self._hazards.items()):
            end = hazard.event.end_utc_ns
            if doubted or end is None:
                over = (mono - hazard.heard) / 1e9 > HOLD_S
            else:
                over = end <= now
            if over:
                del self._hazards[subject]
        return tuple(
            hazard
            for _, hazard in sorted(self._hazards.items())
            if doubted or hazard.event.start_utc_ns is None or hazard.event.start_utc_ns <= now
        )


def _subject(message: RoadEvents, event: RoadEvent) -> str:
    if message.source_id:
        return f"{message.source_id.hex()}/{event.event_id}"
    said = (event.code, event.itis, event.text, event.position, event.paths, event.links)
    return f"-/{hashlib.blake2b(msgspec.json.encode(said), digest_size=8).hexdigest()}"


def _placed(event: RoadEvent) -> bool:
    position = event.position
    if position is not None and not (math.isfinite(position.lat_deg) and math.isfinite(position.lon_deg)):
        return False
    return position is not None or bool(event.paths) or bool(event.links)
