"""What the translators refuse, and that nothing but TranslateError comes out of them."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wayside.asn1 import CodecError, load
from wayside.asn1.messages import BasicSafety, PerceivedObjects, Position, RoadMap, SignalStates
from wayside.asn1.translate import DIALECTS, TranslateError, TranslateReason, split, to_message, to_wire
from wayside.clock import UtcNs
from wayside.observe import stage_of

NEAR = UtcNs(1_773_993_600_000_000_000)
VECTORS = Path(__file__).parents[1] / "vectors"
BSM = BasicSafety(b"\1\2\3\4", 1, Position(39.0, 117.3))


@pytest.mark.drops(TranslateReason.UNSUPPORTED)
@pytest.mark.parametrize(
    ("dialect", "value"),
    (
        ("csae53-2017", ("bsmFrame", {})),
        ("csae53-2020", ("msgFrameExt", {})),
        ("csae53-2020", ("...", (5, b"\0"))),
        ("csae53-2020", {"messageId": 20, "value": {}}),
        ("csae53-2020", None),
        ("j2735-2024", {"messageId": 30, "value": {}}),
        ("j2735-2024", {"messageId": 20, "value": b"\0\1"}),
        ("j2735-2024", {"messageId": [], "value": {}}),
        ("j2735-2024", ("bsmFrame", {})),
    ),
)
def test_a_message_without_a_translator_is_unsupported(dialect: str, value: Any) -> None:
    with pytest.raises(TranslateError) as refused:
        to_message(dialect, value, near=NEAR)
    assert refused.value.reason is TranslateReason.UNSUPPORTED
    assert stage_of(refused.value.reason) == "translate"


@pytest.mark.drops(TranslateReason.UNSUPPORTED)
def test_a_dialect_without_a_translator_is_unsupported() -> None:
    with pytest.raises(TranslateError) as refused:
        to_wire("csae53-2017", BSM)
    assert refused.value.reason is TranslateReason.UNSUPPORTED
    with pytest.raises(TranslateError):
        split("csae53-2017", PerceivedObjects(b"", 0, Position(0.0, 0.0), ()))
    for dialect in DIALECTS:
        with pytest.raises(TranslateError) as refused:
            to_wire(dialect, object())  # type: ignore[arg-type]
        assert refused.value.reason is TranslateReason.UNSUPPORTED


@pytest.mark.drops(TranslateReason.MALFORMED)
@pytest.mark.parametrize("number", (18, 19, 20, 31, 41))
def test_a_j2735_value_of_the_wrong_shape_is_malformed(number: int) -> None:
    for inner in ({}, {"coreData": 3, "intersections": 4, "dataFrames": None, "refPos": []}):
        if number == 18 and not inner:
            continue
        with pytest.raises(TranslateError) as refused:
            to_message("j2735-2024", {"messageId": number, "value": inner}, near=NEAR)
        assert refused.value.reason is TranslateReason.MALFORMED


@pytest.mark.drops(TranslateReason.MALFORMED)
@pytest.mark.parametrize("name", ("bsmFrame", "mapFrame", "rsmFrame", "spatFrame", "rsiFrame"))
def test_a_csae_value_of_the_wrong_shape_is_malformed(name: str) -> None:
    for inner in ({}, {"pos": 1, "refPos": 2, "nodes": [3], "intersections": [4], "msgCnt": 5}):
        with pytest.raises(TranslateError) as refused:
            to_message("csae53-2020", (name, inner), near=NEAR)
        assert refused.value.reason is TranslateReason.MALFORMED


@pytest.mark.drops(TranslateReason.MALFORMED)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_message_with_members_of_the_wrong_type_is_malformed(dialect: str) -> None:
    wrong: list[Any] = [
        BasicSafety("four", 1, Position(39.0, 117.3)),  # type: ignore[arg-type]
        BasicSafety(b"\1\2\3\4", 1, None),  # type: ignore[arg-type]
        SignalStates((3,)),  # type: ignore[arg-type]
        RoadMap(1, ({},)),  # type: ignore[arg-type]
        BasicSafety(b"\1\2\3\4", 1, Position(39.0, 117.3), vehicle_class="car"),  # type: ignore[arg-type]
    ]
    for message in wrong:
        with pytest.raises(TranslateError) as refused:
            to_wire(dialect, message)
        assert refused.value.reason is TranslateReason.MALFORMED


def test_an_error_names_the_place_and_the_reason() -> None:
    with pytest.raises(TranslateError) as refused:
        to_wire("j2735-2024", BasicSafety(b"\1\2\3\4", 128, Position(39.0, 117.3)))
    assert refused.value.where == "msg_count"
    assert str(refused.value) == "msg_count: 128 is not within 0..127 [out_of_range]"


def octets_of(dialect: str) -> list[bytes]:
    name = "csae.json" if dialect.startswith("csae") else "j2735.json"
    entries = json.loads((VECTORS / name).read_text("utf-8"))
    return [bytes.fromhex(e["hex"]) for e in entries if e["dialect"] == dialect]


@pytest.mark.parametrize("dialect", DIALECTS)
@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_damaged_bytes_that_still_decode_are_translated_or_refused_with_the_one_error(
    dialect: str, seed: int
) -> None:
    chance = random.Random(seed)
    octets = bytearray(chance.choice(octets_of(dialect)))
    for _ in range(chance.randint(1, 6)):
        octets[chance.randrange(3, len(octets))] ^= 1 << chance.randrange(8)
    try:
        value = load(dialect).decode(bytes(octets))
    except CodecError:
        return
    try:
        message = to_message(dialect, value, near=NEAR).message
    except TranslateError as error:
        assert error.reason in (
            TranslateReason.UNSUPPORTED,
            TranslateReason.NO_POSITION,
            TranslateReason.OUT_OF_RANGE,
        ), error
        return
    for other in DIALECTS:
        try:
            encoded = to_wire(other, message)
        except TranslateError as error:
            assert error.reason is not TranslateReason.MALFORMED, error
            continue
        load(other).encode(encoded.value)
