from __future__ import annotations

from collections.abc import Callable

import msgspec

from wayside.clock import MonoNs, UtcNs
from wayside.link import Flag, FrameKind, FrameTemplate, Header

OnWritten = Callable[[str, int, MonoNs], None]
"""Called with session id, `seq` of the frame and the instant after it was handed to the socket."""

DOWN_KINDS = frozenset({FrameKind.MESSAGE, FrameKind.WARNING, FrameKind.ADVICE, FrameKind.CANCEL})
_NO_FLAGS = Flag(0)
_MAY_LIVE_FOREVER = frozenset({FrameKind.CANCEL, FrameKind.MESSAGE})


class Outgoing:
    """A frame for vehicles: built once, given to `LinkServer.send` for each of them.

    kind: MESSAGE, WARNING, ADVICE or CANCEL. key: identity under which a newer one replaces an older, 0 for
    none; a CANCEL has the key of what it ends. priority: 0..255, see `wayside.link.priority_of`. created,
    ttl_ms: what the vehicle judges the age by; ttl_ms 0 (CANCEL and MESSAGE only) lives for ever.
    expires: instant after which the edge no longer writes it; ignored for CANCEL and where ttl_ms is 0.
    body: octets behind the header. on_written: called for each session at each writing, so again after a
    resume. flags: DEGRADED when the edge doubts its clock.
    `frame(seq, flags=0)` gives the octets for one session, `flags` added.

    Raises ValueError for a kind that does not go down to vehicles, or a WARNING or ADVICE without lifetime.
    """

    __slots__ = (
        "body",
        "created",
        "ends",
        "expires",
        "frame",
        "key",
        "kind",
        "on_written",
        "priority",
        "ttl_ms",
    )

    def __init__(
        self,
        kind: FrameKind,
        key: int,
        priority: int,
        created: UtcNs,
        expires: MonoNs,
        ttl_ms: int,
        body: bytes,
        on_written: OnWritten | None = None,
        *,
        flags: Flag = _NO_FLAGS,
    ) -> None:
        if kind not in DOWN_KINDS:
            raise ValueError(f"{kind.name} is not given to LinkServer.send")
        if ttl_ms <= 0 and kind not in _MAY_LIVE_FOREVER:
            raise ValueError(f"{kind.name} needs a lifetime, ttl_ms is {ttl_ms}")
        self.kind = kind
        self.ends = kind is FrameKind.CANCEL
        self.key = key
        self.priority = priority
        self.created = created
        self.expires = expires
        self.ttl_ms = ttl_ms
        self.body = body
        self.on_written = on_written
        self.frame = FrameTemplate(
            Header(kind, flags, priority, 0, key, created // 1_000_000, ttl_ms), body
        ).numbered

    def expired(self, now: MonoNs) -> bool:
        """Whether it must no longer be written."""
        return self.ttl_ms > 0 and now >= self.expires and not self.ends


class SessionInfo(msgspec.Struct, frozen=True):
    """One vehicle on the link.

    session_id: random, stays the same over a resume. vehicle_id: as the vehicle gave it; it is not the
    temporary id of its safety messages. opened: when the session began.
    """

    session_id: str
    vehicle_id: str
    dialect: str
    software: str
    opened: MonoNs
