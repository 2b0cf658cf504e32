"""Configuration of a unit of the USDOT RSU 4.1 class, and what follows from it."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from wayside.rsu import J2735_IDS, AckLevel, Capabilities, Count, DeviceConfig, Port, RsuError, RsuReason
from wayside.rsu.vendors.usdot_rsu41.wire import ImmediateForward, text_bytes

Priority = Annotated[int, Meta(ge=0, le=7)]
Channel = Annotated[int, Meta(ge=172, le=184)]
ListenPort = Annotated[int, Meta(ge=0, le=65_535)]
Psid = Annotated[int, Meta(ge=0, le=0x1020407F)]

# Plain numbers; P-encoded on the wire. IEEE 1609.12 and the assignments usdot-fhwa-OPS/V2X-Hub uses.
PSIDS: dict[str, int] = {
    "BSM": 0x20,
    "PSM": 0x27,
    "RTCM": 0x80,
    "SPAT": 0x82,
    "TIM": 0x83,
    "SDSM": 0x90,
    "SSM": 0x204095,
    "SRM": 0x204096,
    "MAP": 0x204097,
}
# The ports usdot-jpo-ode/jpo-ode listens on, by message; `any` takes every message.
UPLINK_PORTS: dict[str, int] = {
    "BSM": 46_800,
    "TIM": 47_900,
    "SSM": 44_900,
    "SPAT": 44_910,
    "MAP": 44_920,
    "SRM": 44_930,
    "PSM": 44_940,
    "SDSM": 44_950,
    "any": 44_990,
}
ANY = "any"
IP_UDP_HEADER_BYTES = 28
DIALECTS = ("j2735-2024", "j2735-2020", "j2735-2016")


class Config(DeviceConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A unit that takes immediate-forward text and forwards what it hears over UDP.

    host, port: where the text goes; port_by_message where a unit wants a message elsewhere. psid_by_message:
    over the default table, plain numbers. uplink_host, uplink_ports: where we listen, by message or `any`;
    port 0 lets the system choose. uplink_sources: addresses that may send up; empty means only `host`.
    fragmentation: texts may exceed one packet of mtu_bytes; then payload_limit_bytes is the limit of the
    UPER frame. header_search: look for a frame where no header fits. final_newline belongs to the text.
    """

    host: Annotated[str, Meta(min_length=1, max_length=253)]
    port: Port = 1_516
    port_by_message: dict[str, Port] = msgspec.field(default_factory=dict)
    psid_by_message: dict[str, Psid] = msgspec.field(default_factory=dict)
    uplink_host: str = "127.0.0.1"
    uplink_ports: dict[str, ListenPort] = msgspec.field(default_factory=lambda: {ANY: UPLINK_PORTS[ANY]})
    uplink_sources: tuple[str, ...] = ()
    receive_queue: Count = 1_024
    max_datagram_bytes: Annotated[int, Meta(ge=64, le=65_507)] = 4_096
    header_search: bool = True
    fragmentation: bool = False
    mtu_bytes: Annotated[int, Meta(ge=576, le=65_535)] = 1_500
    payload_limit_bytes: Annotated[int, Meta(ge=64, le=32_000)] = 1_400
    tx_mode: Literal["CONT", "ALT"] = "CONT"
    tx_channel: Channel = 183
    tx_priority: Priority = 7
    sign: bool = False

    def __post_init__(self) -> None:
        for name in (*self.port_by_message, *self.psid_by_message, *self.uplink_ports):
            if name not in J2735_IDS and name != ANY:
                raise ValueError(f"{name} is no message name; known are {', '.join(J2735_IDS)}")
        for source in self.uplink_sources:
            ipaddress.ip_address(source)
        if self.dialect not in DIALECTS:
            raise ValueError(f"a unit of this class speaks none of {self.dialect}, but {', '.join(DIALECTS)}")

    def psid_of(self, message: str) -> int:
        """PSID of a message. Raises RsuError UNSUPPORTED where none is configured."""
        psid = self.psid_by_message.get(message, PSIDS.get(message))
        if psid is None:
            raise RsuError(
                RsuReason.UNSUPPORTED, f"no PSID is configured for {message}", where=self.device_id
            )
        return psid

    def forward(self, message: str, payload: bytes, psid: int | None = None) -> ImmediateForward:
        """The immediate forward of a message with this unit's defaults."""
        return ImmediateForward(
            type=message,
            psid=self.psid_of(message) if psid is None else psid,
            payload=payload,
            priority=self.tx_priority,
            tx_mode=self.tx_mode,
            channel=self.tx_channel,
            signature=self.sign,
        )

    def limit_bytes(self, message: str) -> int:
        """Largest UPER frame of a message that one text may carry, octets."""
        if self.fragmentation:
            return self.payload_limit_bytes
        room = self.mtu_bytes - IP_UDP_HEADER_BYTES - text_bytes(self.forward(message, b""), 0)
        return min(room // 2, self.payload_limit_bytes)

    def capabilities(self) -> Capabilities:
        """What a unit so configured can do."""
        down = frozenset({*PSIDS, *self.psid_by_message})
        limits = {message: self.limit_bytes(message) for message in sorted(down)}
        return Capabilities(
            down=down,
            up=frozenset(J2735_IDS),
            dialects=(self.dialect,),
            ack=AckLevel.NONE,
            max_bytes={**limits, "*": min(limits.values())},
            liveness="silence",
            sends_per_s=self.sends_per_s,
        )


CEILING = msgspec.structs.replace(
    Config(device_id="any", host="127.0.0.1", fragmentation=True, payload_limit_bytes=32_000).capabilities(),
    dialects=DIALECTS,
)
