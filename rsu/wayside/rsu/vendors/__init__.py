"""The built-in vendors, one folder each."""

from __future__ import annotations

from wayside.rsu._vendors import VendorInfo
from wayside.rsu.vendors import tits0117, usdot_rsu41

BUILT_IN: tuple[VendorInfo, ...] = (usdot_rsu41.info, tits0117.info)

__all__ = ["BUILT_IN"]
