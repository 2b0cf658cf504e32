from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator


class CloudSettings(BaseModel):
    """How the centre runs.

    data: folder of the store. token: shared secret of the edges; may be empty only on a loopback address.
    connections: open at a time; one more is cut off. head_timeout_s, body_timeout_s: for the whole head and
    body of a request to arrive. page_bytes, live_bytes: largest request bodies. pages: taken in at a time.
    sites, browsers: most of each. keep_records: per class of record. keep_days: age at which a record
    leaves, whatever the number. send_timeout_s: after which a browser that does not read is cut off.
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
    sites: int = Field(default=256, ge=1)
    browsers: int = Field(default=64, ge=1)
    keep_records: int = Field(default=1_000_000, ge=1)
    keep_days: float = Field(default=90.0, gt=0.0)
    send_timeout_s: float = Field(default=10.0, gt=0.0)

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
