"""The real outbox and uplink against a real centre on a loopback socket, through its absences and ours."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from wayside.clock import SystemClock
from wayside.cloud._queries import RecordReader
from wayside.mec.rollup import HttpUplink, Outbox, RollupReason, UplinkSettings
from wayside.observe import Counters
from wayside.records import DeviceRecord, EventRecord, EventState, Record, SummaryRecord, decode_record
from wayside.runtime import Backoff, TaskOwner

pytestmark = pytest.mark.joint
SITE = "haihe"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@asynccontextmanager
async def sending(outbox: Outbox, url: str, counters: Counters) -> AsyncIterator[HttpUplink]:
    settings = UplinkSettings(url, "geheim", page_records=50, timeout_s=5.0)
    quick = Backoff(first_s=0.01, ceiling_s=0.05, floor_s=0.005, seed=2)
    uplink = HttpUplink(settings, outbox, SystemClock(), counters, backoff=quick)
    async with TaskOwner("edge") as owner:
        uplink.start(owner)
        yield uplink
    await uplink.close()


def stored_in_order(data: Path) -> list[Record]:
    """All records of the centre in the order in which it took them in."""
    sql = sqlite3.connect(data / "records.db")
    rows = sql.execute("SELECT body FROM records ORDER BY row").fetchall()
    sql.close()
    return [decode_record(body) for (body,) in rows]


async def test_a_centre_that_comes_late_and_goes_away_gets_each_record_once_in_order(
    serve: Any, tmp_path: Path, until: Any
) -> None:
    port, counters, data = _free_port(), Counters(), tmp_path / "cloud"
    async with await Outbox.open(tmp_path / "o.db", SITE, SystemClock(), counters) as outbox:
        committed = []

        async def report(numbers: range) -> None:
            for n in numbers:
                key = f"rsu-{n % 3}"
                committed.extend(
                    await outbox.append([(key, DeviceRecord(key, "rsu", "up", detail={"n": n}))])
                )

        async with sending(outbox, f"http://127.0.0.1:{port}", counters) as uplink:
            await report(range(100))
            await until(lambda: counters.dropped(RollupReason.UNREACHABLE) > 0)
            async with serve(port, token="geheim"):
                await report(range(100, 200))
                await until(lambda: counters.value("uplink_records") >= 120)
            await report(range(200, 400))
            async with serve(port, token="geheim"):
                await report(range(400, 450))
                assert await uplink.drain(20.0)
    stored = stored_in_order(data)
    assert sorted(record.id for record in stored) == committed
    for key in ("rsu-0", "rsu-1", "rsu-2"):
        ids = [record.id for record in stored if record.key == key]
        assert ids == sorted(ids) and len(ids) == 150


CHILD = """
import asyncio, sys
from pathlib import Path
from wayside.clock import SystemClock
from wayside.mec.rollup import Outbox
from wayside.records import SummaryRecord

async def run(path):
    outbox = await Outbox.open(Path(path), "haihe", SystemClock())
    n = 0
    async def worker():
        nonlocal n
        while True:
            n += 1
            ids = await outbox.append([("haihe", SummaryRecord(n, n, {}, {}))])
            sys.stdout.write("".join(f"{i.boot} {i.seq}\\n" for i in ids))
            sys.stdout.flush()
    await asyncio.gather(*(worker() for _ in range(8)))

asyncio.run(run(sys.argv[1]))
"""


@pytest.mark.parametrize("seed", range(5))
async def test_what_was_committed_before_a_sigkill_arrives_once(
    serve: Any, tmp_path: Path, seed: int
) -> None:
    path, counters = tmp_path / "o.db", Counters()
    chance = random.Random(seed)
    told: set[tuple[int, int]] = set()
    for _ in range(2):
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", CHILD, str(path), stdout=asyncio.subprocess.PIPE
        )
        assert child.stdout is not None
        lines = 0
        wanted = chance.randrange(20, 300)
        killed = False
        # Lines already in the pipe when the process dies were committed too.
        while line := await child.stdout.readline():
            if line.endswith(b"\n"):
                boot, seq = line.split()
                told.add((int(boot), int(seq)))
            lines += 1
            if lines >= wanted and not killed:
                os.kill(child.pid, signal.SIGKILL)
                killed = True
        assert await child.wait() == -signal.SIGKILL
    async with (
        serve(token="geheim") as url,
        await Outbox.open(path, SITE, SystemClock(), counters) as outbox,
        sending(outbox, url, counters) as uplink,
    ):
        assert await uplink.drain(20.0)
        stats = httpx.Response(200, content=await _get(f"{url}/api/stats")).json()
    stored = stored_in_order(tmp_path / "cloud")
    ids = [(record.id.boot, record.id.seq) for record in stored]
    assert len(ids) == len(set(ids)) and told <= set(ids)
    assert ids == sorted(ids), "one sender, in sequence order"
    assert stats["stored"][SITE]["summary"] == {"taken": len(ids), "kept": len(ids)}


LEDGER_CHILD = """
import asyncio, random, sys
from pathlib import Path
from wayside.clock import SystemClock
from wayside.mec.rollup import EventFacts, EventLedger, LedgerSettings, Outbox

