"""Bodies of registration, heartbeat, management, configuration and acknowledgement. Pure.

Keys are spelled in several ways by units (`rsuEsn`, `rsuesn`, `rsusn`; `seqNum`, `seqnum`): they are read
whatever their case, and written as configured. Source: as `layout`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from wayside.rsu import RsuError, RsuReason

KeyCase = Literal["camel", "lower"]
Rate = Annotated[int, Meta(ge=0, le=86_400)]
MAX_TEXT = 256
MAX_SEQ = 32
_NAMES = ("rsuesn", "rsusn", "esn", "rsuid")
_CONFIG_KEYS = ("bsmConfig", "rsiConfig", "rsmConfig", "mapConfig", "spatConfig")
# As `read_body` spells them.
SETTINGS = tuple(key.lower() for key in _CONFIG_KEYS)


class Ack(msgspec.Struct, frozen=True):
    """A unit's answer to a downlink. error_code: 0 taken; 1 parameter, 2 device, others by the vendor."""

    seq_num: str
    error_code: int
    text: str = ""


class Management(msgspec.Struct, frozen=True, kw_only=True):
    """What a unit is told of how to report. Rates in seconds, 0..86 400, 0 off. address: of another server,
    from address_at_s on (s of UTC)."""

    hb_rate_s: Rate = 60
    running_info_rate_s: Rate = 60
    log_level: Literal["DEBUG", "INFO", "WARN", "ERROR", "NOLog"] = "INFO"
    reboot: bool = False
    address: Annotated[str, Meta(max_length=MAX_TEXT)] = ""
    address_at_s: Annotated[int, Meta(ge=0)] = 0


