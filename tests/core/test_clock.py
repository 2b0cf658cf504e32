from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayside.clock import (
    SystemClock,
    UtcNs,
    VirtualClock,
    minute_of_year,
    resolve_hour_mark,
    resolve_minute_mark,
    utc_from_moy,
)


def utc(*parts: int, ms: int = 0) -> UtcNs:
    return UtcNs(int(datetime(*parts, tzinfo=UTC).timestamp()) * 1_000_000_000 + ms * 1_000_000)


INSTANTS = st.integers(utc(2015, 1, 1), utc(2040, 1, 1)).map(UtcNs)


def test_a_virtual_clock_moves_only_when_told() -> None:
    clock = VirtualClock(utc_ns=5, mono_ns=7)
    clock.advance(1.5)
    assert (clock.utc(), clock.mono()) == (1_500_000_005, 1_500_000_007)
    clock.step_utc(-1.0)
    assert (clock.utc(), clock.mono()) == (500_000_005, 1_500_000_007)
    with pytest.raises(ValueError, match="backwards"):
        clock.advance(-0.1)


async def test_sleepers_of_a_virtual_clock_wake_in_order_of_their_time() -> None:
    clock = VirtualClock()
    woken: list[str] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(name)

    tasks = [asyncio.create_task(sleeper("late", 2.0)), asyncio.create_task(sleeper("soon", 1.0))]
    await asyncio.sleep(0)
    clock.advance(0.5)
    await asyncio.sleep(0)
    assert woken == []
    clock.advance(1.5)
    await asyncio.gather(*tasks)
    assert woken == ["soon", "late"]


async def test_a_cancelled_sleeper_does_not_disturb_the_others() -> None:
    clock = VirtualClock()
    first, second = (asyncio.create_task(clock.sleep(1.0)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    clock.advance(1.0)
    await second
    assert first.cancelled() or first.cancelling()
    with pytest.raises(asyncio.CancelledError):
        await first


def test_the_system_clock_agrees_with_itself() -> None:
    clock = SystemClock()
    before, after = clock.mono(), clock.mono()
    assert after >= before
    assert abs(clock.utc() - clock.utc()) < 1_000_000_000


def test_minute_of_year_at_the_turn_of_the_year() -> None:
    assert minute_of_year(utc(2026, 12, 31, 23, 59, 59, ms=999)) == (2026, 525_599, 59_999)
    assert minute_of_year(utc(2027, 1, 1)) == (2027, 0, 0)
    assert minute_of_year(utc(2028, 12, 31, 23, 59)) == (2028, 527_039, 0)


def test_a_message_of_the_old_year_read_in_the_new_one_stays_in_the_old_year() -> None:
    assert utc_from_moy(525_599, 59_000, near=utc(2027, 1, 1, 0, 0, 1)) == utc(2026, 12, 31, 23, 59, 59)
    assert utc_from_moy(0, 500, near=utc(2026, 12, 31, 23, 59, 59)) == utc(2027, 1, 1, ms=500)


@given(INSTANTS)
def test_minute_of_year_and_back(instant: UtcNs) -> None:
    moy = minute_of_year(instant)
    assert utc_from_moy(moy.minute, moy.millisecond, near=instant) == instant - instant % 1_000_000


@given(INSTANTS, st.integers(-29_999, 29_999))
def test_a_millisecond_of_the_minute_resolves_to_the_nearest_minute(near: UtcNs, shift_ms: int) -> None:
    instant = near - near % 1_000_000 + shift_ms * 1_000_000
    assert resolve_minute_mark(minute_of_year(UtcNs(instant)).millisecond, near) == instant


def test_a_time_mark_just_past_is_past_and_not_an_hour_ahead() -> None:
    message = utc(2026, 5, 4, 10, 59, 59, ms=900)
    assert resolve_hour_mark(35_998, near=message) == utc(2026, 5, 4, 10, 59, 59, ms=800)
    assert resolve_hour_mark(10, near=message) == utc(2026, 5, 4, 11, 0, 1)
    assert resolve_hour_mark(35_999, near=utc(2026, 5, 4, 11, 0, 0, ms=50)) == utc(
        2026, 5, 4, 10, 59, 59, ms=900
    )
