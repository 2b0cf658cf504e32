"""The map page in a real browser, fed by a real centre on a loopback socket."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.async_api import Browser, Page, async_playwright

from wayside.clock import SystemClock
from wayside.cloud import CloudReason
from wayside.records import (
    DeviceRecord,
    LiveEvent,
    LiveParticipant,
    LiveRsu,
    LiveSignal,
    LiveView,
    Record,
    RecordId,
    SiteRecord,
    encode_live,
    encode_record,
    encode_records,
)
from wayside.runtime import TaskOwner

pytestmark = [pytest.mark.joint, pytest.mark.timeout(180)]

CHROMIUM = os.environ.get("WAYSIDE_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TYPE = {"content-type": "application/msgpack"}
COLOURS = """() => {
  const small = new OffscreenCanvas(160, 100);
  const pen = small.getContext("2d");
  pen.drawImage(document.querySelector("canvas.maplibregl-canvas"), 0, 0, 160, 100);
  const data = pen.getImageData(0, 0, 160, 100).data;
  const seen = new Set();
  for (let i = 0; i < data.length; i += 4) seen.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
  return seen.size;
}"""
SHOWN_AT = """(id) => {
  const [mark] = performance.getEntriesByName(`hazard:${id}`);
  return mark ? performance.timeOrigin + mark.startTime : null;
}"""


class Feeder:
    """Plays the edge of the crossing towards a centre: its records once, live views at 10 Hz."""

    def __init__(self, crossing: Any) -> None:
        self.crossing = crossing
        self.clock = SystemClock()
        self.url = ""
        self.with_events = False
        self.paused = False
        self.first_event_ms: float | None = None
        self._boot = self.clock.utc() // 1_000_000_000

    async def report(self) -> None:
        """Send the site, a camera and the two events as records."""
        now = self.clock.utc()
        events = [self.crossing.event_record(item) for item in self.crossing.events(now)]
        camera = DeviceRecord("camera-west", "camera", "ok", "generic", 38.9977, 117.3118)
        bodies = [self.crossing.record(), camera, *events]
        page = [
            encode_record(Record(RecordId(self.crossing.site, self._boot, n), self.crossing.site, now, body))
            for n, body in enumerate(bodies, 1)
        ]
        async with httpx.AsyncClient(base_url=self.url, headers=TYPE) as client:
            answer = await client.post("/v1/records", content=encode_records(page))
            assert answer.status_code == 200

    async def run(self) -> None:
        """Send live views until cancelled; a centre that is away is tried again."""
        opened: int | None = None
        seq = 0
        async with httpx.AsyncClient(headers=TYPE) as client:
            while True:
                await self.clock.sleep(0.1)
                if self.paused:
                    continue
                seq += 1
                now = self.clock.utc()
                if self.with_events and opened is None:
                    opened = now
                    self.first_event_ms = now / 1e6
                view = self.crossing.view(now, seq, with_events=self.with_events)
                try:
                    await client.post(f"{self.url}/v1/live", content=encode_live(view))
                except httpx.TransportError:
                    continue


class Watched:
    """A page and all that it asked for and complained of."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.hosts: set[str] = set()
        self.complaints: list[str] = []
        page.on("request", lambda request: self._asked(request.url))
        page.on("websocket", lambda socket: self._asked(socket.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda line: self._said(line.type, line.text))

    def _asked(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob"):
            self.hosts.add(parts.netloc)

    def _said(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and "GPU stall" not in text and "GL Driver" not in text:
            self.complaints.append(f"{kind}: {text}")


@asynccontextmanager
async def browser(optional_part: Callable[[str, bool], None]) -> AsyncIterator[Browser]:
    optional_part("chromium", CHROMIUM is not None)
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield running
        finally:
            await running.close()


async def connection(page: Page, state: str, timeout_s: float = 30.0) -> None:
    await page.wait_for_selector(
        f'html[data-connection="{state}"]', state="attached", timeout=timeout_s * 1e3
    )


async def test_the_map_draws_and_a_hazard_appears_within_a_second(
    serve: Any, crossing: Any, optional_part: Callable[[str, bool], None]
) -> None:
    async with browser(optional_part) as chromium, serve() as url, TaskOwner("feeder") as owner:
        feeder = Feeder(crossing)
        feeder.url = url
        await feeder.report()
        owner.start(feeder.run(), "live")
        context = await chromium.new_context(
            viewport={"width": 1280, "height": 800}, locale="en-US", color_scheme="dark"
        )
        watched = Watched(await context.new_page())
        page = watched.page
        await page.goto(url)
        await connection(page, "live")
        await page.wait_for_selector(".signal[data-state='green']")
        for _ in range(100):
            if await page.evaluate(COLOURS) > 20:
                break
            await page.wait_for_timeout(100)
        assert await page.evaluate(COLOURS) > 20, "the canvas shows more than its background"
        assert await page.locator(".hazard").count() == 0
        assert await page.locator(".calm").first.inner_text() == "No open hazards"
        feeder.with_events = True
        await page.wait_for_selector(".hazard[data-severity='3']")
        shown = await page.wait_for_function(SHOWN_AT, arg="69c0-2")
        shown_ms = await shown.json_value()
        assert feeder.first_event_ms is not None
        late_ms = shown_ms - feeder.first_event_ms
        assert 0.0 < late_ms < 1_000.0
        print(f"hazard painted {late_ms:.0f} ms after its live event")
        cards = page.locator(".card")
        await cards.first.wait_for()
        assert await cards.count() == 2
        first = await cards.first.inner_text()
        assert "Vulnerable road user" in first and "2 warned" in first and "8.9 ms" in first
        await page.wait_for_function("() => document.querySelectorAll('.rows li').length >= 5")
        assert await page.locator(".rsu").count() == 2
        target = os.environ.get("WAYSIDE_SCREENSHOT")
        if target:
            await page.wait_for_timeout(1_500)
            await page.screenshot(path=Path(target))
        await cards.first.locator("button").click()
        await page.wait_for_selector(".way li")
        assert await page.locator(".way li").count() == 6
        assert watched.hosts == {urlsplit(url).netloc}
        assert watched.complaints == []
        await context.close()


async def test_chinese_is_chosen_by_the_browser_and_a_switch_is_remembered(
    serve: Any, crossing: Any, optional_part: Callable[[str, bool], None]
) -> None:
    async with browser(optional_part) as chromium, serve() as url, TaskOwner("feeder") as owner:
        feeder = Feeder(crossing)
        feeder.url, feeder.with_events = url, True
        await feeder.report()
        owner.start(feeder.run(), "live")
        context = await chromium.new_context(
            viewport={"width": 390, "height": 844}, locale="zh-CN", color_scheme="light"
        )
        watched = Watched(await context.new_page())
        page = watched.page
        await page.goto(url)
        await page.wait_for_selector(".card")
        assert await page.evaluate("document.documentElement.lang") == "zh-CN"
        assert "弱势交通参与者碰撞" in await page.locator(".card").first.inner_text()
        assert await page.locator("#hazards-title").inner_text() == "未解除的危险"
        assert await page.evaluate("document.documentElement.dataset.theme") == "light"
        wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, "nothing sticks out of a phone's screen"
        button = page.get_by_role("button", name="English")
        await button.focus()
        await page.keyboard.press("Enter")
        await page.wait_for_function("() => document.documentElement.lang === 'en'")
        assert "Vulnerable road user" in await page.locator(".card").first.inner_text()
        await page.reload()
        await page.wait_for_selector(".card")
        assert await page.evaluate("document.documentElement.lang") == "en"
        assert watched.complaints == []
        await context.close()


async def test_the_page_never_passes_old_data_off_as_live(
    serve: Any, crossing: Any, optional_part: Callable[[str, bool], None]
) -> None:
    async with browser(optional_part) as chromium, TaskOwner("feeder") as owner:
        feeder = Feeder(crossing)
        context = await chromium.new_context(locale="en-US")
        page = await context.new_page()
        async with serve() as url:
            port = urlsplit(url).port
            feeder.url = url
            await feeder.report()
            owner.start(feeder.run(), "live")
            await page.goto(url)
            await connection(page, "live")
            feeder.paused = True
            await connection(page, "stale", 10.0)
            assert "What you see is the past" in await page.locator("#notice").inner_text()
            late = await context.new_page()
            await late.goto(url)
            await connection(late, "stale", 20.0)
            await late.close()
            feeder.paused = False
            await connection(page, "live", 10.0)
            assert await page.locator("#notice").inner_text() == ""
        await connection(page, "offline", 10.0)
        assert "No connection to the centre" in await page.locator("#notice").inner_text()
        async with serve(port):
            await connection(page, "live", 20.0)
        await context.close()


AGES = """async () => {
  const { AgeMeter } = await import("/dashboard/feed.mjs");
  let now = 0;
  const meter = new AgeMeter(() => now);
  const ages = [meter.ageMs()];
  const saw = (at, utcMs, heldMs) => { now = at; meter.saw(utcMs, heldMs); ages.push(meter.ageMs()); };
  saw(100, 5000, 0);      // first view: taken as new
  saw(300, 5200, 0);      // as quick as the first
  saw(900, 5300, 0);      // 500 ms late on its way
  saw(1000, 5900, 0);     // as quick as the first again
  saw(1100, 5500, 500);   // held at the centre for half a second
  now = 4100;
  ages.push(meter.ageMs());
  saw(40000, 4000, 0);    // the edge's clock was set back ...
  saw(71000, 35000, 0);   // ... and within a minute that is forgotten
  saw(102000, 66000, 0);
  return ages;
}"""


async def test_hostile_data_neither_runs_nor_breaks_the_page(
    serve: Any, crossing: Any, optional_part: Callable[[str, bool], None]
) -> None:
    bad = "<img src=x onerror=document.title='owned'>"
    lanes = crossing.lanes()
    lanes["features"] += [
        None,
        {"type": "Feature", "geometry": None},
        {"geometry": {"type": "LineString", "coordinates": [[0, "x"], [1, 2]]}},
        {"geometry": {"type": "LineString", "coordinates": [[900, 900], [901, 901]]}},
        {
            "properties": {"lane": bad, "kind": bad},
            "geometry": {"type": "LineString", "coordinates": [[0, 0]]},
        },
    ]
    now = SystemClock().utc()
    good = crossing.view(now, 1)
    site = SiteRecord(bad, 38.9976, 117.312, bad, lanes)
    view = LiveView(
        site=crossing.site,
        utc_ns=now,
        seq=1,
        participants=(
            *good.participants,
            LiveParticipant(1, bad, 38.9976, 117.312, float("nan"), float("inf"), float("nan"), -1.0),
        ),
        signals=(*good.signals, LiveSignal(bad, -1, bad, float("nan"), (bad, "1/1"))),
        rsus=(*good.rsus, LiveRsu(bad, bad, bad, 38.9976, 117.312, None)),
        events=(
            *good.events,
            LiveEvent(bad, bad, 99, 38.9976, 117.312, -1, bad, -1, {bad: 1.0, "fused": -5.0}),
        ),
    )
    device = DeviceRecord(f"{bad} 2", bad, bad, bad)
    records = [
        encode_record(Record(RecordId(crossing.site, 1, n), crossing.site, now, body))
        for n, body in enumerate((site, device), 1)
    ]
    async with browser(optional_part) as chromium, serve() as url, httpx.AsyncClient(headers=TYPE) as client:
        assert (await client.post(f"{url}/v1/records", content=encode_records(records))).status_code == 200
        assert (await client.post(f"{url}/v1/live", content=encode_live(view))).status_code == 204
        watched = Watched(await chromium.new_page(locale="en-US"))
        page = watched.page
        await page.goto(url)
        await page.wait_for_selector(".hazard[data-severity='99']")
        await page.wait_for_function("() => document.querySelectorAll('.rows li').length === 4")
        await page.wait_for_selector(".signal[data-state='green']")
        await page.locator(".card[data-severity='99'] button").click()
        await page.wait_for_selector(".detail")
        assert await page.title() == "(3) Wayside"
        assert await page.locator("img[src=x]").count() == 0
        await page.wait_for_function(f"() => ({COLOURS})() > 20")
        # The one complaint is the browser's own word on the event that is not stored.
        assert [text for text in watched.complaints if "404" not in text] == []
        assert watched.hosts == {urlsplit(url).netloc}
        ages = await page.evaluate(AGES)
        assert ages == [
            None,
            0,
            0,
            500,
            0,
            500,
            3_500,
            40_900,
            0,
            0,
        ]


@pytest.mark.drops(CloudReason.FOREIGN_ORIGIN)
async def test_another_site_in_the_same_browser_cannot_listen_in(serve: Any, crossing: Any) -> None:
    async with serve() as url, httpx.AsyncClient() as client:
        upgrade = {
            "connection": "Upgrade",
            "upgrade": "websocket",
            "sec-websocket-version": "13",
            "sec-websocket-key": "d2F5c2lkZS10ZXN0LWtleQ==",
        }
        foreign = upgrade | {"origin": "http://elsewhere.example"}
        assert (await client.get(f"{url}/api/live", headers=foreign)).status_code == 403
        stats = (await client.get(f"{url}/api/stats")).json()
        assert stats["dropped"] == {"cloud": {"foreign_origin": 1}}
        async with (
            asyncio.timeout(5.0),
            client.stream("GET", f"{url}/api/live", headers=upgrade | {"origin": url}) as own,
        ):
            assert own.status_code == 101


FAR_IN_VIEW = """() => {
  const box = (name) => document.querySelector(name)?.getBoundingClientRect();
  const [hazard, map] = [box(".hazard"), box("#map")];
  return hazard && hazard.left > map.left && hazard.right < map.right;
}"""
CHIPS_APART = """() => {
  const chips = [...document.querySelectorAll(".signal")].map((chip) => chip.getBoundingClientRect());
  const beside = (a, b) => a.right < b.left + 2 || a.bottom < b.top + 2;
  const cover = (a, b) => !beside(a, b) && !beside(b, a);
  return chips.length === 3 && !chips.some((a, n) => chips.slice(n + 1).some((b) => cover(a, b)));
}"""


async def test_a_hazard_down_the_road_is_brought_into_view_or_pointed_at(
    serve: Any, crossing: Any, optional_part: Callable[[str, bool], None]
) -> None:
    now = SystemClock().utc()
    near = crossing.view(now, 1)
    lane = near.signals[0].lanes[0]
    signals = tuple(LiveSignal("12-1", group, "red", 5.0, (lane,)) for group in (1, 2, 3))
    far = LiveEvent("far-1", "hlw", 2, 38.9976, 117.3120 - 0.0025, now, "", 0, {})

    def view(seq: int) -> bytes:
        return encode_live(LiveView(crossing.site, now + seq * 100_000_000, seq, (), signals, (), (far,)))

    site = encode_record(Record(RecordId(crossing.site, 1, 1), crossing.site, now, crossing.record()))
    async with browser(optional_part) as chromium, serve() as url, httpx.AsyncClient(headers=TYPE) as client:
        assert (await client.post(f"{url}/v1/records", content=encode_records([site]))).status_code == 200
        watched = Watched(await chromium.new_page(viewport={"width": 1280, "height": 800}))
        page = watched.page
        await page.goto(url)

        numbers = itertools.count(2)

        async def until(truth: str) -> None:
            for _ in range(100):
                await client.post(f"{url}/v1/live", content=view(next(numbers)))
                if await page.evaluate(truth):
                    return
                await page.wait_for_timeout(100)
            pytest.fail(f"never true: {truth}")

        await until(FAR_IN_VIEW)
        await until(CHIPS_APART)
        await until("() => document.querySelectorAll('.far').length === 0")
        # Who moves the map keeps it; the hazard is then pointed at.
        await page.mouse.move(700, 300)
        await page.mouse.down()
        await page.mouse.move(100, 300, steps=4)
        await page.mouse.up()
        await until("() => document.querySelectorAll('.far').length === 1")
        await page.locator(".far").click()
        await until(FAR_IN_VIEW)
        assert await page.locator(".card[data-chosen='true']").count() == 1
        assert [text for text in watched.complaints if "404" not in text] == []
