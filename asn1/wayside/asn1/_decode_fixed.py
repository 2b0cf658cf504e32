"""Types whose usual form has a fixed width: read as one number, and taken apart by shifts."""

from collections.abc import Callable
from typing import Any, NamedTuple

from ._bits import Reader
from ._decode_scalars import Decode, left_aligned
from ._table import BitString, Boolean, Enumerated, Integer, Member, Node, Null, OctetString, Sequence

MAX_RUN_BITS = 640
_MAX_KEPT_BITS = 256


class Fixed(NamedTuple):
    """A usual form of fixed width; raw numbers above `span` are not of it. Value: lo + raw, or by convert."""

    width: int
    span: int
    lo: int
    convert: Callable[[int], Any] | None


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
                return Fixed(1, 1, 0, (False, True).__getitem__)
            case Null():
                return Fixed(0, 0, 0, lambda raw: None)
            case Enumerated(root=root, additions=additions):
                last = len(root) - 1
                return Fixed(last.bit_length() + (additions is not None), last, 0, tuple(root).__getitem__)
            case BitString(size=size) if size.lo == size.hi and size.lo <= 64:
                return Fixed(size.lo + size.ext, (1 << size.lo) - 1, 0, _BitStrings(size.lo).__getitem__)
            case OctetString(size=size) if size.lo == size.hi and size.lo <= 16:
                count = size.lo
                return Fixed(
                    count * 8 + size.ext, (1 << count * 8) - 1, 0, lambda raw: raw.to_bytes(count, "big")
                )
            case Sequence(additions=None, open=None, root=root) if root:
                return self._fixed_sequence(root)
        return None

    def _fixed_sequence(self, root: list[Member]) -> Fixed | None:
        run = []
        for member in root:
            fixed = self.get(member.node)
            if fixed is None or member.optional or member.default is not None:
                return None
            run.append((member, fixed))
        width, fields = run_fields(run)
        if width > MAX_RUN_BITS:
            return None

        def convert(packed: int) -> dict[str, Any]:
            out: dict[str, Any] = {}
            for name, shift, mask, span, lo, convert in fields:
                raw = (packed >> shift) & mask
                if raw > span:
                    raise IndexError
                out[name] = lo + raw if convert is None else convert(raw)
            return out

        return Fixed(width, (1 << width) - 1, 0, convert)


class _BitStrings(dict[int, tuple[bytes, int]]):
    """Raw number to BIT STRING value; the first few are kept, since flags repeat."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __missing__(self, raw: int) -> tuple[bytes, int]:
        value = left_aligned(raw, self._count)
        if len(self) < _MAX_KEPT_BITS:
            self[raw] = value
        return value


def at_once(fixed: Fixed, decode: Decode) -> Decode:
    """Reads a value of fixed width in one piece, and by `decode` when it is not of the usual form."""
    width, span, _, convert = fixed
    mask = (1 << width) - 1
    assert convert is not None

    def read(r: Reader) -> Any:
        end = r.pos + width
        if end > r.top:
            if end > r.end:
                return decode(r)
            r.refill(end)
        raw = (r.window >> (r.top - end)) & mask
        if raw > span:
            return decode(r)
        try:
            value = convert(raw)
        except IndexError:
            return decode(r)
        r.pos = end
        return value

    return read


def run_fields(run: list[tuple[Member, Fixed]]) -> tuple[int, list[tuple[str, int, int, int, int, Any]]]:
    """Width of a run, and (name, shift, mask, span, lo, convert) of each member."""
    width = sum(fixed.width for _, fixed in run)
    fields = []
    shift = width
    for member, fixed in run:
        shift -= fixed.width
        fields.append((member.name, shift, (1 << fixed.width) - 1, fixed.span, fixed.lo, fixed.convert))
    return width, fields
