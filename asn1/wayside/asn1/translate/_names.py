"""Names of the wire schema: enumerations, alternatives, bit strings, texts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from wayside.asn1.translate._units import Lost

UNNAMED = ""


def enum_name(value: Any) -> str:
    """Name of an enumerated value; empty for one that the dialect's table does not know."""
    return value if isinstance(value, str) else UNNAMED


def given(value: Any) -> str | None:
    """Name of an enumerated value, None for absent, unknown and `unavailable`."""
    name = enum_name(value)
    return None if name in (UNNAMED, "unavailable") else name


def alternative(value: Any) -> tuple[str, Any]:
    """Chosen alternative and its value; an unknown alternative has an empty name."""
    if isinstance(value, tuple | list) and len(value) == 2 and isinstance(value[0], str):
        return value[0], value[1]
    return UNNAMED, None


class BitNames:
    """A bit string with named bits; bit 0 is the first on the wire.

    size: bits of the root. A name beyond it makes the string longer (extensible types). Bits without a
    name are noted as lost, as is a name that the dialect has no bit for.
    """

    __slots__ = ("_index", "_names", "_size")

    def __init__(self, size: int, *names: str) -> None:
        self._size = size
        self._names = names
        self._index = {name: i for i, name in enumerate(names) if name}

    def read(self, value: Any, lost: Lost, at: str) -> tuple[str, ...]:
        """Names of the set bits, in the order of the wire; empty for None."""
        if value is None:
            return ()
        data, length = value
        number = int.from_bytes(data, "big") >> (len(data) * 8 - length) if length else 0
        if not number:
            return ()
        found: list[str] = []
        for i in range(length):
            if number >> (length - 1 - i) & 1:
                if i < len(self._names) and self._names[i]:
                    found.append(self._names[i])
                else:
                    lost.append(f"{at}: bit {i}")
        return tuple(found)

    def write(self, names: Iterable[str], lost: Lost, at: str) -> tuple[bytes, int]:
        """Bit string of the names."""
        bits: list[int] = []
        for name in names:
            i = self._index.get(name)
            if i is None:
                lost.append(f"{at}: {name}")
            else:
                bits.append(i)
        length = max([self._size, *(i + 1 for i in bits)])
        number = sum(1 << (length - 1 - i) for i in set(bits))
        pad = -length % 8
        return (number << pad).to_bytes((length + 7) // 8, "big"), length

    def set_bits(self, value: Any) -> list[int]:
        """Numbers of the set bits, named or not."""
        data, length = value
        number = int.from_bytes(data, "big") >> (len(data) * 8 - length) if length else 0
        return [i for i in range(length) if number >> (length - 1 - i) & 1]


def read_octets(value: Any) -> bytes:
    """Octets of an id."""
    return bytes(value)


def write_octets(value: bytes, size: int, lost: Lost, at: str) -> bytes:
    """An id in exactly `size` octets: filled with zeros behind, or cut behind.

    Only what is cut and is not zero is noted as lost, so that an id survives the way to the family with
    the longer ids and back.
    """
    if value[size:].strip(b"\0"):
        lost.append(f"{at}: {value.hex()} cut to {size} octets")
    return value[:size].ljust(size, b"\0")


def pad_free(value: bytes, size: int) -> bytes:
    """An id without the zero octets behind its first `size`."""
    return value[:size] if not value[size:].strip(b"\0") else value


def write_ascii(text: str, high: int, lost: Lost, at: str) -> str | None:
    """Text for an IA5String of 1..high characters, None for an empty one."""
    plain = text.encode("ascii", "replace").decode("ascii")[:high]
    if plain != text:
        lost.append(f"{at}: text cut or not in ASCII")
    return plain or None


_EVENT_FLAGS = (
    "eventHazardLights",
    "eventStopLineViolation",
    "eventABSactivated",
    "eventTractionControlLoss",
    "eventStabilityControlactivated",
    "eventHazardousMaterials",
    "eventReserved1",
    "eventHardBraking",
    "eventLightsChanged",
    "eventWipersChanged",
    "eventFlatTire",
    "eventDisabledVehicle",
    "eventAirBagDeployment",
)
EVENT_FLAGS_CSAE = BitNames(13, *_EVENT_FLAGS)
EVENT_FLAGS_2024 = BitNames(13, *_EVENT_FLAGS, "eventJackKnife")
EXTERIOR_LIGHTS = BitNames(
    9,
    "lowBeamHeadlightsOn",
    "highBeamHeadlightsOn",
    "leftTurnSignalOn",
    "rightTurnSignalOn",
    "hazardSignalOn",
    "automaticLightControlOn",
    "daytimeRunningLightsOn",
    "fogLightOn",
    "parkingLightsOn",
)
PRIVILEGED_FLAGS = BitNames(
    16,
    "peUnavailable",
    "peEmergencyResponse",
    "peEmergencyLightsActive",
    "peEmergencySoundActive",
    "peNonEmergencyLightsActive",
    "peNonEmergencySoundActive",
)
WHEEL_BRAKES = BitNames(5, "unavailable", "leftFront", "leftRear", "rightFront", "rightRear")
SIGNAL_STATUS = BitNames(
    16,
    "manualControlIsEnabled",
    "stopTimeIsActivated",
    "failureFlash",
    "preemptIsActive",
    "signalPriorityIsActive",
    "fixedTimeOperation",
    "trafficDependentOperation",
    "standbyOperation",
    "failureMode",
    "off",
    "recentMAPmessageUpdate",
    "recentChangeInMAPassignedLanesIDsUsed",
    "noValidMAPisAvailableAtThisTime",
    "noValidSPATisAvailableAtThisTime",
)
