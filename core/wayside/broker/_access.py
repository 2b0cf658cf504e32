from __future__ import annotations

import ssl
from typing import Annotated, Any

import msgspec
from msgspec import Meta


class BrokerAccess(msgspec.Struct, frozen=True):
    """Where the brokers are and how to be let in.

    servers: `host:port` to begin with. tls: context of the client, None for plain. mechanism: of SASL (PLAIN,
    SCRAM-SHA-256, SCRAM-SHA-512), empty for none.
    """

    servers: Annotated[tuple[str, ...], Meta(min_length=1)]
    tls: ssl.SSLContext | None = None
    mechanism: str = ""
    user: str = ""
    password: str = ""

    def __repr__(self) -> str:
        secured = "TLS" if self.tls else "plain"
        return f"BrokerAccess(servers={self.servers!r}, {secured}, mechanism={self.mechanism!r})"

    def client_arguments(self) -> dict[str, Any]:
        """Arguments for any aiokafka client."""
        protocol = ("SASL_" if self.mechanism else "") + ("SSL" if self.tls else "PLAINTEXT")
        arguments: dict[str, Any] = {
            "bootstrap_servers": list(self.servers),
            "security_protocol": protocol,
            "ssl_context": self.tls,
        }
        if self.mechanism:
            arguments |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.user,
                "sasl_plain_password": self.password,
            }
        return arguments


def broker_tls(ca: str | None, certificate: str | None = None, key: str | None = None) -> ssl.SSLContext:
    """Client context that checks the broker's certificate and name. ca: file of the issuer, None for the
    system's; certificate, key: files by which this client is known, the key without passphrase.

    Raises OSError (ssl.SSLError among them), ValueError.
    """
    context = ssl.create_default_context(cafile=ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate is not None:
        # An empty passphrase instead of a question on the terminal, which nobody would answer.
        context.load_cert_chain(certificate, key, password="")
    return context
