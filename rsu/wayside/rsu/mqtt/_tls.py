"""TLS towards a broker: whom to trust, and who we are."""

from __future__ import annotations

import ssl
from pathlib import Path

import msgspec

from wayside.rsu._reasons import RsuError, RsuReason


class Tls(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Files of PEM, and the name that the broker's certificate must hold.

    authority: certificates that are trusted, else those of the system. certificate, key: of this client,
    where the broker wants one; a key has no passphrase. server_name: where the certificate names another
    than the host. The name is always checked.
    """

    authority: str = ""
    certificate: str = ""
    key: str = ""
    server_name: str = ""

    def __post_init__(self) -> None:
        if bool(self.certificate) is not bool(self.key):
            raise ValueError("certificate and key belong together")

    def in_folder(self, folder: Path) -> Tls:
        """The same with file names relative to a folder."""
        names = {"authority": self.authority, "certificate": self.certificate, "key": self.key}
        return msgspec.structs.replace(self, **{k: str(folder / name) for k, name in names.items() if name})

    def context(self) -> ssl.SSLContext:
        """TLS 1.2 at least; the broker is checked. Reads files. Raises RsuError CONFIG."""
        name = "authority"
        try:
            context = ssl.create_default_context(cafile=self.authority or None)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if self.certificate:
                name = "certificate, key"
                # An empty passphrase: a key that wants one is refused, not asked for on the terminal.
                context.load_cert_chain(self.certificate, self.key, password="")
        except (OSError, ValueError) as error:
            what = getattr(error, "strerror", None) or error
            raise RsuError(RsuReason.CONFIG, f"cannot be used: {what}", where=f"tls.{name}") from None
        return context


def refusal(error: ssl.SSLError, who: str) -> RsuError:
    """What a failed handshake means. AUTH: one of both sides does not trust the other."""
    if isinstance(error, ssl.SSLCertVerificationError):
        what = f"the certificate of {who} is refused: {error.verify_message}"
        advice = "tls.authority must have issued it, for the broker's host or tls.server_name"
        return RsuError(RsuReason.AUTH, what, where="tls", advice=advice)
    if "ALERT" in (error.reason or ""):
        what = f"{who} refuses our certificate or its lack: {error.reason}"
        return RsuError(RsuReason.AUTH, what, where="tls", advice="see tls.certificate and tls.key")
    return RsuError(RsuReason.UNSUPPORTED, f"{who} speaks no TLS that we know: {error.reason}", where="tls")


def hung_up() -> RsuError:
    """A broker ended a TLS connection without a word: its reason, if it gave one, was lost on the way."""
    what = "the broker ended the connection before it answered"
    advice = "where it wants to know its clients: see tls.certificate and tls.key"
    return RsuError(RsuReason.OFFLINE, what, where="tls", advice=advice)
