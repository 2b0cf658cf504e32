"""Fan-out of one warning to N vehicles: the link server beside the cheapest C program that could do it.

    python bench/fanout.py [--json] [--vehicles 100 1000] [--seconds 2]

Each N is one run of three: floor, ours, floor, so that the ratio holds on any host; if the two floors differ
by more than 15 % in CPU or by more than 2 in p99, the run says `unsteady`. Then fan-out to 100 vehicles with
and without one more that never reads: what it does to the others' p99. Needs a C compiler.

ours: `LinkServer.send` to every session from one process on uvloop, each frame with the session's own
number, through its mailbox and its expiry check. The vehicles of both servers are `floor/cl.c`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import platform
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

import uvloop

from wayside.clock import MonoNs, SystemClock
from wayside.link import SUBPROTOCOL, Flag, FrameKind, Header, Hello, LinkRules, encode_body, encode_frame
from wayside.mec.linkserver import LinkServer, Outgoing, SessionInfo
from wayside.observe import Counters

HERE = Path(__file__).parent
SIZE = 200
HZ = 10
HEADER_BYTES = 28
STUCK_VEHICLES = 100
STUCK_ID = "stuck"
STUCK_RUNS = 3
ANSWER_WITHIN_S = 15


def compile_floor(folder: Path) -> tuple[Path, Path]:
    """Compile the two C programs."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise SystemExit("bench/fanout.py needs a C compiler")
    made = []
    for name in ("floor", "cl"):
        target = folder / name
        source = HERE / "floor" / f"{name}.c"
        subprocess.run([compiler, "-O2", "-Wall", "-Wextra", "-o", target, source], check=True)
        made.append(target)
    return made[0], made[1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def last_json(text: str) -> dict[str, Any]:
    lines = [line for line in text.splitlines() if line.startswith("{")]
    if not lines:
        raise SystemExit(f"a bench program ended without a figure: {text!r}")
    return dict(json.loads(lines[-1]))


def run_client(cl: Path, mode: str, port: int, count: int, seconds: float) -> dict[str, Any]:
    words = [cl, mode, str(port), str(count), str(seconds), "0", "down", str(SIZE), str(HZ)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=True)
    return last_json(done.stdout)


def run_floor(floor: Path, cl: Path, count: int, seconds: float) -> dict[str, float]:
    port = free_port()
    words = [floor, "tcp", str(port), str(count), str(seconds), str(SIZE), str(HZ)]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    wait_listening(port)
    client = run_client(cl, "tcp", port, count, seconds)
    text, _ = server.communicate(timeout=30)
    figures = last_json(text)
    return {
        "cpu_us_per_msg": figures["cpu_us_per_msg"],
        "p50_ms": client["p50_ms"],
        "p99_ms": client["p99_ms"],
    }


def wait_listening(port: int) -> None:
    # The floor counts connections, so it must not be asked by connecting: look in the kernel's table.
    wanted = f"0100007F:{port:04X}"
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[1] == wanted and fields[3] == "0A":
                return
        time.sleep(0.01)
    raise SystemExit(f"nothing listens on port {port}")


async def serve(pipe: Pipe, count: int, seconds: float, stuck: bool) -> None:
    """The server's process: wait for the vehicles, tick, report."""
    clock = SystemClock()
    up = asyncio.Event()
    rules = LinkRules(hello_timeout_s=30.0, keepalive_s=60.0, max_sessions=count + 10, unwritable_s=60.0)

    def on_session(info: SessionInfo, is_up: bool) -> None:
        if is_up and len(server.sessions()) >= count:
            up.set()

    server = LinkServer(
        rules,
        clock,
        Counters(),
        site="bench",
        token=None,
        dialects=["csae53-2020"],
        on_message=lambda *_: None,
        on_receipt=lambda *_: None,
        on_session=on_session,
    )
    await server.start()
    pipe.send(server.port)
    await up.wait()
    await asyncio.sleep(0.3)
    sessions = [info.session_id for info in server.sessions()]
    for info in server.sessions():
        if info.vehicle_id == STUCK_ID:
            fill(server, clock, info.session_id)
    ticks = int(seconds * HZ)
    padding = b"x" * (SIZE - HEADER_BYTES - 19)
    start = time.monotonic()
    cpu = time.process_time()
    for tick in range(ticks):
        now = clock.mono()
        body = b"TS=%016x" % now + padding
        item = Outgoing(FrameKind.WARNING, 7, 240, clock.utc(), MonoNs(now + 1_000_000_000), 1_000, body)
        for session_id in sessions:
            server.send(session_id, item)
        await asyncio.sleep(max(0.0, start + (tick + 1) / HZ - time.monotonic()))
    cpu = time.process_time() - cpu
    pipe.send({"cpu_us_per_msg": cpu * 1e6 / (count * ticks), "waiting": sum(map(server.waiting, sessions))})
    await asyncio.to_thread(pipe.recv)
    await server.close()


def fill(server: LinkServer, clock: SystemClock, session_id: str) -> None:
    """Send to a vehicle that does not read until a frame has to wait."""
    for _ in range(10_000):
        now = clock.mono()
        expires = MonoNs(now + 60_000_000_000)
        server.send(session_id, Outgoing(FrameKind.MESSAGE, 0, 0, clock.utc(), expires, 60_000, b"x" * 1_000))
        if server.waiting(session_id):
            return
    raise SystemExit("the stuck vehicle could not be filled")


def server_process(pipe: Pipe, count: int, seconds: float, stuck: bool) -> None:
    raise_fd_limit()
    uvloop.run(serve(pipe, count, seconds, stuck))


def answer(pipe: Pipe) -> Any:
    """What the server's process says next."""
    if not pipe.poll(ANSWER_WITHIN_S):
        raise SystemExit(f"the server under test said nothing for {ANSWER_WITHIN_S} s")
    return pipe.recv()


def run_ours(cl: Path, count: int, seconds: float, stuck: bool = False) -> dict[str, float]:
    here, there = multiprocessing.Pipe()
    total = count + (1 if stuck else 0)
    server = multiprocessing.get_context("spawn").Process(
        target=server_process, args=(there, total, seconds, stuck), daemon=True
    )
    server.start()
    port = int(answer(here))
    idle = stuck_vehicle(port) if stuck else None
    client = run_client(cl, "wayside", port, count, seconds)
    figures = answer(here)
    here.send("done")
    server.join(10)
    if idle is not None:
        idle.close()
    return {
        "cpu_us_per_msg": round(figures["cpu_us_per_msg"], 2),
        "p50_ms": client["p50_ms"],
        "p99_ms": client["p99_ms"],
        "received": client["recv"],
        "waiting": figures["waiting"],
    }


def stuck_vehicle(port: int) -> socket.socket:
    """A vehicle that says HELLO with the smallest receive buffer and never reads again."""
    vehicle = socket.socket()
    vehicle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    vehicle.connect(("127.0.0.1", port))
    vehicle.sendall(
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Protocol: %b\r\n\r\n" % SUBPROTOCOL.encode()
    )
    vehicle.recv(4_096)
    hello = encode_frame(
        Header(FrameKind.HELLO, Flag(0), 0, 1, 0, 0, 0), encode_body(Hello(STUCK_ID, "csae53-2020"))
    )
    vehicle.sendall(bytes([0x82, 0x80 | len(hello), 0, 0, 0, 0]) + hello)
    return vehicle


def raise_fd_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def compare(floor: Path, cl: Path, count: int, seconds: float) -> dict[str, Any]:
    """floor, ours, floor for one number of vehicles."""
    before = run_floor(floor, cl, count, seconds)
    ours = run_ours(cl, count, seconds)
    after = run_floor(floor, cl, count, seconds)
    cpu = (before["cpu_us_per_msg"] + after["cpu_us_per_msg"]) / 2
    p99 = (before["p99_ms"] + after["p99_ms"]) / 2
    cpus = sorted((before["cpu_us_per_msg"], after["cpu_us_per_msg"]))
    p99s = sorted((before["p99_ms"], after["p99_ms"]))
    return {
        "vehicles": count,
        "floor": [before, after],
        "ours": ours,
        "cpu_ratio": round(ours["cpu_us_per_msg"] / cpu, 2),
        "p99_ratio": round(ours["p99_ms"] / p99, 2),
        "steady": cpus[1] <= 1.15 * cpus[0] and p99s[1] <= 2 * p99s[0],
        "complete": ours["received"] == count * int(seconds * HZ),
    }


def compare_stuck(cl: Path, seconds: float) -> dict[str, Any]:
    """p99 of the others with and without one vehicle that never reads: alternating runs, the quietest of each
    since what else the host does only ever adds."""
    without, beside = [], []
    waiting = 0.0
    for _ in range(STUCK_RUNS):
        without.append(run_ours(cl, STUCK_VEHICLES, seconds)["p99_ms"])
        figures = run_ours(cl, STUCK_VEHICLES, seconds, stuck=True)
        beside.append(figures["p99_ms"])
        waiting = max(waiting, figures["waiting"])
    return {
        "vehicles": STUCK_VEHICLES,
        "p99_ms_without": without,
        "p99_ms_with": beside,
        "p99_ratio": round(min(beside) / min(without), 2),
        "keys_waiting_for_the_stuck": waiting,
    }


def show(report: dict[str, Any]) -> None:
    print(f"{report['host']['kernel']}, {report['host']['cores']} cores, Python {report['host']['python']}")
    print(f"{SIZE} octets at {HZ} Hz; CPU in µs a message, p99 in ms from event to the last vehicle's read")
    print(f"{'N':>6} {'floor CPU':>13} {'ours':>7} {'ratio':>6}   {'floor p99':>13} {'ours':>7} {'ratio':>6}")
    for run in report["fanout"]:
        before, after = run["floor"]
        floors = f"{before['cpu_us_per_msg']:.1f}, {after['cpu_us_per_msg']:.1f}"
        p99s = f"{before['p99_ms']:.1f}, {after['p99_ms']:.1f}"
        print(
            f"{run['vehicles']:>6} {floors:>13} {run['ours']['cpu_us_per_msg']:>7.1f}"
            f" {run['cpu_ratio']:>6.2f}   {p99s:>13} {run['ours']['p99_ms']:>7.1f} {run['p99_ratio']:>6.2f}"
            f"{'' if run['steady'] else '  unsteady'}{'' if run['complete'] else '  incomplete'}"
        )
    stuck = report["stuck"]
    print(
        f"one vehicle of {stuck['vehicles'] + 1} never reads: p99 of the others {stuck['p99_ms_with']} ms, "
        f"without it {stuck['p99_ms_without']} ms, ratio of the quietest {stuck['p99_ratio']}"
    )


def main() -> int:
    words = argparse.ArgumentParser(description="Fan-out of the link server beside the C floor.")
    words.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    words.add_argument("--vehicles", type=int, nargs="+", default=[100, 1_000])
    words.add_argument("--seconds", type=float, default=2.0, help="of each part of a run (default 2)")
    args = words.parse_args()
    raise_fd_limit()
    with tempfile.TemporaryDirectory() as folder:
        floor, cl = compile_floor(Path(folder))
        runs = []
        for count in args.vehicles:
            print(f"{count} vehicles …", file=sys.stderr)
            runs.append(compare(floor, cl, count, args.seconds))
        print("one that never reads …", file=sys.stderr)
        stuck = compare_stuck(cl, 0.75 * args.seconds)
    report = {
        "host": {
            "kernel": platform.release(),
            "cores": multiprocessing.cpu_count(),
            "python": platform.python_version(),
        },
        "fanout": runs,
        "stuck": stuck,
    }
    if args.json:
        print(json.dumps(report))
    else:
        show(report)
    return 0 if all(run["complete"] for run in runs) else 1


if __name__ == "__main__":
    sys.exit(main())
