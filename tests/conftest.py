"""Shared fixtures: optional parts of the machine, and the clock."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from hypothesis import settings

from wayside.clock import VirtualClock

# Cores are shared: a slow example says nothing of the code. Examples are the same in every run.
settings.register_profile("wayside", deadline=None, derandomize=True)
settings.load_profile("wayside")


@pytest.fixture(scope="session")
def optional_part() -> Callable[[str, bool], None]:
    """`optional_part(name, present)`: skip the test when a part of the machine (browser, broker, compiler) is
    missing; fail instead when WAYSIDE_REQUIRE_ALL=1 says that nothing may be missing."""

    def check(name: str, present: bool) -> None:
        if present:
            return
        if os.environ.get("WAYSIDE_REQUIRE_ALL") == "1":
            pytest.fail(f"{name} is missing and WAYSIDE_REQUIRE_ALL=1", pytrace=False)
        pytest.skip(f"{name} is not on this machine")

    return check


@pytest.fixture
def clock() -> VirtualClock:
    """A clock that stands at 2026-03-20T08:00:00Z until a test moves it."""
    return VirtualClock(utc_ns=1_773_993_600_000_000_000)
