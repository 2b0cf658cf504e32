from __future__ import annotations

import ssl
from pathlib import Path

from wayside.mec.site._models import Tls
from wayside.mec.site._reasons import SiteProblem, SiteReason


def server_context(tls: Tls, folder: Path) -> ssl.SSLContext | SiteProblem:
    """Context of a server that shows this certificate (TLS 1.2 or newer), or why there is none."""
    for key, name in (("certificate", tls.certificate), ("key", tls.key)):
        try:
            with (folder / name).open("rb"):
                pass
        except OSError as error:
            what = f"{name}: {error.strerror or error}"
            advice = "paths are relative to the site file"
            return SiteProblem(SiteReason.MISSING_FILE, 0, f"link.tls.{key}", what, advice)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # An empty passphrase instead of a question on the terminal, which nobody would answer.
        context.load_cert_chain(folder / tls.certificate, folder / tls.key, password="")
    except (OSError, ValueError) as error:
        why = getattr(error, "reason", None) or "not in PEM form"
        what = f"{tls.certificate} and {tls.key} cannot be used: {str(why).lower().replace('_', ' ')}"
        advice = "give a PEM certificate chain, its own certificate first, and its key without passphrase"
        return SiteProblem(SiteReason.BAD_CERTIFICATE, 0, "link.tls", what, advice)
    return context
