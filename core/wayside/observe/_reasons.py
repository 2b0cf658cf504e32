from __future__ import annotations

from enum import StrEnum
from typing import ClassVar


class Reason(StrEnum):
    """Why something was dropped or refused; base of each layer's own enumeration.

    A layer subclasses it with `stage="..."` as a class keyword. The pair (stage, reason) is the only label
    set of `wayside_dropped_total`, and each member must be provoked by a test.
    """

    def __init_subclass__(cls, stage: str = "", **keywords: object) -> None:
        super().__init_subclass__(**keywords)
        if stage:
            _STAGES[cls] = stage


_STAGES: dict[type[Reason], str] = {}


def stage_of(reason: Reason) -> str:
    """Stage under which a reason is counted."""
    return _STAGES[type(reason)]


def all_reasons() -> list[Reason]:
    """Every member of every reason enumeration that has been imported."""
    return [member for kind in _STAGES for member in kind]


class WaysideError(Exception):
    """Base of every layer's error: what went wrong, where, why, and what to do.

    reason: member of the layer's own enumeration. what: the thing refused. where: place in it (member
    path, field, line), empty when there is none. advice: what a person can do about it, or empty.
    """

    reason: Reason
    advice_default: ClassVar[str] = ""

    def __init__(self, reason: Reason, what: str, *, where: str = "", advice: str = "") -> None:
        self.reason = reason
        self.what = what
        self.where = where
        self.advice = advice or self.advice_default
        text = f"{what} [{reason.value}]"
        if where:
            text = f"{where}: {text}"
        if self.advice:
            text = f"{text}; {self.advice}"
        super().__init__(text)
