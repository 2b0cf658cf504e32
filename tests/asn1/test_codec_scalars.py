"""Numbers, sizes, strings: known encodings, bounds, fragments, and what is refused."""

from typing import Any

import pytest

from wayside.asn1 import CodecReason, DecodeError, EncodeError, Limits, MessageSet
from wayside.asn1.compiler import build_text

TEXT = """
T DEFINITIONS AUTOMATIC TAGS ::= BEGIN
Byte ::= INTEGER (0..255)
Shifted ::= INTEGER (-5..2)
One ::= INTEGER (7)
Wide ::= INTEGER (-9223372036854775808..9223372036854775807)
Huge ::= INTEGER (0..18446744073709551615)
From ::= INTEGER (5..MAX)
UpTo ::= INTEGER (MIN..5)
Any ::= INTEGER
Ext ::= INTEGER (0..15, ...)
Union ::= INTEGER (0..3 | 5)
UnionExt ::= INTEGER (0..3 | 5, ...)
Flag ::= BOOLEAN
Empty ::= NULL
Bits ::= BIT STRING
Bits3 ::= BIT STRING (SIZE(3))
BitsExt ::= BIT STRING (SIZE(4, ...))
BitsVar ::= BIT STRING (SIZE(0..20))
Named ::= BIT STRING { a(0), b(3) }
NamedVar ::= BIT STRING { a(0), b(3) } (SIZE(2..8))
NamedFix ::= BIT STRING { a(0), b(3) } (SIZE(5))
NamedExt ::= BIT STRING { a(0), b(3) } (SIZE(5, ...))
Octets ::= OCTET STRING
Octets2 ::= OCTET STRING (SIZE(2))
OctetsVar ::= OCTET STRING (SIZE(1..4))
OctetsExt ::= OCTET STRING (SIZE(1..2, ...))
OctetsBig ::= OCTET STRING (SIZE(0..70000))
Text ::= IA5String
TextVar ::= IA5String (SIZE(1..4))
TextExt ::= IA5String (SIZE(1..2, ...))
Digits ::= NumericString (SIZE(1..8))
Letters ::= IA5String (FROM("a".."e")) (SIZE(0..6))
Only ::= IA5String (FROM("x")) (SIZE(0..6))
Utf ::= UTF8String
Oid ::= OBJECT IDENTIFIER
List ::= SEQUENCE OF BOOLEAN
ListExt ::= SEQUENCE (SIZE(1..2, ...)) OF Byte
Nulls ::= SEQUENCE OF NULL
Nest ::= SEQUENCE { value Byte, inner Nest OPTIONAL }
Tree ::= SEQUENCE OF Tree
Loop ::= CHOICE { leaf NULL, branch Twig }
Twig ::= SEQUENCE { loop Loop }
Defaulted ::= SEQUENCE { a BOOLEAN DEFAULT TRUE, b INTEGER (0..7) DEFAULT 3, c Byte }
Run ::= SEQUENCE { a Byte, b Bits3, c Octets2, d Flag, e Empty, f Inner }
Inner ::= SEQUENCE { x Shifted, y One }
END
"""
SET = MessageSet(build_text(TEXT), Limits(max_octets=400_000, max_elements=200_000, max_depth=20))


def both_ways(value: Any, type_name: str) -> bytes:
    octets = SET.encode(value, type_name)
    assert SET.decode(octets, type_name) == value
    if len(octets) < 1000:
        assert SET.from_json(SET.to_json(value, type_name), type_name) == value
        empty = SET.decode_prefix(octets, type_name)[1] == 0
        for length in range(len(octets) - empty):
            with pytest.raises(DecodeError):
                SET.decode(octets[:length], type_name)
    return octets


