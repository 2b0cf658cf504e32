"""MQTT 3.1.1 for vendors whose units speak it: a client, and a small broker for where there is none.

Both run on the injected clock and end cleanly with their owner; they share one packet codec.
"""

from __future__ import annotations

from wayside.rsu.mqtt._broker import BrokerLimits, MqttBroker
from wayside.rsu.mqtt._client import MqttClient
from wayside.rsu.mqtt._hub import BrokerAddress, Layout, Share, join
from wayside.rsu.mqtt._packets import (
    ConnAck,
    Connect,
    Disconnect,
    Packet,
    PacketReader,
    PingReq,
    PingResp,
    PubAck,
    Publish,
    SubAck,
    Subscribe,
    UnsubAck,
    Unsubscribe,
    Will,
    build_packet,
)
from wayside.rsu.mqtt._tls import Tls
from wayside.rsu.mqtt._topics import check_filter, check_topic, matches

__all__ = [
    "BrokerAddress",
    "BrokerLimits",
    "ConnAck",
    "Connect",
    "Disconnect",
    "Layout",
    "MqttBroker",
    "MqttClient",
    "Packet",
    "PacketReader",
    "PingReq",
    "PingResp",
    "PubAck",
    "Publish",
    "Share",
    "SubAck",
    "Subscribe",
    "Tls",
    "UnsubAck",
    "Unsubscribe",
    "Will",
    "build_packet",
    "check_filter",
    "check_topic",
    "join",
    "matches",
]
