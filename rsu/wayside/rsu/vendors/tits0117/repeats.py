"""Messages that are sent again until the unit has taken them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from wayside.clock import Clock
from wayside.observe import Counters
from wayside.rsu import Delivery, RsuError, RsuReason
from wayside.rsu.vendors.tits0117.config import Config
from wayside.rsu.vendors.tits0117.transfer import Transfer, Transfers
from wayside.rsu.vendors.tits0117.wire import Slice
from wayside.runtime import TaskOwner


class Repeats:
    """Sends a message part by part, and what is not acknowledged again: `ack_tries` times, ack_wait_s apart.

    Nothing is sent again once the message's time is over. transfers: takes what waits. publish: sends a kind
    with its payload. end: ends a delivery.
    """

    def __init__(
        self,
        config: Config,
        clock: Clock,
        tasks: TaskOwner,
        counters: Counters,
        transfers: Transfers,
        *,
        publish: Callable[[str, bytes], Awaitable[None]],
        end: Callable[[Delivery, RsuReason, str], None],
    ) -> None:
        self._config = config
        self._clock = clock
        self._tasks = tasks
        self._counters = counters
        self._transfers = transfers
        self._publish = publish
        self._end = end

    async def send(self, delivery: Delivery, slices: list[Slice]) -> None:
        """Send all parts once, and again later. Raises RsuError RATE_LIMITED, and what `publish` raises."""
        for older in self._transfers.older(delivery):
            self._transfers.remove(older)
            if older.delivery is not None:
                self._end(older.delivery, RsuReason.SUPERSEDED, "a newer one before it was acknowledged")
        numbered = [(self._transfers.next_seq(), part) for part in slices]
        parts = [(seq, part.payload(seq)) for seq, part in numbered]
        topic = self._config.layout.ack_up(delivery.message, self._config.name)
        transfer = Transfer(topic, parts, delivery)
        self._transfers.add(transfer)
        try:
            for _, payload in parts:
                await self._publish(delivery.message, payload)
        except RsuError:
            self._transfers.remove(transfer)
            raise
        self._tasks.start(self._repeat(transfer, delivery), "acknowledgement")

    async def _repeat(self, transfer: Transfer, delivery: Delivery) -> None:
        sent = 1
        while True:
            await self._clock.sleep(self._config.ack_wait_s)
            if transfer.done or delivery.ended:
                self._transfers.remove(transfer)
                return
            if sent >= self._config.ack_tries or delivery.expires_mono_ns <= self._clock.mono():
                break
            sent += 1
            for payload in tuple(transfer.open.values()):
                try:
                    await self._publish(delivery.message, payload)
                except RsuError as error:
                    # The next try comes by itself.
                    self._counters.drop(error.reason)
            self._counters.count("rsu_sent_again", delivery.message)
        self._transfers.remove(transfer)
        what = f"{len(transfer.open)} parts were not acknowledged, sent {sent} times"
        self._end(delivery, RsuReason.TIMEOUT, what)
