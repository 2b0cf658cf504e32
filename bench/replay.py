"""Records a second from a full outbox to Kafka, and from there into the centre's store, beside bare aiokafka.

    python bench/replay.py [--records 20000] [--repeat 3] [--json]

A real broker of one node on the loopback, fetched once. The floor is aiokafka alone: an idempotent producer,
acks=all, `send` of ready octets, all acknowledgements awaited. `outbox to broker` is the outbox emptied by
the uplink, each page acknowledged before it is deleted from the disk. `broker to store` is the centre taking
the same records in, each poll in one transaction with fsync. The three take turns on an idle broker.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer

from wayside.broker import BrokerAccess
from wayside.clock import SystemClock
from wayside.cloud import CloudSettings, KafkaSettings, create_app
from wayside.cloud._kafka_topics import make_topics
from wayside.mec.rollup import KafkaSettings as EdgeKafka
from wayside.mec.rollup import KafkaUplink, Outbox
from wayside.records import EventRecord, EventState, Record, RecordId, encode_record
from wayside.runtime import TaskOwner
from wayside.sim.kafka_broker import KafkaBroker, KafkaMissing

KEYS = 20
GOAL = 0.7
_PAGE = 1_000


def event(n: int) -> EventRecord:
    """A hazard with the evidence and latency that a real one carries."""
    return EventRecord(
        event_id=f"6a1b2c3d-{n}",
        revision=1,
        state=EventState.OPEN,
        kind="vrucw",
        severity=3,
        lat_deg=38.9976,
        lon_deg=117.312,
        opened_utc_ns=1_790_000_000_000_000_000 + n,
        closed_utc_ns=None,
        app="vrucw",
        trace_id=f"{n:016x}",
        lane="1/31",
        warned=2,
        evidence={"distance_m": 21.4, "time_to_conflict_s": 1.8, "occluded": True},
        latency_ms={"ingested": 0.3, "fused": 2.7, "decided": 1.1, "selected": 0.5, "written": 0.2},
    )


async def floor(server: str, number: int, topic: str) -> float:
    """Records a second of aiokafka alone."""
    bodies = [
        encode_record(Record(RecordId("floor", 1, n + 1), f"k{n % KEYS}", n, event(n))) for n in range(number)
    ]
    async with AIOKafkaProducer(
        bootstrap_servers=server, enable_idempotence=True, acks="all", max_batch_size=262_144
    ) as producer:
        await producer.partitions_for(topic)
        began = time.monotonic()
        for begin in range(0, number, _PAGE):
            page = enumerate(bodies[begin : begin + _PAGE], begin)
            waits = [await producer.send(topic, body, key=b"k%d" % (n % KEYS)) for n, body in page]
            await asyncio.gather(*waits)
        return number / (time.monotonic() - began)


async def replay(server: str, number: int, folder: Path, name: str) -> tuple[float, float]:
    """Records a second from the outbox to the broker, and from there to the store."""
    clock, access = SystemClock(), BrokerAccess((server,))
    kafka = KafkaSettings(servers=(server,), group=f"bench-{name}", replication=1)
    await make_topics(kafka, access)
    async with await Outbox.open(folder / "outbox.sqlite", name, clock) as outbox:
        uplink = KafkaUplink(EdgeKafka(access), outbox, clock)
        async with TaskOwner("bench") as owner:
            owner.start(uplink.send_records(), "uplink")
            # A first page, so that the uplink has found its partitions.
            await outbox.append([(f"k{n}", event(n)) for n in range(KEYS)])
            await outbox.wait_empty()
        for begin in range(0, number, _PAGE):
            await outbox.append([(f"k{n % KEYS}", event(n)) for n in range(begin, begin + _PAGE)])
        async with TaskOwner("bench") as owner:
            began = time.monotonic()
            owner.start(uplink.send_records(), "uplink")
            await outbox.wait_empty()
            sent_s = time.monotonic() - began
        await uplink.close()
    app = create_app(CloudSettings(data=folder / "centre", kafka=kafka), clock)
    counters = app.state.centre.counters
    async with app.router.lifespan_context(app):
        await _counted(lambda: counters.value("records_stored", "event"), 1)
        before, began = counters.value("records_stored", "event"), time.monotonic()
        await _counted(lambda: counters.value("records_stored", "event"), number + KEYS)
        stored_s = time.monotonic() - began
    return number / sent_s, (number + KEYS - before) / stored_s


async def _counted(value: Callable[[], int], wanted: int) -> None:
    """Return when a counter has come so far."""
    for _ in itertools.count():
        if value() >= wanted:
            return
        await asyncio.sleep(0.002)


def measure(server: str, number: int, repeat: int, folder: Path) -> dict[str, Any]:
    """Median rates of `repeat` turns, floor and replay taking turns."""
    floors, sents, storeds = [], [], []
    for turn in range(repeat):
        print(f"turn {turn + 1} of {repeat} …", file=sys.stderr)
        place = folder / str(turn)
        place.mkdir()
        sent, stored = asyncio.run(replay(server, number, place, f"bench-{turn}"))
        floors.append(asyncio.run(floor(server, number, "wayside.summaries.v1")))
        sents.append(sent)
        storeds.append(stored)
    bare, sent, stored = map(statistics.median, (floors, sents, storeds))
    return {
        "records": number,
        "record_bytes": len(encode_record(Record(RecordId("floor", 1, 1), "k0", 1, event(1)))),
        "floor_per_s": round(bare),
        "sent_per_s": round(sent),
        "stored_per_s": round(stored),
        "sent_ratio": round(sent / bare, 3),
        "stored_ratio": round(stored / bare, 3),
        "goal": GOAL,
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, default=20_000, help="of each turn (default %(default)s)")
    parser.add_argument(
        "--repeat", type=int, default=3, help="turns, the median counts (default %(default)s)"
    )
    parser.add_argument("--folder", type=Path, help="where the files lie (default: the temporary folder)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    number = max(_PAGE, args.records // _PAGE * _PAGE)
    with tempfile.TemporaryDirectory(prefix="wayside-replay-", dir=args.folder) as folder:
        broker = KafkaBroker(Path(folder) / "kafka")
        try:
            broker.start()
        except KafkaMissing as error:
            print(f"bench/replay: {error}", file=sys.stderr)
            return 1
        try:
            result = measure(broker.server, number, args.repeat, Path(folder))
        finally:
            broker.kill()
    if args.json:
        print(json.dumps(result, indent=2))
        return 0
    print(f"{result['records']:,} records of {result['record_bytes']} bytes, one broker on the loopback")
    print(f"{'':<28}{'records/s':>12}{'ratio':>9}")
    print(f"{'aiokafka alone':<28}{result['floor_per_s']:>12,}{'1':>9}")
    print(f"{'outbox to broker':<28}{result['sent_per_s']:>12,}{result['sent_ratio']:>9.3f}")
    print(f"{'broker to store':<28}{result['stored_per_s']:>12,}{result['stored_ratio']:>9.3f}")
    print(f"goal of the outbox: {GOAL}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
