from __future__ import annotations

import hmac
from enum import StrEnum
from urllib.parse import urlsplit

from fastapi import Request
from starlette.requests import HTTPConnection

from wayside.cloud._reasons import CloudError, CloudReason
from wayside.cloud._settings import CloudSettings, is_loopback

_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


class Access(StrEnum):
    """Who may give commands. OPEN: whoever sits at this computer. TOKEN: who has the operators' token.
    CLOSED: nobody."""

    OPEN = "open"
    TOKEN = "token"
    CLOSED = "closed"


def access_of(request: Request, settings: CloudSettings) -> Access:
    """Who may give commands by a request like this.

    With an operators' token it is needed everywhere. Without one commands are taken only where centre, peer
    and the name that the request was made to are all on the loopback, and no proxy says that it passed it on:
    a name from outside that leads here (DNS rebinding) or a proxy then gives nobody rights.
    """
    if settings.operator_token.get_secret_value():
        return Access.TOKEN
    peer = request.client.host if request.client is not None else ""
    named = _host_name(request)
    forwarded = any(name in request.headers for name in _FORWARDED)
    local = is_loopback(settings.host) and is_loopback(peer) and is_loopback(named)
    return Access.OPEN if local and not forwarded else Access.CLOSED


def check_operator(request: Request, settings: CloudSettings) -> None:
    """Let an operator's request pass. Raises CloudError READ_ONLY, UNAUTHORIZED, FOREIGN_ORIGIN, WRONG_TYPE.

    JSON is asked for, as a page of another origin cannot send that unasked.
    """
    access = access_of(request, settings)
    if access is Access.CLOSED:
        raise CloudError(
            CloudReason.READ_ONLY,
            "commands are not taken here",
            advice="start the centre with an operators' token",
        )
    if access is Access.TOKEN:
        check_bearer(request, settings.operator_token.get_secret_value())
    if is_foreign(request):
        raise CloudError(CloudReason.FOREIGN_ORIGIN, "the page is of another origin")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise CloudError(CloudReason.WRONG_TYPE, "the body must be application/json")


def check_edge(request: Request, token: str) -> None:
    """Let an edge's request pass. Raises CloudError UNAUTHORIZED, FOREIGN_ORIGIN: it comes from a page, which
    without a token could send under a name from outside that leads here (DNS rebinding)."""
    check_bearer(request, token)
    if "origin" in request.headers:
        raise CloudError(CloudReason.FOREIGN_ORIGIN, "a page is no edge")


def is_foreign(connection: HTTPConnection) -> bool:
    """Whether a page of another origin asks; programs send no Origin."""
    origin = connection.headers.get("origin")
    if origin is None:
        return False
    try:
        return urlsplit(origin).netloc.lower() != connection.headers.get("host", "").lower()
    except ValueError:
        return True


def _host_name(request: Request) -> str:
    """The name that a request was made to, "" for none that can be read."""
    try:
        return urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    except ValueError:
        return ""


def check_bearer(request: Request, token: str) -> None:
    """Check the bearer token of a request; an empty one lets all pass. Raises CloudError UNAUTHORIZED."""
    if not token:
        return
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    same = hmac.compare_digest(given.strip().encode(), token.encode())
    if scheme.lower() != "bearer" or not same:
        raise CloudError(CloudReason.UNAUTHORIZED, "a valid bearer token is needed")
