from __future__ import annotations

import argparse
import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from wayside.cloud import CloudError, CloudReason, commands
from wayside.cloud._trace_text import trace_text


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """The log as it was before: a command sets up its own."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    subparsers = parser.add_subparsers()
    commands.register(subparsers)
    commands.register_trace(subparsers)
    return parser.parse_args(words)


def run(*words: str) -> int:
    args = parse(*words)
    return int(args.func(args))


@pytest.mark.drops(CloudReason.UNREACHABLE)
@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}", "no address", "http://[::1"])
def test_a_centre_that_does_not_answer_is_one_clear_error(url: str) -> None:
    with socket.socket() as held:  # bound and not listening: nobody else can answer there
        held.bind(("127.0.0.1", 0))
        with pytest.raises(CloudError) as caught:
            run("trace", "0123456789abcdef", "--url", url.format(port=held.getsockname()[1]))
    assert caught.value.reason is CloudReason.UNREACHABLE
    assert "--url" in str(caught.value)


def test_off_the_loopback_a_token_is_needed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(commands.TOKEN_VARIABLE, raising=False)
    assert run("cloud", "--host", "0.0.0.0", "--data", str(tmp_path)) == 2
    assert "token" in capsys.readouterr().err
    assert run("cloud", "--token-file", str(tmp_path / "none"), "--data", str(tmp_path)) == 2
    assert run("cloud", "--port", "70000", "--data", str(tmp_path)) == 2
    assert "port" in capsys.readouterr().err


def test_a_port_in_use_is_one_clear_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert run("cloud", "--port", port, "--data", str(tmp_path)) == 1
    assert port in capsys.readouterr().err


def test_the_token_comes_from_the_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(commands.TOKEN_VARIABLE, " from-environment ")
    (tmp_path / "token").write_text("from-file\n")
    assert commands._token(None, commands.TOKEN_VARIABLE).get_secret_value() == "from-environment"
    assert commands._token(tmp_path / "token", commands.TOKEN_VARIABLE).get_secret_value() == "from-file"


def trace(**changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "trace_id": "0123456789abcdef",
        "site": "haihe",
        "event_id": "1-1",
        "kind": "vrucw",
        "severity": 3,
        "record_id": "haihe/1/1",
        "received_utc_ns": 0,
        "steps": [
            {"name": "detection", "at_utc_ns": 1_790_000_000_000_000_000, "detail": {"sensor": "camera"}},
            {
                "name": "app",
                "at_utc_ns": 1_790_000_000_002_500_000,
                "detail": {"limit_s": 3.5, "list": [1, 2.5]},
            },
        ],
        "latency_ms": {"fused": 2.0, "decided": 6.0},
        "total_ms": 8.0,
        "deliveries": [],
    }
    return base | changes


def test_a_trace_is_a_table_of_its_steps_and_stages() -> None:
    assert trace_text(trace()).splitlines() == [
        "trace 0123456789abcdef",
        "  vrucw event 1-1 at haihe, severity 3",
        "",
        "time (UTC)              +ms  step       detail",
        "14:13:20.000000              detection  sensor=camera",
        "14:13:20.002500       2.500  app        limit_s=3.5  list=[1, 2.5]",
        "",
        "stage           ms",
        "fused        2.000  ##########",
        "decided      6.000  ##############################",
        "total        8.000",
    ]


def test_a_trace_of_deliveries_only() -> None:
    delivery = {"device_id": "rsu-1", "message": "RSI", "state": "sent", "reason": ""}
    text = trace_text(trace(event_id=None, steps=[], latency_ms={}, total_ms=None, deliveries=[delivery]))
    assert "no steps are recorded" in text and text.splitlines()[-1] == "rsu-1      RSI      sent"


def test_what_came_over_the_wire_does_not_steer_the_terminal() -> None:
    steps = [{"name": "app", "at_utc_ns": 2**80, "detail": {"x": "\x1b[2J\n" + "y" * 200, "z": 1}}]
    text = trace_text(trace(steps=steps))
    assert "\x1b" not in text and "\ufffd[2J\ufffd" in text
    assert str(2**80) in text


@pytest.mark.drops(CloudReason.STORE_FAILED)
def test_a_folder_that_cannot_be_had_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CloudError, match="--data") as caught:
        run("cloud", "--port", "0", "--data", str(tmp_path / "file" / "store"))
    assert caught.value.reason is CloudReason.STORE_FAILED


def test_a_trace_cannot_steer_the_terminal() -> None:
    steps = [{"name": "fused\x1b[2J", "at_utc_ns": 0, "detail": {"cam\x1b]0;x": "\x1b]0;owned\x07\nforged"}}]
    trace = dict.fromkeys(("site", "event_id", "kind", "severity", "total_ms"))
    text = trace_text({"trace_id": "1" * 16, "steps": steps, "latency_ms": {}, "deliveries": [], **trace})
    assert "\x1b" not in text and "\x07" not in text and "\nforged" not in text
