from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

from wayside.clock import Clock, MonoNs, UtcNs
from wayside.cloud._command_desk import CommandDesk
from wayside.cloud._kafka import Arrival, KafkaIntake, Refusal
from wayside.cloud._live import LiveHub
from wayside.cloud._queries import RecordReader
from wayside.cloud._reasons import CloudError, CloudReason
from wayside.cloud._settings import CloudSettings
from wayside.cloud._store import Kept, RecordWriter
from wayside.cloud._views import classes
from wayside.observe import Counters
from wayside.records import (
    EventRecord,
    IngestAnswer,
    LiveView,
    Record,
    RecordError,
    RefusedRecord,
    decode_page,
    decode_record,
)
from wayside.runtime import TaskOwner

T = TypeVar("T")

_log = logging.getLogger(__name__)
_PRUNE_S = 60.0
_CHECK_NS = 1_000_000_000
_POSTPONED = {
    CloudReason.SITE_LIMIT: "no room for another site",
    CloudReason.SITE_TAKEN: "the site is known as that of another edge",
}

_Items = list[Record | RecordError]


class Rival(NamedTuple):
    """Another edge that reports as a site and is refused. at: when last; refused: pages and views so far."""

    at: UtcNs
    refused: int


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
        self._checked: MonoNs | None = None
        self.kafka: KafkaIntake | None = None
        if settings.kafka is not None:
            self.kafka = KafkaIntake(
                settings.kafka, clock, self.counters, take_in=self.take_in_each, show=self.show
            )
        publish = None if self.kafka is None else self.kafka.publish_command
        self.commands = CommandDesk(path, self._writing, settings, clock, self.counters, publish)
        self.rivals: dict[str, Rival] = {}

    def start(self) -> None:
        """Start what runs beside the requests."""
        self._owner.start(self._prune(), "prune")
        self.commands.start(self._owner)
        if self.kafka is not None:
            self.kafka.start(self._owner)

    async def close(self) -> None:
        """End the tasks, the threads and the store."""
        await self._owner.close()
        if self.kafka is not None:
            await self.kafka.close()
        await self.commands.close()
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

    async def check_store(self) -> None:
        """Write to the disk, at most once a second. Raises CloudError STORE_FAILED."""
        now = self.clock.mono()
        if self._checked is not None and now - self._checked < _CHECK_NS:
            return
        await asyncio.get_running_loop().run_in_executor(self._writing, self._writer.check)
        self._checked = now

    async def take_in(self, data: bytes, instance: str = "") -> IngestAnswer:
        """Store a page of records and say what became of each. instance: of the edge that sent it.

        Raises CloudError BUSY, STORE_FAILED, SITE_LIMIT, SITE_TAKEN (none could be taken); RecordError for no
        page.
        """
        if self._pages >= self.settings.pages:
            self.counters.drop(CloudReason.BUSY)
            raise CloudError(CloudReason.BUSY, f"{self._pages} pages are being stored")
        self._pages += 1
        try:
            kept, bad = await self._keep(lambda: decode_page(data), lambda items: [instance] * len(items))
        finally:
            self._pages -= 1
        refused = [RefusedRecord(index, item.reason.value, item.what[:512]) for index, item in bad]
        refused += [RefusedRecord(index, reason.value) for index, reason in kept.refused]
        if kept.postponed and not kept.committed and not refused:
            reason = kept.postponed[0][1]
            raise CloudError(reason, _POSTPONED[reason])
        return IngestAnswer(tuple(kept.committed), tuple(sorted(refused, key=lambda item: item.index)))

    async def take_in_each(self, arrivals: Sequence[Arrival]) -> list[Refusal]:
        """Store records of any edges in their order, in one transaction; those that were not, and why.

        Raises CloudError STORE_FAILED: none was.
        """
        kept, bad = await self._keep(
            lambda: [_decoded(arrival.body) for arrival in arrivals],
            lambda _: [arrival.instance for arrival in arrivals],
        )
        refused = [Refusal(index, item.reason, item.what) for index, item in bad]
        refused += [Refusal(index, reason) for index, reason in kept.refused]
        return refused + [Refusal(index, reason, _POSTPONED[reason]) for index, reason in kept.postponed]

    def show(self, view: LiveView, instance: str = "") -> None:
        """Show a live view. instance: of the edge that sent it. Raises CloudError SITE_TAKEN, SITE_LIMIT."""
        self.check_edge(view.site, instance)
        self.live.show(view)
        self.counters.count("live_views")

    def check_edge(self, site: str, instance: str) -> None:
        """Refuse an edge whose site is known as that of another one. Raises CloudError SITE_TAKEN."""
        if not self._writer.admits(site, instance):
            self.counters.drop(CloudReason.SITE_TAKEN)
            self._note_rival(site)
            raise CloudError(CloudReason.SITE_TAKEN, _POSTPONED[CloudReason.SITE_TAKEN], where=site)

    def _note_rival(self, site: str) -> None:
        # Only of sites that are bound to an edge, and so bounded as they are.
        before = self.rivals.get(site)
        self.rivals[site] = Rival(self.clock.utc(), 1 if before is None else before.refused + 1)

    async def release_site(self, site: str) -> bool:
        """Let the next edge that reports as this site be the one; False when none was bound to it.

        Raises CloudError STORE_FAILED.
        """
        loop = asyncio.get_running_loop()
        released = await loop.run_in_executor(self._writing, self._writer.release_site, site)
        self.rivals.pop(site, None)
        return released

    async def _keep(
        self, decode: Callable[[], _Items], instances: Callable[[_Items], Sequence[str]]
    ) -> tuple[Kept, list[tuple[int, RecordError]]]:
        """Decode and store on the writing thread, count what became of it."""

        rivals: set[str] = set()

        def work() -> tuple[Kept, list[tuple[int, RecordError]]]:
            items = decode()
            bad = [(index, item) for index, item in enumerate(items) if isinstance(item, RecordError)]
            good = [(index, item) for index, item in enumerate(items) if isinstance(item, Record)]
            kept = self._writer.keep(good, self.clock.utc(), instances(items))
            by_place = dict(good)
            rivals.update(
                by_place[index].id.site
                for index, reason in kept.postponed
                if reason is CloudReason.SITE_TAKEN
            )
            return kept, bad

        try:
            kept, bad = await asyncio.get_running_loop().run_in_executor(self._writing, work)
        except (CloudError, RecordError) as error:
            self.counters.drop(error.reason)
            raise
        for name, number in classes(kept.fresh).items():
            self.counters.count("records_stored", name, number)
        self.counters.count("records_repeated", by=len(kept.committed) - len(kept.fresh))
        for _, item in bad:
            self.counters.drop(item.reason)
        for _, reason in (*kept.refused, *kept.postponed):
            self.counters.drop(reason)
        for site in rivals:
            self._note_rival(site)
        for site in {record.id.site for record in kept.fresh if isinstance(record.body, EventRecord)}:
            self.live.tell_events(site)
        return kept, bad

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


def _decoded(body: bytes) -> Record | RecordError:
    try:
        return decode_record(body)
    except RecordError as error:
        return error