def read_json(payload: bytes) -> tuple[Any, int]:
    """A JSON value, and how many NUL octets stood behind it. Raises RsuError MALFORMED."""
    text = payload.rstrip(b"\0")
    try:
        return msgspec.json.decode(text), len(payload) - len(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RsuError(RsuReason.MALFORMED, f"no JSON: {error}", where="body") from None


def read_body(payload: bytes) -> dict[str, Any]:
    """A JSON object with its keys in lower case. Raises RsuError MALFORMED."""
    value, _ = read_json(payload)
    if not isinstance(value, dict):
        raise _malformed(f"{type(value).__name__} where an object belongs", "body")
    return {str(key).lower(): member for key, member in value.items()}


def unit_name(body: Mapping[str, Any], serial: bool) -> str:
    """Name of the unit in a body: its serial number, or its id where those are used. Raises RsuError."""
    for key in _NAMES if serial else reversed(_NAMES):
        name = body.get(key)
        if isinstance(name, str) and 1 <= len(name) <= MAX_TEXT:
            return name
    base = body.get("base")
    if isinstance(base, Mapping) and isinstance(name := base.get("ID"), str) and 1 <= len(name) <= MAX_TEXT:
        return name
    raise _malformed("no unit's name", "rsuEsn")


def read_time_ms(body: Mapping[str, Any]) -> int | None:
    """The unit's own time in a body, ms of UTC, also where it stands in a text; None where it says none.

    Raises RsuError MALFORMED.
    """
    value = body.get("timestamp")
    if value is None:
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 16:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 53:
        raise _malformed(f"{value!r:.40} is no time", "timestamp")
    return value


def read_ack(payload: bytes) -> Ack:
    """An acknowledgement; its number may be a number instead of a text. Raises RsuError MALFORMED."""
    body = read_body(payload)
    seq, code = body.get("seqnum"), body.get("errorcode")
    if isinstance(seq, int) and not isinstance(seq, bool):
        seq = str(seq)
    if not isinstance(seq, str) or not 1 <= len(seq) <= MAX_SEQ:
        raise _malformed(f"{seq!r:.40} is no sequence number", "seqNum")
    if isinstance(code, str) and code.isascii() and code.isdigit() and len(code) <= 6:
        code = int(code)
    if isinstance(code, bool) or not isinstance(code, int):
        raise _malformed(f"{code!r:.40} is no error code", "errorCode")
    text = body.get("errordesc", "")
    return Ack(seq, code, text[:MAX_TEXT] if isinstance(text, str) else "")


def build_ack(seq_num: str | int, error_code: int, case: KeyCase = "camel") -> bytes:
    """An acknowledgement as a unit sends it."""
    return _body({"seqNum": seq_num, "errorCode": error_code}, case)


def build_management(
    settings: Management, name: str, serial: str, utc_ns: int, case: KeyCase = "camel"
) -> bytes:
    """Orders of how to report, and to restart or change the server."""
    return _body(
        {
            "rsuName": name,
            _serial_key(case): serial,
            "protocolVersion": "V1.0",
            "hbRate": settings.hb_rate_s,
            "runningInfoRate": settings.running_info_rate_s,
            "addressChg": {"cssUrl": settings.address, "time": settings.address_at_s},
            "logLevel": settings.log_level,
            "reboot": int(settings.reboot),
            "extendConfig": "",
            "timestamp": utc_ns // 1_000_000_000,
            "ack": False,
        },
        case,
    )


def read_management(payload: bytes) -> Management:
    """Orders as a unit reads them. Raises RsuError MALFORMED."""
    body = read_body(payload)
    address = body.get("addresschg") or {}
    try:
        return msgspec.convert(
            {
                "hb_rate_s": body.get("hbrate", 60),
                "running_info_rate_s": body.get("runninginforate", 60),
                "log_level": body.get("loglevel", "INFO"),
                "reboot": body.get("reboot") in (1, True, "reboot"),
                "address": address.get("cssUrl", "") if isinstance(address, dict) else "",
                "address_at_s": address.get("time", 0) if isinstance(address, dict) else 0,
            },
            Management,
        )
    except msgspec.ValidationError as error:
        raise _malformed(str(error), "MNG") from None


def build_config(settings: Mapping[str, Any], seq_num: str, case: KeyCase = "camel") -> bytes:
    """Settings of what a unit reports. Raises RsuError CONFIG for a name that is none, or no setting."""
    unknown = settings.keys() - set(_CONFIG_KEYS)
    if unknown or not settings:
        what = f"{min(unknown)!r} is no setting" if unknown else "nothing to set"
        raise RsuError(RsuReason.CONFIG, what, advice=f"settings: {', '.join(_CONFIG_KEYS)}")
    return _body({**settings, "ack": True, "seqNum": seq_num}, case)


def build_query(
    unit: str, serial: str, info: str, seq_num: str, utc_ns: int, case: KeyCase = "camel"
) -> bytes:
    """A question for one value of the unit."""
    return _body(
        {
            "rsuId": unit,
            _serial_key(case): serial,
            "timestamp": utc_ns // 1_000_000_000,
            "protocolVersion": "V1.0",
            "infoId": info,
            "interval": 0,
            "ack": True,
            "seqNum": seq_num,
        },
        case,
    )


def build_log_order(url: str, user: str, password: str, protocol: str) -> bytes:
    """The order to send its log somewhere."""
    return msgspec.json.encode(
        {"uploadUrl": url, "userId": user, "password": password, "transprotocal": protocol}
    )


def build_info(unit: str, serial: str, name: str, lat_deg: float, lon_deg: float, case: KeyCase) -> bytes:
    """A unit's registration."""
    return _body(
        {
            "rsuId": unit,
            "rsuName": name,
            _serial_key(case): serial,
            "version": "1.0",
            "rsuStatus": "1",
            "location": {"lat": lat_deg, "lon": lon_deg},
            "config": {},
        },
        case,
    )


def build_heartbeat(unit: str, serial: str, name: str, seq: int, utc_ms: int, case: KeyCase) -> bytes:
    """A unit's heartbeat. utc_ms: its own time."""
    return _body(
        {
            "rsuId": unit,
            _serial_key(case): serial,
            "rsuName": name,
            "rsuStatus": "1",
            "protocolVersion": "V1.0",
            "ack": False,
            "seqNum": str(seq),
            "timestamp": utc_ms,
        },
        case,
    )


def _serial_key(case: KeyCase) -> str:
    return "rsuEsn" if case == "camel" else "rsusn"


def _body(values: Mapping[str, Any], case: KeyCase) -> bytes:
    if case == "lower":
        values = {key.lower(): value for key, value in values.items()}
    return msgspec.json.encode(values)


def _malformed(what: str, where: str) -> RsuError:
    return RsuError(RsuReason.MALFORMED, what, where=where)
