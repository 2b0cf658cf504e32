"""An emulated unit's side of the broker: its connection, and what leaves through the faults."""

from __future__ import annotations

import abc
import asyncio
import tomllib
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import msgspec

from wayside.clock import Clock
from wayside.rsu import Broadcast, Emulator, Faults, RsuError, RsuReason
from wayside.rsu.mqtt import MqttBroker, MqttClient, Publish
from wayside.rsu.vendors.tits0117.config import Config
from wayside.rsu.vendors.tits0117.faults import Tits0117Faults, own_faults
from wayside.runtime import Backoff, TaskOwner

MAX_WAITING = 1_000
OWN = "own"
# What a profile says of the wire; the emulator and the adapter that reaches it share it.
SHARED = ("delimiter", "up_id", "down_id", "body", "spat_down", "key_case", "id_padding", "utc_offset_min")


class EmulatedLink(Emulator):
    """A client of an MQTT broker that comes back when it is lost; what it says and does is the subclass's.

    broker: `own` for a broker in this process at host and port, `HOST:PORT`, or a started MqttBroker.
    username, password: at that broker; the own one then lets only this user in. esn, unit_id: the unit's
    names. profile: layout and form of the vendor's folder; layout: the same as values, over it. lat_deg,
    lon_deg: told at registration. faults: of every device, or a Tits0117Faults.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        broker: MqttBroker | str = OWN,
        username: str = "",
        password: str = "",
        esn: str = "R0000001",
        unit_id: str = "",
        profile: str = "",
        layout: Mapping[str, Any] | None = None,
        lat_deg: float = 0.0,
        lon_deg: float = 0.0,
        faults: Faults | None = None,
        sent_over_air: Callable[[Broadcast], None] | None = None,
        uplink: object = None,
    ) -> None:
        if uplink is not None:
            raise ValueError("a unit of this class sends up through its broker, not to an uplink address")
        super().__init__(clock, faults=own_faults(faults), sent_over_air=sent_over_air)
        users = {username: password} if username else None
        self._own_broker = MqttBroker(clock, host=host, port=port, users=users) if broker == OWN else None
        self._broker = broker
        values = {**_profile(profile), **(layout or {})}
        self._config = msgspec.convert(
            {
                **{key: value for key, value in values.items() if key in SHARED},
                "device_id": esn,
                "host": host,
                "esn": esn,
                "unit_id": unit_id,
                "username": username,
                "password": password,
            },
            Config,
        )
        self.form = "json" if self._config.body == "json" else "envelope"
        self.layout = self._config.layout
        self.place = lat_deg, lon_deg
        self._client: MqttClient | None = None
        self._life: TaskOwner | None = None
        self._is_lost = asyncio.Event()
        self._held: tuple[str, bytes] | None = None
        self._set_up()

    @property
    def broker(self) -> MqttBroker | None:
        """The broker in this process, if there is one."""
        return self._broker if isinstance(self._broker, MqttBroker) else self._own_broker

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the broker."""
        if self.broker is not None:
            return self.broker.address
        host, _, port = str(self._broker).rpartition(":")
        if not host or not port.isdigit():
            raise RsuError(RsuReason.CONFIG, f"{self._broker!r} is neither own nor HOST:PORT", where="broker")
        return host, int(port)

    async def start(self) -> None:
        """Connect to the broker and register. Raises RsuError UNREACHABLE, AUTH, CONFIG."""
        if self._own_broker is not None and not self._own_broker.running:
            await self._own_broker.start()
        host, port = self.address
        client = MqttClient(
            self.clock,
            host=host,
            port=port,
            client_id=f"unit-{self._config.esn}",
            username=self._config.username,
            password=self._config.password,
            on_message=self._arrived,
            on_lost=lambda _: self._is_lost.set(),
        )
        await client.connect()
        self._client = client
        self._began()
        await client.subscribe(dict.fromkeys(self.layout.down_filters(self._config.name), 1))
        self._life = TaskOwner("unit")
        self._life.start(self._stay_connected(client), "connection")
        for name, work in self._works().items():
            self._life.start(work, name)

    async def power_off(self) -> None:
        """Vanish from the broker without a word; `start` comes back. A broker in this process stays."""
        life, self._life = self._life, None
        if life is not None:
            await life.close()
        client, self._client = self._client, None
        if client is not None:
            await client.abort()

    async def close(self) -> None:
        """End the delayed work, the connection and the own broker."""
        await self.tasks.close()
        life, self._life = self._life, None
        if life is not None:
            await life.close()
        client, self._client = self._client, None
        if client is not None:
            await client.close()
        if self._own_broker is not None:
            await self._own_broker.close()

    @abc.abstractmethod
    def _set_up(self) -> None:
        """What it holds before it is first switched on."""

    @abc.abstractmethod
    def _began(self) -> None:
        """The connection is new: the unit has just been switched on."""

    @abc.abstractmethod
    def _works(self) -> dict[str, Coroutine[Any, Any, None]]:
        """What it does by itself while it is on, by name."""

    @abc.abstractmethod
    def _take(self, message: Publish) -> None:
        """A message has come down."""

    @property
    def _faults(self) -> Tits0117Faults:
        self.faults = faults = own_faults(self.faults)
        return faults

    async def _stay_connected(self, client: MqttClient) -> None:
        backoff = Backoff(first_s=0.2, ceiling_s=5.0, seed=self.faults.seed)
        while True:
            await self._is_lost.wait()
            self._is_lost.clear()
            while not client.is_open:
                try:
                    await client.connect()
                except RsuError as error:
                    self.counters.drop(error.reason)
                    await self.clock.sleep(backoff.next_s())
            backoff.reset()

    def _send(self, topic: str, payload: bytes) -> int:
        faults = self._faults
        if self._client is None:
            raise RsuError(RsuReason.OFFLINE, "the emulator is not connected")
        if faults.silence or self._happens(faults.drop):
            return 0
        if self._happens(faults.wrong_layout):
            other = "." if self.layout.delimiter == "/" else "/"
            topic = topic.replace(self.layout.delimiter, other)
        out = [(topic, payload)] * (2 if self._happens(faults.duplicate) else 1)
        held, self._held = self._held, None
        if held is None and self._happens(faults.reorder):
            self._held = out.pop()
        elif held is not None:
            out.append(held)
        for item in out:
            self._out(*item)
        return len(out)

    def _out(self, topic: str, payload: bytes) -> None:
        if self.faults.silence or self._client is None:
            return
        if self.faults.slow_s > 0:
            if len(self.tasks) < MAX_WAITING:
                self.tasks.start(self._out_later(self.faults.slow_s, topic, payload), "slow")
            return
        self._write(topic, payload)

    async def _out_later(self, seconds: float, topic: str, payload: bytes) -> None:
        await self.clock.sleep(seconds)
        self._write(topic, payload)

    def _write(self, topic: str, payload: bytes) -> None:
        if self._client is None:
            return
        try:
            self._client.publish(topic, payload)
        except RsuError as error:
            self.counters.drop(error.reason)

    def _arrived(self, message: Publish) -> None:
        if self.faults.silence:
            return
        if self.faults.slow_s > 0:
            if len(self.tasks) < MAX_WAITING:
                self.tasks.start(self._take_later(message), "slow")
            return
        self._take(message)

    async def _take_later(self, message: Publish) -> None:
        await self.clock.sleep(self.faults.slow_s)
        self._take(message)


def _profile(name: str) -> dict[str, Any]:
    if not name:
        return {}
    path = Path(__file__).parent / "profiles" / f"{name}.toml"
    if not path.is_file():
        raise RsuError(RsuReason.CONFIG, f"no profile {name}")
    values: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))["device"]
    return values
