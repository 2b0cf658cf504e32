from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any, Literal, TextIO

from wayside.clock import Clock, MonoNs, SystemClock

LogFormat = Literal["auto", "json", "text"]

# One place in the code, told with other values each time, is one message: so many of it within this time
# are written, the rest is counted and told with the next one that is.
REPEATS = 10
REPEATS_NS = 10_000_000_000
# Places that are remembered; the code has fewer, unless somebody builds templates from values.
_PLACES = 1_024
# Members of an event whose value is a secret by their name.
_SECRET_NAMES = frozenset({"token", "password", "secret", "authorization", "cookie"})


class RepeatLimit(logging.Filter):
    """Lets a message of one place pass at most `REPEATS` times in 10 s; says how many it held back.

    A place is logger, level and template; faults in a loop would otherwise fill the disk.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._seen: dict[tuple[str, int, str], tuple[MonoNs, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is written; adds `held_back` where others before it were not."""
        place = (record.name, record.levelno, str(record.msg))
        now = self._clock.mono()
        since, number = self._seen.get(place, (now, 0))
        if now - since >= REPEATS_NS:
            if number > REPEATS:
                record.held_back = number - REPEATS
            since, number = now, 0
        if place not in self._seen and len(self._seen) >= _PLACES:
            del self._seen[next(iter(self._seen))]
        self._seen[place] = since, number + 1
        return number < REPEATS


def configure_logs(
    process: str,
    *,
    site: str = "",
    fmt: LogFormat = "auto",
    level: int | None = None,
    stream: TextIO | None = None,
    clock: Clock | None = None,
) -> None:
    """Set up this process's log: one line an event, with `process`, `site`, `event` and, where it is known,
    `trace_id` (`extra={"trace_id": …}`).

    fmt: json for a collector, text for a person, auto: text on a terminal only. level: None leaves the root
    logger's own. Values whose name says that they are secret are not written, and repeats are limited.
    Needs structlog. Source: own.
    """
    import structlog

    out = sys.stderr if stream is None else stream
    as_text = fmt == "text" or (fmt == "auto" and out.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        _naming(process, site),
        _without_secrets,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    ]
    last: list[Any] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if as_text:
        last.append(structlog.dev.ConsoleRenderer(colors=out.isatty(), sort_keys=False))
    else:
        last += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
    handler = logging.StreamHandler(out)
    handler.addFilter(RepeatLimit(clock or SystemClock()))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=last),
    )
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    if level is not None:
        root.setLevel(level)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _naming(process: str, site: str) -> Callable[[Any, str, dict[str, Any]], dict[str, Any]]:
    names = {"process": process} | ({"site": site} if site else {})

    def add(logger: Any, method: str, event: dict[str, Any]) -> dict[str, Any]:
        return {**names, **event}

    return add


def _without_secrets(logger: Any, method: str, event: dict[str, Any]) -> dict[str, Any]:
    return {name: "…" if name.lower() in _SECRET_NAMES else value for name, value in event.items()}
