from __future__ import annotations

from wayside.asn1.messages import IntersectionId, SignalEvent, SignalGroup, SignalIntersection, SignalStates
from wayside.clock import UtcNs
from wayside.mec.downlink._reasons import DownlinkReason
from wayside.mec.downlink._rules import DownlinkRules
from wayside.mec.world import SignalNow, World
from wayside.observe import Counters

_SPAT = "spat"


def compose_signals(world: World, counters: Counters, rules: DownlinkRules) -> SignalStates | None:
    """Signal states of a world without their count; None where there are none to send.

    An intersection is left out as a whole when the input of one of its groups is older than
    `signal_age_ms`: half a signal is worse than none. States that an RSU itself sends are not composed again
    unless `relay_spat`.
    """
    groups: dict[str, list[SignalGroup]] = {}
    stale = {key.intersection for key in world.signals.stale}
    for key, now in world.signals.items():
        if now.source == _SPAT and not rules.relay_spat:
            continue
        groups.setdefault(key.intersection, []).append(SignalGroup(key.group, _event(world, now)))
        if world.mono - now.heard > rules.signal_age_ms * 1_000_000:
            stale.add(key.intersection)
    intersections: list[SignalIntersection] = []
    for name in stale:
        groups.pop(name, None)
        counters.drop(DownlinkReason.SIGNAL_STALE)
    for name, members in sorted(groups.items()):
        region, _, number = name.rpartition("-")
        if not number.isdecimal() or not (region.isdecimal() or not region):
            counters.drop(DownlinkReason.MINIMUM_FIELDS)
            continue
        identity = IntersectionId(int(number), int(region or 0) or None)
        intersections.append(SignalIntersection(identity, tuple(members), utc_ns=world.now))
    return SignalStates(tuple(intersections), utc_ns=world.now) if intersections else None


def _event(world: World, now: SignalNow) -> SignalEvent:
    """Current state; ends that have passed say nothing, and min ≤ likely ≤ max holds (T/CSAE 159)."""

    def ahead(end: UtcNs | None) -> int | None:
        return end if end is not None and end >= world.now else None

    low, high, likely = ahead(now.min_end), ahead(now.max_end), ahead(now.likely_end)
    if low is not None and high is not None and low > high:
        low = high
    if likely is not None:
        likely = max(likely, low) if low is not None else likely
        likely = min(likely, high) if high is not None else likely
    elif low is not None and low == high:
        likely = low
    return SignalEvent(now.light, min_end_utc_ns=low, max_end_utc_ns=high, likely_end_utc_ns=likely)
