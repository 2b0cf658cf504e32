from __future__ import annotations

import re

import msgspec

from wayside.records._records import TOPICS, RecordError, RecordId, RecordReason

TRACKS_TOPIC = "wayside.tracks.v1"
COMMANDS_TOPIC = "wayside.commands.v1"
DEAD_TOPIC = "wayside.dead.v1"

# Names of headers, in HTTP and on Kafka alike.
ID_HEADER = "wayside-id"
INSTANCE_HEADER = "wayside-instance"

_INSTANCE = re.compile(r"[0-9a-f]{32}")


class Address(msgspec.Struct, frozen=True):
    """Where a record goes on Kafka. topic: by its body's kind; key: what its order is kept for."""

    topic: str
    key: str


class _Tagged(msgspec.Struct):
    type: str


class _Addressed(msgspec.Struct):
    id: RecordId
    key: str
    body: _Tagged


_addressed = msgspec.msgpack.Decoder(_Addressed)
_topics = {kind.__struct_config__.tag: topic for kind, topic in TOPICS.items()}


def record_topics() -> tuple[str, ...]:
    """Topics that carry records, sorted."""
    return tuple(sorted(set(TOPICS.values())))


def address_of(data: bytes) -> Address:
    """Address of an encoded record. Raises RecordError MALFORMED."""
    try:
        record = _addressed.decode(data)
        return Address(_topics[record.body.type], record.key)
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, RecursionError) as error:
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
