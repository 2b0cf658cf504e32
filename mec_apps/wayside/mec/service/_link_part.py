from __future__ import annotations

from pathlib import Path

from wayside.clock import Clock, MonoNs
from wayside.link import Flag, FrameKind, LinkRules, Receipt
from wayside.mec.linkserver import LinkServer, Outgoing, SessionInfo
from wayside.mec.ports import ConnectingPort, Lack
from wayside.mec.ports.link import (
    PushDown,
    ReceiptUp,
    SessionDown,
    SessionUp,
    VehicleFrame,
    Written,
    core_to_link,
)
from wayside.mec.service._part import Part
from wayside.mec.service._settings import link_socket
from wayside.mec.site import Site
from wayside.observe import Counters


class LinkPart(Part):
    """The vehicles' side: sessions, TLS, mailboxes; knows nothing of the world.

    While the core is away vehicles stay connected, are told nothing, and what they were told expires by its
    own lifetime; when it is back it learns which vehicles there are. While the core does not read, vehicles
    are not read either, so that no receipt is lost. run: folder of the ports' socket files.
    """

    name = "link"

    def __init__(self, site: Site, clock: Clock, counters: Counters, run: Path) -> None:
        super().__init__(site, clock, counters)
        self._run = run
        self.core = ConnectingPort(
            "link to core",
            core_to_link,
            clock,
            counters,
            on_message=self._push,
            on_up=self._tell_sessions,
            on_down=lambda: None,
            on_congested=self._hold,
        )

    async def _start(self) -> None:
        model = self.site.model.link
        limits = model.limits
        self.link = LinkServer(
            LinkRules(
                max_sessions=limits.max_sessions,
                up_rate_hz=limits.up_rate_hz,
                up_burst=limits.up_burst,
                mailbox_limit=limits.mailbox_limit,
                resume_window_s=limits.resume_window_s,
            ),
            self.clock,
            self.counters,
            site=self.site.id,
            token=self.site.secret(model.token) or None,
            dialects=model.dialects,
            on_message=self._on_message,
            on_receipt=self._on_receipt,
            on_session=self._on_session,
            ssl_context=self.site.link_tls(),
        )
        self._ends.push_async_callback(self.core.close)
        self._ends.push_async_callback(self._tasks.close)
        self._ends.push_async_callback(self.link.close)
        await self.link.start(*self.site.endpoint("link"))
        self.ports["link"] = self.link.port
        self.core.start(link_socket(self._run), self._tasks)

    async def finish(self) -> None:
        """Tell every vehicle that the edge goes down."""
        await self.link.close()

    def gauges(self) -> dict[str, float]:
        """Vehicles connected, and sessions that wait for their return."""
        connected = len(self.link.sessions())
        return {"link_sessions": connected, "link_sessions_cut": self.link.known - connected}

    def lacks(self) -> list[Lack]:
        """Whether the core is there to say anything."""
        return [] if self.core.up else [Lack("link", "has no connection to the core", True)]

    # from the core

    def _push(self, push: PushDown) -> None:
        on_written = None
        if push.ref:

            def on_written(session: str, seq: int, at: MonoNs) -> None:
                self.core.keep(Written(session, seq, push.ref, at))

        self.link.send(
            push.session,
            Outgoing(
                FrameKind(push.kind),
                push.key,
                push.priority,
                push.created,
                push.expires,
                push.ttl_ms,
                push.body,
                on_written,
                flags=Flag(push.flags),
            ),
        )

    def _tell_sessions(self) -> None:
        for info in self.link.sessions():
            self.core.keep(SessionUp(info.session_id, info.dialect))

    def _hold(self, congested: bool) -> None:
        self.counters.count("link_held" if congested else "link_released")
        self.link.hold(congested)

    # from vehicles

    def _on_message(self, session: SessionInfo, frame: bytes, arrived: MonoNs) -> None:
        self.core.send_oldest(VehicleFrame(session.session_id, frame, arrived))

    def _on_session(self, session: SessionInfo, up: bool) -> None:
        if not self.core.up:
            return  # it learns who is there when it comes
        if up:
            self.core.keep(SessionUp(session.session_id, session.dialect))
        else:
            self.core.keep(SessionDown(session.session_id))

    def _on_receipt(self, session: SessionInfo, receipt: Receipt) -> None:
        self.core.keep(ReceiptUp(session.session_id, receipt))
