from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from enum import Enum
from typing import Generic, TypeVar

T = TypeVar("T")


class Full(Enum):
    """What a bounded queue does with one more item."""

    DROP_OLDEST = "drop_oldest"
    REFUSE_NEWEST = "refuse_newest"


class BoundedQueue(Generic[T]):
    """FIFO of at most `limit` items for one event loop; never blocks the producer.

    `dropped` is called with each item that is lost to the policy.
    """

    def __init__(self, limit: int, full: Full, dropped: Callable[[T], None]) -> None:
        self._limit = limit
        self._full = full
        self._dropped = dropped
        self._items: deque[T] = deque()
        self._ready = asyncio.Event()

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T) -> bool:
        """Queue an item; False when it was refused."""
        if len(self._items) >= self._limit:
            if self._full is Full.REFUSE_NEWEST:
                self._dropped(item)
                return False
            self._dropped(self._items.popleft())
        self._items.append(item)
        self._ready.set()
        return True

    async def get(self) -> T:
        """Oldest item, waiting for one if need be."""
        while not self._items:
            self._ready.clear()
            await self._ready.wait()
        return self._items.popleft()

    def take_all(self) -> list[T]:
        """All items at once, oldest first; empty list when there is none."""
        items = list(self._items)
        self._items.clear()
        return items


class LatestWins(Generic[T]):
    """One item a key: a newer one replaces the older, keys leave in the order they first came in.

    `limit` bounds the number of keys; at the limit the oldest key's item is lost. `superseded` is called
    with each item that is replaced or lost.
    """

    def __init__(self, limit: int, superseded: Callable[[T], None]) -> None:
        self._limit = limit
        self._superseded = superseded
        self._items: OrderedDict[object, T] = OrderedDict()
        self._ready = asyncio.Event()

    def __len__(self) -> int:
        return len(self._items)

    def put(self, key: object, item: T) -> None:
        """Set the item of a key."""
        if key in self._items:
            self._superseded(self._items[key])
        elif len(self._items) >= self._limit:
            self._superseded(self._items.popitem(last=False)[1])
        self._items[key] = item
        self._ready.set()

    async def get(self) -> T:
        """Item of the oldest key, waiting for one if need be."""
        while not self._items:
            self._ready.clear()
            await self._ready.wait()
        return self._items.popitem(last=False)[1]
