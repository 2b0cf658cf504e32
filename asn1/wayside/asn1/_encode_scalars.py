"""Encoders of the types without members: each builder returns a function from writer and value to nothing."""

from collections.abc import Callable
from typing import Any

from ._bits import FRAGMENT, MAX_INDEX, Writer, fragments
from ._errors import CodecReason, Fault
from ._table import (
    EXTRA,
    BitString,
    Boolean,
    Enumerated,
    Integer,
    Node,
    Null,
    ObjectId,
    OctetString,
    OpenType,
    Size,
    Text,
    Utf8,
)

Encode = Callable[[Writer, Any], None]

_MAX_INTEGER_OCTETS = 64
_MAX_ARC = 2**128
_TEXT_CHUNK = 128


def scalar(node: Node) -> Encode:
    """The encoder of a node that is no SEQUENCE, CHOICE or SEQUENCE OF."""
    match node:
        case Integer():
            return _integer(node)
        case Boolean():
            return _boolean
        case Null():
            return _null
        case Enumerated():
            return _enumerated(node)
        case BitString():
            return _bit_string(node)
        case OctetString():
            return _octet_string(node.size)
        case Text():
            return _text(node)
        case Utf8():
            return _utf8
        case ObjectId():
            return _object_id
        case OpenType():
            return open_octets
    raise AssertionError(node)


def wrong_type(w: Writer, value: Any, wanted: str) -> Fault:
    return w.fault(CodecReason.WRONG_TYPE, f"{type(value).__name__} instead of {wanted}")


def plain(w: Writer, value: Any, wanted: str) -> str:
    """The characters of a str; of a subclass too, whose own methods are not trusted. Raises a Fault."""
    if not isinstance(value, str):
        raise wrong_type(w, value, wanted)
    return str.__str__(value)


def counted(size: Size) -> Callable[[Writer, int], bool]:
    """Writes a count within its bounds; False says that general lengths must be written instead.

    Raises a Fault when the size admits no such count.
    """
    lo, hi, ext = size.lo, size.hi, size.ext
    width = None if hi is None or hi > 65535 else (hi - lo).bit_length()

    def write(w: Writer, count: int) -> bool:
        if count < lo or (hi is not None and count > hi):
            if not ext:
                raise w.fault(CodecReason.OUT_OF_RANGE, f"size {count} in {lo}..{hi}")
            w.bits(1, 1)
            return False
        if ext:
            w.bits(0, 1)
        if width is None:
            return False
        w.bits(count - lo, width)
        return True

    return write


