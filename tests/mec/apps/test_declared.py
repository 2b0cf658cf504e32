from __future__ import annotations

from pathlib import Path

import pytest

from wayside.mec.apps import Parameters, declared
from wayside.mec.site import project_apps

PAGE = Path(__file__).parents[3] / "docs" / "apps.md"


@pytest.mark.parametrize("kind", project_apps().values())
def test_every_parameter_says_what_it_is(kind: type[Parameters]) -> None:
    for parameter in declared(kind):
        assert parameter.meaning and parameter.source, parameter.name
        unit = next(
            (u for u in ("_mps2", "_mps", "_rps", "_ms", "_s", "_m") if parameter.name.endswith(u)), ""
        )
        units = {"_mps2": "m/s2", "_mps": "m/s", "_rps": "rad/s", "_ms": "ms", "_s": "s", "_m": "m"}
        assert parameter.unit == units.get(unit, "")


@pytest.mark.parametrize("kind", project_apps().values())
def test_the_page_states_every_parameter_as_it_is(kind: type[Parameters]) -> None:
    text = PAGE.read_text(encoding="utf-8")
    for p in declared(kind):
        default = str(p.default).lower() if isinstance(p.default, bool) else p.default
        assert f"| `{p.name}` | {p.unit} | {default} | {p.meaning} | {p.source} |" in text
