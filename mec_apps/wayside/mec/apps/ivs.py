"""In-vehicle signage: the signs ahead of a vehicle, shown inside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, NamedTuple

from wayside.asn1.geometry import LaneKey
from wayside.clock import MonoNs
from wayside.link import AdviceKind
from wayside.mec.apps._contract import AdviceReport, Parameters, stated
from wayside.mec.apps._ways import Ways
from wayside.mec.sensors import ParticipantClass
from wayside.mec.world import LaneStretch, StandingSign, TrackView, World

_SHOWN_TO = frozenset(
    {
        ParticipantClass.CAR,
        ParticipantClass.TRUCK,
        ParticipantClass.BUS,
        ParticipantClass.MOTORCYCLE,
        ParticipantClass.UNKNOWN,
    }
)
_TEXT = 128


class IvsParameters(Parameters, frozen=True):
    """Parameters of the in-vehicle signage."""

    ahead_m: Annotated[float, stated("m", "distance before a sign where showing begins", "T/CSAE 53 bar")] = (
        150.0
    )
    keep_m: Annotated[float, stated("m", "added to that distance while it is shown", "own")] = 20.0
    accuracy_m: Annotated[float, stated("m", "worst accuracy of a vehicle, one sigma", "T/CSAE 53 bar")] = 5.0
    max_unseen_s: Annotated[float, stated("s", "longest time a track may go unseen", "own")] = 1.0
    hold_s: Annotated[float, stated("s", "time that a sign stays while its vehicle is on no lane", "own")] = (
        2.0
    )
    most_signs: Annotated[int, stated("", "signs shown to a vehicle at once, the nearest", "own", 1, 16)] = 4
    ttl_ms: Annotated[int, stated("ms", "lifetime of an advice", "T/CSAE 53: 1 a second", 100)] = 2000


class _On(NamedTuple):
    """A sign on one of its lanes."""

    sign: StandingSign
    stretch: LaneStretch


class _Shown(NamedTuple):
    """A sign as a vehicle was last shown it."""

    report: AdviceReport
    seen: MonoNs


class Ivs:
    """Signs ahead of connected vehicles, or in whose stretch they are; each from its approach to its end.

    State: for each vehicle the signs that it is shown; where signs hold, as long as they are the same.
    """

    name = "ivs"

    def __init__(self, parameters: IvsParameters | None = None) -> None:
        self.parameters = parameters or IvsParameters()
        self._ways: Ways | None = None
        self._signs: tuple[StandingSign, ...] = ()
        self._on: dict[LaneKey, list[_On]] = {}
        self._shown: dict[int, dict[str, _Shown]] = {}
        self._silent: Counter[str] = Counter()

    def silent_because(self, world: World) -> dict[str, int]:
        """Vehicles of the last step by reason: accuracy, unseen; signs by too_many."""
        return dict(self._silent)

    def step(self, world: World) -> Sequence[AdviceReport]:
        """One advice for each sign that a connected vehicle is to be shown."""
        self._silent.clear()
        if self._ways is None or self._ways.geometry is not world.geometry:
            self._ways = Ways(world.geometry)
        if world.signs != self._signs:
            self._signs = world.signs
            self._on.clear()
            for sign in world.signs:
                for stretch in sign.stretches:
                    self._on.setdefault(stretch.lane, []).append(_On(sign, stretch))
        if not self._on:
            self._shown.clear()
            return ()
        out: list[AdviceReport] = []
        shown, self._shown = self._shown, {}
        for view in world.tracks.views:
            if view.session and view.kind in _SHOWN_TO:
                now = self._one(world, self._ways, view, shown.get(view.track_id, {}))
                if now:
                    self._shown[view.track_id] = now
                    out += [item.report for item in now.values()]
        return out

    def _one(self, world: World, ways: Ways, view: TrackView, before: dict[str, _Shown]) -> dict[str, _Shown]:
        """Signs that a vehicle is shown now, by id."""
        p = self.parameters
        fits = view.accuracy_m <= p.accuracy_m and view.unseen_s <= p.max_unseen_s
        if not fits:
            self._silent["accuracy" if view.accuracy_m > p.accuracy_m else "unseen"] += 1
        near = self._near(ways, view, before) if fits else {}
        if len(near) > p.most_signs:
            self._silent["too_many"] += len(near) - p.most_signs
        nearest = sorted(near.values(), key=lambda item: (item[1], item[0].post.sign_id))[: p.most_signs]
        now = {
            sign.post.sign_id: _Shown(self._report(view, sign, distance_m), world.mono)
            for sign, distance_m in nearest
        }
        if not fits or view.lane is None:
            standing = {sign.post.sign_id for sign in world.signs}
            for sign_id, held in before.items():
                fresh = world.mono - held.seen <= p.hold_s * 1e9
                if sign_id not in now and fresh and sign_id in standing and len(now) < p.most_signs:
                    now[sign_id] = held
        return now

    def _near(
        self, ways: Ways, view: TrackView, before: dict[str, _Shown]
    ) -> dict[str, tuple[StandingSign, float]]:
        """Signs ahead or in force, by id, with the distance from the vehicle's front, 0 while in force."""
        p = self.parameters
        found: dict[str, tuple[StandingSign, float]] = {}
        for on in ways.ahead(view):
            front_m = on.along_m + view.length_m / 2.0
            parts = [(on.way.lane, 0.0)]
            if on.way.movement is not None:
                parts.append((on.way.movement.to_lane, on.way.leaves_m))
            for lane, begins_m in parts:
                for sign, stretch in self._on.get(lane, ()):
                    if front_m > begins_m + stretch.to_m:
                        continue
                    sign_id = sign.post.sign_id
                    distance_m = max(begins_m + stretch.from_m - front_m, 0.0)
                    reach_m = p.ahead_m + (p.keep_m if sign_id in before else 0.0)
                    if distance_m <= reach_m and (sign_id not in found or distance_m < found[sign_id][1]):
                        found[sign_id] = sign, distance_m
        return found

    def _report(self, view: TrackView, sign: StandingSign, distance_m: float) -> AdviceReport:
        post = sign.post
        values: dict[str, float | int | str | bool] = {
            "sign": post.sign_id,
            "source": post.source.value,
            "distance_m": round(distance_m, 1),
        }
        if post.code is not None:
            values["code"] = post.code
        if post.text:
            values["text"] = post.text[:_TEXT]
        if post.itis:
            values["itis"] = ",".join(str(code) for code in post.itis[:8])
        if post.speed_limit_mps is not None:
            values["speed_limit_mps"] = round(post.speed_limit_mps, 2)
        return AdviceReport(
            app=self.name,
            kind=AdviceKind.IN_VEHICLE_SIGN,
            track_id=view.track_id,
            x_m=sign.x_m,
            y_m=sign.y_m,
            ttl_ms=self.parameters.ttl_ms,
            values=values,
            lane=sign.stretches[0].lane,
            subject=post.sign_id,
            prompt=("code", "text", "itis", "speed_limit_mps"),
            trace_id=sign.trace_id,
        )
