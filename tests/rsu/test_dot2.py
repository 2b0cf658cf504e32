from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayside.clock import UtcNs
from wayside.rsu import RsuError, RsuReason
from wayside.rsu.radio import peel_dot2, wrap_signed_shape, wrap_unsecured

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "ieee1609dot2.json").read_text("utf-8")
)
NOW = UtcNs(1_773_993_600_000_000_000)


def signer_of(vector: dict[str, Any]) -> str:
    content = vector["decoded"]["content"]
    return content[1]["signer"][0] if content[0] == "signedData" else ""


@pytest.mark.parametrize("number", range(len(VECTORS)))
def test_real_wrappers_peel_exactly(number: int) -> None:
    vector = VECTORS[number]
    dot2 = peel_dot2(bytes.fromhex(vector["hex"]))
    assert dot2.payload.hex() == vector["inner_hex"]
    assert dot2.psid == vector.get("psid")
    assert dot2.signer == signer_of(vector)
    assert dot2.signed == (vector["message"] == "signedData")
    if dot2.signed:
        content = vector["decoded"]["content"][1]
        header = content["tbsData"]["headerInfo"]
        # Five leap seconds between 2004 and the vectors, which are from 2017 and later.
        assert dot2.generated == 1_072_915_195_000_000_000 + header["generationTime"] * 1_000
        assert (dot2.expires is None) == ("expiryTime" not in header)
        if dot2.signer == "digest":
            assert dot2.signer_id == content["signer"][1]


@given(st.binary(max_size=400), st.binary(max_size=9))
def test_unsecured_comes_back(payload: bytes, tail: bytes) -> None:
    dot2 = peel_dot2(wrap_unsecured(payload) + tail)
    assert (dot2.payload, dot2.signed, dot2.trailing_bytes) == (payload, False, len(tail))


@given(st.binary(max_size=400), st.integers(0, 0x1020407F))
def test_the_signed_shape_comes_back(payload: bytes, psid: int) -> None:
    dot2 = peel_dot2(wrap_signed_shape(payload, psid, NOW, bytes(range(8))))
    assert (dot2.payload, dot2.psid, dot2.signer) == (payload, psid, "digest")
    assert (dot2.signer_id, dot2.generated) == ("0001020304050607", NOW)


def test_every_optional_part_of_the_header_is_passed_over() -> None:
    preamble = 0b1111_1110
    header = bytes([preamble]) + bytes.fromhex("0120") + bytes(16) + bytes(10) + bytes(3)
    header += bytes.fromhex("80 010203 0004 0206c0 01aa 01bb")
    header += bytes.fromhex("80 00 80 82") + bytes(32)
    header += bytes.fromhex("0206c0 02aabb 00")
    octets = bytes.fromhex("03 81 00 40 03 80 02 1234") + header + b"\x82"
    dot2 = peel_dot2(octets)
    assert (dot2.payload, dot2.psid, dot2.signer) == (b"\x12\x34", 0x20, "self")


def test_a_symmetric_key_and_an_external_hash_are_passed_over() -> None:
    octets = bytes.fromhex("03 81 00 60 03 80 01 55 80") + bytes(32)
    octets += bytes.fromhex("02 0120 81 80") + bytes(16) + b"\x80" + bytes(8)
    assert peel_dot2(octets).payload == b"\x55"


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        ("", RsuReason.MALFORMED),
        ("03", RsuReason.MALFORMED),
        ("03 80 05 0014", RsuReason.MALFORMED),
        ("03 80 84ffffffff 00", RsuReason.MALFORMED),
        ("03 80 85 0000000000", RsuReason.MALFORMED),
        ("02 80 01 00", RsuReason.UNSUPPORTED),
        ("03 82 00", RsuReason.UNSUPPORTED),
        ("03 83 00", RsuReason.UNSUPPORTED),
        ("03 81 00 20" + "00" * 40, RsuReason.UNSUPPORTED),
        ("03 81 00 40 03 81 00 40 03 81 00 40 03 80 01 00", RsuReason.MALFORMED),
        ("03 81 00 40 03 80 01 00 00 0120 83", RsuReason.UNSUPPORTED),
        ("03 81 00 40 03 80 01 00 00 0120 81 01ff", RsuReason.MALFORMED),
        ("03 81 00 40 03 80 01 00 00 09" + "00" * 9, RsuReason.MALFORMED),
        ("03 81 00 40 03 80 01 00 80 0120 01", RsuReason.MALFORMED),
    ],
)
def test_what_is_refused(octets: str, reason: RsuReason) -> None:
    with pytest.raises(RsuError) as caught:
        peel_dot2(bytes.fromhex(octets))
    assert caught.value.reason is reason


@given(st.binary(max_size=120))
def test_any_octets_give_a_payload_or_an_rsu_error(octets: bytes) -> None:
    try:
        dot2 = peel_dot2(b"\x03\x81" + octets)
    except RsuError:
        return
    assert dot2.payload in octets


def test_every_flip_and_every_cut_of_real_wrappers_is_borne() -> None:
    chance = random.Random(1)
    for vector in VECTORS:
        octets = bytes.fromhex(vector["hex"])
        for at in range(len(octets)):
            flipped = bytearray(octets)
            flipped[at] ^= 1 << chance.randrange(8)
            for damaged in (bytes(flipped), octets[:at]):
                try:
                    peel_dot2(damaged)
                except RsuError:
                    continue
