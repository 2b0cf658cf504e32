"""Extensible types: what a later edition sends is kept and encoded again exactly; what is known is read."""

import copy
import json
from typing import Any

import pytest

from wayside.asn1 import CodecReason, DecodeError, EncodeError, MessageSet
from wayside.asn1.compiler import build_text


def compiled(body: str) -> MessageSet:
    return MessageSet(build_text(f"T DEFINITIONS AUTOMATIC TAGS ::= BEGIN\n{body}\nEND"))


BASE = "N ::= INTEGER (0..255)\n"
V1 = compiled(BASE + "A ::= SEQUENCE { n N, ... }")
V2 = compiled(BASE + "A ::= SEQUENCE { n N, ..., a N, b BOOLEAN OPTIONAL }")
V3 = compiled(BASE + "A ::= SEQUENCE { n N, ..., a N, b BOOLEAN OPTIONAL, c OCTET STRING, d N OPTIONAL }")
GROUPS = compiled(
    BASE + "A ::= SEQUENCE { n N, ..., [[ p N, q N OPTIONAL ]], [[ r N OPTIONAL, s N DEFAULT 5 ]], t NULL }"
)
EDITIONS = [V1, V2, V3]


def packed(*bits: str) -> bytes:
    """Groups of binary digits as octets, padded with zero bits."""
    digits = "".join(bits).replace(" ", "")
    return int(digits.ljust(-len(digits) % 8 + len(digits), "0"), 2).to_bytes((len(digits) + 7) // 8, "big")


def both_ways(messages: MessageSet, octets: bytes, type_name: str = "A") -> Any:
    value = messages.decode(octets, type_name)
    assert messages.encode(value, type_name) == octets
    assert messages.encode(copy.deepcopy(value), type_name) == octets
    assert messages.encode(dict(value) if isinstance(value, dict) else value, type_name) == octets
    text = json.dumps(messages.to_json(value, type_name))
    assert messages.encode(messages.from_json(json.loads(text), type_name), type_name) == octets
    return value


def test_additions_absent_take_one_bit() -> None:
    assert V3.encode({"n": 1}, "A") == bytes.fromhex("0080")
    assert V3.decode(bytes.fromhex("0080"), "A") == {"n": 1}


def test_known_additions() -> None:
    value = {"n": 1, "a": 2, "b": True, "c": b"\x09", "d": 4}
    octets = V3.encode(value, "A")
    assert octets == packed(
        "1 00000001",  # extension bit, n
        "0 000011 1111",  # four bits of bitmap, all set
        "00000001 00000010",  # a: one octet
        "00000001 10000000",  # b
        "00000010 00000001 00001001",  # c: two octets, the first its own length
        "00000001 00000100",  # d
    )
    assert both_ways(V3, octets) == value


@pytest.mark.parametrize("reader", EDITIONS)
@pytest.mark.parametrize("writer", EDITIONS)
@pytest.mark.parametrize(
    "given",
    [{}, {"a": 2}, {"a": 2, "b": True}, {"a": 2, "c": b"xyz"}, {"a": 2, "b": False, "c": b"", "d": 7}],
)
def test_every_edition_keeps_what_another_wrote(
    writer: MessageSet, reader: MessageSet, given: dict[str, Any]
) -> None:
    known = writer.table.nodes[writer.table.types["A"]]
    names = {m.name for a in known.additions for m in a.members}  # type: ignore[union-attr]
    value = {"n": 1, **{k: v for k, v in given.items() if k in names}}
    octets = writer.encode(value, "A")
    seen = both_ways(reader, octets)
    again = writer.decode(reader.encode(seen, "A"), "A")
    assert {k: v for k, v in again.items() if k != "..."} == value


def test_unknown_additions_have_a_key_that_is_no_member_name() -> None:
    seen = V1.decode(V3.encode({"n": 1, "a": 2, "d": 4}, "A"), "A")
    assert seen == {"n": 1, "...": (4, {0: b"\x02", 3: b"\x04"})}


def test_bitmap_longer_than_known_with_nothing_in_it() -> None:
    octets = V1.encode({"n": 1, "...": (9, {})}, "A")
    assert both_ways(V1, octets) == {"n": 1, "...": (9, {})}


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 127, 128, 200, 1000])
def test_long_bitmaps(count: int) -> None:
    parts = {0: b"a", count - 1: b"z" * 130}
    assert both_ways(V1, V1.encode({"n": 1, "...": (count, parts)}, "A"))["..."] == (count, parts)


def test_more_than_64_known_additions() -> None:
    members = ", ".join(f"x{at} N OPTIONAL" for at in range(70))
    wide = compiled(BASE + f"A ::= SEQUENCE {{ n N, ..., {members} }}")
    value = {"n": 1, "x0": 3, "x63": 4, "x64": 5, "x69": 6}
    assert both_ways(wide, wide.encode(value, "A")) == value


