from __future__ import annotations

import abc
import random
from collections import deque
from collections.abc import Callable, Iterable
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from wayside.clock import Clock, MonoNs, UtcNs
from wayside.observe import Counters
from wayside.rsu._adapter import Adapter
from wayside.rsu._reasons import RsuError, RsuReason
from wayside.runtime import TaskOwner

Share = Annotated[float, Meta(ge=0.0, le=1.0)]


class Faults(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What goes wrong with an emulated device's uplink, and with what it takes; may be changed at any time.

    silence: nothing goes out and nothing that comes in is taken. drop, duplicate, reorder, corrupt: shares
    of uplinks lost, sent twice, sent after the next one, sent with one octet changed. pad_bytes: zero
    octets added behind. wrong_length: the header's length says this much more than there is. wrong_port:
    share sent to another message's port where there is one. wrong_type: share whose header names another
    message, where the wire has such a thing. slow_s: delay of everything, seconds. seed: of all chance.
    """

    silence: bool = False
    drop: Share = 0.0
    duplicate: Share = 0.0
    reorder: Share = 0.0
    corrupt: Share = 0.0
    pad_bytes: Annotated[int, Meta(ge=0, le=4_096)] = 0
    wrong_length: Annotated[int, Meta(ge=-1_000, le=1_000)] = 0
    wrong_port: Share = 0.0
    wrong_type: Share = 0.0
    slow_s: Annotated[float, Meta(ge=0.0, le=60.0)] = 0.0
    seed: int = 0


class Broadcast(msgspec.Struct, frozen=True, kw_only=True):
    """What an emulated device put on the air at the edge's request."""

    message: str
    uper: bytes
    utc_ns: UtcNs
    mono_ns: MonoNs
    psid: int | None = None
    channel: int | None = None
    priority: int | None = None
    signed: bool = False


def read_faults(words: Iterable[str], kind: type[Faults] = Faults) -> Faults:
    """Faults from `name=value` words (`silence` alone means true). Raises RsuError CONFIG."""
    named: dict[str, object] = {}
    for word in words:
        name, equals, text = word.partition("=")
        named[name] = text if equals else True
    try:
        return msgspec.convert(named, kind, strict=False)
    except msgspec.ValidationError as error:
        known = ", ".join(kind.__struct_fields__)
        raise RsuError(RsuReason.CONFIG, f"faults: {error}", advice=f"known faults: {known}") from None


class Emulator(abc.ABC):
    """A vendor's device on the real wire, for tests, the simulator and the conformance kit.

    A vendor's subclass speaks the wire; the base keeps what was broadcast and decides on the faults.
    sent_over_air: called for each broadcast, for instance to hand it to simulated vehicles.
    forms: names of what it can put around its uplinks, where the wire knows several; form: the current one.
    """

    forms: ClassVar[tuple[str, ...]] = ()
    form: str = ""

    def __init__(
        self,
        clock: Clock,
        *,
        faults: Faults | None = None,
        sent_over_air: Callable[[Broadcast], None] | None = None,
        keep: int = 1_000,
    ) -> None:
        self.clock = clock
        self.faults = faults or Faults()
        self.sent_over_air = sent_over_air
        self.counters = Counters()
        self.broadcasts: deque[Broadcast] = deque(maxlen=keep)
        self.refused: deque[RsuError] = deque(maxlen=100)
        self.tasks = TaskOwner("emulator")
        self._random = random.Random(self.faults.seed)

    @property
    @abc.abstractmethod
    def address(self) -> tuple[str, int]:
        """Host and port on which the device takes messages, once started."""

    @abc.abstractmethod
    async def start(self) -> None:
        """Open the device's sockets. Raises RsuError UNREACHABLE."""

    @abc.abstractmethod
    async def power_off(self) -> None:
        """Vanish from the network, as a device without power; `start` brings it back at the same address."""

    @abc.abstractmethod
    async def close(self) -> None:
        """End tasks and sockets for good."""

    @abc.abstractmethod
    def adapter_values(self) -> dict[str, Any]:
        """What an adapter's configuration needs to reach this device; ports are chosen by the system."""

    @abc.abstractmethod
    def attach(self, adapter: Adapter) -> None:
        """Send uplinks to where this connected adapter takes them."""

    @abc.abstractmethod
    def send_up(self, uper: bytes) -> int:
        """Send one message frame up in the configured form; how many datagrams or messages went out."""

    def carried(self, uper: bytes) -> bytes:
        """What of a frame the device's wire can carry, as a frame: all of it, where it carries UPER."""
        return uper

    def seed(self, seed: int) -> None:
        """Start chance over."""
        self._random.seed(seed)

    async def send_up_every(self, period_s: float, frames: Callable[[], Iterable[bytes]]) -> None:
        """Until cancelled, each `period_s` send up what `frames` gives."""
        while True:
            for frame in frames():
                self.send_up(frame)
            await self.clock.sleep(period_s)

    def _on_air(self, broadcast: Broadcast) -> None:
        self.broadcasts.append(broadcast)
        self.counters.count("emulator_broadcast", broadcast.message)
        if self.sent_over_air is not None:
            self.sent_over_air(broadcast)

    def _refuse(self, error: RsuError) -> None:
        self.refused.append(error)
        self.counters.drop(error.reason)

    def _happens(self, share: float) -> bool:
        return share > 0.0 and self._random.random() < share
