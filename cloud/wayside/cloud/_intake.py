from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request, Response

from wayside.cloud._access import check_edge
from wayside.cloud._centre import Centre
from wayside.cloud._models import ErrorOut
from wayside.cloud._reasons import CloudError, CloudReason
from wayside.records import INSTANCE_HEADER, RecordError, check_instance, decode_live, encode_answer

CONTENT_TYPES = frozenset({"application/msgpack", "application/vnd.msgpack"})
_ERRORS: dict[int | str, dict[str, object]] = {
    status: {"model": ErrorOut} for status in (400, 401, 403, 408, 409, 413, 415, 503)
}
_BODY: dict[str, object] = {
    "requestBody": {
        "required": True,
        "content": {"application/msgpack": {"schema": {"type": "string", "format": "binary"}}},
    }
}


def intake_router(centre: Centre) -> APIRouter:
    """Routes that the edges send to; msgpack both ways."""
    router = APIRouter(prefix="/v1", tags=["edge"])

    @router.post(
        "/records",
        response_class=Response,
        responses=_ERRORS,
        openapi_extra=_BODY,
        summary="Store a page of records",
    )
    async def records(request: Request) -> Response:
        """Body: msgpack array of records (docs/schemas/record.json). The answer names each record that is
        stored, and each that never will be, with its place in the page and the reason."""
        data = await _body(request, centre, centre.settings.page_bytes)
        answer = await centre.take_in(data, _instance(request, centre))
        return Response(encode_answer(answer), media_type="application/msgpack")

    @router.post(
        "/live",
        status_code=204,
        response_class=Response,
        responses=_ERRORS,
        openapi_extra=_BODY,
        summary="Show a site's live view",
    )
    async def live(request: Request) -> Response:
        """Body: msgpack live view. It is shown to the browsers and never stored."""
        data = await _body(request, centre, centre.settings.live_bytes)
        try:
            view = decode_live(data)
        except RecordError as error:
            centre.counters.drop(error.reason)
            raise
        centre.show(view, _instance(request, centre))
        return Response(status_code=204)

    return router


def _instance(request: Request, centre: Centre) -> str:
    """The edge's instance, "" when it names none. Raises RecordError MALFORMED."""
    try:
        return check_instance(request.headers.get(INSTANCE_HEADER, ""))
    except RecordError as error:
        centre.counters.drop(error.reason)
        raise


async def _body(request: Request, centre: Centre, limit: int) -> bytes:
    """The request's body after all that can be told from its head.

    Raises CloudError UNAUTHORIZED, FOREIGN_ORIGIN, WRONG_TYPE, TOO_LARGE, TOO_SLOW.
    """
    try:
        check_edge(request, centre.settings.token.get_secret_value())
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type not in CONTENT_TYPES:
            raise CloudError(CloudReason.WRONG_TYPE, "the body must be application/msgpack")
        told = request.headers.get("content-length", "")
        if told.isdecimal() and int(told) > limit:
            raise CloudError(CloudReason.TOO_LARGE, f"body of {told} octets, limit {limit}")
        return await _read(request, centre.settings.body_timeout_s, limit)
    except CloudError as error:
        centre.counters.drop(error.reason)
        raise


async def _read(request: Request, timeout_s: float, limit: int) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    raise CloudError(CloudReason.TOO_LARGE, f"body above the limit of {limit} octets")
    except TimeoutError:
        raise CloudError(CloudReason.TOO_SLOW, f"body not complete after {timeout_s:g} s") from None
    return bytes(body)
