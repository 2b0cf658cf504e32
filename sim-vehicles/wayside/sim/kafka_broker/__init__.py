"""A real Apache Kafka of one node on the loopback, for tests, soaks and demos."""

from __future__ import annotations

from wayside.sim.kafka_broker._broker import KafkaBroker
from wayside.sim.kafka_broker._jars import KafkaMissing, can_run, fetch_jars
from wayside.sim.kafka_broker._rounds import RoundFailed, RoundFigures, kill_round

__all__ = [
    "KafkaBroker",
    "KafkaMissing",
    "RoundFailed",
    "RoundFigures",
    "can_run",
    "fetch_jars",
    "kill_round",
]
