from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from wayside.clock import Clock
from wayside.cloud._live import LiveHub
from wayside.cloud._queries import RecordReader
from wayside.cloud._reasons import CloudError, CloudReason
from wayside.cloud._settings import CloudSettings
from wayside.cloud._store import Kept, RecordWriter, class_of
from wayside.observe import Counters
from wayside.records import (
    EventRecord,
    IngestAnswer,
    Record,
    RecordError,
    RefusedRecord,
    decode_page,
)
from wayside.runtime import TaskOwner

T = TypeVar("T")

_log = logging.getLogger(__name__)
_PRUNE_S = 60.0


class Centre:
    """The running centre: store, live hub and counters, shared by all routes of one application.

    Writing and reading each have a thread; the loop only waits for them.
    """

    def __init__(self, settings: CloudSettings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.counters = Counters()
        self.live = LiveHub(clock, self.counters, sites=settings.sites, browsers=settings.browsers)
        path = settings.data / "records.db"
        self._writer = RecordWriter(
            path, sites=settings.sites, keep_records=settings.keep_records, keep_days=settings.keep_days
        )
        self._reader = RecordReader(path)
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="store-write")
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="store-read")
        self._owner = TaskOwner("cloud")
        self._pages = 0

    def start(self) -> None:
        """Start what runs beside the requests."""
        self._owner.start(self._prune(), "prune")

    async def close(self) -> None:
        """End the tasks, the threads and the store."""
        await self._owner.close()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._writing, self._writer.close)
        await loop.run_in_executor(self._reading, self._reader.close)
        self._writing.shutdown()
        self._reading.shutdown()

    async def read(self, query: Callable[[RecordReader], T]) -> T:
        """Run a query on the reading thread. Raises CloudError STORE_FAILED."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._reading, query, self._reader)
        except CloudError as error:
            self.counters.drop(error.reason)
            raise

    async def take_in(self, data: bytes) -> IngestAnswer:
        """Store a page of records and say what became of each.

        Raises CloudError BUSY, STORE_FAILED, SITE_LIMIT (none could be taken); RecordError for no page.
        """
        if self._pages >= self.settings.pages:
            self.counters.drop(CloudReason.BUSY)
            raise CloudError(CloudReason.BUSY, f"{self._pages} pages are being stored")
        self._pages += 1
        try:
            kept, bad = await asyncio.get_running_loop().run_in_executor(self._writing, self._keep, data)
        except (CloudError, RecordError) as error:
            self.counters.drop(error.reason)
            raise
        finally:
            self._pages -= 1
        for record in kept.fresh:
            self.counters.count("records_stored", class_of(record))
        self.counters.count("records_repeated", by=len(kept.committed) - len(kept.fresh))
        for site in {record.id.site for record in kept.fresh if isinstance(record.body, EventRecord)}:
            self.live.tell_events(site)
        refused = [RefusedRecord(index, item.reason.value, item.what[:512]) for index, item in bad]
        for _, item in bad:
            self.counters.drop(item.reason)
        for index, reason in kept.refused:
            self.counters.drop(reason)
            refused.append(RefusedRecord(index, reason.value))
        if kept.postponed:
            self.counters.drop(CloudReason.SITE_LIMIT, len(kept.postponed))
            if not kept.committed and not refused:
                raise CloudError(CloudReason.SITE_LIMIT, "no room for another site", where=kept.postponed[0])
        return IngestAnswer(tuple(kept.committed), tuple(sorted(refused, key=lambda item: item.index)))

    def _keep(self, data: bytes) -> tuple[Kept, list[tuple[int, RecordError]]]:
        good: list[tuple[int, Record]] = []
        bad: list[tuple[int, RecordError]] = []
        for index, item in enumerate(decode_page(data)):
            if isinstance(item, RecordError):
                bad.append((index, item))
            else:
                good.append((index, item))
        return self._writer.keep(good, self.clock.utc()), bad

    async def prune(self) -> int:
        """Apply the retention limits now; returns how many records left."""
        loop = asyncio.get_running_loop()
        removed = await loop.run_in_executor(self._writing, self._writer.prune, self.clock.utc())
        if removed:
            self.counters.count("records_pruned", by=removed)
        return removed

    async def _prune(self) -> None:
        while True:
            await self.clock.sleep(_PRUNE_S)
            try:
                await self.prune()
            except CloudError as error:
                self.counters.drop(error.reason)
                _log.error("retention: %s", error)
