from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, HTTPException, Query, Request, Response
from msgspec import Meta

from wayside.cloud import _models as models
from wayside.cloud._access import access_of, check_operator
from wayside.cloud._centre import Centre
from wayside.cloud._command_desk import WantedCommand
from wayside.cloud._command_store import StoredCommand
from wayside.cloud._reasons import CloudError, CloudReason
from wayside.records import MAX_COMMAND_BYTES, RecordError, RecordReason

_json = msgspec.json.Encoder()
_wanted = msgspec.json.Decoder(WantedCommand)
_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": models.ErrorOut} for status in (400, 401, 403, 404, 413, 415, 429, 503)
}
_NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"description": "there is no such thing"}}


class _Release(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    operator: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]


_release = msgspec.json.Decoder(_Release)


def operators_router(centre: Centre) -> APIRouter:
    """Routes by which operators act, and see what became of it; JSON."""
    router = APIRouter(prefix="/api", tags=["commands"])

    @router.get("/access", response_model=models.AccessOut)
    async def access(request: Request) -> Response:
        """Whether commands are taken of whoever asks like this: `open`, with a `token`, or `closed`."""
        return _answer({"commands": access_of(request, centre.settings).value})

    @router.post(
        "/commands",
        status_code=201,
        response_model=models.CommandOut,
        responses=_ERRORS,
        openapi_extra=_body_of(WantedCommand),
    )
    async def give(request: Request) -> Response:
        """Give a command to a site. Whom `operator` names is written down; the token gives the right."""
        wanted = await _decoded(request, centre, _wanted)
        stored = await centre.read(lambda reader: reader.site(wanted.site))
        if stored is None:
            centre.counters.drop(CloudReason.UNKNOWN_SITE)
            raise CloudError(CloudReason.UNKNOWN_SITE, "no such site has reported")
        command = await centre.commands.give(wanted, _address(request))
        found = await centre.read(lambda reader: reader.command(command.command_id))
        assert found is not None
        return _answer(_command(found, centre), 201)

    @router.get("/commands", response_model=models.CommandsOut)
    async def commands(
        site: Annotated[str | None, Query(max_length=128)] = None,
        before: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
    ) -> Response:
        """Commands and what became of them, newest first."""
        found = await centre.read(lambda reader: reader.commands(site, before, limit + 1))
        more = len(found) > limit
        found = found[:limit]
        return _answer(
            {
                "commands": [_command(stored, centre) for stored in found],
                "next": found[-1].row if more else None,
            }
        )

    @router.get("/commands/{command_id}", response_model=models.CommandOut, responses=_NOT_FOUND)
    async def command(command_id: str) -> Response:
        """One command."""
        found = await centre.read(lambda reader: reader.command(command_id))
        if found is None:
            raise HTTPException(404, "no such command")
        return _answer(_command(found, centre))

    @router.get("/audit", response_model=models.AuditOut)
    async def audit(
        before: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
    ) -> Response:
        """Who did what at this centre, newest first."""
        found = await centre.read(lambda reader: reader.audit(before, limit + 1))
        more = len(found) > limit
        found = found[:limit]
        entries = [msgspec.structs.asdict(entry) for _, entry in found]
        return _answer({"entries": entries, "next": found[-1][0] if more else None})

    @router.post(
        "/sites/{site}/release",
        response_model=models.ReleaseOut,
        responses=_ERRORS,
        openapi_extra=_body_of(_Release),
    )
    async def release(site: str, request: Request) -> Response:
        """Let the next edge that reports as this site be the one, after its edge was replaced."""
        wanted = await _decoded(request, centre, _release)
        await centre.commands.note(wanted.operator, _address(request), "release_site", site)
        return _answer({"released": await centre.release_site(site)})

    return router


async def _decoded(request: Request, centre: Centre, decoder: msgspec.json.Decoder[Any]) -> Any:
    """An operator's request. Raises CloudError of `check_operator`, TOO_LARGE, TOO_SLOW; RecordError."""
    try:
        check_operator(request, centre.settings)
        return decoder.decode(await _read(request, centre.settings.body_timeout_s))
    except CloudError as error:
        centre.counters.drop(error.reason)
        raise
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        centre.counters.drop(RecordReason.MALFORMED)
        raise RecordError(RecordReason.MALFORMED, f"command: {error}") from None


async def _read(request: Request, timeout_s: float) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_COMMAND_BYTES:
                    raise CloudError(CloudReason.TOO_LARGE, f"body above {MAX_COMMAND_BYTES} octets")
    except TimeoutError:
        raise CloudError(CloudReason.TOO_SLOW, f"body not complete after {timeout_s:g} s") from None
    return bytes(body)


def _address(request: Request) -> str:
    return "" if request.client is None else request.client.host


def _command(stored: StoredCommand, centre: Centre) -> dict[str, Any]:
    command = stored.command
    # What nobody has answered in its time: whether it was done is not known.
    over = stored.state == "pending" and command.valid_until_utc_ns <= centre.clock.utc()
    return {
        "command_id": command.command_id,
        "site": command.site,
        "operator": command.operator,
        "issued_utc_ns": command.issued_utc_ns,
        "valid_until_utc_ns": command.valid_until_utc_ns,
        "body": msgspec.to_builtins(command.body),
        "state": "unanswered" if over else stored.state,
        "reason": stored.reason,
        "detail": stored.detail,
        "fetched_utc_ns": stored.fetched_utc_ns,
        "result_utc_ns": stored.result_utc_ns,
    }


def _answer(value: object, status: int = 200) -> Response:
    return Response(_json.encode(value), status, {"cache-control": "no-store"}, media_type="application/json")


def _body_of(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """OpenAPI of a JSON body; its parts stand in it, as OpenAPI knows no local definitions."""
    (schema,), parts = msgspec.json.schema_components([kind], ref_template="#/{name}")

    def whole(node: Any) -> Any:
        if isinstance(node, dict):
            if "$ref" in node:
                return whole(parts[str(node["$ref"]).removeprefix("#/")])
            return {
                name: whole(value)
                for name, value in node.items()
                if not (name == "discriminator" and isinstance(value, dict))
            }
        return [whole(item) for item in node] if isinstance(node, list) else node

    content = {"application/json": {"schema": whole(schema)}}
    return {"requestBody": {"required": True, "content": content}}