def test_addition_longer_than_known() -> None:
    """A later edition may put more into an addition; the rest is kept behind what is known."""
    octets = V1.encode({"n": 1, "...": (2, {0: b"\x02\xaa\xbb", 1: b"\xc1"})}, "A")
    seen = both_ways(V2, octets)
    assert seen == {"n": 1, "a": 2, "b": True, "...": (2, {0: (b"\xaa\xbb", 16), 1: (b"\x82", 7)})}


def test_the_addition_after_a_longer_one_is_read_at_its_place() -> None:
    octets = V1.encode({"n": 1, "...": (4, {0: b"\x02" + b"\xff" * 200, 2: b"\x01c", 3: b"\x09"})}, "A")
    seen = both_ways(V3, octets)
    assert (seen["a"], seen["c"], seen["d"]) == (2, b"c", 9)


@pytest.mark.drops(CodecReason.OUT_OF_DATA)
def test_addition_shorter_than_known() -> None:
    shorter = V1.encode({"n": 1, "...": (4, {2: b"\x05ab"})}, "A")
    with pytest.raises(DecodeError) as refused:
        V3.decode(shorter, "A")
    assert (refused.value.reason, refused.value.path) == (CodecReason.OUT_OF_DATA, "c")


@pytest.mark.drops(CodecReason.BAD_LENGTH)
def test_known_addition_of_no_length() -> None:
    with pytest.raises(DecodeError) as refused:
        V2.decode(V1.encode({"n": 1, "...": (2, {0: b""})}, "A"), "A")
    assert (refused.value.reason, refused.value.path) == (CodecReason.BAD_LENGTH, "a")


def test_unknown_addition_of_no_length_is_kept() -> None:
    assert both_ways(V1, V1.encode({"n": 1, "...": (2, {1: b""})}, "A"))["..."] == (2, {1: b""})


@pytest.mark.parametrize(
    "value",
    [
        {"p": 1},
        {"p": 1, "q": 2},
        {"r": 3, "s": 5},
        {"s": 6},
        {"p": 1, "r": 3, "s": 5, "t": None},
        {"t": None},
    ],
)
def test_groups(value: dict[str, Any]) -> None:
    value = {"n": 1, **value}
    octets = GROUPS.encode(value, "A")
    assert both_ways(GROUPS, octets) == value
    both_ways(V1, octets)


def test_group_that_is_there_without_members() -> None:
    only_optional = compiled(BASE + "A ::= SEQUENCE { n N, ..., [[ r N OPTIONAL, s N OPTIONAL ]] }")
    octets = V1.encode({"n": 1, "...": (1, {0: b"\x00"})}, "A")
    assert both_ways(only_optional, octets) == {"n": 1, "...": (1, {0: (b"", 0)})}


@pytest.mark.drops(CodecReason.MISSING)
def test_group_without_its_mandatory_member() -> None:
    with pytest.raises(EncodeError) as refused:
        GROUPS.encode({"n": 1, "q": 2}, "A")
    assert (refused.value.reason, refused.value.path) == (CodecReason.MISSING, "p")


def test_members_behind_a_second_marker_belong_to_the_root() -> None:
    sandwich = compiled(BASE + "A ::= SEQUENCE { n N, ..., a N, ..., z BOOLEAN }")
    assert sandwich.encode({"n": 0, "z": True}, "A") == bytes.fromhex("0040")
    assert both_ways(sandwich, sandwich.encode({"n": 0, "z": True, "a": 1}, "A")) == {
        "n": 0,
        "z": True,
        "a": 1,
    }


@pytest.mark.parametrize(
    "extra",
    [
        7,
        (0, {}),
        (20000, {}),
        (2, {0: "text"}),
        (2, {"0": b""}),
        (2, {-1: b""}),
        (True, {}),
        [1, {}],
        (2, {1: (b"", 9)}),
    ],
)
@pytest.mark.drops(CodecReason.WRONG_TYPE)
def test_ill_formed_unknown_additions(extra: object) -> None:
    with pytest.raises(EncodeError) as refused:
        GROUPS.encode({"n": 1, "...": extra}, "A")
    assert refused.value.reason is CodecReason.WRONG_TYPE


def test_an_addition_given_twice_is_refused() -> None:
    with pytest.raises(EncodeError) as refused:
        V2.encode({"n": 1, "a": 2, "...": (2, {0: b"\x02"})}, "A")
    assert refused.value.path == '["..."]'


def test_path_into_an_unknown_addition() -> None:
    octets = V1.encode({"n": 1, "...": (2, {1: b"content"})}, "A")
    with pytest.raises(DecodeError) as refused:
        V1.decode(octets[:-1], "A")
    assert (refused.value.path, refused.value.reason) == ('["...1"]', CodecReason.OUT_OF_DATA)


