"""The fewest bits a value can take: what a list's count is held against before anything is made for it."""

from ._table import (
    BitString,
    Boolean,
    Choice,
    Enumerated,
    Integer,
    ListOf,
    Node,
    Null,
    OctetString,
    Sequence,
)


class LeastBits:
    """Lower bounds for the nodes of a table; a recursive use counts as no bits."""

    def __init__(self, nodes: list[Node]) -> None:
        self._nodes = nodes
        self._least: dict[int, int] = {}

    def of(self, index: int) -> int:
        """A lower bound of the bits that any value of a node takes."""
        if index not in self._least:
            self._least[index] = 0
            self._least[index] = self._make(index)
        return self._least[index]

    def _make(self, index: int) -> int:
        match self._nodes[index]:
            case Integer(lo=int(lo), hi=int(hi), ext=ext):
                return min((hi - lo).bit_length() + ext, 17 if ext else 64)
            case Boolean():
                return 1
            case Null():
                return 0
            case Enumerated(root=root, additions=additions):
                bits = (len(root) - 1).bit_length()
                return bits if additions is None else min(bits + 1, 8)
            case Sequence(root=root, additions=additions):
                total = int(additions is not None)
                for member in root:
                    possible = member.optional or member.default is not None
                    total += 1 if possible else self.of(member.node)
                return total
            case Choice(root=root, additions=additions):
                bits = (len(root) - 1).bit_length() + (additions is not None)
                least = bits + min(self.of(a.node) for a in root)
                return least if additions is None else min(least, 16)
            case BitString(size=size) | OctetString(size=size) | ListOf(size=size) if size.hi is not None:
                return int(size.ext) + min((size.hi - size.lo).bit_length(), 8)
        return 0
