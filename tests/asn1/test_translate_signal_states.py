"""SPAT of both families: times, sentinels, light states."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayside.asn1 import load
from wayside.asn1.messages import (
    IntersectionId,
    Light,
    SignalEvent,
    SignalGroup,
    SignalIntersection,
    SignalStates,
)
from wayside.asn1.translate import TranslateError, TranslateReason, remember_greens, to_message, to_wire
from wayside.clock import UtcNs, minute_of_year

CSAE, J2735 = "csae53-2020", "j2735-2024"
SECOND = 1_000_000_000


def utc(*parts: int) -> UtcNs:
    return UtcNs(int(datetime(*parts, tzinfo=UTC).timestamp()) * SECOND)  # type: ignore[arg-type,misc]


NOON = utc(2026, 3, 20, 12, 0, 0)


def spat_csae(moment: UtcNs, *states: dict[str, Any]) -> Any:
    stamp = minute_of_year(moment)
    phase = {"id": 1, "phaseStates": list(states)}
    intersection = {
        "intersectionId": {"region": 1, "id": 33},
        "status": (b"\0\0", 16),
        "moy": stamp.minute,
        "timeStamp": stamp.millisecond,
        "phases": [phase],
    }
    return "spatFrame", {"msgCnt": 1, "intersections": [intersection]}


def counting(light: str, start: int, likely: int, **more: int) -> dict[str, Any]:
    return {"light": light, "timing": ("counting", {"startTime": start, "likelyEndTime": likely} | more)}


def marks(light: str, start: int, likely: int, **more: int) -> dict[str, Any]:
    times = {"startUTCTime": start, "likelyEndUTCTime": likely} | more
    return {"light": light, "timing": ("utcTiming", times)}


def spat_j2735(moment: UtcNs, state: str, **times: int) -> Any:
    stamp = minute_of_year(moment)
    event: dict[str, Any] = {"eventState": state}
    if times:
        event["timing"] = {"minEndTime": 36111} | times
    intersection = {
        "id": {"id": 7},
        "revision": 3,
        "status": (b"\0\0", 16),
        "moy": stamp.minute,
        "timeStamp": stamp.millisecond,
        "states": [{"signalGroup": 2, "state-time-speed": [event]}],
    }
    return {"messageId": 19, "value": {"intersections": [intersection]}}


def group(dialect: str, value: Any, near: UtcNs) -> SignalGroup:
    message = to_message(dialect, value, near=near).message
    assert isinstance(message, SignalStates)
    return message.intersections[0].groups[0]


def states(*events: SignalEvent, moment: UtcNs | None = NOON, number: int = 2) -> SignalStates:
    entry = SignalGroup(number, events[0], events[1:])
    return SignalStates((SignalIntersection(IntersectionId(7, 1), (entry,), moment),), moment)


# -- times --------------------------------------------------------------------------------------------


def test_counting_is_what_remains_at_the_messages_own_moment_not_at_the_readers() -> None:
    current = group(
        CSAE, spat_csae(NOON, counting("red", 0, 870, minEndTime=500)), NOON + 25 * SECOND
    ).current
    assert current.light is Light.RED
    assert current.likely_end_utc_ns == NOON + 87 * SECOND
    assert current.min_end_utc_ns == NOON + 50 * SECOND
    assert current.start_utc_ns is None


def test_a_time_mark_is_resolved_against_the_message_when_it_is_read_long_after() -> None:
    value = spat_j2735(NOON, "stop-And-Remain", minEndTime=300)
    current = group(J2735, value, UtcNs(NOON + 50 * 60 * SECOND)).current
    assert current.min_end_utc_ns == NOON + 30 * SECOND


def test_a_time_mark_wraps_at_the_hour() -> None:
    moment = utc(2026, 3, 20, 11, 59, 50)
    current = group(J2735, spat_j2735(moment, "stop-And-Remain", minEndTime=55), moment).current
    assert current.min_end_utc_ns == NOON + 5_500_000_000


def test_a_time_mark_just_past_is_past_and_not_an_hour_ahead() -> None:
    moment = utc(2026, 3, 20, 12, 0, 1)
    current = group(J2735, spat_j2735(moment, "stop-And-Remain", minEndTime=35999), moment).current
    assert current.min_end_utc_ns == NOON - 100_000_000


def test_utc_timing_of_csae_lies_in_the_hour_of_the_message() -> None:
    moment = utc(2026, 3, 20, 11, 59, 50)
    states_ = (marks("yellow", 100, 130), marks("red", 35500, 100, nextStartUTCTime=36001))
    found = group(CSAE, spat_csae(moment, *states_), moment)
    assert found.current.light is Light.RED
    assert found.current.start_utc_ns == utc(2026, 3, 20, 11, 59, 10)
    assert found.current.likely_end_utc_ns == utc(2026, 3, 20, 12, 0, 10)
    assert found.current.next_start_utc_ns is None
    assert [event.light for event in found.following] == [Light.YELLOW]


@pytest.mark.parametrize("mark", (36000, 36001))
def test_csae_sentinels_are_none_never_a_number(mark: int) -> None:
    current = group(CSAE, spat_csae(NOON, counting("red", 0, mark, maxEndTime=mark)), NOON).current
    assert current.likely_end_utc_ns is None
    assert current.max_end_utc_ns is None
    current = group(CSAE, spat_csae(NOON, marks("red", mark, mark)), NOON).current
    assert current.likely_end_utc_ns is None


@pytest.mark.parametrize("mark", (36000, 36005, 36009, 36010, 36110, 36111))
def test_j2735_sentinels_leap_seconds_and_reserved_marks_are_none(mark: int) -> None:
    value = spat_j2735(NOON, "stop-And-Remain", minEndTime=mark, likelyTime=mark, nextTime=mark)
    current = group(J2735, value, NOON).current
    assert current == SignalEvent(Light.RED)


def test_a_running_green_with_a_countdown_of_0_has_an_unknown_end() -> None:
    current = group(CSAE, spat_csae(NOON, counting("permissive-green", 0, 0)), NOON).current
    assert current == SignalEvent(Light.PERMISSIVE_GREEN)


def test_marks_equal_to_the_start_are_fillers() -> None:
    value = spat_j2735(NOON, "stop-And-Remain", startTime=0, minEndTime=337, maxEndTime=0, likelyTime=0)
    read = to_message(J2735, value, near=NOON)
    assert isinstance(read.message, SignalStates)
    current = read.message.intersections[0].groups[0].current
    assert current == SignalEvent(Light.RED, min_end_utc_ns=NOON + 33_700_000_000)
    assert any("marks equal to the start" in line for line in read.lost)


def test_the_state_that_runs_is_current_wherever_it_stands_in_the_list() -> None:
    listed = (
        counting("permissive-green", 300, 600),
        counting("yellow", 600, 630),
        counting("red", 0, 300),
    )
    found = group(CSAE, spat_csae(NOON, *listed), NOON)
    assert found.current.light is Light.RED
    assert [event.light for event in found.following] == [Light.PERMISSIVE_GREEN, Light.YELLOW]
    assert found.following[0].start_utc_ns == NOON + 30 * SECOND


def test_the_next_state_of_counting_has_a_start_and_an_end() -> None:
    timed = counting("red", 0, 100, nextStartTime=400, nextDuration=250)
    current = group(CSAE, spat_csae(NOON, timed), NOON).current
    assert current.next_start_utc_ns == NOON + 40 * SECOND
    assert current.next_end_utc_ns == NOON + 65 * SECOND


def test_a_message_without_time_counts_from_its_receipt_and_says_so() -> None:
    value = spat_csae(NOON, counting("red", 0, 100))
    del value[1]["intersections"][0]["moy"], value[1]["intersections"][0]["timeStamp"]
    read = to_message(CSAE, value, near=NOON)
    assert isinstance(read.message, SignalStates)
    assert read.message.intersections[0].utc_ns == NOON
    assert read.message.utc_ns is None
    assert any("the receipt's is taken" in line for line in read.lost)


def test_a_leap_millisecond_and_an_invalid_minute_are_no_time() -> None:
    value = spat_csae(NOON, counting("red", 0, 100))
    value[1]["intersections"][0] |= {"moy": 527040, "timeStamp": 60000}
    assert any("the receipt's" in line for line in to_message(CSAE, value, near=NOON).lost)


def test_the_minute_comes_from_the_message_where_the_intersection_has_only_milliseconds() -> None:
    value = spat_csae(NOON, counting("red", 0, 100))
    del value[1]["intersections"][0]["moy"]
    value[1]["intersections"][0]["timeStamp"] = 5000
    value[1]["moy"] = minute_of_year(NOON).minute
    current = group(CSAE, value, UtcNs(NOON + 40 * SECOND)).current
    assert current.likely_end_utc_ns == NOON + 15 * SECOND


def test_a_message_of_new_years_eve_read_after_midnight_stays_in_its_year() -> None:
    moment = utc(2026, 12, 31, 23, 59, 59)
    read = to_message(CSAE, spat_csae(moment, counting("red", 0, 100)), near=utc(2027, 1, 1, 0, 0, 1))
    assert isinstance(read.message, SignalStates)
    assert read.message.intersections[0].utc_ns == moment


@given(st.integers(0, 527039), st.integers(0, 59999), st.integers(1, 35999), st.booleans())
def test_any_remaining_time_survives_the_wire(minute: int, ms: int, tenths: int, utc_form: bool) -> None:
    moment = UtcNs(utc(2026, 1, 1, 0, 0, 0) + minute * 60 * SECOND + ms * 1_000_000)
    end = moment + min(tenths, 17_900) * 100_000_000
    if utc_form:
        end -= end % 100_000_000
    event = SignalEvent(Light.RED, likely_end_utc_ns=end, confidence=0.5)
    value = to_wire(CSAE, states(event, moment=moment), timing="utc" if utc_form else "counting").value
    again = to_message(CSAE, load(CSAE).decode(load(CSAE).encode(value)), near=moment).message
    assert isinstance(again, SignalStates)
    assert again.intersections == states(event, moment=moment).intersections
    value = to_wire(J2735, states(event, moment=moment)).value
    assert group(J2735, value, moment).current.likely_end_utc_ns == pytest.approx(end, abs=50_000_000)


def test_what_counting_cannot_say_is_noted() -> None:
    past = SignalEvent(
        Light.RED,
        start_utc_ns=NOON - 10 * SECOND,
        min_end_utc_ns=NOON - SECOND,
        likely_end_utc_ns=NOON + 2 * 3600 * SECOND,
        next_end_utc_ns=NOON + 60 * SECOND,
    )
    lost = to_wire(CSAE, states(past)).lost
    at = "intersections[0].groups[0].current"
    assert set(lost) == {
        f"{at}.likely_end_utc_ns: more than an hour ahead",
        f"{at}.start_utc_ns: counted as running",
        f"{at}.min_end_utc_ns: 1 s past counted as 0",
        f"{at}.next_end_utc_ns: no start with it",
    }


@pytest.mark.drops(TranslateReason.MISSING)
@pytest.mark.parametrize("dialect", (CSAE, J2735))
def test_times_without_a_moment_to_count_from_are_refused(dialect: str) -> None:
    event = SignalEvent(Light.RED, likely_end_utc_ns=NOON)
    with pytest.raises(TranslateError) as refused:
        to_wire(dialect, states(event, moment=None))
    assert refused.value.reason is TranslateReason.MISSING


@pytest.mark.drops(TranslateReason.TOO_MANY)
def test_more_than_16_groups_are_refused_by_csae() -> None:
    groups = tuple(SignalGroup(n, SignalEvent(Light.RED)) for n in range(1, 18))
    message = SignalStates((SignalIntersection(IntersectionId(7), groups, NOON),))
    with pytest.raises(TranslateError) as refused:
        to_wire(CSAE, message)
    assert refused.value.reason is TranslateReason.TOO_MANY
    assert len(to_wire(J2735, message).value["value"]["intersections"][0]["states"]) == 17


# -- lights -------------------------------------------------------------------------------------------

CSAE_LIGHTS = {
    "unavailable": Light.UNAVAILABLE,
    "dark": Light.DARK,
    "flashing-red": Light.FLASHING_RED,
    "red": Light.RED,
    "flashing-green": Light.FLASHING_GREEN,
    "permissive-green": Light.PERMISSIVE_GREEN,
    "protected-green": Light.PROTECTED_GREEN,
    "yellow": Light.YELLOW,
    "flashing-yellow": Light.FLASHING_YELLOW,
}
J2735_LIGHTS = {
    "unavailable": Light.UNAVAILABLE,
    "dark": Light.DARK,
    "stop-Then-Proceed": Light.FLASHING_RED,
    "stop-And-Remain": Light.RED,
    "pre-Movement": Light.RED_YELLOW,
    "permissive-Movement-Allowed": Light.PERMISSIVE_GREEN,
    "protected-Movement-Allowed": Light.PROTECTED_GREEN,
    "permissive-clearance": Light.PERMISSIVE_YELLOW,
    "protected-clearance": Light.PROTECTED_YELLOW,
    "caution-Conflicting-Traffic": Light.FLASHING_YELLOW,
}


@pytest.mark.parametrize(("name", "light"), CSAE_LIGHTS.items())
def test_csae_lights_go_by_name_both_ways(name: str, light: Light) -> None:
    assert group(CSAE, spat_csae(NOON, {"light": name}), NOON).current.light is light
    value = to_wire(CSAE, states(SignalEvent(light))).value
    assert value[1]["intersections"][0]["phases"][0]["phaseStates"][0]["light"] == name


@pytest.mark.parametrize(("name", "light"), J2735_LIGHTS.items())
def test_j2735_lights_go_by_name_both_ways(name: str, light: Light) -> None:
    assert group(J2735, spat_j2735(NOON, name), NOON).current.light is light
    value = to_wire(J2735, states(SignalEvent(light))).value["value"]
    assert value["intersections"][0]["states"][0]["state-time-speed"][0]["eventState"] == name


@pytest.mark.parametrize(
    ("light", "name"),
    (
        (Light.RED_YELLOW, "red"),
        (Light.PERMISSIVE_YELLOW, "yellow"),
        (Light.PROTECTED_YELLOW, "yellow"),
    ),
)
def test_lights_that_csae_lacks_become_the_nearest_and_are_reported(light: Light, name: str) -> None:
    value, lost = to_wire(CSAE, states(SignalEvent(light)))
    assert value[1]["intersections"][0]["phases"][0]["phaseStates"][0]["light"] == name
    assert lost == (f"intersections[0].groups[0].current.light: {light}",)


def test_flashing_green_becomes_permissive_in_j2735_and_is_reported() -> None:
    value, lost = to_wire(J2735, states(SignalEvent(Light.FLASHING_GREEN)))
    event = value["value"]["intersections"][0]["states"][0]["state-time-speed"][0]
    assert event["eventState"] == "permissive-Movement-Allowed"
    assert lost == ("intersections[0].groups[0].current.light: flashing_green",)


def clearance(message: SignalStates, index: int, **options: Any) -> str:
    value = to_wire(J2735, message, **options).value["value"]
    name: str = value["intersections"][0]["states"][0]["state-time-speed"][index]["eventState"]
    return name


def test_a_yellow_is_protected_only_after_a_protected_green() -> None:
    yellow = SignalEvent(Light.YELLOW)
    assert clearance(states(yellow), 0) == "permissive-clearance"
    assert clearance(states(SignalEvent(Light.PROTECTED_GREEN), yellow), 1) == "protected-clearance"
    assert clearance(states(SignalEvent(Light.PERMISSIVE_GREEN), yellow), 1) == "permissive-clearance"


def test_the_green_before_a_running_yellow_is_remembered_over_messages() -> None:
    greens: dict[tuple[IntersectionId, int], Light] = {}
    remember_greens(states(SignalEvent(Light.PROTECTED_GREEN)), greens)
    remember_greens(states(SignalEvent(Light.YELLOW)), greens)
    assert clearance(states(SignalEvent(Light.YELLOW)), 0, greens=greens) == "protected-clearance"


def test_a_light_without_a_name_is_unavailable() -> None:
    assert group(CSAE, spat_csae(NOON, {"light": "+0"}), NOON).current.light is Light.UNAVAILABLE
    assert group(CSAE, spat_csae(NOON, {"light": 9}), NOON).current.light is Light.UNAVAILABLE
