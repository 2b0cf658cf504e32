from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wayside.asn1.geometry import Movement, RoadGeometry
from wayside.asn1.messages import Maneuver
from wayside.mec.apps._prediction import Hypothesis, Predicted, predict
from wayside.mec.apps._ways import OnWay, Ways, possible
from wayside.mec.sensors import ParticipantClass
from wayside.mec.world import TrackView, World

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MOTOR = frozenset({ParticipantClass.CAR, ParticipantClass.TRUCK, ParticipantClass.BUS})
HORIZON_S = 5.0
_STEP_S = 0.2
_TIMES = np.arange(0.0, HORIZON_S + _STEP_S / 2.0, _STEP_S)
_MOVES_MPS = 0.5
_ACCEL_MPS2 = 0.5
_ACCEL_S = 2.0
_SLACK_M = 3.0
_BUMPER_M = 1.0
_SAME_WAY_RAD = math.radians(45.0)
_ONCOMING_RAD = math.radians(135.0)
_ACROSS_RAD = math.radians(30.0)
_MIN_EXISTENCE = 0.5
_MAX_UNSEEN_S = 0.6
_LEFT = frozenset({Maneuver.LEFT, Maneuver.U_TURN})
_KEPT = 8


class Relation(IntEnum):
    """How the ways of two vehicles over a junction meet: not at all, the first turning left before the second
    that comes towards it, the other way about, or across each other."""

    APART = 0
    LEFT_BEFORE = 1
    LEFT_BEHIND = 2
    ACROSS = 3


class Side(NamedTuple):
    """One vehicle of an encounter.

    on, movement: the way that leads to it. to_line_m: from its front to its stop line, negative beyond.
    way_m: that it goes until it is in the other's way, 0 where it is there already, so that stopping would
    not end the danger. sure: whether all ways that it may take lead to the meeting.
    """

    view: TrackView
    on: OnWay
    movement: Movement
    to_line_m: float
    way_m: float
    sure: bool


class Encounter(NamedTuple):
    """Two motor vehicles whose footprints are predicted to meet on a junction, not in one lane behind each
    other. `a` comes first in the world, or turns left where one turns left before the other."""

    relation: Relation
    a: Side
    b: Side
    time_s: float
    x_m: float
    y_m: float


class _Approach(NamedTuple):
    view: TrackView
    on: OnWay
    movement: Movement
    number: int
    to_line_m: float
    speed_mps: float
    accel_mps2: float
    vehicle: int


class _Touch(NamedTuple):
    """When a pair of rows first touches: between the instants `i` - 1 and `i`, at that share of the step."""

    time_s: float
    pair: int
    i: int
    share: float

    def of(self, values: Floats) -> float:
        """A predicted value then, from those of all instants."""
        return float(values[self.i - 1] + self.share * (values[self.i] - values[self.i - 1]))


