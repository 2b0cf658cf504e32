"""Types whose usual form has a fixed width, and the runs of them that are read and written at once."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ._table import (
    BitString,
    Boolean,
    Enumerated,
    Integer,
    Member,
    Node,
    Null,
    OctetString,
    OpenField,
    Sequence,
)

_MAX_RUN_BITS = 640
_MAX_BITS = 64
_MAX_OCTETS = 16


class Fixed(NamedTuple):
    """A usual form of fixed width; raw numbers above `span` are not of it.

    Without `convert` the value is lo + raw. With it, `convert` makes the value of the raw number (decoding:
    IndexError says that it is not of the usual form) or the raw number of the value (encoding: LookupError).
    """

    width: int
    span: int
    lo: int
    convert: Callable[[Any], Any] | None


class Absent(NamedTuple):
    """A member with a DEFAULT that is not there."""

    member: Member


Run = list[tuple[Member, Fixed]]
"""Neighbours in a SEQUENCE that are all of fixed width."""


class FixedForms(ABC):
    """The fixed forms of the nodes of a table; decoding and encoding supply their own conversions."""

    def __init__(self, nodes: list[Node]) -> None:
        self._nodes = nodes
        self._forms: dict[int, Fixed | None] = {}

    @abstractmethod
    def converter(self, node: Node) -> Callable[[Any], Any]:
        """The conversion of a node without members."""

    @abstractmethod
    def sequence_converter(self, run: Run) -> Callable[[Any], Any]:
        """The conversion of a SEQUENCE that is one run."""

    def get(self, index: int) -> Fixed | None:
        """The form of a node; None when its width varies."""
        if index not in self._forms:
            self._forms[index] = None
            self._forms[index] = self._make(self._nodes[index])
        return self._forms[index]

    def _make(self, node: Node) -> Fixed | None:
        match node:
            case Integer(lo=int(lo), hi=int(hi), ext=ext, parts=None):
                return Fixed((hi - lo).bit_length() + ext, hi - lo, lo, None)
            case Boolean():
                width, span = 1, 1
            case Null():
                width, span = 0, 0
            case Enumerated(root=root, additions=additions):
                span = len(root) - 1
                width = span.bit_length() + (additions is not None)
            case BitString(size=size) if size.lo == size.hi and size.lo <= _MAX_BITS:
                width, span = size.lo + size.ext, (1 << size.lo) - 1
            case OctetString(size=size) if size.lo == size.hi and size.lo <= _MAX_OCTETS:
                width, span = size.lo * 8 + size.ext, (1 << size.lo * 8) - 1
            case Sequence(additions=None, open=None, root=root) if root:
                return self._sequence(root)
            case _:
                return None
        return Fixed(width, span, 0, self.converter(node))

    def _sequence(self, root: list[Member]) -> Fixed | None:
        run: Run = []
        for member in root:
            fixed = self.get(member.node)
            if fixed is None or member.optional or member.default is not None:
                return None
            run.append((member, fixed))
        width = run_width(run)
        if width > _MAX_RUN_BITS:
            return None
        return Fixed(width, (1 << width) - 1, 0, self.sequence_converter(run))

    def parts(
        self, members: list[Member], bits: int, optional: int, open_field: OpenField | None
    ) -> Iterator[Run | Member | OpenField | Absent]:
        """What one set of presence bits asks for, in order: runs, single members, the open type.

        bits: of the `optional` members that may be absent, the first has the highest.
        """
        run: Run = []
        for member in members:
            fixed = self.get(member.node)
            part: Member | OpenField | Absent = member
            if member.optional or member.default is not None:
                optional -= 1
                if not bits >> optional & 1:
                    if member.default is None:
                        continue
                    part, fixed = Absent(member), None
            if open_field is not None and member.name == open_field.value:
                part, fixed = open_field, None
            if run and (fixed is None or run_width(run) + fixed.width > _MAX_RUN_BITS):
                yield run if len(run) > 1 else run[0][0]
                run = []
            if fixed is None:
                yield part
            else:
                run.append((member, fixed))
        if run:
            yield run if len(run) > 1 else run[0][0]


def run_width(run: Run) -> int:
    """Bits of all members of a run together."""
    return sum(fixed.width for _, fixed in run)
