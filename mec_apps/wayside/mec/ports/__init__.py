"""The ways between the edge's processes: typed messages in frames over unix streams, with stated policies.

core ◀─▶ link (`ports.link`), core ◀─▶ side (`ports.side`), supervisor ◀─▶ each. Who reads slowly makes nobody
else wait: what is kept makes its producers hold back, of what grows old the oldest goes, of what is replaced
the newest stays.
"""

from __future__ import annotations

from wayside.mec.ports._control import (
    REPORT_S,
    Family,
    Finish,
    Finished,
    FromSupervisor,
    Lack,
    Others,
    ProcessState,
    Ready,
    Report,
    Sound,
    Stop,
    ToSupervisor,
    from_supervisor,
    to_supervisor,
)
from wayside.mec.ports._ends import ConnectingPort, ListeningPort, Port
from wayside.mec.ports._frames import MAX_FRAME_BYTES, VERSION, FrameReader, pack
from wayside.mec.ports._lanes import LaneLimits, Lanes
from wayside.mec.ports._reasons import PortError, PortReason
from wayside.mec.ports._stream import Stream

__all__ = [
    "MAX_FRAME_BYTES",
    "REPORT_S",
    "VERSION",
    "ConnectingPort",
    "Family",
    "Finish",
    "Finished",
    "FrameReader",
    "FromSupervisor",
    "Lack",
    "LaneLimits",
    "Lanes",
    "ListeningPort",
    "Others",
    "Port",
    "PortError",
    "PortReason",
    "ProcessState",
    "Ready",
    "Report",
    "Sound",
    "Stop",
    "Stream",
    "ToSupervisor",
    "from_supervisor",
    "pack",
    "to_supervisor",
]
