from __future__ import annotations

import re
from pathlib import Path

from wayside.asn1 import CodecError, load
from wayside.asn1.messages import Intersection, RoadMap
from wayside.asn1.translate import TranslateError, to_message
from wayside.clock import UtcNs

MAX_MAP_BYTES = 1_000_000
_HEX = re.compile(rb"^[0-9a-fA-F\s]+$")


class MapError(ValueError):
    """A map file that holds no map; the text says why."""


def read_map_frames(path: Path) -> list[bytes]:
    """Encoded frames of a map file: hex digits, one frame a line, `#` begins a comment; or one binary frame.

    Raises MapError, OSError.
    """
    data = path.read_bytes()
    if len(data) > MAX_MAP_BYTES:
        raise MapError(f"{len(data)} octets, at most {MAX_MAP_BYTES}")
    lines = [line.partition(b"#")[0].strip() for line in data.splitlines()]
    text = b"\n".join(lines)
    if not _HEX.match(text):
        return [data]
    try:
        return [bytes.fromhex(line.decode("ascii")) for line in lines if line]
    except ValueError as error:
        raise MapError(f"hex: {error}") from None


def read_road_map(path: Path, dialect: str) -> list[Intersection]:
    """Intersections of a map file. Raises MapError, OSError."""
    found: list[Intersection] = []
    frames = read_map_frames(path)
    if not frames:
        raise MapError("the file holds no frame")
    for number, frame in enumerate(frames, 1):
        try:
            # A MAP's time stamp plays no part in its geometry.
            message = to_message(dialect, load(dialect).decode(frame), near=UtcNs(0)).message
        except (CodecError, TranslateError) as error:
            raise MapError(f"frame {number}: {error}") from None
        if not isinstance(message, RoadMap):
            raise MapError(f"frame {number} is a {type(message).__name__}, not a map")
        found.extend(message.intersections)
    return found
