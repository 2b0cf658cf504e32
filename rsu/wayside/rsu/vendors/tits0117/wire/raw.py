"""Objects as a perception vendor's box sends them through a unit, before the unit makes an RSM of them. Pure.

A list of `{dev_pos, content[]}` in metres, degrees and ms since 1970. Numbers are cut, not rounded, as the
reference does. Source: open-v2x/cerebrum, pre_process_ai_algo and transform_driver.
"""

from __future__ import annotations

from typing import Any

from wayside.rsu import RsuError, RsuReason
from wayside.rsu.vendors.tits0117.wire import names
from wayside.rsu.vendors.tits0117.wire.bodies import Context, Transcoded
from wayside.rsu.vendors.tits0117.wire.fields import Account, Fields, listed, malformed, offset_of

MAX_DEVICES = 16
# Of one payload: what takes the loop some 30 ms. Own.
MAX_OBJECTS = 256
_IN_A_MESSAGE = 16
_NEEDED = ("ptcType", "global_track_id", "timeStamp", "pos_lat", "pos_lon", "heading")


class MissingKey(RsuError):
    """An object without a key that is needed; `key` is told to the unit."""

    def __init__(self, key: str, where: str) -> None:
        super().__init__(RsuReason.MALFORMED, f"{key} is missing", where=where)
        self.key = key


def read_raw_rsm(body: Any, context: Context) -> list[Transcoded]:
    """Perceived objects, at most 16 a value. Raises RsuError MALFORMED, TOO_LARGE, MissingKey.

    A missing speed or size is filled in as unavailable.
    """
    out: list[Transcoded] = []
    devices = listed(body, "list", MAX_DEVICES)
    if not devices:
        raise malformed("no device", "list")
    room = MAX_OBJECTS
    for i, member in enumerate(devices):
        account = Account()
        device = Fields(member, f"[{i}]", account)
        people = [_object(one) for one in device.children("content", room)]
        room -= len(people)
        place = _place(device.demand("dev_pos"), "lat", "lon")
        device.end()
        for at in range(0, len(people), _IN_A_MESSAGE):
            value = {
                "msgCnt": 0,
                "id": context.source_id,
                "refPos": place,
                "participants": people[at : at + _IN_A_MESSAGE],
            }
            out.append(Transcoded(("rsmFrame", value), account))
        account.defaulted.append("msgCnt")
    return out


def _object(fields: Fields) -> dict[str, Any]:
    for key in _NEEDED:
        if fields.raw(key) is None:
            raise MissingKey(key, fields.place)
    heading = fields.number("heading", -3600.0, 3600.0) or 0.0
    speed = fields.number("speed", -163.8, 163.8)
    if speed is None:
        fields.account.defaulted.append(fields.at("speed"))
    size = {"width": 0, "length": 0}
    for key, scale, most in (("width", 100, 1023), ("length", 100, 4095), ("height", 20, 127)):
        metres = fields.number(key, 0.0, 100.0)
        if metres is not None:
            size[key] = min(_cut(metres * scale), most)
        elif key != "height":
            fields.account.defaulted.append(fields.at(key))
    track = fields.raw("global_track_id")
    number = fields.raw("ptcId")
    person = {
        "ptcType": names.read_named(fields, "ptcType", names.PARTICIPANTS),
        "ptcId": number % 65_536 if isinstance(number, int) else _track_number(track),
        "source": names.read_named(fields, "source", names.SOURCES, 0),
        "secMark": fields.integer("timeStamp", 0, 1 << 53) % 60_000,
        "pos": offset_of(_place(fields, "pos_lat", "pos_lon")),
        "posConfidence": {"pos": "unavailable"},
        "speed": 8191 if speed is None else min(abs(_cut(speed / 0.02)), 8190),
        "heading": _cut(heading / 0.0125) % 28_800,
        "size": size,
    }
    fields.account.defaulted.append(fields.at("posConfidence"))
    fields.end()
    return person


def _place(fields: Fields, lat_key: str, lon_key: str) -> dict[str, int]:
    lat, lon = fields.number(lat_key, -90.0, 90.0), fields.number(lon_key, -180.0, 180.0)
    if lat is None or lon is None:
        raise MissingKey(lat_key if lat is None else lon_key, fields.place)
    return {"lat": _cut(lat * 1e7), "long": _cut(lon * 1e7)}


def _track_number(track: Any) -> int:
    text = str(track)[:64]
    return int(text) % 65_536 if text.isascii() and text.isdigit() else sum(text.encode()) % 65_536


def _cut(value: float) -> int:
    """The whole part; a value that is whole but for the last bits of a float counts as whole."""
    nearest = round(value)
    return nearest if abs(value - nearest) < 1e-6 else int(value)
