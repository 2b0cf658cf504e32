"""asn1tools' parse tree of module texts -> nodes of the table."""

import json
import re
from collections.abc import Mapping
from collections.abc import Sequence as Items
from typing import Any

import asn1tools

from wayside.asn1._errors import TableError, TableReason
from wayside.asn1._table import (
    Addition,
    Alternative,
    BitString,
    Boolean,
    Choice,
    Enumerated,
    Integer,
    ListOf,
    Member,
    Node,
    Null,
    ObjectId,
    OctetString,
    OpenField,
    OpenType,
    Sequence,
    Size,
    Text,
    Utf8,
)

Tree = dict[str, Any]
"""A type of the parse tree; its keys depend on the kind of type."""

OPEN_TYPE_NAME = "OpenType"
"""In our module texts a type of this name stands for an open type field."""

_ALPHABETS: dict[str, str | None] = {
    "IA5String": None,
    "NumericString": " 0123456789",
}
_PLAIN: dict[str, Node] = {
    "BOOLEAN": Boolean(),
    "NULL": Null(),
    "UTF8String": Utf8(),
    "OBJECT IDENTIFIER": ObjectId(),
}


_NO_NOTATION = re.compile(r'"[^"]*"|--.*?(?:--|$)|/\*(?s:.*?)\*/', re.MULTILINE)
_UNSUPPORTED = re.compile(
    r"\b(EXCEPT|INCLUDES|INTERSECTION|CONTAINING|COMPONENTS\s+OF)\b|(\^)|(\(\s*SIZE\b[^A-Z]*\(\s*SIZE\b)"
)
"""Notation that asn1tools parses, but leaves out of its tree."""


def parse_modules(text: str) -> Mapping[str, Tree]:
    """Modules by name. Raises TableError for a text that is no ASN.1, or says what would be overlooked."""
    overlooked = _UNSUPPORTED.search(_NO_NOTATION.sub(" ", text))
    if overlooked:
        raise bad_module(f"{overlooked[0]!r} is not supported")
    try:
        modules: Mapping[str, Tree] = asn1tools.parse_string(text)
    except asn1tools.ParseError as error:
        raise bad_module(f"the module text cannot be parsed: {error}") from None
    return modules


