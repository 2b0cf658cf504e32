"""The shipped tables equal what the module texts give; damaged tables and impossible texts are refused."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from wayside.asn1 import DecodeError, MessageSet, TableError, TableReason, dialects, load
from wayside.asn1._sources import MODULES, TABLE_NAME
from wayside.asn1._table import Choice, Integer, ListOf, Sequence, Size, check_table, parse_table
from wayside.asn1.compiler import build_folder, build_text, source_digest, table_bytes
from wayside.asn1.compiler.__main__ import main

CSAE_TYPES = 162
VECTORS = Path(__file__).parents[1] / "vectors"


def module(body: str) -> str:
    return f"T DEFINITIONS AUTOMATIC TAGS ::= BEGIN\n{body}\nEND"


@pytest.mark.parametrize("dialect", dialects())
def test_shipped_table_is_what_the_sources_give(dialect: str) -> None:
    folder = MODULES / dialect
    assert (folder / TABLE_NAME).read_bytes() == table_bytes(build_folder(folder))
    assert load(dialect).table.digest == source_digest(folder)


@pytest.mark.parametrize("dialect", dialects())
def test_table_file_reads_back(dialect: str) -> None:
    table = load(dialect).table
    assert parse_table(table_bytes(table)) == table


def test_check_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", "csae53-2020"]) == 0
    assert "up to date" in capsys.readouterr().out
    assert main(["--check", "no-such"]) == 1
    assert "no-such" in capsys.readouterr().err


def test_check_command_finds_a_stale_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "A.asn").write_text(module("A ::= NULL"))
    (folder / "dialect.toml").write_text('id = "tiny"\ntitle = ""\nstatus = ""\n[frames]\n')
    monkeypatch.setattr("wayside.asn1.compiler.MODULES", tmp_path)
    monkeypatch.setattr("wayside.asn1.compiler.__main__.MODULES", tmp_path)
    assert main(["--check"]) == 1
    assert main([]) == 0
    assert main(["--check"]) == 0
    (folder / "A.asn").write_text(module("A ::= BOOLEAN"))
    assert main(["--check"]) == 1
    assert "tiny" in capsys.readouterr().err


def test_dialects_and_their_messages() -> None:
    csae_dialects = {"csae53-2017", "csae53-2020", "csae53-new4k", "csae157-draft"}
    assert set(dialects()) == {*csae_dialects, "j2735-2016", "j2735-2020", "j2735-2024"}
    csae, j2735 = load("csae53-2020"), load("j2735-2024")
    assert csae is load("csae53-2020")
    assert len(csae.type_names) == CSAE_TYPES
    assert csae.carried == ("BSM", "MAP", "RSM", "SPAT", "RSI")
    assert set(j2735.carried) == {"MAP", "SPAT", "BSM", "RTCM", "SRM", "SSM", "TIM", "PSM", "RSM", "SDSM"}
    assert j2735.frames["31"] == "TIM"
    assert "csae53-2020" in repr(csae)


@pytest.mark.parametrize("dialect", dialects())
def test_each_dialect_names_its_source_and_status(dialect: str) -> None:
    messages = load(dialect)
    assert messages.title and messages.status
    assert (MODULES / dialect / "README.md").is_file()


def reached(messages: MessageSet, index: int, value: Any, seen: set[int]) -> None:
    """Collects the nodes that a decoded value passes through."""
    node = messages.table.nodes[index]
    seen.add(index)
    if isinstance(node, ListOf):
        for item in value:
            reached(messages, node.element, item, seen)
    elif isinstance(node, Choice):
        at = {a.name: a.node for a in (*node.root, *(node.additions or ()))}
        if value[0] in at:
            reached(messages, at[value[0]], value[1], seen)
    elif isinstance(node, Sequence):
        members = [*node.root, *(m for a in node.additions or () for m in a.members)]
        for member in members:
            inside: int | None = member.node
            if node.open is not None and member.name == node.open.value:
                inside = node.open.nodes.get(value[node.open.id])
            if member.name in value and inside is not None:
                reached(messages, inside, value[member.name], seen)


NOTES = {"csae53-2020": "v4", "csae53-new4k": "v5", "csae157-draft": "day2"}
"""Dialects, and how the notes of a real message name them."""


def proves(entry: dict[str, Any], dialect: str) -> bool:
    """Whether a real message is one of the dialect, or said to be exact in it too."""
    if dialect in ("j2735-2016", "j2735-2020"):
        return is_whole(load(dialect), bytes.fromhex(entry["hex"]))
    exact = re.search(r"exactly with: ([\w, ]+)", entry["notes"])
    return entry["dialect"] == dialect or (exact is not None and NOTES.get(dialect) in exact[1].split(", "))


def is_whole(messages: MessageSet, octets: bytes) -> bool:
    """Whether an earlier edition knows all that stands in a message of a later one."""
    try:
        value = messages.decode(octets)
    except DecodeError:
        return False
    return type(value["value"]) is not bytes and '"..."' not in json.dumps(messages.to_json(value))


@pytest.mark.parametrize("dialect", dialects())
def test_readme_says_how_much_real_messages_prove(dialect: str) -> None:
    messages = load(dialect)
    seen: set[int] = set()
    vectors = "csae.json" if dialect.startswith("csae") else "j2735.json"
    for entry in json.loads((VECTORS / vectors).read_text("utf-8")):
        if proves(entry, dialect):
            value = messages.decode(bytes.fromhex(entry["hex"]))
            reached(messages, messages.table.types["MessageFrame"], value, seen)
    count = sum(index in seen for index in messages.table.types.values())
    text = (MODULES / dialect / "README.md").read_text("utf-8")
    assert f"reach {count} of {len(messages.type_names)} types" in text


@pytest.mark.drops(TableReason.UNKNOWN_DIALECT)
def test_unknown_dialect() -> None:
    with pytest.raises(TableError) as refused:
        load("csae53-1999")
    assert refused.value.reason is TableReason.UNKNOWN_DIALECT
    assert "csae53-2020" in str(refused.value)


def table_json() -> dict[str, Any]:
    text: dict[str, Any] = json.loads((MODULES / "csae53-2020" / TABLE_NAME).read_bytes())
    return text


def node_of(table: dict[str, Any], name: str) -> dict[str, Any]:
    node: dict[str, Any] = table["nodes"][table["types"][name]]
    return node


def _version(t: dict[str, Any]) -> None:
    t["version"] = 99


def _digest(t: dict[str, Any]) -> None:
    t["digest"] = "no"


def _type_index(t: dict[str, Any]) -> None:
    t["types"]["SPAT"] = len(t["nodes"])


def _member_index(t: dict[str, Any]) -> None:
    node_of(t, "SPAT")["root"][0]["node"] = -1


def _element_index(t: dict[str, Any]) -> None:
    node_of(t, "NodeList")["element"] = 10**6


def _range(t: dict[str, Any]) -> None:
    node_of(t, "MsgCount")["hi"] = -1


def _wide(t: dict[str, Any]) -> None:
    node_of(t, "MsgCount")["hi"] = 2**64


def _size(t: dict[str, Any]) -> None:
    node_of(t, "NodeList")["size"]["lo"] = -1


def _name(t: dict[str, Any]) -> None:
    node_of(t, "SPAT")["root"][0]["name"] = "..."


def _twice(t: dict[str, Any]) -> None:
    node_of(t, "SPAT")["root"][1]["name"] = "msgCnt"


def _empty_choice(t: dict[str, Any]) -> None:
    node_of(t, "MessageFrame")["root"] = []


def _unknown_kind(t: dict[str, Any]) -> None:
    node_of(t, "SPAT")["type"] = "surprise"


def _default(t: dict[str, Any]) -> None:
    node_of(t, "SPAT")["root"][1]["default"] = "{"


def _parts(t: dict[str, Any]) -> None:
    node_of(t, "MsgCount")["parts"] = [[0, 9], [5, 127]]


@pytest.mark.drops(TableReason.DAMAGED)
@pytest.mark.parametrize(
    "damage",
    [
        _version,
        _digest,
        _type_index,
        _member_index,
        _element_index,
        _range,
        _wide,
        _size,
        _name,
        _twice,
        _empty_choice,
        _unknown_kind,
        _default,
        _parts,
    ],
)
def test_damaged_table_is_refused(damage: Any) -> None:
    table = table_json()
    damage(table)
    with pytest.raises(TableError) as refused:
        parse_table(json.dumps(table).encode())
    assert refused.value.reason is TableReason.DAMAGED


@pytest.mark.drops(TableReason.DAMAGED)
def test_cut_table_is_refused() -> None:
    data = (MODULES / "csae53-2020" / TABLE_NAME).read_bytes()
    for length in (0, 1, 100, len(data) - 5):
        with pytest.raises(TableError):
            parse_table(data[:length])


BAD_TEXTS = {
    "no ASN.1": "hello",
    "explicit tags": "T DEFINITIONS EXPLICIT TAGS ::= BEGIN A ::= NULL END",
    "undefined type": module("A ::= SEQUENCE { b B }"),
    "defined by itself": module("A ::= B B ::= A"),
    "unknown bound": module("A ::= INTEGER (0..top)"),
    "unsupported kind": module("A ::= REAL"),
    "size of two pieces": module("A ::= OCTET STRING (SIZE(1..2 | 4..5))"),
    "union with an open end": module("A ::= INTEGER (MIN..3 | 5..9)"),
    "default of a list": module("B ::= SEQUENCE OF NULL A ::= SEQUENCE { b B DEFAULT {} }"),
    "one constraint after another": module("A ::= INTEGER (0..5)(1..3)"),
    "intersection": module("A ::= INTEGER (0..3 ^ 2..5)"),
    "exception": module("A ::= INTEGER (ALL EXCEPT 3)"),
    "included type": module("B ::= INTEGER (0..3) A ::= INTEGER (INCLUDES B)"),
    "one size after another": module("A ::= OCTET STRING (SIZE(1..3)) (SIZE(2))"),
    "contained type": module("B ::= NULL A ::= OCTET STRING (CONTAINING B)"),
    "members of another type": module("B ::= SEQUENCE { x NULL } A ::= SEQUENCE { COMPONENTS OF B }"),
    "tagged alternative": module("A ::= CHOICE { b [1] NULL, a [0] NULL }"),
    "parameters": module("B {X} ::= SEQUENCE { a X } C ::= NULL A ::= B {C}"),
    "value defined twice": module("n INTEGER ::= 5 A ::= INTEGER (0..n)").replace("END", "")
    + "END U DEFINITIONS AUTOMATIC TAGS ::= BEGIN n INTEGER ::= 9 END",
    "default out of range": module("A ::= SEQUENCE { a INTEGER (0..7) DEFAULT 9 }"),
    "default of no known name": module("A ::= SEQUENCE { a ENUMERATED { red } DEFAULT blue }"),
    "alphabet with gaps": module('A ::= IA5String (FROM("\x00" | "\x02" | "\x03"))'),
}


@pytest.mark.drops(TableReason.BAD_MODULE)
@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in BAD_TEXTS.items()])
def test_impossible_text_is_refused(text: str) -> None:
    with pytest.raises(TableError) as refused:
        build_text(text)
    assert refused.value.reason is TableReason.BAD_MODULE


def test_a_bound_beyond_64_bits_is_refused() -> None:
    with pytest.raises(TableError):
        build_text(module("A ::= INTEGER (0..18446744073709551616)"))


def test_words_in_comments_and_texts_are_no_constraints() -> None:
    first = 'A ::= IA5String (FROM ("^" | "_")) -- EXCEPT (SIZE(1)) (SIZE(2))'
    second = 'B ::= IA5String (SIZE(1..3)) (FROM ("a".."b")) /* INCLUDES */'
    table = build_text(module(f"{first}\n{second}"))
    assert table.types.keys() == {"A", "B"}


def test_open_field_named_by_something_else_than_a_number_is_refused() -> None:
    text = module("A ::= SEQUENCE { id BOOLEAN, value B } B ::= NULL")
    with pytest.raises(TableError):
        build_text(text, [{"type": "A", "id": "id", "value": "value", "types": {"1": "B"}}])


def test_open_field_of_no_type_is_refused() -> None:
    with pytest.raises(TableError) as refused:
        build_text(module("A ::= NULL"), [{"type": "B", "id": "x", "value": "y", "types": {}}])
    assert refused.value.reason is TableReason.BAD_MODULE


def test_folder_of_another_name_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "A.asn").write_text(module("A ::= NULL"))
    (folder / "dialect.toml").write_text('id = "this"\ntitle = ""\nstatus = ""\n[frames]\n')
    with pytest.raises(TableError, match="this"):
        build_folder(folder)


def test_constraints_are_resolved() -> None:
    table = build_text(
        module(
            "top INTEGER ::= 9\n"
            "A ::= INTEGER (0..top)\n"
            "B ::= INTEGER { low(2) } (low..MAX)\n"
            "C ::= INTEGER (0..3 | 5, ..., 7)\n"
            "D ::= SEQUENCE (SIZE(1..4, ...)) OF A\n"
            "E ::= SEQUENCE { a A (1..5), b BOOLEAN DEFAULT TRUE, ..., [[ c A ]], ..., d NULL OPTIONAL }\n"
            "G ::= ENUMERATED { late(9), early(1), ..., more }\n"
        )
    )

    def node(name: str) -> Any:
        return table.nodes[table.types[name]]

    assert node("A") == Integer(0, 9)
    assert node("B") == Integer(2, None)
    assert node("C") == Integer(0, 5, True, [(0, 3), (5, 5)])
    assert node("D") == ListOf(table.types["A"], Size(1, 4, True))
    e = node("E")
    assert isinstance(e, Sequence)
    assert [m.name for m in e.root] == ["a", "b", "d"]
    assert table.nodes[e.root[0].node] == Integer(1, 5)
    assert e.root[1].default == "true"
    assert e.additions is not None and e.additions[0].group
    assert node("G").root == ["early", "late"]
    check_table(table)


@pytest.mark.parametrize("dialect", dialects())
def test_loading_is_quick(dialect: str) -> None:
    """Reading the largest table takes a few milliseconds; the bound leaves room for a loaded machine."""
    import time

    data = (MODULES / dialect / TABLE_NAME).read_bytes()
    spent = []
    for _ in range(5):
        start = time.process_time()
        MessageSet(parse_table(data))
        spent.append(time.process_time() - start)
    assert min(spent) < 0.05


def test_nothing_of_the_table_can_be_changed() -> None:
    table = load("csae53-2020").table
    with pytest.raises(AttributeError):
        table.version = 2  # type: ignore[misc]
    assert msgspec.structs.asdict(table)["version"] == 1
