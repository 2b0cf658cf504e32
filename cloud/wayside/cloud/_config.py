from __future__ import annotations

import os
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import BaseModel, SecretStr, ValidationError
from yaml.constructor import SafeConstructor

from wayside.cloud._reasons import CloudError, CloudReason
from wayside.cloud._settings import CloudSettings

_MAX_BYTES = 65_536
_MAX_NODES = 1_000
_MAX_DEPTH = 6
_PLAIN = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null")}

_Path = tuple[str | int, ...]


class Problem(NamedTuple):
    """What is wrong with a configuration file. line: from 1, 0 for the file as a whole."""

    line: int
    key: str
    what: str


class ConfigError(CloudError):
    """A configuration file that cannot be used; `problems` has all of them, each with its line."""

    def __init__(self, file: Path, problems: list[Problem]) -> None:
        self.problems = sorted(problems)
        lines = [
            f"{file}{f':{line}' if line else ''}: {f'{key}: ' if key else ''}{what}"
            for line, key, what in self.problems
        ]
        super().__init__(CloudReason.BAD_CONFIG, "\n".join(lines), where=f"{len(lines)} problem(s)")


def load_settings(file: Path | None, overrides: Mapping[str, Any]) -> CloudSettings:
    """Settings of a YAML file, of the defaults without one; overrides: what was said on the command line.

    Keys are the members of CloudSettings. Secrets stand elsewhere: `{env: NAME}` or `{file: path}`. Paths are
    relative to the file. Raises ConfigError (BAD_CONFIG) with all problems.
    """
    reader = _Reader()
    values: Any = {}
    if file is not None:
        values = reader.read(_text(file))
    if not isinstance(values, dict):
        reader.problems.append(Problem(1, "", "the file is no map of keys to values"))
        values = {}
    if file is not None:
        values = _resolved(CloudSettings, values, (), file.parent, reader)
    if reader.problems:
        raise ConfigError(file or Path(), reader.problems)
    try:
        return CloudSettings.model_validate(values | dict(overrides))
    except ValidationError as error:
        problems = [_problem(reader, each) for each in error.errors(include_url=False)]
        raise ConfigError(file or Path("command line"), problems) from None


def _text(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            data = stream.read(_MAX_BYTES + 1)
        text = data.decode("utf-8")
    except OSError as error:
        raise ConfigError(file, [Problem(0, "", f"cannot be read: {error.strerror or error}")]) from None
    except UnicodeDecodeError as error:
        raise ConfigError(file, [Problem(0, "", f"octet {error.start} is no UTF-8")]) from None
    if len(data) > _MAX_BYTES:
        raise ConfigError(file, [Problem(0, "", f"larger than {_MAX_BYTES} octets")])
    return text


class _Reader:
    """Plain values of a YAML document, and the line of each; nothing else is ever constructed."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._lines: dict[_Path, int] = {}
        self._scalars = SafeConstructor()
        self._nodes = 0

    def read(self, text: str) -> Any:
        try:
            node = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            self.problems.append(
                Problem(0 if mark is None else mark.line + 1, "", f"no YAML: {error.problem}")
            )
            return {}
        except (yaml.YAMLError, RecursionError):
            self.problems.append(Problem(1, "", "no YAML"))
            return {}
        return {} if node is None else self._value(node, ())

    def line(self, path: _Path) -> int:
        """Line of a path, or of the nearest that encloses it; 0 where it is not in the file."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 0)

    def _value(self, node: yaml.Node, path: _Path) -> Any:
        line = node.start_mark.line + 1
        self._lines.setdefault(path, line)
        self._nodes += 1
        if self._nodes > _MAX_NODES or len(path) > _MAX_DEPTH:
            if self._nodes <= _MAX_NODES + 1:
                self.problems.append(Problem(line, _name(path), "too much, or nested too deeply"))
            return None
        if isinstance(node, yaml.MappingNode):
            out: dict[str, Any] = {}
            for key_node, value_node in node.value:
                key = key_node.value if isinstance(key_node, yaml.ScalarNode) else ""
                here = (*path, key)
                if not key or key in out or key_node.tag not in _PLAIN:
                    what = "given before" if key and key in out else "a key that is no plain word"
                    self.problems.append(Problem(key_node.start_mark.line + 1, _name(here), what))
                    continue
                self._lines[here] = key_node.start_mark.line + 1
                out[key] = self._value(value_node, here)
            return out
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, (*path, n)) for n, item in enumerate(node.value)]
        if node.tag not in _PLAIN:
            self.problems.append(Problem(line, _name(path), "a value of a type that has no place here"))
            return None
        try:
            return self._scalars.construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            self.problems.append(Problem(line, _name(path), " ".join(str(error).split())))
            return None


def _resolved(
    kind: type[BaseModel], values: dict[str, Any], path: _Path, folder: Path, reader: _Reader
) -> Any:
    """The values with secrets fetched and paths made whole."""
    out = dict(values)
    for name, value in values.items():
        field = kind.model_fields.get(name)
        here = (*path, name)
        if field is None or value is None:
            continue
        kinds = getattr(field.annotation, "__args__", (field.annotation,))
        inner = next((k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)), None)
        if SecretStr in kinds:
            out[name] = _secret(value, here, folder, reader)
        elif Path in kinds and isinstance(value, str):
            out[name] = folder / value
        elif inner is not None and isinstance(value, dict):
            out[name] = _resolved(inner, value, here, folder, reader)
    return out


def _secret(value: Any, path: _Path, folder: Path, reader: _Reader) -> SecretStr:
    def problem(what: str) -> SecretStr:
        reader.problems.append(Problem(reader.line(path), _name(path), what))
        return SecretStr("")

    if not isinstance(value, dict) or len(value) != 1 or not {"env", "file"} & value.keys():
        return problem("a secret does not stand here: give {env: NAME} or {file: path}")
    [(source, place)] = value.items()
    if source == "env":
        found = os.environ.get(str(place), "").strip()
        return SecretStr(found) if found else problem(f"the environment has no {place}")
    try:
        found = (folder / str(place)).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        return problem(f"{place}: {getattr(error, 'strerror', None) or error}")
    return SecretStr(found) if found else problem(f"{place} is empty")


def _problem(reader: _Reader, error: Any) -> Problem:
    path: _Path = tuple(error["loc"])
    what = str(error["msg"])
    if error["type"] == "extra_forbidden":
        near = get_close_matches(str(path[-1]), CloudSettings.model_fields, 1)
        what = "unknown key" + (f"; did you mean {near[0]}?" if near else "")
    return Problem(reader.line(path), _name(path), what)


def _name(path: _Path) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")
