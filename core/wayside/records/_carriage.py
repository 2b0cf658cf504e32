"""How records and commands travel between edge and centre, whichever uplink carries them."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from msgspec import Meta

from wayside.records._records import TOPICS, RecordError, RecordId, RecordReason

TRACKS_TOPIC = "wayside.tracks.v1"
COMMANDS_TOPIC = "wayside.commands.v1"
DEAD_TOPIC = "wayside.dead.v1"

# Names of headers, in HTTP and on Kafka alike.
ID_HEADER = "wayside-id"
INSTANCE_HEADER = "wayside-instance"

MAX_COMMAND_BYTES = 65_536
MAX_COMMAND_PAGE = 100
MAX_COMMAND_PAGE_BYTES = 8_388_608

_INSTANCE = re.compile(r"[0-9a-f]{32}")


class Address(msgspec.Struct, frozen=True):
    """Where a record goes on Kafka. topic: by its body's kind; key: what its order is kept for."""

    topic: str
    key: str


class CarriedCommand(msgspec.Struct, frozen=True):
    """A command as it lies at the centre. number: its place in the site's order, from 1; body: its octets."""

    number: Annotated[int, Meta(ge=1)]
    body: Annotated[bytes, Meta(max_length=MAX_COMMAND_BYTES)]


class CommandPage(msgspec.Struct, frozen=True):
    """Answer to an edge that asks for its commands: those after the number it named, oldest first.

    last: number of the site's newest command, 0 for none. Below the number that was asked for, the centre has
    lost its store and counts anew.
    """

    commands: Annotated[tuple[CarriedCommand, ...], Meta(max_length=MAX_COMMAND_PAGE)] = ()
    last: Annotated[int, Meta(ge=0)] = 0


class _Tagged(msgspec.Struct):
    type: str


class _Addressed(msgspec.Struct):
    id: RecordId
    key: str
    body: _Tagged


_encoder = msgspec.msgpack.Encoder()
_addressed = msgspec.msgpack.Decoder(_Addressed)
_page = msgspec.msgpack.Decoder(CommandPage)
_topics = {kind.__struct_config__.tag: topic for kind, topic in TOPICS.items()}


def record_topics() -> tuple[str, ...]:
    """Topics that carry records, sorted."""
    return tuple(sorted(set(TOPICS.values())))


def address_of(data: bytes) -> Address:
    """Address of an encoded record. Raises RecordError MALFORMED."""
    try:
        record = _addressed.decode(data)
        return Address(_topics[record.body.type], record.key)
    except (msgspec.DecodeError, KeyError, RecursionError) as error:
        raise RecordError(RecordReason.MALFORMED, f"record: {error}") from None


def check_instance(text: str) -> str:
    """An instance identity (32 hexadecimal digits, lower case) as it was given, "" for none.

    Raises RecordError MALFORMED.
    """
    if text and _INSTANCE.fullmatch(text) is None:
        raise RecordError(
            RecordReason.MALFORMED, "an instance is 32 hexadecimal digits", where=INSTANCE_HEADER
        )
    return text


def encode_command_page(page: CommandPage) -> bytes:
    """Msgpack of a page of commands."""
    return _encoder.encode(page)


def decode_command_page(data: bytes) -> CommandPage:
    """A page of commands from its msgpack. Raises RecordError MALFORMED, TOO_LARGE."""
    if len(data) > MAX_COMMAND_PAGE_BYTES:
        raise RecordError(
            RecordReason.TOO_LARGE, f"page of {len(data)} octets, limit {MAX_COMMAND_PAGE_BYTES}"
        )
    try:
        return _page.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise RecordError(RecordReason.MALFORMED, f"page of commands: {error}") from None
