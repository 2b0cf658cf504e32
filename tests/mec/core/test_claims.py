from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wayside.clock import MonoNs, UtcNs
from wayside.geo import LocalPlane
from wayside.link import Action, Severity, WarningKind
from wayside.mec.apps import HazardReport, Trigger
from wayside.mec.core import ClaimRules, Claims
from wayside.records import EventRecord, EventState

TRIGGER = Trigger("ab", MonoNs(1), MonoNs(1), MonoNs(1))
PLANE = LocalPlane(38.9811, 117.3518)
S = 1_000_000_000


def report(track: int, x_m: float = 0.0, y_m: float = 0.0, app: str = "hlw") -> HazardReport:
    return HazardReport(
        app=app,
        kind=WarningKind.HAZARDOUS_LOCATION,
        subject=f"{app}/{track}",
        severity=Severity.ADVISE,
        x_m=x_m,
        y_m=y_m,
        action=Action.SLOW_DOWN,
        trigger=TRIGGER,
        ttl_ms=2_000,
    )


def claim(claims: Claims, at_s: float, *reports: HazardReport) -> list[str]:
    claims.claim(reports, MonoNs(round(at_s * S)), UtcNs(round(at_s * S)), "1")
    return [claims.name_of(each.subject) for each in reports]


def test_a_danger_keeps_its_event_while_its_track_lives() -> None:
    claims = Claims()
    (first,) = claim(claims, 1.0, report(1))
    assert claim(claims, 1.1, report(1, x_m=300.0)) == [first]


def test_a_danger_whose_track_broke_goes_on_as_the_same_event() -> None:
    claims = Claims()
    (first,) = claim(claims, 1.0, report(1))
    claim(claims, 1.5)
    assert claims.lapsed(MonoNs(2 * S)) == []
    assert claim(claims, 2.5, report(9, x_m=5.0)) == [first]
    assert claims.lapsed(MonoNs(9 * S)) == []


def test_dangers_apart_in_place_app_or_time_are_different_events() -> None:
    claims = Claims()
    (first,) = claim(claims, 1.0, report(1))
    _, here, far, other = claim(
        claims, 1.1, report(1), report(2, x_m=2.0), report(3, x_m=50.0), report(4, app="vrucw")
    )
    assert len({first, here, far, other}) == 4
    claim(claims, 1.2)
    assert sorted(name for name, _ in claims.lapsed(MonoNs(10 * S))) == sorted([first, here, far, other])
    assert claim(claims, 10.1, report(1))[0] not in {first, here, far, other}


def test_two_live_dangers_never_share_an_event() -> None:
    claims = Claims()
    names = claim(claims, 1.0, report(1), report(2, x_m=1.0))
    claim(claims, 1.1, report(2, x_m=1.0))
    back = claim(claims, 1.2, report(2, x_m=1.0), report(3, x_m=0.5))
    assert back == [names[1], names[0]]


def test_an_event_of_the_run_before_is_taken_up_by_its_place_and_not_by_its_track() -> None:
    lat_deg, lon_deg = PLANE.to_lat_lon(40.0, -2.0)
    event = EventRecord("5-1", 3, EventState.OPEN, "hlw", 2, lat_deg, lon_deg, 1, None, "hlw", "ab")
    claims = Claims(ClaimRules(adopted_s=20.0))
    claims.adopt({"hlw/5-1": event}, PLANE, MonoNs(0), UtcNs(0))
    far, near = claim(claims, 12.0, report(1, x_m=-40.0), report(2, x_m=41.0, y_m=-2.0))
    assert near == "hlw/5-1"
    assert far != near


def test_an_event_of_the_run_before_that_nobody_sees_again_is_over_after_its_longer_time() -> None:
    event = EventRecord("5-1", 3, EventState.OPEN, "hlw", 2, 38.98, 117.35, 1, None, "hlw", "ab")
    claims = Claims(ClaimRules(adopted_s=20.0))
    claims.adopt({"hlw/5-1": event}, PLANE, MonoNs(0), UtcNs(5))
    assert claims.lapsed(MonoNs(19 * S)) == []
    assert claims.lapsed(MonoNs(20 * S)) == [("hlw/5-1", 5)]
    assert claims.lapsed(MonoNs(21 * S)) == []


@given(st.lists(st.dictionaries(st.integers(1, 6), st.floats(-30, 30), max_size=6), max_size=30))
def test_names_are_unique_among_the_living_and_nothing_is_kept_for_ever(
    steps: list[dict[int, float]],
) -> None:
    claims = Claims()
    alive: set[str] = set()
    for n, step in enumerate(steps):
        names = claim(claims, float(n), *(report(track, x_m=x) for track, x in step.items()))
        assert len(set(names)) == len(names)
        alive |= set(names)
        alive -= {name for name, _ in claims.lapsed(MonoNs(n * S))}
        assert set(names) <= alive
    claim(claims, len(steps) + 0.0)
    assert {name for name, _ in claims.lapsed(MonoNs((len(steps) + 3) * S))} == alive
