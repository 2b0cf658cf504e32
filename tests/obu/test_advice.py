from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from wayside.clock import MonoNs, UtcNs
from wayside.link import Advice, AdviceKind, Cancel, CancelReason, FrameKind, Place
from wayside.obu import ReceivedAdvice, SignAdvice, SpeedAdvice
from wayside.obu._table import told

PLACE = Place(39.0, 117.0, "12-11201/2")
SPEED = {
    "least_mps": 8.0,
    "most_mps": 12.5,
    "advised_mps": 12.5,
    "distance_m": 120.4,
    "light": "red",
    "signal_group": 2,
    "green_from_s": 9.6,
    "green_until_s": 15.0,
    "speed_limit_mps": 16.67,
}
SIGN = {"sign": "limit", "source": "site", "distance_m": 80.0, "code": 85, "speed_limit_mps": 11.11}


def received(kind: AdviceKind, values: dict[str, Any]) -> ReceivedAdvice:
    return ReceivedAdvice(
        Advice(kind, PLACE, "t", values), 1, UtcNs(0), 1000, MonoNs(0), MonoNs(1_000_000_000)
    )


def test_a_speed_and_a_sign_have_types() -> None:
    speed = received(AdviceKind.GREEN_LIGHT_SPEED, SPEED)
    assert speed.typed() == SpeedAdvice(8.0, 12.5, 12.5, 120.4, "red", 2, 9.6, 15.0, 16.67)
    assert speed.kind is AdviceKind.GREEN_LIGHT_SPEED and speed.remaining_s(MonoNs(0)) == 1.0
    sign = received(AdviceKind.IN_VEHICLE_SIGN, SIGN)
    assert sign.typed() == SignAdvice("limit", 80.0, 85, speed_limit_mps=11.11, source="site")


def test_values_of_a_later_edge_do_no_harm() -> None:
    assert received(AdviceKind.GREEN_LIGHT_SPEED, SPEED | {"more": 1}).typed() is not None


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (AdviceKind.SIGNAL_STATE, {"light": "red"}),
        (AdviceKind.GREEN_LIGHT_SPEED, {"least_mps": 8.0}),
        (AdviceKind.GREEN_LIGHT_SPEED, SPEED | {"most_mps": "fast"}),
        (AdviceKind.GREEN_LIGHT_SPEED, SPEED | {"most_mps": float("inf")}),
        (AdviceKind.IN_VEHICLE_SIGN, SIGN | {"code": "a"}),
    ],
)
def test_what_does_not_fit_has_none(kind: AdviceKind, values: dict[str, Any]) -> None:
    advice = received(kind, values)
    assert advice.typed() is None
    assert told(advice).startswith(kind.value)


@pytest.mark.parametrize(
    ("kind", "values", "line"),
    [
        (AdviceKind.GREEN_LIGHT_SPEED, SPEED, "green in 120 m at 29–45 km/h, best 45"),
        (AdviceKind.IN_VEHICLE_SIGN, SIGN, "sign 85 40 km/h in 80 m"),
        (
            AdviceKind.IN_VEHICLE_SIGN,
            {"sign": "s", "distance_m": 0.0, "text": "School [bold]"},
            "sign School [bold] in force",
        ),
    ],
)
def test_an_advice_in_one_line(kind: AdviceKind, values: dict[str, Any], line: str) -> None:
    assert told(received(kind, values)) == line


async def test_advice_in_force_ends_by_time_and_by_cancel(road: Any) -> None:
    client = await road.vehicle()
    line = road.edge.line
    speed = Advice(AdviceKind.GREEN_LIGHT_SPEED, PLACE, values=SPEED)
    sign = Advice(AdviceKind.IN_VEHICLE_SIGN, PLACE, values=SIGN)
    line.down(FrameKind.ADVICE, speed, key=4, ttl_ms=1000)
    line.down(FrameKind.ADVICE, sign, key=5, ttl_ms=2000)
    line.down(FrameKind.ADVICE, sign, key=6, ttl_ms=2000)
    await road.settle()
    assert [item.key for item in client.active_advice()] == [4, 5, 6]
    line.down(FrameKind.CANCEL, Cancel(CancelReason.RESOLVED), key=6)
    await road.settle()
    assert [item.key for item in client.active_advice()] == [4, 5]
    road.clock.advance(1.5)
    assert [item.key for item in client.active_advice()] == [5]


async def test_the_table_shows_advice_above_the_warnings(road: Any) -> None:
    from wayside.obu._table import view

    client = await road.vehicle()
    console = Console(width=100, record=True, force_terminal=False)
    advice = [received(AdviceKind.IN_VEHICLE_SIGN, SIGN)]
    console.print(view(client.status(), [], client.clock.mono(), 0, advice))
    assert "advice: sign 85 40 km/h in 80 m" in console.export_text()
