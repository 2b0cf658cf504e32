"""What the core makes of the link's word about vehicles."""

from __future__ import annotations

from typing import Any, cast

from wayside.clock import MonoNs, VirtualClock
from wayside.mec.ports.link import SessionDown, SessionUp, VehicleFrame
from wayside.mec.service._vehicles import Vehicles
from wayside.observe import Counters


class Core:
    """Notes what it is told of vehicles."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def on_session(self, session: str, up: bool, dialect: str = "") -> None:
        self.told.append((session, up))

    def on_vehicle_frame(self, session: str, body: bytes, arrived: MonoNs) -> bool:
        self.told.append((session, body))
        return True


def test_the_word_of_a_vehicle_that_is_gone_is_counted_and_not_heard(clock: VirtualClock) -> None:
    core, counters, moved = Core(), Counters(), []
    vehicles = Vehicles(
        cast(Any, None),
        cast(Any, core),
        clock,
        counters,
        on_moved=lambda: moved.append(1),
        on_delivered=lambda: None,
    )
    frame = VehicleFrame("a", b"bsm", MonoNs(1))
    vehicles.take(SessionUp("a", "j2735-2016"))
    vehicles.take(frame)
    vehicles.take(SessionDown("a"))
    vehicles.take(frame)
    assert core.told == [("a", True), ("a", b"bsm"), ("a", False)] and len(moved) == 1
    assert counters.value("vehicle_frames", "no_session") == 1
    vehicles.take(SessionUp("b", "j2735-2016"))
    vehicles.gone()
    assert core.told[-1] == ("b", False) and len(vehicles) == 0
