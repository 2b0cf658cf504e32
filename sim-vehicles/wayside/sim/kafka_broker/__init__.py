"""A real Apache Kafka of one node on the loopback, for tests, soaks and demos."""

from __future__ import annotations

from wayside.sim.kafka_broker._broker import KafkaBroker
from wayside.sim.kafka_broker._jars import KafkaMissing, can_run, fetch_jars

__all__ = ["KafkaBroker", "KafkaMissing", "can_run", "fetch_jars"]
