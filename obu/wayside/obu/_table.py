from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from wayside.clock import MonoNs
from wayside.link import Severity
from wayside.obu._advice import SignAdvice, SpeedAdvice
from wayside.obu._types import ObuState, ObuStatus, ReceivedAdvice, ReceivedWarning

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


def told(received: ReceivedAdvice) -> str:
    """An advice in one line, for a person."""
    match received.typed():
        case SpeedAdvice(least_mps, most_mps, advised_mps, distance_m):
            speeds = f"{least_mps * 3.6:.0f}–{most_mps * 3.6:.0f} km/h, best {advised_mps * 3.6:.0f}"
            return f"green in {distance_m:.0f} m at {speeds}"
        case SignAdvice() as sign:
            says = [f"sign {sign.code}" if sign.code else "sign", sign.text or sign.itis]
            if sign.speed_limit_mps is not None:
                says.append(f"{sign.speed_limit_mps * 3.6:.0f} km/h")
            where = f"in {sign.distance_m:.0f} m" if sign.distance_m else "in force"
            return " ".join(part for part in (*says, where) if part)
        case _:
            values = (f"{name} {value}" for name, value in sorted(received.advice.values.items()))
            return f"{received.kind.value}: {', '.join(values)}"


def view(
    status: ObuStatus,
    active: list[ReceivedWarning],
    now: MonoNs,
    drops: int,
    advice: Sequence[ReceivedAdvice] = (),
) -> Group:
    """The link, the advice and the warnings in force, for a terminal."""
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
    lines = [Text(f"advice: {told(item)}", style="cyan") for item in advice]
    return Group(head, *lines, table)
