"""In-vehicle signage: the signs ahead of a vehicle, shown inside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, NamedTuple

from wayside.asn1.geometry import LaneKey
from wayside.clock import MonoNs
from wayside.link import AdviceKind
from wayside.mec.apps._contract import AdviceReport, Parameters, stated
from wayside.mec.apps._ways import Way, Ways
from wayside.mec.sensors import ParticipantClass
from wayside.mec.world import SignPost, StandingSign, TrackView, World

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


Values = dict[str, float | int | str | bool]


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


class _Ahead(NamedTuple):
    """A sign that the way over a lane leads to, metres from the lane's start."""

    sign: StandingSign
    from_m: float
    to_m: float


class _Shown(NamedTuple):
    """A sign as a vehicle was last shown it. base: what the sign said then."""

    report: AdviceReport
    seen: MonoNs
    base: Values


class Ivs:
    """Signs ahead of connected vehicles, or in whose stretch they are; each from its approach to its end.

    State: for each vehicle the signs that it is shown; where signs hold, as long as they are the same.
    """

    name = "ivs"

    def __init__(self, parameters: IvsParameters | None = None) -> None:
        self.parameters = parameters or IvsParameters()
        self._ways: Ways | None = None
        self._signs: tuple[StandingSign, ...] = ()
        self._values: dict[str, Values] = {}
        self._ahead: dict[LaneKey, tuple[_Ahead, ...]] = {}
        self._inside: dict[Way, tuple[_Ahead, ...]] = {}
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
            self._signs = ()
        if world.signs != self._signs:
            self._look_up(world, self._ways)
        if not self._ahead:
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

    def _look_up(self, world: World, ways: Ways) -> None:
        """Which signs the ways over each lane lead to, and over which movements."""
        self._signs = world.signs
        self._values = {sign.post.sign_id: _values(sign.post) for sign in world.signs}
        on: dict[LaneKey, list[_Ahead]] = {}
        for sign in world.signs:
            for lane, from_m, to_m in sign.stretches:
                on.setdefault(lane, []).append(_Ahead(sign, from_m, to_m))
        self._ahead, self._inside = {}, {}
        for lane, its_ways in ways.of_lane.items():
            here = list(on.get(lane, ()))
            for way in its_ways:
                beyond = on.get(way.movement.to_lane, ()) if way.movement is not None else ()
                behind = [_Ahead(s, way.leaves_m + from_m, way.leaves_m + to_m) for s, from_m, to_m in beyond]
                if behind:
                    self._inside[way] = tuple(behind)
                    here += behind
            if here:
                self._ahead[lane] = tuple(here)

    def _one(self, world: World, ways: Ways, view: TrackView, before: dict[str, _Shown]) -> dict[str, _Shown]:
        """Signs that a vehicle is shown now, by id."""
        p = self.parameters
        fits = view.accuracy_m <= p.accuracy_m and view.unseen_s <= p.max_unseen_s
        if not fits:
            self._silent["accuracy" if view.accuracy_m > p.accuracy_m else "unseen"] += 1
        near = self._near(ways, view, before) if fits else {}
        if len(near) > p.most_signs:
            self._silent["too_many"] += len(near) - p.most_signs
            nearest = sorted(near.items(), key=lambda item: (item[1][1], item[0]))
            near = dict(nearest[: p.most_signs])
        now = {
            sign_id: _Shown(
                self._report(view, sign, distance_m, before.get(sign_id)), world.mono, self._values[sign_id]
            )
            for sign_id, (sign, distance_m) in near.items()
        }
        if not fits or view.lane is None:
            for sign_id, held in before.items():
                fresh = world.mono - held.seen <= p.hold_s * 1e9
                if sign_id not in now and fresh and sign_id in self._values and len(now) < p.most_signs:
                    now[sign_id] = held
        return now

    def _near(
        self, ways: Ways, view: TrackView, before: dict[str, _Shown]
    ) -> dict[str, tuple[StandingSign, float]]:
        """Signs ahead or in force, by id, with the distance from the vehicle's front, 0 while in force."""
        p = self.parameters
        found: dict[str, tuple[StandingSign, float]] = {}
        if view.lane is not None:
            ahead, along_m = self._ahead.get(view.lane, ()), view.along_m
        else:
            on = next((on for on in ways.inside(view) if on.way in self._inside), None) if before else None
            ahead, along_m = (), 0.0
            if on is not None:
                ahead, along_m = self._inside[on.way], on.along_m
        front_m = along_m + view.length_m / 2.0
        for sign, from_m, to_m in ahead:
            if front_m > to_m:
                continue
            sign_id = sign.post.sign_id
            distance_m = max(from_m - front_m, 0.0)
            reach_m = p.ahead_m + (p.keep_m if sign_id in before else 0.0)
            if distance_m <= reach_m and (sign_id not in found or distance_m < found[sign_id][1]):
                found[sign_id] = sign, distance_m
        return found

    def _report(
        self, view: TrackView, sign: StandingSign, distance_m: float, before: _Shown | None
    ) -> AdviceReport:
        """What a vehicle is shown of a sign; the report before as long as it says the same, to the metre."""
        sign_id = sign.post.sign_id
        values = self._values[sign_id]
        whole_m = float(round(distance_m))
        if before is not None and before.base is values and before.report.values["distance_m"] == whole_m:
            return before.report
        return AdviceReport(
            app=self.name,
            kind=AdviceKind.IN_VEHICLE_SIGN,
            track_id=view.track_id,
            x_m=sign.x_m,
            y_m=sign.y_m,
            ttl_ms=self.parameters.ttl_ms,
            values=values | {"distance_m": whole_m},
            lane=sign.stretches[0].lane,
            subject=sign_id,
            prompt=("code", "text", "itis", "speed_limit_mps"),
            trace_id=sign.trace_id,
        )


def _values(post: SignPost) -> Values:
    """What a sign says, without the distance."""
    values: Values = {"sign": post.sign_id, "source": post.source.value}
    if post.code is not None:
        values["code"] = post.code
    if post.text:
        values["text"] = post.text[:_TEXT]
    if post.itis:
        values["itis"] = ",".join(str(code) for code in post.itis[:8])
    if post.speed_limit_mps is not None:
        values["speed_limit_mps"] = round(post.speed_limit_mps, 2)
    return values
