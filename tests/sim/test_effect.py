"""What the effect of warnings is counted as, and that its interval says what it should."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from msgspec import structs

from wayside.mec.site import load_site
from wayside.sim import Travel, run_lockstep
from wayside.sim._effect import MEASURES, effects
from wayside.sim._effect_text import assumptions, effect_picture, effect_text
from wayside.sim._lockstep import ClosePairs, LockstepResult

SITE = load_site(Path(__file__).parents[2] / "deploy" / "demo" / "site.yaml")
BASE = run_lockstep("clean", 1, warnings=False, duration_s=0.2, road="crossing", site=SITE)


def run(seed: int, ttc: int, *, delay_s: float = 0.0, red_runs: int = 0) -> LockstepResult:
    return structs.replace(
        BASE, seed=seed, close=ClosePairs(ttc, 0, 0, 0), travel=Travel(10, 4, delay_s, red_runs, 0.0)
    )


def test_means_changes_and_shares() -> None:
    without = [run(n, 4, delay_s=100.0, red_runs=2) for n in range(5)]
    with_ = [run(n, 1, delay_s=110.0) for n in range(5)]
    found = {e.name.split(",")[0]: e for e in effects(without, with_)[:1]}
    conflicts = found["conflicts"]
    assert (conflicts.without, conflicts.with_, conflicts.change) == (4.0, 1.0, -3.0)
    assert (conflicts.low, conflicts.high) == (-3.0, -3.0), "every pair says the same"
    assert conflicts.share == -0.75
    by_name = {e.name: e for e in effects(without, with_)}
    assert by_name["delay"].change == pytest.approx(1.0)
    assert by_name["stops"].without == pytest.approx(0.4)
    assert by_name["red-light runs"].share == -1.0
    assert by_name["collisions"].share is None, "nothing can change where nothing was"


def test_interval_holds_the_truth_of_a_known_law_about_as_often_as_it_says() -> None:
    import random

    held = 0
    for trial in range(100):
        rng = random.Random(trial)
        base = [rng.randrange(0, 5) for _ in range(30)]
        without = [run(n, b + 3) for n, b in enumerate(base)]
        with_ = [run(n, b + rng.choice((0, 1, 2, 3))) for n, b in enumerate(base)]
        effect = effects(without, with_, seed=trial)[0]
        assert effect.low <= effect.change <= effect.high
        held += effect.low <= -1.5 <= effect.high
    assert 85 <= held <= 99


def test_pairs_must_match() -> None:
    with pytest.raises(ValueError):
        effects([run(1, 1)], [run(2, 1)])
    with pytest.raises(ValueError):
        effects([], [])


def test_table_and_picture_name_every_measure_that_there_is() -> None:
    found = effects([run(n, 4 + n, red_runs=2) for n in range(3)], [run(n, n) for n in range(3)])
    text = effect_text(found)
    assert all(m.name in text for m in MEASURES)
    svg = effect_picture(found, "a <title>")
    root = ElementTree.fromstring(svg)
    said = " ".join(root.itertext())
    assert "a <title>" in said and "red-light runs" in said and "collisions" not in said
    assert len(root.findall("{http://www.w3.org/2000/svg}circle")) == 3
    assert "every warned driver obeys" in assumptions("vehicles: 3", "link: none")
