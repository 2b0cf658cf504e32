"""Rows a second into the outbox, beside a bare sqlite3 loop on the same disk in the same run.

    python bench/outbox.py [--seconds 2] [--repeat 3] [--folder DIR] [--json]

Every row is an event record of the usual size; every commit waits for the disk (WAL, synchronous=FULL) on
both sides. The floor encodes nothing and runs `executemany` in one thread. `1, 64 callers` is 64 concurrent
callers with one record each, which the outbox commits in groups.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from wayside.clock import SystemClock
from wayside.mec.rollup import Outbox
from wayside.records import EventRecord, EventState, Record, RecordId, encode_record

BATCHES = (1, 100, 1000)
CALLERS = 64
SITE = "bench"


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


def floor(path: Path, batch: int, seconds: float) -> float:
    """Rows a second of the bare loop."""
    sql = sqlite3.connect(path, isolation_level=None)
    sql.execute("PRAGMA journal_mode = WAL")
    sql.execute("PRAGMA synchronous = FULL")
    sql.execute("CREATE TABLE rows (row INTEGER PRIMARY KEY, body BLOB NOT NULL)")
    body = encode_record(Record(RecordId(SITE, 1, 1), SITE, 1, event(1)))
    values = [(body,)] * batch
    rows = 0
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        sql.execute("BEGIN IMMEDIATE")
        sql.executemany("INSERT INTO rows (body) VALUES (?)", values)
        sql.execute("COMMIT")
        rows += batch
    rate = rows / (time.monotonic() - began)
    sql.close()
    return rate


async def outbox(path: Path, batch: int, seconds: float, callers: int = 1) -> float:
    """Rows a second of the outbox, counted when `append` has returned."""
    items = [(SITE, event(n)) for n in range(batch)]
    rows = 0
    async with await Outbox.open(path, SITE, SystemClock()) as box:
        began = time.monotonic()

        async def call() -> None:
            nonlocal rows
            while time.monotonic() - began < seconds:
                ids = await box.append(items)
                rows += len(ids)

        await asyncio.gather(*(call() for _ in range(callers)))
        return rows / (time.monotonic() - began)


def measure(folder: Path, batch: int, callers: int, seconds: float, repeat: int) -> dict[str, Any]:
    """Median rates of `repeat` turns, floor and outbox taking turns."""
    floors, rates = [], []
    for turn in range(repeat):
        name = f"{batch}-{callers}-{turn}"
        floors.append(floor(folder / f"floor-{name}.db", batch, seconds))
        rates.append(asyncio.run(outbox(folder / f"outbox-{name}.db", batch, seconds, callers)))
    rate, bare = statistics.median(rates), statistics.median(floors)
    return {
        "batch": batch,
        "callers": callers,
        "outbox_rows_per_s": round(rate),
        "floor_rows_per_s": round(bare),
        "ratio": round(rate / bare, 3),
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=2.0, help="of each turn (default %(default)s)")
    parser.add_argument(
        "--repeat", type=int, default=3, help="turns, the median counts (default %(default)s)"
    )
    parser.add_argument("--folder", type=Path, help="where the files lie (default: the temporary folder)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    cases = [(batch, 1) for batch in BATCHES] + [(1, CALLERS)]
    results = []
    with tempfile.TemporaryDirectory(prefix="wayside-outbox-", dir=args.folder) as folder:
        for batch, callers in cases:
            print(f"batch {batch}, {callers} callers …", file=sys.stderr)
            results.append(measure(Path(folder), batch, callers, args.seconds, args.repeat))
    body = encode_record(Record(RecordId(SITE, 1, 1), SITE, 1, event(1)))
    if args.json:
        print(json.dumps({"record_bytes": len(body), "results": results}, indent=2))
        return 0
    print(f"records of {len(body)} bytes, each commit on disk (WAL, synchronous=FULL)")
    print(f"{'batch':>6}{'callers':>9}{'outbox rows/s':>15}{'floor rows/s':>14}{'ratio':>8}")
    for row in results:
        print(
            f"{row['batch']:>6}{row['callers']:>9}{row['outbox_rows_per_s']:>15,}"
            f"{row['floor_rows_per_s']:>14,}{row['ratio']:>8.3f}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
