from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from wayside.clock import Clock
from wayside.geo import LocalPlane
from wayside.mec.site import Site
from wayside.observe import Counters
from wayside.rsu import Broadcast, DeviceConfig, Emulator, RsuError
from wayside.rsu.vendors.tits0117 import Config as Tits0117Config
from wayside.rsu.vendors.tits0117 import Tits0117Emulator
from wayside.rsu.vendors.usdot_rsu41 import UsdotRsu41Emulator
from wayside.sim._addresses import LOOPBACK
from wayside.sim._demo_site import Ports

# How far a unit's radio hears; own, within the 300 m that the applications of T/CSAE 53 ask for.
RADIO_RANGE_M = 300.0


class EmulatedUnit(NamedTuple):
    """A roadside unit of the site as an emulated device. x_m, y_m: where it stands, on the road's plane.
    passes_bsm: whether its interface can pass vehicles' messages on."""

    id: str
    vendor: str
    dialect: str
    x_m: float
    y_m: float
    passes_bsm: bool
    emulator: Emulator


class EmulatedUnits:
    """All roadside units of a site as emulated devices, each on its vendor's real wire."""

    def __init__(self, site: Site, ports: Ports, clock: Clock, plane: LocalPlane) -> None:
        self.counters = Counters()
        self.units: list[EmulatedUnit] = []
        for rsu in site.model.rsus:
            config = site.devices[rsu.id]
            emulator = _emulator(config, (rsu.lat, rsu.lon), ports, clock, self._on_air(rsu.id))
            # In JSON a T/ITS 0117 unit has no form for what vehicles say.
            hears = not isinstance(config, Tits0117Config) or "BSM" in config.capabilities().up
            place = plane.to_xy(rsu.lat, rsu.lon)
            self.units.append(EmulatedUnit(rsu.id, rsu.vendor, rsu.dialect, *place, hears, emulator))

    async def start(self) -> None:
        """Switch all devices on. Raises RsuError UNREACHABLE."""
        for unit in self.units:
            await unit.emulator.start()

    async def close(self) -> None:
        """Switch all devices off."""
        for unit in self.units:
            await unit.emulator.close()

    def in_reach(self, x_m: float, y_m: float) -> Iterator[EmulatedUnit]:
        """Units whose radio hears a vehicle there and that pass on what it says."""
        for unit in self.units:
            if unit.passes_bsm and math.hypot(unit.x_m - x_m, unit.y_m - y_m) <= RADIO_RANGE_M:
                yield unit

    def heard(self, unit: EmulatedUnit, uper: bytes) -> None:
        """A unit has heard a vehicle's message: it passes it on to the edge."""
        try:
            unit.emulator.send_up(uper)
        except RsuError as error:
            # A device that has lost its broker: it tries again on its own.
            self.counters.drop(error.reason)
            return
        self.counters.count("radio_bsm", unit.id)

    def messages(self) -> dict[str, dict[str, int]]:
        """Messages by type and device: heard by radio, and put on the air at the edge's request."""
        out: dict[str, dict[str, int]] = {
            "BSM": {f"{name} (heard)": n for name, n in self.counters.counts().get("radio_bsm", {}).items()}
        }
        for unit in self.units:
            said = unit.emulator.counters.counts().get("emulator_broadcast", {})
            for message, number in said.items():
                out.setdefault(message, {})[f"{unit.id} (broadcast)"] = number
        return out

    def drops(self) -> Sequence[dict[str, dict[str, int]]]:
        """What each device refused, stage → reason → number."""
        return [self.counters.drops(), *(unit.emulator.counters.drops() for unit in self.units)]

    def _on_air(self, device_id: str) -> Callable[[Broadcast], None]:
        return lambda broadcast: self.counters.count(f"on_air_{device_id}", broadcast.message)


def _emulator(
    config: DeviceConfig,
    place: tuple[float, float],
    ports: Ports,
    clock: Clock,
    on_air: Callable[[Broadcast], None],
) -> Emulator:
    if isinstance(config, Tits0117Config):
        return Tits0117Emulator(
            clock,
            broker=f"{LOOPBACK}:{ports.broker}",
            esn=config.esn,
            unit_id=config.unit_id,
            # Of the adapter's configuration it takes what is of the wire.
            layout=msgspec.structs.asdict(config),
            lat_deg=place[0],
            lon_deg=place[1],
            sent_over_air=on_air,
        )
    own = ports.units[config.device_id]
    return UsdotRsu41Emulator(clock, port=own.down, uplink=(LOOPBACK, {"any": own.up}), sent_over_air=on_air)
