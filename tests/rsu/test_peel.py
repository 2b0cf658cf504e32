from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wayside.clock import UtcNs
from wayside.rsu import J2735_IDS, Checked, RsuError, RsuReason, check_frame, frame_name
from wayside.rsu.radio import Form, Unchecked, build_wsmp, peel, wrap_signed_shape, wrap_unsecured

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "j2735.json").read_text("utf-8")
)
PADDED = [v for v in VECTORS if v.get("trailing_hex") and v["dialect"] == "j2735-2024"]
EXPECT = Unchecked(frozenset(J2735_IDS.values()))
NOW = UtcNs(1_773_993_600_000_000_000)


def check(frame: bytes) -> Checked:
    return check_frame("j2735-2024", frame)


def wrapped(form: Form, frame: bytes) -> bytes:
    if form in (Form.UNSECURED, Form.WSMP_UNSECURED):
        frame = wrap_unsecured(frame)
    elif form in (Form.SIGNED, Form.WSMP_SIGNED):
        frame = wrap_signed_shape(frame, 0x82, NOW, bytes(8))
    elif form is Form.SEARCHED:
        frame = b"\xee\xff" + frame
    return build_wsmp(frame, 0x82) if form.value.startswith("wsmp") else frame


@pytest.mark.parametrize("form", list(Form))
def test_each_form_is_told_and_opened(form: Form, spat_frames: list[bytes]) -> None:
    peeled, checked = peel(wrapped(form, spat_frames[0]), EXPECT, check)
    assert (peeled.form, peeled.frame) == (form, spat_frames[0])
    assert (checked.message, checked.octets) == ("SPAT", len(spat_frames[0]))
    assert peeled.psid == (0x82 if "wsmp" in form or "signed" in form else None)


@pytest.mark.parametrize("number", range(len(PADDED)))
def test_what_follows_a_real_message_is_no_part_of_it(number: int) -> None:
    vector = PADDED[number]
    octets = bytes.fromhex(vector["hex"])
    peeled, checked = peel(octets + bytes.fromhex(vector["trailing_hex"]), EXPECT, check)
    assert peeled.form is Form.BARE
    assert checked.octets == len(octets)


def test_a_frame_behind_a_proper_header_is_not_searched_around(spat_frames: list[bytes]) -> None:
    damaged = bytearray(spat_frames[0])
    damaged[2] = 0x7F
    with pytest.raises(RsuError) as caught:
        peel(build_wsmp(bytes(damaged) + spat_frames[1], 0x82), EXPECT, refuse_short)
    assert caught.value.reason is RsuReason.DECODE


def refuse_short(frame: bytes) -> Checked:
    """A stand-in that refuses the damaged frame, wherever a search might start."""
    checked = check(frame)
    if frame[2] == 0x7F:
        raise RsuError(RsuReason.DECODE, "damaged")
    return checked


def test_searching_can_be_turned_off(spat_frames: list[bytes]) -> None:
    with pytest.raises(RsuError) as caught:
        peel(b"\xee\xff" + spat_frames[0], Unchecked(EXPECT.ids, search=False), check)
    assert caught.value.reason is RsuReason.UNSUPPORTED


def test_searching_stops_after_a_few_places() -> None:
    seen: list[bytes] = []

    def never(frame: bytes) -> Checked:
        seen.append(frame)
        raise RsuError(RsuReason.DECODE, "none")

    with pytest.raises(RsuError):
        peel(b"\xee" + bytes.fromhex("00130100") * 200, EXPECT, never)
    assert len(seen) == 4


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=120))
def test_any_octets_give_a_message_or_an_rsu_error(octets: bytes) -> None:
    try:
        _, checked = peel(octets, EXPECT, check)
    except RsuError:
        return
    assert checked.message in J2735_IDS


@pytest.mark.parametrize("form", [form for form in Form if form is not Form.SEARCHED])
def test_flipped_octets_never_do_more_than_an_rsu_error(form: Form, spat_frames: list[bytes]) -> None:
    chance = random.Random(2)
    octets = wrapped(form, spat_frames[0])
    for at in range(len(octets)):
        damaged = bytearray(octets)
        damaged[at] ^= chance.randrange(1, 256)
        try:
            peel(bytes(damaged), EXPECT, check)
        except RsuError:
            continue


@pytest.mark.parametrize(
    ("dialect", "octets", "name"),
    [
        ("j2735-2024", "0012", "MAP"),
        ("j2735-2016", "0029", "SDSM"),
        ("csae53-2020", "0000", "BSM"),
        ("csae53-2020", "1000", "MAP"),
        ("csae53-2020", "2800", "RSM"),
        ("csae53-2017", "3000", "SPAT"),
        ("csae53-2020", "4000", "RSI"),
    ],
)
def test_a_frame_says_its_name(dialect: str, octets: str, name: str) -> None:
    assert frame_name(dialect, bytes.fromhex(octets)) == name


@pytest.mark.parametrize(
    ("dialect", "octets", "reason"),
    [
        ("j2735-2024", "00", RsuReason.MALFORMED),
        ("j2735-2024", "00ff", RsuReason.UNSUPPORTED),
        ("csae53-2020", "8000", RsuReason.UNSUPPORTED),
    ],
)
def test_a_frame_without_a_name_is_refused(dialect: str, octets: str, reason: RsuReason) -> None:
    with pytest.raises(RsuError) as caught:
        frame_name(dialect, bytes.fromhex(octets))
    assert caught.value.reason is reason


def test_a_frame_that_does_not_decode_says_where(spat_frames: list[bytes]) -> None:
    with pytest.raises(RsuError) as caught:
        check(spat_frames[0][:20])
    assert caught.value.reason is RsuReason.DECODE
    assert "bit" in caught.value.where
