from __future__ import annotations

from wayside.clock import MonoNs
from wayside.link import FrameKind
from wayside.mec.linkserver._outgoing import Outgoing

_KEPT_KINDS = frozenset({FrameKind.WARNING, FrameKind.ADVICE, FrameKind.CANCEL})
_HALF = 1 << 31


def after(seq: int, other: int) -> bool:
    """Whether `seq` is later than `other`, both modulo 2^32 (serial arithmetic as in RFC 1982)."""
    return seq != other and (seq - other) & 0xFFFFFFFF < _HALF


class History:
    """What a vehicle was last sent under each key, for a resume: at most `limit` keys, the oldest go."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._sent: dict[int, tuple[int, Outgoing]] = {}
        self._forgot = False

    def __len__(self) -> int:
        return len(self._sent)

    def saw(self, key: int) -> bool:
        """Whether the vehicle may have been sent something under this key."""
        return key in self._sent or self._forgot

    def written(self, seq: int, item: Outgoing) -> None:
        """Note a frame that went to the socket."""
        if item.kind not in _KEPT_KINDS or not item.key:
            return
        sent = self._sent
        sent.pop(item.key, None)
        sent[item.key] = (seq, item)
        if len(sent) > self._limit:
            del self._sent[next(iter(self._sent))]
            self._forgot = True

    def missed(self, last_seq: int, now: MonoNs) -> list[Outgoing]:
        """What still matters of all that was written after `last_seq`, in the order of writing."""
        return [item for seq, item in self._sent.values() if after(seq, last_seq) and not item.expired(now)]
