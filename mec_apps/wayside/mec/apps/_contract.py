from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import msgspec
from msgspec import Meta

from wayside.asn1.geometry import LaneKey
from wayside.clock import MonoNs
from wayside.link import Action, AdviceKind, Party, Severity, WarningKind
from wayside.mec.world import World


class Parameter(NamedTuple):
    """One declared parameter of an app: unit ("" for none), meaning, and where its default comes from."""

    name: str
    unit: str
    default: float | bool | int | str
    meaning: str
    source: str


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of each app's parameters; fields are `Annotated[type, Meta(description=…, extra={unit, source})]`.

    The site file may override any of them by name.
    """


def stated(unit: str, meaning: str, source: str, ge: float = 0, le: float | None = None) -> Meta:
    """Declaration of a numeric parameter, to stand in its field's `Annotated`; `ge`, `le` bound it."""
    return Meta(ge=ge, le=le, description=meaning, extra={"unit": unit, "source": source})


def choice(meaning: str, source: str) -> Meta:
    """Declaration of a parameter that is yes or no."""
    return Meta(description=meaning, extra={"unit": "", "source": source})


def declared(kind: type[Parameters]) -> tuple[Parameter, ...]:
    """Declaration of all parameters of an app, in order."""
    out: list[Parameter] = []
    for field in msgspec.structs.fields(kind):
        info: Any = msgspec.inspect.type_info(field.type)
        extra = dict(getattr(info, "extra", None) or {})
        meaning = (getattr(info, "extra_json_schema", None) or {}).get("description", "")
        out.append(
            Parameter(field.name, extra.get("unit", ""), field.default, meaning, extra.get("source", ""))
        )
    return tuple(out)


class Trigger(NamedTuple):
    """Input that first satisfied an app's condition, for latency and trace.

    trace_id: of that scan or radio frame. arrived, ingested, fused: its instants. confirm_ns: time from
    the arrival of the first input that met the condition, not yet confirmed, to `arrived`. track_id: 0
    where no track is meant.
    """

    trace_id: str
    arrived: MonoNs
    ingested: MonoNs
    fused: MonoNs
    confirm_ns: int = 0
    track_id: int = 0


class Concern(NamedTuple):
    """A vehicle that a danger concerns, known by its track. distance_m along its way to the conflict.

    trigger: input that made the danger concern this vehicle; None is the report's own.
    """

    track_id: int
    distance_m: float
    time_to_conflict_s: float | None
    severity: Severity
    action: Action
    advised_speed_mps: float | None = None
    trigger: Trigger | None = None


class Corridor(NamedTuple):
    """Stretch of lane in front of a danger: vehicles on `lane` between the two distances from its start,
    and on the lanes that lead into it, are concerned. place_m: where on the lane the danger lies; beyond
    the lane's end it lies on the way that continues it."""

    lane: LaneKey
    place_m: float
    upstream_m: float


class HazardReport(msgspec.Struct, frozen=True):
    """A danger, as an app sees it in this step; it is repeated each step as long as it lasts.

    subject: stable name of the danger in the site, such as `vrucw/17` for track 17; the same subject is
    the same event. concerns: vehicles known one by one. corridors: for whom else it matters. code: GB/T
    29100 number. evidence: the app's values and the parameters that decided, units in the names. ttl_ms:
    lifetime of the warnings made of it. to_rsu: whether it is also broadcast as a road event.
    """

    app: str
    kind: WarningKind
    subject: str
    severity: Severity
    x_m: float
    y_m: float
    action: Action
    trigger: Trigger
    ttl_ms: int
    lane: LaneKey | None = None
    concerns: tuple[Concern, ...] = ()
    corridors: tuple[Corridor, ...] = ()
    parties: tuple[Party, ...] = ()
    evidence: dict[str, float | int | str | bool] = {}
    code: int | None = None
    to_rsu: bool = False
    radius_m: float = 0.0


class AdviceReport(msgspec.Struct, frozen=True):
    """A help for one vehicle that speaks of no danger; it is repeated each step as long as it holds.

    subject: what it is about, where a vehicle may hold several of the kind; "" for the only one. values: as
    in link.Advice. prompt: names of the values whose change is told at once; the others wait for the next
    refresh. trace_id: of the input it rests on, "" for the vehicle's own.
    """

    app: str
    kind: AdviceKind
    track_id: int
    x_m: float
    y_m: float
    ttl_ms: int
    values: dict[str, float | int | str | bool]
    lane: LaneKey | None = None
    subject: str = ""
    prompt: tuple[str, ...] = ()
    trace_id: str = ""


Output = HazardReport | AdviceReport


class App(Protocol):
    """An application. `step` is called when a scan or message has changed the world, never on a timer.

    Given the same worlds it gives the same outputs; what it remembers between steps is its declared state.
    It reads no clock and does no I/O.
    """

    name: str
    parameters: Parameters

    def step(self, world: World) -> Sequence[Output]:
        """What is to be said about this world."""

    def silent_because(self, world: World) -> dict[str, int]:
        """Why it kept silent in the last step: reason → number of vehicles (accuracy gate, stale signal)."""
