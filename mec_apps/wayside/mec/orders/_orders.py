from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import msgspec

from wayside.asn1.messages import Position
from wayside.clock import Clock, UtcNs
from wayside.mec.core import EdgeCore
from wayside.mec.orders._kept import Kept, read_kept, write_kept
from wayside.mec.orders._reasons import OrderReason
from wayside.mec.world import SignError, SignPost, SignSource
from wayside.observe import Counters, Reason
from wayside.records import (
    CommandBody,
    CommandRecord,
    CommandState,
    DismissEvent,
    PostSign,
    RecordError,
    ResultRecord,
    SwitchApp,
    WithdrawSign,
    decode_command,
)

_log = logging.getLogger(__name__)
_DETAIL = 512


class Orders:
    """Does what operators command of an edge, each command once however often it comes.

    Signs and switched apps are kept in a file and stand again after a restart; dismissals are not: what still
    stands then is reported anew. What is no command is counted under RecordReason and has no result. Belongs
    to one event loop; the disk is written on a thread.
    """

    def __init__(self, core: EdgeCore, path: Path, kept: Kept, clock: Clock, counters: Counters) -> None:
        self._core = core
        self._path = path
        self._kept = kept
        self._clock = clock
        self._counters = counters
        self._lock = asyncio.Lock()
        self._lanes = {str(key): key for key in core.geometry.lanes}

    @classmethod
    async def open(cls, core: EdgeCore, path: Path, clock: Clock, counters: Counters) -> Orders:
        """Read what was kept, and put it in force again. A file that cannot be read is set aside."""
        kept = Kept()
        try:
            kept = await asyncio.to_thread(read_kept, path)
        except (OSError, ValueError) as error:
            counters.drop(OrderReason.DAMAGED)
            _log.error("orders: %s cannot be read: %s; it is set aside", path, error)
            await asyncio.to_thread(_set_aside, path)
        orders = cls(core, path, kept, clock, counters)
        orders._restore()
        return orders

    async def take(self, data: bytes) -> tuple[ResultRecord, ...]:
        """Do a command, given encoded; what is to be reported of it. It is on disk when this returns."""
        try:
            command = decode_command(data)
        except RecordError as error:
            self._counters.drop(error.reason)
            _log.warning("orders: %s", error)
            return ()
        async with self._lock:
            known = self._kept.results.get(command.command_id)
            if known is not None:
                self._counters.count("orders_repeated")
                return (known,)
            result = self._do(command)
            self._kept.remember(result)
            if not await self._keep():
                result = msgspec.structs.replace(result, reason=OrderReason.NOT_KEPT.value)
        self._counters.count("orders", result.state)
        _log.info(
            "orders: %s of %s is %s %s",
            command.body.__struct_config__.tag,
            command.operator,
            result.state,
            result.reason,
        )
        return (result,)

    def _do(self, command: CommandRecord) -> ResultRecord:
        now = self._clock.utc()
        if command.site != self._core.site.id:
            return self._refused(command, OrderReason.WRONG_SITE, f"this is {self._core.site.id}")
        if command.valid_until_utc_ns <= now:
            self._counters.drop(OrderReason.EXPIRED)
            late = OrderReason.EXPIRED.value
            return ResultRecord(command.command_id, CommandState.EXPIRED, late, "came too late")
        try:
            reason = self._execute(command.body)
        except SignError as error:
            # Counted by the book of signs.
            return _refusal(command, error.reason, error.what)
        if reason is not None:
            return self._refused(command, reason)
        body = command.body
        later = isinstance(body, PostSign) and body.from_utc_ns is not None and body.from_utc_ns > now
        return ResultRecord(command.command_id, CommandState.ACCEPTED if later else CommandState.DONE)

    def _execute(self, body: CommandBody) -> OrderReason | None:
        """Why it cannot be done, None when it is. Raises SignError."""
        match body:
            case PostSign():
                if any(lane not in self._lanes for lane in body.lanes):
                    return OrderReason.UNKNOWN_LANE
                self._core.post_sign(self._post(body))
                self._kept.signs[body.sign_id] = body
            case WithdrawSign():
                self._kept.signs.pop(body.sign_id, None)
                if not self._core.withdraw_sign(body.sign_id):
                    return OrderReason.UNKNOWN_SIGN
            case DismissEvent():
                if not self._core.dismiss(body.event_id, body.silence_s):
                    return OrderReason.UNKNOWN_EVENT
            case SwitchApp():
                if not self._core.switch_app(body.app, body.on):
                    return OrderReason.UNKNOWN_APP
                self._kept.apps[body.app] = body.on
        return None

    def _post(self, body: PostSign) -> SignPost:
        return SignPost(
            sign_id=body.sign_id,
            source=SignSource.OPERATOR,
            code=body.code,
            text=body.text,
            speed_limit_mps=body.speed_limit_mps,
            position=Position(body.lat_deg, body.lon_deg),
            heading_deg=body.heading_deg,
            radius_m=body.radius_m,
            lanes=tuple(self._lanes[lane] for lane in body.lanes),
            from_utc=None if body.from_utc_ns is None else UtcNs(body.from_utc_ns),
            until_utc=None if body.until_utc_ns is None else UtcNs(body.until_utc_ns),
        )

    def _refused(self, command: CommandRecord, reason: OrderReason, detail: str = "") -> ResultRecord:
        self._counters.drop(reason)
        return _refusal(command, reason, detail)

    def _restore(self) -> None:
        now = self._clock.utc()
        for sign_id, sign in list(self._kept.signs.items()):
            if sign.until_utc_ns is not None and sign.until_utc_ns <= now:
                del self._kept.signs[sign_id]
                continue
            try:
                reason = self._execute(sign)
            except SignError as error:
                _log.warning("orders: sign %s stands no more: %s", sign_id, error)
                del self._kept.signs[sign_id]
            else:
                if reason is not None:
                    self._counters.drop(reason)
                    _log.warning("orders: sign %s stands no more: %s", sign_id, reason.value)
                    del self._kept.signs[sign_id]
        for app, on in list(self._kept.apps.items()):
            if not self._core.switch_app(app, on):
                del self._kept.apps[app]

    async def _keep(self) -> bool:
        data = msgspec.msgpack.encode(self._kept)
        try:
            await asyncio.to_thread(write_kept, self._path, data)
        except OSError as error:
            self._counters.drop(OrderReason.NOT_KEPT)
            _log.error("orders: %s: %s; a restart forgets it", self._path, error.strerror or error)
            return False
        return True


def _refusal(command: CommandRecord, reason: Reason, detail: str) -> ResultRecord:
    return ResultRecord(command.command_id, CommandState.REFUSED, reason.value, detail[:_DETAIL])


def _set_aside(path: Path) -> None:
    try:
        path.replace(path.with_name(f"{path.name}.damaged"))
    except OSError as error:
        _log.error("orders: %s: %s", path, error)
