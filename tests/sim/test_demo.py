"""The demo as a user runs it: real processes, sockets, a report that passes its own check."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from wayside.sim import check_report
from wayside.sim._children import Child, ChildError, free_port
from wayside.sim._demo_site import choose_ports
from wayside.sim.report import Report, read_report

ROOT = Path(__file__).parents[2]
SITE_FILE = ROOT / "deploy" / "demo" / "site.yaml"


async def demo(out: Path, *words: str, road: str = "crossing", interrupt_after: str = "") -> tuple[int, str]:
    """Run the demo on ports of the system's choice; its exit code and what it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "wayside.sim.demo", "--road", road,
        "--any-ports", "--port", "0", "--out", str(out), *words,
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    said = ""
    try:
        async for line in process.stdout:
            said += line.decode()
            if interrupt_after and interrupt_after in said:
                interrupt_after = ""
                process.send_signal(signal.SIGINT)
        return await process.wait(), said
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.joint
@pytest.mark.timeout(240)
async def test_a_short_demo_ends_by_itself_and_is_sound(tmp_path: Path) -> None:
    code, said = await demo(tmp_path, "--duration", "12")
    assert code == 0, said
    report: Report = read_report(tmp_path / "report.json")
    assert check_report.main([str(tmp_path / "report.json")]) == 0
    assert 12.0 <= report.duration_s < 15.0
    assert report.warnings.get("vrucw", 0) >= 1, "the pedestrian is warned of within twelve seconds"
    assert report.records.committed == report.records.stored > 5
    assert set(report.messages["scan"]) == {
        *("cam-c", "cam-w", "lidar-c", "lidar-w"),
        *("radar-e", "radar-n", "radar-s", "radar-w"),
    }
    assert report.messages["SPAT"]["rsu-1 (broadcast)"] > 50
    assert report.messages["BSM"]["rsu-1 (heard)"] > 50
    assert report.units["rsu-1"].deliveries["SPAT"]["sent"] > 50
    assert report.memory["edge"].samples > 5
    assert report.latency.timer_lateness["edge"].count > 100
    assert [c.scenario for c in report.comparisons] == ["pedestrian"], "as far as it was played"
    assert re.search(r"live map: http://127\.0\.0\.1:\d+", said)


@pytest.mark.joint
@pytest.mark.timeout(300)
async def test_the_corridor_serves_units_of_both_vendors_and_keeps_within_its_memory(
    tmp_path: Path, optional_part: Callable[[str, bool], None]
) -> None:
    optional_part("libsumo", find_spec("libsumo") is not None)
    code, said = await demo(tmp_path, "--duration", "20", "--seeds", "1", "--own-broker", road="corridor")
    report = read_report(tmp_path / "report.json")
    assert code == 0, said
    assert "the broker of this process" in said
    assert report.road == "corridor" and report.linked >= 20
    assert {unit.vendor for unit in report.units.values()} == {"tits0117", "usdot_rsu41"}
    assert report.units["rsu-a"].deliveries["MAP"]["acked"] >= 1, "the one that says so"
    assert "acked" not in report.units["rsu-c"].deliveries["SPAT"], "the one that cannot"
    assert len(report.messages["TSCBM"]) == 3 and min(report.messages["TSCBM"].values()) > 150
    assert report.warnings.get("vrucw", 0) >= 1, "the pedestrian before the campus gate"
    assert report.advice["glosa"] > 0 and report.advice["ivs"] > 0
    assert report.memory["edge"].processes == 4 and 0.0 < report.memory["edge"].peak_mb <= 1_000.0


@pytest.mark.joint
@pytest.mark.timeout(240)
async def test_ctrl_c_ends_it_cleanly_with_a_report(tmp_path: Path) -> None:
    code, said = await demo(tmp_path, "--seeds", "1", interrupt_after="vehicles linked")
    assert "report:" in said, said
    report = read_report(tmp_path / "report.json")
    assert report.records.committed == report.records.stored
    assert code == (1 if check_report.faults(report, check_report.known_reasons()) else 0)


@pytest.mark.joint
async def test_a_child_that_cannot_start_says_why(tmp_path: Path) -> None:
    child = Child("edge", ["mec", "--site", str(tmp_path / "none.yaml"), "--json"], tmp_path / "edge.log")
    await child.start()
    with pytest.raises(ChildError, match=r"edge did not start: .*none\.yaml"):
        await child.first_line()
    assert await child.end() == 1
    assert not child.running


@pytest.mark.joint
def test_ports_that_are_taken_are_avoided() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        assert number < free_port(socket.SOCK_STREAM, number, 20) < number + 20
        with pytest.raises(OSError):
            free_port(socket.SOCK_STREAM, number)
    ports = choose_ports(SITE_FILE, any_free=True).all()
    assert len(set(ports)) == len(ports) == 7
