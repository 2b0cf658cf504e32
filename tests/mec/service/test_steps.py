"""When the apps run after what has arrived."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from wayside.clock import MonoNs, VirtualClock
from wayside.mec.service._steps import COALESCE_S, GATHER_S, StepTrigger
from wayside.runtime import TaskOwner


class Apps:
    """A trigger, and the instants at which it ran the apps."""

    def __init__(self, clock: VirtualClock) -> None:
        self.ran: list[MonoNs] = []
        self.clock = clock
        self.trigger = StepTrigger(clock, lambda: self.ran.append(clock.mono()))

    async def after(self, seconds: float) -> int:
        """Let time pass, then how often they ran."""
        for _ in range(5):
            await asyncio.sleep(0)
        self.clock.advance(seconds)
        for _ in range(5):
            await asyncio.sleep(0)
        return len(self.ran)


@pytest.fixture
async def apps(clock: VirtualClock) -> AsyncIterator[Apps]:
    apps = Apps(clock)
    async with TaskOwner("steps") as tasks:
        tasks.start(apps.trigger.run(), "run")
        tasks.start(apps.trigger.gather(), "gather")
        clock.advance(1.0)
        yield apps


async def test_a_lone_scan_is_looked_at_at_once(apps: Apps) -> None:
    assert await apps.after(1.0) == 0
    apps.trigger.touch()
    assert await apps.after(0.0) == 1


async def test_scans_that_come_together_make_one_step_more(apps: Apps) -> None:
    apps.trigger.touch()
    assert await apps.after(0.0) == 1
    for _ in range(5):
        apps.trigger.touch()
    assert await apps.after(COALESCE_S / 2) == 1
    assert await apps.after(COALESCE_S / 2) == 2
    assert await apps.after(1.0) == 2


async def test_what_may_wait_is_gathered(apps: Apps) -> None:
    await apps.after(GATHER_S)
    for _ in range(100):
        apps.trigger.touch(soon=False)
    assert await apps.after(0.0) == 0
    assert await apps.after(GATHER_S) == 1
    assert await apps.after(10 * GATHER_S) == 1


async def test_a_scan_takes_along_what_waits(apps: Apps) -> None:
    await apps.after(GATHER_S)
    apps.trigger.touch(soon=False)
    apps.trigger.touch()
    assert await apps.after(0.0) == 1
    assert await apps.after(GATHER_S) == 1
