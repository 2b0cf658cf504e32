from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayside.rsu import RsuError, RsuReason, check_frame
from wayside.rsu.vendors.tits0117.wire import build_envelope, parse_envelope

VECTORS = Path(__file__).parents[2] / "vectors" / "csae.json"
NAMES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=8)
FRAMES = st.binary(min_size=1, max_size=300)


@pytest.mark.parametrize(
    ("message", "utc_ms", "frames", "octets"),
    [
        ("RSM", 1606393124710, ("28002013",), "755f69645f31323366d77d0476010000040028002013"),
        ("BSM", 1605340329636, ("002e", "002ca0"), "755f69645f313233a476bdc575010000020200002e0300002ca0"),
    ],
)
def test_the_octets_are_those_of_the_document(
    message: str, utc_ms: int, frames: tuple[str, ...], octets: str
) -> None:
    bodies = tuple(map(bytes.fromhex, frames))
    assert build_envelope(message, "u_id_123", utc_ms, bodies).hex() == octets
    assert parse_envelope(message, bytes.fromhex(octets)) == ("u_id_123", utc_ms, bodies)


SAMPLES = [v for v in json.loads(VECTORS.read_text("utf-8")) if "envelope_hex" in v]
CLOCKS = {"RSM": 1606393124710, "RSI": 1606396130616, "BSM": 1605340329636, "SPAT": 1605336902333}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda v: v["message"])
def test_public_samples_are_read_to_their_last_octet(sample: dict[str, str]) -> None:
    message = sample["message"].removesuffix("Frame").upper()
    data = bytes.fromhex(sample["envelope_hex"])
    wrapped = parse_envelope(message, data)
    assert (wrapped.name, wrapped.utc_ms) == ("u_id_123", CLOCKS[message])
    assert sample["hex"] in [frame.hex() for frame in wrapped.frames]
    for frame in wrapped.frames:
        assert check_frame("csae53-2020", frame).message == message
    assert build_envelope(message, *wrapped) == data


@given(st.sampled_from(["BSM", "MAP", "RSM", "SPAT", "RSI"]), NAMES, st.integers(0, 2**64 - 1), st.data())
def test_envelopes_come_back(message: str, name: str, utc_ms: int, data: st.DataObject) -> None:
    frames = data.draw(st.lists(FRAMES, min_size=1, max_size=5 if message == "BSM" else 1).map(tuple))
    for padding in ("nul", "space"):
        octets = build_envelope(message, name, utc_ms, frames, padding)  # type: ignore[arg-type]
        assert parse_envelope(message, octets) == (name, utc_ms, frames)


GOOD = bytes.fromhex("755f69645f31323366d77d0476010000040028002013")


@pytest.mark.parametrize(
    ("message", "data"),
    [
        ("RSM", b""),
        ("RSM", GOOD[:15]),
        ("RSM", GOOD[:17]),
        pytest.param("RSM", GOOD[:-1], marks=pytest.mark.drops(RsuReason.MALFORMED), id="short"),
        ("RSM", GOOD + b"\0"),
        ("RSM", GOOD[:16] + b"\x00\x04" + GOOD[18:]),
        ("RSM", GOOD[:16] + b"\x00\x00"),
        ("RSM", bytes(8) + GOOD[8:]),
        ("RSM", b"\xff" + GOOD[1:]),
        ("BSM", GOOD[:16]),
        ("BSM", GOOD[:16] + b"\x02\x01\x00\x00"),
        ("BSM", GOOD[:16] + b"\x01\x01\x00\x00\x00"),
    ],
)
def test_lengths_must_end_exactly(message: str, data: bytes) -> None:
    with pytest.raises(RsuError) as caught:
        parse_envelope(message, data)
    assert caught.value.reason is RsuReason.MALFORMED


@given(st.binary(max_size=60), st.sampled_from(["BSM", "RSM"]))
def test_any_octets_are_an_envelope_or_a_typed_error(data: bytes, message: str) -> None:
    try:
        wrapped = parse_envelope(message, data)
    except RsuError as error:
        assert error.reason is RsuReason.MALFORMED
    else:
        assert all(wrapped.frames)


@pytest.mark.parametrize(
    ("name", "frames", "reason"),
    [
        ("ninechars", (b"x",), RsuReason.CONFIG),
        ("u", (bytes(65_536),), RsuReason.TOO_LARGE),
    ],
)
def test_what_does_not_fit_is_refused(name: str, frames: tuple[bytes, ...], reason: RsuReason) -> None:
    with pytest.raises(RsuError) as caught:
        build_envelope("RSM", name, 0, frames)
    assert caught.value.reason is reason and caught.value.limit
