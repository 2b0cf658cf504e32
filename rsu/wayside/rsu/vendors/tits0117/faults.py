"""What can go wrong with an emulated T/ITS 0117 unit."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Annotated, Literal

import msgspec
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


def own_faults(faults: Faults | None) -> Tits0117Faults:
    """The faults of any device as those of this one."""
    if isinstance(faults, Tits0117Faults):
        return faults
    return msgspec.convert(msgspec.to_builtins(faults or Faults()), Tits0117Faults)


def damaged(
    payload: bytes, faults: Tits0117Faults, happens: Callable[[float], bool], random: Random, length_at: int
) -> bytes:
    """A payload with faults. length_at: where the first length of an envelope stands, 0 in JSON."""
    changed = bytearray(payload)
    if length_at:
        end = length_at + 2
        if faults.wrong_length:
            length = int.from_bytes(changed[length_at:end], "little") + faults.wrong_length
            changed[length_at:end] = (length & 0xFFFF).to_bytes(2, "little")
        if happens(faults.big_endian):
            changed[8:16] = changed[8:16][::-1]
            changed[length_at:end] = changed[length_at:end][::-1]
    elif faults.wrong_length:
        changed = changed[:-1]
    if happens(faults.corrupt):
        changed[random.randrange(len(changed))] ^= random.randrange(1, 256)
    return bytes(changed) + (b"" if length_at else bytes(faults.pad_bytes))
