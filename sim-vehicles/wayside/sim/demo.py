"""The demo: the whole way of a warning on this computer, in real time: `python -m wayside.sim.demo`."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import shutil
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import msgspec

from wayside.clock import SystemClock
from wayside.mec.site import SiteError, load_site
from wayside.rsu import RsuError
from wayside.runtime import TaskOwner
from wayside.sim._broker import RunBroker
from wayside.sim._children import Child, ChildError, free_port
from wayside.sim._demo_arguments import add_arguments
from wayside.sim._demo_report import Ended, demo_report
from wayside.sim._demo_site import Ports, choose_ports, read_site, write_centre, write_site
from wayside.sim._figures import CentreFigures, EdgeFigures, edge_figures, settled
from wayside.sim._lockstep import LockstepResult, comparison_of
from wayside.sim._processes import TreeWatch
from wayside.sim._roads import road_of
from wayside.sim._stage import Stage
from wayside.sim.check_report import faults, known_reasons
from wayside.sim.report import Comparison, report_text, write_report

_SETTLE_S = 1.0
_MOST_SEEDS = 3
_COMPARED_S = 60.0


def run_demo(args: argparse.Namespace) -> int:
    """Run the demo; 0 when the report is sound, 1 when not, 2 when it could not start."""
    try:
        return asyncio.run(_Demo(args).run())
    except (ChildError, OSError, RsuError, SiteError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2


class _Demo:
    def __init__(self, args: argparse.Namespace) -> None:
        self._args = args
        self._road = road_of(args.road)
        self._source: Path = args.site or self._road.site_file
        # What an earlier run has left in Kafka belongs to another site.
        name = f"{read_site(self._source)['id']}-{secrets.token_hex(3)}"
        self._site_id = name if args.kafka else ""
        self._clock = SystemClock()
        self._run = Path(args.out) / "run"
        self._stop = asyncio.Event()
        self._children: list[Child] = []
        self._problems: list[str] = []
        self._watches: dict[str, TreeWatch] = {}
        self._tasks = TaskOwner("demo", self._failed)

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop.set)
        try:
            return await self._play()
        finally:
            await self._tasks.close()
            for child in reversed(self._children):
                await child.end()

    async def _play(self) -> int:
        args = self._args
        started = self._clock.utc()
        if self._run.exists():
            shutil.rmtree(self._run)
        self._run.mkdir(parents=True)
        _say("starting the centre …")
        url = await self._start_centre()
        ports = choose_ports(self._source, any_free=args.any_ports)
        site_file = self._run / "site.yaml"
        write_site(self._source, site_file, ports, url, kafka=self._args.kafka or "", site_id=self._site_id)
        broker = await self._start_broker(ports)
        try:
            ended = await self._perform(site_file, ports, url)
        finally:
            if broker is not None:
                await broker.close()
        report = demo_report(
            args.seed, self._road.name, started, ended, await self._compare(ended.stage), self._problems
        )
        path = Path(args.out) / "report.json"
        found = faults(report, known_reasons())
        write_report(path, report)
        print("\n" + report_text(report) + "\n")
        for fault in found:
            _say(f"not sound: {fault}")
        _say(f"report: {path}")
        _say(f"wayside trace still works while this runs: wayside cloud --data {self._run / 'centre'}")
        return 1 if found else 0

    async def _perform(self, site_file: Path, ports: Ports, url: str) -> Ended:
        """Start the edge, play everything outside it until it is to end, end the edge, ask the centre."""
        link_token, sensor_token = secrets.token_hex(16), secrets.token_hex(16)
        # For vehicles of the user's own; everything listens on the loopback, and the token ends with the run.
        token_file = self._run / "link.token"
        token_file.touch(mode=0o600)
        token_file.write_text(f"{link_token}\n", "utf-8")
        _say("filling the road, starting the edge …")
        stage = Stage(
            self._road.play(self._args.seed, False, self._args.vehicles),
            load_site(site_file),
            warm_s=self._road.warm_s,
            ports=ports,
            clock=self._clock,
            link_token=link_token,
            sensor_token=sensor_token,
            told=_say,
        )
        try:
            edge = Child(
                "edge",
                ["mec", "--site", str(site_file), "--json"],
                self._run / "edge.log",
                secrets={"WAYSIDE_LINK_TOKEN": link_token, "WAYSIDE_SENSOR_TOKEN": sensor_token},
            )
            self._children.append(edge)
            await edge.start()
            await stage.open()
            await edge.first_line()
            self._watch("edge", edge)
            _say(f"live map: {url}  (Ctrl-C ends)")
            _say(f"vehicle link: ws://127.0.0.1:{ports.link}/, token in {token_file}")
            watch = self._tasks.start(edge.ended(), "edge")
            watch.add_done_callback(lambda _: self._stop.set())
            took_s = await stage.run(self._stop, self._args.duration)
            await self._clock.sleep(_SETTLE_S)
        finally:
            await stage.close()
        _say("ending the edge, then counting what the centre has …")
        if watch.done():
            self._problems.append("the edge ended by itself; see edge.log")
        edge_said, centre_said = await self._end_edge(edge, url)
        self._problems += stage.problems
        memory = {name: watched.use for name, watched in self._watches.items()}
        return Ended(stage, edge_said, centre_said, took_s, memory)

    async def _start_broker(self, ports: Ports) -> RunBroker | None:
        if not ports.broker:
            return None
        broker = RunBroker(ports.broker, self._clock, self._run, own=self._args.own_broker)
        await broker.start()
        _say(f"roadside units by MQTT: {broker.name}, port {broker.port}")
        return broker

    async def _start_centre(self) -> str:
        wanted = self._args.port
        port = free_port(socket.SOCK_STREAM, wanted, 50) if wanted else 0
        if port != wanted:
            _say(f"port {wanted} is taken: the live map is on {port}")
        words = ["cloud", "--port", str(port), "--data", str(self._run / "centre"), "--json"]
        if self._args.kafka:
            config = self._run / "centre.yaml"
            write_centre(config, self._args.kafka, f"demo-{self._site_id}")
            words += ["--config", str(config)]
        centre = Child("centre", words, self._run / "centre.log")
        self._children.append(centre)
        await centre.start()
        told = await centre.first_line()
        self._watch("centre", centre)
        return str(told["url"])

    def _watch(self, name: str, child: Child) -> None:
        self._watches[name] = TreeWatch(child.pid, self._clock)
        self._tasks.start(self._watches[name].run(), f"memory of the {name}")

    def _failed(self, name: str, error: BaseException) -> None:
        self._problems.append(f"{name} failed: {error!r}")

    async def _end_edge(self, edge: Child, url: str) -> tuple[EdgeFigures, CentreFigures]:
        """End the edge, which tells its figures, then ask the centre for its own."""
        output = asyncio.create_task(edge.output())
        try:
            code = await edge.end()
        finally:
            said = (await asyncio.gather(output, return_exceptions=True))[0]
        if code != 0 or isinstance(said, BaseException):
            self._problems.append(f"the edge ended with {code}; see edge.log")
        told = edge_figures(said if isinstance(said, bytes) else b"")
        return told, await settled(url, told.site, told.records.committed)

    async def _compare(self, stage: Stage) -> tuple[Comparison, ...]:
        """The scripted conflicts that were played, of this run's seeds, in lockstep: two processes of low
        priority. Long ones are left out."""
        played = stage.scenes_played()
        scripted = [n for n in self._road.scenarios if n in played and self._road.usual_s(n) <= _COMPARED_S]
        if not scripted:
            return ()
        rounds = self._args.seeds or min(_MOST_SEEDS, *(played[name] for name in scripted), _MOST_SEEDS)
        _say(f"comparing without and with warnings in lockstep, {rounds} seed(s) … (Ctrl-C skips it)")
        gate = asyncio.Semaphore(2)

        async def one(scenario: str) -> Comparison:
            words = ["sim", "lockstep", "--road", self._road.name, "--scenario", scenario, "--json"]
            words += ["--seeds", str(rounds), "--first-seed", str(self._args.seed)]
            words += ["--site", str(self._source)]
            child = Child(f"lockstep {scenario}", words, self._run / f"lockstep-{scenario}.log", nice=10)
            self._children.append(child)
            async with gate:
                await child.start()
                results = msgspec.json.decode(await child.output(), type=list[LockstepResult])
            return comparison_of(results)

        self._stop.clear()
        work = asyncio.ensure_future(asyncio.gather(*(one(scenario) for scenario in scripted)))
        stopped = asyncio.create_task(self._stop.wait(), name="stop")
        try:
            either: list[asyncio.Future[Any]] = [work, stopped]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return tuple(work.result())
        finally:
            stopped.cancel()
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        self._problems.append("the comparison was interrupted")
        return ()


def _say(line: str) -> None:
    print(line, flush=True)


def main(argv: list[str] | None = None) -> int:
    """Run the demo from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m wayside.sim.demo",
        description="Run centre, edge, emulated RSU, sensors and vehicles on this computer in real time, "
        "with scripted conflicts one after the other; ends with tables and a report.",
        epilog="example: python -m wayside.sim.demo --duration 30",
    )
    add_arguments(parser)
    return run_demo(parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
