from __future__ import annotations

from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from wayside.link import Advice, AdviceKind

Number = Annotated[float, Meta(ge=-1e6, le=1e6)]
T = TypeVar("T")


class SpeedAdvice(msgspec.Struct, frozen=True):
    """Speeds, m/s, at which the vehicle gets over the stop line ahead of it at green (`glosa`).

    advised_mps: that of them nearest to its own. distance_m: to the stop line. light: as it is now.
    green_from_s, green_until_s: when it is green, from the advice's `created` on, a margin taken off.
    speed_limit_mps: of its lane.
    """

    least_mps: Number
    most_mps: Number
    advised_mps: Number
    distance_m: Number
    light: str = ""
    signal_group: int = 0
    green_from_s: Number = 0.0
    green_until_s: Number = 0.0
    speed_limit_mps: Number | None = None


class SignAdvice(msgspec.Struct, frozen=True):
    """A traffic sign ahead of the vehicle, or in force where it is (`ivs`).

    sign: its id at the edge. distance_m: to the sign, 0 in force. code: row of the index of GB 5768.2-2009,
    None unknown. itis: SAE J2540-2 codes, comma-separated. speed_limit_mps: None where it sets none. source:
    site, operator or device.
    """

    sign: str
    distance_m: Number
    code: int | None = None
    text: str = ""
    itis: str = ""
    speed_limit_mps: Number | None = None
    source: str = ""


def typed_advice(advice: Advice) -> SpeedAdvice | SignAdvice | None:
    """What an advice says; None for another kind, or where a value is missing or of another type."""
    if advice.kind is AdviceKind.GREEN_LIGHT_SPEED:
        return _read(advice, SpeedAdvice)
    if advice.kind is AdviceKind.IN_VEHICLE_SIGN:
        return _read(advice, SignAdvice)
    return None


def _read(advice: Advice, kind: type[T]) -> T | None:
    try:
        return msgspec.convert(advice.values, kind)
    except msgspec.ValidationError:
        return None
