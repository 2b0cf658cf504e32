from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Iterator
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError
from aiokafka.partitioner import DefaultPartitioner

from wayside.broker._access import BrokerAccess

# What a client raises when it fails, and what says that a message or batch is too large for the broker.
CLIENT_ERRORS = (KafkaError, TimeoutError, OSError)
TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)

Message = tuple[bytes, list[tuple[str, bytes]]]
"""Value and headers."""

# Messages worked on before others on the loop have their turn.
_TURN = 250

_partition = DefaultPartitioner()


@contextlib.contextmanager
def client_calls() -> Iterator[None]:
    """Put it around what awaits a client: when one dies, it cancels its inner tasks, and who waits for them.

    Raises KafkaError for that; a cancellation of the waiting task itself passes.
    """
    try:
        yield
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise KafkaError("the client has ended by itself") from None


class Producer:
    """A producer that is built when it is needed and thrown away after any failure.

    durable: idempotent, acknowledged by all replicas in sync; else by the leader alone. batch_bytes: of
    messages that are sent as one. timeout_s: for one `send` as a whole.
    """

    def __init__(
        self,
        access: BrokerAccess,
        *,
        timeout_s: float,
        durable: bool = True,
        batch_bytes: int = 917_504,
        request_bytes: int = 1_048_576,
    ) -> None:
        self._arguments: dict[str, Any] = access.client_arguments() | {
            "enable_idempotence": durable,
            "acks": "all" if durable else 1,
            "max_batch_size": batch_bytes,
            "max_request_size": request_bytes,
            "request_timeout_ms": int(timeout_s * 1e3),
        }
        self._timeout_s = timeout_s
        self._client: AIOKafkaProducer | None = None
        self._sent: list[asyncio.Future[Any]] = []

    async def send(self, messages: dict[tuple[str, bytes | None], list[Message]]) -> None:
        """Send messages by (topic, key) and wait until all are acknowledged. One call at a time.

        What goes to one partition is one batch, which the broker takes whole or not at all, or several, each
        sent after the acknowledgement of the one before: what is sent again after a failure may be there
        twice, but never in another order. Raises CLIENT_ERRORS, TOO_LARGE among them.
        """
        self._sent = []
        try:
            with client_calls():
                await self._send(messages)
        except CLIENT_ERRORS:
            await self.discard()
            raise

    async def _send(self, messages: dict[tuple[str, bytes | None], list[Message]]) -> None:
        async with asyncio.timeout(self._timeout_s):
            client = await self._ready()
            chains = await self._batches(client, messages)
            outcomes = await asyncio.gather(
                *(self._send_chain(client, place, chain) for place, chain in chains.items()),
                return_exceptions=True,
            )
        failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        for failure in sorted(failures, key=lambda failure: not isinstance(failure, TOO_LARGE)):
            raise failure

    async def _ready(self) -> AIOKafkaProducer:
        if self._client is None:
            self._client = AIOKafkaProducer(**self._arguments)
            await self._client.start()
        return self._client

    async def _batches(
        self, client: AIOKafkaProducer, messages: dict[tuple[str, bytes | None], list[Message]]
    ) -> dict[tuple[str, int], list[Any]]:
        chains: dict[tuple[str, int], list[Any]] = {}
        for (topic, key), items in messages.items():
            partitions = sorted(await client.partitions_for(topic))
            chain = chains.setdefault((topic, _partition(key, partitions, partitions)), [])
            for number, (value, headers) in enumerate(items, 1):
                if number % _TURN == 0:
                    await asyncio.sleep(0.0)
                if chain and chain[-1].append(timestamp=None, key=key, value=value, headers=headers):
                    continue
                chain.append(client.create_batch())
                if chain[-1].append(timestamp=None, key=key, value=value, headers=headers) is None:
                    raise MessageSizeTooLargeError(f"message of {len(value)} octets")
        return chains

    async def _send_chain(self, client: AIOKafkaProducer, place: tuple[str, int], chain: list[Any]) -> None:
        topic, partition = place
        for batch in chain:
            acknowledged = await client.send_batch(batch, topic, partition=partition)
            self._sent.append(acknowledged)
            # A future that is cancelled under the client's sender breaks it before it is ended in order.
            await asyncio.shield(acknowledged)

    async def discard(self) -> None:
        """Throw the client away, without waiting for what it could not send. Idempotent."""
        client = self._client
        if client is None:
            return
        # `stop` alone waits for unsent batches, which an idempotent client never gives up; and each step may
        # hang with the broker, so that the connections are closed last, whatever became of the others.
        await within(self._timeout_s, client._sender.close())
        for future in self._sent:
            future.cancel()
        await within(self._timeout_s, client.stop())
        await within(self._timeout_s, client.client.close())
        # Only now: who is cancelled on the way leaves it to the next call.
        self._client = None


async def within(timeout_s: float, step: Awaitable[object]) -> None:
    """Do a step of closing a client, whose failure changes nothing any more."""
    with contextlib.suppress(*CLIENT_ERRORS), client_calls():
        async with asyncio.timeout(timeout_s):
            await step
