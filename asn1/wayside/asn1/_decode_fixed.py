"""Decoding of values of fixed width: read as one number, and taken apart by shifts."""

from collections.abc import Callable
from typing import Any

from ._bits import Reader
from ._decode_scalars import Decode, left_aligned
from ._fixed import Fixed, FixedForms, Run, run_width
from ._table import BitString, Boolean, Enumerated, Node, Null, OctetString

_MAX_KEPT_BITS = 256


class FixedDecodes(FixedForms):
    """Fixed forms whose conversions make values of raw numbers."""

    def converter(self, node: Node) -> Callable[[int], Any]:
        match node:
            case Boolean():
                return (False, True).__getitem__
            case Null():
                return lambda raw: None
            case Enumerated(root=root):
                return tuple(root).__getitem__
            case BitString(size=size):
                return _BitStrings(size.lo).__getitem__
            case OctetString(size=size):
                count = size.lo
                return lambda raw: raw.to_bytes(count, "big")
        raise AssertionError(node)

    def sequence_converter(self, run: Run) -> Callable[[int], dict[str, Any]]:
        _, fields = run_fields(run)

        def convert(packed: int) -> dict[str, Any]:
            out: dict[str, Any] = {}
            for name, shift, mask, span, lo, convert in fields:
                raw = (packed >> shift) & mask
                if raw > span:
                    raise IndexError
                out[name] = lo + raw if convert is None else convert(raw)
            return out

        return convert


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


def run_fields(run: Run) -> tuple[int, list[tuple[str, int, int, int, int, Any]]]:
    """Width of a run, and (name, shift, mask, span, lo, convert) of each member."""
    width = shift = run_width(run)
    fields = []
    for member, fixed in run:
        shift -= fixed.width
        fields.append((member.name, shift, (1 << fixed.width) - 1, fixed.span, fixed.lo, fixed.convert))
    return width, fields
