from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import msgspec

from wayside.asn1 import load
from wayside.asn1.translate import to_wire
from wayside.clock import Clock, MonoNs, UtcNs
from wayside.link import Severity
from wayside.observe import Counters, Stage, TraceMark, stage_durations_ms
from wayside.obu import ObuClient, ReceivedAdvice, ReceivedCancel, ReceivedMessage, ReceivedWarning
from wayside.runtime import TaskOwner
from wayside.sim._world import RoadVehicle, SimulatedRoad
from wayside.sim.report import DeliveredLatency

BSM_PERIOD_S = 0.1


class Shown(msgspec.Struct, frozen=True):
    """A danger as a driver was first shown it. latency: None when its first frame never came."""

    session: str
    event_id: str
    kind: str
    severity: int
    trace_id: str
    at_s: float
    latency: DeliveredLatency | None


class Fleet:
    """Every connected vehicle of the road with a real client of the link.

    A client is opened when its vehicle appears and closed when it leaves; it speaks one of the dialects, one
    after the other by the vehicle's number. Warnings go to the driver of the simulation; of each danger and
    vehicle the first is kept in `shown`. advice: kind → frames.
    """

    def __init__(
        self,
        road: SimulatedRoad,
        url: str,
        token: str,
        clock: Clock,
        counters: Counters,
        dialects: Sequence[str],
    ) -> None:
        self._road = road
        self._url = url
        self._token = token
        self._clock = clock
        self._counters = counters
        self._dialects = tuple(dialects)
        self._clients: dict[str, ObuClient] = {}
        self._next_bsm_s: dict[str, float] = {}
        self._msg_count: Counter[str] = Counter()
        self._seen: set[tuple[str, str]] = set()
        self._tasks = TaskOwner("fleet")
        self.shown: list[Shown] = []
        self.advice: Counter[str] = Counter()
        self.told: Callable[[Shown], None] | None = None
        self.peak = 0

    def __len__(self) -> int:
        return len(self._clients)

    def step(self, utc: UtcNs) -> None:
        """Open and close clients as vehicles come and go, and send the safety messages that are due."""
        present = self._road.connected()
        for session in self._clients.keys() - present.keys():
            client = self._clients.pop(session)
            del self._next_bsm_s[session]
            self._tasks.start(client.close(), f"close {session}")
        now_s = self._road.now_s
        for session, vehicle in present.items():
            if session not in self._clients:
                self._open(session, self._dialect_of(vehicle))
                self._next_bsm_s[session] = now_s + (vehicle.id % 10) * 0.01
            if now_s >= self._next_bsm_s[session]:
                self._next_bsm_s[session] = max(self._next_bsm_s[session] + BSM_PERIOD_S, now_s)
                self._tasks.start(self._send(session, vehicle, utc), f"bsm {session}")
        self.peak = max(self.peak, len(self._clients))

    async def close(self) -> None:
        """Close all clients and end what is under way."""
        for client in self._clients.values():
            await client.close()
        self._clients.clear()
        await self._tasks.close()

    def bsm(self, vehicle: RoadVehicle, utc: UtcNs, msg_count: int, dialect: str) -> bytes:
        """Octets of what a vehicle says of itself."""
        said = self._road.basic_safety(vehicle, utc, msg_count)
        return load(dialect).encode(to_wire(dialect, said).value)

    def _dialect_of(self, vehicle: RoadVehicle) -> str:
        return self._dialects[vehicle.id % len(self._dialects)]

    def _open(self, session: str, dialect: str) -> None:
        client = ObuClient(
            [self._url],
            vehicle_id=session,
            token=self._token,
            dialect=dialect,
            clock=self._clock,
            counters=self._counters,
        )
        self._clients[session] = client

        async def warned(received: ReceivedWarning) -> None:
            self._warned(session, received, self._clock.mono())

        async def cancelled(received: ReceivedCancel) -> None:
            self._road.cancel(session, received.key)

        async def advised(received: ReceivedAdvice) -> None:
            self.advice[received.advice.kind.value] += 1

        async def heard(received: ReceivedMessage) -> None:
            self._counters.count("fleet_messages")

        client.on_warning(warned, min_severity=Severity.INFORM)
        client.on_cancel(cancelled)
        client.on_advice(advised)
        client.on_message(heard)
        self._tasks.start(client.start(), f"open {session}")

    async def _send(self, session: str, vehicle: RoadVehicle, utc: UtcNs) -> None:
        client = self._clients.get(session)
        if client is None or client.status().session_id == "":
            return
        self._msg_count[session] += 1
        dialect = self._dialect_of(vehicle)
        await client.send_bsm(self.bsm(vehicle, utc, self._msg_count[session], dialect))
        self._counters.count("fleet_bsm")

    def _warned(self, session: str, received: ReceivedWarning, called: MonoNs) -> None:
        warning = received.warning
        self._road.warn(session, received.key, warning, received.remaining_s(called))
        if (session, warning.event_id) in self._seen:
            return
        self._seen.add((session, warning.event_id))
        marks = (
            *warning.marks,
            TraceMark(Stage.RECEIVED, received.received),
            TraceMark(Stage.CALLED, called),
        )
        kind = warning.kind.value
        latency: DeliveredLatency | None = None
        if warning.marks:
            begun = min(mark.at_ns for mark in warning.marks)
            stages, total_ms = stage_durations_ms(marks), max((called - begun) / 1e6, 0.0)
            latency = DeliveredLatency(warning.trace_id, session, kind, stages, total_ms)
        severity, now_s = int(warning.severity), self._road.now_s
        shown = Shown(session, warning.event_id, kind, severity, warning.trace_id, now_s, latency)
        self.shown.append(shown)
        if self.told is not None:
            self.told(shown)
