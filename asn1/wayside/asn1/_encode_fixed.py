"""Types whose usual form has a fixed width: packed into one number, and written at once."""

from collections.abc import Callable
from typing import Any, NamedTuple

from ._bits import FLUSH_BITS, Writer
from ._encode_scalars import Encode
from ._table import BitString, Boolean, Enumerated, Integer, Member, Node, Null, OctetString, Sequence

MAX_RUN_BITS = 640


class Fixed(NamedTuple):
    """A usual form of fixed width. Raw number: value - lo, or by convert; LookupError says it is unusual."""

    width: int
    span: int
    lo: int
    convert: Callable[[Any], int] | None


class FixedForms:
    """The fixed forms of the nodes of a table."""

    def __init__(self, nodes: list[Node]) -> None:
        self._nodes = nodes
        self._forms: dict[int, Fixed | None] = {}

    def get(self, index: int) -> Fixed | None:
        """The form of a node; None when its width varies."""
        if index not in self._forms:
            self._forms[index] = None
            self._forms[index] = self._make_fixed(index)
        return self._forms[index]

    def _make_fixed(self, index: int) -> Fixed | None:
        match self._nodes[index]:
            case Integer(lo=int(lo), hi=int(hi), ext=ext, parts=None):
                return Fixed((hi - lo).bit_length() + ext, hi - lo, lo, None)
            case Boolean():
                return Fixed(1, 1, 0, _boolean_number)
            case Null():
                return Fixed(0, 0, 0, _null_number)
            case Enumerated(root=root, additions=additions):
                width = (len(root) - 1).bit_length() + (additions is not None)
                numbers = {name: number for number, name in enumerate(root)}
                return Fixed(width, len(root) - 1, 0, numbers.__getitem__)
            case BitString(size=size) if size.lo == size.hi and size.lo <= 64:
                return Fixed(size.lo + size.ext, 0, 0, _bits_number(size.lo))
            case OctetString(size=size) if size.lo == size.hi and size.lo <= 16:
                return Fixed(size.lo * 8 + size.ext, 0, 0, _octets_number(size.lo))
            case Sequence(additions=None, open=None, root=root) if root:
                return self._fixed_sequence(root)
        return None

    def _fixed_sequence(self, root: list[Member]) -> Fixed | None:
        fields = []
        for member in root:
            fixed = self.get(member.node)
            if fixed is None or member.optional or member.default is not None:
                return None
            fields.append((member.name, *fixed))
        total = sum(field[1] for field in fields)
        if total > MAX_RUN_BITS:
            return None

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

        return Fixed(total, 0, 0, convert)


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
