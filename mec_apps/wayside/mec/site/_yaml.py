from __future__ import annotations

from typing import Any

import yaml
from yaml.constructor import SafeConstructor

from wayside.mec.site._reasons import SiteProblem, SiteReason

MAX_BYTES = 1_000_000
_MAX_NODES = 50_000
_MAX_DEPTH = 32
_PLAIN = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null")}

Path = tuple[str | int, ...]


class Document:
    """Plain values of a YAML file and the line, from 1, of each by its path."""

    def __init__(self, values: Any, lines: dict[Path, int], problems: list[SiteProblem]) -> None:
        self.values = values
        self.lines = lines
        self.problems = problems

    def line(self, path: Path) -> int:
        """Line of a path, or of the nearest that encloses it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read_yaml(text: str) -> Document:
    """Parse one document of maps, lists and plain scalars; nothing else is ever constructed.

    A double key, a foreign tag, too much nesting or an alias that unfolds without end is a problem in
    `problems`, as is broken syntax; the values are then what could be read.
    """
    reader = _Reader()
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        return Document({}, {}, [SiteProblem(SiteReason.SYNTAX, line, "", f"no YAML: {error.problem}")])
    except (yaml.YAMLError, RecursionError) as error:
        what = "nested too deeply" if isinstance(error, RecursionError) else f"no YAML: {error}"
        return Document({}, {}, [SiteProblem(SiteReason.SYNTAX, 1, "", " ".join(what.split()))])
    values = {} if node is None else reader.value(node, (), 0)
    return Document(values, reader.lines, reader.problems)


class _Reader:
    def __init__(self) -> None:
        self.lines: dict[Path, int] = {}
        self.problems: list[SiteProblem] = []
        self._scalars = SafeConstructor()
        self._nodes = 0
        self._stopped = False

    def value(self, node: yaml.Node, path: Path, depth: int) -> Any:
        line = node.start_mark.line + 1
        self.lines.setdefault(path, line)
        self._nodes += 1
        if depth > _MAX_DEPTH or self._nodes > _MAX_NODES:
            self._stop(line, path)
        if self._stopped:
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, n), depth + 1) for n, item in enumerate(node.value)]
        if node.tag not in _PLAIN:
            what = f"a value of type {node.tag.rpartition(':')[2]} has no place here"
            self._problem(SiteReason.BAD_VALUE, line, path, what, "write it in quotes to make it text")
            return None
        try:
            return self._scalars.construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            self._problem(SiteReason.SYNTAX, line, path, " ".join(str(error).split()), "")
            return None

    def _mapping(self, node: yaml.MappingNode, path: Path, depth: int) -> dict[Any, Any]:
        out: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == "tag:yaml.org,2002:merge":
                self._problem(SiteReason.SYNTAX, line, path, "a key that is no plain word", "")
                continue
            key = self.value(key_node, (*path, "key"), depth + 1)
            if self._stopped:
                return out
            del self.lines[(*path, "key")]
            if isinstance(key, bool | float) or key is None:
                key = key_node.value
            here = (*path, key)
            if key in out:
                first = self.lines[here]
                self._problem(
                    SiteReason.DUPLICATE_KEY, line, here, f"given before, in line {first}", "keep one of them"
                )
                continue
            self.lines[here] = line
            out[key] = self.value(value_node, here, depth + 1)
        return out

    def _problem(self, reason: SiteReason, line: int, path: Path, what: str, advice: str) -> None:
        self.problems.append(SiteProblem(reason, line, key_text(path), what, advice))

    def _stop(self, line: int, path: Path) -> None:
        if not self._stopped:
            self._stopped = True
            self._problem(
                SiteReason.TOO_LARGE,
                line,
                path[:4],
                "nested too deeply, or an alias that unfolds to too much",
                f"at most {_MAX_DEPTH} levels and {_MAX_NODES} values",
            )


def key_text(path: Path) -> str:
    """`sensors[0].rate_hz` of a path."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text
