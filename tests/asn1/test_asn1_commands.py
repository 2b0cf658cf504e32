"""`wayside asn1 decode|encode|dialects`, as a user types them."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from wayside.asn1 import dialects, load
from wayside.cli import main

VECTORS = Path(__file__).parents[1] / "vectors"


def entry(message: str, name: str = "j2735.json") -> dict[str, Any]:
    entries: list[dict[str, Any]] = json.loads((VECTORS / name).read_text("utf-8"))
    return min((e for e in entries if e["message"] == message), key=lambda e: len(e["hex"]))


def feed(monkeypatch: pytest.MonkeyPatch, octets: bytes) -> None:
    class Input:
        buffer = io.BytesIO(octets)

    monkeypatch.setattr("sys.stdin", Input)


def test_decode_prints_names_and_values(capsys: pytest.CaptureFixture[str]) -> None:
    bsm = entry("BasicSafetyMessage")
    assert main(["asn1", "decode", "--dialect", "j2735-2024", bsm["hex"]]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"j2735-2024 BSM: {len(bsm['hex']) // 2} octets")
    assert f"lat: {bsm['decoded']['value']['coreData']['lat']}" in out
    assert "wheelBrakes: " in out and "(bits)" in out


def test_default_dialect_and_choices(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["asn1", "decode", entry("rsiFrame", "csae.json")["hex"]]) == 0
    out = capsys.readouterr().out
    assert ("csae53-2020 RSI" in out and "position-LatLon:" in out) or "position-LL" in out


@pytest.mark.parametrize("message", ["MapData", "SPAT", "BasicSafetyMessage", "TravelerInformation"])
def test_decode_json_and_encode_are_inverse(
    message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = entry(message)
    assert main(["asn1", "decode", "--json", "--dialect", "j2735-2024", given["hex"]]) == 0
    printed = capsys.readouterr().out
    decoded = json.loads(printed)
    assert decoded["value"] == given["decoded"]
    assert (decoded["octets"], decoded["trailing_hex"]) == (len(given["hex"]) // 2, "")
    feed(monkeypatch, printed.encode())
    assert main(["asn1", "encode"]) == 0
    assert capsys.readouterr().out.strip() == given["hex"]
    assert main(["asn1", "encode", "--dialect", "j2735-2024", json.dumps(given["decoded"])]) == 0
    assert capsys.readouterr().out.strip() == given["hex"]


def test_encode_of_unknown_content(capsys: pytest.CaptureFixture[str]) -> None:
    value = '["vehicle", ["8180", 9]]'
    assert main(["asn1", "encode", "--type", "LaneTypeAttributes", value]) == 0
    octets = capsys.readouterr().out.strip()
    assert load("csae53-2020").decode(bytes.fromhex(octets), "LaneTypeAttributes") == (
        "vehicle",
        (b"\x81\x80", 9),
    )
    unknown = '["...", [3, "ab"]]'
    assert main(["asn1", "encode", "--type", "LaneTypeAttributes", "--json", unknown]) == 0
    octets = json.loads(capsys.readouterr().out)["hex"]
    assert main(["asn1", "decode", "--type", "LaneTypeAttributes", "--json", octets]) == 0
    assert json.loads(capsys.readouterr().out)["value"] == json.loads(unknown)


def test_trailing_octets_are_reported(capsys: pytest.CaptureFixture[str]) -> None:
    octets = entry("rsmFrame", "csae.json")["hex"]
    assert main(["asn1", "decode", octets + "beef"]) == 0
    assert "2 octets behind the message: beef" in capsys.readouterr().out
    assert main(["asn1", "decode", "--json", octets + "beef"]) == 0
    assert json.loads(capsys.readouterr().out)["trailing_hex"] == "beef"
    assert main(["asn1", "decode", "--strict", octets + "beef"]) == 1
    assert "trailing" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"00zz12\n", b"hello world\r\n", b"\xef\xbb\xbf00 2e x\n"])
def test_text_that_is_no_hexadecimal_is_not_taken_as_binary(
    content: bytes, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    feed(monkeypatch, content)
    assert main(["asn1", "decode"]) == 1
    assert "is no hexadecimal digit" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["binary", "hex", "spaced", "marked"])
def test_files_and_standard_input(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = entry("spatFrame", "csae.json")["hex"]
    spaced = "0x" + " ".join(text[at : at + 2] for at in range(0, len(text), 2)) + "\n"
    content = {
        "binary": bytes.fromhex(text),
        "hex": text.encode(),
        "spaced": spaced.encode(),
        "marked": b"\xef\xbb\xbf0X" + text.upper().encode() + b"\r\n",
    }[form]
    path = tmp_path / "message"
    path.write_bytes(content)
    assert main(["asn1", "decode", "--file", str(path)]) == 0
    assert "SPAT" in capsys.readouterr().out
    feed(monkeypatch, content)
    assert main(["asn1", "decode"]) == 0
    assert "SPAT" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["decode", "zz"], "'z' is no hexadecimal digit"),
        (["decode", "00路"], "'路' is no hexadecimal digit"),
        (["decode", "0x"], "empty"),
        (["decode", "--file", "/no/such/file", "00"], "not both"),
        (["encode", "--file", "/no/such/file", "7"], "not both"),
        (["decode", "123"], "odd number"),
        (["decode", ""], "empty"),
        (["decode", "--file", "/no/such/file"], "cannot read"),
        (["decode", "00ff"], "bsmFrame.msgCnt"),
        (["decode", "--type", "movementlist", "00"], "no type 'movementlist'; similar: MovementList"),
        (["decode", "--type", "?", "00"], "wayside asn1 dialects --json"),
        (["encode", "--type", "Nodes", "[]"], "no type 'Nodes'; similar: Node"),
        (["encode", '{"dialect": "csae53-2020", "type": ["x"], "value": 1}'], "no type"),
        (["encode", "{"], "cannot read the JSON"),
        (["encode", "7"], "wrong_type"),
        (["encode", '["bsmFrame", {}]'], "bsmFrame.msgCnt"),
        (["encode", '["rsmFrame", {"id": "xy"}]'], "rsmFrame.id"),
        (["encode", '["noFrame", {}]'], "known are bsmFrame, mapFrame, rsmFrame"),
        (["encode", '{"dialect": "x", "type": "y", "value": 1}'], "unknown_dialect"),
        (["encode", '["...", [1]]'], "wrong_type"),
        (["encode", '["rsmFrame", {"...": [1, {"x": "00"}]}]'], "number of an addition"),
        (["encode", "[" * 100000], "cannot read the JSON"),
    ],
)
def test_errors_are_said_and_fail(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["asn1", *words]) == 1
    captured = capsys.readouterr()
    assert said in captured.err
    assert not captured.out


def test_dialects(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["asn1", "dialects"]) == 0
    out = capsys.readouterr().out
    assert "csae53-2020" in out and "SAE J2735 (2024-09)" in out and "162 types" in out
    for dialect in dialects():
        assert f"\n{dialect:<14}{load(dialect).title}\n" in f"\n{out}"
        assert f"\n{'':<14}{load(dialect).status}\n" in out
    assert main(["asn1", "dialects", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["dialect"] for row in rows] == sorted(row["dialect"] for row in rows)
    assert "MapData" in rows[-1]["types"]


@pytest.mark.parametrize("command", [[], ["decode"], ["encode"], ["dialects"]])
def test_help_has_an_example(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["asn1", *command, "--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert "example: wayside asn1" in out
    assert out.isascii()
    assert ("what the JSON names" in out) == (command == ["encode"])
