"""The SDK's public face: a change here breaks its users, so it is pinned."""

from __future__ import annotations

import inspect

import wayside.obu
from wayside.obu import ObuClient, ObuState, SyncObuClient

NAMES = """
Action Advice AdviceKind Cancel CancelReason Connection Connector ObuClient ObuError ObuReason ObuState
ObuStatus Party Place ReceivedAdvice ReceivedCancel ReceivedMessage ReceivedWarning Severity SignAdvice
SpeedAdvice StateChange SyncObuClient Warning WarningKind WarningStream websocket_connector
""".split()

CLIENT = {
    "active": "self",
    "active_advice": "self",
    "close": "self",
    "connected": "self timeout_s",
    "on_advice": "self callback",
    "on_cancel": "self callback",
    "on_message": "self callback",
    "on_state": "self callback",
    "on_warning": "self callback kinds min_severity",
    "send_bsm": "self message",
    "start": "self",
    "status": "self",
    "warnings": "self kinds min_severity",
}
SYNC = {
    **{name: words for name, words in CLIENT.items() if name != "on_state"},
    "warnings": "self kinds min_severity timeout_s",
}


def methods(kind: type) -> dict[str, str]:
    return {
        name: " ".join(inspect.signature(member).parameters)
        for name, member in vars(kind).items()
        if inspect.isfunction(member) and not name.startswith("_") and name != "judged"
    }


def test_names() -> None:
    assert sorted(wayside.obu.__all__) == sorted(NAMES)


def test_methods() -> None:
    assert methods(ObuClient) == CLIENT
    assert methods(SyncObuClient) == SYNC


def test_constructor() -> None:
    words = list(inspect.signature(ObuClient).parameters)
    assert words == (
        "servers vehicle_id token dialect ssl software rules clock counters connector seed".split()
    )


def test_states() -> None:
    assert [state.value for state in ObuState] == "connecting connected degraded offline closed".split()


def test_the_sdk_stands_without_the_edge() -> None:
    import subprocess
    import sys

    code = (
        "import sys, wayside.obu\n"
        "heavy = {'wayside.mec', 'wayside.cloud', 'numpy', 'picows', 'fastapi', 'pydantic', 'rich'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.strip() == "[]"
