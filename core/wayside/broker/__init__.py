"""Kafka as both ends use it: access to the brokers, and clients that outlive their failures.

Needs aiokafka, which only the edge and the centre install.
"""

from __future__ import annotations

from wayside.broker._access import BrokerAccess, broker_tls
from wayside.broker._consumer import StallWatch, quiet_client_logs, stop_consumer
from wayside.broker._producer import CLIENT_ERRORS, TOO_LARGE, Message, Producer, client_calls

__all__ = [
    "CLIENT_ERRORS",
    "TOO_LARGE",
    "BrokerAccess",
    "Message",
    "Producer",
    "StallWatch",
    "broker_tls",
    "client_calls",
    "quiet_client_logs",
    "stop_consumer",
]
