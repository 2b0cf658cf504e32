from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from wayside.cloud._access import check_edge
from wayside.cloud._centre import Centre
from wayside.cloud._models import ErrorOut
from wayside.cloud._reasons import CloudError
from wayside.records import INSTANCE_HEADER, RecordError, check_instance, encode_command_page

_ERRORS: dict[int | str, dict[str, object]] = {
    204: {"description": "nothing came in the time a request is held"},
    **{status: {"model": ErrorOut} for status in (400, 401, 403, 409, 503)},
}


def command_polls_router(centre: Centre) -> APIRouter:
    """Route by which the edges get their commands; msgpack."""
    router = APIRouter(prefix="/v1", tags=["edge"])

    @router.get("/commands", response_class=Response, responses=_ERRORS, summary="Commands for a site")
    async def commands(
        request: Request,
        site: Annotated[str, Query(min_length=1, max_length=128)],
        after: Annotated[int, Query(ge=0, lt=2**63)] = 0,
    ) -> Response:
        """Commands after the number `after` that wait for an answer, as a msgpack page with the number to go
        on with. The request is held open until one is there, 204 when none came."""
        try:
            check_edge(request, centre.settings.token.get_secret_value())
            instance = check_instance(request.headers.get(INSTANCE_HEADER, ""))
        except (CloudError, RecordError) as error:
            centre.counters.drop(error.reason)
            raise
        centre.check_edge(site, instance)
        page = await centre.commands.wait(site, after)
        if page is None:
            return Response(status_code=204)
        return Response(encode_command_page(page), media_type="application/msgpack")

    return router
