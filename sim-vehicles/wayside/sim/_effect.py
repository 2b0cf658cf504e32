from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from wayside.sim._conflicts import PET_CONFLICT_S, TTC_CONFLICT_S, TTC_SERIOUS_S
from wayside.sim._lockstep import PET_USUAL_S, LockstepResult

RESAMPLES = 10_000
LEVEL = 0.95


class Measure(NamedTuple):
    """Something that warnings may change. value: of one run."""

    name: str
    unit: str
    value: Callable[[LockstepResult], float]


MEASURES = (
    Measure(f"conflicts, TTC ≤ {TTC_CONFLICT_S:g} s", "a run", lambda r: r.close.ttc),
    Measure(f"serious, TTC < {TTC_SERIOUS_S:g} s", "a run", lambda r: r.close.ttc_serious),
    Measure(f"conflicts, PET ≤ {PET_CONFLICT_S:g} s", "a run", lambda r: r.close.pet),
    Measure(f"close, PET ≤ {PET_USUAL_S:g} s", "a run", lambda r: r.close.pet_usual),
    Measure("collisions", "a run", lambda r: r.collisions),
    Measure("red-light runs", "a run", lambda r: r.travel.red_runs),
    Measure("stops", "a vehicle", lambda r: r.travel.stops / max(r.travel.vehicles, 1)),
    Measure("delay", "s a vehicle", lambda r: r.travel.delay_s / max(r.travel.vehicles, 1)),
)


class Effect(msgspec.Struct, frozen=True):
    """What warnings did to one measure over all seeds.

    without, with_: mean of the runs. change: mean of the differences of the pairs, with its interval low to
    high. share: change as a part of `without`, with its interval; None where there is nothing without.
    """

    name: str
    unit: str
    without: float
    with_: float
    change: float
    low: float
    high: float
    share: float | None
    share_low: float | None
    share_high: float | None


def effects(
    without: Sequence[LockstepResult], with_: Sequence[LockstepResult], *, seed: int = 1
) -> list[Effect]:
    """Effects on all measures; the two sequences hold the same seeds in the same order.

    Interval: percentile bootstrap over the pairs, 10,000 resamples, 95 %. With few pairs it is too narrow.
    """
    if [r.seed for r in without] != [r.seed for r in with_] or not without:
        raise ValueError("each seed once without and once with warnings")
    return [
        _effect(
            m,
            np.array([m.value(r) for r in without], dtype=np.float64),
            np.array([m.value(r) for r in with_], dtype=np.float64),
            seed,
        )
        for m in MEASURES
    ]


def _effect(
    measure: Measure,
    a: np.ndarray[tuple[int], np.dtype[np.float64]],
    b: np.ndarray[tuple[int], np.dtype[np.float64]],
    seed: int,
) -> Effect:
    drawn = np.random.default_rng(seed).integers(0, len(a), size=(RESAMPLES, len(a)))
    means_a, means_b = a[drawn].mean(axis=1), b[drawn].mean(axis=1)
    tails = [50.0 * (1.0 - LEVEL), 50.0 * (1.0 + LEVEL)]
    low, high = np.percentile(means_b - means_a, tails)
    share = share_low = share_high = None
    some = means_a > 0.0
    if a.mean() > 0.0 and some.any():
        share = float(b.mean() / a.mean() - 1.0)
        bounds = np.percentile(means_b[some] / means_a[some] - 1.0, tails)
        share_low, share_high = float(bounds[0]), float(bounds[1])
    return Effect(
        measure.name,
        measure.unit,
        float(a.mean()),
        float(b.mean()),
        float((b - a).mean()),
        float(low),
        float(high),
        share,
        share_low,
        share_high,
    )