def general_length(w: Writer, count: int) -> None:
    """The length of one piece as `fragments` cuts them."""
    if count >= FRAGMENT:
        w.bits(0xC0 | count // FRAGMENT, 8)
    else:
        w.length(count)


def _integer(node: Integer) -> Encode:
    lo, hi, ext, parts = node.lo, node.hi, node.ext, node.parts
    width = None if lo is None or hi is None else (hi - lo).bit_length()

    def write(w: Writer, value: Any) -> None:
        if type(value) is not int:
            raise wrong_type(w, value, "int")
        legal = (lo is None or value >= lo) and (hi is None or value <= hi)
        if legal and parts:
            legal = any(a <= value <= b for a, b in parts)
        if not legal:
            if not ext:
                raise w.fault(CodecReason.OUT_OF_RANGE, _out_of(value, lo, hi))
            w.bits(1, 1)
            _signed(w, value)
            return
        if ext:
            w.bits(0, 1)
        if width is not None and lo is not None:
            w.bits(value - lo, width)
        elif lo is not None:
            _unsigned(w, value - lo)
        else:
            _signed(w, value)

    return write


def _out_of(value: int, lo: int | None, hi: int | None) -> str:
    shown = str(value) if -(2**70) < value < 2**70 else "a number of more than 70 bits"
    return f"{shown} in {'MIN' if lo is None else lo}..{'MAX' if hi is None else hi}"


def _unsigned(w: Writer, value: int) -> None:
    count = max((value.bit_length() + 7) // 8, 1)
    _check_octets(w, count)
    w.bits(count, 8)
    w.bits(value, count * 8)


def _signed(w: Writer, value: int) -> None:
    count = (value + (value < 0)).bit_length() // 8 + 1
    _check_octets(w, count)
    w.bits(count, 8)
    w.bits(value & ((1 << count * 8) - 1), count * 8)


def _check_octets(w: Writer, count: int) -> None:
    if count > _MAX_INTEGER_OCTETS:
        raise w.fault(CodecReason.OUT_OF_RANGE, f"a number of {count} octets")


def _boolean(w: Writer, value: Any) -> None:
    if type(value) is not bool:
        raise wrong_type(w, value, "bool")
    w.bits(int(value), 1)


def _null(w: Writer, value: Any) -> None:
    if value is not None:
        raise wrong_type(w, value, "None")


def _enumerated(node: Enumerated) -> Encode:
    root = {name: number for number, name in enumerate(node.root)}
    added = {name: number for number, name in enumerate(node.additions or ())}
    width = (len(root) - 1).bit_length()
    extensible = node.additions is not None

    def write(w: Writer, value: Any) -> None:
        name = plain(w, value, "the name, as str")
        number = root.get(name)
        if number is not None:
            w.bits(number, width + extensible)
            return
        number = added.get(name)
        if number is None and extensible and name.startswith(EXTRA):
            number = _unknown_number(name[len(EXTRA) :])
        if number is None:
            raise w.fault(CodecReason.BAD_INDEX, name[:40])
        w.bits(1, 1)
        w.small(number)

    return write


def _unknown_number(digits: str) -> int | None:
    if not (digits.isascii() and digits.isdigit() and len(digits) < 20) or (
        digits[0] == "0" and digits != "0"
    ):
        return None
    number = int(digits)
    return number if number < MAX_INDEX else None


def bit_value(value: Any) -> tuple[int, int] | None:
    """The bits of a BIT STRING value as a number, without padding, and their count; None if it is none."""
    if type(value) is not tuple or len(value) != 2:
        return None
    octets, count = value
    if type(octets) is not bytes or type(count) is not int or (count + 7) >> 3 != len(octets) or count < 0:
        return None
    return int.from_bytes(octets, "big") >> (-count & 7), count


def _bit_string(node: BitString) -> Encode:
    size = node.size
    write_count = counted(size)

    def write(w: Writer, value: Any) -> None:
        pair = bit_value(value)
        if pair is None:
            raise wrong_type(w, value, "(bytes, bits)")
        raw, count = pair
        if node.named:
            raw, count = _named_form(raw, count, size)
        if write_count(w, count):
            w.bits(raw, count)
            return
        for piece, at in fragments(count):
            general_length(w, piece)
            w.bits((raw >> (count - at - piece)) & ((1 << piece) - 1), piece)

    return write


def _named_form(raw: int, count: int, size: Size) -> tuple[int, int]:
    """Trailing zeros of named bits: added up to the least size, left out above it (X.691 16.2, 16.3).

    Where the size is extensible the count stays as it is, since each count is another encoding.
    """
    if size.ext:
        return raw, count
    if count < size.lo:
        return raw << (size.lo - count), size.lo
    if size.hi is None or count <= size.hi:
        zeros = (raw & -raw).bit_length() - 1 if raw else count
        cut = min(zeros, count - size.lo)
        return raw >> cut, count - cut
    return raw, count


def _octet_string(size: Size) -> Encode:
    write_count = counted(size)

    def write(w: Writer, value: Any) -> None:
        if type(value) is not bytes:
            raise wrong_type(w, value, "bytes")
        if write_count(w, len(value)):
            w.octets(value)
        else:
            w.long_octets(value)

    return write


def open_octets(w: Writer, value: Any) -> None:
    """Octets of an open type whose content is not known."""
    if type(value) is not bytes:
        raise wrong_type(w, value, "bytes")
    w.long_octets(value)


def _text(node: Text) -> Encode:
    alphabet = node.alphabet
    width = 7 if alphabet is None else (len(alphabet) - 1).bit_length()
    codes = None if alphabet is None else {char: code for code, char in enumerate(alphabet)}
    write_count = counted(node.size)

    def characters(w: Writer, numbers: list[int]) -> None:
        for start in range(0, len(numbers), _TEXT_CHUNK):
            chunk = numbers[start : start + _TEXT_CHUNK]
            packed = 0
            for number in chunk:
                packed = packed << width | number
            w.bits(packed, width * len(chunk))

    def write(w: Writer, value: Any) -> None:
        text = plain(w, value, "str")
        if codes is None:
            if not text.isascii():
                raise w.fault(CodecReason.BAD_TEXT, "7-bit characters only")
            numbers = list(text.encode("ascii"))
        else:
            try:
                numbers = [codes[char] for char in text]
            except KeyError:
                raise w.fault(CodecReason.BAD_TEXT, "a character outside the alphabet") from None
        if write_count(w, len(numbers)):
            characters(w, numbers)
            return
        for piece, at in fragments(len(numbers)):
            general_length(w, piece)
            characters(w, numbers[at : at + piece])

    return write


def _utf8(w: Writer, value: Any) -> None:
    try:
        octets = plain(w, value, "str").encode("utf-8")
    except UnicodeEncodeError:
        raise w.fault(CodecReason.BAD_TEXT, "no Unicode text") from None
    w.long_octets(octets)


def _object_id(w: Writer, value: Any) -> None:
    texts = plain(w, value, "dotted str").split(".")
    arcs: list[int] = []
    for text in texts:
        if not (text.isascii() and text.isdigit() and len(text) < 40) or (text[0] == "0" and text != "0"):
            raise w.fault(CodecReason.BAD_TEXT, "numbers joined by dots are wanted")
        arcs.append(int(text))
    if len(arcs) < 2 or arcs[0] > 2 or (arcs[0] < 2 and arcs[1] > 39) or max(arcs) >= _MAX_ARC - 80:
        raise w.fault(CodecReason.BAD_TEXT, "no object identifier")
    octets = bytearray()
    for arc in [arcs[0] * 40 + arcs[1], *arcs[2:]]:
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(0x80 | arc & 0x7F)
        octets += bytes(reversed(groups))
    w.long_octets(bytes(octets))
