from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from wayside.mec.site._models import SiteModel, split_endpoint

if TYPE_CHECKING:
    from wayside.rsu import DeviceConfig


def is_loopback(host: str) -> bool:
    """Whether what listens on this host name or address is reached from this computer only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def exposures(model: SiteModel) -> list[str]:
    """What a site file lays open to the network, a line each: `key: what; what to do`."""
    listen = model.listen
    found = []

    def reached(endpoint: str) -> bool:
        return not is_loopback(split_endpoint(endpoint)[0])

    if reached(listen.link) and model.link.tls is None:
        found.append(
            f"listen.link: {listen.link} without TLS: tokens and warnings can be read and changed on the way;"
            " set link.tls, or put it behind a TLS proxy"
        )
    if reached(listen.sensors_udp):
        found += [
            f"sensors[{n}].address: any host that reaches {listen.sensors_udp} may send scans as"
            f" {sensor.id}; set its address"
            for n, sensor in enumerate(model.sensors)
            if sensor.transport == "udp" and not sensor.address
        ]
    if reached(listen.sensors_ws) and any(sensor.transport == "websocket" for sensor in model.sensors):
        found.append(
            f"listen.sensors_ws: {listen.sensors_ws} without TLS: tokens can be read on the way;"
            " put it behind a TLS proxy, or use a network of its own"
        )
    if reached(listen.tscbm):
        found += [
            f"signals[{n}].address: any host that reaches {listen.tscbm} may send the signals of"
            f" {signal.intersection}; set the controller's address"
            for n, signal in enumerate(model.signals)
            if signal.source == "tscbm" and not signal.address
        ]
    if reached(listen.http):
        found.append(
            f"listen.http: any host that reaches {listen.http} reads the edge's health and metrics;"
            " use a network of its own"
        )
    uplink = model.uplink
    if uplink is not None and uplink.url is not None and uplink.token is not None:
        parts = urlsplit(uplink.url)
        if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            found.append("uplink.url: the token goes to the centre unencrypted; use https")
    if uplink is not None and uplink.kafka is not None and uplink.kafka.tls is None:
        found += [
            f"uplink.kafka.servers: records and commands can be read and changed on the way to {server};"
            " set uplink.kafka.tls"
            for server in uplink.kafka.servers
            if reached(server)
        ]
    return found


def plain_peers(devices: Mapping[str, DeviceConfig]) -> list[str]:
    """Roadside units whose login leaves this computer unencrypted, a line each as above."""
    return [
        f"rsus[{n}].config: messages and the login of {device_id} can be read and changed on the way to"
        f" {device.plain_peer}; set tls"
        for n, (device_id, device) in enumerate(devices.items())
        if device.plain_peer and not is_loopback(device.plain_peer)
    ]
