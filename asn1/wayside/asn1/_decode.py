"""Decoders of SEQUENCE, CHOICE and SEQUENCE OF, built from the table when a type is first met.

A SEQUENCE reads its presence bits as one number and follows the plan made for it: the members that are
there, in order, with neighbours of fixed width joined to one run that is fetched at once. A run takes the
usual form of each member for granted (root values); when one is not of it, the run is read again member by
member, which also finds the place of an error.
"""

from collections.abc import Callable
from typing import Any

from ._bits import Reader
from ._decode_fixed import FixedDecodes, at_once, run_fields
from ._decode_scalars import Decode, counted, left_aligned, pieces, scalar
from ._errors import CodecReason, Fault
from ._fixed import Absent, Run
from ._json import default_value
from ._least import LeastBits
from ._table import (
    EXTRA,
    Addition,
    Alternative,
    Choice,
    ListOf,
    Member,
    OpenField,
    Sequence,
    Table,
    loops,
)

Fill = Callable[[Reader, dict[str, Any]], None]
"""Reads one or several members into the dict of a SEQUENCE."""

Plan = list[tuple[str | None, Callable[..., Any]]]
"""Parts of a SEQUENCE: a member's name and its Decode, or None and a Fill."""

_MAX_PLANS = 128
"""Sets of present members remembered for a SEQUENCE; forgetting all keeps hostile input from filling it."""


