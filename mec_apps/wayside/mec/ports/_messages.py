from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from wayside.clock import MonoNs, UtcNs
from wayside.link import Receipt
from wayside.mec.downlink import Downlink
from wayside.mec.rollup import Stored
from wayside.observe import ProcessSnapshot
from wayside.records import Body, LiveRsu, LiveView, RecordId
from wayside.rsu import Envelope

# All instants of `MonoNs` are of the host's CLOCK_MONOTONIC, which its processes share: marks, ages and ends
# keep their meaning on the way.

_Page = Annotated[int, Meta(ge=1, le=1_000)]


# link → core


class SessionUp(msgspec.Struct, frozen=True, tag="up", array_like=True):
    """A vehicle is connected, now or still. Kept."""

    session: str
    dialect: str


class SessionDown(msgspec.Struct, frozen=True, tag="down", array_like=True):
    """A vehicle is cut or gone. Kept."""

    session: str


class VehicleFrame(msgspec.Struct, frozen=True, tag="frame", array_like=True):
    """A MessageFrame that a vehicle sent. Of too many, the oldest goes."""

    session: str
    body: bytes
    arrived: MonoNs


class Written(msgspec.Struct, frozen=True, tag="written", array_like=True):
    """The frame of a push was handed to the vehicle's socket; again after a resume. Kept, before its receipt.

    ref: of the push.
    """

    session: str
    seq: int
    ref: int
    at: MonoNs


class ReceiptUp(msgspec.Struct, frozen=True, tag="receipt", array_like=True):
    """What became of a frame at the vehicle. Kept."""

    session: str
    receipt: Receipt


# core → link


class PushDown(msgspec.Struct, frozen=True, tag="push", array_like=True):
    """A frame for one vehicle; see `linkserver.Outgoing`. The newest of a session and key.

    kind: FrameKind. flags: Flag. ref: by which `Written` names it, 0 for none; never given twice, also not by
    another run of the core.
    """

    session: str
    kind: int
    key: int
    priority: int
    created: UtcNs
    expires: MonoNs
    ttl_ms: int
    body: bytes
    flags: int = 0
    ref: int = 0


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
    max_bytes: Annotated[int, Meta(ge=1, le=2_097_152)]


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
    """What the roadside units shall send. The newest of a dialect and key."""

    message: Downlink


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


# process → supervisor


class Lack(msgspec.Struct, frozen=True, array_like=True):
    """Something that is not as it should be. blocks: whether the edge is not ready while it lasts."""

    what: str
    why: str
    blocks: bool = False


class Sound(msgspec.Struct, frozen=True, tag="sound", array_like=True):
    """It has read the site file and found nothing wrong with it. site: its id."""

    site: str


class Ready(msgspec.Struct, frozen=True, tag="ready", array_like=True):
    """It has opened all it needs. ports: name → port it listens on."""

    ports: dict[str, int]


class Report(msgspec.Struct, frozen=True, tag="report", array_like=True):
    """What a process has come to, twice a second: proof that its loop turns. at: when it was made.

    committed, waiting: records of the outbox (core only). last: nothing follows it.
    """

    snapshot: ProcessSnapshot
    at: MonoNs
    lacks: tuple[Lack, ...] = ()
    committed: int = 0
    waiting: int = 0
    boot: int = 0
    last: bool = False


class Finished(msgspec.Struct, frozen=True, tag="finished", array_like=True):
    """Nothing more comes from it; what it knew is passed on."""


# supervisor → process


class Finish(msgspec.Struct, frozen=True, tag="finish", array_like=True):
    """Take nothing more in, pass on what is known, then answer Finished."""


class Stop(msgspec.Struct, frozen=True, tag="stop", array_like=True):
    """Close, send the last Report, end."""


class Others(msgspec.Struct, frozen=True, tag="others", array_like=True):
    """Sum of what the other processes have counted, over all their runs; for the core's summaries."""

    counts: dict[str, dict[str, int]]
    dropped: dict[str, dict[str, int]]


class ProcessState(msgspec.Struct, frozen=True, array_like=True):
    """A process as its supervisor sees it. restarts: so far. why: it ended the last time, or empty."""

    name: str
    pid: int
    up: bool
    restarts: int
    why: str
    report: Report | None


class Family(msgspec.Struct, frozen=True, tag="family", array_like=True):
    """All processes of the edge; for the side's health."""

    processes: tuple[ProcessState, ...]


LinkToCore = SessionUp | SessionDown | VehicleFrame | Written | ReceiptUp
CoreToLink = PushDown
SideToCore = EnvelopeUp | RecordUp | UnitsUp | CommandUp | PageWanted | Confirmed | SetAside
CoreToSide = Broadcast | Live | OutboxIs | RecordsKept | CommandTaken | PageIs | Settled
ToSupervisor = Sound | Ready | Report | Finished
FromSupervisor = Finish | Stop | Others | Family

link_to_core: msgspec.msgpack.Decoder[LinkToCore] = msgspec.msgpack.Decoder(LinkToCore)
core_to_link: msgspec.msgpack.Decoder[CoreToLink] = msgspec.msgpack.Decoder(CoreToLink)
side_to_core: msgspec.msgpack.Decoder[SideToCore] = msgspec.msgpack.Decoder(SideToCore)
core_to_side: msgspec.msgpack.Decoder[CoreToSide] = msgspec.msgpack.Decoder(CoreToSide)
to_supervisor: msgspec.msgpack.Decoder[ToSupervisor] = msgspec.msgpack.Decoder(ToSupervisor)
from_supervisor: msgspec.msgpack.Decoder[FromSupervisor] = msgspec.msgpack.Decoder(FromSupervisor)
