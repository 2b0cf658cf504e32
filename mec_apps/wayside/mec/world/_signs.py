from __future__ import annotations

import hashlib
import re
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

import msgspec

from wayside.asn1.geometry import LaneKey, RoadGeometry
from wayside.asn1.messages import LinkRef, Path, Position, RoadEvents, RoadSign
from wayside.clock import MonoNs, UtcNs
from wayside.mec.site import Sign
from wayside.mec.world._reasons import SignError, WorldReason
from wayside.mec.world._roads import Roads
from wayside.mec.world._sign_places import LaneStretch, SignPlace, place_sign
from wayside.observe import Counters

MAX_POSTED = 256
MAX_HEARD = 256
HOLD_S = 30.0
SPEED_LIMIT_SIGN = 85
_HEARD_RADIUS_M = 12.0
_LIMIT_TEXT = re.compile(r"(?:^|\D)(\d{1,3})\s*(?:km/h)?\s*$", re.IGNORECASE)
_LIMITS_KMH = range(5, 131)


class SignSource(StrEnum):
    """Who put a sign up."""

    SITE = "site"
    OPERATOR = "operator"
    DEVICE = "device"


class SignPost(msgspec.Struct, frozen=True):
    """A traffic sign and the traffic that it is for.

    sign_id: unique in the edge. code: number of the sign, row of the index of GB 5768.2-2009 (0: text only),
    None unknown. itis: SAE J2540-2 codes. speed_limit_mps: limit that it sets. position: where it stands.
    heading_deg: of the traffic that it faces, clockwise from north; None: that of the nearest lane.
    radius_m: how far from `position` its lanes lie. lanes, links, paths: traffic that it is for, the first of
    them that is given; without any, the lanes at `position`. from_utc, until_utc: validity, None is open.
    priority: 0..7. origin: device it was heard of.
    """

    sign_id: str
    source: SignSource
    code: int | None = None
    text: str = ""
    speed_limit_mps: float | None = None
    position: Position | None = None
    heading_deg: float | None = None
    radius_m: float = _HEARD_RADIUS_M
    lanes: tuple[LaneKey, ...] = ()
    links: tuple[LinkRef, ...] = ()
    paths: tuple[Path, ...] = ()
    from_utc: UtcNs | None = None
    until_utc: UtcNs | None = None
    itis: tuple[int, ...] = ()
    priority: int | None = None
    origin: str = ""


class StandingSign(NamedTuple):
    """A sign that is valid now, and the lanes on which it holds. x_m, y_m: where it stands, or begins to
    hold. trace_id: of the message it was heard in, "" for one that the edge put up itself."""

    post: SignPost
    x_m: float
    y_m: float
    stretches: tuple[LaneStretch, ...]
    trace_id: str = ""


def post_of(sign: Sign, geometry: RoadGeometry) -> SignPost:
    """A sign of the site file; a lane that the map lacks is left out."""
    lanes = {str(key): key for key in geometry.lanes}
    points = tuple(Position(point.lat, point.lon) for point in sign.path)
    return SignPost(
        sign_id=sign.id,
        source=SignSource.SITE,
        code=sign.code,
        text=sign.text,
        speed_limit_mps=None if sign.speed_limit_kmh is None else sign.speed_limit_kmh / 3.6,
        position=Position(sign.lat, sign.lon),
        heading_deg=sign.heading_deg,
        radius_m=sign.radius_m,
        lanes=tuple(lanes[name] for name in sign.lanes if name in lanes),
        paths=(Path(points, sign.radius_m),) if points else (),
        from_utc=_utc(sign.valid_from),
        until_utc=_utc(sign.valid_until),
        priority=sign.priority,
    )


def is_placed(roads: Roads, post: SignPost) -> bool:
    """Whether the map has a lane that a sign is for."""
    return _place(roads, post) is not None


class _Kept(msgspec.Struct):
    sign: StandingSign
    heard: MonoNs | None = None
    told: RoadSign | None = None


