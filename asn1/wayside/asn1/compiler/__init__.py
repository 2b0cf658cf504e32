"""Builds the table of a dialect from its module texts; needs asn1tools, which running a codec does not."""

import hashlib
import tomllib
from pathlib import Path

import msgspec

from wayside.asn1._bits import Limits, Writer
from wayside.asn1._encode import Encoders
from wayside.asn1._errors import Fault, TableError
from wayside.asn1._json import default_value
from wayside.asn1._sources import MODULES, TABLE_NAME
from wayside.asn1._table import TABLE_VERSION, Sequence, Table, check_table, members

from ._parse import NodeBuilder, bad_module, parse_modules

__all__ = ["build_folder", "build_text", "source_digest", "table_bytes"]


def build_text(text: str, open_fields: list[dict[str, object]] | None = None) -> Table:
    """The table of module text; `open_fields` as `[[open]]` of dialect.toml. Raises TableError."""
    builder = NodeBuilder(parse_modules(text), open_fields or [])
    table = Table(
        version=TABLE_VERSION,
        dialect="text",
        title="",
        status="",
        digest=hashlib.sha256(text.encode()).hexdigest(),
        frames={},
        types=builder.types,
        nodes=builder.nodes,
    )
    _check(table)
    return table


def build_folder(folder: Path) -> Table:
    """The table of one dialect's folder: all its `*.asn` and its `dialect.toml`. Raises TableError."""
    try:
        facts = tomllib.loads((folder / "dialect.toml").read_text("utf-8"))
        text = "\n".join(path.read_text("utf-8") for path in _module_files(folder))
        builder = NodeBuilder(parse_modules(text), facts.get("open", []))
        table = Table(
            version=TABLE_VERSION,
            dialect=facts["id"],
            title=facts["title"],
            status=facts["status"],
            digest=source_digest(folder),
            frames=facts["frames"],
            types=builder.types,
            nodes=builder.nodes,
        )
        _check(table)
    except (OSError, KeyError, tomllib.TOMLDecodeError, TableError) as error:
        what = error.what if isinstance(error, TableError) else error
        raise bad_module(f"{folder.name}: {what}") from error
    if table.dialect != folder.name:
        raise bad_module(f"{folder.name}: dialect.toml calls it {table.dialect}")
    return table


def source_digest(folder: Path) -> str:
    """SHA-256 over names and contents of the sources, in order of name."""
    digest = hashlib.sha256()
    for path in [*_module_files(folder), folder / "dialect.toml"]:
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def table_bytes(table: Table) -> bytes:
    """The table as its file holds it: JSON, one node a line."""
    head = msgspec.structs.asdict(table)
    nodes = [msgspec.json.encode(node).decode() for node in head.pop("nodes")]
    body = msgspec.json.encode(head).decode()
    return (body[:-1] + ',"nodes":[\n' + ",\n".join(nodes) + "\n]}\n").encode()


def _check(table: Table) -> None:
    """Hold the table, and encode each DEFAULT: it must be a value of its type. Raises TableError."""
    try:
        check_table(table)
    except TableError as error:
        raise bad_module(error.what) from None
    limits = Limits()
    encoders = Encoders(table)
    for node in table.nodes:
        for member in members(node) if isinstance(node, Sequence) else ():
            if member.default is not None:
                writer = Writer(limits.max_octets, limits.max_elements, limits.max_depth)
                try:
                    encoders.get(member.node)(writer, default_value(table, member))
                except Fault as fault:
                    raise bad_module(f"DEFAULT of {member.name}: {fault.detail or fault.reason}") from None


def _module_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.asn"))


def table_path(dialect: str) -> Path:
    """Where the shipped table of a dialect stands."""
    return MODULES / dialect / TABLE_NAME
