from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from wayside.clock import Clock, VirtualClock
from wayside.observe import Counters
from wayside.rsu._adapter import Adapter
from wayside.rsu._delivery import Delivery
from wayside.rsu._emulator import Broadcast, Emulator, Faults
from wayside.rsu._envelope import DeviceEvent, Envelope, downlink
from wayside.rsu._reasons import RsuError, RsuReason
from wayside.rsu._vendors import VendorInfo, read_config
from wayside.runtime import TaskOwner

_STEP_S = 0.05
_PATIENCE_S = 3.0
_LOOK_AGAIN_S = 0.01


class CheckFailed(AssertionError):
    """A check found something other than it should be."""


class Frame(msgspec.Struct, frozen=True):
    """A really encoded message. source: the public repository and file it stands in."""

    dialect: str
    message: str
    uper: str
    source: str


@cache
def _frames() -> tuple[Frame, ...]:
    path = Path(__file__).with_name("frames.json")
    return msgspec.convert(json.loads(path.read_text("utf-8")), tuple[Frame, ...])


class Pair:
    """A connected adapter, its emulator if there is one, and all that has come up and gone out."""

    def __init__(self, clock: Clock, adapter: Adapter, emulator: Emulator | None) -> None:
        self.clock = clock
        self.adapter = adapter
        self.counters = adapter.counters
        self._emulator = emulator
        self.envelopes: list[Envelope] = []
        self.events: list[DeviceEvent] = []
        self.stream_ended = False
        self._news = asyncio.Event()
        adapter.on_delivery = lambda _: self._news.set()
        if emulator is not None:
            emulator.sent_over_air = self._on_air

    @property
    def emulator(self) -> Emulator:
        """The emulated device; only for checks that are marked to need one."""
        if self._emulator is None:
            raise RuntimeError("this check needs an emulator")
        return self._emulator

    @property
    def on_air(self) -> list[bytes]:
        """Frames that the emulated device has broadcast, oldest first."""
        return [broadcast.uper for broadcast in self.emulator.broadcasts]

    async def read(self) -> None:
        """Collect the uplink stream until it ends."""
        async for batch in self.adapter.uplink():
            for item in batch:
                if isinstance(item, Envelope):
                    self.envelopes.append(item)
                else:
                    self.events.append(item)
            self._news.set()
        self.stream_ended = True
        self._news.set()

    async def until(self, what: str, condition: Callable[[], bool]) -> None:
        """Wait until something is so; CheckFailed when it is not within 3 s of real time."""
        loop = asyncio.get_running_loop()
        end = loop.time() + _PATIENCE_S
        while not condition():
            if loop.time() > end:
                raise CheckFailed(f"did not come: {what}")
            self._news.clear()
            # Refusals are counted and make no news: look again after a while.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), _LOOK_AGAIN_S)

    async def pass_time(self, seconds: float) -> None:
        """Let time go by: at once on a virtual clock, really otherwise."""
        if not isinstance(self.clock, VirtualClock):
            await self.clock.sleep(seconds)
            return
        for _ in range(round(seconds / _STEP_S)):
            self.clock.advance(_STEP_S)
            await turn()

    def _on_air(self, _: Broadcast) -> None:
        self._news.set()


class Bench:
    """Makes what checks work on: adapters of one vendor, emulators or the real device, and frames.

    device: values for the adapter's configuration that reach a real device, or None for the emulator.
    profile: of the emulated device.
    """

    def __init__(
        self, info: VendorInfo, clock: Clock, device: Mapping[str, Any] | None = None, profile: str = ""
    ) -> None:
        self.info = info
        self.clock = clock
        self.device = device
        self.profile = profile

    @asynccontextmanager
    async def pair(self, *, faults: Faults | None = None, **config: Any) -> AsyncIterator[Pair]:
        """A connected pair; `config` goes over the values that reach the device. Closed at the end."""
        emulator = None
        reach: Mapping[str, Any] = self.device or {}
        if self.device is None:
            named = {"profile": self.profile} if self.profile else {}
            emulator = self.info.emulator(self.clock, faults=faults, **named)
            await emulator.start()
            reach = emulator.adapter_values()
        values = {"device_id": "conformance", **reach, **config}
        adapter = self.info.adapter(read_config(self.info, values), self.clock, Counters())
        owner = TaskOwner("conformance")
        pair = Pair(self.clock, adapter, emulator)
        try:
            owner.start(pair.read(), "uplink")
            if not await adapter.connect():
                raise CheckFailed("the way to the device could not be opened")
            if emulator is not None:
                emulator.attach(adapter)
            yield pair
        finally:
            await adapter.close()
            if emulator is not None:
                await emulator.close()
            await owner.close()

    def frames(self, message: str = "") -> list[Envelope]:
        """Really encoded messages that the vendor's devices take down, of one name or one each of all."""
        dialects = self.info.capabilities.dialects
        found = [f for f in _frames() if f.dialect in dialects and f.message in self.info.capabilities.down]
        if message:
            chosen = [f for f in found if f.message == message]
        else:
            chosen = list({f.message: f for f in reversed(found)}.values())
        if not chosen:
            raise RsuError(RsuReason.UNSUPPORTED, f"the kit has no frame of {message or self.info.id}")
        return [downlink(self.clock, f.message, bytes.fromhex(f.uper), dialect=f.dialect) for f in chosen]


class Check(msgspec.Struct, frozen=True):
    """One check. needs: "emulator" where a real device cannot be made to do what it takes, else "device"."""

    name: str
    what: str
    run: Callable[[Bench], Awaitable[None]]
    needs: str = "device"


def check(needs: str = "device") -> Callable[[Callable[[Bench], Awaitable[None]]], Check]:
    """Make a Check of an async function: its name, and the first line of its docstring."""

    def made(function: Callable[[Bench], Awaitable[None]]) -> Check:
        what = (function.__doc__ or "").strip().splitlines()[0]
        return Check(function.__name__, what, function, needs)

    return made


def expect(so: bool, what: str) -> None:
    """Raises CheckFailed unless something is so."""
    if not so:
        raise CheckFailed(what)


async def turn() -> None:
    """Give every task and socket that is ready its turn, a few times over."""
    for _ in range(6):
        await asyncio.sleep(0)


def ended_as(delivery: Delivery) -> str:
    """State and reason of a delivery, for messages."""
    return f"{delivery.message} is {delivery.state} {delivery.detail}".strip()
