from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from wayside.clock import SystemClock
from wayside.mec.rollup import CommandMark, HttpCommands, RollupError, RollupReason, UplinkSettings
from wayside.observe import Counters
from wayside.records import INSTANCE_HEADER, MAX_COMMAND_PAGE_BYTES, CommandPage, encode_command_page
from wayside.runtime import Backoff

INSTANCE = "0123456789abcdef" * 2


class FakeCentre:
    """Keeps numbered commands; answers as `script` asks for first."""

    def __init__(self, *commands: bytes) -> None:
        self.commands = list(commands)
        self.script: list[httpx.Response | Exception] = []
        self.requests: list[httpx.Request] = []
        self.asked_in_vain = asyncio.Event()

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        await asyncio.sleep(0)
        if self.script:
            scripted = self.script.pop(0)
            if isinstance(scripted, Exception):
                raise scripted
            return scripted
        after = int(request.url.params["after"])
        if after > len(self.commands):
            return httpx.Response(200, content=encode_command_page(CommandPage((), len(self.commands))))
        if after == len(self.commands):
            self.asked_in_vain.set()
            return httpx.Response(204)
        page = CommandPage(tuple(self.commands[after : after + 2]), min(after + 2, len(self.commands)))
        return httpx.Response(200, content=encode_command_page(page))


@asynccontextmanager
async def source(folder: Path, centre: FakeCentre, counters: Counters) -> AsyncIterator[HttpCommands]:
    commands = HttpCommands(
        UplinkSettings("http://centre", "geheim"),
        "haihe",
        INSTANCE,
        CommandMark(folder / "mark"),
        SystemClock(),
        counters,
        backoff=Backoff(first_s=0.001, ceiling_s=0.002, floor_s=0.0, seed=1),
        transport=httpx.MockTransport(centre),
    )
    yield commands
    await commands.close()


async def take(commands: HttpCommands, number: int, taken: int | None = None) -> list[bytes]:
    """The next so many commands; only the first `taken` are taken."""
    found: list[bytes] = []
    async for received in commands.commands():
        found.append(received.body)
        if taken is None or len(found) <= taken:
            await received.taken()
        if len(found) == number:
            break
    return found


async def test_commands_come_in_order_page_by_page_and_are_remembered(tmp_path: Path) -> None:
    centre, counters = FakeCentre(b"a", b"b", b"c"), Counters()
    async with source(tmp_path, centre, counters) as commands:
        assert await take(commands, 3) == [b"a", b"b", b"c"]
        assert counters.value("commands_received") == 3
    request = centre.requests[0]
    assert request.url.params["site"] == "haihe" and request.headers["authorization"] == "Bearer geheim"
    assert request.headers[INSTANCE_HEADER] == INSTANCE
    centre.commands.append(b"d")
    async with source(tmp_path, centre, counters) as commands:
        assert await take(commands, 1) == [b"d"]


async def test_a_page_that_was_not_taken_whole_comes_again(tmp_path: Path) -> None:
    centre, counters = FakeCentre(b"a", b"b", b"c"), Counters()
    async with source(tmp_path, centre, counters) as commands:
        assert await take(commands, 4, taken=1) == [b"a", b"b", b"a", b"b"]
    async with source(tmp_path, centre, counters) as commands:
        assert await take(commands, 3) == [b"a", b"b", b"c"]


@pytest.mark.drops(RollupReason.DISK_FAILED)
async def test_a_mark_that_the_disk_does_not_take_stops_no_commands(tmp_path: Path) -> None:
    centre, counters = FakeCentre(b"a", b"b", b"c"), Counters()
    async with source(tmp_path / "no folder", centre, counters) as commands:
        assert await take(commands, 3) == [b"a", b"b", b"c"]
    assert counters.dropped(RollupReason.DISK_FAILED) == 2


async def test_a_centre_that_counts_anew_is_followed(tmp_path: Path) -> None:
    CommandMark(tmp_path / "mark").store(50)
    centre, counters = FakeCentre(b"a"), Counters()
    async with source(tmp_path, centre, counters) as commands:
        waiting = asyncio.ensure_future(take(commands, 1))
        await asyncio.wait_for(centre.asked_in_vain.wait(), 5.0)
        centre.commands.append(b"new")
        assert await asyncio.wait_for(waiting, 5.0) == [b"new"]


FAILURES: dict[str, tuple[RollupReason, httpx.Response | Exception]] = {
    "refused connection": (RollupReason.UNREACHABLE, httpx.ConnectError("refused")),
    "site taken": (RollupReason.BAD_STATUS, httpx.Response(409)),
    "garbage": (RollupReason.BAD_ANSWER, httpx.Response(200, content=b"<html>")),
    "huge": (RollupReason.BAD_ANSWER, httpx.Response(200, content=bytes(MAX_COMMAND_PAGE_BYTES + 1))),
}


@pytest.mark.drops(RollupReason.UNREACHABLE, RollupReason.BAD_STATUS, RollupReason.BAD_ANSWER)
@pytest.mark.parametrize("failure", FAILURES)
async def test_whatever_the_centre_does_the_commands_come_in_the_end(tmp_path: Path, failure: str) -> None:
    reason, answer = FAILURES[failure]
    centre, counters = FakeCentre(b"a"), Counters()
    centre.script = [answer]
    async with source(tmp_path, centre, counters) as commands:
        assert await asyncio.wait_for(take(commands, 1), 5.0) == [b"a"]
    assert counters.dropped(reason) == 1


@pytest.mark.parametrize("content", [b"", b"no number", b"-4", b"\xff\xfe"])
def test_a_mark_that_is_damaged_means_from_the_beginning(tmp_path: Path, content: bytes) -> None:
    mark = CommandMark(tmp_path / "mark")
    assert mark.load() == 0
    (tmp_path / "mark").write_bytes(content)
    assert mark.load() == 0
    mark.store(7)
    assert mark.load() == 7


@pytest.mark.drops(RollupReason.DISK_FAILED)
def test_a_mark_that_cannot_be_kept_says_where(tmp_path: Path) -> None:
    with pytest.raises(RollupError) as caught:
        CommandMark(tmp_path / "no folder" / "mark").store(1)
    assert caught.value.reason is RollupReason.DISK_FAILED and "no folder" in str(caught.value)
