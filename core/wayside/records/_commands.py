from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from wayside.records._live import Latitude, Longitude, Name
from wayside.records._records import RecordError, RecordReason

MAX_COMMAND_BYTES = 16_384
MAX_COMMANDS = 100
MAX_COMMAND_PAGE_BYTES = MAX_COMMANDS * (MAX_COMMAND_BYTES + 16)
MAX_SILENCE_S = 86_400.0

_MOST = 2**63 - 1

Identity = Annotated[str, Meta(min_length=1, max_length=64)]


class PostSign(msgspec.Struct, frozen=True, tag="post_sign", forbid_unknown_fields=True):
    """Put up a sign, or replace the one of the same sign_id.

    code: sign type of GB 5768.2 as T/CSAE 53 carries it, 0 for text only. speed_limit_mps: None for a sign
    that sets no limit. heading_deg: of the traffic it faces, clockwise from north; None: of the nearest lane.
    radius_m: how far from its place the lanes lie that it is for. lanes: `intersection/lane` it is for,
    empty: those at its place. from_utc_ns, until_utc_ns: when it is in force, None for at once and until it
    is withdrawn.
    """

    sign_id: Identity
    code: Annotated[int, Meta(ge=0, le=65_535)]
    lat_deg: Latitude
    lon_deg: Longitude
    text: Annotated[str, Meta(max_length=256)] = ""
    speed_limit_mps: Annotated[float, Meta(gt=0.0, le=70.0)] | None = None
    heading_deg: Annotated[float, Meta(ge=0.0, lt=360.0)] | None = None
    radius_m: Annotated[float, Meta(gt=0.0, le=2_000.0)] = 12.0
    lanes: Annotated[tuple[Name, ...], Meta(max_length=64)] = ()
    from_utc_ns: Annotated[int, Meta(ge=0, le=_MOST)] | None = None
    until_utc_ns: Annotated[int, Meta(ge=0, le=_MOST)] | None = None


class WithdrawSign(msgspec.Struct, frozen=True, tag="withdraw_sign", forbid_unknown_fields=True):
    """Take a sign down that an operator has put up."""

    sign_id: Identity


class DismissEvent(msgspec.Struct, frozen=True, tag="dismiss_event", forbid_unknown_fields=True):
    """Close an open event and keep silent about its subject for silence_s seconds."""

    event_id: Identity
    silence_s: Annotated[float, Meta(ge=0.0, le=MAX_SILENCE_S)] = 600.0


class SwitchApp(msgspec.Struct, frozen=True, tag="switch_app", forbid_unknown_fields=True):
    """Turn an app of the site on or off; it stays so over restarts."""

    app: Identity
    on: bool


CommandBody = PostSign | WithdrawSign | DismissEvent | SwitchApp


class CommandState(StrEnum):
    """How far a command came. `accepted`: kept at the edge, to be done later; the others are final."""

    ACCEPTED = "accepted"
    DONE = "done"
    REFUSED = "refused"
    EXPIRED = "expired"


class CommandRecord(msgspec.Struct, frozen=True):
    """What an operator wants of a site. command_id: unique; an edge does each once, however often it comes.

    operator: who asks. valid_until_utc_ns: an edge that gets it later does not do it.
    """

    command_id: Identity
    site: Name
    operator: Identity
    issued_utc_ns: Annotated[int, Meta(ge=0, le=_MOST)]
    valid_until_utc_ns: Annotated[int, Meta(ge=0, le=_MOST)]
    body: CommandBody


class CommandPage(msgspec.Struct, frozen=True):
    """Commands for a site, oldest first, each encoded. next: what to ask `after` for what follows."""

    commands: Annotated[tuple[bytes, ...], Meta(max_length=MAX_COMMANDS)] = ()
    next: Annotated[int, Meta(ge=0, le=_MOST)] = 0


_encoder = msgspec.msgpack.Encoder()
_command = msgspec.msgpack.Decoder(CommandRecord)
_page = msgspec.msgpack.Decoder(CommandPage)


def encode_command(command: CommandRecord) -> bytes:
    """Msgpack of a command."""
    return _encoder.encode(command)


def decode_command(data: bytes | memoryview) -> CommandRecord:
    """A command from its msgpack. Raises RecordError MALFORMED, TOO_LARGE."""
    if len(data) > MAX_COMMAND_BYTES:
        what = f"command of {len(data)} octets, limit {MAX_COMMAND_BYTES}"
        raise RecordError(RecordReason.TOO_LARGE, what)
    try:
        return _command.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RecordError(RecordReason.MALFORMED, f"command: {error}") from None


def encode_command_page(page: CommandPage) -> bytes:
    """Msgpack of a page of commands."""
    return _encoder.encode(page)


def decode_command_page(data: bytes) -> CommandPage:
    """A page of commands from its msgpack. Raises RecordError MALFORMED, TOO_LARGE."""
    if len(data) > MAX_COMMAND_PAGE_BYTES:
        what = f"page of {len(data)} octets, limit {MAX_COMMAND_PAGE_BYTES}"
        raise RecordError(RecordReason.TOO_LARGE, what)
    try:
        return _page.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RecordError(RecordReason.MALFORMED, f"page of commands: {error}") from None


def command_schema() -> dict[str, Any]:
    """JSON Schema of `CommandRecord`, as kept in docs/schemas/command.json."""
    return msgspec.json.schema(CommandRecord)