class NodeBuilder:
    """Builds the nodes of all types of some modules; names of types and values are unique over them."""

    def __init__(self, modules: Mapping[str, Tree], open_fields: Items[Tree] = ()) -> None:
        self.nodes: list[Node] = []
        self.types: dict[str, int] = {}
        self._trees: dict[str, Tree] = {}
        self._values: dict[str, Any] = {}
        for module_name, module in modules.items():
            if module["tags"] != "AUTOMATIC":
                raise bad_module(f"module {module_name}: only AUTOMATIC TAGS are supported")
            for name, tree in module["types"].items():
                if name in self._trees:
                    raise bad_module(f"type {name} is defined twice")
                self._trees[name] = tree
            for name, value in module["values"].items():
                if name in self._values:
                    raise bad_module(f"value {name} is defined twice")
                self._values[name] = value["value"]
        self._open = {field["type"]: field for field in open_fields}
        for name in self._trees:
            self._named(name)
        unknown = set(self._open) - set(self._trees)
        if unknown:
            raise bad_module(f"open fields are given for types that do not exist: {sorted(unknown)}")

    def _named(self, name: str) -> int:
        """The node of a named type; entered before it is built, since types may be recursive."""
        if name in self.types:
            return self.types[name]
        if name not in self._trees:
            raise bad_module(f"type {name} is not defined")
        index = self.types[name] = self._reserve()
        tree = self._trees[name]
        if name == OPEN_TYPE_NAME:
            self.nodes[index] = OpenType()
        else:
            self.nodes[index] = self._node(self._resolved(tree), name)
        return index

    def _reserve(self) -> int:
        self.nodes.append(Null())
        return len(self.nodes) - 1

    def _resolved(self, tree: Tree) -> Tree:
        """Follow references; constraints nearer to the use replace those of the referenced type."""
        seen: set[str] = set()
        while tree["type"] in self._trees:
            name = tree["type"]
            if name in seen:
                raise bad_module(f"type {name} is defined by itself")
            seen.add(name)
            own = {key: value for key, value in tree.items() if key != "type"}
            tree = {**self._trees[name], **own}
        return tree

    def _use(self, tree: Tree, place: str) -> int:
        """The node of a type where it is used: the named one, or a new one if it is inline or constrained."""
        if "tag" in tree:
            raise bad_module(f"{place}: tags are given automatically, not in the text")
        name = tree["type"]
        constrained = tree.keys() & {"restricted-to", "size", "from"}
        if name in self._trees and not constrained:
            return self._named(name)
        index = self._reserve()
        self.nodes[index] = self._node(self._resolved(tree), place)
        return index

    def _node(self, tree: Tree, place: str) -> Node:
        kind = tree["type"]
        if kind in _PLAIN:
            return _PLAIN[kind]
        if kind == "INTEGER":
            return self._integer(tree, place)
        if kind == "ENUMERATED":
            return _enumerated(tree)
        if kind == "BIT STRING":
            named = {int(bit): name for name, bit in tree.get("named-bits") or ()}
            return BitString(self._size(tree, place), named or None)
        if kind == "OCTET STRING":
            return OctetString(self._size(tree, place))
        if kind in _ALPHABETS:
            return Text(self._size(tree, place), _alphabet(tree, place))
        if kind == "SEQUENCE OF":
            return ListOf(self._use(tree["element"], f"{place}[]"), self._size(tree, place))
        if kind == "CHOICE":
            return self._choice(tree, place)
        if kind == "SEQUENCE":
            return self._sequence(tree, place)
        raise bad_module(f"{place}: {kind} is not defined, or not supported")

    def _bound(self, value: Any, place: str, number_names: Tree | None = None) -> int | None:
        if value in ("MIN", "MAX"):
            return None
        if isinstance(value, str):
            value = (number_names or {}).get(value, self._values.get(value))
        if type(value) is not int:
            raise bad_module(f"{place}: a bound that is no whole number")
        return int(value)

    def _ranges(
        self, items: Items[Any], place: str, names: Tree | None = None
    ) -> list[tuple[int | None, int | None]]:
        """The root ranges of a constraint: what stands before its extension marker."""
        ranges = []
        for item in items:
            if item is None:
                break
            lo, hi = item if isinstance(item, tuple) else (item, item)
            ranges.append((self._bound(lo, place, names), self._bound(hi, place, names)))
        return ranges

    def _integer(self, tree: Tree, place: str) -> Integer:
        items = tree.get("restricted-to")
        if not items:
            return Integer()
        ranges = self._ranges(items, place, tree.get("named-numbers"))
        lows, highs = [lo for lo, _ in ranges], [hi for _, hi in ranges]
        lo = None if None in lows else min(x for x in lows if x is not None)
        hi = None if None in highs else max(x for x in highs if x is not None)
        parts = None
        if len(ranges) > 1:
            if lo is None or hi is None:
                raise bad_module(f"{place}: a union with an open end is not supported")
            parts = sorted((a, b) for a, b in ranges if a is not None and b is not None)
        return Integer(lo, hi, None in items, parts)

    def _size(self, tree: Tree, place: str) -> Size:
        items = tree.get("size")
        if not items:
            return Size()
        ranges = self._ranges(items, place)
        if len(ranges) != 1 or ranges[0][0] is None:
            raise bad_module(f"{place}: this size constraint is not supported")
        lo, hi = ranges[0]
        return Size(lo or 0, hi, None in items)

    def _choice(self, tree: Tree, place: str) -> Choice:
        root, additions = _split(tree["members"], place)
        flat: list[Tree] = []
        for item in additions or ():
            flat.extend(item if isinstance(item, list) else [item])

        def alternatives(trees: list[Tree]) -> list[Alternative]:
            return [Alternative(t["name"], self._use(t, f"{place}.{t['name']}")) for t in trees]

        return Choice(alternatives(root), None if additions is None else alternatives(flat))

    def _sequence(self, tree: Tree, place: str) -> Sequence:
        root, additions = _split(tree["members"], place)
        groups = None
        if additions is not None:
            groups = [
                Addition([self._member(t, place) for t in item], True)
                if isinstance(item, list)
                else Addition([self._member(item, place)])
                for item in additions
            ]
        return Sequence([self._member(t, place) for t in root], groups, self._open_field(place))

    def _member(self, tree: Tree, place: str) -> Member:
        name = tree["name"]
        default = None
        if "default" in tree:
            default = _default(tree["default"], self._resolved(tree)["type"], f"{place}.{name}")
        return Member(name, self._use(tree, f"{place}.{name}"), bool(tree.get("optional")), default)

    def _open_field(self, place: str) -> OpenField | None:
        field = self._open.get(place)
        if field is None:
            return None
        nodes = {int(number): self._named(name) for number, name in field["types"].items()}
        return OpenField(field["id"], field["value"], nodes)


def _split(members: Items[Any], place: str) -> tuple[list[Tree], list[Any] | None]:
    """Root members and additions; what follows a second marker belongs to the root again."""
    marks = [i for i, member in enumerate(members) if member is None]
    if not marks:
        return list(members), None
    if len(marks) > 2:
        raise bad_module(f"{place}: more than two extension markers")
    last = marks[1] if len(marks) == 2 else len(members)
    root = [*members[: marks[0]], *members[last + 1 :]]
    return root, list(members[marks[0] + 1 : last])


def _enumerated(tree: Tree) -> Enumerated:
    values: list[Any] = tree["values"]
    mark = values.index(None) if None in values else len(values)
    root = [name for name, _ in sorted(values[:mark], key=lambda item: int(item[1]))]
    additions = [item[0] for item in values[mark:] if item is not None] if mark < len(values) else None
    return Enumerated(root, additions)


def _alphabet(tree: Tree, place: str) -> str | None:
    """Characters in order when they are sent as an index; None when the 7-bit code is sent (X.691 30.5)."""
    ranges = tree.get("from")
    if not ranges:
        return _ALPHABETS[tree["type"]]
    chars = sorted({chr(c) for lo, hi in ranges for c in range(ord(lo), ord(hi) + 1)})
    bits = (len(chars) - 1).bit_length()
    if not chars or (ord(chars[-1]) < 1 << bits and ord(chars[-1]) != len(chars) - 1):
        raise bad_module(f"{place}: an alphabet that is sent neither as an index nor without gaps")
    return "".join(chars)


def _default(value: Any, kind: str, place: str) -> str:
    if kind in ("BOOLEAN", "INTEGER", "ENUMERATED", "IA5String", "UTF8String") and isinstance(
        value, bool | int | str
    ):
        return json.dumps(value)
    raise bad_module(f"{place}: a DEFAULT of {kind} is not supported")


def bad_module(what: str) -> TableError:
    return TableError(TableReason.BAD_MODULE, what)