async def run(path, seed):
    clock, chance = SystemClock(), random.Random(seed)
    outbox = await Outbox.open(Path(path), "haihe", clock)
    ledger = await EventLedger.adopt(outbox, "haihe", LedgerSettings(interval_s=0.0))
    while True:
        for _ in range(chance.randrange(1, 4)):
            subject = f"hlw/{chance.randrange(5)}"
            if chance.random() < 0.4:
                ledger.finish(subject, clock.utc())
            else:
                severity, evidence = chance.randrange(1, 4), {"subject": subject}
                facts = EventFacts("hlw", severity, 39.0, 117.3, "hlw", "t", evidence=evidence)
                ledger.observe(subject, facts, clock.utc())
        await ledger.commit()
        sys.stdout.write(".")
        sys.stdout.flush()

asyncio.run(run(sys.argv[1], int(sys.argv[2])))
"""


@pytest.mark.parametrize("seed", range(3))
async def test_an_open_event_is_one_event_across_sigkills(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "o.db"
    chance = random.Random(seed)
    for run in range(3):
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            LEDGER_CHILD,
            str(path),
            str(10 * seed + run),
            stdout=asyncio.subprocess.PIPE,
        )
        assert child.stdout is not None
        await child.stdout.readexactly(chance.randrange(5, 80))
        os.kill(child.pid, signal.SIGKILL)
        await child.stdout.read()
        assert await child.wait() == -signal.SIGKILL
    async with await Outbox.open(path, SITE, SystemClock()) as outbox:
        page = await outbox.page(10_000, max_bytes=100_000_000)
        adopted = {event.subject: event.record for event in await outbox.open_events()}
    now: dict[str, EventRecord] = {}
    ended: set[str] = set()
    for item in page:
        body = decode_record(item.body).body
        assert isinstance(body, EventRecord)
        subject = str(body.evidence["subject"])
        before = now.get(subject)
        if before is None:
            assert body.revision == 1 and body.event_id not in ended
        else:
            assert (body.event_id, body.revision) == (before.event_id, before.revision + 1)
        if body.state is EventState.CLOSED:
            ended.add(body.event_id)
            now.pop(subject, None)
        else:
            now[subject] = body
    assert now == adopted and len(ended) > 3


async def _get(url: str) -> bytes:
    async with httpx.AsyncClient() as client:
        return (await client.get(url)).content


async def test_the_commands_serve_and_print_a_trace(tmp_path: Path, crossing: Any) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "WAYSIDE_CLOUD_TOKEN"}
    secret = tmp_path / "token"
    secret.write_text("geheim\n")
    command = [sys.executable, "-m", "wayside.cli"]
    options = ["--port", "0", "--data", str(tmp_path / "data"), "--token-file", str(secret), "--json"]
    cloud = await asyncio.create_subprocess_exec(
        *command,
        "cloud",
        *options,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=environment,
    )
    try:
        assert cloud.stdout is not None
        url = json.loads(await cloud.stdout.readline())["url"]
        clock, counters = SystemClock(), Counters()
        event = crossing.event_record(crossing.events(clock.utc())[1])
        async with (
            await Outbox.open(tmp_path / "o.db", SITE, clock, counters) as outbox,
            sending(outbox, url, counters) as uplink,
        ):
            await outbox.append([(SITE, event), (SITE, SummaryRecord(1, 2, {}, {}))])
            assert await uplink.drain(10.0)
        code, text = await _run(*command, "trace", event.trace_id, "--url", url)
        assert code == 0
        names = ["detection", "track", "app", "selection", "frame", "callback", "record"]
        rows = [line.split() for line in text.splitlines()]
        assert [
            row[2 if row[1][0].isdigit() else 1] for row in rows if row and row[0].count(":") == 2
        ] == names
        assert f"{sum(event.latency_ms.values()):.3f}" in text
        code, text = await _run(*command, "trace", event.trace_id, "--url", url, "--json")
        assert code == 0 and json.loads(text)["event_id"] == event.event_id
        assert (await _run(*command, "trace", "none", "--url", url))[0] == 1
    finally:
        cloud.terminate()
        assert await cloud.wait() == 0
    assert (await _run(*command, "trace", event.trace_id, "--url", url))[0] == 1
    reader = RecordReader(tmp_path / "data" / "records.db")
    assert reader.stored()[SITE]["event"]["kept"] == 1
    reader.close()


async def _run(*command: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode()
