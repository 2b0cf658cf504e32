from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from wayside.rsu._adapter import Adapter
from wayside.rsu._config import DeviceConfig
from wayside.rsu._emulator import Emulator, Faults
from wayside.rsu._reasons import RsuError, RsuReason
from wayside.rsu._states import Capabilities

if TYPE_CHECKING:
    from wayside.rsu.conformance import Check

ENTRY_POINT_GROUP = "wayside.rsu.vendors"


class VendorInfo(msgspec.Struct, frozen=True, kw_only=True):
    """All that the rest of the project needs to know of a vendor; its folder exports one as `info`.

    adapter: called with (config, clock, counters, on_delivery). emulator: called with a clock and keywords
    host, port, uplink (host, ports by message name), form, faults, sent_over_air. capabilities: ceiling of
    what any of its devices can do. folder: where profiles and quality.yaml stand. checks: conformance
    checks of its own wire, imported when called. faults: what its emulator honours. conformance_profiles:
    profiles with which the kit runs against the emulator, where one wire is not enough.
    """

    id: str
    title: str
    config: type[DeviceConfig]
    adapter: type[Adapter]
    emulator: Callable[..., Emulator]
    capabilities: Capabilities
    folder: Path
    checks: Callable[[], tuple[Check, ...]]
    faults: type[Faults] = Faults
    conformance_profiles: tuple[str, ...] = ("",)


def known_vendors() -> dict[str, VendorInfo]:
    """Built-in vendors and those of the entry-point group `wayside.rsu.vendors`, by id.

    A built-in cannot be replaced by an entry point of the same id. Raises RsuError CONFIG for one.
    """
    from wayside.rsu.vendors import BUILT_IN

    found = {info.id: info for info in BUILT_IN}
    for point in entry_points(group=ENTRY_POINT_GROUP):
        info = point.load()
        if not isinstance(info, VendorInfo) or info.id in found:
            raise RsuError(RsuReason.CONFIG, f"entry point {point.value} is no new vendor", where=point.name)
        found[info.id] = info
    return found


def find_vendor(vendor: str) -> VendorInfo:
    """A vendor by its id. Raises RsuError CONFIG."""
    known = known_vendors()
    if vendor not in known:
        advice = f"known vendors: {', '.join(sorted(known))}"
        raise RsuError(RsuReason.CONFIG, f"no vendor {vendor}", advice=advice)
    return known[vendor]


def read_config(info: VendorInfo, values: Mapping[str, Any], *, profile: str = "") -> DeviceConfig:
    """A device's configuration from plain values, over those of a profile of the vendor's folder.

    Raises RsuError CONFIG, naming the field.
    """
    merged = {**(read_profile(info, profile) if profile else {}), **values}
    try:
        return msgspec.convert(merged, info.config)
    except msgspec.ValidationError as error:
        where = f"{info.id} {values.get('device_id', '')}".strip()
        raise RsuError(RsuReason.CONFIG, str(error), where=where) from None


def profile_names(info: VendorInfo) -> list[str]:
    """Names of the vendor's profiles."""
    return sorted(path.stem for path in (info.folder / "profiles").glob("*.toml"))


def read_profile(info: VendorInfo, name: str) -> dict[str, Any]:
    """Values of one profile. Raises RsuError CONFIG."""
    import tomllib

    known = profile_names(info)
    if name not in known:
        advice = f"known profiles: {', '.join(known)}"
        raise RsuError(RsuReason.CONFIG, f"{info.id} has no profile {name}", advice=advice)
    return tomllib.loads((info.folder / "profiles" / f"{name}.toml").read_text("utf-8"))["device"]  # type: ignore[no-any-return]
