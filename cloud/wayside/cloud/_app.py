from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import MutableHeaders
from starlette.responses import FileResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wayside.clock import Clock
from wayside.cloud._api import api_router
from wayside.cloud._browsers import browsers_router
from wayside.cloud._centre import Centre
from wayside.cloud._command_polls import command_polls_router
from wayside.cloud._health import health_router
from wayside.cloud._intake import intake_router
from wayside.cloud._operators import operators_router
from wayside.cloud._reasons import CloudError, CloudReason
from wayside.cloud._settings import CloudSettings
from wayside.observe import WaysideError
from wayside.records import RecordError

DASHBOARD = Path(str(files("wayside.cloud") / "dashboard"))

_STATUS = {
    CloudReason.UNAUTHORIZED: 401,
    CloudReason.WRONG_TYPE: 415,
    CloudReason.TOO_LARGE: 413,
    CloudReason.TOO_SLOW: 408,
    CloudReason.BUSY: 503,
    CloudReason.STORE_FAILED: 503,
    CloudReason.SITE_LIMIT: 507,
    CloudReason.SITE_TAKEN: 409,
    CloudReason.READ_ONLY: 403,
    CloudReason.FOREIGN_ORIGIN: 403,
    CloudReason.COMMAND_LIMIT: 429,
    CloudReason.UNKNOWN_SITE: 404,
    CloudReason.BROKER_UNREACHABLE: 503,
}
_HEADERS = {
    # The page may load from and speak to its own origin only; the map draws its marks from data URLs.
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:;"
        " font-src 'self'; connect-src 'self'; worker-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


def create_app(settings: CloudSettings, clock: Clock) -> FastAPI:
    """The centre as an ASGI application: intake, API, live channel and the map page.

    Opens the store at once; it is closed with the application's lifespan. Raises CloudError STORE_FAILED.
    """
    centre = Centre(settings, clock)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        centre.start()
        try:
            yield
        finally:
            await centre.close()

    app = FastAPI(
        title="Wayside cloud",
        version="1",
        description="Takes in what the edges report, keeps it, and shows it.",
        lifespan=lifespan,
        # The stock pages load scripts from another host.
        docs_url=None,
        redoc_url=None,
    )
    app.state.centre = centre
    app.include_router(intake_router(centre))
    app.include_router(api_router(centre))
    app.include_router(operators_router(centre))
    app.include_router(command_polls_router(centre))
    app.include_router(browsers_router(centre))
    app.include_router(health_router(centre))
    _add_page(app)

    @app.exception_handler(CloudError)
    @app.exception_handler(RecordError)
    async def refused(_: Request, error: WaysideError) -> Response:
        status = _STATUS.get(error.reason, 400) if isinstance(error.reason, CloudReason) else 400
        body = msgspec.json.encode({"reason": error.reason.value, "detail": error.what})
        headers = {"retry-after": "1"} if status == 503 else {}
        if status == 401:
            headers["www-authenticate"] = "Bearer"
        return Response(body, status, headers, media_type="application/json")

    app.add_middleware(_SafeHeaders)
    return app


class _SafeHeaders:
    """Puts the security headers on every HTTP answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


def _add_page(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return FileResponse(DASHBOARD / "index.html", headers={"cache-control": "no-cache"})

    @app.get("/favicon.ico", include_in_schema=False)
    async def favicon() -> Response:
        return FileResponse(DASHBOARD / "favicon.svg", media_type="image/svg+xml")

    app.mount("/dashboard", StaticFiles(directory=DASHBOARD), name="dashboard")