class Encounters:
    """Motor vehicles on conflicting movements, predicted along the ways that they may take.

    Prediction: constant speed, or the present acceleration for `_ACCEL_S`, since a driver who speeds up does
    not do so for ever; braking is not predicted, but judged as the driver's answer. A vehicle that stands
    before its stop line is taken to stay. Left out: vehicles behind each other, from one approach, or meeting
    at less than 30° (merging); motorcycles, which are the vulnerable road users' business.
    Remembers the last world that it looked at, so that several apps share one look.
    Source: horizon and step OV, the rest own.
    """

    def __init__(self, geometry: RoadGeometry) -> None:
        self.ways = Ways.of(geometry)
        movements = geometry.movements
        n = len(movements)
        self._number = {m.key: i for i, m in enumerate(movements)}
        self._relation = np.zeros((n, n), dtype=np.int64)
        self._at = np.zeros((n, n))
        entry = [m.path.yaw_at(0.0) for m in movements]
        for i, movement in enumerate(movements):
            for crossing in self.ways.crossings[movement.key]:
                j = self._number[crossing.other.key]
                turn = abs(math.remainder(entry[i] - entry[j], math.tau))
                self._relation[i, j] = _relation(movement, crossing.other, turn)
                self._at[i, j] = crossing.at_m
        self._seen: tuple[World, tuple[Encounter, ...]] | None = None

    @classmethod
    def of(cls, geometry: RoadGeometry) -> Encounters:
        """The encounters of a geometry, shared by the apps that look at the same worlds."""
        found = _SHARED.get(id(geometry))
        if found is None or found.ways.geometry is not geometry:
            while len(_SHARED) >= _KEPT:
                del _SHARED[next(iter(_SHARED))]
            found = _SHARED[id(geometry)] = cls(geometry)
        return found

    def look(self, world: World) -> tuple[Encounter, ...]:
        """All that is predicted within `HORIZON_S`: for each pair of vehicles the first that comes."""
        if self._seen is None or self._seen[0] is not world:
            self._seen = world, tuple(self._find(world))
        return self._seen[1]

    def _find(self, world: World) -> list[Encounter]:
        rows = self._approaches(world)
        if len(rows) < 2:
            return []
        a, b = self._pairs(rows)
        if not len(a):
            return []
        used, index = np.unique(np.concatenate((a, b)), return_inverse=True)
        poses = predict(
            [
                Hypothesis(0, r.view._replace(speed_mps=r.speed_mps), r.on, 0.0, r.accel_mps2)
                for r in (rows[i] for i in used)
            ],
            _TIMES,
            accel_s=_ACCEL_S,
        )
        return self._meetings(rows, a, b, poses, index[: len(a)], index[len(a) :])

    def _approaches(self, world: World) -> list[_Approach]:
        rows: list[_Approach] = []
        ways = self.ways
        for vehicle, view in enumerate(world.tracks.views):
            if view.kind not in MOTOR and not (view.kind is ParticipantClass.UNKNOWN and view.session):
                continue
            speed = view.speed_mps
            if view.existence < _MIN_EXISTENCE or view.unseen_s > _MAX_UNSEEN_S:
                continue
            moves = speed >= _MOVES_MPS
            accel = min(view.accel_mps2, 6.0) if moves and view.accel_mps2 > _ACCEL_MPS2 else 0.0
            if view.lane is not None:
                first = ways.of_lane.get(view.lane)
                if first is None or first[0].movement is None:
                    continue
                to_line = first[0].stop_m - view.along_m - view.length_m / 2.0
                reach = speed * HORIZON_S + accel * _ACCEL_S * (HORIZON_S - _ACCEL_S / 2.0)
                if to_line > (reach if moves else -0.5):
                    continue
            speed = speed if moves else 0.0
            ons = tuple(on for on in ways.ahead(view) if on.way.movement is not None)
            ons = possible(ons, speed) or ons
            if view.turn is not None:
                ons = tuple(on for on in ons if _maneuver(on) is view.turn) or ons
            for on in ons:
                movement = on.way.movement
                assert movement is not None
                to_line = on.to_stop_line_m(view.length_m)
                number = self._number[movement.key]
                rows.append(_Approach(view, on, movement, number, to_line, speed, accel, vehicle))
        return rows

    def _pairs(self, rows: list[_Approach]) -> tuple[Ints, Ints]:
        """Pairs of rows whose movements meet and that are at the meeting place at one time, roughly."""
        number = np.array([r.number for r in rows])
        vehicle = np.array([r.vehicle for r in rows])
        relation = self._relation[number[:, None], number[None, :]]
        wanted = (relation == Relation.ACROSS) & (vehicle[:, None] < vehicle[None, :])
        wanted |= (relation == Relation.LEFT_BEFORE) & (vehicle[:, None] != vehicle[None, :])
        a, b = np.nonzero(wanted)
        if not len(a):
            return a, b
        state = np.array(
            [
                (
                    r.on.way.stop_m - r.on.along_m,
                    (r.view.length_m + r.view.width_m) / 2.0,
                    r.speed_mps,
                    r.accel_mps2,
                )
                for r in rows
            ]
        )
        reach = state[a, 1] + state[b, 1] + _SLACK_M
        in_a, out_a = _between(state[a], self._at[number[a], number[b]], reach)
        in_b, out_b = _between(state[b], self._at[number[b], number[a]], reach)
        together = (in_a <= out_b) & (in_b <= out_a) & (np.maximum(in_a, in_b) <= HORIZON_S)
        return a[together], b[together]

    def _meetings(
        self, rows: list[_Approach], a: Ints, b: Ints, poses: Predicted, at_a: Ints, at_b: Ints
    ) -> list[Encounter]:
        found: dict[tuple[int, int], list[_Touch]] = {}
        for touch in _touches(poses, at_a, at_b):
            one, other = rows[a[touch.pair]], rows[b[touch.pair]]
            ways = touch.of(poses.way[at_a[touch.pair]]), touch.of(poses.way[at_b[touch.pair]])
            # A meeting before a stop line is none: who turns has only passed close to one who waits there.
            if one.to_line_m <= ways[0] + _BUMPER_M and other.to_line_m <= ways[1] + _BUMPER_M:
                found.setdefault((one.vehicle, other.vehicle), []).append(touch)
        if not found:
            return []
        ways_of = Counter(row.vehicle for row in rows)
        first = [min(touches) for touches in found.values()]
        pairs = np.array([touch.pair for touch in first])
        way_a = _ways_into(poses, at_a[pairs], at_b[pairs])
        way_b = _ways_into(poses, at_b[pairs], at_a[pairs])
        out: list[Encounter] = []
        for n, (touch, touches) in enumerate(zip(first, found.values(), strict=True)):
            one, other = rows[a[touch.pair]], rows[b[touch.pair]]
            at_one, at_other = at_a[touch.pair], at_b[touch.pair]
            sure_a = len({int(a[each.pair]) for each in touches}) == ways_of[one.vehicle]
            sure_b = len({int(b[each.pair]) for each in touches}) == ways_of[other.vehicle]
            out.append(
                Encounter(
                    Relation(int(self._relation[one.number, other.number])),
                    _side(one, float(way_a[n]), sure_a),
                    _side(other, float(way_b[n]), sure_b),
                    touch.time_s,
                    (touch.of(poses.x[at_one]) + touch.of(poses.x[at_other])) / 2.0,
                    (touch.of(poses.y[at_one]) + touch.of(poses.y[at_other])) / 2.0,
                )
            )
        return out


