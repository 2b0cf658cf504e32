from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError

from wayside.broker import (
    CLIENT_ERRORS,
    Message,
    Producer,
    StallWatch,
    client_calls,
    quiet_client_logs,
    stop_consumer,
)
from wayside.clock import Clock
from wayside.cloud._kafka_topics import make_topics
from wayside.cloud._reasons import CloudError, CloudReason
from wayside.cloud._settings import KafkaSettings
from wayside.observe import Containment, Counters
from wayside.records import (
    COMMANDS_TOPIC,
    DEAD_TOPIC,
    INSTANCE_HEADER,
    MAX_RECORD_BYTES,
    TRACKS_TOPIC,
    LiveView,
    RecordError,
    RecordReason,
    check_instance,
    decode_live,
    record_topics,
)
from wayside.runtime import Backoff, TaskOwner

_log = logging.getLogger(__name__)

_RECORDS = "kafka records"
_VIEWS = "kafka live views"
_POLL_MS = 500
_POLL_RECORDS = 4_000
_DETAIL_CHARS = 512
# Of key, value and headers; brokers take a message of 1 MiB.
_LETTER_BYTES = 786_432
_LETTER_KEY_BYTES = 1_024


class KafkaState(StrEnum):
    """What the intake by Kafka does. STORE_FAILING: it reads, but the store does not take, so it waits."""

    CONNECTING = "connecting"
    CONSUMING = "consuming"
    FAILING = "failing"
    STORE_FAILING = "store_failing"


class Arrival(msgspec.Struct, frozen=True):
    """A record as it came. instance: of the edge's outbox, "" when it named none."""

    body: bytes
    instance: str


class Refusal(msgspec.Struct, frozen=True):
    """A record that will not be stored. index: its place among the arrivals."""

    index: int
    reason: CloudReason | RecordReason
    detail: str = ""


