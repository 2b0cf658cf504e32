from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Latitude = Annotated[float, Field(ge=-85.0, le=85.0)]
Longitude = Annotated[float, Field(ge=-180.0, le=180.0)]
Positive = Annotated[float, Field(gt=0.0)]
Group = Annotated[int, Field(ge=1, le=255)]
Phase = Annotated[int, Field(ge=1, le=16)]

_ENDPOINT = re.compile(r"^(\[[0-9a-fA-F:]+\]|[^:\s]+):(\d{1,5})$")


def _endpoint(text: str) -> str:
    found = _ENDPOINT.match(text)
    if found is None or int(found[2]) > 65_535:
        raise PydanticCustomError("endpoint", "no address such as 127.0.0.1:47001")
    return text


Endpoint = Annotated[str, AfterValidator(_endpoint)]


def split_endpoint(endpoint: str) -> tuple[str, int]:
    """Host and port of `host:port`."""
    host, _, port = endpoint.rpartition(":")
    return host.strip("[]"), int(port)


class Model(BaseModel):
    """Base: unknown keys are errors, nothing changes after loading, no NaN."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Secret(Model):
    """Where a secret is found: the name of an environment variable, or a file that holds nothing else."""

    env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    file: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _never_inline(cls, value: Any) -> Any:
        if not isinstance(value, dict | Secret):
            raise PydanticCustomError("inline_secret", "a secret stands in the file itself")
        return value

    @model_validator(mode="after")
    def _one(self) -> Secret:
        if (self.env is None) == (self.file is None):
            raise PydanticCustomError("one_of", "give either env or file")
        return self


class Origin(Model):
    """Origin of the site's local plane, WGS-84 degrees."""

    lat: Latitude
    lon: Longitude


class MapFile(Model):
    """Encoded MAP frames: hex digits, a frame a line, or one binary frame. file: relative to the site
    file."""

    file: str
    dialect: str


class SensorKind(StrEnum):
    """What a sensor is."""

    CAMERA = "camera"
    RADAR = "radar"
    LIDAR = "lidar"


class Sensor(Model):
    """A roadside sensor.

    address: the only host that may send for it by UDP. lat, lon: where it stands. heading_deg: of its
    optical axis, clockwise from north. rate_hz, expected_delay_ms: scans a second and delay from exposure to
    arrival. late_ms: stamps older at arrival are refused; None: a second more than expected. std_m: one
    sigma along and across the line of sight where an object says none; None: typical of the kind.
    clock_offset_ms: how far its clock is ahead of UTC. token: needed for a WebSocket.
    """

    id: Identifier
    kind: SensorKind
    transport: Literal["udp", "websocket"] = "udp"
    address: str = ""
    lat: Latitude
    lon: Longitude
    heading_deg: Annotated[float, Field(ge=0.0, lt=360.0)] = 0.0
    rate_hz: Annotated[float, Field(gt=0.0, le=200.0)]
    expected_delay_ms: Annotated[float, Field(ge=0.0, le=5_000.0)]
    late_ms: Annotated[float, Field(gt=0.0, le=10_000.0)] | None = None
    range_m: Annotated[float, Field(gt=0.0, le=2_000.0)]
    std_m: tuple[Positive, Positive] | None = None
    fov_deg: Annotated[float, Field(gt=0.0, le=360.0)] = 360.0
    clock_offset_ms: Annotated[float, Field(ge=-60_000.0, le=60_000.0)] = 0.0
    token: Secret | None = None


class Listen(Model):
    """Addresses to listen on, `host:port`; port 0 lets the system choose. Nothing leaves this computer
    unless the file says so."""

    sensors_udp: Endpoint = "127.0.0.1:47001"
    sensors_ws: Endpoint = "127.0.0.1:47002"
    tscbm: Endpoint = "127.0.0.1:6053"
    link: Endpoint = "127.0.0.1:47010"
    http: Endpoint = "127.0.0.1:47080"