_SHARED: dict[int, Encounters] = {}


def _relation(movement: Movement, other: Movement, turn_rad: float) -> Relation:
    if turn_rad < _SAME_WAY_RAD:
        return Relation.APART
    left, other_left = movement.maneuver in _LEFT, other.maneuver in _LEFT
    if turn_rad > _ONCOMING_RAD and left != other_left:
        return Relation.LEFT_BEFORE if left else Relation.LEFT_BEHIND
    return Relation.ACROSS


def _maneuver(on: OnWay) -> Maneuver | None:
    return on.way.movement.maneuver if on.way.movement is not None else None


def _side(row: _Approach, way_m: float, sure: bool) -> Side:
    return Side(row.view, row.on, row.movement, row.to_line_m, way_m, sure)


def _touches(poses: Predicted, a: Ints, b: Ints) -> Iterator[_Touch]:
    """First touches of pairs of rectangles that are apart now and that come across each other."""
    gap = _gaps(poses, a, b)
    hit = gap <= 0.0
    for pair in np.flatnonzero(hit.any(axis=1) & ~hit[:, 0]).tolist():
        i = int(np.argmax(hit[pair]))
        turned = math.remainder(float(poses.yaw[a[pair], i] - poses.yaw[b[pair], i]), math.tau)
        if abs(turned) >= _ACROSS_RAD:
            before, after = float(gap[pair, i - 1]), float(gap[pair, i])
            share = before / (before - after)
            yield _Touch(float(_TIMES[i - 1]) + share * _STEP_S, pair, i, share)


