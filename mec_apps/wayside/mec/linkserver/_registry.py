from __future__ import annotations

import hmac
from collections.abc import Collection
from typing import NamedTuple

from wayside.clock import MonoNs
from wayside.link import Hello, LinkRules, Refusal, Refused
from wayside.mec.linkserver._reasons import LinkServerReason
from wayside.mec.linkserver._session import Dropped, Session

NEVER_S = -1.0
# A full edge frees places only as vehicles drive off: asking again sooner is load without hope.
FULL_RETRY_S = 5.0


class Admission(NamedTuple):
    """A vehicle let in. replaced: its earlier session, to be ended (None when it resumes that one)."""

    session: Session
    resumed: bool
    replaced: Session | None


class Registry:
    """Sessions of one edge, by id and by vehicle, connected or cut. No I/O.

    Who may speak as a vehicle that is already known: the holder of its resume token always (the session
    goes on); with a site token configured, any holder of that token (a new session replaces the old: a
    restarted vehicle has lost its resume token); in a site without token nobody else while the older
    connection lives. A cut session does not stand in the way of a new one.
    """

    def __init__(
        self, rules: LinkRules, token: str | None, dialects: Collection[str], dropped: Dropped
    ) -> None:
        self._rules = rules
        self._token = token
        self._dialects = frozenset(dialects)
        self._dropped = dropped
        self.by_id: dict[str, Session] = {}
        self._by_vehicle: dict[str, Session] = {}

    def admit(self, hello: Hello, now: MonoNs) -> Admission | Refused:
        """Decide on a HELLO and enter the session."""
        if self._token is not None and not hmac.compare_digest(hello.token.encode(), self._token.encode()):
            return Refused(Refusal.BAD_TOKEN, "the site's token is missing or wrong", NEVER_S)
        if hello.dialect not in self._dialects:
            spoken = ", ".join(sorted(self._dialects))
            return Refused(Refusal.UNKNOWN_DIALECT, f"this site speaks {spoken}"[:512], NEVER_S)
        older = self._by_vehicle.get(hello.vehicle_id)
        if older is not None and older.may_resume(hello):
            if hello.dialect == older.info.dialect and not older.lapsed(now) and older.resume(hello, now):
                return Admission(older, True, None)
        elif older is not None and self._token is None and older.cut_at is None:
            return Refused(
                Refusal.BAD_TOKEN,
                "a vehicle of this id is connected; its resume token is needed to replace it",
                self._rules.keepalive_s,
            )
        if older is None and len(self.by_id) >= self._rules.max_sessions and not self._evict_cut():
            return Refused(Refusal.FULL, f"{self._rules.max_sessions} vehicles", FULL_RETRY_S)
        if older is not None:
            self.remove(older)
        session = Session(hello, self._rules, now, self._dropped)
        self.by_id[session.info.session_id] = session
        self._by_vehicle[hello.vehicle_id] = session
        return Admission(session, False, older)

    def remove(self, session: Session) -> None:
        """End a session for good; what waits in its mailbox is dropped."""
        for _ in range(session.mailbox.clear()):
            self._dropped(LinkServerReason.NO_SESSION)
        self.by_id.pop(session.info.session_id, None)
        if self._by_vehicle.get(session.info.vehicle_id) is session:
            del self._by_vehicle[session.info.vehicle_id]

    def lapsed(self, now: MonoNs) -> list[Session]:
        """Cut sessions whose resume window has passed."""
        return [session for session in self.by_id.values() if session.lapsed(now)]

    def _evict_cut(self) -> bool:
        cut = [session for session in self.by_id.values() if session.cut_at is not None]
        if not cut:
            return False
        self.remove(min(cut, key=lambda session: session.cut_at or 0))
        return True