class Rsu(Model):
    """A roadside unit. vendor: id of a vendor folder. profile: of that vendor. config: its vendor's own."""

    id: Identifier
    vendor: str
    dialect: str
    lat: Latitude
    lon: Longitude
    profile: str = ""
    config: dict[str, Any] = {}


class Signal(Model):
    """Where an intersection's signals come from.

    intersection: `region-id` of the MAP. source: spat or tscbm. device: the only roadside unit whose SPAT
    counts. address: host of the controller. vehicle, pedestrian, overlap: TSCBM phase or overlap → signal
    group of the MAP. permissive: phases whose green is permissive.
    """

    intersection: Annotated[str, Field(pattern=r"^\d{1,5}-\d{1,5}$")]
    source: Literal["spat", "tscbm"] = "spat"
    device: str = ""
    address: str = ""
    vehicle: dict[Phase, Group] = {}
    pedestrian: dict[Phase, Group] = {}
    overlap: dict[Phase, Group] = {}
    permissive: frozenset[Phase] = frozenset()
    max_age_ms: Annotated[float, Field(ge=50.0, le=10_000.0)] = 500.0


class SignPoint(Model):
    """A point of a sign's path, WGS-84 degrees."""

    lat: Latitude
    lon: Longitude


class Sign(Model):
    """A traffic sign of the site.

    code: row of the index of GB 5768.2-2009 (85: speed limit), 0 for text only. lat, lon: where it stands.
    heading_deg: of the traffic that it faces, clockwise from north; None: that of the nearest lane. radius_m:
    how far from it its lanes lie; of a path, half its width. lanes: lanes that it is for, as the map names
    them; path: or the way along which it holds. valid_from, valid_until: with zone; None is open.
    """

    id: Identifier
    code: Annotated[int, Field(ge=0, le=65_535)] = 0
    text: Annotated[str, Field(max_length=256)] = ""
    speed_limit_kmh: Annotated[float, Field(ge=5.0, le=200.0)] | None = None
    lat: Latitude
    lon: Longitude
    heading_deg: Annotated[float, Field(ge=0.0, lt=360.0)] | None = None
    radius_m: Annotated[float, Field(ge=1.0, le=100.0)] = 15.0
    lanes: Annotated[tuple[str, ...], Field(max_length=32)] = ()
    path: Annotated[tuple[SignPoint, ...], Field(max_length=32)] = ()
    valid_from: AwareDatetime | None = None
    valid_until: AwareDatetime | None = None
    priority: Annotated[int, Field(ge=0, le=7)] = 3

    @model_validator(mode="after")
    def _whole(self) -> Sign:
        if not self.code and not self.text and self.speed_limit_kmh is None:
            raise PydanticCustomError("says_nothing", "a sign needs code, text or speed_limit_kmh")
        if len(self.path) == 1:
            raise PydanticCustomError("short_path", "a path needs two points")
        if self.valid_from and self.valid_until and self.valid_until <= self.valid_from:
            raise PydanticCustomError("no_time", "valid_until is not after valid_from")
        return self


class AppEntry(Model):
    """An app. parameters: those that differ from its declared defaults."""

    enabled: bool = True
    parameters: dict[str, bool | int | float | str] = {}


class Fusion(Model):
    """Of the tracker. horizon_ms: how late a scan may be; None: from the sensors' delays, at least 600.
    confirm_hits: detections before a track counts."""

    horizon_ms: Annotated[float, Field(ge=50.0, le=5_000.0)] | None = None
    confirm_hits: Annotated[int, Field(ge=2, le=20)] = 3
    max_tracks: Annotated[int, Field(ge=10, le=5_000)] = 1_000
    max_vehicles: Annotated[int, Field(ge=10, le=20_000)] = 2_000


class LinkLimits(Model):
    """Limits of the vehicle link that a site may change; see wayside.link.LinkRules."""

    max_sessions: Annotated[int, Field(ge=1, le=100_000)] = 2_000
    up_rate_hz: Annotated[float, Field(gt=0.0, le=1_000.0)] = 40.0
    up_burst: Annotated[int, Field(ge=1, le=10_000)] = 80
    mailbox_limit: Annotated[int, Field(ge=4, le=4_096)] = 64
    resume_window_s: Annotated[float, Field(ge=0.0, le=3_600.0)] = 30.0


