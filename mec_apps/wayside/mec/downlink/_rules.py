from __future__ import annotations

import msgspec


class DownlinkRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Periods, sizes and radio priorities of what is broadcast.

    Periods in ms and priorities of RSM 100/208, SPAT at most 500/176, dynamic RSI 100/112, static RSI (signs)
    1000/48: T/CSAE 159-2020.
    maps_period_ms: a second at most (T/CSAE 159), with room for the steps; a unit that stores its map gets it
    once and on change. signal_age_ms: oldest controller input of a SPAT (site). objects_each: most objects of
    one message beside the unit itself. reach_m, min_existence, max_unseen_s: which objects are worth it.
    latch_mps, release_mps: the heading of a slower object is held, T/CSAE 159 (4 and 5 km/h). event_life_s:
    end of an event, ahead of now, that is renewed while it stands. relay_spat: whether states that were heard
    from an RSU's own SPAT are composed again. A lifetime is two periods, a map's less than one: its octets
    stay the same, and the next ones shall go out again. The rest: own.
    """

    objects_period_ms: int = 100
    signals_period_ms: int = 100
    csae_events_period_ms: int = 100
    j2735_events_period_ms: int = 1000
    signs_period_ms: int = 1000
    maps_period_ms: int = 800
    objects_priority: int = 208
    signals_priority: int = 176
    events_priority: int = 112
    signs_priority: int = 48
    maps_priority: int = 80
    signal_age_ms: int = 500
    objects_each: int = 15
    max_objects: int = 255
    max_events: int = 8
    reach_m: float = 1000.0
    min_existence: float = 0.5
    max_unseen_s: float = 1.0
    latch_mps: float = 4.0 / 3.6
    release_mps: float = 5.0 / 3.6
    event_life_s: float = 120.0
    relay_spat: bool = False
