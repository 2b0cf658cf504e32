"""The commands as a user types them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from socket import AF_INET, SOCK_DGRAM, socket
from typing import Any

import pytest

from wayside.cli import main
from wayside.clock import VirtualClock

pytestmark = pytest.mark.joint


@asynccontextmanager
async def emulated(
    *words: str, vendor: str = "usdot_rsu41"
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A running `wayside rsu emulate` and its address."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "wayside.cli", "rsu", "emulate", vendor, "--json", *words),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process, (await line(process))["listening"]
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def line(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    found: dict[str, Any] = json.loads(await asyncio.wait_for(process.stdout.readline(), 20.0))
    return found


async def wayside(*words: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "wayside.cli", "rsu", *words), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await asyncio.wait_for(process.communicate(), 30.0)
    return process.returncode or 0, output.decode()


async def test_emulate_send_and_probe(spat_frames: list[bytes]) -> None:
    frame = spat_frames[0].hex()
    with socket(AF_INET, SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ("--uplink", f"127.0.0.1:{port}", "--form", "signed", "--every", "0.02", "--frame", frame)
    async with emulated(*words, "--fault", "drop=0.1") as (process, address):
        code, output = await wayside("send", "--device", f"udp://{address}", "--json", frame)
        sent = json.loads(output)
        assert (code, sent["state"], sent["ceiling"]) == (0, "sent", "NONE")
        broadcast = await line(process)
        assert (broadcast["message"], broadcast["uper"]) == ("SPAT", frame)
        ports = f'uplink_ports={{"any":{port}}}'
        code, output = await wayside(
            "probe", "--device", address, "--set", ports, "--seconds", "0.5", "--json"
        )
        found = json.loads(output)
        assert (code, found["status"]["state"]) == (0, "online")
        assert found["received"]["SPAT"] > 0
        assert found["dropped"] == {}
        os.kill(process.pid, signal.SIGTERM)
        assert (await line(process))["counts"] == {"emulator_broadcast": {"SPAT": 1}}
        assert await asyncio.wait_for(process.wait(), 10.0) == 0


def test_conform_against_the_emulator(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rsu", "conform", "--vendor", "usdot_rsu41", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {result["status"] for result in found["results"]} == {"passed"}
    assert found["quality_gaps"] == []


async def test_conform_against_a_device_leaves_out_what_needs_an_emulator() -> None:
    async with emulated() as (_, address):
        code, output = await wayside("conform", "--device", address, "--check", "text_is_exact", "--json")
        assert (code, json.loads(output)["results"][0]["status"]) == (0, "skipped")
        code, output = await wayside("conform", "--device", address, "--check", "close_ends_everything")
        assert code == 0
        assert "1 passed, 0 failed, 0 skipped" in output


@pytest.mark.joint
async def test_a_unit_at_a_broker_is_played_sent_to_and_probed() -> None:
    from wayside.rsu import find_vendor
    from wayside.rsu.conformance import Bench

    frame = (Bench(find_vendor("tits0117"), VirtualClock()).frames("MAP")[0].uper or b"").hex()
    up = (Bench(find_vendor("tits0117"), VirtualClock()).frames("SPAT")[0].uper or b"").hex()
    words = ("--profile", "openv2x", "--broker", "own", "--frame", up, "--every", "0.1")
    async with emulated(*words, vendor="tits0117") as (process, address):
        reach = (
            "--vendor",
            "tits0117",
            "--device",
            address,
            "--set",
            "esn=R0000001",
            "--set",
            "approved=true",
        )
        code, output = await wayside("send", *reach, "--json", frame)
        sent = json.loads(output)
        assert (code, sent["ceiling"]) == (0, "DEVICE")
        assert sent["state"] in ("sent", "acked")
        assert (await line(process))["message"] == "MAP"
        code, output = await wayside("probe", *reach, "--seconds", "1", "--json")
        found = json.loads(output)
        assert (code, found["status"]["state"]) == (0, "online")
        assert found["received"]["SPAT"] > 0


@pytest.mark.parametrize(
    "words",
    [
        ["emulate", "nobody"],
        ["emulate", "usdot_rsu41", "--fault", "drop=2"],
        ["emulate", "usdot_rsu41", "--form", "strange"],
        ["emulate", "usdot_rsu41", "--listen", "127.0.0.1:99999"],
        ["emulate", "usdot_rsu41", "--frame", "0013"],
        ["emulate", "usdot_rsu41", "--broker", "own"],
        ["emulate", "tits0117", "--broker", "nowhere"],
        ["emulate", "tits0117", "--profile", "no_such"],
        ["emulate", "tits0117", "--uplink", "127.0.0.1:1"],
        ["emulate", "tits0117", "--fault", "ack=perhaps"],
        ["emulate", "usdot_rsu41", "--uplink", "127.0.0.1:1", "--uplink", "MAP=127.0.0.2:2"],
        ["send", "--device", "127.0.0.1", "xyz"],
        ["send", "--device", "127.0.0.1", "--set", "host", "0013"],
        ["send", "--device", "127.0.0.1", "--set", "colour=red", "0013"],
        ["conform", "--vendor", "nobody"],
        ["conform", "--check", "nothing"],
    ],
)
def test_wrong_words_fail_and_say_why(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rsu", *words]) == 1
    assert "[config]" in capsys.readouterr().err


def test_a_message_that_did_not_leave_is_a_failure(
    capsys: pytest.CaptureFixture[str], spat_frames: list[bytes]
) -> None:
    large = spat_frames[0].ljust(700, b"\0").hex()
    assert main(["rsu", "send", "--device", "127.0.0.1:9", "--json", large]) == 1
    assert json.loads(capsys.readouterr().out)["state"] == "too_large"
