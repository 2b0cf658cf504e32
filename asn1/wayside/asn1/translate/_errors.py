from __future__ import annotations

from typing import ClassVar

from wayside.observe import Reason, WaysideError


class TranslateReason(Reason, stage="translate"):
    """Why a wire value or a message could not be translated."""

    UNSUPPORTED = "unsupported"
    """No translator for this dialect or this kind of message."""
    MALFORMED = "malformed"
    """The value has not the shape of its dialect's type, or the message not its own."""
    NO_POSITION = "no_position"
    """A position that everything else refers to is unavailable."""
    MISSING = "missing"
    """The message lacks something that the dialect demands."""
    OUT_OF_RANGE = "out_of_range"
    """A value has no room in the dialect and cutting it to the nearest would mislead."""
    TOO_MANY = "too_many"
    """More items than the dialect's list holds."""


class TranslateError(WaysideError):
    """A wire value or message that cannot be translated; `where` is the place in it."""

    reason: TranslateReason
    advice_default: ClassVar[str] = ""
