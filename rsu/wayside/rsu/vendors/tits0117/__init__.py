"""T/ITS 0117 class (OpenV2X sites, the city dialect): MQTT both ways, JSON bodies or binary envelopes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wayside.rsu import VendorInfo
from wayside.rsu.vendors.tits0117.adapter import Tits0117
from wayside.rsu.vendors.tits0117.config import CEILING, Config
from wayside.rsu.vendors.tits0117.emulator import Tits0117Emulator
from wayside.rsu.vendors.tits0117.faults import Tits0117Faults

if TYPE_CHECKING:
    from wayside.rsu.conformance import Check


def _checks() -> tuple[Check, ...]:
    from wayside.rsu.vendors.tits0117.checks import CHECKS

    return CHECKS


info = VendorInfo(
    id="tits0117",
    title="T/ITS 0117: MQTT with JSON bodies or binary envelopes",
    config=Config,
    adapter=Tits0117,
    emulator=Tits0117Emulator,
    capabilities=CEILING,
    folder=Path(__file__).parent,
    checks=_checks,
    faults=Tits0117Faults,
    conformance_profiles=("openv2x", "city", "binary_by_topic"),
)

__all__ = ["Config", "Tits0117", "Tits0117Emulator", "Tits0117Faults", "info"]
