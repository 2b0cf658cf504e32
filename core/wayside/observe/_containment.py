from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from wayside.clock import Clock, MonoNs
from wayside.observe._counters import Counters

_log = logging.getLogger(__name__)
_LOG_EVERY_NS = 10_000_000_000


class Containment:
    """Contains faults of our own, so that one input or one part that trips over ends nobody else's work.

    Each is counted under `faults` by its place and logged with its trace, a place at most once in 10 s.
    """

    def __init__(self, clock: Clock, counters: Counters) -> None:
        self._clock = clock
        self._counters = counters
        self._in_a_row: dict[str, int] = {}
        self._logged: dict[str, MonoNs] = {}

    @contextmanager
    def around(self, place: str, *, give_up: int = 0) -> Iterator[None]:
        """Run a block; what it raises ends here. place: one of a small fixed set.

        give_up: so many faults of a place in a row are let through, as it will not mend by itself; 0 never.
        """
        try:
            yield
        except Exception:
            self._counters.count("faults", place)
            in_a_row = self._in_a_row[place] = self._in_a_row.get(place, 0) + 1
            now, before = self._clock.mono(), self._logged.get(place)
            if before is None or now - before >= _LOG_EVERY_NS:
                self._logged[place] = now
                _log.exception("a fault in %s, the %d. in a row", place, in_a_row)
            if give_up and in_a_row >= give_up:
                raise
        else:
            self._in_a_row.pop(place, None)
