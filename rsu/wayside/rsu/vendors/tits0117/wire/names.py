"""Enumerations of T/CSAE 53-2020 in the order of their numbers, and its bit strings as numbers. Pure."""

from __future__ import annotations

from wayside.rsu.vendors.tits0117.wire.fields import Fields

PARTICIPANTS = ("unknown", "motor", "non-motor", "pedestrian", "rsu")
SOURCES = ("unknown", "selfinfo", "v2x", "video", "microwaveRadar", "loop", "lidar", "integrated")
EVENT_SOURCES = ("unknown", "police", "government", "meteorological", "internet", "detection")
LIGHTS = (
    "unavailable",
    "dark",
    "flashing-red",
    "red",
    "flashing-green",
    "permissive-green",
    "protected-green",
    "yellow",
    "flashing-yellow",
)
POSITION_CONFIDENCES = (
    "unavailable",
    "a500m",
    "a200m",
    "a100m",
    "a50m",
    "a20m",
    "a10m",
    "a5m",
    "a2m",
    "a1m",
    "a50cm",
    "a20cm",
    "a10cm",
    "a5cm",
    "a2cm",
    "a1cm",
)
SPEED_LIMITS = (
    "unknown",
    "maxSpeedInSchoolZone",
    "maxSpeedInSchoolZoneWhenChildrenArePresent",
    "maxSpeedInConstructionZone",
    "vehicleMinSpeed",
    "vehicleMaxSpeed",
    "vehicleNightMaxSpeed",
    "truckMinSpeed",
    "truckMaxSpeed",
    "truckNightMaxSpeed",
    "vehiclesWithTrailersMinSpeed",
    "vehiclesWithTrailersMaxSpeed",
    "vehiclesWithTrailersNightMaxSpeed",
)


def number_of(names: tuple[str, ...], name: str) -> int:
    """Number of a name; 0, which is unknown everywhere, for one that was added later."""
    return names.index(name) if name in names else 0


def read_named(fields: Fields, key: str, names: tuple[str, ...], default: int | None = None) -> str:
    """Name of a number. Raises RsuError MALFORMED for one that is none."""
    return names[fields.integer(key, 0, len(names) - 1, default)]


def bits(number: int, count: int) -> tuple[bytes, int]:
    """A bit string whose first bit is the number's highest of `count`."""
    octets = (count + 7) // 8
    return (number << (octets * 8 - count)).to_bytes(octets, "big"), count


def bits_number(value: tuple[bytes, int], count: int) -> int:
    """The number whose highest of `count` bits is the bit string's first; later bits are cut off."""
    octets, length = value
    number = int.from_bytes(octets, "big") >> (len(octets) * 8 - length)
    return number >> (length - count) if length >= count else number << (count - length)


def read_node(fields: Fields) -> dict[str, int]:
    """A NodeReferenceID. Raises RsuError MALFORMED."""
    node = {"id": fields.integer("id", 0, 65_535)}
    region = fields.optional("region", 0, 65_535)
    fields.end()
    return node if region is None else {"region": region, **node}
