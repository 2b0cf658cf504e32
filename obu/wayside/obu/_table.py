from __future__ import annotations

from rich.console import Group
from rich.table import Table
from rich.text import Text

from wayside.clock import MonoNs
from wayside.link import Severity
from wayside.obu._types import ObuState, ObuStatus, ReceivedWarning

_STATE_STYLE = {
    ObuState.CONNECTED: "green",
    ObuState.DEGRADED: "yellow",
    ObuState.CONNECTING: "cyan",
    ObuState.OFFLINE: "red",
    ObuState.CLOSED: "dim",
}
_SEVERITY_STYLE = {Severity.INFORM: "white", Severity.ADVISE: "yellow", Severity.URGENT: "bold red"}


def _ms(value_ms: float | None) -> str:
    return "–" if value_ms is None else f"{value_ms:.1f} ms"


def _number(value: float | None, unit: str) -> str:
    return "" if value is None else f"{value:.1f} {unit}"


def view(status: ObuStatus, active: list[ReceivedWarning], now: MonoNs, drops: int) -> Group:
    """The link and the warnings in force, for a terminal."""
    head = Text.assemble(
        (status.state.value.upper(), _STATE_STYLE[status.state]),
        f"  {status.site or status.server}  round trip {_ms(status.rtt_ms)}"
        f"  clock {_ms(status.utc_minus_vehicle_ms)}\n",
        f"warnings {status.warnings}  cancels {status.cancels}  messages {status.messages}"
        f"  sent {status.sent}  resumed {status.resumes}  dropped {drops}",
    )
    table = Table(expand=True, title="warnings in force", title_justify="left")
    for name in ("kind", "severity", "do", "lane", "distance", "conflict in", "valid for"):
        table.add_column(
            name, justify="right" if name in ("distance", "conflict in", "valid for") else "left"
        )
    for item in active:
        warning = item.warning
        table.add_row(
            warning.kind.value,
            Text(warning.severity.name.lower(), style=_SEVERITY_STYLE[warning.severity]),
            warning.action.value,
            Text(warning.place.lane),  # what the edge says is no markup
            _number(warning.distance_m, "m"),
            _number(warning.time_to_conflict_s, "s"),
            f"{max(0.0, item.remaining_s(now)):.1f} s",
        )
    return Group(head, table)
