from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from enum import StrEnum
from typing import TypeVar

import msgspec

from wayside.rsu._reasons import RsuError, RsuReason
from wayside.rsu.radio._dot2 import Dot2, peel_dot2
from wayside.rsu.radio._wsmp import Wsm, parse_wsmp

_MAX_SEARCHED = 4
T = TypeVar("T")


class Form(StrEnum):
    """What stood around a message frame in a datagram."""

    BARE = "bare"
    UNSECURED = "unsecured"
    SIGNED = "signed"
    WSMP = "wsmp"
    WSMP_UNSECURED = "wsmp_unsecured"
    WSMP_SIGNED = "wsmp_signed"
    SEARCHED = "searched"


class Peeled(msgspec.Struct, frozen=True):
    """A message frame out of a datagram, with possible octets behind it, and what stood around it."""

    frame: bytes
    form: Form
    wsm: Wsm | None = None
    dot2: Dot2 | None = None
    trailing_bytes: int = 0

    @property
    def psid(self) -> int | None:
        """PSID of the signed header, else of the WSMP header, else None."""
        if self.dot2 is not None and self.dot2.psid is not None:
            return self.dot2.psid
        return None if self.wsm is None else self.wsm.psid


class Unchecked(msgspec.Struct, frozen=True):
    """Where a message frame may start: `ids` are the J2735 message ids that are expected here."""

    ids: Collection[int]
    search: bool = True


def peel(data: bytes, expect: Unchecked, check: Callable[[bytes], T]) -> tuple[Peeled, T]:
    """Find the J2735 message frame in a datagram and check it.

    The headers are parsed: bare frame, IEEE 1609.2 (unsecured, signed), WSMP around either. Only where no
    header fits, and `expect.search` allows it, the start of a frame is searched for (form SEARCHED, at
    most 4 places). `check` gets the frame with what follows it and raises RsuError when it is none; a frame
    that a proper header has led to and that fails is refused, never searched around.
    Raises RsuError MALFORMED, UNSUPPORTED, and what `check` raises. Source: own.
    """
    try:
        peeled = _parse(data, expect.ids)
    except RsuError as error:
        if not expect.search:
            raise
        for candidate in _searched(data, expect.ids):
            try:
                return candidate, check(candidate.frame)
            except RsuError:
                continue
        raise error
    return peeled, check(peeled.frame)


def _parse(data: bytes, ids: Collection[int]) -> Peeled:
    if _starts_frame(data, 0, ids):
        return Peeled(frame=data, form=Form.BARE)
    if data[:1] == b"\x03" and data[1:2] in (b"\x80", b"\x81", b"\x82"):
        return _secured(data, None, ids)
    wsm = parse_wsmp(data)
    if _starts_frame(wsm.payload, 0, ids):
        return Peeled(frame=wsm.payload, form=Form.WSMP, wsm=wsm, trailing_bytes=wsm.trailing_bytes)
    return _secured(wsm.payload, wsm, ids)


def _secured(data: bytes, wsm: Wsm | None, ids: Collection[int]) -> Peeled:
    dot2 = peel_dot2(data)
    if not _starts_frame(dot2.payload, 0, ids):
        raise RsuError(RsuReason.MALFORMED, f"1609.2 payload starts with {dot2.payload[:2].hex()}, no frame")
    if wsm is None:
        form = Form.SIGNED if dot2.signed else Form.UNSECURED
    else:
        form = Form.WSMP_SIGNED if dot2.signed else Form.WSMP_UNSECURED
    trailing = dot2.trailing_bytes + (0 if wsm is None else wsm.trailing_bytes)
    return Peeled(frame=dot2.payload, form=form, wsm=wsm, dot2=dot2, trailing_bytes=trailing)


def _searched(data: bytes, ids: Collection[int]) -> Iterator[Peeled]:
    found = 0
    at = data.find(b"\x00", 1)
    while at >= 0 and found < _MAX_SEARCHED:
        if _starts_frame(data, at, ids) and _content_fits(data, at + 2):
            found += 1
            yield Peeled(frame=data[at:], form=Form.SEARCHED)
        at = data.find(b"\x00", at + 1)


def _starts_frame(data: bytes, at: int, ids: Collection[int]) -> bool:
    return len(data) >= at + 3 and data[at] == 0 and data[at + 1] in ids


def _content_fits(data: bytes, at: int) -> bool:
    """Whether the open type's length at `at` is not zero and stays inside the octets."""
    first = data[at]
    if first < 0x80:
        return 0 < first <= len(data) - at - 1
    if first < 0xC0 and at + 1 < len(data):
        return 0 < ((first & 0x3F) << 8 | data[at + 1]) <= len(data) - at - 2
    return False
