"""Encoding of values of fixed width: packed into one number, and written at once."""

from collections.abc import Callable
from typing import Any

from ._bits import FLUSH_BITS, Writer
from ._encode_scalars import Encode
from ._fixed import Fixed, FixedForms, Run
from ._table import BitString, Boolean, Enumerated, Node, Null, OctetString


class FixedEncodes(FixedForms):
    """Fixed forms whose conversions make raw numbers of values."""

    def converter(self, node: Node) -> Callable[[Any], int]:
        match node:
            case Boolean():
                return _boolean_number
            case Null():
                return _null_number
            case Enumerated(root=root):
                return {name: number for number, name in enumerate(root)}.__getitem__
            case BitString(size=size):
                return _bits_number(size.lo)
            case OctetString(size=size):
                return _octets_number(size.lo)
        raise AssertionError(node)

    def sequence_converter(self, run: Run) -> Callable[[Any], int]:
        fields = [(member.name, *fixed) for member, fixed in run]

        def convert(value: Any) -> int:
            if type(value) is not dict or len(value) != len(fields):
                raise LookupError
            packed = 0
            for name, width, span, lo, convert in fields:
                item = value[name]
                if convert is not None:
                    packed = packed << width | convert(item)
                elif type(item) is int and 0 <= (raw := item - lo) <= span:
                    packed = packed << width | raw
                else:
                    raise LookupError
            return packed

        return convert


def at_once(fixed: Fixed, encode: Encode) -> Encode:
    """Writes a value of fixed width in one piece, and by `encode` when it is not of the usual form."""
    width, _, _, convert = fixed
    assert convert is not None

    def write(w: Writer, value: Any) -> None:
        try:
            packed = convert(value)
        except (LookupError, TypeError):
            return encode(w, value)
        w.acc = w.acc << width | packed
        w.held += width
        if w.held > FLUSH_BITS:
            w.flush()
        return None

    return write


def _boolean_number(value: Any) -> int:
    if value is True:
        return 1
    if value is False:
        return 0
    raise LookupError


def _null_number(value: Any) -> int:
    if value is None:
        return 0
    raise LookupError


def _bits_number(count: int) -> Callable[[Any], int]:
    octet_count = (count + 7) >> 3
    pad = -count & 7

    def convert(value: Any) -> int:
        if type(value) is not tuple or len(value) != 2:
            raise LookupError
        octets, bits = value
        if type(bits) is not int or bits != count or type(octets) is not bytes or len(octets) != octet_count:
            raise LookupError
        return int.from_bytes(octets, "big") >> pad

    return convert


def _octets_number(count: int) -> Callable[[Any], int]:
    def convert(value: Any) -> int:
        if type(value) is not bytes or len(value) != count:
            raise LookupError
        return int.from_bytes(value, "big")

    return convert