class KafkaIntake:
    """Takes in what the edges send by Kafka, and sends them commands.

    Records: one consumer group; an offset is committed when the store has committed, so what is read again
    after a crash or a rebalance is there already. One that will never be stored goes to `wayside.dead.v1`
    with the reason and its place, and the others go on. While the store fails nothing is committed: the
    records wait on Kafka. Live views: read from now on by a consumer without group, newest wins.

    A client that fails, or silently dies, is thrown away and built anew, after a jittered pause. take_in,
    show: of the centre. Counts `kafka_polls`, `kafka_dead`, `kafka_commits_lost`, `commands_published`, and
    drops by reason.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        clock: Clock,
        counters: Counters,
        *,
        take_in: Callable[[Sequence[Arrival]], Awaitable[list[Refusal]]],
        show: Callable[[LiveView, str], None],
        backoff: Callable[[], Backoff] = Backoff,
        watch: Callable[[AIOKafkaConsumer, Clock], StallWatch] = StallWatch,
    ) -> None:
        quiet_client_logs()
        self.state = KafkaState.CONNECTING
        self._settings = settings
        self._access = settings.access()
        self._clock = clock
        self._counters = counters
        self._take_in = take_in
        self._show = show
        self._new_backoff = backoff
        self._watch = watch
        self._containment = Containment(clock, counters)
        self._turn = asyncio.Lock()
        self._dead = Producer(self._access, timeout_s=settings.timeout_s)
        self._commands = Producer(self._access, timeout_s=settings.timeout_s)
        self._publishing = asyncio.Lock()

    def start(self, owner: TaskOwner) -> None:
        """Start the two consumers as tasks of `owner`, which ends them; then call `close`."""
        owner.start(self._go_on(_RECORDS, self._consume_records), _RECORDS)
        owner.start(self._go_on(_VIEWS, self._consume_views), _VIEWS)

    async def close(self) -> None:
        """Close the connections."""
        await self._dead.discard()
        await self._commands.discard()

    async def publish_command(self, site: str, body: bytes) -> None:
        """Put an encoded command for a site on `wayside.commands.v1`, after those before it.

        Returns when the brokers have it for good. Raises CloudError BROKER_UNREACHABLE: it may be there or
        not; publish it again, the edge knows commands by identity.
        """
        async with self._publishing:
            try:
                await self._commands.send({(COMMANDS_TOPIC, site.encode()): [(body, [])]})
            except CLIENT_ERRORS as error:
                self._counters.drop(CloudReason.BROKER_UNREACHABLE)
                raise _unreachable(error) from None
        self._counters.count("commands_published")

    async def _go_on(self, name: str, consume: Callable[[Backoff], Awaitable[None]]) -> None:
        backoff = self._new_backoff()
        while True:
            with self._containment.around(name):
                try:
                    with client_calls():
                        await consume(backoff)
                except CLIENT_ERRORS as error:
                    self._counters.drop(CloudReason.BROKER_UNREACHABLE)
                    if name == _RECORDS and self.state is not KafkaState.FAILING:
                        _log.warning("records stay on Kafka: %s", _unreachable(error))
            if name == _RECORDS:
                self.state = KafkaState.FAILING
            await self._clock.sleep(backoff.next_s())

    # records

    async def _consume_records(self, backoff: Backoff) -> None:
        timeout_s = self._settings.timeout_s
        await make_topics(self._settings, self._access)
        consumer = AIOKafkaConsumer(
            **self._access.client_arguments(),
            group_id=self._settings.group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            request_timeout_ms=int(timeout_s * 1e3),
            session_timeout_ms=int(self._settings.session_s * 1e3),
            heartbeat_interval_ms=int(self._settings.session_s * 1e3 / 3.0),
        )
        try:
            async with asyncio.timeout(timeout_s):
                await consumer.start()
            consumer.subscribe(list(record_topics()), listener=_BetweenTurns(self._turn))
            watch = self._watch(consumer, self._clock)
            while True:
                batches = await consumer.getmany(timeout_ms=_POLL_MS, max_records=_POLL_RECORDS)
                async with self._turn:
                    stored = await self._store(consumer, batches) if batches else True
                if not stored:
                    await self._clock.sleep(backoff.next_s())
                    continue
                if batches:
                    watch.moved()
                    backoff.reset()
                else:
                    await watch.look()
                if self.state is not KafkaState.CONSUMING and consumer.assignment():
                    _log.info("records are taken from Kafka")
                    self.state = KafkaState.CONSUMING
        finally:
            await stop_consumer(consumer, timeout_s)

    async def _store(self, consumer: AIOKafkaConsumer, batches: dict[Any, list[ConsumerRecord]]) -> bool:
        """Store what was polled, then commit; False when the store failed and it is to be read again."""
        messages = [message for batch in batches.values() for message in batch]
        arrivals: list[Arrival] = []
        places: list[ConsumerRecord] = []
        dead: list[tuple[ConsumerRecord, CloudReason | RecordReason, str]] = []
        for message in messages:
            try:
                arrivals.append(_arrival(message))
                places.append(message)
            except RecordError as error:
                self._counters.drop(error.reason)
                dead.append((message, error.reason, error.what))
        try:
            refusals = await self._take_in(arrivals)
        except CloudError as error:
            if self.state is not KafkaState.STORE_FAILING:
                _log.error("records stay on Kafka: %s", error)
            self.state = KafkaState.STORE_FAILING
            for place, batch in batches.items():
                if place in consumer.assignment():
                    consumer.seek(place, batch[0].offset)
            return False
        dead += [(places[item.index], item.reason, item.detail) for item in refusals]
        if dead:
            await self._bury(dead)
        await self._commit(consumer, {place: batch[-1].offset + 1 for place, batch in batches.items()})
        self._counters.count("kafka_polls")
        return True

    async def _bury(self, dead: list[tuple[ConsumerRecord, CloudReason | RecordReason, str]]) -> None:
        letters: dict[tuple[str, bytes | None], list[Message]] = {}
        for message, reason, detail in dead:
            key, letter = _letter(message, reason, detail)
            letters.setdefault((DEAD_TOPIC, key), []).append(letter)
        await self._dead.send(letters)
        self._counters.count("kafka_dead", by=len(dead))

    async def _commit(self, consumer: AIOKafkaConsumer, offsets: dict[TopicPartition, int]) -> None:
        held = {place: offset for place, offset in offsets.items() if place in consumer.assignment()}
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                await consumer.commit(held)
        except (CommitFailedError, IllegalStateError):
            # A rebalance came between: whoever reads these partitions now reads them again.
            self._counters.count("kafka_commits_lost")

    # live views

    async def _consume_views(self, backoff: Backoff) -> None:
        consumer = AIOKafkaConsumer(
            TRACKS_TOPIC,
            **self._access.client_arguments(),
            auto_offset_reset="latest",
            request_timeout_ms=int(self._settings.timeout_s * 1e3),
        )
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                await consumer.start()
            watch = self._watch(consumer, self._clock)
            while True:
                batches = await consumer.getmany(timeout_ms=_POLL_MS)
                if not batches:
                    await watch.look()
                    continue
                watch.moved()
                backoff.reset()
                newest = {message.key: message for batch in batches.values() for message in batch}
                for message in newest.values():
                    self._show_one(message)
        finally:
            await stop_consumer(consumer, self._settings.timeout_s)

    def _show_one(self, message: ConsumerRecord) -> None:
        try:
            view = decode_live(message.value or b"")
            instance = _instance(message)
        except RecordError as error:
            self._counters.drop(error.reason)
            return
        with contextlib.suppress(CloudError):  # counted where it is raised; a live view is never kept
            self._show(view, instance)


class _BetweenTurns(ConsumerRebalanceListener):  # type: ignore[misc]
    """Lets partitions go only between turns: what was polled is stored and committed first."""

    def __init__(self, turn: asyncio.Lock) -> None:
        self._turn = turn

    async def on_partitions_revoked(self, revoked: object) -> None:
        async with self._turn:
            pass

    async def on_partitions_assigned(self, assigned: object) -> None:
        """Reading begins where the group has committed."""


def _arrival(message: ConsumerRecord) -> Arrival:
    if message.value is None:
        raise RecordError(RecordReason.MALFORMED, "record: no value")
    if len(message.value) > MAX_RECORD_BYTES:
        raise RecordError(RecordReason.TOO_LARGE, f"record of {len(message.value)} octets")
    return Arrival(message.value, _instance(message))


def _instance(message: ConsumerRecord) -> str:
    for name, value in message.headers:
        if name == INSTANCE_HEADER:
            return _checked(value or b"")
    return ""


@lru_cache(maxsize=1_024)
def _checked(instance: bytes) -> str:
    return check_instance(instance.decode("ascii", "replace"))


def _letter(
    message: ConsumerRecord, reason: CloudReason | RecordReason, detail: str
) -> tuple[bytes | None, Message]:
    """Key and letter for a message that will never be stored: as it came, or, where the broker might not take
    it with the reason, without what it held. A letter that is refused would hold up all behind it."""
    key, value, headers = message.key, message.value or b"", list(message.headers)
    size = sum(len(name) + len(held or b"") for name, held in headers)
    if len(key or b"") + len(value) + size > _LETTER_BYTES:
        key = key if key is not None and len(key) <= _LETTER_KEY_BYTES else None
        value, headers = b"", []
    headers += [
        ("wayside-reason", reason.value.encode()),
        ("wayside-detail", detail[:_DETAIL_CHARS].encode()),
        ("wayside-place", f"{message.topic}/{message.partition}/{message.offset}".encode()),
    ]
    return key, (value, headers)


def _unreachable(error: BaseException) -> CloudError:
    return CloudError(
        CloudReason.BROKER_UNREACHABLE,
        f"broker: {type(error).__name__} {error}".rstrip(),
        advice="check the brokers and this client's rights",
    )
