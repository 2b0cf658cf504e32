"""Wire values to typed messages and back, for each dialect, with a list of what could not be carried.

Wire values follow asn1tools' conventions, as `wayside.asn1.load(dialect)` returns and takes them: for CSAE a
pair (alternative, value), for J2735 `{"messageId": number, "value": {...}}`. Nothing is dropped in silence:
`lost` names each thing that the other side has no room for, with its place, for instance "partII[3]" or
"intersections[0].groups[2].current.light: flashing_green".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

import msgspec

from wayside.asn1.messages import (
    BasicSafety,
    IntersectionId,
    Light,
    Message,
    PerceivedObjects,
    RoadEvents,
    RoadMap,
    SignalStates,
)
from wayside.asn1.translate import (
    _basic_safety,
    _perceived_objects_csae,
    _perceived_objects_j2735,
    _road_events_csae,
    _road_events_j2735,
    _road_map_csae,
    _road_map_j2735,
    _signal_states_csae,
    _signal_states_j2735,
)
from wayside.asn1.translate._errors import TranslateError, TranslateReason
from wayside.asn1.translate._perceived_objects_csae import RSM_OBJECTS, ParticipantNumbers
from wayside.asn1.translate._perceived_objects_j2735 import SDSM_OBJECTS
from wayside.asn1.translate._signal_times import remember_greens
from wayside.asn1.translate.event_codes import EventCode, code_of, event_code, itis_of
from wayside.clock import UtcNs

CSAE53_2020 = "csae53-2020"
J2735_2024 = "j2735-2024"
DIALECTS = (CSAE53_2020, J2735_2024)
"""Dialects that have translators."""


class Translated(NamedTuple):
    """A typed message and what of the wire value it does not carry."""

    message: Message
    lost: tuple[str, ...]


class Encoded(NamedTuple):
    """A wire value and what of the message it does not carry."""

    value: Any
    lost: tuple[str, ...]


_Read = Callable[[dict[str, Any], UtcNs, list[str]], Message]

_READ_CSAE: dict[str, _Read] = {
    "bsmFrame": _basic_safety.read_csae,
    "mapFrame": _road_map_csae.read_csae,
    "rsmFrame": _perceived_objects_csae.read_csae,
    "spatFrame": _signal_states_csae.read_csae,
    "rsiFrame": _road_events_csae.read_csae,
}
_READ_J2735: dict[int, _Read] = {
    18: _road_map_j2735.read_j2735,
    19: _signal_states_j2735.read_j2735,
    20: _basic_safety.read_j2735,
    31: _road_events_j2735.read_j2735,
    41: _perceived_objects_j2735.read_j2735,
}
# What a value that has not the dialect's shape makes the readers and writers raise.
_SHAPE = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError)


def to_message(dialect: str, frame_value: Any, *, near: UtcNs) -> Translated:
    """Typed message of a decoded MessageFrame.

    near: moment of receipt; it settles the year, hour or minute that the wire leaves out. Raises
    TranslateError, and nothing else whatever the value: UNSUPPORTED for a dialect or message without a
    translator, NO_POSITION, OUT_OF_RANGE, MALFORMED for a value that is not of the dialect's shape.
    """
    lost: list[str] = []
    read, value = _reader(dialect, frame_value)
    try:
        return Translated(read(value, near, lost), tuple(lost))
    except _SHAPE as error:
        raise TranslateError(
            TranslateReason.MALFORMED, f"not of the dialect's shape: {type(error).__name__}: {error}"
        ) from error


def _reader(dialect: str, frame_value: Any) -> tuple[_Read, dict[str, Any]]:
    read: _Read | None = None
    value: Any = None
    name: object = None
    if dialect == CSAE53_2020:
        if isinstance(frame_value, tuple | list) and len(frame_value) == 2:
            name, value = frame_value
            read = _READ_CSAE.get(name) if isinstance(name, str) else None
    elif dialect == J2735_2024:
        if isinstance(frame_value, dict):
            name, value = frame_value.get("messageId"), frame_value.get("value")
            read = _READ_J2735.get(name) if isinstance(name, int) else None
    else:
        raise TranslateError(TranslateReason.UNSUPPORTED, f"no translator for dialect {dialect}")
    if read is None or not isinstance(value, dict):
        raise TranslateError(TranslateReason.UNSUPPORTED, f"no translator for message {name!r:.60}")
    return read, value


def to_wire(
    dialect: str,
    message: Message,
    *,
    timing: Literal["counting", "utc"] = "counting",
    greens: Mapping[tuple[IntersectionId, int], Light] | None = None,
    neighbours: Mapping[tuple[IntersectionId, int], IntersectionId] | None = None,
    participants: ParticipantNumbers | None = None,
) -> Encoded:
    """MessageFrame value of a typed message, ready for the codec.

    timing: form of the times in a CSAE SPAT. greens: last green of each signal group (`remember_greens`),
    which tells a J2735 receiver a protected yellow from a permissive one. neighbours: for a CSAE MAP, the
    node at the other end of each approach. participants: numbers of a sender's objects in its RSMs.

    Raises TranslateError: UNSUPPORTED for a dialect or message without a translator, OUT_OF_RANGE, TOO_MANY
    (`split`), MISSING for something that the dialect demands, MALFORMED for a message with a member of a
    wrong type.
    """
    if dialect not in DIALECTS:
        raise TranslateError(TranslateReason.UNSUPPORTED, f"no translator for dialect {dialect}")
    lost: list[str] = []
    options = _Options(timing, greens or {}, neighbours or {}, participants)
    try:
        value = _write(dialect == CSAE53_2020, message, lost, options)
    except _SHAPE as error:
        raise TranslateError(
            TranslateReason.MALFORMED, f"not a well-formed message: {type(error).__name__}: {error}"
        ) from error
    return Encoded(value, tuple(lost))


class _Options(NamedTuple):
    timing: Literal["counting", "utc"]
    greens: Mapping[tuple[IntersectionId, int], Light]
    neighbours: Mapping[tuple[IntersectionId, int], IntersectionId]
    participants: ParticipantNumbers | None


def _write(csae: bool, message: Message, lost: list[str], options: _Options) -> Any:
    if csae:
        match message:
            case BasicSafety():
                return "bsmFrame", _basic_safety.write_csae(message, lost)
            case PerceivedObjects():
                return "rsmFrame", _perceived_objects_csae.write_csae(message, lost, options.participants)
            case SignalStates():
                return "spatFrame", _signal_states_csae.write_csae(message, lost, options.timing)
            case RoadMap():
                return "mapFrame", _road_map_csae.write_csae(message, lost, options.neighbours)
            case RoadEvents():
                return "rsiFrame", _road_events_csae.write_csae(message, lost)
    else:
        match message:
            case BasicSafety():
                return {"messageId": 20, "value": _basic_safety.write_j2735(message, lost)}
            case PerceivedObjects():
                return {"messageId": 41, "value": _perceived_objects_j2735.write_j2735(message, lost)}
            case SignalStates():
                return {
                    "messageId": 19,
                    "value": _signal_states_j2735.write_j2735(message, lost, options.greens),
                }
            case RoadMap():
                return {"messageId": 18, "value": _road_map_j2735.write_j2735(message, lost)}
            case RoadEvents():
                return {"messageId": 31, "value": _road_events_j2735.write_j2735(message, lost)}
    raise TranslateError(TranslateReason.UNSUPPORTED, f"no translator for {type(message).__name__}")


def split(dialect: str, message: PerceivedObjects) -> Iterator[PerceivedObjects]:
    """The objects over as many messages as the dialect needs: 15 each in an RSM, 256 in an SDSM.

    Message counts run on modulo 128. Raises TranslateError(UNSUPPORTED) for a dialect without a translator.
    """
    if dialect not in DIALECTS:
        raise TranslateError(TranslateReason.UNSUPPORTED, f"no translator for dialect {dialect}")
    return _parts(message, RSM_OBJECTS if dialect == CSAE53_2020 else SDSM_OBJECTS)


def _parts(message: PerceivedObjects, objects_each: int) -> Iterator[PerceivedObjects]:
    for i in range(0, max(len(message.objects), 1), objects_each):
        yield msgspec.structs.replace(
            message,
            objects=message.objects[i : i + objects_each],
            msg_count=(message.msg_count + i // objects_each) % 128,
        )


__all__ = [
    "CSAE53_2020",
    "DIALECTS",
    "J2735_2024",
    "Encoded",
    "EventCode",
    "ParticipantNumbers",
    "TranslateError",
    "TranslateReason",
    "Translated",
    "code_of",
    "event_code",
    "itis_of",
    "remember_greens",
    "split",
    "to_message",
    "to_wire",
]