class SignBook:
    """The signs of a site: those of its file, those that an operator put up, those heard from devices.

    A sign that others send is held as a road event is: replaced by a newer report of the same item, withdrawn
    by an end that has come, without one held for 30 s after it was last heard. Our own signs come back from a
    roadside unit are not taken. Bounded: 256 put up here, 256 heard. Where a sign lies is looked for once.
    Source: own; identity of items from T/CSAE 159.
    """

    def __init__(self, roads: Roads, counters: Counters) -> None:
        self._roads = roads
        self._counters = counters
        self._posted: dict[str, StandingSign] = {}
        self._heard: dict[str, _Kept] = {}

    def post(self, sign: SignPost) -> None:
        """Put up a sign, or replace the operator's of the same id.

        Raises SignError: SIGN_TAKEN (a sign of the site file has this id), SIGN_UNPLACED (no lane of the map
        is meant), SIGNS_FULL.
        """
        before = self._posted.get(sign.sign_id)
        if before is not None and before.post.source is not sign.source:
            raise self._refused(WorldReason.SIGN_TAKEN, sign, "the site file has a sign of this id")
        if before is None and len(self._posted) >= MAX_POSTED:
            raise self._refused(WorldReason.SIGNS_FULL, sign, f"{MAX_POSTED} signs stand already")
        placed = self._placed(sign)
        if placed is None:
            raise self._refused(WorldReason.SIGN_UNPLACED, sign, "no lane of the map lies where it is")
        self._posted[sign.sign_id] = placed

    def withdraw(self, sign_id: str) -> bool:
        """Take down an operator's sign; False where there is none of this id."""
        sign = self._posted.get(sign_id)
        if sign is None or sign.post.source is not SignSource.OPERATOR:
            return False
        del self._posted[sign_id]
        return True

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
        """Take the signs of a message from a device; whether anything has changed. doubted: this host's UTC
        is, so that starts and ends say nothing."""
        changed = False
        for sign in message.signs:
            if own:
                self._counters.drop(WorldReason.SIGN_OWN)
                continue
            key = _identity(message, sign)
            if sign.end_utc_ns is not None and sign.end_utc_ns <= now and not doubted:
                self._counters.drop(WorldReason.SIGN_ENDED)
                changed = self._heard.pop(key, None) is not None or changed
                continue
            known = self._heard.get(key)
            if known is not None and known.told == sign:
                known.heard = arrived
                continue
            if known is None and not self._has_room(arrived):
                self._counters.drop(WorldReason.SIGNS_FULL)
                continue
            post = _heard_post(key, device, sign)
            placed = self._placed(post, trace_id)
            if placed is None:
                # Kept all the same: a repetition is then not looked for again.
                self._counters.drop(WorldReason.SIGN_UNPLACED)
                placed = StandingSign(post, 0.0, 0.0, (), trace_id)
            self._heard[key] = _Kept(placed, arrived, sign)
            changed = True
        return changed

    def current(self, now: UtcNs, mono: MonoNs, *, doubted: bool = False) -> tuple[StandingSign, ...]:
        """The signs that are valid now, by id; those that are over are forgotten."""
        for key, kept in list(self._heard.items()):
            end = kept.sign.post.until_utc
            assert kept.heard is not None
            silent = (mono - kept.heard) / 1e9 > HOLD_S
            if silent if doubted or end is None else end <= now:
                del self._heard[key]
        for sign_id, sign in list(self._posted.items()):
            if sign.post.until_utc is not None and sign.post.until_utc <= now and not doubted:
                # One of the site file is over for good as well: its time does not come again.
                del self._posted[sign_id]
        signs = [*self._posted.values(), *(kept.sign for kept in self._heard.values())]
        return tuple(
            sign
            for sign in sorted(signs, key=lambda each: each.post.sign_id)
            if sign.stretches and (doubted or sign.post.from_utc is None or sign.post.from_utc <= now)
        )

    def _placed(self, post: SignPost, trace_id: str = "") -> StandingSign | None:
        placed = _place(self._roads, post)
        return None if placed is None else StandingSign(post, *placed, trace_id)

    def _has_room(self, arrived: MonoNs) -> bool:
        if len(self._heard) < MAX_HEARD:
            return True
        key, oldest = min(self._heard.items(), key=lambda item: item[1].heard or MonoNs(0))
        if oldest.heard is not None and (arrived - oldest.heard) / 1e9 <= HOLD_S:
            return False
        del self._heard[key]
        return True

    def _refused(self, reason: WorldReason, sign: SignPost, what: str) -> SignError:
        self._counters.drop(reason)
        return SignError(reason, what, where=f"sign {sign.sign_id}")


def _place(roads: Roads, post: SignPost) -> SignPlace | None:
    return place_sign(
        roads,
        position=post.position,
        heading_deg=post.heading_deg,
        radius_m=post.radius_m,
        lanes=post.lanes,
        links=post.links,
        paths=post.paths,
        to_lane_end=post.speed_limit_mps is not None,
    )


def _utc(moment: datetime | None) -> UtcNs | None:
    return None if moment is None else UtcNs(round(moment.timestamp() * 1e3) * 1_000_000)


def _identity(message: RoadEvents, sign: RoadSign) -> str:
    if message.source_id:
        return f"{message.source_id.hex()}/{sign.sign_id}"
    said = (sign.code, sign.itis, sign.text, sign.position, sign.paths, sign.links)
    return f"-/{hashlib.blake2b(msgspec.json.encode(said), digest_size=8).hexdigest()}"


def _heard_post(key: str, device: str, sign: RoadSign) -> SignPost:
    return SignPost(
        sign_id=f"heard/{key}",
        source=SignSource.DEVICE,
        code=sign.code,
        text=sign.text,
        speed_limit_mps=_limit_mps(sign),
        position=sign.position,
        links=sign.links,
        paths=sign.paths,
        from_utc=None if sign.start_utc_ns is None else UtcNs(sign.start_utc_ns),
        until_utc=None if sign.end_utc_ns is None else UtcNs(sign.end_utc_ns),
        itis=sign.itis,
        priority=sign.priority,
        origin=device,
    )


def _limit_mps(sign: RoadSign) -> float | None:
    """Limit of a speed limit sign: the number that its text ends with, km/h as on the sign."""
    found = _LIMIT_TEXT.search(sign.text) if sign.code == SPEED_LIMIT_SIGN else None
    return int(found[1]) / 3.6 if found is not None and int(found[1]) in _LIMITS_KMH else None