KNOWN = [
    ("Byte", 0, "00"),
    ("Byte", 255, "ff"),
    ("Shifted", -5, "00"),
    ("Shifted", 2, "e0"),
    ("One", 7, "00"),
    ("Wide", -(2**63), "0000000000000000"),
    ("Wide", 2**63 - 1, "ffffffffffffffff"),
    ("Huge", 2**64 - 1, "ffffffffffffffff"),
    ("From", 5, "0100"),
    ("From", 10, "0105"),
    ("From", 260, "01ff"),
    ("From", 261, "020100"),
    ("UpTo", 5, "0105"),
    ("UpTo", -129, "02ff7f"),
    ("Any", 0, "0100"),
    ("Any", 127, "017f"),
    ("Any", 128, "020080"),
    ("Any", -128, "0180"),
    ("Any", -129, "02ff7f"),
    ("Any", 2**64, "09010000000000000000"),
    ("Ext", 15, "78"),
    ("Ext", 16, "808800"),
    ("Ext", -1, "80ff80"),
    ("Union", 5, "a0"),
    ("UnionExt", 4, "808200"),
    ("Flag", True, "80"),
    ("Flag", False, "00"),
    ("Empty", None, "00"),
    ("Bits", (b"\xa0", 3), "03a0"),
    ("Bits3", (b"\xa0", 3), "a0"),
    ("BitsExt", (b"\xa0", 4), "50"),
    ("BitsExt", (b"\xa8", 5), "82d4"),
    ("BitsExt", (b"", 0), "8000"),
    ("BitsVar", (b"", 0), "00"),
    ("NamedFix", (b"\x80", 5), "80"),
    ("NamedExt", (b"\x80\x00", 9), "84c000"),
    ("Octets", b"", "00"),
    ("Octets2", b"\x01\x02", "0102"),
    ("OctetsVar", b"\x01", "0040"),
    ("OctetsExt", b"abc", "81b0b13180"),
    ("Text", "ab", "02c388"),
    ("TextVar", "\x00\x7f", "407f"),
    ("Digits", "19 0", "654020"),
    ("Letters", "ace", "6140"),
    ("Only", "xxx", "60"),
    ("Utf", "é", "02c3a9"),
    ("Oid", "2.999.3", "03883703"),
    ("Oid", "1.0.4294967296", "06289080808000"),
    ("Oid", "0.39", "0127"),
    ("List", [True, False, True], "03a0"),
    ("ListExt", [1], "0040"),
    ("ListExt", [1, 2, 3], "8180810180"),
    ("Nulls", [None] * 3, "03"),
    ("Defaulted", {"a": True, "b": 3, "c": 1}, "0040"),
    ("Defaulted", {"a": False, "b": 3, "c": 1}, "8020"),
]


@pytest.mark.parametrize(("type_name", "value", "octets"), KNOWN)
def test_known_encodings(type_name: str, value: Any, octets: str) -> None:
    assert both_ways(value, type_name).hex() == octets


@pytest.mark.drops(CodecReason.OUT_OF_RANGE)
@pytest.mark.parametrize(
    ("type_name", "value"),
    [
        ("Byte", -1),
        ("Byte", 256),
        ("Byte", 2**63),
        ("Byte", 2**64),
        ("Byte", -(2**63) - 1),
        ("Shifted", -6),
        ("Shifted", 3),
        ("One", 6),
        ("One", 8),
        ("Wide", 2**63),
        ("Wide", -(2**63) - 1),
        ("Huge", 2**64),
        ("From", 4),
        ("UpTo", 6),
        ("Union", 4),
        ("Union", 6),
        ("Any", 2**512),
        ("Ext", -(2**512)),
        pytest.param("Byte", 10**5000, id="Byte-of-5000-digits"),
        ("Bits3", (b"\xa0", 4)),
        ("Bits3", (b"\xa0", 2)),
        ("BitsVar", (b"\0\0\0", 21)),
        ("NamedVar", (b"\x00\x80", 9)),
        ("Octets2", b"\1"),
        ("Octets2", b"\1\2\3"),
        ("OctetsVar", b""),
        ("OctetsVar", b"12345"),
        ("TextVar", ""),
        ("TextVar", "12345"),
        ("Digits", "123456789"),
    ],
)
def test_out_of_range_is_refused_on_encode(type_name: str, value: Any) -> None:
    with pytest.raises(EncodeError) as refused:
        SET.encode(value, type_name)
    assert refused.value.reason is CodecReason.OUT_OF_RANGE


