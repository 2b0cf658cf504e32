from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

import httpx
import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from wayside.broker import CLIENT_ERRORS, StallWatch, client_calls, quiet_client_logs, stop_consumer
from wayside.clock import Clock
from wayside.mec.rollup._http import exchange, http_client
from wayside.mec.rollup._reasons import RollupError, RollupReason, broker_error
from wayside.mec.rollup._settings import KafkaSettings, UplinkSettings
from wayside.observe import Counters
from wayside.records import (
    COMMANDS_TOPIC,
    MAX_COMMAND_BYTES,
    MAX_COMMAND_PAGE_BYTES,
    CommandPage,
    RecordError,
    decode_command_page,
)
from wayside.runtime import Backoff

_log = logging.getLogger(__name__)
# The centre holds a request open for less; what is longer is a connection that died.
_POLL_TIMEOUT_S = 60.0


class ReceivedCommand(msgspec.Struct, frozen=True):
    """An operator's command as it came, not decoded. taken: await it when the edge has it for good; until
    then it comes again after a restart, so that a command may come more than once."""

    body: bytes
    taken: Callable[[], Awaitable[None]]


class CommandSource(Protocol):
    """Where the operators' commands for a site come from, in the order in which they were given."""

    def commands(self) -> AsyncIterator[ReceivedCommand]:
        """All commands from now on, through all absences of the other side."""

    async def close(self) -> None:
        """Close the connections."""


class CommandMark:
    """Number of the last command that was taken, in a file of its own.

    A file that is missing or damaged means 0: all commands come again, which changes nothing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> int:
        """The number, 0 for none."""
        try:
            return max(0, int(self._path.read_text("ascii")))
        except (OSError, ValueError):
            return 0

    def store(self, number: int) -> None:
        """Put the number on disk. Raises RollupError DISK_FAILED."""
        new = self._path.with_name(self._path.name + ".new")
        try:
            with new.open("w", encoding="ascii") as file:
                file.write(f"{number}\n")
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._path)
        except OSError as error:
            raise RollupError(
                RollupReason.DISK_FAILED, f"mark of commands: {error}", where=str(self._path)
            ) from None


class HttpCommands:
    """Commands by long polling of `GET /v1/commands`; one page at a time, the next when all are taken.

    Counts `commands_received` and RollupReason drops. transport: for tests, see httpx.
    """

    def __init__(
        self,
        settings: UplinkSettings,
        site: str,
        instance: str,
        mark: CommandMark,
        clock: Clock,
        counters: Counters | None = None,
        *,
        backoff: Backoff | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._site = site
        self._mark = mark
        self._clock = clock
        self._counters = Counters() if counters is None else counters
        self._backoff = backoff or Backoff()
        self._client = http_client(settings, instance, transport)

    async def commands(self) -> AsyncIterator[ReceivedCommand]:
        """See `CommandSource`."""
        after = await asyncio.to_thread(self._mark.load)
        while True:
            try:
                page = await self._ask(after)
            except RollupError as error:
                self._counters.drop(error.reason)
                await self._clock.sleep(self._backoff.next_s())
                continue
            self._backoff.reset()
            taken: list[int] = []
            for number, body in enumerate(page.commands, 1):
                self._counters.count("commands_received")
                yield ReceivedCommand(body, self._taker(taken, number, page))
            if len(taken) < len(page.commands):
                # Not all could be taken: the page comes again, after a while.
                await self._clock.sleep(self._backoff.next_s())
            else:
                # A lower number: the centre has lost its store and counts anew.
                after = page.next

    def _taker(self, taken: list[int], number: int, page: CommandPage) -> Callable[[], Awaitable[None]]:
        async def take() -> None:
            if number not in taken:
                taken.append(number)
            if len(taken) == len(page.commands):
                try:
                    await asyncio.to_thread(self._mark.store, page.next)
                except RollupError as error:
                    # The commands were taken; after a restart they come again and are known then.
                    self._counters.drop(error.reason)

        return take

    async def _ask(self, after: int) -> CommandPage:
        request = self._client.build_request(
            "GET", "/v1/commands", params={"site": self._site, "after": after}, timeout=_POLL_TIMEOUT_S
        )
        status, body = await exchange(self._client, request, _POLL_TIMEOUT_S, MAX_COMMAND_PAGE_BYTES)
        if status == 204:
            return CommandPage((), after)
        if status != 200:
            raise RollupError(RollupReason.BAD_STATUS, f"commands: status {status}")
        try:
            return decode_command_page(body)
        except RecordError as error:
            raise RollupError(RollupReason.BAD_ANSWER, error.what) from None

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


class KafkaCommands:
    """Commands from `wayside.commands.v1`, in a consumer group of the site's own.

    Those of other sites (by key) are passed over; an offset is committed when its command is taken. A
    consumer that fails, or is given nothing to read, is thrown away and built anew. Counts
    `commands_received` and RollupReason drops.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        site: str,
        clock: Clock,
        counters: Counters | None = None,
        *,
        backoff: Backoff | None = None,
    ) -> None:
        quiet_client_logs()
        self._settings = settings
        self._site = site
        self._clock = clock
        self._counters = Counters() if counters is None else counters
        self._backoff = backoff or Backoff()
        self._consumer: AIOKafkaConsumer | None = None

    async def commands(self) -> AsyncIterator[ReceivedCommand]:
        """See `CommandSource`."""
        key = self._site.encode()
        while True:
            try:
                with client_calls():
                    consumer = await self._open()
                    messages = await self._poll(consumer)
            except CLIENT_ERRORS as error:
                failure = broker_error(error)
                self._counters.drop(failure.reason)
                _log.info("commands: %s", failure)
                await self.close()
                await self._clock.sleep(self._backoff.next_s())
                continue
            self._backoff.reset()
            for message in messages:
                if message.key == key and message.value is not None:
                    if len(message.value) > MAX_COMMAND_BYTES:
                        self._counters.drop(RollupReason.UNFIT)
                        continue
                    self._counters.count("commands_received")
                    yield ReceivedCommand(message.value, self._taker(consumer, message))

    async def _poll(self, consumer: AIOKafkaConsumer) -> list[ConsumerRecord[Any, Any]]:
        watch = StallWatch(consumer, self._clock)
        while True:
            batches = await consumer.getmany(timeout_ms=1_000, max_records=100)
            if batches:
                return [message for batch in batches.values() for message in batch]
            await watch.look()

    def _taker(
        self, consumer: AIOKafkaConsumer, message: ConsumerRecord[Any, Any]
    ) -> Callable[[], Awaitable[None]]:
        async def take() -> None:
            place = TopicPartition(message.topic, message.partition)
            try:
                with client_calls():
                    async with asyncio.timeout(self._settings.timeout_s):
                        await consumer.commit({place: message.offset + 1})
            except CLIENT_ERRORS as error:
                # The command was taken; it comes again and is known then.
                self._counters.drop(broker_error(error).reason)

        return take

    async def _open(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            self._consumer = AIOKafkaConsumer(
                COMMANDS_TOPIC,
                **self._settings.access.client_arguments(),
                group_id=f"wayside-edge.{self._site}",
                auto_offset_reset="earliest",
                enable_auto_commit=False,
                request_timeout_ms=int(self._settings.timeout_s * 1e3),
            )
            async with asyncio.timeout(self._settings.timeout_s):
                await self._consumer.start()
        return self._consumer

    async def close(self) -> None:
        """Close the connections."""
        if self._consumer is not None:
            await stop_consumer(self._consumer, self._settings.timeout_s)
            self._consumer = None
