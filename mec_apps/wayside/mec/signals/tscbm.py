"""Traffic Signal Controller Broadcast Message: the datagram in which a signal controller tells its state.

Source: NTCIP 1202 objects in the layout of the USDOT V2X-Hub SPaT interface (ICD); 241..245 octets,
big-endian.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from wayside.mec.signals._reasons import SignalError, SignalReason

MIN_BYTES, MAX_BYTES = 241, 245
HEADER = 0xCD
PHASES = 16
_UNKNOWN = 0xFFFF
_BLOCKS = struct.Struct(">" + "B6H" * PHASES)
_MASKS = struct.Struct(">11H")
_TAIL = struct.Struct(">7BH")


class Masks(NamedTuple):
    """Sixteen bits each; bit n-1 stands for phase or overlap n."""

    red: int
    yellow: int
    green: int
    dont_walk: int
    pedestrian_clear: int
    walk: int
    overlap_red: int
    overlap_yellow: int
    overlap_green: int
    flash_phases: int
    flash_overlaps: int


class PhaseTimes(NamedTuple):
    """Tenths of a second until the state may change at the earliest and will at the latest; None unknown."""

    vehicle_min: int | None
    vehicle_max: int | None
    pedestrian_min: int | None
    pedestrian_max: int | None
    overlap_min: int | None
    overlap_max: int | None


class Tscbm(NamedTuple):
    """One datagram. phases: by number 1..16. hour, minute, second, millisecond: of the controller's clock.

    pedestrian_call, pedestrian_detect: masks, None where the datagram ends before them.
    """

    phases: dict[int, PhaseTimes]
    masks: Masks
    status: int
    timebase_action: int
    discontinuity: int
    sequence: int
    hour: int
    minute: int
    second: int
    millisecond: int
    pedestrian_call: int | None
    pedestrian_detect: int | None


def decode_tscbm(data: bytes | memoryview) -> Tscbm:
    """Parse one datagram.

    A block numbered 0 is unused. Raises SignalError TSCBM_LENGTH, TSCBM_HEADER, TSCBM_BLOCKS (a number
    above 16 or twice), TSCBM_TIME (no time of day).
    """
    if not MIN_BYTES <= len(data) <= MAX_BYTES:
        raise SignalError(
            SignalReason.TSCBM_LENGTH, f"{len(data)} octets", advice=f"expected {MIN_BYTES} to {MAX_BYTES}"
        )
    if data[0] != HEADER or data[1] != PHASES:
        raise SignalError(
            SignalReason.TSCBM_HEADER, f"begins with {data[0]:02x} {data[1]:02x}", where="octet 0"
        )
    flat = _BLOCKS.unpack_from(data, 2)
    phases: dict[int, PhaseTimes] = {}
    for block in range(PHASES):
        number, *times = flat[block * 7 : block * 7 + 7]
        if number == 0:
            continue
        if number > PHASES or number in phases:
            raise SignalError(
                SignalReason.TSCBM_BLOCKS, f"phase number {number}", where=f"octet {2 + 13 * block}"
            )
        phases[number] = PhaseTimes(*(None if t == _UNKNOWN else t for t in times))
    masks = Masks(*_MASKS.unpack_from(data, 210))
    status, action, discontinuity, sequence, hour, minute, second, millisecond = _TAIL.unpack_from(data, 232)
    # 60 is a leap second.
    if hour > 23 or minute > 59 or second > 60 or millisecond > 999:
        raise SignalError(
            SignalReason.TSCBM_TIME, f"{hour}:{minute}:{second}.{millisecond}", where="octet 236"
        )
    call = int.from_bytes(data[241:243], "big") if len(data) >= 243 else None
    detect = int.from_bytes(data[243:245], "big") if len(data) >= 245 else None
    return Tscbm(
        phases,
        masks,
        status,
        action,
        discontinuity,
        sequence,
        hour,
        minute,
        second,
        millisecond,
        call,
        detect,
    )
