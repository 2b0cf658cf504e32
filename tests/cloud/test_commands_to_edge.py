"""An operator's command from the centre to a real edge core, and its result back through the outbox."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from wayside.clock import SystemClock
from wayside.mec.core import EdgeCore
from wayside.mec.orders import Orders
from wayside.mec.rollup import HttpUplink, Outbox, UplinkSettings
from wayside.mec.rollup._commands import CommandMark, HttpCommands
from wayside.mec.site import load_site
from wayside.observe import Counters
from wayside.records import DeviceRecord
from wayside.runtime import Backoff, TaskOwner

pytestmark = pytest.mark.joint
SITE = load_site(Path(__file__).parents[2] / "deploy/demo/site.yaml")


async def test_a_command_is_done_once_and_its_result_comes_back(
    serve: Any, tmp_path: Path, until: Any
) -> None:
    clock, counters = SystemClock(), Counters()
    core = EdgeCore(SITE, clock, counters, seed=1)
    orders = await Orders.open(core, tmp_path / "orders", clock, counters)
    mark = CommandMark(tmp_path / "mark")
    async with serve() as url, await Outbox.open(tmp_path / "o.db", SITE.id, clock, counters) as outbox:
        settings = UplinkSettings(url, "", timeout_s=5.0)
        quick = Backoff(first_s=0.01, ceiling_s=0.05, floor_s=0.005, seed=2)
        uplink = HttpUplink(settings, outbox, clock, counters, backoff=quick)
        source = HttpCommands(settings, SITE.id, outbox.instance, mark, clock, counters)

        async def obey() -> None:
            async for received in source.commands():
                for result in await orders.take(received.body):
                    await outbox.append([(SITE.id, result)])
                await received.taken()

        async with TaskOwner("edge") as owner, httpx.AsyncClient(base_url=url) as client:
            uplink.start(owner)
            await outbox.append([(SITE.id, DeviceRecord("r", "rsu", "online"))])
            await outbox.wait_empty()
            owner.start(obey(), "commands")
            given = []
            for body in (
                {"type": "switch_app", "app": "hlw", "on": False},
                {"type": "withdraw_sign", "sign_id": "x"},
            ):
                wanted = {"site": SITE.id, "operator": "li", "body": body}
                answer = await client.post("/api/commands", json=wanted)
                assert answer.status_code == 201
                given.append(answer.json()["command_id"])
            await until(lambda: mark.load() == 2)
            await outbox.wait_empty()
            told = [(await client.get(f"/api/commands/{one}")).json() for one in given]
            assert [(one["state"], one["reason"]) for one in told] == [
                ("done", ""),
                ("refused", "unknown_sign"),
            ]
            assert core._off == {"hlw"}
            stats = (await client.get("/api/stats")).json()
            assert stats["stored"][SITE.id]["result"] == {"taken": 2, "kept": 2}
        await source.close()
        await uplink.close()
