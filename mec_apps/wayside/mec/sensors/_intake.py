from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable

from wayside.clock import Clock, MonoNs, UtcNs
from wayside.geo import LocalPlane
from wayside.mec.sensors._reasons import SensorError, SensorReason
from wayside.mec.sensors._roster import SensorSpec
from wayside.mec.sensors._scan import Scan
from wayside.mec.sensors._wire import decode_head, decode_objects
from wayside.observe import Counters, new_trace_id

FUTURE_MS = 200.0
_SEQUENCE_WINDOW = 64


class _Flow:
    """What one sensor has sent: token bucket and the newest sequence numbers."""

    __slots__ = ("newest_ns", "newest_seq", "refilled", "seen", "tokens")

    def __init__(self) -> None:
        self.tokens = -1.0
        self.refilled = MonoNs(0)
        self.seen: OrderedDict[int, int] = OrderedDict()
        self.newest_seq = -1
        self.newest_ns = -1


class ScanIntake:
    """Checks what sensors send and makes scans of it: known, from the right place, in time, in measure.

    A sensor may send at twice its rate with bursts of a second; more is refused. Scans may arrive out of
    order. All that is refused is counted under SensorReason. Bounded; used on one thread.
    """

    def __init__(
        self,
        sensors: Iterable[SensorSpec],
        plane: LocalPlane,
        clock: Clock,
        counters: Counters,
        *,
        new_trace: Callable[[], str] = new_trace_id,
    ) -> None:
        self._sensors = {spec.sensor_id: spec for spec in sensors}
        self._flows = {sensor_id: _Flow() for sensor_id in self._sensors}
        self._plane = plane
        self._clock = clock
        self._counters = counters
        self._new_trace = new_trace

    def take(
        self, data: bytes | memoryview, *, arrived: MonoNs, address: str = "", sensor_id: str = ""
    ) -> Scan | None:
        """The scan in `data`, or None when it was refused (and counted).

        address: host that sent it by UDP. sensor_id: the sensor that a WebSocket belongs to.
        """
        try:
            return self.check(data, arrived=arrived, address=address, sensor_id=sensor_id)
        except SensorError as error:
            self._counters.drop(error.reason)
            return None

    def check(
        self, data: bytes | memoryview, *, arrived: MonoNs, address: str = "", sensor_id: str = ""
    ) -> Scan:
        """As `take`, but raises the SensorError; unsound objects of a sound scan are counted here."""
        head = decode_head(data)
        spec = self._sensors.get(head.sensor)
        if spec is None:
            raise SensorError(
                SensorReason.UNKNOWN_SENSOR, f"sensor {head.sensor!r}", advice="add it to the site file"
            )
        if sensor_id:
            if sensor_id != head.sensor:
                raise SensorError(SensorReason.WRONG_SOURCE, f"{head.sensor} on the socket of {sensor_id}")
        elif spec.transport != "udp" or (spec.address and spec.address != address):
            raise SensorError(SensorReason.WRONG_SOURCE, f"{head.sensor} from {address or 'nowhere'}")
        flow = self._flows[head.sensor]
        self._spend(flow, spec, arrived)
        measured = UtcNs(head.t_ns - round(spec.clock_offset_ms * 1e6))
        now_ns = self._clock.utc() - (self._clock.mono() - arrived)
        age_ms = (now_ns - measured) / 1e6
        if age_ms > spec.late_ms:
            raise SensorError(
                SensorReason.STALE,
                f"{head.sensor}: stamp {age_ms:.0f} ms old",
                advice="check the sensor's clock, or raise late_ms",
            )
        if age_ms < -FUTURE_MS:
            raise SensorError(
                SensorReason.FUTURE, f"{head.sensor}: stamp {-age_ms:.0f} ms ahead", advice="check its clock"
            )
        self._order(flow, head.seq, head.t_ns)
        detections, errors = decode_objects(head, spec.pose, self._plane)
        for error in errors:
            self._counters.drop(error.reason)
        self._counters.count("scans", spec.kind)
        return Scan(
            sensor_id=head.sensor,
            seq=head.seq,
            measured=measured,
            arrived=arrived,
            ingested=self._clock.mono(),
            trace_id=self._new_trace(),
            detections=detections,
        )

    def _spend(self, flow: _Flow, spec: SensorSpec, arrived: MonoNs) -> None:
        burst = max(2.0 * spec.rate_hz, 10.0)
        if flow.tokens < 0.0:
            flow.tokens = burst
        else:
            gained = (arrived - flow.refilled) / 1e9 * 2.0 * spec.rate_hz
            flow.tokens = min(burst, flow.tokens + max(0.0, gained))
        flow.refilled = max(flow.refilled, arrived)
        if flow.tokens < 1.0:
            raise SensorError(
                SensorReason.FLOOD, f"{spec.sensor_id} sends above twice {spec.rate_hz:g} scans/s"
            )
        flow.tokens -= 1.0

    def _order(self, flow: _Flow, seq: int, t_ns: int) -> None:
        newer = t_ns > flow.newest_ns
        if seq in flow.seen:
            if not newer or flow.seen[seq] == t_ns:
                raise SensorError(SensorReason.DUPLICATE, f"seq {seq} again")
            flow.seen.clear()
            flow.newest_seq = -1
        elif seq <= flow.newest_seq - _SEQUENCE_WINDOW:
            if not newer:
                raise SensorError(SensorReason.OUT_OF_DATE, f"seq {seq} after {flow.newest_seq}")
            flow.seen.clear()
            flow.newest_seq = -1
        flow.seen[seq] = t_ns
        if len(flow.seen) > _SEQUENCE_WINDOW:
            flow.seen.popitem(last=False)
        flow.newest_seq = max(flow.newest_seq, seq)
        flow.newest_ns = max(flow.newest_ns, t_ns)
