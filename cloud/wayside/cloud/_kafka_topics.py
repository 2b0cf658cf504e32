from __future__ import annotations

import asyncio

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from wayside.broker import BrokerAccess
from wayside.cloud._settings import KafkaSettings
from wayside.records import COMMANDS_TOPIC, DEAD_TOPIC, TRACKS_TOPIC, record_topics

_MINUTE_MS = 60_000
_DAY_MS = 86_400_000
# Kept long enough for the longest absence of the centre, and for a person to look into the dead letters.
_KEEP_MS = {COMMANDS_TOPIC: 30 * _DAY_MS, DEAD_TOPIC: 90 * _DAY_MS, TRACKS_TOPIC: 5 * _MINUTE_MS}
_KEEP_RECORDS_MS = 30 * _DAY_MS


def topics(settings: KafkaSettings) -> list[NewTopic]:
    """The topics as the centre makes them: an acknowledgement means that all but one replica have it."""
    found = []
    for name in (*record_topics(), TRACKS_TOPIC, COMMANDS_TOPIC, DEAD_TOPIC):
        configs = {
            "min.insync.replicas": str(max(1, settings.replication - 1)),
            # By the broker's clock: an edge whose clock is wrong loses nothing by it.
            "message.timestamp.type": "LogAppendTime",
            "retention.ms": str(_KEEP_MS.get(name, _KEEP_RECORDS_MS)),
        }
        found.append(NewTopic(name, settings.partitions, settings.replication, topic_configs=configs))
    return found


async def make_topics(settings: KafkaSettings, access: BrokerAccess) -> None:
    """Make the topics that are not there; those that are stay as they are.

    Does nothing unless the settings ask for it. Raises KafkaError, TimeoutError, OSError.
    """
    if not settings.make_topics:
        return
    client = AIOKafkaAdminClient(
        **access.client_arguments(), request_timeout_ms=int(settings.timeout_s * 1e3)
    )
    async with asyncio.timeout(2.0 * settings.timeout_s):
        try:
            await client.start()
            answer = await client.create_topics(topics(settings))
        finally:
            await client.close()
    for name, code, *told in answer.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise KafkaError(f"topic {name}: {told[0] if told and told[0] else error.__name__}")
