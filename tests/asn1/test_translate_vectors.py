"""Every real message of the five kinds goes into a typed message and back without a change."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from wayside.asn1 import dialects, load
from wayside.asn1.messages import Message, PerceivedObjects, RoadEvents
from wayside.asn1.translate import DIALECTS, TranslateError, split, to_message, to_wire
from wayside.clock import UtcNs

VECTORS = Path(__file__).parents[1] / "vectors"
NEAR = UtcNs(1_773_993_600_000_000_000)
KINDS = ("Frame", "MapData", "SPAT", "BasicSafetyMessage", "TravelerInformation", "SensorDataSharingMessage")


def cases(*kinds: str) -> list[Any]:
    found = []
    for name in ("csae.json", "j2735.json"):
        for at, entry in enumerate(json.loads((VECTORS / name).read_text("utf-8"))):
            if entry["dialect"] in dialects() and entry["message"].endswith(kinds):
                found.append(pytest.param(entry, id=f"{name}-{at}-{entry['message']}"))
    return found


def translated(entry: dict[str, Any]) -> tuple[Message, tuple[str, ...]]:
    value = load(entry["dialect"]).decode(bytes.fromhex(entry["hex"]))
    return to_message(entry["dialect"], value, near=NEAR)


def through_the_wire(dialect: str, message: Message) -> tuple[Message, tuple[str, ...]]:
    encoded = to_wire(dialect, message)
    octets = load(dialect).encode(encoded.value)
    return to_message(dialect, load(dialect).decode(octets), near=NEAR).message, encoded.lost


def test_there_are_messages_of_every_kind() -> None:
    assert len(cases(*KINDS)) == 7 + 19 + 16 + 13 + 8 + 5


@pytest.mark.parametrize("entry", cases(*KINDS))
def test_wire_to_message_to_wire_to_message_is_the_identity(entry: dict[str, Any]) -> None:
    message, _ = translated(entry)
    again, lost = through_the_wire(entry["dialect"], message)
    if entry["message"] == "TravelerInformation":
        again, message = rounded(again), rounded(message)
    if not lost:
        assert again == message
    else:
        assert "random-valued" in entry["notes"] or entry["message"] == "SensorDataSharingMessage"


def rounded(message: Message) -> Message:
    """Places to 1e-7 degrees: offsets in zoomed centimetres are finer than what a TIM is written in."""
    assert isinstance(message, RoadEvents)

    def places(item: Any) -> Any:
        paths = tuple(
            msgspec.structs.replace(
                path,
                points=tuple(
                    msgspec.structs.replace(p, lat_deg=round(p.lat_deg, 7), lon_deg=round(p.lon_deg, 7))
                    for p in path.points
                ),
            )
            for path in item.paths
        )
        return msgspec.structs.replace(item, paths=paths)

    return msgspec.structs.replace(
        message, events=tuple(map(places, message.events)), signs=tuple(map(places, message.signs))
    )


@pytest.mark.parametrize("entry", cases("Frame", "MapData", "SPAT", "BasicSafetyMessage"))
def test_every_message_can_be_carried_by_the_other_family(entry: dict[str, Any]) -> None:
    message, _ = translated(entry)
    other = next(dialect for dialect in DIALECTS if dialect != entry["dialect"])
    try:
        again, _ = through_the_wire(other, message)
    except TranslateError as error:
        assert entry["message"] in ("rsmFrame", "rsiFrame"), error
        return
    assert type(again) is type(message)


def test_what_is_lost_of_a_real_message_is_named() -> None:
    entry = json.loads((VECTORS / "j2735.json").read_text("utf-8"))[6]
    _, lost = translated(entry)
    assert lost == (
        "partII[1].classDetails.hpmsType",
        "partII[1].vehicleData.mass",
        "partII[1].doNotUse1",
        "partII[1].doNotUse2",
    )


def test_an_unknown_regional_extension_is_reported_not_refused() -> None:
    entry = json.loads((VECTORS / "j2735.json").read_text("utf-8"))[60]
    message, lost = translated(entry)
    assert "regional" in lost
    assert message == through_the_wire("j2735-2024", message)[0]


def test_every_real_rsm_is_split_into_itself() -> None:
    (case,) = cases("rsmFrame")
    message, _ = translated(case.values[0])  # type: ignore[arg-type]
    assert isinstance(message, PerceivedObjects)
    assert list(split("csae53-2020", message)) == [message]
