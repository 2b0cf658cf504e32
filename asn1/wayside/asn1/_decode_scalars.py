"""Decoders of the types without members: each builder returns a function from the reader to a value."""

from collections.abc import Callable, Iterator
from typing import Any

from ._bits import Reader
from ._errors import CodecReason
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

Decode = Callable[[Reader], Any]

_MAX_INTEGER_OCTETS = 64
_MAX_ARC = 2**128
_TEXT_CHUNK = 128


def scalar(node: Node) -> Decode:
    """The decoder of a node that is no SEQUENCE, CHOICE or SEQUENCE OF."""
    match node:
        case Integer():
            return _integer(node)
        case Boolean():
            return lambda r: r.bits(1) == 1
        case Null():
            return lambda r: None
        case Enumerated():
            return _enumerated(node)
        case BitString():
            return _bit_string(node.size)
        case OctetString():
            return _octet_string(node.size)
        case Text():
            return _text(node)
        case Utf8():
            return _utf8
        case ObjectId():
            return _object_id
        case OpenType():
            return Reader.long_octets
    raise AssertionError(node)


def counted(size: Size) -> Callable[[Reader], int]:
    """Reads a count within its bounds; -1 says that general lengths (`pieces`) follow instead."""
    lo, hi = size.lo, size.hi
    if size.ext:
        return _extensible_count(Size(lo, hi))
    if hi is None or hi > 65535:
        return lambda r: -1
    span = hi - lo
    width = span.bit_length()
    mask = (1 << width) - 1

    def read(r: Reader) -> int:
        end = r.pos + width
        if end > r.top:
            r.refill(end)
        count = (r.window >> (r.top - end)) & mask
        if count > span:
            raise r.fault(CodecReason.OUT_OF_RANGE, f"size {lo + count} in {lo}..{hi}")
        r.pos = end
        return lo + count

    return read


def _extensible_count(root: Size) -> Callable[[Reader], int]:
    plain = counted(root)
    return lambda r: -1 if r.bits(1) else plain(r)


def pieces(r: Reader, size: Size) -> Iterator[int]:
    """The counts behind general lengths; their sum is held against a size without an extension marker."""
    start = r.pos
    total = 0
    more = True
    while more:
        count, more = r.length()
        total += count
        yield count
    if not size.ext and (total < size.lo or (size.hi is not None and total > size.hi)):
        r.pos = start
        raise r.fault(CodecReason.OUT_OF_RANGE, f"size {total} in {size.lo}..{size.hi}")


def _integer(node: Integer) -> Decode:
    plain = _bounded(node) if node.lo is not None and node.hi is not None else _unbounded(node)
    if not node.ext:
        return plain

    def read(r: Reader) -> int:
        return _signed(r) if r.bits(1) else plain(r)

    return read


def _bounded(node: Integer) -> Decode:
    assert node.lo is not None and node.hi is not None
    lo, hi, parts = node.lo, node.hi, node.parts
    span = hi - lo
    width = span.bit_length()
    mask = (1 << width) - 1

    def read(r: Reader) -> int:
        end = r.pos + width
        if end > r.top:
            r.refill(end)
        value = (r.window >> (r.top - end)) & mask
        if value > span:
            raise r.fault(CodecReason.OUT_OF_RANGE, f"{lo + value} in {lo}..{hi}")
        r.pos = end
        return lo + value

    def read_union(r: Reader) -> int:
        start = r.pos
        value = read(r)
        if any(a <= value <= b for a, b in parts or ()):
            return value
        r.pos = start
        raise r.fault(CodecReason.OUT_OF_RANGE, str(value))

    return read_union if parts else read


def _unbounded(node: Integer) -> Decode:
    lo, hi = node.lo, node.hi

    def read_from(r: Reader) -> int:
        return (lo or 0) + r.bits(_integer_octets(r) * 8)

    def read_up_to(r: Reader) -> int:
        start = r.pos
        value = _signed(r)
        if hi is not None and value > hi:
            r.pos = start
            raise r.fault(CodecReason.OUT_OF_RANGE, f"above {hi}")
        return value

    return read_from if lo is not None else read_up_to


