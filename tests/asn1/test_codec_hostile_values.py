"""Python values made to do harm: only EncodeError comes out, no wrong octets, and the work stays bounded."""

from collections.abc import Callable
from enum import StrEnum
from time import process_time
from typing import Any

import pytest

from wayside.asn1 import CodecError, CodecReason, DecodeError, EncodeError, Limits, MessageSet, load
from wayside.asn1.compiler import build_text

TEXT = """
Name ::= ENUMERATED { red, green, ... }
Pick ::= CHOICE { a INTEGER (0..255), b NULL, ... }
Letters ::= IA5String (SIZE(1..9))
Few ::= IA5String (FROM ("A".."D"))
Utf ::= UTF8String
Oid ::= OBJECT IDENTIFIER
Octets ::= OCTET STRING
List ::= SEQUENCE OF OCTET STRING
Record ::= SEQUENCE { a NULL OPTIONAL, b NULL OPTIONAL }
Records ::= SEQUENCE OF Record
Picks ::= SEQUENCE OF CHOICE { a NULL, b NULL }
Tree ::= SEQUENCE { left Tree OPTIONAL, right Tree OPTIONAL }
Later ::= SEQUENCE { ..., left Later, right Later }
"""
SET = MessageSet(build_text(f"T DEFINITIONS AUTOMATIC TAGS ::= BEGIN {TEXT} END"))


class ItemIsObject(str):
    def __getitem__(self, at: object) -> Any:
        return object()


class LiesOfItself(str):
    """Says that it is ASCII digits, and hands out what a caller cannot use."""

    def isascii(self) -> bool:
        return True

    def isdigit(self) -> bool:
        return True

    def startswith(self, *args: Any) -> bool:
        return True

    def encode(self, *args: Any) -> Any:
        return [300] * len(self)

    def split(self, *args: Any) -> Any:
        return ["1", "2", "3"]

    def __int__(self) -> int:
        return -5

    def __iter__(self) -> Any:
        return iter("AAAA")


class Raises(str):
    def __str__(self) -> str:
        raise ZeroDivisionError

    def __format__(self, spec: str) -> str:
        raise ZeroDivisionError

    def __getitem__(self, at: object) -> Any:
        return self

    def __bool__(self) -> bool:
        raise ZeroDivisionError


@pytest.mark.parametrize("kind", [ItemIsObject, LiesOfItself, Raises])
@pytest.mark.parametrize("type_name", ["Name", "Pick", "Letters", "Few", "Utf", "Oid"])
@pytest.mark.parametrize("text", ["x", "...9", "red", "ABC", "a", "1.2.3", "\ud800", "路"])
def test_a_str_of_foreign_behaviour_is_what_its_characters_are(
    kind: type[str], type_name: str, text: str
) -> None:
    def result(content: str) -> bytes | tuple[CodecReason, str, str]:
        value: Any = (content, 7) if type_name == "Pick" else content
        try:
            return SET.encode(value, type_name)
        except EncodeError as error:
            return error.reason, error.path, error.detail

    assert result(kind(text)) == result(text)


def test_members_of_a_str_enum_are_names() -> None:
    class Colour(StrEnum):
        GREEN = "green"

    assert SET.encode(Colour.GREEN, "Name") == SET.encode("green", "Name")


@pytest.mark.parametrize(
    "call",
    [
        lambda name: SET.encode(1, name),
        lambda name: SET.decode(b"\x00", name),
        lambda name: SET.to_json(1, name),
        lambda name: SET.from_json(1, name),
    ],
)
def test_a_type_name_of_foreign_behaviour_is_unknown(call: Callable[[Any], object]) -> None:
    class Name:
        def __str__(self) -> str:
            raise ZeroDivisionError

    with pytest.raises(CodecError) as refused:
        call(Name())
    assert refused.value.reason is CodecReason.UNKNOWN_TYPE


