from __future__ import annotations

from collections import deque
from typing import NamedTuple

from wayside.clock import MonoNs, UtcNs
from wayside.link import ClockPong

# Of eight round trips the shortest met the least queueing: its offset is the best one (RFC 5905, 10).
SAMPLES = 8


class Estimate(NamedTuple):
    """How the edge's clocks stand to the vehicle's, nanoseconds. rtt_ns: round trip; the error of the
    offsets is at most half of it."""

    edge_minus_vehicle_ns: int
    utc_minus_vehicle_ns: int
    rtt_ns: int


class ClockOffset:
    """Compares the edge's clocks with the vehicle's monotonic clock by pings, as NTP does. No I/O.

    What an earlier connection taught holds until the first answer on a new one, so that what is sent again
    at once after a resume can be judged.
    """

    def __init__(self) -> None:
        self._samples: deque[tuple[int, int]] = deque(maxlen=SAMPLES)
        self._edge_utc_minus_mono_ns = 0
        self._asked: deque[int] = deque(maxlen=SAMPLES)
        self._kept: Estimate | None = None
        self.answered_at: MonoNs | None = None

    def new_connection(self, same_server: bool) -> None:
        """Start over; `same_server` keeps the last estimate until there is a new one."""
        self._kept = self.estimate() if same_server else None
        self._samples.clear()
        self._asked.clear()
        self.answered_at = None

    def asked(self, sent_ns: MonoNs) -> None:
        """Note a ping."""
        self._asked.append(sent_ns)

    def answer(self, pong: ClockPong, received: MonoNs) -> bool:
        """Take an answer; False for one that answers no ping of ours or goes backwards in time."""
        if pong.sent_ns not in self._asked:
            return False
        self._asked.remove(pong.sent_ns)
        rtt_ns = (received - pong.sent_ns) - (pong.edge_sent_ns - pong.edge_received_ns)
        if rtt_ns < 0 or pong.edge_sent_ns < pong.edge_received_ns:
            return False
        offset_ns = ((pong.edge_received_ns - pong.sent_ns) + (pong.edge_sent_ns - received)) // 2
        self._samples.append((rtt_ns, offset_ns))
        # The edge's UTC may step, its monotonic clock does not: the newest difference of the two is right.
        self._edge_utc_minus_mono_ns = pong.edge_sent_utc_ns - pong.edge_sent_ns
        self.answered_at = received
        return True

    def estimate(self) -> Estimate | None:
        """Best estimate, None before the first answer."""
        if not self._samples:
            return self._kept
        rtt_ns, offset_ns = min(self._samples)
        return Estimate(offset_ns, offset_ns + self._edge_utc_minus_mono_ns, rtt_ns)

    def at(self, utc: UtcNs) -> MonoNs | None:
        """Vehicle's monotonic instant of an instant of the edge's UTC, None without an estimate."""
        estimate = self.estimate()
        return None if estimate is None else MonoNs(utc - estimate.utc_minus_vehicle_ns)
