"""Message sets: the codec of one dialect, as the rest of the program uses it."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Literal

from ._bits import Limits, Reader, Writer
from ._decode import Decoders
from ._decode_scalars import Decode
from ._encode import Encoders
from ._encode_scalars import Encode
from ._errors import CodecReason, DecodeError, EncodeError, Fault, TableError, TableReason
from ._json import from_json, to_json
from ._sources import MODULES, TABLE_NAME
from ._table import EXTRA, Choice, Node, Sequence, Table, parse_table

Octets = bytes | bytearray | memoryview

FRAME = "MessageFrame"
"""The type that a dialect sends and receives; the default of all calls."""
EXTENDED_FRAME = "msgFrameExt"
"""Alternative of the CSAE frame whose content names its message by number (T/CSAE 157)."""
_MAX_FRAME_NUMBER = 65535


class MessageSet:
    """Encoder and decoder of all types of one dialect, in UPER (ITU-T X.691, unaligned, basic).

    Wire values follow asn1tools: SEQUENCE = dict, absent OPTIONAL = no key; SEQUENCE OF = list; CHOICE =
    (alternative, value); ENUMERATED = its name; INTEGER = int; OCTET STRING = bytes; BIT STRING = (bytes,
    bits), left-aligned; NULL = None; OBJECT IDENTIFIER = dotted str. An open type of known identifier holds
    its value, else bytes.

    What the table does not know is kept and encoded again as it came, in forms that no ASN.1 name can take:
    a SEQUENCE has the key "..." with (bits of the presence bitmap, {index: bytes}), and (bytes, bits)
    instead of bytes for what followed a known addition; a CHOICE is ("...", (index, bytes)); an ENUMERATED
    is "...index".
    """

    def __init__(self, table: Table, limits: Limits | None = None) -> None:
        self.table = table
        self.limits = limits or Limits()
        self._max_octets = self.limits.max_octets
        self.dialect = table.dialect
        self.title = table.title
        self.status = table.status
        self.type_names: tuple[str, ...] = tuple(table.types)
        self.frames: Mapping[str, str] = MappingProxyType(dict(table.frames))
        self.carried: tuple[str, ...] = _carried(table)
        self._decode_by_name: dict[str, Decode] = {}
        self._encode_by_name: dict[str, Encode] = {}
        self._decoders = Decoders(table)
        self._encoders = Encoders(table)

    def __repr__(self) -> str:
        return f"MessageSet({self.dialect!r})"

    def decode(
        self, data: Octets, type_name: str = FRAME, *, trailing: Literal["refuse", "ignore"] = "refuse"
    ) -> Any:
        """The value in `data`. Raises DecodeError.

        Octets behind the value and padding bits that are not zero are refused unless `trailing` is "ignore".
        """
        octets = data if type(data) is bytes and len(data) <= self._max_octets else self._octets(data)
        value, used = self._decode(octets, type_name)
        if trailing == "refuse":
            left = len(octets) * 8 - used
            if left >= 8 and not (used == 0 and left == 8):
                raise DecodeError(CodecReason.TRAILING, "", used, f"{left // 8} octets")
            if left and octets[-1] & ((1 << left) - 1):
                raise DecodeError(CodecReason.TRAILING, "", used, "padding that is not zero")
        return value

    def decode_prefix(self, data: Octets, type_name: str = FRAME) -> tuple[Any, int]:
        """The value at the start of `data`, and how many bits it takes. Raises DecodeError."""
        return self._decode(self._octets(data), type_name)

    def encode(self, value: Any, type_name: str = FRAME) -> bytes:
        """The octets of a value, padded with zero bits. Raises EncodeError."""
        encode = self._encode_by_name.get(type_name) if type(type_name) is str else None
        if encode is None:
            encode = self._encoders.get(self._index(type_name, EncodeError))
            self._encode_by_name[type_name] = encode
        writer = Writer(self._max_octets, self.limits.max_elements, self.limits.max_depth)
        try:
            encode(writer, value)
            return writer.finish()
        except Fault as fault:
            raise EncodeError(fault.reason, fault.path(), fault.bit_offset, fault.detail) from None
        except RecursionError:
            raise EncodeError(CodecReason.TOO_DEEP) from None
        except Exception as error:  # a key or value whose own __eq__ or __hash__ raises
            raise EncodeError(CodecReason.WRONG_TYPE, "", 0, "a value of foreign behaviour") from error

    def frame_name(self, value: Any) -> str:
        """Name of the message in a frame ("MAP", "BSM"), else its number or alternative, else "unknown".

        In the CSAE alternative `msgFrameExt` the number names the message, as in a J2735 frame.
        """
        key: object = None
        if type(value) is tuple and value:
            key = value[0]
            if key == EXTENDED_FRAME and len(value) == 2:
                value = value[1]
        if type(value) is dict:
            key = value.get("messageId")
        if type(key) is int and 0 <= key <= _MAX_FRAME_NUMBER:
            key = str(key)
        if type(key) is not str or key == EXTRA:
            return "unknown"
        return self.frames.get(key, key)

    def to_json(self, value: Any, type_name: str = FRAME) -> Any:
        """A decoded value in a form that `json.dumps` takes; see `from_json`.

        Raises EncodeError for a value of another shape than `decode` returns.
        """
        index = self._index(type_name, EncodeError)
        try:
            return to_json(self.table, index, value)
        except RecursionError:
            raise EncodeError(CodecReason.TOO_DEEP) from None
        except (AttributeError, LookupError, TypeError, ValueError, Fault) as error:
            raise EncodeError(CodecReason.WRONG_TYPE, "", 0, "no decoded value of the type") from error

    def from_json(self, value: Any, type_name: str = FRAME) -> Any:
        """The wire value of a JSON form; exact, since it goes by the table. Raises EncodeError."""
        index = self._index(type_name, EncodeError)
        try:
            return from_json(self.table, index, value)
        except Fault as fault:
            raise EncodeError(fault.reason, fault.path(), 0, fault.detail) from None
        except RecursionError:
            raise EncodeError(CodecReason.TOO_DEEP) from None

    def _decode(self, octets: bytes, type_name: str) -> tuple[Any, int]:
        decode = self._decode_by_name.get(type_name) if type(type_name) is str else None
        if decode is None:
            decode = self._decoders.get(self._index(type_name, DecodeError))
            self._decode_by_name[type_name] = decode
        reader = Reader(octets, self.limits.max_elements, self.limits.max_depth)
        try:
            return decode(reader), reader.pos
        except Fault as fault:
            raise DecodeError(fault.reason, fault.path(), fault.bit_offset, fault.detail) from None
        except RecursionError:
            raise DecodeError(CodecReason.TOO_DEEP, "", reader.pos) from None

    def _octets(self, data: Octets) -> bytes:
        if not isinstance(data, bytes | bytearray | memoryview):
            raise DecodeError(CodecReason.WRONG_TYPE, "", 0, f"{type(data).__name__} instead of bytes")
        try:
            with memoryview(data) as view:
                if view.nbytes > self._max_octets:
                    raise DecodeError(CodecReason.TOO_LONG, "", 0, f"{view.nbytes} octets")
                return view.tobytes()
        except ValueError:
            raise DecodeError(CodecReason.WRONG_TYPE, "", 0, "a released memoryview") from None

    def _index(self, type_name: str, error: type[DecodeError] | type[EncodeError]) -> int:
        index = self.table.types.get(type_name) if type(type_name) is str else None
        if index is None:
            raise error(CodecReason.UNKNOWN_TYPE, "", 0, type_name[:60] if type(type_name) is str else "")
        return index


def _carried(table: Table) -> tuple[str, ...]:
    """Names of the messages whose content the frame type holds decoded."""
    keys: list[str] = []
    frame = table.nodes[table.types[FRAME]] if FRAME in table.types else None
    if isinstance(frame, Choice):
        for alternative in (*frame.root, *(frame.additions or ())):
            numbers = _numbers(table.nodes[alternative.node]) if alternative.name == EXTENDED_FRAME else ()
            keys.extend(numbers or (alternative.name,))
    elif frame is not None:
        keys.extend(_numbers(frame))
    return tuple(table.frames.get(key, key) for key in keys)


def _numbers(node: Node) -> tuple[str, ...]:
    """Identifiers whose open type is known."""
    return tuple(map(str, node.open.nodes)) if isinstance(node, Sequence) and node.open is not None else ()


@cache
def load(dialect: str) -> MessageSet:
    """The message set of a dialect; read once, then shared. Raises TableError for an unknown dialect."""
    if dialect not in dialects():
        what = f"no dialect is called {dialect!r}"
        raise TableError(TableReason.UNKNOWN_DIALECT, what, advice=f"known are {', '.join(dialects())}")
    path = MODULES / dialect / TABLE_NAME
    try:
        table = parse_table(path.read_bytes())
    except OSError as error:
        what = f"the table cannot be read: {error.strerror}"
        raise TableError(TableReason.DAMAGED, what, where=str(path)) from error
    if table.dialect != dialect:
        raise TableError(TableReason.DAMAGED, f"the table of {dialect} says that it is {table.dialect}")
    return MessageSet(table)


@cache
def dialects() -> tuple[str, ...]:
    """Identifiers of the dialects that can be loaded, in order of name."""
    return tuple(sorted(path.parent.name for path in MODULES.glob(f"*/{TABLE_NAME}")))


def frame_name(dialect: str, value: Any) -> str:
    """Name of the message in a decoded frame of a dialect, as `MessageSet.frame_name`: "BSM", "MAP"."""
    return load(dialect).frame_name(value)
