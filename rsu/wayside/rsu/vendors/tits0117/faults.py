"""What can go wrong with an emulated T/ITS 0117 unit."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from wayside.rsu import Faults

Share = Annotated[float, Meta(ge=0.0, le=1.0)]
AckMode = Literal["ok", "error", "lost", "late", "duplicate", "unknown", "number"]


class Tits0117Faults(Faults, kw_only=True, forbid_unknown_fields=True):
    """Faults of every device, and those of this wire.

    ack: how MAP and CONFIG are acknowledged: with errorCode `error_code`; not at all; `ack_late_s` late;
    twice; under a number that was never sent; with the number as a number. clock_skew_ms: its clock ahead.
    big_endian: share of envelopes with their numbers the other way round. count_off: so many BSM more than
    there are in the count. wrong_layout: share of messages under a topic of another layout. no_beats: the
    heartbeat is forgotten.
    """

    ack: AckMode = "ok"
    error_code: int = 2
    ack_late_s: Annotated[float, Meta(ge=0.0, le=600.0)] = 20.0
    clock_skew_ms: int = 0
    big_endian: Share = 0.0
    count_off: Annotated[int, Meta(ge=-255, le=255)] = 0
    wrong_layout: Share = 0.0
    no_beats: bool = False
