from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayside.rsu import RsuError, RsuReason
from wayside.rsu.vendors.usdot_rsu41.wire import (
    MAX_TEXT_BYTES,
    ImmediateForward,
    build_text,
    parse_text,
    text_bytes,
)

SPAT = ImmediateForward(type="SPAT", psid=0x82, payload=bytes.fromhex("00130a"))
TEXT = (
    b"Version=0.7\nType=SPAT\nPSID=0x8002\nPriority=7\nTxMode=CONT\nTxChannel=183\nTxInterval=0\n"
    b"DeliveryStart=\nDeliveryStop=\nSignature=False\nEncryption=False\nPayload=00130A\n"
)
forwards = st.builds(
    ImmediateForward,
    type=st.sampled_from(["SPAT", "MAP", "TIM", "SDSM"]),
    psid=st.integers(0, 0x1020407F),
    payload=st.binary(min_size=1, max_size=200),
    priority=st.integers(0, 7),
    tx_mode=st.sampled_from(["CONT", "ALT"]),
    channel=st.integers(172, 184),
    interval_ms=st.integers(0, 65_535),
    signature=st.booleans(),
    encryption=st.booleans(),
)


def test_the_text_is_exact() -> None:
    assert build_text(SPAT) == TEXT


@pytest.mark.parametrize(("psid", "kind", "head"), [(0x82, "SPAT", 155), (0x204097, "MAP", 158)])
def test_the_size_is_what_the_interface_says(psid: int, kind: str, head: int) -> None:
    message = ImmediateForward(type=kind, psid=psid, payload=bytes(100))
    assert len(build_text(message)) == head + 200 == text_bytes(message, 100)


@given(forwards)
def test_what_is_built_is_parsed(message: ImmediateForward) -> None:
    assert parse_text(build_text(message), strict_order=True) == message


def test_another_order_is_borne_unless_strict() -> None:
    lines = TEXT.splitlines(keepends=True)
    swapped = b"".join([lines[1], lines[0], *lines[2:]])
    assert parse_text(swapped) == SPAT
    with pytest.raises(RsuError) as caught:
        parse_text(swapped, strict_order=True)
    assert caught.value.reason is RsuReason.MALFORMED


def test_carriage_returns_and_a_missing_end_are_borne() -> None:
    assert parse_text(TEXT.replace(b"\n", b"\r\n")[:-2]) == SPAT


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        (b"Type=SPAT\n", b"", "Type"),
        (b"0x8002", b"0x80", "octet 0"),
        (b"0x8002", b"0x800200", "PSID"),
        (b"0x8002", b"hello", "PSID"),
        (b"Priority=7", b"Priority=8", "Priority"),
        (b"Priority=7", "Priority=٧".encode(), "octet 43"),
        (b"TxMode=CONT", b"TxMode=OFTEN", "TxMode"),
        (b"TxChannel=183", b"TxChannel=185", "TxChannel"),
        (b"TxInterval=0", b"TxInterval=-1", "TxInterval"),
        (b"Signature=False", b"Signature=No", "Signature"),
        (b"00130A", b"00130", "Payload"),
        (b"00130A", b"", "Payload"),
        (b"Encryption=False\n", b"Encryption=False\nEncryption=False\n", "line 12"),
        (b"Encryption=False\n", b"Secret=1\n", "line 11"),
        (b"Encryption=False\n", b"\n", "line 11"),
    ],
)
def test_what_is_refused_and_where(old: bytes, new: bytes, where: str) -> None:
    with pytest.raises(RsuError) as caught:
        parse_text(TEXT.replace(old, new))
    assert (caught.value.reason, caught.value.where) == (RsuReason.MALFORMED, where)


def test_a_text_without_end_is_refused() -> None:
    with pytest.raises(RsuError) as caught:
        parse_text(b"0" * (MAX_TEXT_BYTES + 1))
    assert caught.value.reason is RsuReason.TOO_LARGE


@given(st.binary(max_size=200))
def test_any_octets_give_a_text_or_an_rsu_error(octets: bytes) -> None:
    try:
        parse_text(octets)
    except RsuError as error:
        assert error.reason is RsuReason.MALFORMED


def test_flipped_octets_never_do_more_than_an_rsu_error() -> None:
    chance = random.Random(3)
    for at in range(len(TEXT)):
        damaged = bytearray(TEXT)
        damaged[at] ^= chance.randrange(1, 256)
        try:
            parse_text(bytes(damaged))
        except RsuError:
            continue
