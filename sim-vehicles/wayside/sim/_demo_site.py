from __future__ import annotations

import socket
from pathlib import Path
from typing import NamedTuple

import yaml

from wayside.sim._children import free_port

_TCP, _UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM


class Ports(NamedTuple):
    """Ports of one run, all of 127.0.0.1."""

    sensors_udp: int
    sensors_ws: int
    tscbm: int
    link: int
    rsu_down: int
    rsu_up: int


def choose_ports(source: Path, *, any_free: bool) -> Ports:
    """The site file's ports where they are free, else others; `any_free` takes none of the file's."""
    site = yaml.safe_load(source.read_text("utf-8"))
    listen = {name: int(at.rpartition(":")[2]) for name, at in site["listen"].items()}
    config = site["rsus"][0]["config"]

    def take(wanted: int, kind: socket.SocketKind) -> int:
        if not any_free:
            try:
                return free_port(kind, wanted)
            except OSError:
                pass
        return free_port(kind)

    return Ports(
        take(listen["sensors_udp"], _UDP),
        take(listen["sensors_ws"], _TCP),
        take(listen["tscbm"], _UDP),
        take(listen["link"], _TCP),
        take(int(config["port"]), _UDP),
        take(int(config["uplink_ports"]["any"]), _UDP),
    )


def write_site(source: Path, target: Path, ports: Ports, centre_url: str) -> None:
    """Write the site file of one run: the source with these ports, this centre, and maps by absolute path."""
    site = yaml.safe_load(source.read_text("utf-8"))
    for name in ("sensors_udp", "sensors_ws", "tscbm", "link"):
        site["listen"][name] = f"127.0.0.1:{getattr(ports, name)}"
    for entry in site["maps"]:
        entry["file"] = str((source.parent / entry["file"]).resolve())
    config = site["rsus"][0]["config"]
    config["port"] = ports.rsu_down
    config["uplink_ports"] = {"any": ports.rsu_up}
    site["uplink"]["url"] = centre_url
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(yaml.safe_dump(site, allow_unicode=True, sort_keys=False), "utf-8")
