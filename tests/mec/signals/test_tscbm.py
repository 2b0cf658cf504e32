"""The datagram of a signal controller."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wayside.asn1.messages import Light
from wayside.mec.signals import Masks, PhaseTimes, SignalError, SignalReason, decode_tscbm
from wayside.mec.signals._lights import overlap_light, pedestrian_light, vehicle_light

U = 0xFFFF
ALL_RED = Masks(0xFFDD, 0x0000, 0x0022, 0xFFFF, 0, 0, 0xFFFF, 0, 0, 0, 0)


def datagram(
    times: dict[int, tuple[int, ...]] | None = None,
    masks: Masks = ALL_RED,
    *,
    tail: tuple[int, ...] = (0, 0, 8, 4, 1, 32, 33, 0),
    numbers: tuple[int, ...] = tuple(range(1, 17)),
    head: bytes = b"\xcd\x10",
    extra: bytes = b"",
) -> bytes:
    """A datagram from its parts; by default with the masks and tail of a controller's capture."""
    blocks = b"".join(struct.pack(">B6H", n, *(times or {}).get(n, (0,) * 6)) for n in numbers)
    return head + blocks + struct.pack(">11H", *masks) + struct.pack(">7BH", *tail) + extra


# What a controller sent: phases 2 and 6 green, all else red.
CAPTURE = datagram(
    {
        1: (40, U, 0, 0, 0, 0),
        2: (0, U, 0, U, 0, 0),
        4: (40, U, 40, U, 0, 0),
    }
)


def test_a_capture_reads_as_its_controller_meant() -> None:
    assert len(CAPTURE) == 241
    told = decode_tscbm(CAPTURE)
    assert told.phases[1] == PhaseTimes(40, None, 0, 0, 0, 0)
    assert told.phases[2] == PhaseTimes(0, None, 0, None, 0, 0)
    assert (told.phases[4].vehicle_min, told.phases[4].pedestrian_min) == (40, 40)
    assert all(told.phases[n] == PhaseTimes(0, 0, 0, 0, 0, 0) for n in range(9, 17))
    assert (told.status, told.timebase_action, told.discontinuity, told.sequence) == (0, 0, 8, 4)
    assert (told.hour, told.minute, told.second, told.millisecond) == (1, 32, 33, 0)
    assert (told.pedestrian_call, told.pedestrian_detect) == (None, None)
    lights = {n: vehicle_light(told.masks, n) for n in range(1, 17)}
    assert {n for n, light in lights.items() if light is Light.PROTECTED_GREEN} == {2, 6}
    assert {n for n, light in lights.items() if light is Light.RED} == {*range(1, 17)} - {2, 6}
    assert all(pedestrian_light(told.masks, n) is Light.RED for n in range(1, 17))
    assert all(overlap_light(told.masks, n) is Light.RED for n in range(1, 17))


def test_pedestrian_calls_at_the_end_are_optional() -> None:
    told = decode_tscbm(datagram(extra=b"\x00\x22\x00\x01"))
    assert (told.pedestrian_call, told.pedestrian_detect) == (0x22, 1)
    assert decode_tscbm(datagram(extra=b"\x00\x22")).pedestrian_detect is None


def test_a_block_that_is_not_used_has_number_nought() -> None:
    told = decode_tscbm(datagram(numbers=(1, 2, 3, 4, 5, 6, 7, 8) + (0,) * 8))
    assert sorted(told.phases) == list(range(1, 9))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"", SignalReason.TSCBM_LENGTH, marks=pytest.mark.drops(SignalReason.TSCBM_LENGTH)),
        (CAPTURE[:-1], SignalReason.TSCBM_LENGTH),
        (CAPTURE + bytes(5), SignalReason.TSCBM_LENGTH),
        pytest.param(
            datagram(head=b"\xce\x10"),
            SignalReason.TSCBM_HEADER,
            marks=pytest.mark.drops(SignalReason.TSCBM_HEADER),
        ),
        (datagram(head=b"\xcd\x08"), SignalReason.TSCBM_HEADER),
        pytest.param(
            datagram(numbers=(1, 1, *range(3, 17))),
            SignalReason.TSCBM_BLOCKS,
            marks=pytest.mark.drops(SignalReason.TSCBM_BLOCKS),
        ),
        (datagram(numbers=(*range(1, 16), 17)), SignalReason.TSCBM_BLOCKS),
        pytest.param(
            datagram(tail=(0, 0, 0, 0, 24, 0, 0, 0)),
            SignalReason.TSCBM_TIME,
            marks=pytest.mark.drops(SignalReason.TSCBM_TIME),
        ),
        (datagram(tail=(0, 0, 0, 0, 1, 0, 0, 1000)), SignalReason.TSCBM_TIME),
    ],
)
def test_what_is_no_such_datagram_is_refused(data: bytes, reason: SignalReason) -> None:
    with pytest.raises(SignalError) as refused:
        decode_tscbm(data)
    assert refused.value.reason is reason


@settings(max_examples=200, deadline=None)
@given(st.binary(min_size=230, max_size=250), st.booleans())
def test_any_octets_are_read_or_refused(data: bytes, shaped: bool) -> None:
    if shaped:
        data = b"\xcd\x10" + data[2:]
    try:
        told = decode_tscbm(data)
    except SignalError as error:
        assert isinstance(error.reason, SignalReason)
    else:
        assert set(told.phases) <= set(range(1, 17))


def masks(**lit: int) -> Masks:
    return Masks(**{**dict.fromkeys(Masks._fields, 0), **lit})


@pytest.mark.parametrize(
    ("lit", "light"),
    [
        ({"red": 1}, Light.RED),
        ({"yellow": 1}, Light.PROTECTED_YELLOW),
        ({"green": 1}, Light.PROTECTED_GREEN),
        ({"red": 1, "yellow": 1}, Light.RED_YELLOW),
        ({"red": 1, "flash_phases": 1}, Light.FLASHING_RED),
        ({"yellow": 1, "flash_phases": 1}, Light.FLASHING_YELLOW),
        ({"green": 1, "flash_phases": 1}, Light.FLASHING_GREEN),
        ({}, Light.DARK),
        ({"green": 2}, Light.DARK),
        ({"red": 1, "green": 1}, None),
        ({"yellow": 1, "green": 1}, None),
    ],
)
def test_masks_show_one_light(lit: dict[str, int], light: Light | None) -> None:
    assert vehicle_light(masks(**lit), 1) is light


def test_the_last_phase_has_the_highest_bit() -> None:
    assert vehicle_light(masks(green=0x8000), 16) is Light.PROTECTED_GREEN


def test_permissive_green_and_what_walkers_and_overlaps_see() -> None:
    assert vehicle_light(masks(green=1), 1, permissive=True) is Light.PERMISSIVE_GREEN
    assert vehicle_light(masks(yellow=1), 1, permissive=True) is Light.PERMISSIVE_YELLOW
    assert pedestrian_light(masks(walk=4), 3) is Light.PROTECTED_GREEN
    assert pedestrian_light(masks(pedestrian_clear=4), 3) is Light.PROTECTED_YELLOW
    assert pedestrian_light(masks(pedestrian_clear=4, dont_walk=4), 3) is Light.PROTECTED_YELLOW
    assert pedestrian_light(masks(walk=4, dont_walk=4), 3) is None
    assert overlap_light(masks(overlap_green=2, flash_overlaps=2), 2) is Light.FLASHING_GREEN
