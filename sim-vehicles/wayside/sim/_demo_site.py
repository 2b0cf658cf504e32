from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import msgspec
import yaml

from wayside.sim._children import free_port

_TCP, _UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM
_BY_DATAGRAM = frozenset({"sensors_udp", "tscbm"})
# Vendors whose units are reached over a broker, and those that take datagrams themselves.
OVER_BROKER = frozenset({"tits0117"})


class UnitPorts(msgspec.Struct, frozen=True):
    """Ports of a unit that takes datagrams: its own, and the edge's for what it passes on."""

    down: int
    up: int


class Ports(msgspec.Struct, frozen=True):
    """Ports of one run, all of the loopback. listen: of the edge, by their name in the site file. units: of
    those that take datagrams, by id. broker: of MQTT, 0 where no unit needs one."""

    listen: dict[str, int]
    units: dict[str, UnitPorts]
    broker: int = 0

    @property
    def sensors_udp(self) -> int:
        """Where sensors send datagrams."""
        return self.listen["sensors_udp"]

    @property
    def sensors_ws(self) -> int:
        """Where sensors connect."""
        return self.listen["sensors_ws"]

    @property
    def tscbm(self) -> int:
        """Where signal controllers send."""
        return self.listen["tscbm"]

    @property
    def link(self) -> int:
        """Where vehicles connect."""
        return self.listen["link"]

    @property
    def rsu_down(self) -> int:
        """Port of the first unit that takes datagrams."""
        return next(iter(self.units.values())).down

    @property
    def rsu_up(self) -> int:
        """The edge's port for what that unit passes on."""
        return next(iter(self.units.values())).up

    def all(self) -> list[int]:
        """Every port."""
        broker = [self.broker] if self.broker else []
        return [*self.listen.values(), *(n for u in self.units.values() for n in (u.down, u.up)), *broker]


def read_site(source: Path) -> dict[str, Any]:
    """Values of a site file as they stand there, unchecked."""
    values = yaml.safe_load(source.read_text("utf-8"))
    assert isinstance(values, dict)
    return values


def choose_ports(source: Path, *, any_free: bool) -> Ports:
    """The site file's ports where they are free, else others; `any_free` takes none of the file's."""
    site = read_site(source)
    taken: set[tuple[socket.SocketKind, int]] = set()

    def take(wanted: int, kind: socket.SocketKind) -> int:
        if not any_free:
            try:
                port = free_port(kind, wanted)
            except OSError:
                port = 0
            if port and (kind, port) not in taken:
                taken.add((kind, port))
                return port
        while True:
            # One that was free a moment ago may be given out again: it is bound only later.
            port = free_port(kind)
            if (kind, port) not in taken:
                taken.add((kind, port))
                return port

    listen = {
        name: take(int(at.rpartition(":")[2]), _UDP if name in _BY_DATAGRAM else _TCP)
        for name, at in site["listen"].items()
    }
    units: dict[str, UnitPorts] = {}
    broker = 0
    for rsu in site.get("rsus", ()):
        config = rsu["config"]
        if rsu["vendor"] in OVER_BROKER:
            broker = broker or take(int(config["port"]), _TCP)
        else:
            down, up = int(config["port"]), int(config["uplink_ports"]["any"])
            units[rsu["id"]] = UnitPorts(take(down, _UDP), take(up, _UDP))
    return Ports(listen, units, broker)


def write_site(
    source: Path, target: Path, ports: Ports, centre_url: str, *, kafka: str = "", site_id: str = ""
) -> None:
    """Write the site file of one run: the source with these ports, this centre, and files by absolute path.

    kafka: `host:port` by which the centre is reached instead. site_id: instead of the source's.
    """
    site = read_site(source)
    site["id"] = site_id or site["id"]
    for name, port in ports.listen.items():
        site["listen"][name] = f"127.0.0.1:{port}"
    for entry in site["maps"]:
        entry["file"] = str((source.parent / entry["file"]).resolve())
    for rsu in site.get("rsus", ()):
        config = rsu["config"]
        if rsu["vendor"] in OVER_BROKER:
            config["port"] = ports.broker
        else:
            own = ports.units[rsu["id"]]
            config["port"], config["uplink_ports"] = own.down, {"any": own.up}
    site["uplink"] = {"kafka": {"servers": [kafka]}} if kafka else {**site["uplink"], "url": centre_url}
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(yaml.safe_dump(site, allow_unicode=True, sort_keys=False), "utf-8")


def write_centre(target: Path, kafka: str, group: str) -> None:
    """Write the centre's configuration for a run whose edge reaches it by Kafka: a single broker will do.
    group: of the consumers, one for each run, so that nothing of another is taken for read."""
    values = {"kafka": {"servers": [kafka], "group": group, "replication": 1}}
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(yaml.safe_dump(values, sort_keys=False), "utf-8")
