from __future__ import annotations

import asyncio
import logging

from aiokafka import AIOKafkaConsumer

from wayside.broker._producer import within
from wayside.clock import Clock


def quiet_client_logs() -> None:
    """Leave outages to be told once, by whoever uses a client; its own lines repeat them every 100 ms."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


class StallWatch:
    """Tells a consumer that has silently died from one that has nothing to read.

    A client may lose its group and never join again, or wait for a broker that is gone, without any error.
    look_s: between two looks. stall_s: without a record though there are some, or without a partition to
    read, after which it counts as dead.
    """

    def __init__(
        self, consumer: AIOKafkaConsumer, clock: Clock, *, look_s: float = 5.0, stall_s: float = 20.0
    ) -> None:
        self._consumer = consumer
        self._clock = clock
        self._look_s = look_s
        self._stall_s = stall_s
        self._looked = self._moved = clock.mono()

    def moved(self) -> None:
        """Records have come."""
        self._looked = self._moved = self._clock.mono()

    async def look(self) -> None:
        """Call it after every poll that brought nothing. Raises CLIENT_ERRORS when the consumer is dead."""
        now = self._clock.mono()
        if (now - self._looked) / 1e9 < self._look_s:
            return
        self._looked = now
        places = self._consumer.assignment()
        if places:
            async with asyncio.timeout(self._stall_s):
                ends = await self._consumer.end_offsets(list(places))
                behind = [place for place in places if await self._consumer.position(place) < ends[place]]
            if not behind:
                self._moved = self._clock.mono()
        if (self._clock.mono() - self._moved) / 1e9 > self._stall_s:
            raise TimeoutError("there are records, but none come" if places else "no partition to read")


async def stop_consumer(consumer: AIOKafkaConsumer, timeout_s: float) -> None:
    """Close a consumer, whatever state it is in."""
    await within(timeout_s, consumer.stop())
    # It leaves its group first, which may hang with the broker.
    await within(timeout_s, consumer._client.close())
