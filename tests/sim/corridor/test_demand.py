"""Who comes on the corridor: drawn from the seed alone."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import pytest

from wayside.sim.corridor._demand import Arrival, Demand
from wayside.sim.corridor._net import corridor_net
from wayside.sim.corridor._places import BIKE_LANE
from wayside.sim.corridor._types import MOTOR, TYPES


def demand(seed: int, **changes: object) -> Demand:
    usual = {"present": 100.0, "walkers_per_s": 0.1, "cyclists_per_s": 0.1}
    return Demand(corridor_net(), seed, **{**usual, **changes})  # type: ignore[arg-type]


def some(of: Demand, number: int = 400) -> list[Arrival]:
    return list(islice(of.arrivals(), number))


def test_the_same_seed_gives_the_same_arrivals_in_order() -> None:
    arrivals = some(demand(3))
    assert arrivals == some(demand(3)) != some(demand(4))
    assert [a.at_s for a in arrivals] == sorted(a.at_s for a in arrivals)
    assert demand(3).first() == demand(3).first()


def test_fewer_walkers_change_nothing_for_those_who_drive() -> None:
    def drives(arrivals: list[Arrival]) -> list[Arrival]:
        return [a for a in arrivals if a.type in MOTOR][:50]

    assert drives(some(demand(3))) == drives(some(demand(3, walkers_per_s=0.0)))


def test_the_types_come_in_their_shares() -> None:
    kinds = Counter(a.type for a in some(demand(1, walkers_per_s=0.0, cyclists_per_s=0.0), 4000))
    for name in MOTOR:
        assert kinds[name] / 4000 == pytest.approx(TYPES[name].share, abs=0.02)


@pytest.mark.parametrize("present", [30.0, 100.0, 300.0])
def test_most_of_those_wanted_are_there_at_once_and_apart(present: float) -> None:
    first = demand(2, present=present).first()
    assert 0.6 * present <= len(first) <= present
    places: dict[tuple[str, int | None], list[float]] = {}
    for arrival in first:
        places.setdefault((arrival.edges[0], arrival.lane), []).append(arrival.place_m)
    for of in places.values():
        gaps = [b - a for a, b in zip(sorted(of), sorted(of)[1:], strict=False)]
        assert all(gap > 30.0 for gap in gaps)


def test_every_arrival_can_go_where_its_route_leads() -> None:
    net = corridor_net()
    for arrival in some(demand(5)):
        if arrival.type == "pedestrian":
            a, b = arrival.edges
            assert a.split("-")[::-1] == b.split("-"), "over one leg"
            continue
        start = f"{arrival.edges[0]}_{arrival.lane}"
        assert net.link(start, arrival.edges[1]) is not None
        if arrival.type == "bicycle":
            assert arrival.lane == BIKE_LANE
            for a, b in zip(arrival.edges, arrival.edges[1:], strict=False):
                assert net.link(f"{a}_{BIKE_LANE}", b) is not None


def test_nobody_starts_on_a_closed_lane() -> None:
    closed = frozenset(f"cs-c_{lane}" for lane in range(5))
    assert any(a.edges[0] == "cs-c" for a in some(demand(1)))
    open_ = demand(1, closed=closed)
    assert not any(a.edges[0] == "cs-c" for a in (*some(open_), *open_.first()))
