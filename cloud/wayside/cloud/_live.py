from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from wayside.clock import Clock, MonoNs
from wayside.cloud._reasons import CloudError, CloudReason
from wayside.observe import Counters
from wayside.records import LiveView
from wayside.runtime import LatestWins

_encoder = msgspec.json.Encoder()


class _Newest(msgspec.Struct):
    view: LiveView
    at: MonoNs


class LiveHub:
    """Newest live view of each site, and the browsers that follow.

    A browser has one slot per site and kind of news, newest wins: one that reads slowly sees less often,
    and the centre holds no queue for it. Belongs to one event loop.
    """

    def __init__(self, clock: Clock, counters: Counters, *, sites: int, browsers: int) -> None:
        self._clock = clock
        self._counters = counters
        self._site_limit = sites
        self._browser_limit = browsers
        self._views: dict[str, _Newest] = {}
        self._followers: dict[Follower, None] = {}

    def show(self, view: LiveView) -> None:
        """Set a site's view. A view that repeats the one before (same instant and number) does not make the
        data younger. Raises CloudError SITE_LIMIT."""
        newest = self._views.get(view.site)
        if newest is None and len(self._views) >= self._site_limit:
            self._counters.drop(CloudReason.SITE_LIMIT)
            raise CloudError(CloudReason.SITE_LIMIT, f"live views of {len(self._views)} sites are held")
        repeated = newest is not None and (newest.view.utc_ns, newest.view.seq) == (view.utc_ns, view.seq)
        if newest is None or not repeated:
            newest = self._views[view.site] = _Newest(view, self._clock.mono())
        if self._followers:
            message = self._message(newest)
            for follower in self._followers:
                follower.put(("live", view.site), message, view.site)

    def tell_events(self, site: str) -> None:
        """Tell the followers that stored events of a site have changed."""
        message = _encoder.encode({"type": "events", "site": site})
        for follower in self._followers:
            follower.put(("events", site), message, site)

    def view(self, site: str) -> LiveView | None:
        """Newest view of a site."""
        newest = self._views.get(site)
        return None if newest is None else newest.view

    def ages_ms(self) -> dict[str, float]:
        """Site → time since its newest view came, milliseconds."""
        now = self._clock.mono()
        return {site: (now - newest.at) / 1e6 for site, newest in self._views.items()}

    def follow(self, site: str | None) -> Follower:
        """A new browser, with the newest view of each site it follows already waiting.

        Raises CloudError CLIENT_LIMIT.
        """
        if len(self._followers) >= self._browser_limit:
            self._counters.drop(CloudReason.CLIENT_LIMIT)
            raise CloudError(CloudReason.CLIENT_LIMIT, f"{len(self._followers)} browsers follow already")
        follower = Follower(site, 2 * self._site_limit, self._superseded)
        self._followers[follower] = None
        for newest in self._views.values():
            follower.put(("live", newest.view.site), self._message(newest), newest.view.site)
        return follower

    def leave(self, follower: Follower) -> None:
        """Forget a browser."""
        self._followers.pop(follower, None)

    def __len__(self) -> int:
        return len(self._followers)

    def _message(self, newest: _Newest) -> bytes:
        age_ms = (self._clock.mono() - newest.at) / 1e6
        return _encoder.encode({"type": "live", "age_ms": age_ms, "view": newest.view})

    def _superseded(self, _message: bytes) -> None:
        self._counters.count("live_superseded")


class Follower:
    """One browser's slots. site: the only one it follows, None for all."""

    def __init__(self, site: str | None, limit: int, superseded: Callable[[bytes], None]) -> None:
        self._site = site
        self._slots: LatestWins[bytes] = LatestWins(limit, superseded)

    def put(self, key: tuple[str, str], message: bytes, site: str) -> None:
        """Set a slot, if the browser follows that site."""
        if self._site is None or self._site == site:
            self._slots.put(key, message)

    async def next(self, timeout_s: float) -> bytes | None:
        """The next message, None when there was none for `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self._slots.get()
        except TimeoutError:
            return None

    def end(self) -> None:
        """Wake up whoever waits in `next`, with an empty message: the browser has gone."""
        self._slots.put("end", b"")

    def __len__(self) -> int:
        return len(self._slots)
