from __future__ import annotations

import asyncio

from wayside.broker import CLIENT_ERRORS, TOO_LARGE, Message, Producer, quiet_client_logs
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

# Records worked on before others on the loop have their turn.
_TURN = 250


class KafkaUplink(PagedUplink):
    """Sends the outbox to Kafka, idempotent and acknowledged by all replicas in sync.

    A page that has to be sent again can repeat records, which the centre knows by identity, but not reorder
    them (see `Producer`). Records leave the outbox when the whole page is acknowledged.
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
        quiet_client_logs()
        self._instance = outbox.instance.encode()
        self._records = Producer(
            settings.access, timeout_s=settings.timeout_s, batch_bytes=settings.batch_bytes
        )
        self._views = Producer(
            settings.access,
            timeout_s=settings.live_timeout_s,
            durable=False,
            batch_bytes=settings.batch_bytes,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._records.discard()
        await self._views.discard()

    async def _deliver(self, page: list[Stored]) -> Delivered:
        messages: dict[tuple[str, bytes | None], list[Message]] = {}
        refused = []
        for number, item in enumerate(page, 1):
            if number % _TURN == 0:
                await asyncio.sleep(0.0)
            try:
                address = address_of(item.body)
            except RecordError as error:
                refused.append((item.id, error.reason.value, error.what))
                continue
            headers = [(ID_HEADER, str(item.id).encode()), (INSTANCE_HEADER, self._instance)]
            messages.setdefault((address.topic, address.key.encode()), []).append((item.body, headers))
        try:
            await self._records.send(messages)
        except TOO_LARGE as error:
            raise PageRefused("too_large", f"broker: {type(error).__name__}") from None
        except CLIENT_ERRORS as error:
            raise broker_error(error) from None
        aside = {record_id for record_id, _, _ in refused}
        return Delivered([item.id for item in page if item.id not in aside], refused)

    async def _deliver_view(self, view: LiveView) -> None:
        message = (encode_live(view), [(INSTANCE_HEADER, self._instance)])
        try:
            await self._views.send({(TRACKS_TOPIC, view.site.encode()): [message]})
        except TOO_LARGE:
            raise RollupError(
                RollupReason.UNFIT, f"live view of {len(message[0])} octets is too large for the broker"
            ) from None
        except CLIENT_ERRORS as error:
            raise broker_error(error) from None
