"""Encoders of SEQUENCE, CHOICE and SEQUENCE OF; the mirror of the decoders, with the same plans and runs."""

from collections.abc import Callable
from typing import Any

from ._bits import FLUSH_BITS, MAX_INDEX, Writer, fragments
from ._encode_fixed import FixedEncodes, at_once
from ._encode_scalars import (
    Encode,
    bit_value,
    counted,
    general_length,
    open_octets,
    plain,
    scalar,
    wrong_type,
)
from ._errors import CodecReason, Fault
from ._fixed import Run, run_width
from ._json import default_value
from ._table import (
    EXTRA,
    Addition,
    Choice,
    ListOf,
    Member,
    OpenField,
    Sequence,
    Table,
    loops,
)

Plan = list[tuple[str | None, Encode]]
"""Each part writes the member of that name, or with None several members out of the dict of a SEQUENCE."""

Shape = tuple[int, Plan, bool]
"""Presence bits, what to write, and whether extension additions follow."""

_MAX_SHAPES = 128
"""Sets of keys remembered for a SEQUENCE."""
_MAX_BITMAP = 16383
_MAX_NAMES_SHOWN = 12


class Encoders:
    """The encoders of one table. Building is lazy; an encoder built once is kept."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._nodes = table.nodes
        self._built: dict[int, Encode] = {}
        self._fixed = FixedEncodes(table.nodes)
        self._loops = loops(table)

    def get(self, index: int) -> Encode:
        """The encoder of a node."""
        encode = self._built.get(index)
        if encode is None:
            encode = self._build(index)
            if index in self._loops:
                encode = _nested(encode)
            self._built[index] = encode
        return encode

    def _build(self, index: int) -> Encode:
        node = self._nodes[index]
        if isinstance(node, Choice):
            return self._choice(node)
        if isinstance(node, ListOf):
            return self._list(node)
        encode = self._sequence(node) if isinstance(node, Sequence) else scalar(node)
        fixed = self._fixed.get(index)
        return encode if fixed is None or fixed.convert is None else at_once(fixed, encode)

    # ---- SEQUENCE

    def _sequence(self, node: Sequence) -> Encode:
        optional = [m for m in node.root if m.optional or m.default is not None]
        width = len(optional) + (node.additions is not None)
        write_additions = self._additions(node.additions or [])
        examine = self._shapes(node, optional)
        known: dict[tuple[str, ...], Shape] = {}
        keep = all(m.default is None for m in optional)

        def encode(w: Writer, value: Any) -> None:
            if type(value) is not dict:
                raise wrong_type(w, value, "dict")
            shape = known.get(tuple(value))
            if shape is None:
                shape = examine(w, value)
                if keep:
                    if len(known) == _MAX_SHAPES:
                        known.clear()
                    known[tuple(value)] = shape
            bits, plan, more = shape
            w.acc = w.acc << width | bits
            w.held += width
            if w.held > FLUSH_BITS:
                w.flush()
            name: str | None = ""
            try:
                for name, write in plan:
                    write(w, value if name is None else value[name])
            except Fault as fault:
                if name is not None:
                    fault.trail.append(name)
                raise
            if more:
                write_additions(w, value)

        return encode

    def _shapes(self, node: Sequence, optional: list[Member]) -> Callable[[Writer, dict[str, Any]], Shape]:
        """Finds out what the keys of a dict ask for; refuses unknown and missing members."""
        names = {m.name for m in node.root}
        mandatory = [m.name for m in node.root if not m.optional and m.default is None]
        added = {m.name for addition in node.additions or () for m in addition.members}
        if node.additions is not None:
            added.add(EXTRA)
        defaults = {m.name: default_value(self._table, m) for m in optional if m.default is not None}
        plans: dict[int, Plan] = {}

        def examine(w: Writer, value: dict[str, Any]) -> Shape:
            for name in value:
                if name not in names and name not in added:
                    raise w.fault(CodecReason.UNKNOWN_MEMBER, str(name)[:40])
            for name in mandatory:
                if name not in value:
                    raise _at(w.fault(CodecReason.MISSING), name)
            bits = 0
            for member in optional:
                name = member.name
                present = name in value and not (name in defaults and _same(value[name], defaults[name]))
                bits = bits << 1 | present
            plan = plans.get(bits)
            if plan is None:
                plan = self._plan(node.root, bits, len(optional), node.open)
                if len(plans) == _MAX_SHAPES:
                    plans.clear()
                plans[bits] = plan
            more = not added.isdisjoint(value)
            return (bits | more << len(optional)), plan, more

        return examine

    def _plan(self, members: list[Member], bits: int, optional: int, open_field: OpenField | None) -> Plan:
        """How to write one set of present members; the first optional member has the highest bit."""
        plan: Plan = []
        for part in self._fixed.parts(members, bits, optional, open_field):
            match part:
                case list():
                    plan.append((None, self._run(part)))
                case Member():
                    plan.append((part.name, self.get(part.node)))
                case OpenField():
                    plan.append((None, self._open(part)))
        return plan

    def _run(self, run: Run) -> Encode:
        total = run_width(run)
        fields = [(member.name, *fixed) for member, fixed in run]
        write_singly = _singly([(member.name, self.get(member.node)) for member, _ in run])

        def write(w: Writer, value: dict[str, Any]) -> None:
            packed = 0
            try:
                for name, width, span, lo, convert in fields:
                    item = value[name]
                    if convert is not None:
                        packed = packed << width | convert(item)
                    elif type(item) is int and 0 <= (raw := item - lo) <= span:
                        packed = packed << width | raw
                    else:
                        return write_singly(w, value)
            except (LookupError, TypeError):
                return write_singly(w, value)
            w.acc = w.acc << total | packed
            w.held += total
            if w.held > FLUSH_BITS:
                w.flush()
            return None

        return write

    # ---- open types and extension additions

    def _open(self, field: OpenField) -> Encode:
        def write(w: Writer, value: dict[str, Any]) -> None:
            node = field.nodes.get(value[field.id])
            try:
                if node is None:
                    open_octets(w, value[field.value])
                else:
                    w.long_octets(_content(w, self.get(node), value[field.value]))
            except Fault as fault:
                raise _at(fault, field.value) from None

        return write

    def _additions(self, known: list[Addition]) -> Encode:
        ready: dict[int, Encode] = {}

        def writer(index: int) -> Encode:
            encode = ready.get(index)
            if encode is None:
                members = known[index].members
                group = known[index].group
                encode = self._sequence(Sequence(members)) if group else self.get(members[0].node)
                ready[index] = encode
            return encode

        def write(w: Writer, value: dict[str, Any]) -> None:
            count = len(known)
            extra: dict[int, Any] = {}
            if EXTRA in value:
                count, extra = _extra(w, value[EXTRA])
            parts = {index: part for index, part in extra.items() if type(part) is bytes}
            for index, addition in enumerate(known):
                rest = extra.get(index)
                given = any(member.name in value for member in addition.members)
                if given and index in parts:
                    raise _at(w.fault(CodecReason.WRONG_TYPE, f"addition {index} is given twice"), EXTRA)
                if given or (addition.group and rest is not None and index not in parts):
                    parts[index] = _addition(w, addition, writer(index), value, rest)
            count = max(count, max(parts, default=-1) + 1)
            bitmap = 0
            for index in parts:
                bitmap |= 1 << (count - 1 - index)
            w.small_length(count)
            w.bits(bitmap, count)
            for index in sorted(parts):
                w.long_octets(parts[index])

        return write

    # ---- CHOICE

    def _choice(self, node: Choice) -> Encode:
        additions = node.additions
        width = (len(node.root) - 1).bit_length() + (additions is not None)
        root = {a.name: (index, a.node) for index, a in enumerate(node.root)}
        added = {a.name: (index, a.node) for index, a in enumerate(additions or ())}
        known_names = _some_names([*root, *added])
        ready: dict[str, tuple[int, Encode]] = {}

        def encode(w: Writer, value: Any) -> None:
            if type(value) is not tuple or len(value) != 2:
                raise wrong_type(w, value, "(alternative, value)")
            name, inner = value
            if type(name) is not str:
                name = plain(w, name, "the name of an alternative")
            entry = ready.get(name)
            if entry is None:
                if name not in root:
                    return extension(w, name, inner)
                index, at = root[name]
                entry = ready[name] = index, self.get(at)
            w.acc = w.acc << width | entry[0]
            w.held += width
            if w.held > FLUSH_BITS:
                w.flush()
            try:
                entry[1](w, inner)
            except Fault as fault:
                raise _at(fault, name) from None
            return None

        def extension(w: Writer, name: str, inner: Any) -> None:
            try:
                if name in added:
                    index, at = added[name]
                    octets = _content(w, self.get(at), inner)
                elif name == EXTRA and additions is not None:
                    index, octets = _unknown_alternative(w, inner)
                else:
                    raise w.fault(CodecReason.BAD_INDEX, known_names)
            except Fault as fault:
                raise _at(fault, name[:40]) from None
            w.bits(1, 1)
            w.small(index)
            w.long_octets(octets)

        return encode

    # ---- SEQUENCE OF

    def _list(self, node: ListOf) -> Encode:
        write_count = counted(node.size)
        element = node.element
        write = self.get(element) if element not in self._loops else self._later(element)

        def encode(w: Writer, value: Any) -> None:
            if type(value) is not list:
                raise wrong_type(w, value, "list")
            count = len(value)
            w.elements -= count
            if w.elements < 0:
                raise w.fault(CodecReason.TOO_LONG, "too many list elements")
            at = 0
            try:
                if write_count(w, count):
                    for item in value:
                        write(w, item)
                        at += 1
                else:
                    for piece, start in fragments(count):
                        general_length(w, piece)
                        for item in value[start : start + piece]:
                            write(w, item)
                            at += 1
            except Fault as fault:
                if fault.trail or count:
                    fault.trail.append(at)
                raise

        return encode

    def _later(self, index: int) -> Encode:
        return lambda w, value: self.get(index)(w, value)


def _singly(members: list[tuple[str, Encode]]) -> Encode:
    def write(w: Writer, value: dict[str, Any]) -> None:
        name = ""
        try:
            for name, encode in members:
                encode(w, value[name])
        except Fault as fault:
            fault.trail.append(name)
            raise

    return write


def _content(w: Writer, encode: Encode, value: Any, rest: tuple[bytes, int] | None = None) -> bytes:
    """The octets of a value inside an open type, and behind it the bits that were kept."""
    inner = Writer(w.max_octets, w.elements, w.depth)
    try:
        encode(inner, value)
    except Fault as fault:
        fault.bit_offset += w.position()
        raise
    if rest is not None:
        pair = bit_value(rest)
        if pair is None:
            raise wrong_type(w, rest, "(bytes, bits) behind an addition")
        inner.bits(*pair)
    w.elements = inner.elements
    return inner.finish()


def _addition(
    w: Writer, addition: Addition, encode: Encode, value: dict[str, Any], rest: tuple[bytes, int] | None
) -> bytes:
    if addition.group:
        members = {m.name: value[m.name] for m in addition.members if m.name in value}
        return _content(w, encode, members, rest)
    name = addition.members[0].name
    try:
        return _content(w, encode, value[name], rest)
    except Fault as fault:
        raise _at(fault, name) from None


def _extra(w: Writer, extra: Any) -> tuple[int, dict[int, Any]]:
    if type(extra) is tuple and len(extra) == 2 and type(extra[0]) is int and type(extra[1]) is dict:
        count, parts = extra
        if 1 <= count <= _MAX_BITMAP and all(
            type(index) is int and 0 <= index < _MAX_BITMAP and type(part) in (bytes, tuple)
            for index, part in parts.items()
        ):
            return count, parts
    raise _at(wrong_type(w, extra, "(bits, {index: bytes})"), EXTRA)


def _unknown_alternative(w: Writer, inner: Any) -> tuple[int, bytes]:
    if type(inner) is tuple and len(inner) == 2:
        index, octets = inner
        if type(index) is int and 0 <= index < MAX_INDEX and type(octets) is bytes:
            return index, octets
    raise wrong_type(w, inner, "(index, bytes)")


def _some_names(names: list[str]) -> str:
    more = ", ..." if len(names) > _MAX_NAMES_SHOWN else ""
    return f"known are {', '.join(names[:_MAX_NAMES_SHOWN])}{more}"


def _at(fault: Fault, place: str) -> Fault:
    fault.trail.append(place)
    return fault


def _same(value: Any, default: Any) -> bool:
    return type(value) is type(default) and bool(value == default)


def _nested(encode: Encode) -> Encode:
    def guarded(w: Writer, value: Any) -> None:
        if not w.depth:
            raise w.fault(CodecReason.TOO_DEEP)
        w.depth -= 1
        encode(w, value)
        w.depth += 1

    return guarded
