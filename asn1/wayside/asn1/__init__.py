"""Message layer: codecs of the V2X message sets, typed messages, and translators between them."""

from ._bits import Limits
from ._errors import CodecError, CodecReason, DecodeError, EncodeError, TableError, TableReason
from ._sets import MessageSet, dialects, frame_name, load

__all__ = [
    "CodecError",
    "CodecReason",
    "DecodeError",
    "EncodeError",
    "Limits",
    "MessageSet",
    "TableError",
    "TableReason",
    "dialects",
    "frame_name",
    "load",
]
