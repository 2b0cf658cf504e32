from __future__ import annotations

import msgspec


class DispatchRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits of selection and sending. Source: own, but lane_accuracy_m and link_accuracy_m: T/CSAE 53 bars.

    lane_accuracy_m: a vehicle up to this accuracy (one sigma) is warned with lane and distance;
    link_accuracy_m: up to this one it is informed without them, beyond it is not told. max_unseen_s: age of
    a vehicle's position. refresh: share of its lifetime after which a warning is sent again. release_s: a
    vehicle no longer concerned is told so after this time. reaction_s, urgent_decel_mps2: needed braking
    that makes a warning for a place urgent. max_events: dangers kept at once. off_lane_m: distance within
    which a vehicle on no lane is counted.
    """

    lane_accuracy_m: float = 1.5
    link_accuracy_m: float = 5.0
    max_unseen_s: float = 1.0
    refresh: float = 0.5
    release_s: float = 0.5
    reaction_s: float = 1.0
    urgent_decel_mps2: float = 3.4
    max_events: int = 256
    off_lane_m: float = 50.0
