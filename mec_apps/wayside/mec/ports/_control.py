from __future__ import annotations

import msgspec

from wayside.clock import MonoNs
from wayside.observe import ProcessSnapshot

# So often each process reports, and the others hear of it.
REPORT_S = 0.5


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


ToSupervisor = Sound | Ready | Report | Finished
FromSupervisor = Finish | Stop | Others | Family

to_supervisor: msgspec.msgpack.Decoder[ToSupervisor] = msgspec.msgpack.Decoder(ToSupervisor)
from_supervisor: msgspec.msgpack.Decoder[FromSupervisor] = msgspec.msgpack.Decoder(FromSupervisor)
