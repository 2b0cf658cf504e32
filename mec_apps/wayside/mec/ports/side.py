"""What passes between the core and the side, which serves roadside units, centre and operators."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from wayside.clock import MonoNs
from wayside.mec.downlink import Downlink
from wayside.mec.rollup import Stored
from wayside.records import Body, LiveRsu, LiveView, RecordId
from wayside.rsu import Envelope

# Largest page of records that may be asked for at a time; well within a frame.
PAGE_RECORDS = 1_000
PAGE_BYTES = 2_097_152
_Page = Annotated[int, Meta(ge=1, le=PAGE_RECORDS)]


# side → core


class EnvelopeUp(msgspec.Struct, frozen=True, tag="envelope", array_like=True):
    """A message that a roadside unit passed on, as UPER. Of too many, the oldest goes."""

    envelope: Envelope


class RecordUp(msgspec.Struct, frozen=True, tag="record", array_like=True):
    """A record of the side. Kept; told again until `RecordsKept` names its number or a later one."""

    number: int
    key: str
    body: Body


class UnitsUp(msgspec.Struct, frozen=True, tag="units", array_like=True):
    """The roadside units as the live view shows them. The newest."""

    units: tuple[LiveRsu, ...]


class CommandUp(msgspec.Struct, frozen=True, tag="command", array_like=True):
    """An operator's command, encoded. Kept; told again until `CommandTaken` names its number."""

    number: int
    data: Annotated[bytes, Meta(max_length=1_048_576)]


class PageWanted(msgspec.Struct, frozen=True, tag="page", array_like=True):
    """Asks for the oldest records of the outbox. Kept, as all that asks it for something."""

    number: int
    limit: _Page
    max_bytes: Annotated[int, Meta(ge=1, le=PAGE_BYTES)]


class Confirmed(msgspec.Struct, frozen=True, tag="confirm", array_like=True):
    """Asks to delete what the centre has stored."""

    number: int
    ids: tuple[RecordId, ...]


class SetAside(msgspec.Struct, frozen=True, tag="aside", array_like=True):
    """Asks to set aside what the centre refuses: id, reason, detail."""

    number: int
    refused: tuple[tuple[RecordId, str, str], ...]


# core → side


class Broadcast(msgspec.Struct, frozen=True, tag="broadcast", array_like=True):
    """What the roadside units shall send. The newest of a dialect and key.

    expires: when it must no longer be sent.
    """

    message: Downlink
    expires: MonoNs


class Live(msgspec.Struct, frozen=True, tag="live", array_like=True):
    """The live view. The newest."""

    view: LiveView


class OutboxIs(msgspec.Struct, frozen=True, tag="outbox", array_like=True):
    """What waits in the outbox: rows on disk, records held in memory. Kept, before the answer."""

    instance: str
    rows: int
    held: int


class RecordsKept(msgspec.Struct, frozen=True, tag="kept", array_like=True):
    """Records up to this number are in the outbox. Kept."""

    number: int


class CommandTaken(msgspec.Struct, frozen=True, tag="taken", array_like=True):
    """A command is done or refused, and that is on disk. Kept."""

    number: int


class PageIs(msgspec.Struct, frozen=True, tag="page", array_like=True):
    """Answer to PageWanted. failed: why there is none."""

    number: int
    page: tuple[Stored, ...] = ()
    failed: str = ""


class Settled(msgspec.Struct, frozen=True, tag="settled", array_like=True):
    """Answer to Confirmed and SetAside: how many records that were. failed: why nothing was done."""

    number: int
    records: int = 0
    failed: str = ""


SideToCore = EnvelopeUp | RecordUp | UnitsUp | CommandUp | PageWanted | Confirmed | SetAside
CoreToSide = Broadcast | Live | OutboxIs | RecordsKept | CommandTaken | PageIs | Settled

side_to_core: msgspec.msgpack.Decoder[SideToCore] = msgspec.msgpack.Decoder(SideToCore)
core_to_side: msgspec.msgpack.Decoder[CoreToSide] = msgspec.msgpack.Decoder(CoreToSide)