@pytest.mark.parametrize(
    ("type_name", "octets", "reason"),
    [
        ("Union", "80", CodecReason.OUT_OF_RANGE),
        ("Union", "c0", CodecReason.OUT_OF_RANGE),
        ("UpTo", "0106", CodecReason.OUT_OF_RANGE),
        ("BitsVar", "a800000000", CodecReason.OUT_OF_RANGE),
        ("OctetsBig", "c1" + "00" * 16384 + "c4" + "00" * 65536 + "00", CodecReason.OUT_OF_RANGE),
        ("Any", "00", CodecReason.BAD_LENGTH),
        ("Any", "41" + "00" * 65, CodecReason.BAD_LENGTH),
        ("From", "00", CodecReason.BAD_LENGTH),
        ("Any", "c1" + "00" * 20, CodecReason.BAD_LENGTH),
        ("Octets", "c0", CodecReason.BAD_LENGTH),
        ("Octets", "c5" + "00" * 100, CodecReason.BAD_LENGTH),
        ("Letters", "3c", CodecReason.BAD_TEXT),
        ("Digits", "1e", CodecReason.BAD_TEXT),
        ("Utf", "02c328", CodecReason.BAD_TEXT),
        ("Utf", "02c080", CodecReason.BAD_TEXT),
        ("Utf", "01c3", CodecReason.BAD_TEXT),
        ("Oid", "00", CodecReason.BAD_TEXT),
        ("Oid", "0181", CodecReason.BAD_TEXT),
        ("Oid", "028001", CodecReason.BAD_TEXT),
        ("Oid", "1e" + "ff" * 29 + "01", CodecReason.BAD_TEXT),
        ("Octets", "05ffff", CodecReason.OUT_OF_DATA),
        ("List", "ff", CodecReason.BAD_LENGTH),
        ("List", "bfff", CodecReason.OUT_OF_DATA),
        ("List", "c4", CodecReason.OUT_OF_DATA),
    ],
)
def test_refused_on_decode(type_name: str, octets: str, reason: CodecReason) -> None:
    data = bytes.fromhex(octets)
    with pytest.raises(DecodeError) as refused:
        SET.decode(data, type_name)
    assert refused.value.reason is reason
    assert 0 <= refused.value.bit_offset <= len(data) * 8


@pytest.mark.drops(CodecReason.BAD_TEXT)
@pytest.mark.parametrize(
    ("type_name", "value"),
    [
        ("Text", "é"),
        ("TextVar", "\x80"),
        ("Digits", "a"),
        ("Letters", "f"),
        ("Utf", "\ud800"),
        ("Oid", ""),
        ("Oid", "1"),
        ("Oid", "3.1"),
        ("Oid", "1.40"),
        ("Oid", "1.01"),
        ("Oid", "1.-1"),
        ("Oid", f"1.2.{2**129}"),
        ("Oid", "1.2." + "9" * 6000),
        ("Oid", "1.\u0662"),
    ],
)
def test_bad_text_is_refused_on_encode(type_name: str, value: str) -> None:
    with pytest.raises(EncodeError) as refused:
        SET.encode(value, type_name)
    assert refused.value.reason is CodecReason.BAD_TEXT


class Hostile:
    def __index__(self) -> int:
        raise RuntimeError

    def __hash__(self) -> int:
        raise RuntimeError

    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    def __len__(self) -> int:
        raise RuntimeError


class HostileKey(str):
    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("not equal to anything")

    __hash__ = str.__hash__


@pytest.mark.drops(CodecReason.WRONG_TYPE)
@pytest.mark.parametrize(
    "value", [True, 1.0, "1", None, b"1", [1], {}, (1,), Hostile(), object, 1j, {"a": 1}.keys()]
)
def test_any_other_python_value_is_refused(value: Any) -> None:
    for type_name in SET.type_names:
        try:
            SET.encode(value, type_name)
        except EncodeError as error:
            assert error.reason is not CodecReason.UNKNOWN_TYPE
        else:
            node = type(SET.table.nodes[SET.table.types[type_name]]).__name__
            assert (type(value), node) in {
                (bool, "Boolean"),
                (str, "Text"),
                (str, "Utf8"),
                (bytes, "OctetString"),
                (type(None), "Null"),
                (list, "ListOf"),
            }


def test_values_of_foreign_behaviour_raise_our_error_only() -> None:
    key = HostileKey("c")
    for value in ({key: 1}, {"a": 1, "b": 2, key: 3}, {"c": Hostile()}, {Hostile: 1}):
        with pytest.raises(EncodeError):
            SET.encode(value, "Defaulted")
    with pytest.raises(EncodeError):
        SET.encode({"a": Hostile(), "c": 1}, "Defaulted")


def test_run_members_of_wrong_type_name_their_place() -> None:
    good = {"a": 1, "b": (b"\xa0", 3), "c": b"xy", "d": True, "e": None, "f": {"x": 0, "y": 7}}
    both_ways(good, "Run")
    wrong: dict[str, list[Any]] = {
        "a": [256, True, "1"],
        "b": [(b"\xa0", 4), (b"\xa0", 3.0), (b"", 3), b"\xa0", (bytearray(b"\xa0"), 3)],
        "c": [b"x", "xy", bytearray(b"xy")],
        "d": [1, 0, None],
        "e": [False, 0],
    }
    for name, values in wrong.items():
        for value in values:
            with pytest.raises(EncodeError) as refused:
                SET.encode({**good, name: value}, "Run")
            assert refused.value.path == name
    with pytest.raises(EncodeError) as refused:
        SET.encode({**good, "f": {"x": 9, "y": 7}}, "Run")
    assert (refused.value.path, refused.value.reason) == ("f.x", CodecReason.OUT_OF_RANGE)


