from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from wayside.observe._reasons import Reason, stage_of


class Counters:
    """Counts of one process: things that happened, and things dropped by stage and reason.

    Plain integers, read and written on one thread.
    """

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._dropped: Counter[tuple[str, str]] = Counter()

    @classmethod
    def summed(cls, several: Iterable[Counters]) -> Counters:
        """The sum of several, as it is now."""
        out = cls()
        for one in several:
            out._counts.update(one._counts)
            out._dropped.update(one._dropped)
        return out

    def count(self, name: str, label: str = "", by: int = 1) -> None:
        """Add to a named count; `label` must come from a small fixed set."""
        self._counts[name, label] += by

    def drop(self, reason: Reason, by: int = 1) -> None:
        """Count something dropped or refused."""
        self._dropped[stage_of(reason), reason.value] += by

    def value(self, name: str, label: str = "") -> int:
        """Current count."""
        return self._counts[name, label]

    def dropped(self, reason: Reason) -> int:
        """How often a reason has been counted."""
        return self._dropped[stage_of(reason), reason.value]

    def counts(self) -> dict[str, dict[str, int]]:
        """All counts: name → label → number."""
        return _nested(self._counts)

    def drops(self) -> dict[str, dict[str, int]]:
        """All drops: stage → reason → number."""
        return _nested(self._dropped)


def sum_counts(*several: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    """Sum of several counts name → label → number, as `counts` and `drops` give them."""
    out: dict[str, dict[str, int]] = {}
    for one in several:
        for name, labels in one.items():
            into = out.setdefault(name, {})
            for label, number in labels.items():
                into[label] = into.get(label, 0) + number
    return out


def _nested(flat: Counter[tuple[str, str]]) -> dict[str, dict[str, int]]:
    out: dict[str, dict[str, int]] = {}
    for (outer, inner), number in sorted(flat.items()):
        out.setdefault(outer, {})[inner] = number
    return out
