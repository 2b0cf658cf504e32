from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayside.rsu import RsuError, RsuReason
from wayside.rsu.radio import build_wsmp, parse_wsmp

octet = st.one_of(st.none(), st.integers(0, 255))


def test_version_3_by_hand() -> None:
    wsm = parse_wsmp(bytes.fromhex("03 00 20 03 aabbcc"))
    assert (wsm.version, wsm.psid, wsm.payload, wsm.channel) == (3, 0x20, b"\xaa\xbb\xcc", None)


def test_version_3_with_extensions_by_hand() -> None:
    octets = bytes.fromhex("0b 03 0f01b7 10010c 0401fb 00 8002 02 aabb 00")
    wsm = parse_wsmp(octets)
    assert (wsm.channel, wsm.data_rate, wsm.tx_power_dbm) == (183, 12, -5)
    assert (wsm.psid, wsm.payload, wsm.trailing_bytes) == (0x82, b"\xaa\xbb", 1)


def test_extensions_of_the_transport_header_are_passed_over() -> None:
    assert parse_wsmp(bytes.fromhex("03 01 20 01 1703010203 02 aabb")).payload == b"\xaa\xbb"


def test_version_2_by_hand() -> None:
    wsm = parse_wsmp(bytes.fromhex("02 20 0f01ac 10010c 80 0002 aabb"))
    assert (wsm.version, wsm.psid, wsm.channel, wsm.payload) == (2, 0x20, 172, b"\xaa\xbb")


@given(
    st.binary(max_size=300),
    st.integers(0, 0x1020407F),
    octet,
    octet,
    st.one_of(st.none(), st.integers(-128, 127)),
    st.sampled_from([2, 3]),
    st.binary(max_size=5),
)
def test_what_is_built_is_parsed(
    payload: bytes,
    psid: int,
    channel: int | None,
    rate: int | None,
    power: int | None,
    version: int,
    tail: bytes,
) -> None:
    octets = build_wsmp(payload, psid, channel=channel, data_rate=rate, tx_power_dbm=power, version=version)
    wsm = parse_wsmp(octets + tail)
    assert (wsm.version, wsm.psid, wsm.payload, wsm.channel) == (version, psid, payload, channel)
    assert (wsm.data_rate, wsm.tx_power_dbm, wsm.trailing_bytes) == (rate, power, len(tail))


@given(st.binary(max_size=80))
def test_any_octets_give_a_message_or_an_rsu_error(octets: bytes) -> None:
    try:
        wsm = parse_wsmp(octets)
    except RsuError:
        return
    assert wsm.payload in octets


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        ("", RsuReason.MALFORMED),
        ("03", RsuReason.MALFORMED),
        ("03 00", RsuReason.MALFORMED),
        ("03 00 20", RsuReason.MALFORMED),
        ("03 00 20 03 aabb", RsuReason.MALFORMED),
        ("03 00 20 c0 aabb", RsuReason.MALFORMED),
        ("0b 11", RsuReason.MALFORMED),
        ("0b 01 0f 09 01", RsuReason.MALFORMED),
        ("13 00 20 00", RsuReason.UNSUPPORTED),
        ("03 02 20 00", RsuReason.UNSUPPORTED),
        ("04 00 20 00", RsuReason.UNSUPPORTED),
        ("02 20 80 00", RsuReason.MALFORMED),
        ("02 20 81 0002 aabb", RsuReason.UNSUPPORTED),
        ("02 20" + "0f0100" * 17, RsuReason.MALFORMED),
    ],
)
def test_what_is_refused(octets: str, reason: RsuReason) -> None:
    with pytest.raises(RsuError) as caught:
        parse_wsmp(bytes.fromhex(octets))
    assert caught.value.reason is reason


def test_a_payload_without_a_length_is_refused() -> None:
    with pytest.raises(RsuError) as caught:
        build_wsmp(bytes(16_384), 0x20)
    assert (caught.value.reason, caught.value.limit) == (RsuReason.TOO_LARGE, 16_383)
