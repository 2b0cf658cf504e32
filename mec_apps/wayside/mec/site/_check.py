from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from pydantic import ValidationError

from wayside.asn1 import dialects
from wayside.asn1.geometry import RoadGeometry
from wayside.asn1.messages import Intersection, RoadMap
from wayside.asn1.translate import DIALECTS
from wayside.geo import LocalPlane
from wayside.mec.site._exposure import is_loopback
from wayside.mec.site._maps import MapError, read_road_map
from wayside.mec.site._models import Secret, SiteModel, split_endpoint
from wayside.mec.site._reasons import SiteProblem, SiteReason
from wayside.mec.site._secrets import SECRET_ADVICE, SecretError, is_secret_name, read_secret
from wayside.mec.site._yaml import Document, key_text
from wayside.rsu import DeviceConfig, RsuError, VendorInfo, read_config

if TYPE_CHECKING:
    from wayside.mec.apps import Parameters

_MSGSPEC_PATH = re.compile(r" - at `\$\.?([^`]*)`$")
_MSGSPEC_FIELD = re.compile(r"(?:unknown|missing required) field `([^`]+)`")


class Checks:
    """What a site file says against what there is: names, files, and values that exclude each other.

    Each `check_*` adds what it finds to `problems`.
    """

    def __init__(self, document: Document, model: SiteModel, folder: Path) -> None:
        self.problems: list[SiteProblem] = []
        self._document = document
        self._model = model
        self._folder = folder

    def check_numbers_and_names(self) -> None:
        """Identities are unique, and references have a target."""
        model = self._model
        self._unique("sensors", [sensor.id for sensor in model.sensors], "id")
        self._unique("rsus", [rsu.id for rsu in model.rsus], "id")
        self._unique("signals", [signal.intersection for signal in model.signals], "intersection")
        for n, sensor in enumerate(model.sensors):
            if sensor.transport == "websocket" and sensor.token is None:
                self._add(
                    SiteReason.MISSING_KEY,
                    ("sensors", n),
                    "a sensor that comes by WebSocket needs a token",
                    "add token: {env: NAME}",
                )
        if model.link.token is None and not is_loopback(split_endpoint(model.listen.link)[0]):
            self._add(
                SiteReason.MISSING_KEY,
                ("listen", "link"),
                "a link that others reach needs a token, else any of them is a vehicle",
                "add link.token: {env: NAME}",
            )
        devices = [rsu.id for rsu in model.rsus]
        for n, signal in enumerate(model.signals):
            if signal.device:
                self._known(("signals", n, "device"), signal.device, devices, "roadside unit")
        for n, dialect in enumerate(model.link.dialects):
            self._understood(("link", "dialects", n), dialect)

    def check_signals(self) -> None:
        """Phases and groups of controllers, and which datagram is whose."""
        addresses: dict[str, str] = {}
        for n, signal in enumerate(self._model.signals):
            at = ("signals", n)
            groups = [*signal.vehicle.values(), *signal.pedestrian.values(), *signal.overlap.values()]
            if signal.source == "spat":
                if groups or signal.address:
                    self._add(
                        SiteReason.BAD_VALUE,
                        at,
                        "phases and address belong to source tscbm",
                        "set source: tscbm or leave them out",
                    )
                continue
            if not groups:
                self._add(
                    SiteReason.MISSING_KEY,
                    at,
                    "source tscbm needs its phases mapped to signal groups",
                    "add vehicle: {2: 2}",
                )
            for group in sorted({group for group in groups if groups.count(group) > 1}):
                self._add(
                    SiteReason.BAD_VALUE, at, f"signal group {group} has two phases", "one phase a group"
                )
            if signal.address in addresses or (addresses and "" in (signal.address, *addresses)):
                self._add(
                    SiteReason.BAD_VALUE,
                    (*at, "address"),
                    "which of two controllers sends cannot be told apart",
                    "give each its own address",
                )
            addresses[signal.address] = signal.intersection

    def check_maps(self) -> RoadMap:
        """Read all maps; what cannot be read is a problem."""
        found: dict[str, Intersection] = {}
        for n, entry in enumerate(self._model.maps):
            at = ("maps", n)
            if not self._understood((*at, "dialect"), entry.dialect):
                continue
            path = self._folder / entry.file
            try:
                intersections = read_road_map(path, entry.dialect)
            except OSError as error:
                self._add(
                    SiteReason.MISSING_FILE,
                    (*at, "file"),
                    f"{entry.file}: {error.strerror or error}",
                    "paths are relative to the site file",
                )
                continue
            except MapError as error:
                self._add(SiteReason.BAD_MAP, (*at, "file"), f"{entry.file}: {error}", "encode the MAP anew")
                continue
            for intersection in intersections:
                # The first file that describes an intersection counts: the same map in two dialects is usual.
                found.setdefault(str(intersection.id), intersection)
        if found:
            for n, signal in enumerate(self._model.signals):
                self._known(
                    ("signals", n, "intersection"), signal.intersection, sorted(found), "intersection"
                )
        return RoadMap(0, tuple(found.values()))

    def check_signs(self, road_map: RoadMap) -> None:
        """Signs have an id of their own, and lie on lanes that the maps have."""
        from wayside.mec.world import Roads, is_placed, post_of

        model = self._model
        self._unique("signs", [sign.id for sign in model.signs], "id")
        if not model.signs or not road_map.intersections:
            return
        geometry = RoadGeometry.from_map(road_map, LocalPlane(model.origin.lat, model.origin.lon))
        roads, names = Roads(geometry), [str(key) for key in geometry.lanes]
        for n, sign in enumerate(model.signs):
            at = ("signs", n)
            known = [self._known((*at, "lanes", i), lane, names, "lane") for i, lane in enumerate(sign.lanes)]
            if all(known) and not is_placed(roads, post_of(sign, geometry)):
                what = f"no lane lies within {sign.radius_m:g} m of it in its direction"
                self._add(SiteReason.BAD_VALUE, at, what, "correct lat, lon, heading_deg or name its lanes")

    def check_rsus(self, vendors: Mapping[str, VendorInfo]) -> dict[str, DeviceConfig]:
        """Configuration of each roadside unit, read by its vendor."""
        configs: dict[str, DeviceConfig] = {}
        for n, rsu in enumerate(self._model.rsus):
            at = ("rsus", n)
            if not self._known((*at, "vendor"), rsu.vendor, sorted(vendors), "vendor"):
                continue
            spoken = vendors[rsu.vendor].capabilities.dialects
            if self._known((*at, "dialect"), rsu.dialect, spoken, "dialect"):
                self._understood((*at, "dialect"), rsu.dialect)
            own = {"device_id": rsu.id, "dialect": rsu.dialect, "lat_deg": rsu.lat, "lon_deg": rsu.lon}
            for key in sorted(own.keys() & rsu.config.keys()):
                self._add(
                    SiteReason.BAD_VALUE,
                    (*at, "config", key),
                    "stands beside config already",
                    f"leave {key} out of config",
                )
            config = self._with_secrets((*at, "config"), rsu.config)
            try:
                read = read_config(vendors[rsu.vendor], {**config, **own}, profile=rsu.profile)
                configs[rsu.id] = read.in_folder(self._folder)
            except RsuError as error:
                self._add_converted((*at, "config"), error.what, error.advice)
        return configs

    def _with_secrets(self, at: tuple[str | int, ...], config: Mapping[str, Any]) -> dict[str, Any]:
        """A vendor's values, those that are secrets read from where they are kept."""
        out: dict[str, Any] = {}
        for key, value in config.items():
            if not is_secret_name(key):
                out[key] = value
                continue
            try:
                out[key] = read_secret(Secret.model_validate(value), self._folder)
            except ValidationError:
                self._add(
                    SiteReason.INLINE_SECRET, (*at, key), "a secret stands in the file itself", SECRET_ADVICE
                )
            except SecretError as error:
                self._add(SiteReason.MISSING_SECRET, (*at, key), str(error), "set it before the start")
        return out

    def check_apps(self, known: Mapping[str, type[Parameters]]) -> dict[str, Parameters]:
        """Parameters of each enabled app; one that the file does not name runs with its defaults."""
        out = {name: kind() for name, kind in known.items()}
        for name, entry in self._model.apps.items():
            at = ("apps", name)
            if not self._known(at, name, sorted(known), "app", reason=SiteReason.UNKNOWN_NAME):
                continue
            if not entry.enabled:
                out.pop(name, None)
            kind = known[name]
            for parameter in entry.parameters:
                self._known((*at, "parameters", parameter), parameter, kind.__struct_fields__, "parameter")
            values = {key: v for key, v in entry.parameters.items() if key in kind.__struct_fields__}
            try:
                parameters = msgspec.convert(values, kind)
            except msgspec.ValidationError as error:
                self._add_converted((*at, "parameters"), str(error), "")
                continue
            if entry.enabled:
                out[name] = parameters
        return out

    def _unique(self, section: str, names: list[str], key: str) -> None:
        seen: dict[str, int] = {}
        for n, name in enumerate(names):
            if name in seen:
                line = self._document.line((section, seen[name], key))
                self._add(
                    SiteReason.BAD_VALUE, (section, n, key), f"{name} is taken, in line {line}", "rename one"
                )
            seen.setdefault(name, n)

    def _known(
        self,
        path: tuple[str | int, ...],
        name: str,
        known: Iterable[str],
        what: str,
        *,
        reason: SiteReason = SiteReason.UNKNOWN_NAME,
    ) -> bool:
        names = list(known)
        if name in names:
            return True
        self._add(reason, path, f"no {what} {name}", suggestion(name, names))
        return False

    def _understood(self, path: tuple[str | int, ...], dialect: str) -> bool:
        """Whether messages of a dialect can be translated: the codec alone knows more dialects."""
        if dialect in DIALECTS:
            return True
        if dialect not in dialects():
            return self._known(path, dialect, DIALECTS, "dialect")
        what = f"{dialect} can be decoded, but not translated: the site would not understand it"
        self._add(SiteReason.BAD_VALUE, path, what, f"use {' or '.join(DIALECTS)}")
        return False

    def _add(self, reason: SiteReason, path: tuple[str | int, ...], what: str, advice: str = "") -> None:
        self.problems.append(SiteProblem(reason, self._document.line(path), key_text(path), what, advice))

    def _add_converted(self, path: tuple[str | int, ...], what: str, advice: str) -> None:
        """A problem that msgspec found below `path`."""
        found, field = _MSGSPEC_PATH.search(what), _MSGSPEC_FIELD.search(what)
        below = tuple(found[1].split(".")) if found and found[1] else ()
        if field is not None:
            below = (*below, field[1])
        text = what[: found.start()] if found else what
        self._add(SiteReason.BAD_VALUE, (*path, *below), text, advice)


def suggestion(name: str, known: Iterable[str]) -> str:
    """Advice for a name that is not known."""
    names = list(known)
    near = difflib.get_close_matches(name, names, 1)
    return f"did you mean {near[0]}?" if near else f"known: {', '.join(names) or 'none'}"
