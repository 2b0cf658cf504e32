"""Imports go down only, and the three parts that never meet do not."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = frozenset({"clock", "geo", "runtime", "observe", "records", "link", "broker", "cli"})
MAY_IMPORT = {
    "asn1": CORE,
    "rsu": CORE | {"asn1"},
    "obu": CORE | {"asn1"},
    "cloud": CORE | {"asn1"},
    "mec": CORE | {"asn1", "rsu"},
    "sim": CORE | {"asn1", "rsu", "mec", "cloud", "obu"},
}
ROOTS = ("core", "asn1", "rsu", "mec_apps", "cloud", "obu", "sim-vehicles")


def part_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[2]


def sources() -> list[Path]:
    return sorted(path for root in ROOTS for path in (ROOT / root / "wayside").rglob("*.py"))


def package_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).parts[1:-1])


def absolute(node: ast.ImportFrom, package: str) -> str:
    if node.level == 0:
        return node.module or ""
    base = package.split(".")[: len(package.split(".")) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])


def imported(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, absolute(node, package_of(path))


@pytest.mark.parametrize("root", ROOTS)
def test_no_package_file_stands_in_the_shared_namespace(root: str) -> None:
    assert not (ROOT / root / "wayside" / "__init__.py").exists()


def test_every_package_is_typed() -> None:
    packages = {
        path.parents[len(path.relative_to(ROOT).parts) - 4]
        for path in sources()
        if path.parts[-2] != "wayside"
    }
    for package in packages:
        assert (package / "py.typed").exists(), f"{package} has no py.typed"


def test_imports_go_down_only() -> None:
    wrong = []
    for path in sources():
        part = part_of(path).removesuffix(".py")
        allowed = MAY_IMPORT.get(part, CORE) | {part}
        for line, module in imported(path):
            names = module.split(".")
            if names[0] == "wayside" and len(names) > 1 and names[1] not in allowed:
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {module}")
    assert not wrong, "\n".join(wrong)


def test_no_module_level_import_cycles() -> None:
    modules = {}
    for path in sources():
        names = path.relative_to(ROOT).with_suffix("").parts[1:]
        modules[".".join(names[:-1] if names[-1] == "__init__" else names)] = path

    def resolve(name: str) -> str | None:
        while name and name not in modules:
            name = name.rpartition(".")[0]
        return name or None

    graph: dict[str, set[str]] = {}
    for module, path in modules.items():
        edges = set()
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if not isinstance(node, ast.ImportFrom):
                continue
            source = absolute(node, package_of(path))
            if source.startswith("wayside"):
                for alias in node.names:
                    target = resolve(f"{source}.{alias.name}")
                    # A package may gather names from its own modules, and they may name their package.
                    if target and target != module and not module.startswith(target + "."):
                        edges.add(target)
        graph[module] = edges

    state: dict[str, int] = {}

    def visit(module: str, way: list[str]) -> None:
        state[module] = 1
        for target in sorted(graph[module]):
            if state.get(target) == 1:
                start = way.index(target) if target in way else 0
                pytest.fail("import cycle: " + " → ".join([*way[start:], target]))
            if target not in state:
                visit(target, [*way, target])
        state[module] = 2

    for module in sorted(graph):
        if module not in state:
            visit(module, [module])
