from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np

from wayside.asn1.messages import Path, Position, RoadEvents, RoadSign
from wayside.mec.downlink._reasons import DownlinkReason
from wayside.mec.world import LaneStretch, SignSource, StandingSign, World
from wayside.observe import Counters

SIGNS_EACH = {"csae": 16, "j2735": 8}
"""Most signs of one message: T/CSAE 159 (RTS of an RSI), SAE J2735 (frames of a TIM)."""

_PATHS = 8
_POINTS = 31
_APPROACH_M = 100.0
_LEAST_M = 1.0


def ours(world: World) -> list[StandingSign]:
    """The signs that the edge itself puts up; what a device sent is not sent again."""
    return [sign for sign in world.signs if sign.post.source is not SignSource.DEVICE]


def compose_signs(
    world: World,
    signs: list[StandingSign],
    number_of: Callable[[str], int | None],
    reference: Position,
    source_id: bytes,
    counters: Counters,
    family: str,
) -> list[RoadEvents]:
    """Messages of the signs that are to be broadcast, signs only: no event is mixed with them.

    number_of: number of a sign within the message's source, None for one that has none left. family: csae or
    j2735. A TIM is told from others by its packet id: source_id and an octet that counts from 1.
    """
    said: list[RoadSign] = []
    for sign in signs:
        number = number_of(sign.post.sign_id)
        if number is None:
            counters.drop(DownlinkReason.TOO_MANY)
            continue
        said.append(_sign(world, sign, number))
    out: list[RoadEvents] = []
    each = SIGNS_EACH[family]
    for part in range(0, len(said), each):
        source = source_id if family == "csae" else source_id + bytes((part // each + 1,))
        out.append(
            RoadEvents(
                source, 0, reference, signs=_numbered(said[part : part + each], family), utc_ns=world.now
            )
        )
    return out


def _numbered(signs: list[RoadSign], family: str) -> tuple[RoadSign, ...]:
    """Signs of one message; those of a TIM are told apart by their frame."""
    if family == "csae":
        return tuple(signs)
    return tuple(msgspec.structs.replace(sign, sign_id=i) for i, sign in enumerate(signs))


def _sign(world: World, sign: StandingSign, number: int) -> RoadSign:
    post = sign.post
    paths = [path for stretch in sign.stretches[:_PATHS] if (path := _path(world, stretch)) is not None]
    return RoadSign(
        sign_id=number,
        code=post.code,
        itis=post.itis,
        position=Position(*world.plane.to_lat_lon(sign.x_m, sign.y_m)),
        text=post.text or _limit_text(post.speed_limit_mps),
        start_utc_ns=post.from_utc,
        end_utc_ns=post.until_utc,
        priority=3 if post.priority is None else post.priority,
        paths=tuple(paths),
    )


def _limit_text(speed_limit_mps: float | None) -> str:
    return "" if speed_limit_mps is None else f"{speed_limit_mps * 3.6:.0f} km/h"


def _path(world: World, stretch: LaneStretch) -> Path | None:
    """A sign's lane in driving direction: its approach and the stretch on which it holds."""
    lane = world.geometry.lanes.get(stretch.lane)
    if lane is None:
        return None
    line = lane.polyline
    from_m = max(stretch.from_m - _APPROACH_M, 0.0)
    to_m = min(max(stretch.to_m, from_m + _LEAST_M), line.length_m)
    if to_m - from_m < _LEAST_M:
        return None
    points = line.slice(from_m, to_m).points
    if len(points) > _POINTS:
        points = points[np.linspace(0, len(points) - 1, _POINTS).round().astype(int)]
    positions = (Position(*world.plane.to_lat_lon(float(x), float(y))) for x, y in points)
    return Path(tuple(positions), lane.width_m / 2.0)
