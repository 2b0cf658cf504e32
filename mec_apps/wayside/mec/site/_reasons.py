from __future__ import annotations

from typing import NamedTuple

from wayside.observe import Reason, WaysideError


class SiteReason(Reason, stage="site"):
    """What is wrong with a site file, or with what it names."""

    UNREADABLE = "unreadable"
    TOO_LARGE = "too_large"
    SYNTAX = "syntax"
    DUPLICATE_KEY = "duplicate_key"
    MISSING_KEY = "missing_key"
    UNKNOWN_KEY = "unknown_key"
    BAD_VALUE = "bad_value"
    UNKNOWN_NAME = "unknown_name"
    INLINE_SECRET = "inline_secret"
    MISSING_FILE = "missing_file"
    MISSING_SECRET = "missing_secret"
    BAD_MAP = "bad_map"
    BAD_CERTIFICATE = "bad_certificate"


class SiteProblem(NamedTuple):
    """One thing wrong. line: from 1, 0 where no line is to blame. key: path such as `sensors[0].rate_hz`."""

    reason: SiteReason
    line: int
    key: str
    what: str
    advice: str = ""


class SiteError(WaysideError):
    """A site file that cannot be used; `problems` are all that were found, in the order of their lines."""

    reason: SiteReason

    def __init__(self, file: str, problems: list[SiteProblem]) -> None:
        ordered = sorted(problems, key=lambda problem: problem.line)
        first = ordered[0]
        self.file = file
        self.problems = tuple(ordered)
        lines = [_text(file, problem) for problem in ordered]
        super().__init__(first.reason, first.what, where=f"{file}:{first.line}", advice=first.advice)
        self.args = ("\n".join(lines),)


def _text(file: str, problem: SiteProblem) -> str:
    place = f"{file}:{problem.line}" if problem.line else file
    key = f"{problem.key}: " if problem.key else ""
    advice = f"; {problem.advice}" if problem.advice else ""
    return f"{place}: {key}{problem.what} [{problem.reason.value}]{advice}"
