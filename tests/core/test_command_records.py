"""Commands on the wire: what goes in comes out, what is none is refused."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayside.records import (
    MAX_COMMAND_BYTES,
    MAX_COMMAND_PAGE_BYTES,
    MAX_COMMANDS,
    CommandBody,
    CommandPage,
    CommandRecord,
    DismissEvent,
    PostSign,
    RecordError,
    RecordReason,
    SwitchApp,
    WithdrawSign,
    decode_command,
    decode_command_page,
    encode_command,
    encode_command_page,
)

names = st.text(min_size=1, max_size=64)
instants = st.integers(0, 2**63 - 1)
signs = st.builds(
    PostSign,
    names,
    st.integers(0, 65_535),
    st.floats(-90.0, 90.0),
    st.floats(-180.0, 180.0),
    st.text(max_size=256),
    st.none() | st.floats(0.1, 70.0),
    st.none() | st.floats(0.0, 359.0),
    st.floats(0.1, 2_000.0),
    st.lists(st.text(max_size=128), max_size=8).map(tuple),
    st.none() | instants,
    st.none() | instants,
)
bodies = (
    signs
    | st.builds(WithdrawSign, names)
    | st.builds(DismissEvent, names, st.floats(0.0, 86_400.0))
    | st.builds(SwitchApp, names, st.booleans())
)
commands = st.builds(CommandRecord, names, names, names, instants, instants, bodies)


@given(commands)
def test_a_command_comes_out_as_it_went_in(command: CommandRecord) -> None:
    data = encode_command(command)
    assert len(data) <= MAX_COMMAND_BYTES
    assert decode_command(data) == command


@given(st.binary(max_size=200))
def test_any_octets_are_a_command_or_one_typed_error(data: bytes) -> None:
    try:
        decode_command(data)
    except RecordError as error:
        assert error.reason is RecordReason.MALFORMED


@pytest.mark.parametrize(
    "body",
    [
        PostSign("s", 85, 91.0, 0.0),
        PostSign("s", 70_000, 0.0, 0.0),
        PostSign("s", 85, 0.0, 0.0, radius_m=0.0),
        PostSign("s", 85, 0.0, 0.0, speed_limit_mps=100.0),
        PostSign("", 85, 0.0, 0.0),
        DismissEvent("e", -1.0),
        DismissEvent("e", float("nan")),
        SwitchApp("x" * 65, True),
    ],
)
def test_values_out_of_range_are_refused(body: CommandBody) -> None:
    with pytest.raises(RecordError) as caught:
        decode_command(encode_command(CommandRecord("c", "a", "li", 0, 1, body)))
    assert caught.value.reason is RecordReason.MALFORMED


@pytest.mark.drops(RecordReason.MALFORMED)
def test_a_text_that_is_not_utf_8_is_malformed() -> None:
    data = encode_command(CommandRecord("c", "a", "li", 0, 1, SwitchApp("hlw", True))).replace(
        b"li", b"l\xff"
    )
    with pytest.raises(RecordError) as caught:
        decode_command(data)
    assert caught.value.reason is RecordReason.MALFORMED


def test_pages_are_bounded() -> None:
    full = CommandPage((b"x",) * MAX_COMMANDS, 7)
    assert decode_command_page(encode_command_page(full)) == full
    for data, reason in (
        (msgspec.msgpack.encode({"commands": [b"x"] * (MAX_COMMANDS + 1)}), RecordReason.MALFORMED),
        (b"\x91" * 5_000, RecordReason.MALFORMED),
        (bytes(MAX_COMMAND_PAGE_BYTES + 1), RecordReason.TOO_LARGE),
    ):
        with pytest.raises(RecordError) as caught:
            decode_command_page(data)
        assert caught.value.reason is reason
