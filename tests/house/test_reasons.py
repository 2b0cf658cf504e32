"""A reason for dropping or refusing something exists only with a test that provokes it."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from pathlib import Path

import wayside
from wayside.observe import Reason, all_reasons

TESTS = Path(__file__).parents[1]


def aliases(tree: ast.Module) -> dict[str, str]:
    """Short names that a test module gives: `R = SensorReason`, `import … as R`."""
    short: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name):
            short.update({t.id: node.value.id for t in node.targets if isinstance(t, ast.Name)})
        elif isinstance(node, ast.ImportFrom):
            short.update({alias.asname: alias.name for alias in node.names if alias.asname})
    return short


def provoked() -> set[str]:
    """`Enum.MEMBER` of every `pytest.mark.drops(...)` in the tests."""
    names: set[str] = set()
    for path in TESTS.rglob("test_*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        short = aliases(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.drops":
                for part in (part for argument in node.args for part in ast.walk(argument)):
                    if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name):
                        names.add(f"{short.get(part.value.id, part.value.id)}.{part.attr}")
    return names


def reasons() -> list[Reason]:
    for module in pkgutil.walk_packages(wayside.__path__, "wayside."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    return [reason for reason in all_reasons() if type(reason).__module__.startswith("wayside.")]


def test_every_reason_is_provoked_by_a_test() -> None:
    tested = provoked()
    known = reasons()
    assert len(known) > 10
    missing = sorted(
        f"{type(reason).__name__}.{reason.name}"
        for reason in known
        if f"{type(reason).__name__}.{reason.name}" not in tested
    )
    assert not missing, "no test is marked drops(...) for: " + ", ".join(missing)


def test_a_stage_has_one_enumeration() -> None:
    from wayside.observe import stage_of

    owners: dict[str, set[str]] = {}
    for reason in reasons():
        owners.setdefault(stage_of(reason), set()).add(type(reason).__qualname__)
    doubled = {stage: kinds for stage, kinds in owners.items() if len(kinds) > 1}
    assert not doubled
