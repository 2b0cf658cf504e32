"""Commands of an operator as what a unit is told. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from wayside.rsu import RsuError, RsuReason
from wayside.rsu.vendors.tits0117 import wire

_PROTOCOLS = ("http", "https", "ftp", "sftp", "other")
# Commands that are orders to the unit (MNG), and what may be said with each.
_ARGUMENTS: dict[str, frozenset[str]] = {
    "reboot": frozenset({"reboot"}),
    "report": frozenset({"hb_rate_s", "running_info_rate_s", "log_level"}),
    "move": frozenset({"address", "address_at_s"}),
}


def log_order(arguments: Mapping[str, Any]) -> bytes:
    """The order to upload its log: url, user, password, protocol. Raises RsuError CONFIG."""
    words = [str(arguments.get(key, "")) for key in ("url", "user", "password", "protocol")]
    if not words[0] or words[3] not in _PROTOCOLS:
        raise RsuError(RsuReason.CONFIG, "a log order needs a url and a protocol", where="upload_log")
    return wire.build_log_order(*words)


def ordered(standing: wire.Management, name: str, arguments: Mapping[str, Any]) -> wire.Management:
    """The standing orders with what a command changes in them. Raises RsuError UNSUPPORTED, CONFIG."""
    if name not in _ARGUMENTS:
        raise RsuError(RsuReason.UNSUPPORTED, f"a unit of this class has no command {name}")
    changes = {"reboot": True} if name == "reboot" else dict(arguments)
    unknown = changes.keys() - _ARGUMENTS[name]
    if unknown:
        raise RsuError(RsuReason.CONFIG, f"{min(unknown)!r} is no argument", where=name)
    try:
        return msgspec.convert(msgspec.to_builtins(standing) | changes, wire.Management, strict=True)
    except msgspec.ValidationError as error:
        raise RsuError(RsuReason.CONFIG, str(error), where=name) from None
