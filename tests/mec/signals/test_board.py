"""The board of signal states: sources, freshness, ends."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wayside.asn1.messages import (
    IntersectionId,
    Light,
    SignalEvent,
    SignalGroup,
    SignalIntersection,
    SignalStates,
)
from wayside.clock import MonoNs, UtcNs, VirtualClock
from wayside.mec.signals import (
    TSCBM,
    Masks,
    PhaseTimes,
    SignalBoard,
    SignalKey,
    SignalReason,
    SignalSource,
    decode_tscbm,
)
from wayside.observe import Counters

KEY = SignalKey("1-7", 2)
HERE = IntersectionId(7, 1)
CONTROLLED = SignalSource(
    intersection="1-7",
    source=TSCBM,
    address="10.0.0.5",
    vehicle={1: 1, 2: 2, 4: 4},
    pedestrian={2: 12},
    overlap={1: 21},
    permissive=frozenset({2}),
)


class Rig:
    def __init__(self, *sources: SignalSource) -> None:
        self.clock = VirtualClock()
        self.counters = Counters()
        self.board = SignalBoard(sources, self.clock, self.counters)

    def spat(
        self,
        light: Light = Light.PROTECTED_GREEN,
        *,
        device: str = "rsu-1",
        intersection: IntersectionId = HERE,
        age_ms: float | None = 0.0,
        group: int = 2,
        **ends: int,
    ) -> None:
        moment = None if age_ms is None else self.clock.utc() - round(age_ms * 1e6)
        told = SignalIntersection(
            intersection, (SignalGroup(group, SignalEvent(light, **ends)),), utc_ns=moment
        )
        self.board.on_signal_states(SignalStates((told,)), device=device, arrived=self.clock.mono())

    def light(self, key: SignalKey = KEY) -> Light | None:
        state = self.board.table(self.clock.mono()).get(key)
        return None if state is None else state.light


def capture() -> bytes:
    from struct import pack

    times = {1: (40, 0xFFFF, 0, 0, 0, 0), 2: (150, 150, 50, 90, 0, 0)}
    blocks = b"".join(pack(">B6H", n, *times.get(n, (0,) * 6)) for n in range(1, 17))
    masks = pack(">11H", 0xFFDD, 0, 0x22, 0xFFFD, 0, 0x2, 0xFFFE, 0, 1, 0, 0)
    return b"\xcd\x10" + blocks + masks + pack(">7BH", 0, 0, 8, 4, 1, 32, 33, 0)


def test_a_spat_gives_light_and_ends_in_utc() -> None:
    rig = Rig()
    now = rig.clock.utc()
    rig.spat(min_end_utc_ns=now + 5_000, max_end_utc_ns=now + 9_000, likely_end_utc_ns=now + 7_000)
    state = rig.board.table(rig.clock.mono()).get(KEY)
    assert state is not None
    assert (state.light, state.source, state.heard) == (Light.PROTECTED_GREEN, "spat", rig.clock.mono())
    assert (state.min_end, state.likely_end, state.max_end) == (now + 5_000, now + 7_000, now + 9_000)


def test_age_counts_from_the_arrival_and_the_stale_is_absent() -> None:
    rig = Rig(SignalSource(intersection="1-7", max_age_ms=300.0))
    # Its own clock is a minute slow; that is no age.
    rig.spat(age_ms=60_000.0)
    rig.clock.advance(0.3)
    assert rig.light() is Light.PROTECTED_GREEN
    rig.clock.advance(0.001)
    table = rig.board.table(rig.clock.mono())
    assert table.get(KEY) is None
    assert table.stale == {KEY}
    assert table.items() == []
    rig.spat(age_ms=60_000.0)
    assert rig.light() is Light.PROTECTED_GREEN


@pytest.mark.drops(SignalReason.OLD)
def test_a_message_that_does_not_advance_neither_counts_nor_refreshes() -> None:
    rig = Rig()
    rig.spat(Light.RED)
    for _ in range(6):
        rig.clock.advance(0.1)
        rig.spat(Light.PROTECTED_GREEN, age_ms=(rig.clock.mono() - 1_000_000_000) / 1e6)
    assert rig.light() is None
    assert rig.counters.dropped(SignalReason.OLD) == 6
    # A clock that was set back by far is taken anew.
    rig.spat(Light.YELLOW, age_ms=60_000.0)
    assert rig.light() is Light.YELLOW


@pytest.mark.drops(SignalReason.OTHER_SOURCE)
def test_only_the_source_of_the_site_file_counts() -> None:
    rig = Rig(CONTROLLED)
    rig.spat(Light.RED)
    assert rig.light() is None
    rig.board.on_tscbm(capture(), arrived=rig.clock.mono(), address="10.0.0.5")
    rig.spat(Light.RED)
    assert rig.light() is Light.PERMISSIVE_GREEN
    assert rig.counters.dropped(SignalReason.OTHER_SOURCE) == 2
    other = Rig(SignalSource(intersection="1-7", device="rsu-2"))
    other.spat(Light.RED, device="rsu-1")
    assert other.light() is None
    other.spat(Light.RED, device="rsu-2")
    assert other.light() is Light.RED


@pytest.mark.drops(SignalReason.UNKNOWN_CONTROLLER)
def test_a_controller_is_known_by_its_address() -> None:
    rig = Rig(CONTROLLED)
    rig.board.on_tscbm(capture(), arrived=rig.clock.mono(), address="10.0.0.6")
    assert rig.counters.dropped(SignalReason.UNKNOWN_CONTROLLER) == 1
    assert rig.board.table(rig.clock.mono()).items() == []
    anywhere = Rig(SignalSource(intersection="1-7", source=TSCBM, vehicle={2: 2}))
    anywhere.board.on_tscbm(capture(), arrived=anywhere.clock.mono(), address="10.9.9.9")
    assert anywhere.light() is Light.PROTECTED_GREEN


def test_a_controllers_counts_run_from_the_arrival() -> None:
    rig = Rig(CONTROLLED)
    arrived, at = rig.clock.mono(), rig.clock.utc()
    rig.clock.advance(0.02)
    rig.board.on_tscbm(capture(), arrived=arrived, address="10.0.0.5")
    table = rig.board.table(rig.clock.mono())
    vehicle, walker, overlap, red = (table.get(SignalKey("1-7", g)) for g in (2, 12, 21, 1))
    assert vehicle is not None and walker is not None and overlap is not None and red is not None
    fixed = UtcNs(at + 15_000_000_000)
    assert (vehicle.min_end, vehicle.max_end, vehicle.likely_end) == (fixed, fixed, fixed)
    assert (vehicle.heard, vehicle.source) == (arrived, "tscbm")
    assert walker.light is Light.PROTECTED_GREEN
    assert (walker.min_end, walker.max_end) == (at + 5_000_000_000, at + 9_000_000_000)
    assert walker.likely_end is None
    assert overlap.light is Light.PROTECTED_GREEN
    assert (red.light, red.min_end, red.max_end) == (Light.RED, at + 4_000_000_000, None)


@pytest.mark.parametrize(
    "data", [pytest.param(b"\xcd" * 10, marks=pytest.mark.drops(SignalReason.TSCBM_LENGTH)), bytes(241)]
)
def test_a_damaged_datagram_is_counted_and_the_state_stays(data: bytes) -> None:
    rig = Rig(CONTROLLED)
    rig.board.on_tscbm(capture(), arrived=rig.clock.mono(), address="10.0.0.5")
    rig.board.on_tscbm(data, arrived=rig.clock.mono(), address="10.0.0.5")
    assert rig.light() is Light.PERMISSIVE_GREEN
    assert sum(rig.counters.drops()["signals"].values()) == 1


@pytest.mark.drops(SignalReason.CONTRADICTION)
def test_lights_that_exclude_each_other_are_no_light() -> None:
    rig = Rig(CONTROLLED)
    data = bytearray(capture())
    data[210:212] = b"\xff\xff"  # all red, over the green of phase 2
    rig.board.on_tscbm(bytes(data), arrived=rig.clock.mono(), address="10.0.0.5")
    assert rig.light() is Light.UNAVAILABLE
    assert rig.light(SignalKey("1-7", 1)) is Light.RED
    assert rig.counters.dropped(SignalReason.CONTRADICTION) == 1


def test_an_end_now_that_stays_is_an_unknown_end() -> None:
    rig = Rig()
    likely = []
    for k in range(6):
        moment = rig.clock.utc()
        rig.spat(
            Light.PERMISSIVE_GREEN if k < 5 else Light.RED,
            likely_end_utc_ns=moment,
            max_end_utc_ns=moment,
            min_end_utc_ns=moment,
        )
        state = rig.board.table(rig.clock.mono()).get(KEY)
        assert state is not None
        likely.append(state.likely_end)
        assert (state.max_end is None) == (state.likely_end is None)
        rig.clock.advance(0.1)
    assert [end is None for end in likely] == [False, False, True, True, True, False]


@pytest.mark.drops(SignalReason.FULL)
def test_the_board_is_bounded() -> None:
    rig = Rig()
    for k in range(100):
        rig.spat(intersection=IntersectionId(k, 1))
    assert len(rig.board.table(rig.clock.mono()).items()) == 64
    groups = tuple(SignalGroup(g, SignalEvent(Light.RED)) for g in range(300))
    told = SignalIntersection(IntersectionId(1, 1), groups)
    rig.board.on_signal_states(SignalStates((told,)), device="rsu-1", arrived=rig.clock.mono())
    assert rig.counters.dropped(SignalReason.FULL) == 36 + 44


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.integers(0, 400),
            st.sampled_from(list(Light)),
            st.one_of(st.none(), st.integers(-(10**10), 10**10)),
            st.floats(0.0, 0.3),
        ),
        max_size=60,
    )
)
def test_no_state_is_ever_older_than_allowed(
    told: list[tuple[int, int, Light, int | None, float]],
) -> None:
    rig = Rig()
    for number, group, light, shift, step in told:
        rig.clock.advance(step)
        ends = {} if shift is None else {"likely_end_utc_ns": rig.clock.utc() + shift}
        rig.spat(light, intersection=IntersectionId(number), group=group, **ends)
        table = rig.board.table(rig.clock.mono())
        assert all(rig.clock.mono() - state.heard <= 500_000_000 for _, state in table.items())
        assert not {key for key, _ in table.items()} & table.stale


def test_the_parts_of_a_datagram_have_names() -> None:
    told = decode_tscbm(capture())
    assert isinstance(told.masks, Masks)
    assert isinstance(told.phases[2], PhaseTimes)
    assert MonoNs(told.sequence) == 4


def test_what_the_radio_makes_up_never_keeps_the_sites_own_signals_out() -> None:
    rig = Rig(SignalSource(intersection="1-7"))
    for k in range(100, 200):
        rig.spat(intersection=IntersectionId(k, 1))
    rig.spat(Light.RED)
    assert rig.light() is Light.RED
    rig.clock.advance(0.6)
    rig.spat(intersection=IntersectionId(300, 1))
    assert rig.light(SignalKey("1-300", 2)) is Light.PROTECTED_GREEN


def test_a_controller_that_repeats_one_moment_goes_stale() -> None:
    rig = Rig(CONTROLLED)
    for expected in (True, False, False):
        used = rig.board.on_tscbm(capture(), arrived=rig.clock.mono(), address="10.0.0.5")
        assert used is expected
        rig.clock.advance(0.3)
    assert rig.light() is None
    assert rig.counters.dropped(SignalReason.OLD) == 2
