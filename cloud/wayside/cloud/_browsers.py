from __future__ import annotations

import asyncio

import msgspec
from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from wayside.cloud._access import is_foreign
from wayside.cloud._centre import Centre
from wayside.cloud._live import Follower
from wayside.cloud._reasons import CloudError, CloudReason
from wayside.runtime import TaskOwner

_TICK_S = 1.0
_POLICY = 1008
_TRY_AGAIN = 1013


def browsers_router(centre: Centre) -> APIRouter:
    """The live channel: `/api/live` over WebSocket, text frames of JSON from the centre only.

    type `live`: age_ms and the site's newest view; `events`: stored events of the site have changed; `tick`:
    nothing new for a second, with the age of each site's view.
    """
    router = APIRouter()

    @router.websocket("/api/live")
    async def live(socket: WebSocket, site: str | None = None) -> None:
        if is_foreign(socket):
            centre.counters.drop(CloudReason.FOREIGN_ORIGIN)
            await socket.close(_POLICY)
            return
        try:
            follower = centre.live.follow(site)
        except CloudError:
            await socket.close(_TRY_AGAIN)
            return
        try:
            await socket.accept()
            async with TaskOwner("browser") as owner:
                gone = owner.start(_until_gone(socket), "reader")
                await _feed(socket, follower, gone, centre)
        except (WebSocketDisconnect, RuntimeError):
            # Gone while something was being sent to it: its end, not ours.
            centre.counters.count("browsers_gone")
        finally:
            centre.live.leave(follower)

    return router


async def _feed(socket: WebSocket, follower: Follower, gone: asyncio.Task[None], centre: Centre) -> None:
    gone.add_done_callback(lambda _: follower.end())
    while True:
        message = await follower.next(_TICK_S)
        if gone.done():
            return
        if message is None:
            message = msgspec.json.encode({"type": "tick", "ages_ms": centre.live.ages_ms()})
        try:
            async with asyncio.timeout(centre.settings.send_timeout_s):
                await socket.send_text(message.decode())
        except TimeoutError:
            centre.counters.count("browsers_cut_off")
            return


async def _until_gone(socket: WebSocket) -> None:
    """What a browser says is of no interest, only its end is."""
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return