@pytest.mark.drops(CodecReason.MISSING, CodecReason.UNKNOWN_MEMBER)
def test_missing_and_unknown_members() -> None:
    with pytest.raises(EncodeError) as refused:
        SET.encode({"value": 1, "inner": {"value": 2, "inner": {}}}, "Nest")
    assert (refused.value.reason, refused.value.path) == (CodecReason.MISSING, "inner.inner.value")
    with pytest.raises(EncodeError) as refused:
        SET.encode({"value": 1, "inner": {"value": 2, "ineer": {}}}, "Nest")
    assert (refused.value.reason, refused.value.path) == (CodecReason.UNKNOWN_MEMBER, "inner")
    with pytest.raises(EncodeError) as refused:
        SET.encode({"value": 1, 7: 2}, "Nest")
    assert refused.value.reason is CodecReason.UNKNOWN_MEMBER
    with pytest.raises(EncodeError) as refused:
        SET.encode({"value": 1, "...": (1, {})}, "Nest")
    assert refused.value.reason is CodecReason.UNKNOWN_MEMBER


def test_named_bits() -> None:
    assert SET.encode((b"\x90\x00", 16), "Named") == SET.encode((b"\x90", 4), "Named")
    assert SET.encode((b"\x00", 8), "NamedVar") == SET.encode((b"\x00", 2), "NamedVar")
    assert SET.decode(SET.encode((b"\x80", 1), "NamedVar"), "NamedVar") == (b"\x80", 2)
    assert SET.decode(SET.encode((b"\x80", 1), "NamedFix"), "NamedFix") == (b"\x80", 5)
    assert SET.encode((b"\xff", 3), "Bits3") == SET.encode((b"\xe0", 3), "Bits3")


def test_defaults() -> None:
    assert SET.decode(SET.encode({"c": 1}, "Defaulted"), "Defaulted") == {"a": True, "b": 3, "c": 1}
    explicit = bytes.fromhex("eb0100")
    assert SET.decode_prefix(explicit, "Defaulted")[0]["a"] is True
    for value in ({"a": 1, "c": 1}, {"b": True, "c": 1}):
        with pytest.raises(EncodeError):
            SET.encode(value, "Defaulted")


LENGTHS = [0, 1, 127, 128, 16383, 16384, 16385, 32768, 65535, 65536, 65537, 81920, 131072]


