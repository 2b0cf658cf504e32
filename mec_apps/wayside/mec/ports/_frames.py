from __future__ import annotations

import struct

from wayside.mec.ports._reasons import PortError, PortReason

VERSION = 1
# A page of the outbox and a live view of a full site are below a megabyte and a half.
MAX_FRAME_BYTES = 4_194_304

_HEAD = struct.Struct("<IB")


def pack(body: bytes) -> bytes:
    """Octets of a frame: length of the rest (u32, little-endian), version (u8), body.

    Raises PortError TOO_LARGE.
    """
    if len(body) + 1 > MAX_FRAME_BYTES:
        raise PortError(PortReason.TOO_LARGE, f"frame of {len(body)} octets, limit {MAX_FRAME_BYTES}")
    return _HEAD.pack(len(body) + 1, VERSION) + body


class FrameReader:
    """Finds the frames in a stream that comes in pieces; holds at most one frame and one piece."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Bodies of the frames that are whole now.

        Raises PortError TOO_LARGE, WRONG_VERSION; the stream is of no use after that.
        """
        buffer = self._buffer
        buffer += data
        bodies: list[bytes] = []
        at = 0
        while len(buffer) - at >= _HEAD.size:
            size, version = _HEAD.unpack_from(buffer, at)
            if version != VERSION:
                raise PortError(PortReason.WRONG_VERSION, f"frame of version {version}, not {VERSION}")
            if not 1 <= size <= MAX_FRAME_BYTES:
                raise PortError(PortReason.TOO_LARGE, f"frame of {size} octets, limit {MAX_FRAME_BYTES}")
            end = at + _HEAD.size - 1 + size
            if len(buffer) < end:
                break
            bodies.append(bytes(buffer[at + _HEAD.size : end]))
            at = end
        del buffer[:at]
        return bodies
