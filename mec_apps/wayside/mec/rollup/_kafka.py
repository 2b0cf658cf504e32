from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError
from aiokafka.partitioner import DefaultPartitioner

from wayside.clock import Clock
from wayside.mec.rollup._database import Stored
from wayside.mec.rollup._reasons import RollupError, RollupReason, broker_error
from wayside.mec.rollup._settings import KafkaSettings
from wayside.mec.rollup._uplink import Delivered, PagedUplink, PageRefused, Pending
from wayside.observe import Counters
from wayside.records import (
    ID_HEADER,
    INSTANCE_HEADER,
    TRACKS_TOPIC,
    LiveView,
    RecordError,
    address_of,
    encode_live,
)
from wayside.runtime import Backoff

_partition = DefaultPartitioner()
# What a batch adds to the bodies in it: headers, keys, lengths.
_BATCH_SHARE = 1.15


class KafkaUplink(PagedUplink):
    """Sends the outbox to Kafka, idempotent and acknowledged by all replicas in sync.

    All records of a page that go to one partition are one batch, which the broker takes whole or not at all;
    batches of one partition follow one another, each after the acknowledgement of the one before. So a page
    that has to be sent again can repeat records, which the centre knows by identity, but not reorder them.
    Records leave the outbox when the whole page is acknowledged. A producer that has failed is thrown away.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        outbox: Pending,
        clock: Clock,
        counters: Counters | None = None,
        *,
        backoff: Backoff | None = None,
        live_backoff: Backoff | None = None,
    ) -> None:
        super().__init__(
            outbox,
            clock,
            counters,
            page_records=settings.page_records,
            page_bytes=settings.page_bytes,
            live_hz=settings.live_hz,
            backoff=backoff,
            live_backoff=live_backoff,
        )
        # Outages are told once, by this layer; aiokafka's own lines would repeat them every 100 ms.
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
        self._instance = outbox.instance.encode()
        common = settings.access.client_arguments() | {
            "max_batch_size": int(settings.page_bytes * _BATCH_SHARE),
            "max_request_size": settings.request_bytes,
        }
        self._records = _Producer(common | {"enable_idempotence": True, "acks": "all"}, settings.timeout_s)
        self._views = _Producer(common | {"acks": 1}, settings.live_timeout_s)

    async def close(self) -> None:
        """Close the connections."""
        await self._records.discard()
        await self._views.discard()

    async def _deliver(self, page: list[Stored]) -> Delivered:
        messages: dict[tuple[str, bytes], list[_Message]] = {}
        refused = []
        for item in page:
            try:
                address = address_of(item.body)
            except RecordError as error:
                refused.append((item.id, error.reason.value, error.what))
                continue
            headers = [(ID_HEADER, str(item.id).encode()), (INSTANCE_HEADER, self._instance)]
            messages.setdefault((address.topic, address.key.encode()), []).append((item.body, headers))
        try:
            await self._records.send(messages)
        except (MessageSizeTooLargeError, RecordListTooLargeError) as error:
            raise PageRefused("too_large", f"broker: {type(error).__name__}") from None
        except (KafkaError, TimeoutError, OSError) as error:
            raise broker_error(error) from None
        aside = {record_id for record_id, _, _ in refused}
        return Delivered([item.id for item in page if item.id not in aside], refused)

    async def _deliver_view(self, view: LiveView) -> None:
        message = (encode_live(view), [(INSTANCE_HEADER, self._instance)])
        try:
            await self._views.send({(TRACKS_TOPIC, view.site.encode()): [message]})
        except (MessageSizeTooLargeError, RecordListTooLargeError):
            raise RollupError(
                RollupReason.UNFIT, f"live view of {len(message[0])} octets is too large for the broker"
            ) from None
        except (KafkaError, TimeoutError, OSError) as error:
            raise broker_error(error) from None


_Message = tuple[bytes, list[tuple[str, bytes]]]


class _Producer:
    """A producer that is built when it is needed and thrown away after any failure."""

    def __init__(self, arguments: dict[str, Any], timeout_s: float) -> None:
        self._arguments = arguments | {"request_timeout_ms": int(timeout_s * 1e3)}
        self._timeout_s = timeout_s
        self._producer: AIOKafkaProducer | None = None
        self._sent: list[asyncio.Future[Any]] = []

    async def send(self, messages: dict[tuple[str, bytes], list[_Message]]) -> None:
        """Send messages by (topic, key) and wait for all acknowledgements.

        Raises KafkaError, TimeoutError, OSError.
        """
        self._sent = []
        try:
            async with asyncio.timeout(self._timeout_s):
                producer = await self._ready()
                chains = await self._batches(producer, messages)
                outcomes = await asyncio.gather(
                    *(self._send_chain(producer, place, chain) for place, chain in chains.items()),
                    return_exceptions=True,
                )
            failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
            large = (MessageSizeTooLargeError, RecordListTooLargeError)
            for failure in sorted(failures, key=lambda failure: not isinstance(failure, large)):
                raise failure
        except (KafkaError, TimeoutError, OSError):
            await self.discard()
            raise

    async def _ready(self) -> AIOKafkaProducer:
        if self._producer is None:
            self._producer = AIOKafkaProducer(**self._arguments)
            await self._producer.start()
        return self._producer

    async def _batches(
        self, producer: AIOKafkaProducer, messages: dict[tuple[str, bytes], list[_Message]]
    ) -> dict[tuple[str, int], list[Any]]:
        chains: dict[tuple[str, int], list[Any]] = {}
        for (topic, key), items in messages.items():
            partitions = sorted(await producer.partitions_for(topic))
            chain = chains.setdefault((topic, _partition(key, partitions, partitions)), [])
            for value, headers in items:
                if chain and chain[-1].append(timestamp=None, key=key, value=value, headers=headers):
                    continue
                chain.append(producer.create_batch())
                if chain[-1].append(timestamp=None, key=key, value=value, headers=headers) is None:
                    raise MessageSizeTooLargeError(f"record of {len(value)} octets")
        return chains

    async def _send_chain(self, producer: AIOKafkaProducer, place: tuple[str, int], chain: list[Any]) -> None:
        topic, partition = place
        for batch in chain:
            acknowledged = await producer.send_batch(batch, topic, partition=partition)
            self._sent.append(acknowledged)
            # A future that is cancelled under the sender breaks it before it could be ended in order.
            await asyncio.shield(acknowledged)

    async def discard(self) -> None:
        """Throw the producer away, without waiting for what it could not send."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        with contextlib.suppress(KafkaError, TimeoutError, OSError):
            async with asyncio.timeout(2.0 * self._timeout_s):
                # `stop` alone waits for unsent batches, which an idempotent producer never gives up.
                await producer._sender.close()
                for future in self._sent:
                    future.cancel()
                await producer.stop()
