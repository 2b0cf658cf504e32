"""The edge's processes are killed one by one under load: nobody is told anything false, nothing is lost, and
each is started anew. Counts and order are asserted, never milliseconds."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from wayside.mec.supervisor import (
    Supervisor,
    SupervisorError,
    SupervisorReason,
    SupervisorSettings,
    process_command,
)
from wayside.records import EventRecord, decode_record
from wayside.runtime import TaskOwner

pytestmark = [pytest.mark.joint, pytest.mark.timeout(240)]
PATIENT = SupervisorSettings(start_s=120.0, hung_s=120.0, drain_s=5.0)


def pid_of(edge: Supervisor, name: str) -> int:
    return next(state.pid for state in edge.states() if state.name == name)


def restarts(edge: Supervisor, name: str) -> int:
    return next(state.restarts for state in edge.states() if state.name == name)


async def killed(place: Any, edge: Supervisor, name: str) -> None:
    """SIGKILL one process, and wait until its successor is ready."""
    before, old = restarts(edge, name), pid_of(edge, name)
    os.kill(old, signal.SIGKILL)
    await place.until(
        lambda: (
            restarts(edge, name) > before and pid_of(edge, name) != old and all(s.up for s in edge.states())
        ),
        90.0,
    )


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def supervisor(place: Any, settings: SupervisorSettings) -> Supervisor:
    command = process_command(place.site_file, summary_s=2.0, drain_s=5.0, log_format="json", log_level=20)
    return Supervisor(command, place.clock, settings)


@asynccontextmanager
async def running(place: Any) -> AsyncIterator[Supervisor]:
    edge = supervisor(place, PATIENT)
    await edge.start()
    try:
        yield edge
    finally:
        await edge.close()


@asynccontextmanager
async def driving(place: Any, name: str) -> AsyncIterator[Any]:
    """A vehicle that creeps towards one that stands in its lane, a minute ahead."""
    car = place.car(name, away_m=215.0, speed_mps=1.8, lane=2)
    async with car.client, TaskOwner(name) as tasks:
        await car.client.connected()
        car.begin()
        tasks.start(car.run(), "bsm")
        yield car


def standing(place: Any) -> list[Any]:
    return [place.road.standing(100.0)]


async def warned_again(place: Any, car: Any) -> None:
    """The vehicle is told anew of the danger that stands."""
    before = len(car.of("hlw"))
    await place.until(lambda: len(car.of("hlw")) > before, 60.0)


def reported(place: Any) -> list[tuple[Any, EventRecord]]:
    """Events as the centre has them, in the order of their arrival."""
    records = [decode_record(body) for body in place.centre.bodies()]
    return [(record.id, record.body) for record in records if isinstance(record.body, EventRecord)]


async def test_the_link_dies_and_vehicles_come_back_and_are_warned_again(
    place: Any, owner: TaskOwner
) -> None:
    owner.start(place.eye(lambda: standing(place)).run(), "sensor")
    async with running(place) as edge, driving(place, "bus-1") as car:
        await warned_again(place, car)
        core = pid_of(edge, "core")
        await killed(place, edge, "link")
        await warned_again(place, car)
        assert pid_of(edge, "core") == core
        event_ids = {received.warning.event_id for received in car.of("hlw")}
        assert len(event_ids) == 1, "the danger is the same one"
    # What a killed process had counted since its last report is lost with it.
    counts = edge.figures()["counts"]
    assert counts["process_ended"] == {"link": 1} and counts["link_sessions"]["new"] >= 1


async def test_the_core_dies_and_nothing_false_is_told_and_the_event_goes_on(
    place: Any, owner: TaskOwner
) -> None:
    owner.start(place.eye(lambda: standing(place)).run(), "sensor")
    await place.centre.start()
    try:
        async with running(place) as edge, driving(place, "bus-2") as car:
            await warned_again(place, car)
            link = pid_of(edge, "link")
            session = car.client.status().session_id
            told = len(car.warnings)
            # A warning does not wait for the disk; what is on disk is what the next run takes up.
            await place.until(lambda: bool(reported(place)))
            os.kill(pid_of(edge, "core"), signal.SIGKILL)
            await place.until(lambda: not next(s for s in edge.states() if s.name == "core").up)
            # What was told expires by itself; a cancel would claim to know that it is over.
            await place.until(lambda: not car.client.active() or len(car.warnings) > told, 60.0)
            await place.until(lambda: all(state.up for state in edge.states()), 90.0)
            await warned_again(place, car)
            assert pid_of(edge, "link") == link
            assert car.client.status().session_id == session
            assert not car.cancels
            event_ids = {received.warning.event_id for received in car.of("hlw")}
            assert len(event_ids) == 1, "the run after takes the open event up"
            await edge.close()
        records = reported(place)
        assert {event.event_id for _, event in records if event.app == "hlw"} == event_ids
        revisions = [event.revision for _, event in records if event.app == "hlw"]
        assert revisions == list(range(1, len(revisions) + 1))
        assert len({record_id.boot for record_id, _ in records}) == 2
    finally:
        await place.centre.stop()


async def test_the_side_dies_and_vehicles_are_warned_on_and_no_record_is_lost(
    place: Any, owner: TaskOwner
) -> None:
    owner.start(place.eye(lambda: standing(place)).run(), "sensor")
    await place.centre.start()
    try:
        async with running(place) as edge, driving(place, "bus-3") as car:
            await warned_again(place, car)
            others = pid_of(edge, "core"), pid_of(edge, "link")
            for _ in range(2):
                os.kill(pid_of(edge, "side"), signal.SIGKILL)
                await place.until(lambda: not next(s for s in edge.states() if s.name == "side").up)
                await warned_again(place, car)
                await place.until(lambda: all(state.up for state in edge.states()), 90.0)
            assert (pid_of(edge, "core"), pid_of(edge, "link")) == others
            await edge.close()
            figures = edge.figures()
        stored = [decode_record(body).id for body in place.centre.bodies()]
        assert figures["records"]["waiting"] == 0
        assert sorted(stored) == sorted(set(stored))
        assert len(stored) == figures["records"]["committed"]
        assert [record_id.seq for record_id in stored] == list(range(1, len(stored) + 1))
        assert figures["counts"]["warnings"]["hlw"] > 0
    finally:
        await place.centre.stop()


async def test_health_says_what_is_lacking(place: Any, owner: TaskOwner) -> None:
    async with running(place) as edge, httpx.AsyncClient(trust_env=False, timeout=20.0) as client:
        url = f"http://127.0.0.1:{edge.ports['http']}"

        async def told(path: str, status: int) -> dict[str, Any]:
            async with asyncio.timeout(60.0):
                while True:
                    answer = await client.get(url + path)
                    if answer.status_code == status:
                        break
                    await asyncio.sleep(0.1)
            return dict(answer.json())

        await told("/healthz", 200)
        blocks = [lack["what"] for lack in (await told("/readyz", 503))["lacks"] if lack["blocks"]]
        assert "sensor lidar-w" in blocks
        owner.start(place.eye(lambda: standing(place)).run(), "sensor")
        ready = await told("/readyz", 200)
        assert "sensor radar-n" in [lack["what"] for lack in ready["lacks"]]
        metrics = (await client.get(url + "/metrics")).text
        for line in (
            'wayside_process_up{process="edge-core",site="haihe-demo"} 1.0',
            'wayside_process_restarts{process="edge-link",site="haihe-demo"} 0.0',
            'wayside_process_resident_memory_bytes{process="edge-side"',
            'wayside_latency_seconds{process="edge-core",quantile="0.99",site="haihe-demo",stage="step"}',
        ):
            assert line in metrics, line
        os.kill(pid_of(edge, "link"), signal.SIGSTOP)
        dead = await told("/healthz", 503)
        assert [name for name, p in dead["processes"].items() if not p["alive"]] == ["link"]
        os.kill(pid_of(edge, "link"), signal.SIGCONT)
        await told("/healthz", 200)
        state = await told("/v1/state", 200)
        assert set(state["parts"]) == {"core", "link", "side"}
        assert "joint-secret" not in str(state) + metrics


async def test_a_process_that_hangs_is_killed_and_started_anew(place: Any) -> None:
    edge = supervisor(place, SupervisorSettings(start_s=120.0, hung_s=8.0))
    await edge.start()
    try:
        old = pid_of(edge, "link")
        os.kill(old, signal.SIGSTOP)
        await place.until(lambda: pid_of(edge, "link") != old and all(s.up for s in edge.states()), 90.0)
        assert next(s for s in edge.states() if s.name == "link").restarts == 1
    finally:
        await edge.close()


async def test_no_process_outlives_its_supervisor(place: Any) -> None:
    edge = await place.child()
    told = await edge.line()
    async with httpx.AsyncClient(trust_env=False, timeout=20.0) as client:
        health = (await client.get(f"http://127.0.0.1:{told['ports']['http']}/healthz")).json()
    pids = [process["pid"] for process in health["processes"].values()]
    assert all(alive(pid) for pid in pids) and len(set(pids)) == 3
    await edge.kill()
    await place.until(lambda: not any(alive(pid) for pid in pids), 30.0)


async def test_a_signal_to_all_its_processes_ends_the_edge_in_order(place: Any) -> None:
    edge = await place.child()
    told = await edge.line()
    url = f"http://127.0.0.1:{told['ports']['http']}/healthz"
    async with httpx.AsyncClient(trust_env=False, timeout=20.0) as client:
        health = (await client.get(url)).json()
        # As a service manager does, which knows a group of processes and no order among them.
        for process in health["processes"].values():
            os.kill(process["pid"], signal.SIGTERM)
        figures = await edge.end()
    assert figures["site"] == "haihe-demo" and "process_ended" not in figures["counts"]
    log = (place.folder / "edge.log").read_text("utf-8")
    assert "started anew" not in log and "connection to" not in log


# a supervisor of processes that are no edge


def dummy(code: str) -> Any:
    """Command of processes that say that they are ready, then run some code."""
    program = (
        "import os, socket, sys, time\n"
        "from wayside.mec.ports import Ready, Sound, pack\n"
        "import msgspec\n"
        "name, fd = sys.argv[1], int(sys.argv[2])\n"
        "control = socket.socket(fileno=fd)\n"
        "def tell(*messages):\n"
        "    for message in messages: control.sendall(pack(msgspec.msgpack.encode(message)))\n"
        "def ready(): tell(Sound('dummy'), Ready({name: 1}))\n"
    ) + code

    def command(name: str, control: int, run: Path) -> Sequence[str]:
        return [sys.executable, "-c", program, name, str(control)]

    return command


@pytest.mark.drops(SupervisorReason.GAVE_UP)
async def test_it_gives_up_on_a_process_that_always_ends_at_once(place: Any) -> None:
    code = "ready()\nif name == 'link': sys.exit(3)\nwhile control.recv(1 << 16): pass\n"
    edge = Supervisor(dummy(code), place.clock, SupervisorSettings(quick_deaths=3, end_s=1.0, drain_s=0.1))
    await edge.start()
    try:
        with pytest.raises(SupervisorError, match="edge-link ended 3 times") as gave_up:
            await edge.wait_failed()
        assert gave_up.value.reason is SupervisorReason.GAVE_UP
        assert edge.counters.dropped(SupervisorReason.GAVE_UP) == 1
    finally:
        await edge.close()
    assert not any(alive(state.pid) for state in edge.states())


async def test_a_process_that_cannot_be_started_anew_counts_as_ended(place: Any) -> None:
    code = "ready()\nif name == 'link': sys.exit(3)\nwhile control.recv(1 << 16): pass\n"
    works, tried = dummy(code), []

    def command(name: str, control: int, run: Path) -> Sequence[str]:
        tried.append(name)
        return works(name, control, run) if tried.count(name) == 1 else ["/nonexistent/edge"]

    edge = Supervisor(command, place.clock, SupervisorSettings(quick_deaths=3, end_s=1.0, drain_s=0.1))
    await edge.start()
    try:
        async with asyncio.timeout(20.0):
            with pytest.raises(SupervisorError, match="edge-link ended 3 times"):
                await edge.wait_failed()
    finally:
        async with asyncio.timeout(20.0):
            await edge.close()
    assert not any(alive(state.pid) for state in edge.states())


@pytest.mark.drops(SupervisorReason.DID_NOT_START)
async def test_what_does_not_start_ends_the_start_and_leaves_nothing_running(place: Any) -> None:
    code = "if name == 'side': sys.exit(4)\nready()\nwhile control.recv(1 << 16): pass\n"
    edge = Supervisor(dummy(code), place.clock, SupervisorSettings(end_s=1.0, drain_s=0.1))
    with pytest.raises(SupervisorError, match="edge-side did not start") as refused:
        await edge.start()
    assert refused.value.reason is SupervisorReason.DID_NOT_START
    assert not any(alive(state.pid) for state in edge.states())


async def test_the_site_file_s_faults_are_said_before_anything_runs(place: Any) -> None:
    place.site_file.write_text(
        place.site_file.read_text("utf-8").replace("version: 1", "version: 9"), "utf-8"
    )
    edge = await place.child()
    with pytest.raises(ValueError, match="Expecting value"):
        await edge.line()
    assert await edge.end() == {}
    said = (place.folder / "edge.log").read_text("utf-8")
    assert said.count(": version: ") == 1 and "Traceback" not in said


async def test_in_one_process_it_says_the_same(place: Any, owner: TaskOwner) -> None:
    owner.start(place.eye(lambda: standing(place)).run(), "sensor")
    edge = await place.child("--single")
    told = await edge.line()
    assert told["ready"] == "haihe-demo" and set(told["ports"]) >= {"link", "sensors_udp", "http"}
    async with httpx.AsyncClient(trust_env=False, timeout=20.0) as client:
        health = f"http://127.0.0.1:{told['ports']['http']}/healthz"

        async with asyncio.timeout(30.0):
            while True:
                if (await client.get(health)).status_code == 200:
                    break
                await asyncio.sleep(0.1)
    figures = await edge.end()
    rows, _ = place.outbox()
    assert figures["records"] == {"committed": len(rows), "waiting": len(rows)}
    assert figures["counts"]["outbox_committed"]["SummaryRecord"] >= 1
    # Everything that the log says is JSON, as it is no terminal.
    lines = (place.folder / "edge.log").read_text("utf-8").splitlines()
    assert {json.loads(line)["site"] for line in lines} == {"haihe-demo"}


async def test_it_can_be_ended_while_it_starts(place: Any) -> None:
    edge = supervisor(place, PATIENT)
    starting = asyncio.create_task(edge.start())
    await place.until(lambda: pid_of(edge, "core"), 30.0)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    await edge.close()
    assert not any(alive(state.pid) for state in edge.states() if state.pid)
