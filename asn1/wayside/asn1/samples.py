"""Random legal values of any type of a table: for differential tests, fuzzing and load."""

from random import Random
from typing import Any

from ._decode_scalars import left_aligned
from ._table import (
    EXTRA,
    BitString,
    Boolean,
    Choice,
    Enumerated,
    Integer,
    ListOf,
    Member,
    Null,
    ObjectId,
    OctetString,
    OpenField,
    OpenType,
    Sequence,
    Size,
    Table,
    Text,
    Utf8,
)

_DEEP = 12


class Samples:
    """Values leaning to the ends of each range, in canonical form: what encodes from them decodes to them.

    extended: also values beyond the root of extensible sizes and ranges, and known additions.
    unknown: also additions, alternatives, names and open types that the table does not know.
    typed: open types of known number hold their value; without it only unknown numbers occur.
    """

    def __init__(
        self, table: Table, rng: Random, *, extended: bool = True, unknown: bool = True, typed: bool = True
    ) -> None:
        self._table = table
        self._rng = rng
        self._extended = extended
        self._unknown = unknown
        self._typed = typed

    def of(self, type_name: str) -> Any:
        """A value of a type of the table."""
        return self._value(self._table.types[type_name], 0)

    def _chance(self, probability: float) -> bool:
        return self._rng.random() < probability

    def _value(self, index: int, depth: int) -> Any:
        rng = self._rng
        match self._table.nodes[index]:
            case Integer() as node:
                return self._integer(node)
            case Boolean():
                return rng.random() < 0.5
            case Null():
                return None
            case Enumerated() as node:
                return self._enumerated(node)
            case BitString() as node:
                return self._bits(node)
            case OctetString(size=size):
                return rng.randbytes(self._count(size, 20))
            case Text(size=size, alphabet=alphabet):
                letters = alphabet or [chr(code) for code in range(128)]
                return "".join(rng.choice(letters) for _ in range(self._count(size, 20)))
            case Utf8():
                return "".join(rng.choice("aZ 9é路") for _ in range(rng.randrange(30)))
            case ObjectId():
                first = rng.randrange(3)
                arcs = [first, rng.randrange(40)] + [
                    rng.randrange(1 << rng.randrange(1, 60)) for _ in range(3)
                ]
                return ".".join(map(str, arcs))
            case OpenType():
                return rng.randbytes(rng.choice((1, 2, 127, 128, 200)))
            case ListOf(element=element, size=size):
                count = self._count(size, 4 if depth < _DEEP else 0)
                return [self._value(element, depth + 1) for _ in range(count)]
            case Choice() as node:
                return self._choice(node, depth)
            case Sequence() as node:
                return self._sequence(node, depth)

    def _integer(self, node: Integer) -> int:
        rng = self._rng
        if node.ext and self._extended and self._chance(0.2):
            wide = rng.choice((-1, 1)) * rng.getrandbits(rng.randrange(1, 62))
            if (node.lo is not None and wide < node.lo) or (node.hi is not None and wide > node.hi):
                return wide
        if node.parts:
            lo, hi = rng.choice(node.parts)
            return rng.choice((lo, hi, rng.randint(lo, hi)))
        if node.lo is not None and node.hi is not None:
            return rng.choice(
                (node.lo, node.hi, rng.randint(node.lo, node.hi), rng.randint(node.lo, node.hi))
            )
        distance = rng.choice((0, 1, 127, 128, 255, 256, 2**31, 2**32, 2**63, rng.getrandbits(40)))
        if node.lo is not None:
            return node.lo + distance
        if node.hi is not None:
            return node.hi - distance
        return rng.choice((-1, 1)) * distance

    def _enumerated(self, node: Enumerated) -> str:
        if node.additions is not None and self._chance(0.2):
            if self._extended and node.additions and self._chance(0.7):
                return self._rng.choice(node.additions)
            if self._unknown:
                return f"{EXTRA}{len(node.additions) + self._rng.choice((0, 1, 63, 64, 300, 2**31))}"
        return self._rng.choice(node.root)

    def _bits(self, node: BitString) -> tuple[bytes, int]:
        count = self._count(node.size, 40)
        raw = self._rng.getrandbits(count) if count else 0
        if node.named and count and node.size.lo != node.size.hi:
            raw |= 1
        return left_aligned(raw, count)

    def _count(self, size: Size, usual: int) -> int:
        rng = self._rng
        if size.hi is None:
            return size.lo + rng.choice((0, 1, rng.randint(0, usual)))
        if size.ext and self._extended and self._chance(0.15):
            return size.hi + rng.randint(1, 5)
        top = min(size.hi, size.lo + usual)
        return rng.choice((size.lo, top, rng.randint(size.lo, top)))

    def _choice(self, node: Choice, depth: int) -> tuple[str, Any]:
        if node.additions is not None and self._chance(0.15):
            if self._extended and node.additions and self._chance(0.7):
                added = self._rng.choice(node.additions)
                return added.name, self._value(added.node, depth + 1)
            if self._unknown:
                beyond = self._rng.choice((0, 1, 63, 64, 5000))
                return EXTRA, (len(node.additions) + beyond, self._rng.randbytes(self._rng.randint(1, 9)))
        alternative = self._rng.choice(node.root)
        return alternative.name, self._value(alternative.node, depth + 1)

    def _sequence(self, node: Sequence, depth: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
        self._members(node.root, depth, out)
        if node.open is not None:
            self._open(node.open, depth, out)
        if node.additions is not None and depth < _DEEP and self._chance(0.25):
            self._additions(node, depth, out)
        return out

    def _members(self, members: list[Member], depth: int, out: dict[str, Any]) -> None:
        present = 0.5 if depth < _DEEP else 0
        for member in members:
            if not member.optional or self._chance(present):
                out[member.name] = self._value(member.node, depth + 1)

    def _open(self, field: OpenField, depth: int, out: dict[str, Any]) -> None:
        if self._typed and not (self._unknown and self._chance(0.2)):
            number = self._rng.choice(list(field.nodes))
            out[field.id], out[field.value] = number, self._value(field.nodes[number], depth + 1)
        else:
            free = [number for number in range(64) if number not in field.nodes]
            out[field.id], out[field.value] = (
                self._rng.choice(free),
                self._rng.randbytes(self._rng.randint(1, 40)),
            )

    def _additions(self, node: Sequence, depth: int, out: dict[str, Any]) -> None:
        known = node.additions or []
        if self._extended:
            for addition in known[: self._rng.randint(0, len(known))]:
                if not addition.group or self._chance(0.6):
                    self._members(addition.members, depth, out)
        if self._unknown and self._chance(0.5):
            at = {len(known) + self._rng.choice((0, 1, 2, 70)) for _ in range(self._rng.randint(1, 3))}
            parts = {index: self._rng.randbytes(self._rng.randint(1, 9)) for index in sorted(at)}
            out[EXTRA] = (max(parts) + self._rng.choice((1, 2)), parts)
