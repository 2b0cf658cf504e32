"""The programs of `examples/` and the README's snippet, run as they stand against a real edge."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from wayside.asn1.messages import BasicSafety, EllipseAccuracy, Position, Size
from wayside.clock import SystemClock
from wayside.mec.service import EdgeService
from wayside.mec.site import load_site
from wayside.observe import Counters
from wayside.obu import ObuClient, ReceivedWarning
from wayside.runtime import TaskOwner

ROOT = Path(__file__).parents[2]
SITE = f"""\
version: 1
id: haihe-example
name: Haihe
origin: {{lat: 38.9811, lon: 117.3518}}
maps:
  - {{file: {ROOT}/deploy/demo/maps/haihe-j2735-2024.hex, dialect: j2735-2024}}
listen: {{sensors_udp: "127.0.0.1:0", link: "127.0.0.1:0", http: "127.0.0.1:0"}}
link: {{token: {{file: link.token}}}}
"""


@asynccontextmanager
async def edge(folder: Path) -> AsyncIterator[tuple[EdgeService, str]]:
    """An edge of the demo's crossing with a vehicle that has broken down before it, and its link."""
    (folder / "link.token").write_text("s3cret\n")
    (folder / "site.yaml").write_text(SITE)
    service = EdgeService(load_site(folder / "site.yaml"), SystemClock(), Counters())
    await service.start()
    server = f"ws://127.0.0.1:{service.ports['link']}/"
    try:
        async with (
            ObuClient([server], vehicle_id="broken", token="s3cret", dialect="j2735-2024") as obu,
            TaskOwner("broken") as owner,
        ):
            await obu.connected()
            owner.start(stand(obu), "stand")
            yield service, server
    finally:
        await service.close()


async def stand(obu: ObuClient) -> None:
    count = 0
    while True:
        count += 1
        here = BasicSafety(
            vehicle_id=b"STOP",
            msg_count=count % 128,
            position=Position(38.981031, 117.350644),
            utc_ns=obu.clock.utc(),
            accuracy=EllipseAccuracy(0.5, 0.5, 0.0),
            speed_mps=0.0,
            heading_deg=89.7,
            size=Size(1.8, 4.5),
            events=("eventDisabledVehicle",),
        )
        await obu.send_bsm(here)
        await obu.clock.sleep(0.1)


@pytest.mark.joint
@pytest.mark.timeout(90)
async def test_the_vehicle_drives_and_is_warned(tmp_path: Path) -> None:
    async with edge(tmp_path) as (_, server):
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(ROOT / "examples" / "vehicle.py"), server, str(tmp_path / "link.token"), "1",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        assert process.stdout is not None
        said = ""
        try:
            async for line in process.stdout:
                said += line.decode()
                if "hlw" in said:
                    break
        finally:
            process.terminate()
            await process.communicate()
    assert "drive 1: connected to haihe-example" in said
    assert re.search(r"(INFORM|ADVISE|URGENT): hlw \d+ m ahead, \w+ \([0-9a-f]{16}\)", said), said


@pytest.mark.joint
async def test_the_readme_s_snippet_runs_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    at_the_end = "\nasyncio.run(main())\n"
    assert "ws://127.0.0.1:47010/" in code and code.endswith(at_the_end)
    used = re.findall(r"\bwarning\.(\w+)", code)
    assert used and all(hasattr(ReceivedWarning, name) for name in used)
    async with edge(tmp_path) as (service, server):
        (tmp_path / "var" / "demo" / "run").mkdir(parents=True)
        (tmp_path / "link.token").rename(tmp_path / "var" / "demo" / "run" / "link.token")
        monkeypatch.chdir(tmp_path)
        scope: dict[str, Any] = {}
        exec(code.removesuffix(at_the_end).replace("ws://127.0.0.1:47010/", server), scope)
        running = asyncio.create_task(scope["main"]())
        while "bus-12" not in {session.vehicle_id for session in service.link.sessions()}:
            assert not running.done()
            await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