@pytest.mark.parametrize(
    ("value", "type_name"),
    [
        (5, "Pick"),
        (("x", 1), "Pick"),
        ((), "Pick"),
        (("...", 5), "Pick"),
        (5, "Octets"),
        ((b"", 1), "Octets"),
        (5, "List"),
        ([5], "List"),
        (5, "Record"),
        ({"...": 5}, "Later"),
        ({"...": (1, {0: (5, 5)})}, "Later"),
    ],
)
def test_what_was_never_decoded_has_no_json_form(value: Any, type_name: str) -> None:
    with pytest.raises(EncodeError) as refused:
        SET.to_json(value, type_name)
    assert refused.value.reason is CodecReason.WRONG_TYPE


def test_json_form_of_unknown_additions_with_numbers_that_are_no_text() -> None:
    with pytest.raises(EncodeError) as refused:
        SET.from_json({"...": [1, {1: "00"}]}, "Later")
    assert refused.value.path == '["..."]'


@pytest.mark.parametrize("value", [(1 << 100000, 1), (), {"messageId": -(1 << 100000)}, ("...", (9, b""))])
def test_frame_without_a_name(value: Any) -> None:
    assert load("csae53-2020").frame_name(value) == "unknown"


def refused_soon(value: Any, type_name: str, messages: MessageSet = SET) -> EncodeError:
    start = process_time()
    with pytest.raises(EncodeError) as refused:
        messages.encode(value, type_name)
    assert process_time() - start < 1.0
    return refused.value


def test_one_value_many_times_ends_at_the_octet_limit() -> None:
    error = refused_soon([b"x" * 60000] * 100000, "List")
    assert error.reason is CodecReason.TOO_LONG
    assert error.bit_offset < 2 * 65536 * 8


def test_more_octets_than_the_limit_in_one_value() -> None:
    assert refused_soon(bytes(50_000_000), "Octets").reason is CodecReason.TOO_LONG


def test_a_tree_that_shares_its_branches_ends_at_the_octet_limit() -> None:
    tree: dict[str, Any] = {}
    for _ in range(60):
        tree = {"left": tree, "right": tree}
    assert refused_soon(tree, "Tree").reason is CodecReason.TOO_LONG


def test_a_tree_of_additions_that_shares_its_branches_ends_at_the_octet_limit() -> None:
    tree: dict[str, Any] = {}
    for _ in range(60):
        tree = {"left": tree, "right": tree}
    assert refused_soon(tree, "Later").reason is CodecReason.TOO_LONG


def test_a_value_that_holds_itself() -> None:
    tree: dict[str, Any] = {}
    tree["left"] = tree
    assert refused_soon(tree, "Tree").reason is CodecReason.TOO_DEEP


@pytest.mark.parametrize(("value", "type_name"), [([{}], "Records"), ([("b", None)], "Picks")])
def test_many_elements_of_few_bits_take_time_in_proportion(value: list[Any], type_name: str) -> None:
    start = process_time()
    octets = SET.encode(value * 130_000, type_name)
    assert process_time() - start < 1.0
    assert SET.decode(octets, type_name) == value * 130_000


def test_long_text_takes_time_in_proportion() -> None:
    wide = MessageSet(
        build_text("T DEFINITIONS AUTOMATIC TAGS ::= BEGIN Any ::= IA5String END"), Limits(max_octets=2**20)
    )
    text = "".join(chr(at % 128) for at in range(1_000_000))
    octets = wide.encode(text, "Any")
    start = process_time()
    assert wide.decode(octets, "Any") == text
    assert process_time() - start < 1.0


def test_octets_up_to_the_limit_pass() -> None:
    small = MessageSet(SET.table, Limits(max_octets=300))
    assert len(small.encode(bytes(298), "Octets")) == 300
    assert refused_soon(bytes(299), "Octets", small).reason is CodecReason.TOO_LONG
    with pytest.raises(DecodeError) as refused:
        small.decode(bytes(301), "Octets")
    assert refused.value.reason is CodecReason.TOO_LONG
