"""Topics of T/ITS 0117 units: which message stands under which topic, and whose it is.

Source: topic tables that open-v2x/dandelion and open-v2x/roadmocker use, and the city document in
zyjohn0822/asn1-uper-v2x; that they are those of T/ITS 0117 itself is inferred.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from wayside.rsu import RsuError, RsuReason
from wayside.rsu.mqtt import Publish
from wayside.rsu.vendors.tits0117.wire.envelope import ID_BYTES, read_id
from wayside.rsu.vendors.tits0117.wire.management import read_body, unit_name

MAX_REPORT_BYTES = 65_536
MESSAGES = ("BSM", "MAP", "RSM", "SPAT", "RSI")
# Management kinds that carry the unit's name in the body, as spelled with mixed and with upper case.
MANAGEMENT = ("INFO", "HB", "BaseINFO", "RunningInfo", "CONFIG")
CITY_MANAGEMENT = ("HB", "BASEINFO", "RUNNINGINFO", "STATE")
QUERY = "INFOQuery"
_ACKNOWLEDGED = ("MAP", "CONFIG")


class Arrived(msgspec.Struct, frozen=True):
    """What a topic says. kind: message name, or management kind in upper case. name: of the unit, or empty
    where the body says it. ack: it confirms a downlink. driver: of a vendor's raw data, or empty."""

    kind: str
    name: str = ""
    ack: bool = False
    driver: str = ""


class TopicLayout(msgspec.Struct, frozen=True, kw_only=True):
    """How a line of units spells its topics.

    delimiter: between the levels. up_id: message topics up carry the unit's name; else the payload does.
    down_id: the name stands before the kind or after it. body: form of the five messages.
    spat_down: SPAT goes down to one topic for all units, or to each unit's own.
    """

    delimiter: Literal["/", "."] = "/"
    up_id: bool = True
    down_id: Literal["before", "after"] = "before"
    body: Literal["json", "binary"] = "json"
    spat_down: Literal["broadcast", "unit"] = "broadcast"

    def up_filters(self, name: str) -> list[str]:
        """Filters for all that one unit sends."""
        if not self.up_id:
            return [self._join("V2X", "RSU", kind, "UP") for kind in (*MESSAGES, *CITY_MANAGEMENT)]
        own = [self._join("V2X", "RSU", name, kind, "UP") for kind in MESSAGES]
        own += [self.ack_up(kind, name) for kind in _ACKNOWLEDGED if kind in self.acknowledged]
        if self.delimiter == "/":
            own += [f"V2X/RSU/{name}/{kind}/UP/+" for kind in ("RSM", "RSI")]
        shared = [self._join("V2X", "RSU", kind, "UP") for kind in MANAGEMENT]
        return [*own, *shared, self._join("V2X", "RSU", QUERY, "Response")]

    def up(self, kind: str, name: str) -> str:
        """Topic of a unit's message or management kind."""
        if self.up_id and kind in MESSAGES:
            return self._join("V2X", "RSU", name, kind, "UP")
        if kind == QUERY:
            return self._join("V2X", "RSU", QUERY, "Response")
        return self._join("V2X", "RSU", kind if self.up_id else kind.upper(), "UP")

    def raw_up(self, kind: str, name: str, driver: str) -> str:
        """Topic of a vendor's raw data."""
        return self._join("V2X", "RSU", name, kind, "UP", driver)

    def ack_up(self, kind: str, name: str) -> str:
        """Topic on which a unit confirms a downlink."""
        return self._join("V2X", "RSU", name, kind, "DOWN", "ACK")

    def down(self, kind: str, name: str) -> str:
        """Topic down to one unit; of a SPAT, to all, where so laid out."""
        if kind == "SPAT" and self.spat_down == "broadcast":
            return self._join("RSU", "SPAT", "DOWN")
        if kind == QUERY:
            return self._join("V2X", "RSU", name, QUERY)
        if kind == "Log":
            # It goes down in spite of its name.
            return self._join("V2X", "RSU", name, "Log", "UP")
        if self.down_id == "after":
            return self._join("V2X", "RSU", kind, name, "DOWN")
        return self._join("V2X", "RSU", name, kind, "DOWN")

    def raw_answer(self, name: str) -> str:
        """Topic that tells a unit what is missing in its raw data."""
        return self._join("V2X", "RSU", name, "RSM", "DAWNLINE", "ACK")

    def register_now(self) -> str:
        """Topic that asks all units to register."""
        return self._join("V2X", "RSU", "REG", "TICE")

    @property
    def acknowledged(self) -> frozenset[str]:
        """Kinds whose downlinks a unit confirms: where topics name it, by a number that JSON carries."""
        if not self.up_id:
            return frozenset()
        return frozenset(_ACKNOWLEDGED if self.body == "json" else ("CONFIG",))

    @property
    def to_all(self) -> frozenset[str]:
        """Kinds that go down under one topic for all units."""
        return frozenset({"SPAT"} if self.spat_down == "broadcast" else ())

    @property
    def registration(self) -> str:
        """Kind with which a unit announces itself."""
        return "INFO" if self.up_id else "BASEINFO"

    def read(self, topic: str) -> Arrived:
        """What a topic up says. Raises RsuError MALFORMED for one that is none of this layout."""
        levels = topic.split(self.delimiter)
        match levels:
            case ["V2X", "RSU", str(kind), "UP"] if not self.up_id and kind in (*MESSAGES, *CITY_MANAGEMENT):
                return Arrived(kind)
            case ["V2X", "RSU", str(kind), "UP"] if self.up_id and kind in MANAGEMENT:
                return Arrived(kind.upper())
            case ["V2X", "RSU", "INFOQuery", "Response"]:
                return Arrived(QUERY.upper())
            case ["V2X", "RSU", str(name), str(kind), "UP"] if self.up_id and kind in MESSAGES:
                return Arrived(kind, name)
            case ["V2X", "RSU", str(name), str(kind), "DOWN", "ACK"] if kind in self.acknowledged:
                return Arrived(kind, name, ack=True)
            case ["V2X", "RSU", str(name), "RSM" | "RSI" as kind, "UP", str(driver)] if self.up_id:
                return Arrived(kind, name, driver=driver)
        raise RsuError(RsuReason.MALFORMED, f"no topic of this layout: {topic[:80]!r}", where="topic")

    def read_down(self, topic: str, name: str) -> str | None:
        """Kind of a downlink to a unit, None when it is for another or none of this layout."""
        for kind in (*MESSAGES, "CONFIG", "MNG", "Log", QUERY):
            if topic == self.down(kind, name):
                return kind
        return "TICE" if topic == self.register_now() else None

    def down_filters(self, name: str) -> list[str]:
        """Filters for all that is for one unit."""
        kinds = ("MAP", "RSM", "SPAT", "RSI", "CONFIG", "MNG", "Log", QUERY)
        return [*(self.down(kind, name) for kind in kinds), self.register_now(), self.raw_answer(name)]

    def device_of(self, message: Publish) -> str:
        """Name of the unit that sent a message up. Raises RsuError MALFORMED, TOO_LARGE."""
        arrived = self.read(message.topic)
        if arrived.name:
            return arrived.name
        if arrived.kind in MESSAGES and self.body == "binary":
            return read_id(message.payload[:ID_BYTES])
        if len(message.payload) > MAX_REPORT_BYTES:
            what = f"{arrived.kind} of {len(message.payload)} octets"
            raise RsuError(RsuReason.TOO_LARGE, what, limit=MAX_REPORT_BYTES)
        return unit_name(read_body(message.payload), self.up_id)

    def _join(self, *levels: str) -> str:
        return self.delimiter.join(levels)
