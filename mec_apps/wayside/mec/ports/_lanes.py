from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable

import msgspec

from wayside.mec.ports._reasons import PortReason


class LaneLimits(msgspec.Struct, frozen=True):
    """How much may wait for a process that does not read, in frames of each lane.

    kept: beyond it the connection is cut. congested: kept frames from which on the producers hold back.
    """

    kept: int = 16_384
    congested: int = 2_048
    newest: int = 16_384
    oldest: int = 1_024


class Lanes:
    """Frames that wait while the stream takes none, each by its policy.

    kept: first in, first out, never lost. newest: a newer frame takes the place of an older one of its key;
    the oldest key goes at the limit. oldest: first in, first out, the oldest goes at the limit. They leave in
    this order. dropped: called with the reason of each frame that is lost.
    """

    def __init__(self, limits: LaneLimits, dropped: Callable[[PortReason], None]) -> None:
        self.limits = limits
        self._dropped = dropped
        self._kept: deque[bytes] = deque()
        self._newest: OrderedDict[object, bytes] = OrderedDict()
        self._oldest: deque[bytes] = deque()

    def __len__(self) -> int:
        return len(self._kept) + len(self._newest) + len(self._oldest)

    @property
    def congested(self) -> bool:
        """Whether producers of what must not be lost hold back."""
        return len(self._kept) >= self.limits.congested

    def keep(self, frame: bytes) -> bool:
        """Let a frame wait that must not be lost; False when there is no room, and it is lost with all
        others."""
        if len(self._kept) >= self.limits.kept:
            return False
        self._kept.append(frame)
        return True

    def put_newest(self, key: object, frame: bytes) -> None:
        """Let a frame wait in place of an older one of its key."""
        if self._newest.pop(key, None) is not None:
            self._dropped(PortReason.OVERTAKEN)
        elif len(self._newest) >= self.limits.newest:
            self._newest.popitem(last=False)
            self._dropped(PortReason.OLDEST)
        self._newest[key] = frame

    def put_oldest(self, frame: bytes) -> None:
        """Let a frame wait; the oldest of this lane goes when there is no room."""
        if len(self._oldest) >= self.limits.oldest:
            self._oldest.popleft()
            self._dropped(PortReason.OLDEST)
        self._oldest.append(frame)

    def take(self) -> bytes | None:
        """Frame to be written next, None when nothing waits."""
        if self._kept:
            return self._kept.popleft()
        if self._newest:
            return self._newest.popitem(last=False)[1]
        if self._oldest:
            return self._oldest.popleft()
        return None

    def clear(self) -> int:
        """Forget all that waits; how many frames that were."""
        number = len(self)
        self._kept.clear()
        self._newest.clear()
        self._oldest.clear()
        return number
