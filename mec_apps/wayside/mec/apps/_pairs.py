from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Generic, NamedTuple, TypeVar

from wayside.link import Severity
from wayside.mec.apps._latch import Latch
from wayside.mec.world import TrackView, World

T = TypeVar("T")
Key = TypeVar("Key", bound=Hashable)


class Sighting(NamedTuple, Generic[T]):
    """What was seen of one danger in this step. subject: track whose inputs are its frames; cause: track
    whose input decided. gated: it may not raise yet."""

    what: T
    subject: TrackView
    cause: TrackView
    severity: Severity
    gated: bool = False


class Standing(Generic[Key, T]):
    """Dangers over time, each with a latch and what was last seen of it.

    State: bounded by what is seen and what stands; a danger ends `clear_s` after it was last seen.
    """

    def __init__(self, *, need: int, of: int, clear_s: float, fall_s: float) -> None:
        self._need, self._of = need, of
        self._clear_s, self._fall_s = clear_s, fall_s
        self._known: dict[Key, tuple[Latch, Sighting[T]]] = {}

    def told(self, key: Key) -> Severity | None:
        """Severity with which a danger stands as raised since the step before; None where it does not."""
        known = self._known.get(key)
        return known[0].severity if known is not None and known[0].raised else None

    def step(self, world: World, seen: Mapping[Key, Sighting[T]]) -> Iterable[tuple[Latch, T]]:
        """Take in one step; the dangers that stand as raised after it, with what was last seen of each."""
        if not self._known and not seen:
            return ()
        now = {view.track_id: view for view in world.tracks.views}
        standing: list[tuple[Latch, T]] = []
        for key in [*self._known, *(key for key in seen if key not in self._known)]:
            latch, last = self._known.get(key, (None, None))
            latch = latch or Latch()
            sighting = seen.get(key)
            if sighting is not None:
                last = sighting
                raised = latch.see(
                    True,
                    sighting.subject,
                    world.mono,
                    cause=sighting.cause,
                    need=self._need,
                    of=self._of,
                    clear_s=self._clear_s,
                    gated=sighting.gated,
                )
                latch.settle(sighting.severity, world.mono, self._fall_s)
            else:
                assert last is not None
                subject = now.get(last.subject.track_id)
                if subject is None:
                    raised = latch.keep(world.mono, self._clear_s)
                else:
                    raised = latch.see(
                        False, subject, world.mono, need=self._need, of=self._of, clear_s=self._clear_s
                    )
            if latch.idle(world.mono, self._clear_s):
                self._known.pop(key, None)
                continue
            self._known[key] = latch, last
            if raised:
                standing.append((latch, last.what))
        return standing
