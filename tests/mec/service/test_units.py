"""What goes out over the roadside units, and what came too late for that."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from wayside.clock import MonoNs, VirtualClock
from wayside.mec.downlink import Downlink
from wayside.mec.ports import PortReason
from wayside.mec.service._units import RoadsideUnits
from wayside.observe import Counters

MESSAGE = Downlink("TIM", "j2735-2016", b"\x00", "event 1", 2_000, 112, "0" * 16, ())


@pytest.mark.drops(PortReason.EXPIRED)
def test_a_broadcast_lives_no_longer_for_having_waited(clock: VirtualClock) -> None:
    site = cast(Any, SimpleNamespace(model=SimpleNamespace(rsus=()), devices={}))
    counters = Counters()
    units = RoadsideUnits(site, clock, counters, lambda _: None, lambda _: None)
    sent: list[dict[str, Any]] = []
    units.distribution.send = lambda envelope, **how: sent.append(how)  # type: ignore[method-assign, assignment]
    now = clock.mono()
    units.broadcast(MESSAGE, MonoNs(now + 500_000_000))
    assert [how["ttl_ms"] for how in sent] == [500]
    units.broadcast(MESSAGE, now)
    assert len(sent) == 1 and counters.dropped(PortReason.EXPIRED) == 1
