from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from wayside.records._records import MAX_BATCH, RecordError, RecordId, RecordReason

MAX_ANSWER_BYTES = 1_048_576


class RefusedRecord(msgspec.Struct, frozen=True):
    """A record that the centre will never take. index: its place in the page, from 0."""

    index: Annotated[int, Meta(ge=0)]
    reason: Annotated[str, Meta(max_length=64)]
    detail: Annotated[str, Meta(max_length=512)] = ""


class IngestAnswer(msgspec.Struct, frozen=True):
    """The centre's answer to a page: what is stored for good (now or before), and what is refused."""

    committed: Annotated[tuple[RecordId, ...], Meta(max_length=MAX_BATCH)] = ()
    refused: Annotated[tuple[RefusedRecord, ...], Meta(max_length=MAX_BATCH)] = ()


_encoder = msgspec.msgpack.Encoder()
_answer = msgspec.msgpack.Decoder(IngestAnswer)


def encode_answer(answer: IngestAnswer) -> bytes:
    """Msgpack of an answer."""
    return _encoder.encode(answer)


def decode_answer(data: bytes) -> IngestAnswer:
    """An answer from its msgpack. Raises RecordError MALFORMED, TOO_LARGE."""
    if len(data) > MAX_ANSWER_BYTES:
        raise RecordError(RecordReason.TOO_LARGE, f"answer of {len(data)} octets, limit {MAX_ANSWER_BYTES}")
    try:
        return _answer.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RecordError(RecordReason.MALFORMED, f"answer: {error}") from None