@pytest.mark.parametrize("length", LENGTHS)
def test_fragments(length: int) -> None:
    octets = bytes(range(256)) * (length // 256) + bytes(length % 256)
    both_ways(octets, "Octets")
    bits = (
        (b"\xa5" * ((length + 7) // 8), length)
        if length % 8 == 0
        else (b"\x80" * ((length + 7) // 8), length)
    )
    encoded = SET.encode(bits, "Bits")
    assert SET.decode(encoded, "Bits")[1] == length
    assert SET.encode(SET.decode(encoded, "Bits"), "Bits") == encoded
    both_ways("".join(chr(at % 128) for at in range(length)), "Text")
    both_ways([at % 3 == 0 for at in range(length)], "List")


def test_fragment_headers() -> None:
    octets = SET.encode(bytes(65536 + 16384 + 5), "Octets")
    assert octets[0] == 0xC4
    assert octets[1 + 65536] == 0xC1
    assert octets[2 + 65536 + 16384] == 5
    assert SET.encode(bytes(16384), "Octets")[-1] == 0


def test_fragmented_open_content() -> None:
    later = MessageSet(
        build_text(
            "T DEFINITIONS AUTOMATIC TAGS ::= BEGIN A ::= SEQUENCE { n NULL, ..., big OCTET STRING } END"
        )
    )
    for length in (16381, 16382, 16384, 40000):
        value = {"n": None, "big": b"\x5a" * length}
        octets = later.encode(value, "A")
        assert later.decode(octets, "A") == value
        with pytest.raises(DecodeError):
            later.decode(octets[:-1], "A")


@pytest.mark.drops(CodecReason.TOO_DEEP)
def test_recursive_types_end_at_the_limit() -> None:
    def nest(depth: int) -> dict[str, Any]:
        value: dict[str, Any] = {"value": 1}
        for _ in range(depth - 1):
            value = {"value": 1, "inner": value}
        return value

    both_ways(nest(20), "Nest")
    for depth in (21, 3000):
        with pytest.raises(EncodeError) as refused:
            SET.encode(nest(depth), "Nest")
        assert refused.value.reason is CodecReason.TOO_DEEP
    with pytest.raises(DecodeError) as not_read:
        SET.decode(b"\xff" * 60, "Nest")
    assert not_read.value.reason is CodecReason.TOO_DEEP
    assert not_read.value.path == ".".join(["inner"] * 20)
    with pytest.raises(DecodeError) as not_read:
        SET.decode(b"\x01" * 60, "Tree")
    assert not_read.value.reason is CodecReason.TOO_DEEP


def test_depth_is_given_back() -> None:
    both_ways([[], [[]], [[], []]] * 30, "Tree")


def test_recursion_through_two_types() -> None:
    value: Any = ("leaf", None)
    for _ in range(9):
        value = ("branch", {"loop": value})
    both_ways(value, "Loop")


@pytest.mark.drops(CodecReason.TOO_LONG)
def test_limits() -> None:
    small = MessageSet(build_text(TEXT), Limits(max_octets=100, max_elements=50))
    with pytest.raises(DecodeError) as refused:
        small.decode(bytes(101), "Octets")
    assert refused.value.reason is CodecReason.TOO_LONG
    with pytest.raises(DecodeError) as refused:
        small.decode(b"\x33", "Nulls")
    assert refused.value.reason is CodecReason.TOO_LONG
    with pytest.raises(EncodeError) as not_written:
        small.encode([None] * 51, "Nulls")
    assert not_written.value.reason is CodecReason.TOO_LONG
    with pytest.raises(EncodeError) as not_written:
        small.encode(bytes(100), "Octets")
    assert not_written.value.reason is CodecReason.TOO_LONG


def test_lists_without_width_cannot_grow_without_bound() -> None:
    """Four octets claim 65536 elements of no width each; the sum of elements is limited."""
    with pytest.raises(DecodeError) as refused:
        SET.decode(b"\xc4" * 1000, "Nulls")
    assert refused.value.reason is CodecReason.TOO_LONG


def test_texts_without_width_cannot_grow_without_bound() -> None:
    alike = MessageSet(build_text('T DEFINITIONS AUTOMATIC TAGS ::= BEGIN A ::= IA5String (FROM ("x")) END'))
    assert alike.decode(b"\xc4\x05", "A") == "x" * 65541
    with pytest.raises(DecodeError) as refused:
        alike.decode(b"\xc4" * 60000 + b"\x00", "A")
    assert refused.value.reason is CodecReason.TOO_LONG


@pytest.mark.drops(CodecReason.TRAILING)
def test_trailing() -> None:
    assert SET.decode(b"\x05\x00", "Byte", trailing="ignore") == 5
    for data, type_name in (
        (b"\x05\x00", "Byte"),
        (b"\x81", "Flag"),
        (b"\x00\x00", "Empty"),
        (b"\x01", "Empty"),
    ):
        with pytest.raises(DecodeError) as refused:
            SET.decode(data, type_name)
        assert refused.value.reason is CodecReason.TRAILING
    assert SET.decode_prefix(b"\x81", "Flag") == (True, 1)
    assert SET.decode_prefix(b"", "Empty") == (None, 0)


@pytest.mark.drops(CodecReason.UNKNOWN_TYPE)
def test_unknown_type() -> None:
    for call in (lambda: SET.encode(1, "Nope"), lambda: SET.decode(b"", "Nope"), lambda: SET.to_json(1)):
        with pytest.raises((EncodeError, DecodeError)) as refused:
            call()
        assert refused.value.reason is CodecReason.UNKNOWN_TYPE
    with pytest.raises(DecodeError) as not_read:
        SET.decode("text", "Byte")  # type: ignore[arg-type]
    assert not_read.value.reason is CodecReason.WRONG_TYPE


def test_a_released_memoryview_is_refused() -> None:
    view = memoryview(b"\x05")
    view.release()
    with pytest.raises(DecodeError) as refused:
        SET.decode(view, "Byte")
    assert refused.value.reason is CodecReason.WRONG_TYPE
    assert SET.decode(memoryview(b"\x05-\x06-")[::2][:1], "Byte") == 5


def test_more_sets_of_members_than_are_remembered() -> None:
    names = [f"m{at}" for at in range(9)]
    members = ", ".join(f"{name} INTEGER (0..3) OPTIONAL" for name in names)
    many = MessageSet(
        build_text(f"T DEFINITIONS AUTOMATIC TAGS ::= BEGIN A ::= SEQUENCE {{ {members} }} END")
    )
    for round_ in range(2):
        for bits in range(512):
            value = {name: (at + round_) % 4 for at, name in enumerate(names) if bits >> at & 1}
            assert many.decode(many.encode(value, "A"), "A") == value
            assert many.encode(dict(reversed(value.items())), "A") == many.encode(value, "A")
