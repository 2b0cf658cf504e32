from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayside.rsu import RsuError, RsuReason
from wayside.rsu.radio import decode_psid, encode_psid

KNOWN = [
    (0x20, "20"),
    (0x7F, "7f"),
    (0x80, "8000"),
    (0x82, "8002"),
    (0x83, "8003"),
    (0x407F, "bfff"),
    (0x4080, "c00000"),
    (0x20407F, "dfffff"),
    (0x204080, "e0000000"),
    (0x204095, "e0000015"),
    (0x204096, "e0000016"),
    (0x204097, "e0000017"),
]


@pytest.mark.parametrize(("psid", "octets"), KNOWN)
def test_known_psids_encode_and_decode(psid: int, octets: str) -> None:
    assert encode_psid(psid).hex() == octets
    assert decode_psid(bytes.fromhex(octets)) == (psid, len(octets) // 2)


@given(st.integers(0, 0x1020407F), st.binary(max_size=3), st.binary(max_size=3))
def test_any_psid_comes_back_from_any_place(psid: int, before: bytes, behind: bytes) -> None:
    octets = encode_psid(psid)
    assert decode_psid(before + octets + behind, len(before)) == (psid, len(before) + len(octets))


@pytest.mark.parametrize("psid", [-1, 0x10204080])
def test_a_number_without_encoding_is_refused(psid: int) -> None:
    with pytest.raises(RsuError) as caught:
        encode_psid(psid)
    assert caught.value.reason is RsuReason.CONFIG


@pytest.mark.parametrize("octets", ["", "80", "c000", "e00000", "f0000000", "ff"])
def test_octets_that_are_no_psid_are_refused(octets: str) -> None:
    with pytest.raises(RsuError) as caught:
        decode_psid(bytes.fromhex(octets))
    assert caught.value.reason is RsuReason.MALFORMED
