"""Every real message decodes to its published value and encodes to its published bytes."""

import json
from pathlib import Path
from typing import Any

import pytest

from wayside.asn1 import CodecReason, DecodeError, dialects, frame_name, load

VECTORS = Path(__file__).parents[1] / "vectors"


def entries(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((VECTORS / name).read_text("utf-8"))
    return found


def cases() -> list[Any]:
    return [
        pytest.param(entry, id=f"{name}-{at}-{entry['message']}")
        for name in ("csae.json", "j2735.json")
        for at, entry in enumerate(entries(name))
        if entry["dialect"] in dialects()
    ]


def test_all_messages_of_our_dialects_are_there() -> None:
    count = {
        name: sum(e["dialect"] in dialects() for e in entries(name)) for name in ("csae.json", "j2735.json")
    }
    assert count["csae.json"] == 8
    assert count["j2735.json"] == 77


@pytest.mark.parametrize("entry", cases())
def test_exact_both_ways(entry: dict[str, Any]) -> None:
    messages = load(entry["dialect"])
    octets = bytes.fromhex(entry["hex"])
    value = messages.decode(octets)
    assert messages.to_json(value) == entry["decoded"]
    assert messages.encode(value) == octets
    assert messages.from_json(entry["decoded"]) == value


@pytest.mark.parametrize("entry", cases())
def test_trailing_octets(entry: dict[str, Any]) -> None:
    messages = load(entry["dialect"])
    octets = bytes.fromhex(entry["hex"])
    trailing = bytes.fromhex(entry.get("trailing_hex", "")) or b"\x00"
    value, bits = messages.decode_prefix(octets + trailing)
    assert messages.to_json(value) == entry["decoded"]
    assert (bits + 7) // 8 == len(octets)
    assert messages.decode(octets + trailing, trailing="ignore") == value
    with pytest.raises(DecodeError) as refused:
        messages.decode(octets + trailing)
    assert refused.value.reason is CodecReason.TRAILING
    assert refused.value.bit_offset == bits


@pytest.mark.parametrize("entry", cases())
def test_every_kind_of_buffer(entry: dict[str, Any]) -> None:
    messages = load(entry["dialect"])
    octets = bytes.fromhex(entry["hex"])
    value = messages.decode(octets)
    assert messages.decode(bytearray(octets)) == value
    assert messages.decode(memoryview(b"-" + octets)[1:]) == value


@pytest.mark.parametrize("entry", cases())
def test_truncated_anywhere(entry: dict[str, Any]) -> None:
    messages = load(entry["dialect"])
    octets = bytes.fromhex(entry["hex"])
    for length in range(len(octets)):
        with pytest.raises(DecodeError) as refused:
            messages.decode(octets[:length])
        assert 0 <= refused.value.bit_offset <= length * 8


def test_the_hex_of_no_dialect_is_refused() -> None:
    undecoded = [e for e in entries("csae.json") if e["message"] == "undecoded"]
    assert undecoded
    for entry in undecoded:
        for dialect in dialects():
            with pytest.raises(DecodeError):
                load(dialect).decode(bytes.fromhex(entry["hex"]))


NAMES = {
    "MapData": "MAP",
    "BasicSafetyMessage": "BSM",
    "TravelerInformation": "TIM",
    "SignalStatusMessage": "SSM",
    "SensorDataSharingMessage": "SDSM",
    "RoadSafetyMessage": "RSM",
    "SignalRequestMessage": "SRM",
    "PersonalSafetyMessage": "PSM",
    "RTCMcorrections": "RTCM",
    "bsmFrame": "BSM",
    "spatFrame": "SPAT",
    "rsmFrame": "RSM",
    "rsiFrame": "RSI",
    "msgFrameExt/CLPMM": "CLPMM",
}


@pytest.mark.parametrize("entry", cases())
def test_frame_name(entry: dict[str, Any]) -> None:
    value = load(entry["dialect"]).decode(bytes.fromhex(entry["hex"]))
    assert frame_name(entry["dialect"], value) == NAMES.get(entry["message"], entry["message"])


def test_frame_name_of_what_is_no_known_frame() -> None:
    assert frame_name("j2735-2024", {"messageId": 999, "value": b""}) == "999"
    assert frame_name("csae53-2020", ("...", (0, b""))) == "unknown"
    assert frame_name("csae53-2020", 7) == "unknown"
    assert frame_name("csae157-draft", ("msgFrameExt", {"messageId": 999, "value": b""})) == "999"
    assert frame_name("csae157-draft", ("msgFrameExt", 7)) == "msgFrameExt"
    assert frame_name("csae157-draft", ("bsmFrame", {"messageId": 16})) == "BSM"
