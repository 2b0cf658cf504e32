"""Clock comparison over a path with delay: what the estimate promises."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wayside.clock import MonoNs, UtcNs
from wayside.link import ClockPong
from wayside.obu._offset import SAMPLES, ClockOffset

UTC_NS = 1_773_993_600_000_000_000
delays = st.integers(0, 200_000_000)


def exchange(
    offset: ClockOffset, at: int, there: int, back: int, edge_ahead: int, utc_ahead: int, thinks: int = 0
) -> bool:
    """One ping at vehicle's instant `at`, with the delays of both ways, nanoseconds."""
    offset.asked(MonoNs(at))
    edge_received = at + there + edge_ahead
    edge_sent = edge_received + thinks
    pong = ClockPong(at, edge_received, edge_sent, edge_sent + utc_ahead)
    return offset.answer(pong, MonoNs(at + there + thinks + back))


@given(
    st.lists(st.tuples(delays, delays, st.integers(0, 10**6)), min_size=1, max_size=SAMPLES),
    st.integers(-(10**15), 10**15),
)
def test_error_is_at_most_half_the_shortest_round_trip(
    trips: list[tuple[int, int, int]], edge_ahead: int
) -> None:
    offset = ClockOffset()
    for number, (there, back, thinks) in enumerate(trips):
        assert exchange(offset, number * 10**9, there, back, edge_ahead, UTC_NS, thinks)
    estimate = offset.estimate()
    assert estimate is not None
    assert estimate.rtt_ns == min(there + back for there, back, _ in trips)
    assert abs(estimate.edge_minus_vehicle_ns - edge_ahead) <= estimate.rtt_ns / 2 + 1
    instant = offset.at(UtcNs(UTC_NS + edge_ahead + 7))
    assert instant is not None
    assert abs(instant - 7) <= estimate.rtt_ns / 2 + 1


def test_equal_delays_give_the_exact_offset() -> None:
    offset = ClockOffset()
    assert exchange(offset, 10**9, 40_000, 40_000, -123_456, UTC_NS)
    estimate = offset.estimate()
    assert estimate is not None
    assert (estimate.edge_minus_vehicle_ns, estimate.rtt_ns) == (-123_456, 80_000)


def test_a_step_of_the_edges_utc_is_followed_at_once() -> None:
    offset = ClockOffset()
    exchange(offset, 0, 10, 10, 0, UTC_NS)
    exchange(offset, 10**9, 50_000, 10_000, 0, UTC_NS + 10**9)
    estimate = offset.estimate()
    assert estimate is not None
    assert estimate.utc_minus_vehicle_ns == UTC_NS + 10**9


def test_answers_to_nothing_and_backwards_ones_teach_nothing() -> None:
    offset = ClockOffset()
    assert not offset.answer(ClockPong(5, 5, 5, UTC_NS), MonoNs(10))
    offset.asked(MonoNs(100))
    assert not offset.answer(ClockPong(100, 100, 400, UTC_NS), MonoNs(200))
    offset.asked(MonoNs(300))
    assert not offset.answer(ClockPong(300, 300, 299, UTC_NS), MonoNs(400))
    assert not offset.answer(ClockPong(300, 300, 300, UTC_NS), MonoNs(400))
    assert offset.estimate() is None
    assert offset.at(UtcNs(0)) is None


def test_an_old_estimate_holds_for_the_same_server_until_there_is_a_new_one() -> None:
    offset = ClockOffset()
    exchange(offset, 0, 10, 10, 5, UTC_NS)
    offset.new_connection(same_server=True)
    kept = offset.estimate()
    assert kept is not None and kept.edge_minus_vehicle_ns == 5
    exchange(offset, 10**9, 10, 10, 9, UTC_NS)
    renewed = offset.estimate()
    assert renewed is not None and renewed.edge_minus_vehicle_ns == 9
    offset.new_connection(same_server=False)
    assert offset.estimate() is None
