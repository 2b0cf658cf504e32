from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from wayside.clock import Clock
from wayside.cloud._command_store import AuditEntry, CommandWriter
from wayside.cloud._reasons import CloudError, CloudReason
from wayside.cloud._settings import CloudSettings
from wayside.observe import Counters
from wayside.records import CommandBody, CommandPage, CommandRecord
from wayside.runtime import Backoff, TaskOwner

T = TypeVar("T")
Publish = Callable[[str, bytes], Awaitable[None]]

_log = logging.getLogger(__name__)
_LOOK_S = 10.0
_DAY_S = 86_400.0


class WantedCommand(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an operator asks the centre for. valid_s: how long the edge may take to get it."""

    site: Annotated[str, Meta(min_length=1, max_length=128)]
    operator: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]
    body: CommandBody
    valid_s: Annotated[float, Meta(ge=1.0, le=_DAY_S)] = 300.0


class CommandDesk:
    """Takes operators' commands, keeps them, and hands them to the edges, each until it has answered.

    An edge gets them by asking (`wait`); where there are brokers they are published as well, and again until
    the brokers have them. write: the store's only writing thread. publish: None without brokers.
    """

    def __init__(
        self,
        path: Path,
        write: Executor,
        settings: CloudSettings,
        clock: Clock,
        counters: Counters,
        publish: Publish | None,
    ) -> None:
        self._writer = CommandWriter(path)
        self._write = write
        self._settings = settings
        self._clock = clock
        self._counters = counters
        self._publish = publish
        self._polls: dict[str, set[asyncio.Event]] = {}
        self._fresh = asyncio.Event()
        self._ending = False

    def start(self, owner: TaskOwner) -> None:
        """Start publishing, where there are brokers."""
        if self._publish is not None:
            owner.start(self._publish_all(self._publish), "commands")

    async def close(self) -> None:
        """Close the store."""
        self.end_polls()
        await self._on_disk(self._writer.close)

    async def give(self, wanted: WantedCommand, address: str) -> CommandRecord:
        """Keep a command for its site. address: of who asks.

        Raises CloudError COMMAND_LIMIT, STORE_FAILED.
        """
        now = self._clock.utc()
        until = now + int(wanted.valid_s * 1e9)
        command = CommandRecord(secrets.token_hex(16), wanted.site, wanted.operator, now, until, wanted.body)
        kind = str(wanted.body.__struct_config__.tag)
        entry = AuditEntry(now, wanted.operator, address, kind, wanted.site, command.command_id)
        limit = self._settings.pending_commands
        await self._on_disk(lambda: self._writer.add(command, entry, limit))
        self._counters.count("commands", kind)
        _log.info("command %s of %s for %s", kind, wanted.operator, wanted.site)
        self._fresh.set()
        for event in self._polls.get(wanted.site, ()):
            event.set()
        return command

    async def note(self, operator: str, address: str, action: str, site: str, detail: str = "") -> None:
        """Keep an audit entry. Raises CloudError STORE_FAILED."""
        entry = AuditEntry(self._clock.utc(), operator, address, action, site, detail)
        await self._on_disk(lambda: self._writer.note(entry))

    async def wait(self, site: str, after: int) -> CommandPage | None:
        """The site's commands after a number; None when there was none for `poll_s`.

        Raises CloudError BUSY when too many ask at a time, STORE_FAILED.
        """
        page = await self._hand_over(site, after)
        if page.commands or self._ending:
            return page
        if self.polling >= self._settings.polls:
            self._counters.drop(CloudReason.BUSY)
            raise CloudError(CloudReason.BUSY, f"{self._settings.polls} edges ask for commands already")
        event = asyncio.Event()
        self._polls.setdefault(site, set()).add(event)
        try:
            async with asyncio.timeout(self._settings.poll_s):
                await event.wait()
        except TimeoutError:
            # A number that is not ours is put right at once, not for ever.
            return page if page.next != after else None
        finally:
            self._polls[site].discard(event)
            if not self._polls[site]:
                del self._polls[site]
        return await self._hand_over(site, after)

    @property
    def polling(self) -> int:
        """Edges that ask now."""
        return sum(map(len, self._polls.values()))

    def end_polls(self) -> None:
        """Answer all who wait, now and from now on: the centre ends."""
        self._ending = True
        for events in self._polls.values():
            for event in events:
                event.set()

    async def _hand_over(self, site: str, after: int) -> CommandPage:
        page = await self._on_disk(lambda: self._writer.hand_over(site, after, self._clock.utc()))
        self._counters.count("commands_fetched", by=len(page.commands))
        return page

    async def _publish_all(self, publish: Publish) -> None:
        backoff = Backoff()
        while True:
            self._fresh.clear()
            try:
                waiting = await self._on_disk(lambda: self._writer.unpublished(self._clock.utc()))
                for number, site, body in waiting:
                    await publish(site, body)
                    await self._on_disk(partial(self._writer.published, number))
            except CloudError as error:
                _log.warning("commands wait: %s", error)
                await self._clock.sleep(backoff.next_s())
                continue
            backoff.reset()
            if not waiting:
                try:
                    async with asyncio.timeout(_LOOK_S):
                        await self._fresh.wait()
                except TimeoutError:
                    continue

    async def _on_disk(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._write, work)
        except CloudError as error:
            self._counters.drop(error.reason)
            raise
