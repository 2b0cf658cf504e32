"""USDOT RSU Specification 4.1 class (Cohda, Savari, Commsignia, Lear and others): UDP both ways."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wayside.rsu import VendorInfo
from wayside.rsu.vendors.usdot_rsu41.adapter import UsdotRsu41
from wayside.rsu.vendors.usdot_rsu41.config import CEILING, Config
from wayside.rsu.vendors.usdot_rsu41.emulator import UsdotRsu41Emulator

if TYPE_CHECKING:
    from wayside.rsu.conformance import Check


def _checks() -> tuple[Check, ...]:
    from wayside.rsu.vendors.usdot_rsu41.checks import CHECKS

    return CHECKS


info = VendorInfo(
    id="usdot_rsu41",
    title="USDOT RSU Specification 4.1: immediate forward and message forwarding over UDP",
    config=Config,
    adapter=UsdotRsu41,
    emulator=UsdotRsu41Emulator,
    capabilities=CEILING,
    folder=Path(__file__).parent,
    checks=_checks,
)

__all__ = ["Config", "UsdotRsu41", "UsdotRsu41Emulator", "info"]
