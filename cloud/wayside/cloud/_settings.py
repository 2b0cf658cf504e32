from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from wayside.broker import BrokerAccess, broker_tls


class KafkaTlsSettings(BaseModel):
    """TLS towards the brokers. authority: file with the certificate of who issued theirs, None for those that
    the system trusts. certificate, key: by which the centre is known, both or none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    authority: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("give both certificate and key, or neither")
        return self


class KafkaSettings(BaseModel):
    """Intake by Kafka, beside that by HTTP.

    servers: `host:port` of brokers to begin with. group: of the consumers of one store. mechanism: of SASL,
    None for none. make_topics: those that are missing, with this many partitions and replicas. timeout_s: for
    a request. session_s: silence after which the brokers give this consumer's partitions to another.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    servers: tuple[str, ...] = Field(min_length=1, max_length=16)
    group: str = Field(default="wayside-cloud", min_length=1, max_length=128)
    tls: KafkaTlsSettings | None = None
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    user: str = ""
    password: SecretStr = SecretStr("")
    make_topics: bool = True
    partitions: int = Field(default=6, ge=1, le=1_000)
    replication: int = Field(default=3, ge=1, le=9)
    timeout_s: float = Field(default=10.0, gt=0.0)
    session_s: float = Field(default=10.0, ge=1.0)

    def access(self) -> BrokerAccess:
        """Access to the brokers. Raises OSError, ValueError for files that are no certificates."""
        tls = None
        if self.tls is not None:
            files = (self.tls.authority, self.tls.certificate, self.tls.key)
            tls = broker_tls(*(None if file is None else str(file) for file in files))
        return BrokerAccess(
            self.servers, tls, self.mechanism or "", self.user, self.password.get_secret_value()
        )


class CloudSettings(BaseModel):
    """How the centre runs.

    data: folder of the store. token: shared secret of the edges; may be empty only on a loopback address.
    connections: open at a time; one more is cut off. head_timeout_s, body_timeout_s: for the whole head and
    body of a request to arrive. page_bytes, live_bytes: largest request bodies. pages: taken in at a time.
    kafka: intake by Kafka, None for HTTP alone. sites, browsers: most of each. keep_records: per class of
    record. keep_days: age at which a record leaves, whatever the number. send_timeout_s: after which a
    browser that does not read is cut off. operator_token: shared secret of those who give commands; without
    one only this computer itself may. pending_commands: of a site, that wait for an answer. polls: edges that
    ask for commands at a time, each held for poll_s.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65_535)
    data: Path = Path("var/cloud")
    token: SecretStr = SecretStr("")
    page_bytes: int = Field(default=4_194_304, ge=1_024)
    live_bytes: int = Field(default=2_097_152, ge=1_024)
    connections: int = Field(default=512, ge=1)
    head_timeout_s: float = Field(default=10.0, gt=0.0)
    body_timeout_s: float = Field(default=10.0, gt=0.0)
    pages: int = Field(default=16, ge=1)
    kafka: KafkaSettings | None = None
    sites: int = Field(default=256, ge=1)
    browsers: int = Field(default=64, ge=1)
    keep_records: int = Field(default=1_000_000, ge=1)
    keep_days: float = Field(default=90.0, gt=0.0)
    send_timeout_s: float = Field(default=10.0, gt=0.0)
    operator_token: SecretStr = SecretStr("")
    pending_commands: int = Field(default=100, ge=1)
    polls: int = Field(default=256, ge=1)
    poll_s: float = Field(default=25.0, gt=0.0, le=50.0)

    @model_validator(mode="after")
    def _needs_token_off_the_loopback(self) -> Self:
        if not self.token.get_secret_value() and not is_loopback(self.host):
            raise ValueError(f"a token is needed to listen on {self.host}")
        return self


def is_loopback(host: str) -> bool:
    """Whether what listens on this host name or address is reached from this computer only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