def _integer_octets(r: Reader) -> int:
    start = r.pos
    count = r.short_length()
    if not 1 <= count <= _MAX_INTEGER_OCTETS:
        r.pos = start
        raise r.fault(CodecReason.BAD_LENGTH, f"a number of {count} octets")
    return count


def _signed(r: Reader) -> int:
    return int.from_bytes(r.octets(_integer_octets(r)), "big", signed=True)


def _enumerated(node: Enumerated) -> Decode:
    root, additions = node.root, node.additions
    width = (len(root) - 1).bit_length()

    def read(r: Reader) -> str:
        start = r.pos
        index = r.bits(width)
        if index < len(root):
            return root[index]
        r.pos = start
        raise r.fault(CodecReason.BAD_INDEX, f"number {index} of {len(root)} names")

    if additions is None:
        return read

    def read_extensible(r: Reader) -> str:
        if not r.bits(1):
            return read(r)
        index = r.small()
        return additions[index] if index < len(additions) else f"{EXTRA}{index}"

    return read_extensible


def left_aligned(value: int, count: int) -> tuple[bytes, int]:
    """`count` bits as a BIT STRING value: padded with zero bits on the right."""
    return (value << (-count & 7)).to_bytes((count + 7) >> 3, "big"), count


def _bit_string(size: Size) -> Decode:
    count_of = counted(size)

    def read(r: Reader) -> tuple[bytes, int]:
        count = count_of(r)
        if count >= 0:
            return left_aligned(r.bits(count), count)
        joined = 0
        total = 0
        for count in pieces(r, size):
            joined = joined << count | r.bits(count)
            total += count
        return left_aligned(joined, total)

    return read


def _octet_string(size: Size) -> Decode:
    count_of = counted(size)

    def read(r: Reader) -> bytes:
        count = count_of(r)
        if count >= 0:
            return r.octets(count)
        return b"".join([r.octets(piece) for piece in pieces(r, size)])

    return read


def _text(node: Text) -> Decode:
    size, alphabet = node.size, node.alphabet
    width = 7 if alphabet is None else (len(alphabet) - 1).bit_length()
    mask = (1 << width) - 1
    count_of = counted(size)

    def characters(r: Reader, count: int) -> str:
        start = r.pos
        if count * width > r.end - start:
            raise r.fault(CodecReason.OUT_OF_DATA, f"a text of {count}")
        if alphabet is not None and not width:
            r.elements -= count
            if r.elements < 0:
                raise r.fault(CodecReason.TOO_LONG, "too many characters without width")
            return alphabet * count
        codes: list[int] = []
        for at in range(0, count, _TEXT_CHUNK):
            chunk = min(count - at, _TEXT_CHUNK) * width
            packed = r.bits(chunk)
            codes += [(packed >> shift) & mask for shift in range(chunk - width, -1, -width)]
        if alphabet is None:
            return bytes(codes).decode("ascii")
        if codes and max(codes) >= len(alphabet):
            r.pos = start
            raise r.fault(CodecReason.BAD_TEXT, "a character outside the alphabet")
        return "".join([alphabet[code] for code in codes])

    def read(r: Reader) -> str:
        count = count_of(r)
        if count >= 0:
            return characters(r, count)
        return "".join([characters(r, piece) for piece in pieces(r, size)])

    return read


def _utf8(r: Reader) -> str:
    start = r.pos
    try:
        return r.long_octets().decode("utf-8")
    except UnicodeDecodeError:
        r.pos = start
        raise r.fault(CodecReason.BAD_TEXT, "no UTF-8") from None


def _object_id(r: Reader) -> str:
    start = r.pos
    content = r.long_octets()
    arcs: list[int] = []
    arc = 0
    fresh = True
    for octet in content:
        if (fresh and octet == 0x80) or arc >= _MAX_ARC:
            break
        arc = arc << 7 | octet & 0x7F
        fresh = octet < 0x80
        if fresh:
            arcs.append(arc)
            arc = 0
    else:
        if arcs and fresh:
            first = min(arcs[0] // 40, 2)
            return ".".join(map(str, [first, arcs[0] - 40 * first, *arcs[1:]]))
    r.pos = start
    raise r.fault(CodecReason.BAD_TEXT, "no object identifier")
