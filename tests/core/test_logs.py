"""One line an event, for a person or a collector; repeats are limited and secrets left out."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from wayside.clock import VirtualClock
from wayside.observe import configure_logs

_log = logging.getLogger("wayside.test")


@pytest.fixture(autouse=True)
def root() -> Iterator[None]:
    """The root logger as it was, after the test."""
    logger = logging.getLogger()
    handlers, level = list(logger.handlers), logger.level
    yield
    logger.handlers[:] = handlers
    logger.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_of_json_says_who_and_what(clock: VirtualClock) -> None:
    out = io.StringIO()
    configure_logs("edge-link", site="haihe", level=logging.INFO, stream=out, clock=clock)
    _log.info("vehicle %r is cut", "bus-12", extra={"trace_id": "00ff", "token": "s3cret"})
    _log.debug("too fine")
    (line,) = lines(out)
    assert line["event"] == "vehicle 'bus-12' is cut"
    assert {k: line[k] for k in ("process", "site", "level", "trace_id", "logger")} == {
        "process": "edge-link",
        "site": "haihe",
        "level": "info",
        "trace_id": "00ff",
        "logger": "wayside.test",
    }
    assert "s3cret" not in out.getvalue()


def test_a_fault_has_its_trace(clock: VirtualClock) -> None:
    out = io.StringIO()
    configure_logs("edge-core", level=logging.INFO, stream=out, clock=clock)
    try:
        raise ValueError("broken")
    except ValueError:
        _log.exception("a fault")
    (line,) = lines(out)
    assert "ValueError: broken" in str(line["exception"])


def test_text_is_for_people(clock: VirtualClock) -> None:
    out = io.StringIO()
    configure_logs("centre", fmt="text", level=logging.INFO, stream=out, clock=clock)
    _log.warning("the disk is full")
    assert "the disk is full" in out.getvalue()
    assert not out.getvalue().startswith("{")


def test_repeats_of_a_place_are_held_back_and_counted(clock: VirtualClock) -> None:
    out = io.StringIO()
    configure_logs("edge-core", level=logging.INFO, stream=out, clock=clock)
    for n in range(25):
        _log.info("bad scan %d", n)
    _log.info("another")
    assert [line["event"] for line in lines(out)] == [*(f"bad scan {n}" for n in range(10)), "another"]
    clock.advance(11.0)
    _log.info("bad scan %d", 99)
    last = lines(out)[-1]
    assert (last["event"], last["held_back"]) == ("bad scan 99", 15)
