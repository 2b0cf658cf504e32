from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib.metadata import EntryPoint

import pytest

from wayside import cli
from wayside.observe import Reason, WaysideError


class Lost(Reason, stage="test_cli"):
    LOST = "lost"


def adding(
    name: str, action: Callable[[], int]
) -> Callable[[argparse._SubParsersAction[argparse.ArgumentParser]], None]:
    def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
        commands.add_parser(name, help=f"does {name}").set_defaults(func=lambda _: action())

    return register


def fail() -> int:
    raise WaysideError(Lost.LOST, "nothing there", where="site.yaml:3")


def interrupt() -> int:
    raise KeyboardInterrupt


class Point:
    def __init__(self, name: str, load: Callable[[], object]) -> None:
        self.name, self.load, self.module = name, load, f"wayside.{name}.commands"


def not_installed() -> object:
    raise ModuleNotFoundError("No module named 'picows'", name="picows")


def late() -> int:
    raise ModuleNotFoundError("No module named 'picows'", name="picows")


def broken() -> int:
    raise ModuleNotFoundError("No module named 'wayside.none'", name="wayside.none")


@pytest.fixture(autouse=True)
def parts(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        Point("good", lambda: adding("good", lambda: 0)),
        Point("bad", lambda: adding("bad", fail)),
        Point("stopped", lambda: adding("stopped", interrupt)),
        Point("mec", not_installed),
        Point("sim", lambda: adding("sim", late)),
        Point("broken", lambda: adding("broken", broken)),
    ]
    monkeypatch.setattr("wayside.cli._main.entry_points", lambda group: points)


def test_a_command_runs_and_its_exit_code_is_returned() -> None:
    assert cli.main(["good"]) == 0


def test_an_error_is_one_line_with_place_and_reason(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bad"]) == 1
    assert capsys.readouterr().err == "wayside: site.yaml:3: nothing there [lost]\n"


def test_an_interrupt_is_no_traceback() -> None:
    assert cli.main(["stopped"]) == 130


def test_the_overview_leaves_out_what_is_not_installed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["--help"])
    assert end.value.code == 0
    out = capsys.readouterr().out
    assert "does good" in out and "not installed: mec" in " ".join(out.split())


def test_a_command_that_is_not_installed_says_what_to_install(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["mec"])
    assert end.value.code == 2
    assert "needs picows: in Wayside's folder, pip install -e '.[mec]'" in capsys.readouterr().err


def test_a_command_that_finds_out_late_says_so_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["sim"]) == 2
    assert "`wayside sim` needs picows" in capsys.readouterr().err
    with pytest.raises(ModuleNotFoundError):
        cli.main(["broken"])


def test_every_command_of_the_distribution_can_be_found() -> None:
    from importlib.metadata import entry_points as installed

    names = {point.name for point in installed(group="wayside.commands") if isinstance(point, EntryPoint)}
    assert {"asn1", "rsu", "mec", "check", "trace", "cloud", "obu", "sim"} <= names
