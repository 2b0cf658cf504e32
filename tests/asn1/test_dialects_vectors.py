"""Which dialect takes which real CSAE message: exact where its notes say so, refused or other elsewhere."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from wayside.asn1 import DecodeError, load

CSAE = Path(__file__).parents[1] / "vectors" / "csae.json"
SHORT = {"v3": "csae53-2017", "v4": "csae53-2020", "v5": "csae53-new4k", "day2": "csae157-draft"}
DIALECTS = tuple(SHORT.values())


def entries() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(CSAE.read_text("utf-8"))
    return [entry for entry in found if entry["dialect"] != "unknown"]


def spoken(entry: dict[str, Any]) -> set[str]:
    """Dialects that the notes of a message name as exact, and its own."""
    named = re.search(r"exactly with: ([\w, ]+)", entry["notes"])
    return {entry["dialect"], *(SHORT[word] for word in (named[1].split(", ") if named else ()))}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "entry", [pytest.param(e, id=f"{at}-{e['message']}") for at, e in enumerate(entries())]
)
def test_a_real_message_in_each_dialect(entry: dict[str, Any], dialect: str) -> None:
    messages, octets = load(dialect), bytes.fromhex(entry["hex"])
    if dialect in spoken(entry):
        value = messages.decode(octets)
        assert messages.to_json(value) == entry["decoded"]
        assert messages.encode(value) == octets
        assert messages.encode(messages.from_json(entry["decoded"])) == octets
        return
    try:
        value = messages.decode(octets)
    except DecodeError:
        return
    assert messages.to_json(value) != entry["decoded"]


def test_how_many_real_messages_each_dialect_takes() -> None:
    counts = {dialect: sum(dialect in spoken(e) for e in entries()) for dialect in DIALECTS}
    assert counts == {"csae53-2017": 0, "csae53-2020": 7, "csae53-new4k": 6, "csae157-draft": 7}
