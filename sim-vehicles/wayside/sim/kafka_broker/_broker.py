from __future__ import annotations

import atexit
import os
import signal
import socket
import struct
import subprocess
import threading
from pathlib import Path

from wayside.clock import SystemClock
from wayside.sim._children import free_port
from wayside.sim.kafka_broker._jars import HERE, KafkaMissing, fetch_jars

_READY_S = 60.0
_STOP_S = 30.0
_LOOK_S = 0.05
# A request that any broker answers once it works: ApiVersions, version 0, no client id.
_API_VERSIONS = struct.pack(">ihhih", 10, 18, 0, 1, -1)
_PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
"""


class KafkaBroker:
    """One combined node (KRaft) with its data in `folder`; ports are chosen once and kept over restarts.

    Belongs to no event loop: its verbs block until they are done, call them with `asyncio.to_thread`. It ends
    with this process. Raises KafkaMissing when it cannot be had or does not come up.
    """

    def __init__(self, folder: Path, *, heap_mb: int = 512) -> None:
        self.folder = folder
        self.port = free_port(socket.SOCK_STREAM)
        self.server = f"127.0.0.1:{self.port}"
        self._controller = free_port(socket.SOCK_STREAM)
        self._heap_mb = heap_mb
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.kill)

    def start(self) -> None:
        """Start it, with the data that is there, and wait until it answers."""
        if self._process is not None:
            return
        self._jars = fetch_jars()
        self.folder.mkdir(parents=True, exist_ok=True)
        properties = self.folder / "server.properties"
        data = self.folder / "data"
        if not data.exists():
            properties.write_text(
                _PROPERTIES.format(port=self.port, controller=self._controller, data=data), encoding="utf-8"
            )
            cluster = subprocess.run(
                self._java("kafka.tools.StorageTool", "random-uuid"), capture_output=True, check=True
            )
            words = ("format", "-t", cluster.stdout.decode().strip(), "-c", str(properties))
            subprocess.run(self._java("kafka.tools.StorageTool", *words), capture_output=True, check=True)
        with (self.folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._java("kafka.Kafka", str(properties)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait_ready(self._process)

    def stop(self) -> None:
        """End it in order (SIGTERM)."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it without a chance to put anything in order (SIGKILL)."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Let it hang: connections stay, nothing is answered (SIGSTOP)."""
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGCONT)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _java(self, *words: str) -> list[str]:
        return [
            "java",
            "-Xms256m",
            f"-Xmx{self._heap_mb}m",
            "-XX:+UseSerialGC",
            "-Djava.awt.headless=true",
            f"-Dlog4j2.configurationFile=file:{HERE / 'log4j2.xml'}",
            "-cp",
            f"{self._jars}/*",
            *words,
        ]

    def _wait_ready(self, process: subprocess.Popen[bytes]) -> None:
        clock, never = SystemClock(), threading.Event()
        deadline = clock.mono() + _READY_S * 1e9
        while not self._answers():
            if process.poll() is not None or clock.mono() > deadline:
                self.kill()
                lines = (self.folder / "broker.log").read_text(errors="replace").splitlines()
                raise KafkaMissing(f"the broker did not come up: {lines[-1] if lines else 'it said nothing'}")
            never.wait(_LOOK_S)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1.0) as connection:
                connection.sendall(_API_VERSIONS)
                return len(connection.recv(4)) == 4
        except OSError:
            return False
