"""Sockets that take sensors' scans."""

from __future__ import annotations

from wayside.mec.sensors._udp import OnScan, UdpSensorReceiver
from wayside.mec.sensors._websocket import PATH, WebSocketSensorReceiver

__all__ = ["PATH", "OnScan", "UdpSensorReceiver", "WebSocketSensorReceiver"]
