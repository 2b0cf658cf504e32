"""The pages beside the map in a real browser, on the records of a corridor of three intersections."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest
from playwright.async_api import Browser, Page, async_playwright

from wayside.clock import SystemClock
from wayside.geo import LocalPlane
from wayside.observe import LatencySummary
from wayside.records import (
    INSTANCE_HEADER,
    DeliveryRecord,
    DeviceRecord,
    EventState,
    LiveEvent,
    LiveSensor,
    LiveSign,
    LiveView,
    Record,
    RecordId,
    ResultRecord,
    SiteRecord,
    SummaryRecord,
    decode_command,
    decode_command_page,
    encode_live,
    encode_record,
    encode_records,
)
from wayside.runtime import TaskOwner

pytestmark = [pytest.mark.joint, pytest.mark.timeout(180)]

CHROMIUM = os.environ.get("WAYSIDE_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
TYPE = {"content-type": "application/msgpack", INSTANCE_HEADER: "1" * 32}
KINDS = ("vrucw", "icw", "lta", "rlvw", "evw", "hlw", "tjw", "slw", "ivs")
STEP_DEG = 0.0046
PAGES = ("devices", "events", "performance", "operations")


class Corridor:
    """Plays the edge of three crossings in a row: records of an hour, and live views."""

    site = "haihe"

    def __init__(self, crossing: Any) -> None:
        self.clock = SystemClock()
        self.crossings = [type(crossing)() for _ in range(3)]
        for n, each in enumerate(self.crossings):
            each.plane = LocalPlane(38.9976, 117.3120 + n * STEP_DEG)

    def lanes(self) -> dict[str, Any]:
        features = []
        for n, crossing in enumerate(self.crossings, 1):
            for feature in crossing.lanes()["features"]:
                lane = feature["properties"]["lane"].replace("1/", f"12-{n}/", 1)
                features.append(feature | {"properties": feature["properties"] | {"lane": lane}})
        return {"type": "FeatureCollection", "features": features}

    def view(self, seq: int) -> LiveView:
        now = self.clock.utc()
        views = [crossing.view(now, seq + 40 * n) for n, crossing in enumerate(self.crossings)]
        people, signals = [], []
        for n, view in enumerate(views, 1):
            for person in view.participants:
                track = person.track_id + 1_000 * n
                people.append(msgspec.structs.replace(person, track_id=track))
            for signal in view.signals:
                lanes = tuple(lane.replace("1/", f"12-{n}/", 1) for lane in signal.lanes)
                signals.append(msgspec.structs.replace(signal, intersection=f"12-{n}", lanes=lanes))
        jam = self.crossings[1]._point(3, 30.0, -1.75)
        sensors = [
            LiveSensor(f"camera-{n}", "camera", state, 38.9979, 117.3124 + n * STEP_DEG, 0.05, 10.0, 62.0)
            for n, state in enumerate(("ok", "late", "silent"))
        ]
        return LiveView(
            site=self.site,
            utc_ns=now,
            seq=seq,
            participants=tuple(people),
            signals=tuple(signals),
            rsus=tuple(
                msgspec.structs.replace(rsu, device_id=f"{rsu.device_id}-{n}")
                for n, view in enumerate(views)
                for rsu in view.rsus[:1]
            ),
            events=(
                *views[0].events,
                LiveEvent(
                    "69c0-3", "tjw", 2, jam[1], jam[0], now - 90_000_000_000, "ab" * 8, 7, lane="12-2/31",
                    length_m=80.0,
                ),
            ),
            sensors=tuple(sensors),
            signs=(LiveSign("limit-1", 85, "40", 40 / 3.6, 38.9973, 117.3138, "operator"),),
        )  # fmt: skip

    def records(self) -> list[Record]:
        now = self.clock.utc()
        live = self.crossings[0].view(now, 1)
        bodies: list[Any] = [
            SiteRecord("海河教育园区 Haihe corridor", 38.9976, 117.3166, "wayside", self.lanes())
        ]
        bodies += [DeviceRecord(f"camera-{n}", "camera", "ok") for n in range(3)]
        bodies += [
            DeviceRecord("rsu-north-0", "rsu", "online", "usdot_rsu41", 38.998, 117.312, {"firmware": "4.1"}),
            DeviceRecord("rsu-north-1", "rsu", "degraded", "tits0117"),
            DeviceRecord("rsu-north-2", "rsu", "offline", "tits0117"),
            DeliveryRecord("d1", "rsu-north-0", "TIM", "active", trace_id=live.events[1].trace_id),
            DeliveryRecord("d2", "rsu-north-1", "RSI", "too_large", "too_large"),
        ]
        for n in range(60):
            at = now - (59 - n) * 60_000_000_000
            bodies.append(
                SummaryRecord(
                    at - 60_000_000_000,
                    at,
                    {
                        "warnings": {"vrucw": n % 5, "tjw": 1},
                        "deliveries": {"rsu-north-0/TIM/sent": 4, "rsu-north-0/TIM/active": 3,
                                       "rsu-north-1/RSI/sent": 2, "rsu-north-1/RSI/too_large": n % 2},
                        "messages_up": {"rsu-north-0/BSM": 50},
                    },
                    {"sensor": {"late": n % 7}, "edge": {"undecodable": n % 3}},
                    {
                        stage: LatencySummary(50, ms, ms * (2.0 + n % 4), ms * 6)
                        for stage, ms in live.events[0].latency_ms.items()
                    }
                    | {"timer_lateness": LatencySummary(50, 0.1, 0.6, 2.0)},
                )
            )  # fmt: skip
        for n in range(70):
            event = self.crossings[0].event_record(live.events[n % 2])
            opened = now - n * 45_000_000_000
            bodies.append(
                msgspec.structs.replace(
                    event,
                    event_id=f"5f-{n}",
                    kind=KINDS[n % len(KINDS)],
                    severity=1 + n % 3,
                    state=EventState.OPEN if n < 2 else EventState.CLOSED,
                    opened_utc_ns=opened,
                    closed_utc_ns=None if n < 2 else opened + 9_000_000_000,
                    lane=f"12-{1 + n % 3}/31",
                    trace_id=event.trace_id if n < 2 else f"{n:016x}",
                )
            )
        boot = now // 1_000_000_000
        return [
            Record(RecordId(self.site, boot, n), self.site, getattr(body, "to_utc_ns", now), body)
            for n, body in enumerate(bodies, 1)
        ]

    async def report(self, url: str) -> None:
        async with httpx.AsyncClient(base_url=url, headers=TYPE) as client:
            page = encode_records([encode_record(record) for record in self.records()])
            answer = await client.post("/v1/records", content=page)
            assert answer.status_code == 200

    async def run(self, url: str) -> None:
        """Send live views until cancelled."""
        async with httpx.AsyncClient(base_url=url, headers=TYPE) as client:
            seq = 0
            while True:
                seq += 1
                await client.post("/v1/live", content=encode_live(self.view(seq)))
                await self.clock.sleep(0.2)


@asynccontextmanager
async def opened(
    optional_part: Callable[[str, bool], None], url: str, **options: Any
) -> AsyncIterator[tuple[Page, list[str]]]:
    """A page that looks at the centre, and what it complained of."""
    optional_part("chromium", CHROMIUM is not None)
    complaints: list[str] = []
    async with async_playwright() as playwright:
        chromium: Browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = await chromium.new_context(
            **(
                {"viewport": {"width": 1280, "height": 800}, "locale": "en-US", "color_scheme": "dark"}
                | options
            )
        )
        page = await context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda line: (
                complaints.append(line.text)
                if line.type == "error" or (line.type == "warning" and "GL Driver" not in line.text)
                else None
            ),
        )
        page.on("request", lambda request: _own(request.url, url, complaints))
        await page.goto(url)
        try:
            yield page, complaints
        finally:
            await chromium.close()


def _own(asked: str, url: str, complaints: list[str]) -> None:
    parts = urlsplit(asked)
    if parts.scheme not in ("data", "blob") and parts.netloc != urlsplit(url).netloc:
        complaints.append(f"asked for {asked}")


async def shot(page: Page, name: str) -> None:
    """Keep a picture, when WAYSIDE_SCREENSHOTS names a folder."""
    folder = os.environ.get("WAYSIDE_SCREENSHOTS")
    if folder:
        await page.wait_for_timeout(700)
        await page.screenshot(path=Path(folder) / f"{name}.png")


async def to(page: Page, name: str) -> None:
    await page.locator("#pages a", has_text=name).click()


async def middles(page: Page, selector: str) -> list[float]:
    """Where on the screen the middles of these elements are, from left to right, px."""
    boxes = [await one.bounding_box() for one in await page.locator(selector).all()]
    return sorted(box["x"] + box["width"] / 2 for box in boxes if box)


async def test_the_corridor_has_its_intersections_sensors_signs_and_jams(
    serve: Any, crossing: Any, optional_part: Callable[[str, bool], None]
) -> None:
    corridor = Corridor(crossing)
    async with serve() as url, TaskOwner("edge") as owner:
        await corridor.report(url)
        owner.start(corridor.run(url), "live")
        async with opened(optional_part, url) as (page, complaints):
            await page.wait_for_selector("html[data-connection='live']", state="attached")
            await page.wait_for_selector(".intersections li:nth-child(3)")
            assert await page.locator(".intersections li").count() == 3
            assert await page.locator(".intersections .group").count() == 12
            letters = await page.locator(".group i").all_inner_texts()
            assert set(letters) <= {"R", "Y", "G"}, "told by letter as well as by colour"
            await page.wait_for_selector(".place")
            assert sorted(await page.locator(".place").all_inner_texts()) == ["12-1", "12-2", "12-3"]
            assert await page.locator(".sensor").count() == 3
            assert await page.locator(".sign[data-kind='limit']").inner_text() == "40"
            # Seen from afar too, each sensor stands where it does beside its own intersection.
            assert await page.locator("#map").get_attribute("data-far") == "true"
            apart = [
                abs(s - i)
                for s, i in zip(await middles(page, ".sensor"), await middles(page, ".place"), strict=True)
            ]
            assert max(apart) - min(apart) < 3.0, apart
            await page.wait_for_selector(".card[data-severity='2']:has-text('Traffic jam')")
            await shot(page, "corridor")
            await page.locator(".intersections button", has_text="12-2").click()
            await page.wait_for_selector("#map[data-far='false']")
            await page.wait_for_selector(".signal[data-state='green']")
            await shot(page, "intersection")
            assert complaints == []


async def test_the_device_list_tells_what_became_of_the_messages(
    serve: Any, crossing: Any, optional_part: Callable[[str, bool], None]
) -> None:
    corridor = Corridor(crossing)
    async with serve() as url:
        await corridor.report(url)
        async with opened(optional_part, url) as (page, complaints):
            await to(page, "Devices")
            await page.wait_for_selector(".device")
            assert await page.locator(".device").count() == 6
            bad = page.locator(".device", has_text="rsu-north-1")
            text = await bad.inner_text()
            assert "tits0117" in text and "degraded" in text
            assert [part.strip() for part in await bad.locator(".outcome").all_inner_texts()] == [
                "sent 120",
                "too large 30",
            ]
            assert "too_large" in await bad.locator("tbody td").last.inner_text()
            await shot(page, "devices")
            await page.get_by_role("button", name="Not working").click()
            await page.wait_for_function("() => document.querySelectorAll('.device').length === 1")
            assert "state=bad" in page.url
            assert complaints == []


async def test_events_are_filtered_paged_and_shared_by_their_address(
    serve: Any, crossing: Any, optional_part: Callable[[str, bool], None]
) -> None:
    corridor = Corridor(crossing)
    async with serve() as url:
        await corridor.report(url)
        async with opened(optional_part, url) as (page, complaints):
            await to(page, "Events")
            rows = page.locator(".events tbody tr")
            await rows.first.wait_for()
            assert await rows.count() == 50
            await page.get_by_role("button", name="Older").click()
            await page.wait_for_function("() => document.querySelectorAll('.events tbody tr').length === 20")
            await page.get_by_role("button", name="Newest").click()
            await page.get_by_label("Kind").select_option("icw")
            await page.wait_for_function("() => document.querySelectorAll('.events tbody tr').length === 8")
            await page.get_by_label("Severity").select_option("3")
            await page.wait_for_function("() => !document.querySelector('.events [data-severity=\"2\"]')")
            await page.get_by_role("button", name="Clear").click()
            await page.get_by_label("Contains").fill("5F-69")
            await page.get_by_label("Contains").press("Tab")
            await page.wait_for_function("() => document.querySelectorAll('.events tbody tr').length === 1")
            await page.get_by_role("button", name="Clear").click()
            await page.get_by_label("Contains").fill("5f-1")
            await page.get_by_label("Contains").press("Tab")
            first = page.locator(".events button").first
            await page.wait_for_function("() => document.querySelectorAll('.events tbody tr').length === 11")
            await page.get_by_role("button", name="Clear").click()
            await page.wait_for_function("() => document.querySelectorAll('.events tbody tr').length === 50")
            await first.focus()
            await page.keyboard.press("Enter")
            await page.wait_for_selector(".timeline li")
            steps = await page.locator(".timeline .head b").all_inner_texts()
            assert steps[:3] == ["Detection", "Track", "Application"]
            assert await page.locator(".waterfall rect").count() == 7
            await shot(page, "event")
            shared = page.url
            await page.goto(f"{url}/")
            await page.goto(shared)
            await page.wait_for_selector(".timeline li")
            assert await page.locator(".events tr[data-chosen='true']").count() == 1
            await page.go_back()
            await page.wait_for_selector(".intersections, #map")
            assert complaints == []


async def test_drops_and_latency_are_drawn_and_stand_in_tables(
    serve: Any, crossing: Any, optional_part: Callable[[str, bool], None]
) -> None:
    corridor = Corridor(crossing)
    async with serve() as url:
        await corridor.report(url)
        async with opened(optional_part, url) as (page, complaints):
            await to(page, "Drops and latency")
            await page.wait_for_selector(".chart canvas")
            assert await page.locator(".chart canvas").count() == 3
            drawn = await page.evaluate(
                "() => { const c = document.querySelector('.chart canvas');"
                " return new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size; }"
            )
            assert drawn > 20
            tables = await page.locator(".figures").all_inner_texts()
            assert "fusion" in tables[0] and "timer lateness" in tables[0]
            assert "late" in tables[1] and "undecodable" in tables[1]
            await shot(page, "performance")
            await page.get_by_role("button", name="1 hour").click()
            await page.wait_for_function("() => location.search.includes('minutes=60')")
            await page.get_by_role("button", name="Median").click()
            await page.wait_for_function("() => location.search.includes('measure=p50_ms')")
            assert complaints == []


async def test_a_command_is_given_and_its_outcome_shown(
    serve: Any, crossing: Any, optional_part: Callable[[str, bool], None]
) -> None:
    corridor = Corridor(crossing)
    async with serve(operator_token="s3cret") as url, TaskOwner("edge") as owner:
        await corridor.report(url)
        owner.start(corridor.run(url), "live")
        async with opened(optional_part, url) as (page, complaints):
            await page.wait_for_selector("html[data-connection='live']", state="attached")
            await to(page, "Operations")
            await page.get_by_label("Name of the sign").fill("limit-2")
            await page.get_by_label("Your name").fill("li")
            await page.get_by_label("Operators' token").fill("wrong")
            await page.get_by_role("button", name="Send to haihe").click()
            await page.wait_for_selector(".told[data-kind='bad']")
            assert "the token is wrong" in await page.locator(".told").inner_text()
            await page.get_by_label("Operators' token").fill("s3cret")
            await page.get_by_role("button", name="Send to haihe").click()
            await page.wait_for_selector(".commands [data-health='fair']")
            async with httpx.AsyncClient(base_url=url, headers=TYPE) as client:
                answer = await client.get("/v1/commands", params={"site": "haihe"})
                [command] = map(decode_command, decode_command_page(answer.content).commands)
                assert command.operator == "li" and command.body.sign_id == "limit-2"  # type: ignore[union-attr]
                result = ResultRecord(command.command_id, "refused", "sign_unplaced", "no lane")
                record = Record(RecordId("haihe", 2**40, 1), "haihe", corridor.clock.utc(), result)
                await client.post("/v1/records", content=encode_records([encode_record(record)]))
                await page.wait_for_selector(".commands [data-health='bad']")
                text = await page.locator(".commands li").first.inner_text()
                assert "no lane lies where it is to stand" in text and "40 km/h" in text
                await shot(page, "operations")
                rival = {**TYPE, INSTANCE_HEADER: "2" * 32}
                await client.post("/v1/live", content=encode_live(corridor.view(1)), headers=rival)
            await page.wait_for_selector("#alarm p", timeout=15_000)
            assert "Another edge reports as haihe" in await page.locator("#alarm").inner_text()
            await page.get_by_role("button", name="Let it in").click()
            await page.wait_for_selector("#alarm p", state="detached")
            # The browser's own word on the refused token.
            assert [text for text in complaints if "401" not in text] == []


async def test_without_rights_the_operations_page_is_read_only(
    serve: Any, crossing: Any, optional_part: Callable[[str, bool], None]
) -> None:
    corridor = Corridor(crossing)
    async with serve() as url:
        await corridor.report(url)
        optional_part("chromium", CHROMIUM is not None)
        async with opened(
            optional_part, f"{url}/?page=operations", extra_http_headers={"x-forwarded-for": "198.51.100.7"}
        ) as (page, _):
            await page.wait_for_selector(".operations .calm")
            assert "Read only" in await page.locator(".operations .calm").first.inner_text()
            assert await page.locator("form.command").count() == 0


@pytest.mark.parametrize("width", [390, 1280])
async def test_every_page_fits_its_screen_in_chinese(
    serve: Any, crossing: Any, optional_part: Callable[[str, bool], None], width: int
) -> None:
    corridor = Corridor(crossing)
    async with serve() as url:
        await corridor.report(url)
        options = {"viewport": {"width": width, "height": 844}, "locale": "zh-CN", "color_scheme": "light"}
        async with opened(optional_part, url, **options) as (page, complaints):
            for name in PAGES:
                event = "&event=5f-0&of=haihe" if name == "events" else ""
                await page.goto(f"{url}/?site=haihe&page={name}{event}")
                await page.wait_for_selector("#page :is(.device, .timeline, .chart, .commands, .command)")
                wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
                assert wide <= 0, name
                text = await page.locator("#page h1").inner_text()
                assert any("\u4e00" <= char <= "\u9fff" for char in text)
                await shot(page, f"{name}-{width}")
            assert complaints == []


async def test_a_centre_without_records_says_so_on_every_page(
    serve: Any, optional_part: Callable[[str, bool], None]
) -> None:
    async with serve() as url, opened(optional_part, url) as (page, complaints):
        for name in PAGES:
            await page.goto(f"{url}/?page={name}")
            await page.wait_for_selector("#page .calm")
        assert complaints == []