def _between(state: Floats, at_m: Floats, reach_m: Floats) -> tuple[Floats, Floats]:
    """When vehicles come to within `reach_m` of a place of their path, and when they have left it, s."""
    to_m = state[:, 0] + at_m
    return _when(to_m - reach_m, state[:, 2], state[:, 3]), _when(to_m + reach_m, state[:, 2], state[:, 3])


def _when(way_m: Floats, speed_mps: Floats, accel_mps2: Floats) -> Floats:
    """When a way has been gone, with the acceleration for `_ACCEL_S`; 0 for one behind, inf for never."""
    burst_m = speed_mps * _ACCEL_S + 0.5 * accel_mps2 * _ACCEL_S**2
    last = speed_mps + accel_mps2 * _ACCEL_S
    with np.errstate(divide="ignore", invalid="ignore"):
        even = way_m / speed_mps
        root = np.sqrt(np.maximum(speed_mps**2 + 2.0 * accel_mps2 * way_m, 0.0))
        speeding = np.where(way_m <= burst_m, (root - speed_mps) / accel_mps2, np.inf)
        speeding = np.where(way_m > burst_m, _ACCEL_S + (way_m - burst_m) / last, speeding)
        when = np.where(accel_mps2 > 0.0, speeding, even)
    out: Floats = np.where(way_m <= 0.0, 0.0, np.where(speed_mps > 0.0, when, np.inf))
    return out


def _gaps(poses: Predicted, a: Ints, b: Ints) -> Floats:
    """Gap of pairs of rectangles, shape (k, t); not above 0 where they overlap (separating axes)."""
    return _apart(
        poses.x[b] - poses.x[a],
        poses.y[b] - poses.y[a],
        poses.yaw[a],
        poses.yaw[b],
        (poses.half_length[a, None], poses.half_width[a, None]),
        (poses.half_length[b, None], poses.half_width[b, None]),
    )


def _ways_into(poses: Predicted, ones: Ints, others: Ints) -> Floats:
    """Way that each goes until its footprint touches what the other's passes over, shape (k,)."""
    half = (poses.half_length[:, None, None], poses.half_width[:, None, None])
    gap = _apart(
        poses.x[others, None, :] - poses.x[ones, :, None],
        poses.y[others, None, :] - poses.y[ones, :, None],
        poses.yaw[ones, :, None],
        poses.yaw[others, None, :],
        (half[0][ones], half[1][ones]),
        (half[0][others], half[1][others]),
    ).min(axis=2)
    i = np.argmax(gap <= 0.0, axis=1)
    k = np.arange(len(ones))
    before, after = gap[k, i - 1], gap[k, i]
    share = np.where(i > 0, before / np.where(i > 0, before - after, 1.0), 0.0)
    way = poses.way[ones]
    out: Floats = np.where(i > 0, way[k, i - 1] + share * (way[k, i] - way[k, i - 1]), 0.0)
    return out


def _apart(
    dx: Floats,
    dy: Floats,
    yaw_a: Floats,
    yaw_b: Floats,
    half_a: tuple[Floats, Floats],
    half_b: tuple[Floats, Floats],
) -> Floats:
    """Largest separation of two rectangles along their own axes; half: half length, half width."""
    cos_a, sin_a, cos_b, sin_b = np.cos(yaw_a), np.sin(yaw_a), np.cos(yaw_b), np.sin(yaw_b)
    along = np.abs(cos_a * cos_b + sin_a * sin_b)
    across = np.abs(cos_a * sin_b - sin_a * cos_b)
    (la, wa), (lb, wb) = half_a, half_b
    gap: Floats = np.abs(dx * cos_a + dy * sin_a) - la - lb * along - wb * across
    np.maximum(gap, np.abs(dy * cos_a - dx * sin_a) - wa - lb * across - wb * along, out=gap)
    np.maximum(gap, np.abs(dx * cos_b + dy * sin_b) - lb - la * along - wa * across, out=gap)
    np.maximum(gap, np.abs(dy * cos_b - dx * sin_b) - wb - la * across - wa * along, out=gap)
    return gap
