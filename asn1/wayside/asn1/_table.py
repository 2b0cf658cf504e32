"""The table: all types of a dialect as nodes that refer to one another by index.

The compiler writes it as one JSON file; `parse_table` reads and checks it, so that a damaged file is refused
before an engine follows an index of it.
"""

import re
from collections.abc import Iterator

import msgspec

from ._errors import TableError, TableReason

TABLE_VERSION = 1
EXTRA = "..."
"""Key (SEQUENCE) and choice name of what the table does not know; no ASN.1 identifier looks like it."""


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    pass


class Size(_Part, frozen=True):
    """Bounds of a length: `hi` None = unbounded; `ext` = values outside are legal in the extended form."""

    lo: int = 0
    hi: int | None = None
    ext: bool = False


class Integer(_Part, frozen=True, tag="integer"):
    """`lo`, `hi` None = unbounded. `parts`: the legal pieces of a union, when it is not all of lo..hi."""

    lo: int | None = None
    hi: int | None = None
    ext: bool = False
    parts: list[tuple[int, int]] | None = None


class Boolean(_Part, frozen=True, tag="boolean"):
    pass


class Null(_Part, frozen=True, tag="null"):
    pass


class Enumerated(_Part, frozen=True, tag="enumerated"):
    """Names in index order; `additions` None = not extensible."""

    root: list[str]
    additions: list[str] | None = None


class BitString(_Part, frozen=True, tag="bits"):
    """`named`: bit number to name; with it, trailing zero bits carry no meaning."""

    size: Size
    named: dict[int, str] | None = None


class OctetString(_Part, frozen=True, tag="octets"):
    size: Size


class Text(_Part, frozen=True, tag="text"):
    """A string of fixed-width characters. `alphabet` None = 7-bit codes as they are; else indexes in it."""

    size: Size
    alphabet: str | None = None


class Utf8(_Part, frozen=True, tag="utf8"):
    pass


class ObjectId(_Part, frozen=True, tag="oid"):
    pass


class OpenType(_Part, frozen=True, tag="open"):
    pass


class Member(_Part, frozen=True):
    """One member of a SEQUENCE. `default`: the JSON form of its DEFAULT, as text; None = it has none."""

    name: str
    node: int
    optional: bool = False
    default: str | None = None


class OpenField(_Part, frozen=True):
    """Member `value` is an open type; the number in member `id` names the node inside it."""

    id: str
    value: str
    nodes: dict[int, int]


class Addition(_Part, frozen=True):
    """One extension addition: one member, or the members of a `[[ ]]` group."""

    members: list[Member]
    group: bool = False


class Sequence(_Part, frozen=True, tag="sequence"):
    """`additions` None = not extensible."""

    root: list[Member]
    additions: list[Addition] | None = None
    open: OpenField | None = None


class Alternative(_Part, frozen=True):
    name: str
    node: int


class Choice(_Part, frozen=True, tag="choice"):
    """Alternatives in index order; `additions` None = not extensible."""

    root: list[Alternative]
    additions: list[Alternative] | None = None


class ListOf(_Part, frozen=True, tag="list"):
    element: int
    size: Size


