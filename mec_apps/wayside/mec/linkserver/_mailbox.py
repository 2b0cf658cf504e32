from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

from wayside.clock import MonoNs
from wayside.link import FrameKind
from wayside.mec.linkserver._outgoing import Outgoing
from wayside.mec.linkserver._reasons import LinkServerReason

Dropped = Callable[[LinkServerReason], None]


class _Slot:
    """What waits under one key: a cancel, then the item that came after it."""

    __slots__ = ("again", "cancel", "item", "priority")

    def __init__(self, cancel: Outgoing | None, item: Outgoing | None, again: bool = False) -> None:
        self.cancel = cancel
        self.item = item
        self.again = again
        self.priority = 0
        self.rank()

    def rank(self) -> None:
        """Priority of the slot: the higher of the two, so that a new warning does not overtake the cancel
        of the one before it."""
        cancel, item = self.cancel, self.item
        self.priority = max(
            cancel.priority if cancel is not None else 0, item.priority if item is not None else 0
        )


class Mailbox:
    """Frames that wait for one vehicle's socket: at most `limit` keys, no I/O.

    Higher priority leaves first; within a priority, keys leave in the order they came in. A newer item
    replaces the older of its key in its place. A CANCEL removes the waiting item of its key and leaves
    before any later item of that key; it is never dropped and does not expire. Expired items are dropped
    when their turn comes. Beyond `limit` the oldest item of the lowest priority is dropped. Each drop is
    reported to `dropped`. Source: own.
    """

    def __init__(self, limit: int, dropped: Dropped) -> None:
        self._limit = limit
        self._dropped = dropped
        self._slots: dict[int, _Slot] = {}
        self._unkeyed = itertools.count(-1, -1)

    def __len__(self) -> int:
        return len(self._slots)

    def put(self, item: Outgoing, *, seen: bool) -> bool:
        """Take an item. seen: whether the vehicle may have been sent something under this key; a CANCEL of
        a key it never saw ends what waits and vanishes with it.

        False when nothing but cancels waits and there is no room for one more: the vehicle can no longer
        be kept truthful, and its session must end.
        """
        key = item.key or next(self._unkeyed)
        slot = self._slots.get(key)
        if item.kind is FrameKind.CANCEL:
            return self._cancel(key, slot, item, seen)
        if slot is None:
            self._slots[key] = _Slot(None, item)
            return self._fit()
        if slot.item is not None:
            self._dropped(LinkServerReason.SUPERSEDED)
        slot.item, slot.again = item, False
        slot.rank()
        return True

    def take(self, now: MonoNs) -> tuple[Outgoing, bool] | None:
        """Next item to write and whether it is sent again after a resume; None when nothing waits."""
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
                self._dropped(LinkServerReason.EXPIRED)
                continue
            return item, slot.again
        return None

    def restore(self, missed: Iterable[Outgoing]) -> bool:
        """Put what a cut vehicle missed before what waits; what waits under the same key is newer and wins.

        False as for `put`.
        """
        waiting, self._slots = self._slots, {}
        for item in missed:
            newer = waiting.pop(item.key, None)
            if item.kind is FrameKind.CANCEL:
                slot = newer or _Slot(None, None)
                if slot.cancel is None:
                    slot.cancel, slot.again = item, slot.item is None
                    slot.rank()
                self._slots[item.key] = slot
            else:
                self._slots[item.key] = newer or _Slot(None, item, again=True)
        self._slots.update(waiting)
        fits = True
        while fits and len(self._slots) > self._limit:
            fits = self._fit()
        return fits

    def clear(self) -> int:
        """Forget everything; returns how many items that were."""
        count = sum((slot.cancel is not None) + (slot.item is not None) for slot in self._slots.values())
        self._slots.clear()
        return count

    def _cancel(self, key: int, slot: _Slot | None, cancel: Outgoing, seen: bool) -> bool:
        if slot is None:
            if not seen:
                return True
            self._slots[key] = _Slot(cancel, None)
            return self._fit()
        if slot.item is not None:
            self._dropped(LinkServerReason.SUPERSEDED)
            slot.item = None
        if slot.cancel is None and not seen:
            del self._slots[key]
            return True
        slot.cancel, slot.again = cancel, False
        slot.rank()
        return True

    def _first(self) -> tuple[int, _Slot]:
        best: tuple[int, _Slot] | None = None
        for entry in self._slots.items():
            if best is None or entry[1].priority > best[1].priority:
                best = entry
        assert best is not None
        return best

    def _fit(self) -> bool:
        """Drop one slot if there is one too many; False when only cancels are left to drop."""
        if len(self._slots) <= self._limit:
            return True
        victim: int | None = None
        lowest = 256
        for key, slot in self._slots.items():
            if slot.cancel is None and slot.priority < lowest:
                victim, lowest = key, slot.priority
        if victim is None:
            self._slots.popitem()
            return False
        del self._slots[victim]
        self._dropped(LinkServerReason.MAILBOX_FULL)
        return True