class Decoders:
    """The decoders of one table. Building is lazy; a decoder built once is kept."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._nodes = table.nodes
        self._built: dict[int, Decode] = {}
        self._fixed = FixedDecodes(table.nodes)
        self._least = LeastBits(table.nodes)
        self._loops = loops(table)

    def get(self, index: int) -> Decode:
        """The decoder of a node."""
        decode = self._built.get(index)
        if decode is None:
            decode = self._build(index)
            if index in self._loops:
                decode = _nested(decode)
            self._built[index] = decode
        return decode

    def _build(self, index: int) -> Decode:
        node = self._nodes[index]
        if isinstance(node, Choice):
            return self._choice(node)
        if isinstance(node, ListOf):
            return self._list(node)
        decode = self._sequence(node) if isinstance(node, Sequence) else scalar(node)
        fixed = self._fixed.get(index)
        return decode if fixed is None or fixed.convert is None else at_once(fixed, decode)

    # ---- SEQUENCE

    def _sequence(self, node: Sequence) -> Decode:
        optional = sum(m.optional or m.default is not None for m in node.root)
        flag = 0 if node.additions is None else 1 << optional
        width = optional + bool(flag)
        mask = (1 << width) - 1
        additions = self._additions(node.additions or [])
        plans: dict[int, Plan] = {}

        def decode(r: Reader) -> dict[str, Any]:
            end = r.pos + width
            if end > r.top:
                r.refill(end)
            r.pos = end
            bits = (r.window >> (r.top - end)) & mask
            plan = plans.get(bits)
            if plan is None:
                plan = self._plan(node.root, bits, optional, node.open)
                if len(plans) == _MAX_PLANS:
                    plans.clear()
                plans[bits] = plan
            out: dict[str, Any] = {}
            name: str | None = ""
            try:
                for name, read in plan:
                    if name is None:
                        read(r, out)
                    else:
                        out[name] = read(r)
            except Fault as fault:
                if name is not None:
                    fault.trail.append(name)
                raise
            if bits & flag:
                additions(r, out)
            return out

        return decode

    def _plan(self, members: list[Member], bits: int, optional: int, open_field: OpenField | None) -> Plan:
        """What to do for one set of presence bits; the first optional member has the highest bit."""
        plan: Plan = []
        for part in self._fixed.parts(members, bits, optional, open_field):
            match part:
                case list():
                    plan.append((None, self._run(part)))
                case Member():
                    plan.append((part.name, self.get(part.node)))
                case OpenField():
                    plan.append((None, self._open(part)))
                case Absent():
                    plan.append((part.member.name, self._default(part.member)))
        return plan

    def _default(self, member: Member) -> Decode:
        value = default_value(self._table, member)
        return lambda r: value

    def _run(self, run: Run) -> Fill:
        width, fields = run_fields(run)
        run_mask = (1 << width) - 1
        singly = [(member.name, self.get(member.node)) for member, _ in run]

        def read_singly(r: Reader, out: dict[str, Any]) -> None:
            name = ""
            try:
                for name, read in singly:
                    out[name] = read(r)
            except Fault as fault:
                fault.trail.append(name)
                raise

        def fill(r: Reader, out: dict[str, Any]) -> None:
            end = r.pos + width
            if end > r.top:
                if end > r.end:
                    return read_singly(r, out)
                r.refill(end)
            packed = (r.window >> (r.top - end)) & run_mask
            try:
                for name, shift, mask, span, lo, convert in fields:
                    raw = (packed >> shift) & mask
                    if raw > span:
                        return read_singly(r, out)
                    out[name] = lo + raw if convert is None else convert(raw)
            except IndexError:
                return read_singly(r, out)
            r.pos = end
            return None

        return fill

    # ---- open types and extension additions

    def _open(self, field: OpenField) -> Fill:
        def fill(r: Reader, out: dict[str, Any]) -> None:
            node = field.nodes.get(out[field.id])
            try:
                if node is None:
                    out[field.value] = r.long_octets()
                    return
                value, rest = content(r, self.get(node))
                if rest is not None:
                    raise r.fault(CodecReason.TRAILING, "inside an open type")
                out[field.value] = value
            except Fault as fault:
                fault.trail.append(field.value)
                raise

        return fill

    def _additions(self, known: list[Addition]) -> Fill:
        readers: list[Decode | None] = [None] * len(known)

        def reader(index: int) -> Decode:
            read = readers[index]
            if read is None:
                addition = known[index]
                if addition.group:
                    read = self._sequence(Sequence(addition.members))
                else:
                    read = self.get(addition.members[0].node)
                readers[index] = read
            return read

        def fill(r: Reader, out: dict[str, Any]) -> None:
            count = r.small_length()
            bitmap = r.bits(count)
            extra: dict[int, Any] = {}
            for index in range(count):
                if not bitmap >> (count - 1 - index) & 1:
                    continue
                if index >= len(known):
                    try:
                        extra[index] = r.long_octets()
                    except Fault as fault:
                        fault.trail.append(f"{EXTRA}{index}")
                        raise
                    continue
                addition = known[index]
                try:
                    value, rest = content(r, reader(index))
                except Fault as fault:
                    if not addition.group:
                        fault.trail.append(addition.members[0].name)
                    raise
                if addition.group:
                    out.update(value)
                    if not value and rest is None:
                        rest = (b"", 0)
                else:
                    out[addition.members[0].name] = value
                if rest is not None:
                    extra[index] = rest
            if extra or not bitmap or count != len(known):
                out[EXTRA] = (count, extra)

        return fill

    # ---- CHOICE

    def _choice(self, node: Choice) -> Decode:
        root, additions = node.root, node.additions
        index_width = (len(root) - 1).bit_length()
        width = index_width + (additions is not None)
        mask = (1 << width) - 1
        flag = 0 if additions is None else 1 << index_width
        ready: dict[int, tuple[str, Decode]] = {}

        def decode(r: Reader) -> tuple[str, Any]:
            end = r.pos + width
            if end > r.top:
                r.refill(end)
            index = (r.window >> (r.top - end)) & mask
            entry = ready.get(index)
            if entry is None:
                if index & flag:
                    return extension(r)
                if index >= len(root):
                    raise r.fault(CodecReason.BAD_INDEX, f"alternative {index} of {len(root)}")
                entry = ready[index] = root[index].name, self.get(root[index].node)
            r.pos = end
            name, read = entry
            try:
                return name, read(r)
            except Fault as fault:
                fault.trail.append(name)
                raise

        def extension(r: Reader) -> tuple[str, Any]:
            r.pos += 1
            index = r.small()
            if additions is None or index >= len(additions):
                return EXTRA, (index, r.long_octets())
            return self._added_alternative(r, additions[index])

        return decode

    def _added_alternative(self, r: Reader, alternative: Alternative) -> tuple[str, Any]:
        try:
            value, rest = content(r, self.get(alternative.node))
            if rest is not None:
                raise r.fault(CodecReason.TRAILING, "inside an added alternative")
            return alternative.name, value
        except Fault as fault:
            fault.trail.append(alternative.name)
            raise

    # ---- SEQUENCE OF

    def _list(self, node: ListOf) -> Decode:
        count_of = counted(node.size)
        read = self.get(node.element) if node.element not in self._loops else self._later(node.element)
        least = self._least.of(node.element)

        def extend(r: Reader, out: list[Any], count: int) -> None:
            r.elements -= count
            if r.elements < 0:
                raise r.fault(CodecReason.TOO_LONG, "too many list elements")
            if count * least > r.end - r.pos:
                raise r.fault(CodecReason.OUT_OF_DATA, f"a list of {count}")
            try:
                for _ in range(count):
                    out.append(read(r))
            except Fault as fault:
                fault.trail.append(len(out))
                raise

        def decode(r: Reader) -> list[Any]:
            out: list[Any] = []
            count = count_of(r)
            if count >= 0:
                extend(r, out, count)
            else:
                for piece in pieces(r, node.size):
                    extend(r, out, piece)
            return out

        return decode

    def _later(self, index: int) -> Decode:
        return lambda r: self.get(index)(r)


def content(r: Reader, read: Decode) -> tuple[Any, tuple[bytes, int] | None]:
    """A value inside an open type, and the bits behind it when they are more than its own zero padding."""
    start = r.pos
    count, more = r.length()
    if not count:
        r.pos = start
        raise r.fault(CodecReason.BAD_LENGTH, "an open type without content")
    if more:
        r.pos = start
        octets = r.long_octets()
        inner = Reader(octets, r.elements, r.depth, r.base + start)
        value = read(inner)
        r.elements = inner.elements
        return value, _rest(inner, 0)
    start = r.pos
    stop = start + count * 8
    if stop > r.end:
        raise r.fault(CodecReason.OUT_OF_DATA, "an open type longer than the message")
    outer = r.end
    r.end = stop
    if r.top > stop:
        r.window >>= r.top - stop
        r.top = stop
    value = read(r)
    rest = _rest(r, start)
    r.end = outer
    r.pos = stop
    r.window = 0
    r.top = stop
    return value, rest


def _rest(r: Reader, start: int) -> tuple[bytes, int] | None:
    used = max((r.pos - start + 7) >> 3, 1) * 8
    at = r.pos
    left = r.end - at
    bits = r.bits(left)
    if used == r.end - start and not bits:
        return None
    r.pos = at
    return left_aligned(bits, left)


def _nested(decode: Decode) -> Decode:
    def guarded(r: Reader) -> Any:
        if not r.depth:
            raise r.fault(CodecReason.TOO_DEEP)
        r.depth -= 1
        value = decode(r)
        r.depth += 1
        return value

    return guarded
