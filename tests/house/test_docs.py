"""The documents say what the software does: links lead somewhere, and tables name what there is."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from wayside import link
from wayside.mec.site import SiteModel, SiteReason

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text("utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize(
    "body",
    [
        *(link.Hello, link.Welcome, link.Refused, link.ClockPing, link.ClockPong),
        *(link.Warning, link.Advice, link.Cancel, link.Receipt, link.Bye),
    ],
)
def test_the_link_s_page_has_every_member_of_every_body(body: type[msgspec.Struct]) -> None:
    text = (ROOT / "docs" / "link.md").read_text("utf-8")
    name = {link.ClockPing: "CLOCK_PING", link.ClockPong: "CLOCK_PONG"}.get(body, body.__name__.upper())
    rows = re.search(rf"^\| {name} \|.*\n(?:\| \|.*\n)*", text.partition("### Members")[2], re.MULTILINE)
    assert rows is not None
    assert {field.name for field in msgspec.structs.fields(body)} <= set(re.findall(r"`(\w+)`", rows[0]))


def test_the_link_s_page_has_every_word_of_the_wire() -> None:
    text = (ROOT / "docs" / "link.md").read_text("utf-8").partition("### Members")[2]
    for words in (
        link.WarningKind,
        link.AdviceKind,
        link.Action,
        link.Refusal,
        link.CancelReason,
        link.Outcome,
    ):
        for word in words:
            assert re.search(rf"\b{word.value}\b", text), word


def test_the_site_file_s_page_has_every_key_and_reason() -> None:
    text = (ROOT / "docs" / "site-file.md").read_text("utf-8")
    for key in SiteModel.model_fields:
        assert re.search(rf"^\| `{key}\b", text, re.MULTILINE), key
    assert {reason.value for reason in SiteReason} <= set(re.findall(r"\w+", text.partition("## Reasons")[2]))


async def test_the_centre_s_page_has_every_route(tmp_path: Path) -> None:
    from wayside.clock import SystemClock
    from wayside.cloud import CloudSettings
    from wayside.cloud._app import create_app

    text = (ROOT / "docs" / "centre.md").read_text("utf-8")
    told = {re.sub(r"{\w+}", "{}", path) for path in re.findall(r"`(/[^`]*)`", text)}
    app = create_app(CloudSettings(data=tmp_path), SystemClock())
    paths = {re.sub(r"{\w+}", "{}", path) for path in app.openapi()["paths"]}
    await app.state.centre.close()
    assert paths <= told, paths - told
