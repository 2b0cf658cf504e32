from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable

from wayside.clock import MonoNs
from wayside.link import Flag, Hello, LinkRules, Loss, Mailbox
from wayside.mec.linkserver._history import History
from wayside.mec.linkserver._outgoing import Outgoing, SessionInfo
from wayside.mec.linkserver._reasons import LinkServerReason

Dropped = Callable[[LinkServerReason], None]

_REASON = {
    Loss.EXPIRED: LinkServerReason.EXPIRED,
    Loss.SUPERSEDED: LinkServerReason.SUPERSEDED,
    Loss.FULL: LinkServerReason.MAILBOX_FULL,
}
# Room for four full mailboxes of keys: more than the send buffer can hold unread, and still a few
# kilobytes a vehicle.
HISTORY_MAILBOXES = 4
# Bursts of excess frames after which a vehicle over its rate is cut: at 40 frames/s and a burst of 80, a
# sender at twice its rate has 10 s to mend its ways, one at 1000 frames/s less than half a second.
FLOOD_BURSTS = 5


class RateBucket:
    """Token bucket over monotonic time: `burst` frames at once, `rate_hz` in the long run."""

    __slots__ = ("_burst", "_filled", "_rate_hz", "_tokens", "excess")

    def __init__(self, rate_hz: float, burst: int, now: MonoNs) -> None:
        self._rate_hz = rate_hz
        self._burst = float(burst)
        self._tokens = float(burst)
        self._filled = now
        self.excess = 0

    def admit(self, now: MonoNs) -> bool:
        """Whether one more frame is within the rate. `excess` counts the refused ones since the bucket was
        last half full."""
        tokens = min(self._burst, self._tokens + (now - self._filled) * 1e-9 * self._rate_hz)
        self._filled = now
        if tokens < 1.0:
            self._tokens = tokens
            self.excess += 1
            return False
        self._tokens = tokens - 1.0
        if tokens * 2.0 >= self._burst:
            self.excess = 0
        return True


class Session:
    """State of one vehicle on the link, without its socket: what waits for it, what it was sent, its limits.

    It outlives the connection by the resume window; `cut_at` is None while a connection carries it.
    """

    __slots__ = (
        "_dropped",
        "_rules",
        "_seq",
        "bad_frames",
        "bucket",
        "cut_at",
        "history",
        "info",
        "last_heard",
        "mailbox",
        "resume_token",
    )

    def __init__(self, hello: Hello, rules: LinkRules, now: MonoNs, dropped: Dropped) -> None:
        self.info = SessionInfo(secrets.token_hex(8), hello.vehicle_id, hello.dialect, hello.software, now)
        self.resume_token = secrets.token_urlsafe(24)
        self.cut_at: MonoNs | None = None
        self.mailbox: Mailbox[Outgoing] = Mailbox(rules.mailbox_limit, lambda _, loss: dropped(_REASON[loss]))
        self.history = History(rules.mailbox_limit * HISTORY_MAILBOXES)
        self.bad_frames = 0
        self._rules = rules
        self._dropped = dropped
        self._seq = 0
        self.bucket = RateBucket(rules.up_rate_hz, rules.up_burst, now)
        self.last_heard = now

    def post(self, item: Outgoing) -> bool:
        """Queue an item; False when the session must end (see `Mailbox.put`)."""
        return self.mailbox.put(item, seen=item.ends and self.history.saw(item.key))

    def next_seq(self) -> int:
        """Number of the next frame down."""
        self._seq = (self._seq + 1) & 0xFFFFFFFF
        return self._seq

    def next_frame(self, now: MonoNs) -> tuple[bytes, int, Outgoing] | None:
        """Octets, `seq` and item of the next frame to write, or None; counts it as written."""
        taken = self.mailbox.take(now)
        if taken is None:
            return None
        item, again = taken
        seq = self.next_seq()
        self.history.written(seq, item)
        return item.frame(seq, Flag.RESUMED if again else 0), seq, item

    def frame_at_once(self, item: Outgoing, now: MonoNs) -> tuple[bytes, int] | None:
        """As `post` and `next_frame` in one, for an empty mailbox; None when there is nothing to write."""
        if now >= item.expires and item.expired(now):
            self._dropped(LinkServerReason.EXPIRED)
            return None
        if item.ends and not self.history.saw(item.key):
            return None
        seq = self._seq = (self._seq + 1) & 0xFFFFFFFF
        self.history.written(seq, item)
        return item.frame(seq), seq

    def may_resume(self, hello: Hello) -> bool:
        """Whether a HELLO proves that it is this session's vehicle."""
        return hello.vehicle_id == self.info.vehicle_id and hmac.compare_digest(
            hello.resume.encode(), self.resume_token.encode()
        )

    def resume(self, hello: Hello, now: MonoNs) -> bool:
        """Take up a connection again: what was missed waits again. False as for `post`."""
        self.cut_at = None
        self.last_heard = now
        self.bad_frames = 0
        return self.mailbox.restore(self.history.missed(hello.last_seq & 0xFFFFFFFF, now))

    def heard(self, now: MonoNs) -> bool:
        """Account for a frame that came in; False when it is over the rate and must be dropped."""
        self.last_heard = now
        return self.bucket.admit(now)

    def floods(self) -> bool:
        """Whether the vehicle has been over its rate for too long."""
        return self.bucket.excess > FLOOD_BURSTS * self._rules.up_burst

    def bad_frame(self) -> bool:
        """Account for a malformed frame; True when it was one too many in a row."""
        self.bad_frames += 1
        return self.bad_frames >= self._rules.bad_frames_limit

    def silent(self, now: MonoNs) -> bool:
        """Whether nothing has come in for three keep-alive periods."""
        return now - self.last_heard > 3e9 * self._rules.keepalive_s

    def lapsed(self, now: MonoNs) -> bool:
        """Whether the window to take a cut session up again has passed."""
        return self.cut_at is not None and now - self.cut_at > 1e9 * self._rules.resume_window_s
