"""The edge running: its three parts on real sockets and a real disk, in one process or in one each."""

from __future__ import annotations

from wayside.mec.service._core_part import CorePart
from wayside.mec.service._link_part import LinkPart
from wayside.mec.service._part import Part
from wayside.mec.service._service import EdgeService
from wayside.mec.service._settings import ServiceSettings
from wayside.mec.service._side_part import SidePart

__all__ = ["CorePart", "EdgeService", "LinkPart", "Part", "ServiceSettings", "SidePart"]
