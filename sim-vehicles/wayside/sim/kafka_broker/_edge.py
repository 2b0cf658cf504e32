"""The edge of a kill round, as a process to be killed: records into an outbox, and from there to Kafka.

    python -m wayside.sim.kafka_broker._edge OUTBOX SERVER SITE RATE_HZ

Each line of output names a record that is on disk: boot, sequence, key. After SIGTERM it makes no more, sends
what is left, and ends with 0 when nothing is.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from wayside.broker import BrokerAccess
from wayside.clock import SystemClock
from wayside.mec.rollup import KafkaSettings, KafkaUplink, Outbox
from wayside.records import DeviceRecord, EventRecord, EventState
from wayside.runtime import Backoff, TaskOwner

KEYS = 5
_GROUP = 5
_DRAIN_S = 120.0


async def run(path: Path, server: str, site: str, rate_hz: float) -> bool:
    """Report until SIGTERM; whether everything has been sent."""
    clock, stop = SystemClock(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    settings = KafkaSettings(BrokerAccess((server,)), page_records=50, timeout_s=4.0)
    async with await Outbox.open(path, site, clock) as outbox, TaskOwner("edge") as owner:
        uplink = KafkaUplink(settings, outbox, clock, backoff=Backoff(ceiling_s=1.0))
        owner.start(uplink.send_records(), "uplink")
        number = 0
        while not stop.is_set():
            items: list[tuple[str, DeviceRecord | EventRecord]] = []
            for _ in range(_GROUP):
                number += 1
                key = f"{site}-{number % KEYS}"
                items.append((key, _event(key, number) if number % 3 == 0 else _device(key, number)))
            ids = await outbox.append(items)
            told = zip(ids, items, strict=True)
            sys.stdout.write("".join(f"{item.boot} {item.seq} {key}\n" for item, (key, _) in told))
            sys.stdout.flush()
            await clock.sleep(_GROUP / rate_hz)
        sent = await uplink.drain(_DRAIN_S)
        await uplink.close()
    return sent


def _device(key: str, number: int) -> DeviceRecord:
    return DeviceRecord(key, "rsu", "up", detail={"number": number})


def _event(key: str, number: int) -> EventRecord:
    return EventRecord(
        event_id=f"{key}-{number}",
        revision=1,
        state=EventState.OPEN,
        kind="hlw",
        severity=2,
        lat_deg=38.9976,
        lon_deg=117.312,
        opened_utc_ns=number,
        closed_utc_ns=None,
        app="hlw",
        trace_id=f"{number:016x}",
    )


if __name__ == "__main__":
    outbox_path, broker, site_id, rate = sys.argv[1:]
    sys.exit(0 if asyncio.run(run(Path(outbox_path), broker, site_id, float(rate))) else 1)
