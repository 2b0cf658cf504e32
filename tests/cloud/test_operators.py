"""Commands: who may give them, how the edges get them, what is kept of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from wayside.clock import VirtualClock
from wayside.cloud import CloudError, CloudReason, CloudSettings, create_app
from wayside.cloud import _models as models
from wayside.cloud._centre import Centre
from wayside.cloud._command_desk import CommandDesk
from wayside.observe import Counters
from wayside.records import (
    INSTANCE_HEADER,
    MAX_COMMAND_BYTES,
    CommandRecord,
    DeviceRecord,
    Record,
    RecordId,
    ResultRecord,
    SwitchApp,
    decode_command,
    decode_command_page,
    encode_record,
    encode_records,
)
from wayside.runtime import TaskOwner

TYPE = {"content-type": "application/msgpack"}
SWITCH = {"type": "switch_app", "app": "hlw", "on": False}
WANTED = {"site": "a", "operator": "li", "body": SWITCH}
Until = Callable[[Callable[[], bool]], Awaitable[None]]
SECRET = {"authorization": "Bearer s3cret"}


@asynccontextmanager
async def centre(
    tmp_path: Path, clock: VirtualClock, *, base_url: str = "http://127.0.0.1", **changes: Any
) -> AsyncIterator[tuple[httpx.AsyncClient, Centre]]:
    app: FastAPI = create_app(CloudSettings(data=tmp_path, **changes), clock)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base_url) as client,
    ):
        await client.post("/v1/records", content=page(DeviceRecord("r", "rsu", "online")), headers=TYPE)
        yield client, app.state.centre


def page(*bodies: Any, site: str = "a", first: int = 1) -> bytes:
    return encode_records(
        [
            encode_record(Record(RecordId(site, 1, n), site, 1_773_993_600_000_000_000 + n, body))
            for n, body in enumerate(bodies, first)
        ]
    )


async def fetched(client: httpx.AsyncClient, after: int = 0) -> tuple[list[CommandRecord], int]:
    answer = await client.get("/v1/commands", params={"site": "a", "after": after})
    assert answer.status_code == 200
    found = decode_command_page(answer.content)
    return [decode_command(data) for data in found.commands], found.next


async def test_a_command_goes_to_its_site_until_it_is_answered(tmp_path: Path, clock: VirtualClock) -> None:
    async with centre(tmp_path, clock) as (client, _):
        given = await client.post("/api/commands", json=WANTED)
        assert given.status_code == 201
        told = models.CommandOut.model_validate_json(given.content, strict=True)
        assert (told.state, told.operator, told.body) == ("pending", "li", SWITCH)
        [command], after = await fetched(client)
        assert command.command_id == told.command_id and command.body == SwitchApp("hlw", False)
        assert (await fetched(client))[0] == [command], "what has no answer comes again to who asks anew"
        elsewhere = ResultRecord(command.command_id, "done")
        await client.post("/v1/records", content=page(elsewhere, site="b"), headers=TYPE)
        result = ResultRecord(command.command_id, "refused", "unknown_app", "no such app")
        late = ResultRecord(command.command_id, "done")
        await client.post("/v1/records", content=page(result, late, first=2), headers=TYPE)
        answer = await client.get(f"/api/commands/{command.command_id}")
        told = models.CommandOut.model_validate_json(answer.content, strict=True)
        assert (told.state, told.reason, told.detail) == ("refused", "unknown_app", "no such app")
        assert told.fetched_utc_ns is not None and told.result_utc_ns is not None
        assert after == 1
        audit = models.AuditOut.model_validate_json((await client.get("/api/audit")).content, strict=True)
        [entry] = audit.entries
        assert (entry.operator, entry.action, entry.site) == ("li", "switch_app", "a")
        assert entry.address == "127.0.0.1" and entry.detail == command.command_id
        assert (await client.get("/api/commands/none")).status_code == 404


async def test_an_edge_that_asks_waits_until_a_command_is_there(
    tmp_path: Path, clock: VirtualClock, until: Until
) -> None:
    async with centre(tmp_path, clock, poll_s=30.0) as (client, running), TaskOwner("edge") as owner:
        asking = owner.start(fetched(client), "poll")
        await until(lambda: bool(running.commands._polls))
        await client.post("/api/commands", json=WANTED | {"site": "a"})
        commands, after = await asking
        assert [command.operator for command in commands] == ["li"] and after == 1
        asking = owner.start(fetched(client, after), "poll")
        await until(lambda: bool(running.commands._polls))
        running.commands.end_polls()
        assert await asking == ([], 1)


async def test_nothing_for_a_while_is_an_empty_answer(tmp_path: Path, clock: VirtualClock) -> None:
    async with centre(tmp_path, clock, poll_s=0.01) as (client, _):
        answer = await client.get("/v1/commands", params={"site": "a"})
        assert (answer.status_code, answer.content) == (204, b"")


async def test_an_edge_that_remembers_a_lost_store_is_put_right(tmp_path: Path, clock: VirtualClock) -> None:
    async with centre(tmp_path, clock, poll_s=0.01) as (client, _):
        assert await fetched(client, 99) == ([], 0)
        await client.post("/api/commands", json=WANTED)
        commands, after = await fetched(client, 99)
        assert (len(commands), after) == (1, 1)


async def test_what_is_over_is_not_handed_out_and_is_said_to_be_unanswered(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with centre(tmp_path, clock, poll_s=0.01) as (client, _):
        await client.post("/api/commands", json=WANTED | {"valid_s": 60})
        clock.advance(61.0)
        assert (await client.get("/v1/commands", params={"site": "a"})).status_code == 204
        [told] = (await client.get("/api/commands")).json()["commands"]
        assert told["state"] == "unanswered"


async def test_commands_and_audit_come_in_pages(tmp_path: Path, clock: VirtualClock) -> None:
    async with centre(tmp_path, clock) as (client, _):
        for n in range(5):
            await client.post("/api/commands", json=WANTED | {"operator": f"o{n}"})
        for path, name in (("/api/commands", "commands"), ("/api/audit", "entries")):
            seen: list[str] = []
            before: int | None = None
            while True:
                query = {"limit": 2} | ({} if before is None else {"before": before})
                answer = (await client.get(path, params=query)).json()
                seen += [item["operator"] for item in answer[name]]
                before = answer["next"]
                if before is None:
                    break
            assert seen == ["o4", "o3", "o2", "o1", "o0"]


async def refusal(client: httpx.AsyncClient, **changes: Any) -> tuple[int, str]:
    answer = await client.post("/api/commands", **({"json": WANTED} | changes))
    return answer.status_code, answer.json()["reason"]


async def test_with_a_token_it_is_asked_for_everywhere(tmp_path: Path, clock: VirtualClock) -> None:
    async with centre(tmp_path, clock, operator_token="s3cret") as (client, running):
        assert (await client.get("/api/access")).json() == {"commands": "token"}
        assert await refusal(client) == (401, "unauthorized")
        assert await refusal(client, headers={"authorization": "Bearer wrong"}) == (401, "unauthorized")
        assert (await client.post("/api/commands", json=WANTED, headers=SECRET)).status_code == 201
        assert running.counters.dropped(CloudReason.UNAUTHORIZED) == 2
        assert "s3cret" not in repr(running.settings)


@pytest.mark.drops(CloudReason.READ_ONLY)
@pytest.mark.parametrize(
    ("base_url", "headers"),
    [
        ("http://centre.example", {}),
        ("http://127.0.0.1", {"host": "evil.example"}),
        ("http://127.0.0.1", {"host": "["}),
        ("http://127.0.0.1", {"x-forwarded-for": "198.51.100.7"}),
        ("http://127.0.0.1", {"forwarded": "for=198.51.100.7"}),
    ],
)
async def test_without_a_token_only_this_computer_itself_commands(
    tmp_path: Path, clock: VirtualClock, base_url: str, headers: dict[str, str]
) -> None:
    async with centre(tmp_path, clock, base_url=base_url) as (client, running):
        assert (await client.get("/api/access", headers=headers)).json() == {"commands": "closed"}
        assert await refusal(client, headers=headers) == (403, "read_only")
        assert running.counters.dropped(CloudReason.READ_ONLY) == 1
    async with centre(tmp_path / "own", clock) as (client, _):
        assert (await client.get("/api/access")).json() == {"commands": "open"}


async def test_off_the_loopback_nobody_commands_without_a_token(tmp_path: Path, clock: VirtualClock) -> None:
    async with centre(tmp_path, clock, host="0.0.0.0", token="edges") as (client, _):
        assert (await client.get("/api/access")).json() == {"commands": "closed"}


async def test_another_page_cannot_command_in_the_operator_s_name(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with centre(tmp_path, clock) as (client, _):
        for foreign in ("http://elsewhere.example", "null", "http://["):
            assert await refusal(client, headers={"origin": foreign}) == (403, "foreign_origin")
        plain = {"content-type": "text/plain"}
        assert await refusal(client, json=None, content=b"{}", headers=plain) == (415, "wrong_type")
        own = await client.post("/api/commands", json=WANTED, headers={"origin": "http://127.0.0.1"})
        assert own.status_code == 201


@pytest.mark.drops(CloudReason.FOREIGN_ORIGIN)
async def test_no_page_can_report_as_an_edge_even_under_a_name_that_leads_here(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with centre(tmp_path, clock, poll_s=0.01) as (client, running):
        page_of = {"host": "evil.example:8080", "origin": "http://evil.example:8080"}
        content = page(DeviceRecord("x", "rsu", "online"), site="b")
        for method, path in (("POST", "/v1/records"), ("POST", "/v1/live"), ("GET", "/v1/commands?site=a")):
            answer = await client.request(method, path, content=content, headers=TYPE | page_of)
            assert (answer.status_code, answer.json()["reason"]) == (403, "foreign_origin")
        assert running.counters.dropped(CloudReason.FOREIGN_ORIGIN) == 3
        assert [site["site"] for site in (await client.get("/api/sites")).json()["sites"]] == ["a"]


@pytest.mark.drops(CloudReason.UNKNOWN_SITE)
@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({"json": WANTED | {"site": "nowhere"}}, 404, "unknown_site"),
        ({"json": WANTED | {"operator": ""}}, 400, "malformed"),
        ({"json": WANTED | {"operator": "a\nb"}}, 400, "malformed"),
        ({"json": WANTED | {"valid_s": 1e9}}, 400, "malformed"),
        ({"json": WANTED | {"body": {"type": "reboot"}}}, 400, "malformed"),
        ({"json": WANTED | {"body": SWITCH | {"more": 1}}}, 400, "malformed"),
        ({"json": [], "headers": {}}, 400, "malformed"),
        (
            {"json": None, "content": b'{"site": "\xff"}', "headers": {"content-type": "application/json"}},
            400,
            "malformed",
        ),
        ({"json": {"x": "y" * MAX_COMMAND_BYTES}}, 413, "too_large"),
    ],
)
async def test_what_is_no_command_is_refused_with_the_reason(
    tmp_path: Path, clock: VirtualClock, changes: dict[str, Any], status: int, reason: str
) -> None:
    async with centre(tmp_path, clock) as (client, _):
        assert await refusal(client, **changes) == (status, reason)
        assert (await client.get("/api/commands")).json()["commands"] == []


@pytest.mark.drops(CloudReason.COMMAND_LIMIT)
async def test_commands_that_wait_are_bounded(tmp_path: Path, clock: VirtualClock) -> None:
    async with centre(tmp_path, clock, pending_commands=2) as (client, running):
        for _ in range(2):
            assert (await client.post("/api/commands", json=WANTED)).status_code == 201
        assert await refusal(client) == (429, "command_limit")
        assert running.counters.dropped(CloudReason.COMMAND_LIMIT) == 1
        clock.advance(301.0)
        assert (await client.post("/api/commands", json=WANTED)).status_code == 201


async def test_edges_that_ask_are_bounded(tmp_path: Path, clock: VirtualClock, until: Until) -> None:
    async with centre(tmp_path, clock, polls=1, poll_s=30.0) as (client, running), TaskOwner("edge") as own:
        own.start(fetched(client), "poll")
        await until(lambda: bool(running.commands._polls))
        answer = await client.get("/v1/commands", params={"site": "a"})
        assert (answer.status_code, answer.json()["reason"]) == (503, "busy")


async def test_an_edge_asks_with_the_edges_token(tmp_path: Path, clock: VirtualClock) -> None:
    async with centre(tmp_path, clock, token="edges", poll_s=0.01) as (client, _):
        assert (await client.get("/v1/commands", params={"site": "a"})).status_code == 401
        own = {"authorization": "Bearer edges"}
        assert (await client.get("/v1/commands", params={"site": "a"}, headers=own)).status_code == 204


async def test_another_edge_under_the_same_site_is_refused_told_and_let_in_after_a_release(
    tmp_path: Path, clock: VirtualClock
) -> None:
    first, second = TYPE | {INSTANCE_HEADER: "1" * 32}, TYPE | {INSTANCE_HEADER: "2" * 32}
    device = DeviceRecord("r", "rsu", "online")

    async with centre(tmp_path, clock, poll_s=0.01) as (client, _):

        async def sent(headers: dict[str, str], n: int) -> int:
            content = page(device, site="c", first=n)
            return (await client.post("/v1/records", content=content, headers=headers)).status_code

        async def alarm() -> tuple[int | None, int]:
            sites = (await client.get("/api/sites")).json()["sites"]
            [told] = [site for site in sites if site["site"] == "c"]
            return told["refused_utc_ns"], told["refused"]

        assert await sent(first, 1) == 200
        assert await alarm() == (None, 0)
        assert await sent(second, 2) == 409
        asked = await client.get("/v1/commands", params={"site": "c"}, headers=second)
        assert asked.status_code == 409
        assert await alarm() == (clock.utc(), 2)
        assert (await client.post("/api/sites/c/release", json={})).status_code == 400
        freed = await client.post("/api/sites/c/release", json={"operator": "li"})
        assert freed.json() == {"released": True}
        assert await alarm() == (None, 0)
        assert await sent(second, 2) == 200
        [entry] = (await client.get("/api/audit")).json()["entries"]
        assert (entry["action"], entry["site"], entry["operator"]) == ("release_site", "c", "li")


async def test_commands_are_published_in_order_and_again_until_the_brokers_have_them(
    tmp_path: Path, clock: VirtualClock, until: Until
) -> None:
    taken: list[str] = []
    fails = [True, False, True, False]

    async def publish(site: str, body: bytes) -> None:
        if fails and fails.pop(0):
            raise CloudError(CloudReason.BROKER_UNREACHABLE, "away")
        taken.append(decode_command(body).operator)

    async with centre(tmp_path, clock) as (client, running):
        for n in range(3):
            await client.post("/api/commands", json=WANTED | {"operator": f"o{n}"})
        desk = CommandDesk(
            tmp_path / "records.db", running._writing, running.settings, clock, Counters(), publish
        )
        async with TaskOwner("desk") as owner:
            desk.start(owner)

            def all_there() -> bool:
                clock.advance(0.01)
                return len(taken) == 3

            await until(all_there)
            assert taken == ["o0", "o1", "o2"]
        await desk.close()
