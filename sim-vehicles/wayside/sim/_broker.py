from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from wayside.clock import Clock
from wayside.observe import Counters
from wayside.rsu.mqtt import MqttBroker
from wayside.sim._addresses import LOOPBACK
from wayside.sim._children import Child, ChildError

_READY_TRIES = 100
_READY_S = 0.05


class RunBroker:
    """The MQTT broker of one run: mosquitto where it is installed, else the project's own in this process.

    folder: of the run, for configuration and log. own: take the project's own in any case.
    """

    def __init__(self, port: int, clock: Clock, folder: Path, *, own: bool = False) -> None:
        self.port = port
        self.counters = Counters()
        self._clock = clock
        self._folder = folder
        program = None if own else mosquitto_path()
        self._child: Child | None = None
        self._own: MqttBroker | None = None
        if program is None:
            self._own = MqttBroker(clock, host=LOOPBACK, port=port, counters=self.counters)
        else:
            words = ("-c", str(folder / "mosquitto.conf"))
            self._child = Child("mosquitto", words, folder / "mosquitto.log", program=(program,))

    @property
    def name(self) -> str:
        """What it is, for people."""
        return "mosquitto" if self._child is not None else "the broker of this process"

    async def start(self) -> None:
        """Listen. Raises ChildError when mosquitto does not come up, RsuError UNREACHABLE for the own one."""
        if self._own is not None:
            await self._own.start()
            return
        assert self._child is not None
        self._folder.mkdir(parents=True, exist_ok=True)
        # Only the loopback can reach it, and it ends with the run.
        lines = (f"listener {self.port} {LOOPBACK}", "allow_anonymous true", "persistence false")
        (self._folder / "mosquitto.conf").write_text("\n".join((*lines, "")), "utf-8")
        await self._child.start()
        for _ in range(_READY_TRIES):
            if await self._answers():
                return
            if not self._child.running:
                break
            await self._clock.sleep(_READY_S)
        raise ChildError(f"mosquitto does not listen on port {self.port}; see {self._folder}/mosquitto.log")

    async def close(self) -> None:
        """End it."""
        if self._own is not None:
            await self._own.close()
        if self._child is not None:
            await self._child.end()

    async def _answers(self) -> bool:
        try:
            _, writer = await asyncio.open_connection(LOOPBACK, self.port)
        except OSError:
            return False
        writer.close()
        await writer.wait_closed()
        return True


def mosquitto_path() -> str | None:
    """Where mosquitto is installed, also outside a plain user's path; None where it is not."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