class Tls(Model):
    """Files in PEM form, relative to the site file. certificate: the server's own, then those that lead to
    its authority. key: its private key, without passphrase."""

    certificate: Annotated[str, Field(min_length=1)]
    key: Annotated[str, Field(min_length=1)]


class Link(Model):
    """The vehicle link. dialects: offered to vehicles, the first preferred. token: shared secret of the
    site's vehicles, None for none. tls: makes it wss, None for plain."""

    dialects: Annotated[tuple[str, ...], Field(min_length=1, max_length=8)] = ("csae53-2020", "j2735-2024")
    token: Secret | None = None
    tls: Tls | None = None
    limits: LinkLimits = LinkLimits()


class KafkaTls(Model):
    """TLS towards the brokers. authority: file with the certificate of who issued theirs, None for those
    that the system trusts. certificate, key: by which this edge is known. Relative to the site file."""

    authority: str | None = None
    certificate: str | None = None
    key: str | None = None

    @model_validator(mode="after")
    def _both(self) -> KafkaTls:
        if (self.certificate is None) != (self.key is None):
            raise PydanticCustomError("both_of", "give both certificate and key, or neither")
        return self


class KafkaSasl(Model):
    """Who this edge is to the brokers."""

    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    user: Annotated[str, Field(min_length=1, max_length=128)]
    password: Secret


class Kafka(Model):
    """Brokers to begin with, and how to be let in."""

    servers: Annotated[tuple[Endpoint, ...], Field(min_length=1, max_length=16)]
    tls: KafkaTls | None = None
    sasl: KafkaSasl | None = None


class Uplink(Model):
    """The way to the centre: its HTTP (url, without path, and token), or Kafka."""

    url: Annotated[str, Field(pattern=r"^https?://[^/\s]+$")] | None = None
    token: Secret | None = None
    kafka: Kafka | None = None

    @model_validator(mode="after")
    def _one(self) -> Uplink:
        if (self.url is None) == (self.kafka is None):
            raise PydanticCustomError("one_of", "give either url or kafka")
        if self.kafka is not None and self.token is not None:
            raise PydanticCustomError("token_of_http", "token goes with url; kafka has sasl")
        return self


class Outbox(Model):
    """The durable queue. path: relative to the site file."""

    path: str = "outbox.sqlite"
    max_mb: Annotated[float, Field(gt=0.0, le=1_000_000.0)] = 256.0


class Clocks(Model):
    """max_error_ms: of this host's UTC; beyond it UTC-stamped radio messages stop (T/CSAE 159). error: kernel
    asks the kernel how far its time service (NTP, PTP) keeps the clock; trusted takes it for good, for hosts
    whose clock something else keeps."""

    error: Literal["kernel", "trusted"] = "kernel"
    max_error_ms: Annotated[float, Field(gt=0.0, le=60_000.0)] = 150.0


class SiteModel(Model):
    """A site file; see docs/site-file.md."""

    version: Literal[1]
    id: Identifier
    name: Annotated[str, Field(min_length=1, max_length=128)]
    origin: Origin
    maps: Annotated[tuple[MapFile, ...], Field(min_length=1, max_length=64)]
    sensors: Annotated[tuple[Sensor, ...], Field(max_length=62)] = ()
    listen: Listen = Listen()
    rsus: Annotated[tuple[Rsu, ...], Field(max_length=256)] = ()
    signals: Annotated[tuple[Signal, ...], Field(max_length=64)] = ()
    signs: Annotated[tuple[Sign, ...], Field(max_length=128)] = ()
    apps: dict[str, AppEntry] = {}
    fusion: Fusion = Fusion()
    link: Link = Link()
    uplink: Uplink | None = None
    outbox: Outbox = Outbox()
    clock: Clocks = Clocks()
