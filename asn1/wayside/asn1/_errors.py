"""The one error family of the codec."""

from enum import StrEnum


class CodecReason(StrEnum):
    """Why bytes or a value were refused; the labels under which refusals are counted."""

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


PLAIN_WORDS = {
    CodecReason.OUT_OF_DATA: "the bytes end too early",
    CodecReason.OUT_OF_RANGE: "the value is outside its legal range or size",
    CodecReason.BAD_INDEX: "no such alternative or name",
    CodecReason.BAD_LENGTH: "a length is malformed or does not fit its content",
    CodecReason.BAD_TEXT: "the text has characters that are not allowed",
    CodecReason.TOO_DEEP: "the value is nested too deeply",
    CodecReason.TOO_LONG: "the message or its lists are larger than the limit",
    CodecReason.TRAILING: "bytes or non-zero padding follow the value",
    CodecReason.MISSING: "a mandatory member is missing",
    CodecReason.UNKNOWN_MEMBER: "no member has this name",
    CodecReason.UNKNOWN_TYPE: "the dialect has no type of this name",
    CodecReason.WRONG_TYPE: "the Python value has the wrong type",
}


class CodecError(ValueError):
    """Refused bytes or a refused value.

    `reason` is a `CodecReason`; `path` names the member (`value.coreData.brakes.abs`, `participants[3].pos`;
    empty for the whole message); `bit_offset` is the place in the input, or on encode the number of bits that
    precede the value; `detail` is one short phrase, or empty.
    """

    what = "codec"

    def __init__(self, reason: CodecReason, path: str = "", bit_offset: int = 0, detail: str = "") -> None:
        self.reason = reason
        self.path = path
        self.bit_offset = bit_offset
        self.detail = detail
        place = path or "the message"
        words = PLAIN_WORDS[reason] + (f" ({detail})" if detail else "")
        super().__init__(f"{self.what} of {place} at bit {bit_offset}: {reason}: {words}")

    def __reduce__(self) -> tuple[type["CodecError"], tuple[CodecReason, str, int, str]]:
        return type(self), (self.reason, self.path, self.bit_offset, self.detail)


class DecodeError(CodecError):
    """Bytes that are no value of the type."""

    what = "decode"


class EncodeError(CodecError):
    """A Python value that is no value of the type."""

    what = "encode"


class TableError(ValueError):
    """A table file, or a module text, that cannot be used; says where and why. Own."""


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
            else:
                text += f".{part}" if text else part
        return text
