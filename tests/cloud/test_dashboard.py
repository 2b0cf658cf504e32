"""The map page's own files: what is vendored, what is said, what is asked for."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from wayside.cloud._app import DASHBOARD
from wayside.observe import STAGES

VENDOR = DASHBOARD / "vendor"


def test_vendored_files_are_those_of_the_manifest() -> None:
    manifest = json.loads((VENDOR / "manifest.json").read_text())
    told = {}
    for package in manifest["packages"]:
        assert package["version"] and package["licence"]
        assert any("LICENSE" in item["file"] for item in package["files"]), package["name"]
        told |= {item["file"]: (item["bytes"], item["sha256"]) for item in package["files"]}
    there = {
        path.name: (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in VENDOR.iterdir()
        if path.name != "manifest.json"
    }
    assert there == told


def _own_files(*suffixes: str) -> list[Path]:
    return [path for suffix in suffixes for path in DASHBOARD.glob(f"*{suffix}")]


def test_both_languages_say_the_same_things() -> None:
    texts = {name: json.loads((DASHBOARD / "text" / f"{name}.json").read_text()) for name in ("en", "zh")}
    assert texts["en"].keys() == texts["zh"].keys()
    for key in texts["en"]:
        places = [sorted(re.findall(r"\{\w+\}", texts[name][key])) for name in texts]
        assert places[0] == places[1], key
        assert all(text[key].strip() for text in texts.values())
    differ = {key for key in texts["en"] if texts["en"][key] != texts["zh"][key]}
    assert differ == texts["en"].keys(), "a text that was not translated"


def test_each_text_that_the_page_asks_for_exists_and_none_is_left_over() -> None:
    texts = set(json.loads((DASHBOARD / "text" / "en.json").read_text()))
    code = "\n".join(path.read_text() for path in _own_files(".mjs"))
    plain = set(re.findall(r'\bt\(\s*"([\w.]+)"', code)) | set(re.findall(r'named\("([\w.]+)"', code))
    assert plain <= texts, plain - texts
    families = {prefix for prefix in re.findall(r"(?:\bt|named)\(`([\w.]+\.)\$\{", code)}
    quoted = set(re.findall(r'"([a-z_]+(?:\.[\w]+)+)"', code))
    unused = {
        key
        for key in texts
        if key not in plain | quoted and not any(key.startswith(prefix) for prefix in families)
    }
    assert not unused


def test_each_stage_of_a_warning_has_a_name_and_a_colour() -> None:
    texts = json.loads((DASHBOARD / "text" / "en.json").read_text())
    style = (DASHBOARD / "style.css").read_text()
    for stage in STAGES[1:]:
        assert f"stage.{stage.value}" in texts
        assert f'[data-stage="{stage.value}"]' in style


def test_no_own_file_names_another_host() -> None:
    for path in _own_files(".mjs", ".css", ".html"):
        text = path.read_text()
        assert not re.search(r"https?://|(?<!:)//[a-z0-9-]+\.[a-z]", text), path.name
        assert "eval(" not in text and 'style="' not in text.replace("http-equiv", ""), path.name
