from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path

from wayside.broker import broker_tls
from wayside.mec.site._models import KafkaTls, Tls
from wayside.mec.site._reasons import SiteProblem, SiteReason


def server_context(tls: Tls, folder: Path) -> ssl.SSLContext | SiteProblem:
    """Context of a server that shows this certificate (TLS 1.2 or newer), or why there is none."""
    problem = _unreadable(folder, {"link.tls.certificate": tls.certificate, "link.tls.key": tls.key})
    if problem is not None:
        return problem
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # An empty passphrase instead of a question on the terminal, which nobody would answer.
        context.load_cert_chain(folder / tls.certificate, folder / tls.key, password="")
    except (OSError, ValueError) as error:
        return _unfit("link.tls", f"{tls.certificate} and {tls.key}", error)
    return context


def client_context(tls: KafkaTls, folder: Path) -> ssl.SSLContext | SiteProblem:
    """Context of a client of the brokers, which checks who they are, or why there is none."""
    names = {"authority": tls.authority, "certificate": tls.certificate, "key": tls.key}
    given = {f"uplink.kafka.tls.{key}": name for key, name in names.items() if name is not None}
    problem = _unreadable(folder, given)
    if problem is not None:
        return problem
    authority, certificate, key = (
        None if name is None else str(folder / name) for name in (tls.authority, tls.certificate, tls.key)
    )
    try:
        return broker_tls(authority, certificate, key)
    except (OSError, ValueError) as error:
        return _unfit("uplink.kafka.tls", " and ".join(given.values()), error)


def _unreadable(folder: Path, names: Mapping[str, str]) -> SiteProblem | None:
    for key, name in names.items():
        try:
            with (folder / name).open("rb"):
                pass
        except OSError as error:
            what = f"{name}: {error.strerror or error}"
            advice = "paths are relative to the site file"
            return SiteProblem(SiteReason.MISSING_FILE, 0, key, what, advice)
    return None


def _unfit(key: str, names: str, error: OSError | ValueError) -> SiteProblem:
    why = getattr(error, "reason", None) or "not in PEM form"
    what = f"{names} cannot be used: {str(why).lower().replace('_', ' ')}"
    advice = "give a PEM certificate chain, its own certificate first, and its key without passphrase"
    return SiteProblem(SiteReason.BAD_CERTIFICATE, 0, key, what, advice)
