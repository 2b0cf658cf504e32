"""Bit reading and writing; the only code that touches positions in a message.

The reader holds a window of the message as one integer and slides it on, so that a read costs a shift of a
small number however long the message is. The decoder reads the window in place where speed counts:

    end = r.pos + width
    if end > r.top:
        r.refill(end)
    r.pos = end
    value = (r.window >> (r.top - end)) & mask
"""

from dataclasses import dataclass

from ._errors import CodecReason, Fault

_WINDOW_OCTETS = 128
FLUSH_BITS = 1024
"""The writer's accumulator is emptied when it is longer."""
MAX_INDEX = 2**63
"""Numbers of unknown alternatives and names stay below it."""
FRAGMENT = 16384
"""Unit of a fragmented length (X.691 11.9.3.8)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one message: octets, list elements in total, nesting of recursive types."""

    max_octets: int = 65536
    max_elements: int = 131072
    max_depth: int = 64


class Reader:
    """Bits [pos, end) of `data`; `window` holds the bits up to `top`, right-aligned.

    `base` is the offset reported for bit 0. `elements` and `depth` count down to the limits.
    """

    __slots__ = ("base", "data", "depth", "elements", "end", "pos", "top", "window")

    def __init__(self, data: bytes, elements: int, depth: int, base: int = 0) -> None:
        self.data = data
        self.pos = 0
        self.end = len(data) * 8
        self.base = base
        self.elements = elements
        self.depth = depth
        self.window = 0
        self.top = 0

    def refill(self, end: int) -> None:
        """Slide the window so that it holds the bits up to `end`; out_of_data when they are not there."""
        if end > self.end:
            raise self.fault(CodecReason.OUT_OF_DATA)
        start = self.pos >> 3
        stop = max(start + _WINDOW_OCTETS, (end + 7) >> 3)
        window = int.from_bytes(self.data[start:stop], "big")
        top = min(stop, len(self.data)) * 8
        if top > self.end:
            window >>= top - self.end
            top = self.end
        self.window = window
        self.top = top

    def fault(self, reason: CodecReason, detail: str = "") -> Fault:
        return Fault(reason, self.base + self.pos, detail)

    def bits(self, width: int) -> int:
        end = self.pos + width
        if end > self.top:
            self.refill(end)
        self.pos = end
        return (self.window >> (self.top - end)) & ((1 << width) - 1)

    def octets(self, count: int) -> bytes:
        end = self.pos + count * 8
        if end > self.end:
            raise self.fault(CodecReason.OUT_OF_DATA)
        start = self.pos >> 3
        shift = self.pos & 7
        if not shift:
            self.pos = end
            return self.data[start : start + count]
        value = int.from_bytes(self.data[start : start + count + 1], "big") >> (8 - shift)
        self.pos = end
        return (value & ((1 << count * 8) - 1)).to_bytes(count, "big")

    def length(self) -> tuple[int, bool]:
        """One length determinant (X.691 11.9): the count, and whether more fragments follow."""
        end = self.pos + 8
        if end > self.top:
            self.refill(end)
        first = (self.window >> (self.top - end)) & 255
        self.pos = end
        if first < 128:
            return first, False
        if first < 192:
            return (first & 63) << 8 | self.bits(8), False
        units = first & 63
        if not 1 <= units <= 4:
            self.pos -= 8
            raise self.fault(CodecReason.BAD_LENGTH, "a fragment of no legal size")
        return units * FRAGMENT, True

    def short_length(self) -> int:
        """A length that may not be fragmented."""
        start = self.pos
        count, more = self.length()
        if more:
            self.pos = start
            raise self.fault(CodecReason.BAD_LENGTH, "a fragmented length where none is possible")
        return count

    def small(self) -> int:
        """A normally small number (X.691 11.6): 0..63 in 6 bits, else a length and octets."""
        if not self.bits(1):
            return self.bits(6)
        start = self.pos
        count = self.short_length()
        if not 1 <= count <= 8:
            self.pos = start
            raise self.fault(CodecReason.BAD_LENGTH, "a number of more than 8 octets, or of none")
        number = self.bits(count * 8)
        if number >= MAX_INDEX:
            self.pos = start
            raise self.fault(CodecReason.BAD_INDEX, "a number of more than 63 bits")
        return number

    def small_length(self) -> int:
        """A normally small length (X.691 11.9.3.4): 1..64 in 6 bits, else a length determinant."""
        if not self.bits(1):
            return self.bits(6) + 1
        start = self.pos
        count = self.short_length()
        if not count:
            self.pos = start
            raise self.fault(CodecReason.BAD_LENGTH, "a length of zero where one is the least")
        return count

    def long_octets(self) -> bytes:
        """Octets behind a length, fragmented or not: content of an open type or of an unbounded string."""
        count, more = self.length()
        first = self.octets(count)
        if not more:
            return first
        parts = [first]
        while more:
            count, more = self.length()
            parts.append(self.octets(count))
        return b"".join(parts)


