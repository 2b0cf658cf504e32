"""The error families of the codec: refused bytes and values, and unusable tables."""

from typing import ClassVar

from wayside.observe import Reason, WaysideError


class CodecReason(Reason, stage="codec"):
    """Why bytes or a value were refused."""

    OUT_OF_DATA = "out_of_data"
    OUT_OF_RANGE = "out_of_range"
    BAD_INDEX = "bad_index"
    BAD_LENGTH = "bad_length"
    BAD_TEXT = "bad_text"
    TOO_DEEP = "too_deep"
    TOO_LONG = "too_long"
    TRAILING = "trailing"
    MISSING = "missing"
    UNKNOWN_MEMBER = "unknown_member"
    UNKNOWN_TYPE = "unknown_type"
    WRONG_TYPE = "wrong_type"


_WORDS = {
    CodecReason.OUT_OF_DATA: "the bytes end too early",
    CodecReason.OUT_OF_RANGE: "outside the legal range or size",
    CodecReason.BAD_INDEX: "no such alternative or name",
    CodecReason.BAD_LENGTH: "a length is malformed or does not fit its content",
    CodecReason.BAD_TEXT: "text of characters that are not allowed",
    CodecReason.TOO_DEEP: "nested too deeply",
    CodecReason.TOO_LONG: "larger than the limit",
    CodecReason.TRAILING: "bytes or non-zero padding follow the value",
    CodecReason.MISSING: "a mandatory member is missing",
    CodecReason.UNKNOWN_MEMBER: "no member has this name",
    CodecReason.UNKNOWN_TYPE: "the dialect has no type of this name",
    CodecReason.WRONG_TYPE: "a Python value of the wrong type",
}


class CodecError(WaysideError):
    """Refused bytes or a refused value.

    path: the member (`value.coreData.brakes.abs`, `participants[3].pos`; empty for the whole message).
    bit_offset: place in the input; on encode the number of bits that precede the value.
    detail: one short phrase, or empty.
    """

    reason: CodecReason
    action: ClassVar[str] = "the codec refuses"

    def __init__(self, reason: CodecReason, path: str = "", bit_offset: int = 0, detail: str = "") -> None:
        self.path = path
        self.bit_offset = bit_offset
        self.detail = detail
        words = _WORDS[reason] + (f" ({detail})" if detail else "")
        super().__init__(reason, f"{self.action} at bit {bit_offset}: {words}", where=path)

    def __reduce__(self) -> tuple[type["CodecError"], tuple[CodecReason, str, int, str]]:
        return type(self), (self.reason, self.path, self.bit_offset, self.detail)


class DecodeError(CodecError):
    """Bytes that are no value of the type."""

    action = "cannot decode"


class EncodeError(CodecError):
    """A Python value that is no value of the type."""

    action = "cannot encode"


class TableReason(Reason, stage="codec_table"):
    """Why a dialect's table could not be read or built."""

    UNKNOWN_DIALECT = "unknown_dialect"
    """No dialect of this name is installed."""
    DAMAGED = "damaged"
    """The table file is not what the compiler writes, or of another version."""
    BAD_MODULE = "bad_module"
    """The module text cannot be parsed, or holds what the codec does not support."""


class TableError(WaysideError):
    """A table that cannot be read, or module text that cannot be compiled."""

    reason: TableReason


class Fault(Exception):
    """A refusal on its way out of the walker: `trail` collects the path, innermost part first."""

    def __init__(self, reason: CodecReason, bit_offset: int, detail: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.bit_offset = bit_offset
        self.detail = detail
        self.trail: list[str | int] = []

    def path(self) -> str:
        text = ""
        for part in reversed(self.trail):
            if isinstance(part, int):
                text += f"[{part}]"
            elif part.startswith("..."):
                text += f'["{part}"]'
            else:
                text += f".{part}" if text else part
        return text
