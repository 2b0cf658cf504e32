from __future__ import annotations

import json
from pathlib import Path

from wayside.records import command_schema, json_schema

SCHEMA = Path(__file__).parents[2] / "docs" / "schemas" / "record.json"


def test_the_schema_in_the_documentation_is_that_of_the_code() -> None:
    """To renew it: `json.dumps(json_schema(), indent=2, ensure_ascii=False)` and a line end."""
    assert SCHEMA.read_text() == json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def test_the_schema_of_a_command_is_that_of_the_code() -> None:
    told = (SCHEMA.parent / "command.json").read_text()
    assert told == json.dumps(command_schema(), indent=2, ensure_ascii=False) + "\n"
