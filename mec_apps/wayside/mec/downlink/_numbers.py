from __future__ import annotations

from collections.abc import Hashable, Iterable
from random import Random

from wayside.clock import MonoNs


class MessageCounts:
    """Message counts of each message type: random at the start, then one more each time, modulo 128.

    Source: T/CSAE 159-2020 (msgCnt), SAE J2735 DE_MsgCount.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self._next: dict[Hashable, int] = {}

    def take(self, kind: Hashable) -> int:
        """Count of the next message of a kind."""
        number = self._next.get(kind)
        if number is None:
            number = self._random.randrange(128)
        self._next[kind] = (number + 1) % 128
        return number


class Numbers:
    """Small numbers for things that are seen, each kept as long as its thing is, and a while after.

    low..high: the range. rest_s: a number is not given to another thing for this long.
    """

    def __init__(self, low: int, high: int, rest_s: float = 3.0) -> None:
        self._range = range(low, high + 1)
        self._rest_ns = round(rest_s * 1e9)
        self._of: dict[Hashable, int] = {}
        self._seen: dict[Hashable, MonoNs] = {}
        self._turn = 0

    def number(self, things: Iterable[Hashable], mono: MonoNs) -> dict[Hashable, int]:
        """Numbers of the things of this moment, the first ones first; without those for whom none is left."""
        wanted = list(things)
        for thing in wanted:
            if thing in self._of:
                self._seen[thing] = mono
        for thing, at in list(self._seen.items()):
            if mono - at > self._rest_ns:
                del self._of[thing], self._seen[thing]
        used = set(self._of.values())
        for thing in wanted:
            if thing in self._of or len(used) >= len(self._range):
                continue
            while self._range[self._turn] in used:
                self._turn = (self._turn + 1) % len(self._range)
            number = self._range[self._turn]
            self._turn = (self._turn + 1) % len(self._range)
            self._of[thing], self._seen[thing] = number, mono
            used.add(number)
        return {thing: self._of[thing] for thing in wanted if thing in self._of}
