"""Configuration of a T/ITS 0117 unit, and what follows from it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

import msgspec
from msgspec import Meta

from wayside.rsu import AckLevel, Capabilities, DeviceConfig, Port, Positive
from wayside.rsu.mqtt import BrokerAddress, Tls
from wayside.rsu.vendors.tits0117.wire import KeyCase, Padding, Rate, TopicLayout

DIALECT = "csae53-2020"
MAX_FRAME_BYTES = 65_535
# Of MQTT, registered with IANA: plain, and over TLS.
PORT, TLS_PORT = 1_883, 8_883
_DOWN = frozenset({"MAP", "RSI", "RSM", "SPAT"})


class Config(DeviceConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A unit behind an MQTT broker.

    host, port, username, password, client_id, tls: the broker; units with the same values share one
    connection. port: by default 1883, with tls 8883. tls: see `wayside.rsu.mqtt.Tls`, None without.
    esn: serial number; unit_id: its name of at most 8 characters in binary envelopes, else the serial
    number. approved: an operator has let it in; until then nothing of it is taken and nothing sent to it.
    delimiter, up_id, down_id, body, spat_down: see `wire.TopicLayout`. key_case: of keys in bodies down.
    qos: of everything down; at 1 the broker's word is `transport_ack`. hb_rate_s, running_info_rate_s,
    log_level: what the unit is told; it is OFFLINE after three heartbeats that did not come, or, with
    hb_rate_s 0, after liveness_s without any message. ack_wait_s, ack_tries: how long a MAP or CONFIG waits
    for its acknowledgement, and how often it is sent. slice_bytes: largest part of a MAP in JSON.
    max_payload_bytes: a larger payload up is refused unread. clock_skew_ms: more, and the unit's clock is
    flagged. utc_offset_min: zone of the times in a JSON SPAT.
    """

    host: Annotated[str, Meta(min_length=1, max_length=253)]
    port: Port | None = None
    username: str = ""
    password: str = ""
    client_id: Annotated[str, Meta(min_length=1, max_length=64)] = "wayside-edge"
    tls: Tls | None = None
    keep_alive_s: Annotated[int, Meta(ge=1, le=3_600)] = 60
    esn: Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{1,64}$")]
    unit_id: Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{0,8}$")] = ""
    unit_name: Annotated[str, Meta(max_length=64)] = ""
    dialect: str = DIALECT
    approved: bool = False
    delimiter: Literal["/", "."] = "/"
    up_id: bool = True
    down_id: Literal["before", "after"] = "before"
    body: Literal["json", "binary"] = "json"
    spat_down: Literal["broadcast", "unit"] = "broadcast"
    key_case: KeyCase = "camel"
    id_padding: Padding = "nul"
    qos: Annotated[int, Meta(ge=0, le=1)] = 0
    hb_rate_s: Rate = 60
    running_info_rate_s: Rate = 60
    log_level: Literal["DEBUG", "INFO", "WARN", "ERROR", "NOLog"] = "INFO"
    liveness_s: Positive = 30.0
    ack_wait_s: Positive = 5.0
    ack_tries: Annotated[int, Meta(ge=1, le=10)] = 3
    slice_bytes: Annotated[int, Meta(ge=1_024, le=1_048_576)] = 65_536
    max_payload_bytes: Annotated[int, Meta(ge=1_024, le=1_048_576)] = 262_144
    receive_queue: Annotated[int, Meta(ge=1, le=100_000)] = 1_024
    clock_skew_ms: Positive = 1_000.0
    utc_offset_min: Annotated[int, Meta(ge=-720, le=840)] = 480

    def __post_init__(self) -> None:
        if self.dialect != DIALECT:
            raise ValueError(f"a unit of this class speaks {DIALECT}, not {self.dialect}")
        if self.body == "binary" and not self.unit_id and len(self.esn) > 8:
            raise ValueError("unit_id: binary envelopes need a name of at most 8 characters")
        if not self.up_id and self.body == "json":
            raise ValueError("up_id: without it the five messages are binary")

    def __repr__(self) -> str:
        return f"Config({self.device_id}, {self.esn} at {self.host}:{self.broker.port})"

    def in_folder(self, folder: Path) -> Self:
        """The same with the files of `tls` relative to a folder."""
        return self if self.tls is None else msgspec.structs.replace(self, tls=self.tls.in_folder(folder))

    @property
    def plain_peer(self) -> str:
        """The broker's host, where it is reached without TLS."""
        return self.host if self.tls is None else ""

    @property
    def layout(self) -> TopicLayout:
        """Topics of the unit."""
        return TopicLayout(
            delimiter=self.delimiter,
            up_id=self.up_id,
            down_id=self.down_id,
            body=self.body,
            spat_down=self.spat_down,
        )

    @property
    def name(self) -> str:
        """Name of the unit in its topics, or in its payloads where the topics hold none."""
        return self.esn if self.up_id else self.envelope_id

    @property
    def envelope_id(self) -> str:
        """Name of the unit in binary envelopes."""
        return self.unit_id or self.esn

    @property
    def broker(self) -> BrokerAddress:
        """The broker and how to log in."""
        return BrokerAddress(
            host=self.host,
            port=self.port or (PORT if self.tls is None else TLS_PORT),
            client_id=self.client_id,
            username=self.username,
            password=self.password,
            keep_alive_s=self.keep_alive_s,
            tls=self.tls,
        )

    @property
    def source_id(self) -> bytes:
        """Eight octets that stand for the unit in frames made of its JSON."""
        return self.envelope_id.encode("ascii")[:8].ljust(8, b"\0")

    def capabilities(self) -> Capabilities:
        """What a unit so configured can do."""
        acknowledged = self.layout.acknowledged & _DOWN
        return Capabilities(
            down=_DOWN,
            up=_DOWN | ({"BSM"} if self.body == "binary" else set()),
            dialects=(self.dialect,),
            ack=AckLevel.TRANSPORT if self.qos else AckLevel.NONE,
            ack_by_message=dict.fromkeys(sorted(acknowledged), AckLevel.DEVICE),
            stores=acknowledged,
            max_bytes={"*": MAX_FRAME_BYTES},
            liveness="heartbeat" if self.hb_rate_s else "last message",
            sends_per_s=self.sends_per_s,
            verbs=frozenset({"configure", "query", "command"}),
        )


CEILING = msgspec.structs.replace(
    Config(device_id="any", esn="any", host="127.0.0.1", qos=1).capabilities(),
    up=_DOWN | {"BSM"},
)
