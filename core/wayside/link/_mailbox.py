from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Generic, Protocol, TypeVar

from wayside.clock import MonoNs


class Postable(Protocol):
    """What a mailbox needs to know of an item. key: 0 for none. ends: a cancel of what has the same key."""

    @property
    def key(self) -> int: ...

    @property
    def priority(self) -> int: ...

    @property
    def ends(self) -> bool: ...

    def expired(self, now: MonoNs) -> bool: ...


class Loss(Enum):
    """Why a mailbox lost an item."""

    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    FULL = "full"


P = TypeVar("P", bound=Postable)


class _Slot(Generic[P]):
    """What waits under one key: a cancel, then the item that came after it."""

    __slots__ = ("again", "cancel", "item", "priority")

    def __init__(self, cancel: P | None, item: P | None, again: bool = False) -> None:
        self.cancel = cancel
        self.item = item
        self.again = again
        self.priority = 0
        self.rank()

    def rank(self) -> None:
        """The higher priority of the two, lest a new item overtake the cancel of the one before it."""
        cancel, item = self.cancel, self.item
        self.priority = max(
            cancel.priority if cancel is not None else 0, item.priority if item is not None else 0
        )


class Mailbox(Generic[P]):
    """Items that wait for one reader: at most `limit` keys, no I/O. Both ends of the link use it.

    Higher priority leaves first; within a priority, keys leave in the order they came in. A newer item
    replaces the older of its key in its place. A cancel removes the waiting item of its key and leaves
    before any later item of that key; it is never dropped and does not expire. Expired items are dropped
    when their turn comes. Beyond `limit` the oldest item of the lowest priority is dropped. Each loss is
    reported to `lost`. Source: own.
    """

    def __init__(self, limit: int, lost: Callable[[P, Loss], None]) -> None:
        self._limit = limit
        self._lost = lost
        self._slots: dict[int, _Slot[P]] = {}
        self._unkeyed = itertools.count(-1, -1)

    def __len__(self) -> int:
        return len(self._slots)

    def put(self, item: P, *, seen: bool) -> bool:
        """Take an item. seen: whether the reader may have been given something under this key; a cancel of
        a key it never saw ends what waits and vanishes with it.

        False when nothing but cancels waits and there is no room for one more: the reader can no longer
        be kept truthful.
        """
        key = item.key or next(self._unkeyed)
        slot = self._slots.get(key)
        if item.ends:
            return self._cancel(key, slot, item, seen)
        if slot is None:
            self._slots[key] = _Slot(None, item)
            return len(self._slots) <= self._limit or self._shed()
        if slot.item is not None:
            self._lost(slot.item, Loss.SUPERSEDED)
        slot.item, slot.again = item, False
        slot.rank()
        return True

    def take(self, now: MonoNs) -> tuple[P, bool] | None:
        """Next item and whether it was restored (see `restore`); None when nothing waits."""
        while self._slots:
            key, slot = self._first()
            cancel, item = slot.cancel, slot.item
            if cancel is not None:
                slot.cancel = None
                if item is None:
                    del self._slots[key]
                else:
                    slot.rank()
                return cancel, slot.again
            del self._slots[key]
            if item is None:
                continue
            if item.expired(now):
                self._lost(item, Loss.EXPIRED)
                continue
            return item, slot.again
        return None

    def restore(self, missed: Iterable[P]) -> bool:
        """Put what the reader missed before what waits; what waits under the same key is newer and wins.

        False as for `put`.
        """
        waiting, self._slots = self._slots, {}
        for item in missed:
            newer = waiting.pop(item.key, None)
            if item.ends:
                slot = newer or _Slot(None, None)
                if slot.cancel is None:
                    slot.cancel, slot.again = item, slot.item is None
                    slot.rank()
                self._slots[item.key] = slot
            else:
                self._slots[item.key] = newer or _Slot(None, item, again=True)
        self._slots.update(waiting)
        while len(self._slots) > self._limit:
            if not self._shed():
                return False
        return True

    def clear(self) -> int:
        """Forget everything; returns how many items that were."""
        count = sum((slot.cancel is not None) + (slot.item is not None) for slot in self._slots.values())
        self._slots.clear()
        return count

    def _cancel(self, key: int, slot: _Slot[P] | None, cancel: P, seen: bool) -> bool:
        if slot is None:
            if not seen:
                return True
            self._slots[key] = _Slot(cancel, None)
            return len(self._slots) <= self._limit or self._shed()
        if slot.item is not None:
            self._lost(slot.item, Loss.SUPERSEDED)
            slot.item = None
        if slot.cancel is None and not seen:
            del self._slots[key]
            return True
        slot.cancel, slot.again = cancel, False
        slot.rank()
        return True

    def _first(self) -> tuple[int, _Slot[P]]:
        entries = iter(self._slots.items())
        best = next(entries)
        for entry in entries:
            if entry[1].priority > best[1].priority:
                best = entry
        return best

    def _shed(self) -> bool:
        """Drop the oldest item of the lowest priority; False when only cancels are left to drop."""
        victim: int | None = None
        lowest = 256
        for key, slot in self._slots.items():
            if slot.cancel is None and slot.priority < lowest:
                victim, lowest = key, slot.priority
        if victim is None:
            self._slots.popitem()
            return False
        item = self._slots.pop(victim).item
        if item is not None:
            self._lost(item, Loss.FULL)
        return True