CHOICE = compiled(BASE + "A ::= CHOICE { n N, o OCTET STRING, ..., a N, b BOOLEAN }")
NEWER = compiled(BASE + "A ::= CHOICE { n N, o OCTET STRING, ..., a N, b BOOLEAN, c NULL, d OCTET STRING }")
CLOSED = compiled(BASE + "A ::= CHOICE { n N, o OCTET STRING, p NULL }")


@pytest.mark.parametrize("value", [("n", 1), ("o", b"x"), ("a", 2), ("b", True), ("c", None), ("d", b"123")])
def test_choice_alternatives(value: tuple[str, Any]) -> None:
    octets = NEWER.encode(value, "A")
    assert both_ways(NEWER, octets) == value
    seen = both_ways(CHOICE, octets)
    assert seen == value or seen[0] == "..."
    hash(seen)


@pytest.mark.parametrize("index", [2, 63, 64, 255, 256, 2**31, 2**63 - 1])
def test_unknown_choice(index: int) -> None:
    value = ("...", (index, b"content"))
    assert both_ways(CHOICE, CHOICE.encode(value, "A")) == value


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        pytest.param(("x", 1), CodecReason.BAD_INDEX, marks=pytest.mark.drops(CodecReason.BAD_INDEX)),
        (("...", (2**63, b"")), CodecReason.WRONG_TYPE),
        (("...", (-1, b"")), CodecReason.WRONG_TYPE),
        (("...", b""), CodecReason.WRONG_TYPE),
        (["n", 1], CodecReason.WRONG_TYPE),
        (("n",), CodecReason.WRONG_TYPE),
        ((1, 1), CodecReason.WRONG_TYPE),
    ],
)
def test_refused_choice(value: object, reason: CodecReason) -> None:
    with pytest.raises(EncodeError) as refused:
        CHOICE.encode(value, "A")
    assert refused.value.reason is reason


def test_unknown_choice_of_a_closed_choice() -> None:
    with pytest.raises(EncodeError):
        CLOSED.encode(("...", (0, b"")), "A")
    with pytest.raises(DecodeError) as refused:
        CLOSED.decode(b"\xc0", "A")
    assert refused.value.reason is CodecReason.BAD_INDEX


@pytest.mark.parametrize("octets", ["c1098000000000000000 00", "c0 80", "c10900 00"])
def test_alternative_numbers_beyond_63_bits(octets: str) -> None:
    with pytest.raises(DecodeError):
        CHOICE.decode(bytes.fromhex(octets.replace(" ", "")), "A")


@pytest.mark.drops(CodecReason.TRAILING)
def test_known_alternative_longer_than_known() -> None:
    octets = CHOICE.encode(("...", (0, b"\x02\x03")), "A")
    with pytest.raises(DecodeError) as refused:
        CHOICE.decode(octets, "A")
    assert (refused.value.reason, refused.value.path) == (CodecReason.TRAILING, "a")


ENUM = compiled("A ::= ENUMERATED { x, y, z, ..., more }\nB ::= ENUMERATED { x, y, z }")


@pytest.mark.parametrize(
    "value", ["x", "y", "z", "more", "...1", "...63", "...64", f"...{2**31}", f"...{2**63 - 1}"]
)
def test_enumerated(value: str) -> None:
    assert both_ways(ENUM, ENUM.encode(value, "A")) == value


@pytest.mark.parametrize(
    "value", ["w", "", "...", "...x", "...01", "...-1", f"...{2**63}", f"...{10**30}", "...\u0661"]
)
def test_refused_names(value: str) -> None:
    with pytest.raises(EncodeError) as refused:
        ENUM.encode(value, "A")
    assert refused.value.reason is CodecReason.BAD_INDEX


def test_name_of_a_closed_enumerated() -> None:
    with pytest.raises(EncodeError):
        ENUM.encode("...0", "B")
    with pytest.raises(DecodeError) as refused:
        ENUM.decode(b"\xc0", "B")
    assert refused.value.reason is CodecReason.BAD_INDEX


def test_unknown_content_inside_a_run_of_members() -> None:
    """Members of fixed width are read at once; an unusual one among them falls back to reading singly."""
    row = compiled(
        "E ::= ENUMERATED { x, y, ..., more }\n"
        "A ::= SEQUENCE { a INTEGER (0..7), e E, b BIT STRING (SIZE(4,...)), "
        "i INTEGER (0..9,...), f BOOLEAN }"
    )
    for e in ("x", "more", "...7"):
        for b in ((b"\xa0", 4), (b"\xab\x80", 9), (b"", 0)):
            for i in (0, 9, 10, -1, 10**9):
                value = {"a": 5, "e": e, "b": b, "i": i, "f": True}
                assert both_ways(row, row.encode(value, "A")) == value
