"""JSON form of wire values, and back: what `wayside asn1` prints and reads.

SEQUENCE = object; SEQUENCE OF = array; CHOICE = ["alternative", value]; OCTET STRING and octets of an open
type = lower-case hexadecimal; BIT STRING = ["hexadecimal", bits]; ENUMERATED = name; NULL = null. What the
table does not know: `"...": [bits, {"index": "hexadecimal"}]` in an object, ["...", [index, "hexadecimal"]]
for a CHOICE, "...index" for an ENUMERATED. The way back goes by the table, so it is exact.
"""

import json
from collections.abc import Callable
from typing import Any

from ._errors import CodecReason, Fault
from ._table import (
    EXTRA,
    BitString,
    Choice,
    ListOf,
    Member,
    OctetString,
    OpenType,
    Sequence,
    Table,
)


def to_json(table: Table, index: int, value: Any) -> Any:
    """The JSON form of a decoded value of node `index`."""
    node = table.nodes[index]
    match node:
        case OctetString() | OpenType():
            return value.hex()
        case BitString():
            return [value[0].hex(), value[1]]
        case ListOf(element=element):
            return [to_json(table, element, item) for item in value]
        case Choice():
            name, inner = value
            if name == EXTRA:
                return [EXTRA, [inner[0], inner[1].hex()]]
            return [name, to_json(table, _alternatives(node)[name], inner)]
        case Sequence():
            return _object(
                node, value, lambda at, item: item.hex() if at is None else to_json(table, at, item)
            )
    return value


def from_json(table: Table, index: int, value: Any) -> Any:
    """The wire value of a JSON form. Raises Fault where it cannot be one; the encoder checks the rest."""
    node = table.nodes[index]
    match node:
        case OctetString() | OpenType():
            return _octets(value)
        case BitString():
            return _bits(value)
        case ListOf(element=element):
            if type(value) is not list:
                raise _wrong("an array is wanted")
            return [_inside(at, from_json, table, element, item) for at, item in enumerate(value)]
        case Choice():
            return _choice(table, node, value)
        case Sequence():
            if type(value) is not dict:
                raise _wrong("an object is wanted")
            return _object(
                node, value, lambda at, item: _octets(item) if at is None else from_json(table, at, item)
            )
    return value


def default_value(table: Table, member: Member) -> Any:
    """The DEFAULT of a member."""
    assert member.default is not None
    return from_json(table, member.node, json.loads(member.default))


def _object(
    node: Sequence, value: dict[str, Any], convert: Callable[[int | None, Any], Any]
) -> dict[str, Any]:
    """Each member converted by its node; None stands for octets of an unknown open type."""
    nodes: dict[str, int | None] = {m.name: m.node for m in node.root}
    for addition in node.additions or ():
        nodes.update((m.name, m.node) for m in addition.members)
    if node.open is not None:
        number = value.get(node.open.id)
        nodes[node.open.value] = node.open.nodes.get(number) if type(number) is int else None
    out: dict[str, Any] = {}
    for name, item in value.items():
        if name == EXTRA:
            out[name] = _inside(name, _extra, item)
        elif name in nodes:
            out[name] = _inside(name, convert, nodes[name], item)
        else:
            out[name] = item
    return out


def _inside(place: str | int, convert: Callable[..., Any], *args: Any) -> Any:
    try:
        return convert(*args)
    except Fault as fault:
        fault.trail.append(place)
        raise


def _extra(item: Any) -> Any:
    """Both ways: (bits, {index: octets or rest}) <-> [bits, {"index": ...}]."""
    if type(item) is tuple:
        count, parts = item
        return [
            count,
            {str(i): p.hex() if type(p) is bytes else [p[0].hex(), p[1]] for i, p in parts.items()},
        ]
    match item:
        case [int(count), dict(parts)]:
            known: dict[int, Any] = {}
            for number, part in parts.items():
                if not (type(number) is str and len(number) < 20 and number.isascii() and number.isdigit()):
                    raise _wrong("the number of an addition is wanted")
                known[int(number)] = _bits(part) if type(part) is list else _octets(part)
            return count, known
    raise _wrong('[bits, {"index": "hexadecimal"}] is wanted')


def _choice(table: Table, node: Choice, value: Any) -> Any:
    match value:
        case [str(name), inner] if name == EXTRA:
            match inner:
                case [int(number), part]:
                    return EXTRA, (number, _inside(name, _octets, part))
            raise _wrong('["...", [index, "hexadecimal"]] is wanted')
        case [str(name), inner]:
            at = _alternatives(node).get(name)
            return name, inner if at is None else _inside(name, from_json, table, at, inner)
    raise _wrong('["alternative", value] is wanted')


def _alternatives(node: Choice) -> dict[str, int]:
    return {a.name: a.node for a in (*node.root, *(node.additions or ()))}


def _octets(value: Any) -> bytes:
    if type(value) is str:
        try:
            return bytes.fromhex(value)
        except ValueError:
            pass
    raise _wrong("hexadecimal text is wanted")


def _bits(value: Any) -> tuple[bytes, int]:
    match value:
        case [octets, int(count)]:
            return _octets(octets), count
    raise _wrong('["hexadecimal", bits] is wanted')


def _wrong(detail: str) -> Fault:
    return Fault(CodecReason.WRONG_TYPE, 0, detail)


__all__ = ["default_value", "from_json", "to_json"]
