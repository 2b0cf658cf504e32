"""The lockstep runner: the same every time, and warnings that help."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec import structs

from wayside import sim
from wayside.cli import main
from wayside.mec.site import load_site
from wayside.sim import SCENES, FalseWarning, Scenario, compare, run_lockstep
from wayside.sim._lockstep_text import clean_text

SITE_FILE = Path(__file__).parents[2] / "deploy" / "demo" / "site.yaml"
SITE = load_site(SITE_FILE)


def test_same_seed_same_result() -> None:
    first, second = (
        run_lockstep(Scenario.PEDESTRIAN, 4, warnings=True, duration_s=14.0, road="crossing", site=SITE)
        for _ in range(2)
    )
    assert first == second
    assert first.scans > 500 and first.warnings == {"vrucw": 1}
    other = run_lockstep(Scenario.PEDESTRIAN, 5, warnings=True, duration_s=14.0, road="crossing", site=SITE)
    assert other.trail != first.trail


def test_warnings_change_what_follows_them_and_nothing_before() -> None:
    without, with_ = (
        run_lockstep(Scenario.PEDESTRIAN, 4, warnings=warned, duration_s=6.0, road="crossing", site=SITE)
        for warned in (False, True)
    )
    assert without.trail == with_.trail, "nobody has been warned yet"
    assert (without.scans, with_.warnings) == (0, {})


def improves(scenario: Scenario, seeds: tuple[int, ...]) -> None:
    result = compare(scenario, seeds, road="crossing", site=SITE)
    assert result.seeds == seeds
    assert result.conflicts_without >= 1
    assert result.conflicts_with < result.conflicts_without
    assert result.collisions_with == 0
    assert result.warnings >= len(seeds)
    assert result.min_ttc_without_s is not None
    assert result.min_ttc_with_s is None or result.min_ttc_with_s > result.min_ttc_without_s


@pytest.mark.parametrize("scenario", [Scenario.PEDESTRIAN, Scenario.CROSSING])
@pytest.mark.timeout(180)
def test_fewer_conflicts_with_warnings_than_without(scenario: Scenario) -> None:
    improves(scenario, (1,))


@pytest.mark.joint
@pytest.mark.parametrize("scenario", list(SCENES))
@pytest.mark.timeout(600)
def test_fewer_conflicts_in_every_scenario_over_seeds(scenario: Scenario) -> None:
    improves(scenario, (1, 2, 3))


def test_command_prints_results_that_a_program_can_read(capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "sim",
        "lockstep",
        "--road",
        "crossing",
        "--scenario",
        "crossing",
        "--first-seed",
        "3",
        "--seeds",
        "1",
        "--duration",
        "8",
    ]
    assert main([*words, "--site", str(SITE_FILE), "--json"]) == 0
    results = json.loads(capsys.readouterr().out)
    assert [(r["scenario"], r["seed"], r["warned"]) for r in results] == [
        ("crossing", 3, False),
        ("crossing", 3, True),
    ]


def test_command_prints_tables(capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "sim",
        "lockstep",
        "--road",
        "crossing",
        "--scenario",
        "clean",
        "--seeds",
        "1",
        "--duration",
        "3",
        "--site",
        str(SITE_FILE),
    ]
    assert main(words) == 0
    captured = capsys.readouterr()
    assert "false warnings" in captured.out and "clean seed 1 with warnings" in captured.err


def test_public_names_are_there() -> None:
    for name in sim.__all__:
        assert getattr(sim, name) is not None
    with pytest.raises(AttributeError):
        sim.nothing  # noqa: B018


@pytest.mark.joint
@pytest.mark.timeout(600)
def test_clean_traffic_gives_no_false_warning() -> None:
    result = run_lockstep(Scenario.CLEAN, 2, warnings=True, duration_s=90.0, road="crossing", site=SITE)
    assert result.vehicles > 20 and result.scans > 6_000
    assert (result.conflicts, result.collisions) == (0, 0)
    assert result.false_warnings == result.warnings == {}
    assert result.false == ()


def test_false_warnings_are_told_with_what_led_to_them() -> None:
    false = FalseWarning(
        at_s=1.0,
        last_s=2.5,
        kind="icw",
        session="sim-00001",
        severity="urgent",
        action="brake",
        trace_id="0" * 16,
        event_id="e1",
        lane="12-11201/3",
        x_m=4.0,
        y_m=5.0,
        distance_m=20.0,
        time_to_conflict_s=1.5,
        parties=("car 12.0 m/s to 90°, track 7",),
        evidence={"ttc_s": 1.25},
    )
    clean = run_lockstep("clean", 1, warnings=True, duration_s=1.0, road="crossing", site=SITE)
    wrong = structs.replace(clean, false=(false,), false_warnings={"icw": 1}, warnings={"icw": 1})
    text = clean_text([wrong])
    for word in ("icw (urgent, brake)", "in 1.50 s", "track 7", "ttc_s 1.25", "3600.00"):
        assert word in text


def test_unknown_scenario_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sim", "lockstep", "--road", "crossing", "--scenario", "flood"]) == 2
    assert "no scenario flood; it has pedestrian" in capsys.readouterr().err


def test_vehicles_speak_the_dialects_of_the_site() -> None:
    result = run_lockstep("pedestrian", 3, warnings=True, duration_s=8.0, road="crossing", site=SITE)
    assert SITE.model.link.dialects == ("j2735-2024", "csae53-2020")
    assert result.most_connected >= 2, "of both families"
    assert "edge" not in result.drops, "each was read in its own dialect"