class Writer:
    """Bits written so far: whole octets in `done`, then the `held` low bits of `acc`.

    `max_octets` bounds the octets; `elements` and `depth` count down to the limits.
    """

    __slots__ = ("acc", "depth", "done", "elements", "held", "max_octets")

    def __init__(self, max_octets: int, elements: int, depth: int) -> None:
        self.max_octets = max_octets
        self.done = bytearray()
        self.acc = 0
        self.held = 0
        self.elements = elements
        self.depth = depth

    def position(self) -> int:
        return len(self.done) * 8 + self.held

    def fault(self, reason: CodecReason, detail: str = "") -> Fault:
        return Fault(reason, self.position(), detail)

    def bits(self, value: int, width: int) -> None:
        self.acc = self.acc << width | value
        self.held += width
        if self.held > FLUSH_BITS:
            self.flush()

    def flush(self) -> None:
        """Move whole octets out of the accumulator, which must not grow long; too_long beyond the limit."""
        rest = self.held & 7
        self.done += (self.acc >> rest).to_bytes(self.held >> 3, "big")
        self.acc &= (1 << rest) - 1
        self.held = rest
        if len(self.done) > self.max_octets:
            raise self.fault(CodecReason.TOO_LONG, f"more than {self.max_octets} octets")

    def octets(self, value: bytes) -> None:
        if len(value) < 64:
            self.bits(int.from_bytes(value, "big"), len(value) * 8)
            return
        self.flush()
        if self.held:
            shifted = (self.acc << len(value) * 8 | int.from_bytes(value, "big")) << (8 - self.held)
            octets = shifted.to_bytes(len(value) + 1, "big")
            self.done += octets[:-1]
            self.acc = octets[-1] >> (8 - self.held)
        else:
            self.done += value

    def length(self, count: int) -> None:
        """A length determinant below one fragment."""
        if count < 128:
            self.bits(count, 8)
        else:
            self.bits(0x8000 | count, 16)

    def small(self, number: int) -> None:
        if number < 64:
            self.bits(number, 7)
        else:
            count = (number.bit_length() + 7) // 8
            self.bits(1, 1)
            self.bits(count, 8)
            self.bits(number, count * 8)

    def small_length(self, count: int) -> None:
        if count <= 64:
            self.bits(count - 1, 7)
        else:
            self.bits(1, 1)
            self.length(count)

    def long_octets(self, value: bytes) -> None:
        """Octets behind a length, in fragments from 16 Ki on."""
        at = 0
        for count, _ in fragments(len(value)):
            if count >= FRAGMENT:
                self.bits(0xC0 | count // FRAGMENT, 8)
            else:
                self.length(count)
            self.octets(value[at : at + count])
            at += count

    def finish(self) -> bytes:
        """The message padded to octets; one zero octet when nothing was written (X.691 11.1)."""
        pad = -self.held & 7
        self.bits(0, pad)
        self.flush()
        return bytes(self.done) or b"\0"


def fragments(count: int) -> list[tuple[int, int]]:
    """Sizes and starts of the pieces of `count` items: full fragments, then the rest, which may be 0."""
    pieces = []
    at = 0
    while count - at >= FRAGMENT:
        size = min((count - at) // FRAGMENT, 4) * FRAGMENT
        pieces.append((size, at))
        at += size
    pieces.append((count - at, at))
    return pieces