Node = (
    Integer
    | Boolean
    | Null
    | Enumerated
    | BitString
    | OctetString
    | Text
    | Utf8
    | ObjectId
    | OpenType
    | Sequence
    | Choice
    | ListOf
)


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A dialect. `digest`: SHA-256 over the sources it was built from, in hexadecimal."""

    version: int
    dialect: str
    title: str
    status: str
    digest: str
    frames: dict[str, str]
    types: dict[str, int]
    nodes: list[Node]


_decoder = msgspec.json.Decoder(Table)
_IDENTIFIER = re.compile(r"[a-z](-?[A-Za-z0-9])*\Z")


def parse_table(data: bytes) -> Table:
    """Read and check a table file. Raises TableError when it is damaged or of another version."""
    try:
        table = _decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise _damaged(f"the table file is damaged: {error}") from None
    check_table(table)
    return table


def check_table(table: Table) -> None:
    """Hold every index and bound of a table. Raises TableError with the node that is wrong."""
    if table.version != TABLE_VERSION:
        raise _damaged(f"table of version {table.version}, this program reads version {TABLE_VERSION}")
    if not re.fullmatch(r"[0-9a-f]{64}", table.digest):
        raise _damaged("the digest of the sources is malformed")
    count = len(table.nodes)
    for name, index in table.types.items():
        if not 0 <= index < count:
            raise _damaged(f"type {name} refers to node {index} of {count}")
    for number, node in enumerate(table.nodes):
        problem = _problem(node, table.nodes)
        if problem:
            raise _damaged(f"node {number}: {problem}")


def members(node: Sequence) -> Iterator[Member]:
    """All members: of the root, then of the additions."""
    yield from node.root
    for addition in node.additions or ():
        yield from addition.members


def references(node: Node) -> Iterator[int]:
    """The nodes that a node refers to."""
    if isinstance(node, Sequence):
        for member in members(node):
            yield member.node
        if node.open is not None:
            yield from node.open.nodes.values()
    elif isinstance(node, Choice):
        for alternative in (*node.root, *(node.additions or ())):
            yield alternative.node
    elif isinstance(node, ListOf):
        yield node.element


def loops(table: Table) -> frozenset[int]:
    """Nodes at which recursive types close: every cycle of references goes through one of them."""
    closing: set[int] = set()
    done: set[int] = set()
    for root in range(len(table.nodes)):
        if root in done:
            continue
        path = [root]
        on_path = {root}
        ways = [references(table.nodes[root])]
        while ways:
            index = next(ways[-1], None)
            if index is None:
                ways.pop()
                on_path.discard(path[-1])
                done.add(path.pop())
            elif index in on_path:
                closing.add(index)
            elif index not in done:
                path.append(index)
                on_path.add(index)
                ways.append(references(table.nodes[index]))
    return frozenset(closing)


def _damaged(what: str) -> TableError:
    return TableError(TableReason.DAMAGED, what)


def _problem(node: Node, nodes: list[Node]) -> str:
    for index in references(node):
        if not 0 <= index < len(nodes):
            return f"refers to node {index} of {len(nodes)}"
    if isinstance(node, Integer):
        return _integer_problem(node)
    if isinstance(node, BitString | OctetString | Text | ListOf):
        size = node.size
        if size.lo < 0 or (size.hi is not None and size.hi < size.lo) or (size.ext and size.hi is None):
            return f"impossible size {size.lo}..{size.hi}"
    if isinstance(node, Text) and node.alphabet is not None:
        if not node.alphabet or len(set(node.alphabet)) != len(node.alphabet):
            return "alphabet empty or with a character twice"
    if isinstance(node, Enumerated):
        return _names_problem([*node.root, *(node.additions or ())], bool(node.root))
    if isinstance(node, Choice):
        return _names_problem([a.name for a in (*node.root, *(node.additions or ()))], bool(node.root))
    if isinstance(node, Sequence):
        return _sequence_problem(node, nodes)
    return ""


def _sequence_problem(node: Sequence, nodes: list[Node]) -> str:
    problem = _names_problem([m.name for m in members(node)], True)
    for member in members(node):
        try:
            msgspec.json.decode(member.default or "null")
        except msgspec.DecodeError:
            problem = problem or f"the DEFAULT of {member.name} is no JSON"
    mandatory = {m.name: m.node for m in node.root if not m.optional and m.default is None}
    if not problem and node.open is not None:
        if not {node.open.id, node.open.value} <= mandatory.keys():
            problem = "its open type needs two mandatory members"
        elif not isinstance(nodes[mandatory[node.open.id]], Integer):
            problem = "its open type is named by no number"
    return problem


def _integer_problem(node: Integer) -> str:
    for bound in (node.lo, node.hi):
        if bound is not None and not -(2**63) <= bound < 2**64:
            return "a bound beyond 64 bits"
    if node.lo is not None and node.hi is not None and (node.hi < node.lo or node.hi - node.lo >= 2**64):
        return f"impossible range {node.lo}..{node.hi}"
    last = None
    for lo, hi in node.parts or ():
        if lo > hi or (last is not None and lo <= last):
            return "the pieces of its range overlap"
        last = hi
    return ""


def _names_problem(names: list[str], filled: bool) -> str:
    if not filled:
        return "it has no root"
    for name in names:
        if not _IDENTIFIER.match(name):
            return f"{name!r} is no identifier"
    return "" if len(set(names)) == len(names) else "a name stands twice"
