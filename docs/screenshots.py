"""Take the pictures of these documents from a dashboard that runs.

    python docs/screenshots.py --url http://127.0.0.1:8080

Needs playwright and Chromium. Writes corridor.png, devices.png, events.png, performance.png, operations.png.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
from pathlib import Path

from playwright.async_api import Error, Page, async_playwright

CHROMIUM = os.environ.get("WAYSIDE_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
# What a page must show before its picture is taken.
SHOWN = {
    "corridor": "html[data-connection='live'] .intersections li",
    "devices": ".device",
    "events": ".events tbody tr",
    "performance": ".chart canvas",
    "operations": ".operations",
}


async def _take(page: Page, url: str, name: str, folder: Path) -> None:
    await page.goto(f"{url}/?page={name}")
    await page.wait_for_selector(SHOWN[name])
    if name == "events":
        await page.locator(".events button").first.click()
        await page.wait_for_selector(".waterfall, .one .calm")
    await page.wait_for_timeout(2_500)
    await page.screenshot(path=folder / f"{name}.png")
    print(f"{folder / name}.png", file=sys.stderr)


async def _main(url: str, folder: Path, only: list[str], locale: str, scheme: str) -> int:
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = await chromium.new_context(
            viewport={"width": 1280, "height": 800},
            locale=locale,
            color_scheme="light" if scheme == "light" else "dark",
        )
        page = await context.new_page()
        failed = 0
        for name in only:
            try:
                await _take(page, url.rstrip("/"), name, folder)
            except Error as error:
                print(f"{name}: {error.message.splitlines()[0]}", file=sys.stderr)
                failed = 1
        await chromium.close()
    return failed


def main() -> int:
    """Take the pictures; 1 when one of them could not be taken."""
    parser = argparse.ArgumentParser(description="Take pictures of a dashboard that runs.")
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="the centre (default %(default)s)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder (default: docs)")
    parser.add_argument("--only", nargs="+", choices=SHOWN, default=list(SHOWN), help="pages")
    parser.add_argument("--locale", default="en-US", help="language (default %(default)s)")
    parser.add_argument("--scheme", choices=("dark", "light"), default="dark")
    args = parser.parse_args()
    return asyncio.run(_main(args.url, args.out, args.only, args.locale, args.scheme))


if __name__ == "__main__":
    sys.exit(main())
