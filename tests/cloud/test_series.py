"""What the edges counted, over time and by device."""

from __future__ import annotations

from wayside.cloud._devices import devices_of
from wayside.cloud._queries import StoredDelivery, StoredDevice
from wayside.cloud._series import series_of
from wayside.observe import LatencySummary
from wayside.records import DeviceRecord, SummaryRecord

S = 1_000_000_000


def window(
    until: int,
    counts: dict[str, dict[str, int]] | None = None,
    dropped: dict[str, dict[str, int]] | None = None,
    latency: dict[str, LatencySummary] | None = None,
) -> tuple[str, SummaryRecord]:
    return "a", SummaryRecord(until - 10 * S, until, counts or {}, dropped or {}, latency or {})


def test_windows_fall_into_the_step_in_which_they_end() -> None:
    windows = [
        window(5 * S, {"warnings": {"hlw": 2, "icw": 1}, "other": {"": 9}}, {"edge": {"late": 1}}),
        window(9 * S, {"warnings": {"hlw": 1}}, {"edge": {"late": 2}}),
        window(25 * S, {"warnings": {"hlw": 4}}, {"rsu": {"offline": 3}}),
        window(40 * S, {"warnings": {"hlw": 100}}),
        window(-1 * S, {"warnings": {"hlw": 100}}),
    ]
    series = series_of(windows, 0, 40 * S, 4, ["warnings"])
    assert (series.step_s, series.from_utc_ns) == (10.0, [0, 10 * S, 20 * S, 30 * S])
    assert series.counts == {"warnings": [4, 0, 4, 0]}
    assert series.dropped == {"edge": {"late": [3, 0, 0, 0]}, "rsu": {"offline": [0, 0, 3, 0]}}


def test_latency_is_the_mean_of_medians_and_the_worst_of_the_rest() -> None:
    windows = [
        window(1 * S, latency={"fused": LatencySummary(10, 1.0, 5.0, 9.0)}),
        window(
            2 * S, latency={"fused": LatencySummary(10, 3.0, 4.0, 12.0), "called": LatencySummary(0, 0, 0, 0)}
        ),
    ]
    series = series_of(windows, 0, 20 * S, 2, [])
    assert series.latency.keys() == {"fused"}, "a stage without a sample says nothing"
    assert series.latency["fused"].p50_ms == [2.0, None]
    assert series.latency["fused"].p99_ms == [5.0, None]
    assert series.latency["fused"].max_ms == [12.0, None]


def test_a_device_has_the_outcomes_of_its_own_messages() -> None:
    devices = [
        StoredDevice("a", 1, 2, DeviceRecord("u/1", "rsu", "online")),
        StoredDevice("b", 1, 2, DeviceRecord("u/1", "rsu", "online")),
    ]
    counts = {
        "deliveries": {"u/1/TIM/sent": 3, "u/1/TIM/active": 2, "u/1/RSI/timeout": 1, "broken": 7},
        "messages_up": {"u/1/BSM": 5, "link/BSM": 9},
    }
    last = [
        StoredDelivery("a", "u/1", "TIM", 9, "active", ""),
        StoredDelivery("c", "u/1", "TIM", 9, "sent", ""),
    ]
    own, other = devices_of(devices, last, [window(1 * S, counts), window(2 * S, counts)])
    assert own["deliveries"] == {"TIM": {"sent": 6, "active": 4}, "RSI": {"timeout": 2}}
    assert own["received"] == {"BSM": 10}
    assert own["last"] == {"TIM": {"utc_ns": 9, "state": "active", "reason": ""}}
    assert (other["deliveries"], other["received"], other["last"]) == ({}, {}, {})
