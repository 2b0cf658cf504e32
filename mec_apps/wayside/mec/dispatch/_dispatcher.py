from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from wayside.asn1.geometry import RoadGeometry
from wayside.clock import Clock, MonoNs, UtcNs
from wayside.geo import LocalPlane
from wayside.link import (
    Advice,
    Cancel,
    CancelReason,
    FrameKind,
    Place,
    Severity,
    Warning,
    advice_key,
    encode_body,
    priority_of,
    warning_key,
)
from wayside.mec.apps import AdviceReport, HazardReport, Output, Trigger, trigger_of
from wayside.mec.dispatch._corridors import CorridorIndex
from wayside.mec.dispatch._explain import explain_event, explain_selection, marks_of
from wayside.mec.dispatch._reasons import DispatchReason
from wayside.mec.dispatch._results import CancelPush, Dispatch, EventChange, OpenEvent, Push
from wayside.mec.dispatch._rules import DispatchRules
from wayside.mec.dispatch._selection import Chosen, select
from wayside.mec.dispatch._vehicles import ConnectedVehicles
from wayside.mec.world import World
from wayside.observe import Counters, TraceMark, TraceStep
from wayside.records import EventState

_PARTIES = 16
_REMEMBERED = 10_000
_LANE_CHARS = 64
_ADVICE_PRIORITY = 40


class _Told(msgspec.Struct):
    """What a session was last told of one danger."""

    severity: Severity
    action: str
    sent: MonoNs
    concerned: MonoNs


class _Event(msgspec.Struct):
    """A danger that stands, and who holds a warning of it."""

    event_id: str
    key: int
    opened: UtcNs
    report: HazardReport
    told: dict[str, _Told] = {}
    ever: dict[str, None] = {}
    warned: int = 0
    passed_over: set[tuple[str, DispatchReason]] = set()


class _Advised(msgspec.Struct):
    """What a session was last advised under a key."""

    body: Advice
    prompt: tuple[object, ...]
    sent: MonoNs
    held: MonoNs


class _Body(NamedTuple):
    warning: Warning
    body: bytes


class Dispatcher:
    """Turns what the apps say about a world into frames for sessions and changes of events.

    State: the open dangers with the sessions that hold a warning of each, bounded by `rules.max_events`.
    A danger that the apps no longer report is over: exactly those who hold a warning get a cancel. A vehicle
    that is no longer concerned gets its cancel after `rules.release_s`. A warning is sent when it is new for
    the session, when severity or action change, and when the given share of its lifetime has gone. Advice
    goes the same way: sent anew for a change of its prompt values, taken back when no app repeats it.
    event_id_for: stable id of a subject, over restarts too.
    """

    def __init__(
        self,
        plane: LocalPlane,
        geometry: RoadGeometry,
        counters: Counters,
        clock: Clock,
        event_id_for: Callable[[str], str],
        rules: DispatchRules | None = None,
    ) -> None:
        self.rules = rules or DispatchRules()
        self._plane = plane
        self._index = CorridorIndex(geometry)
        self._counters = counters
        self._clock = clock
        self._event_id_for = event_id_for
        self._events: dict[str, _Event] = {}
        self._advice: dict[tuple[str, int], _Advised] = {}
        self._looked = self._before = MonoNs(0)

    def open_events(self) -> tuple[OpenEvent, ...]:
        """Dangers that stand, oldest first."""
        return tuple(OpenEvent(e.event_id, s, e.opened, e.report) for s, e in self._events.items())

    def dispatch(self, world: World, outputs: Iterable[Output], decided: MonoNs) -> Dispatch:
        """Frames and event changes of one step. decided: instant at which the last app had spoken."""
        self._before, self._looked = self._looked, world.mono
        pushes: list[Push] = []
        cancels: list[CancelPush] = []
        changes: list[EventChange] = []
        reports, advice = _sorted_out(outputs)
        vehicles = ConnectedVehicles(world, self._index) if reports or advice else None
        for subject in [s for s in self._events if s not in reports]:
            changes.append(self._close(subject, cancels))
        if vehicles is None:
            self._take_back(world, cancels)
            return Dispatch((), tuple(cancels), tuple(changes))
        for subject, report in reports.items():
            event = self._events.get(subject)
            fresh = event is None
            if event is None:
                if len(self._events) >= self.rules.max_events:
                    self._counters.drop(DispatchReason.TOO_MANY_EVENTS)
                    continue
                event_id = self._event_id_for(subject)
                event = _Event(event_id, warning_key(report.kind, event_id), world.now, report)
                self._events[subject] = event
            change = self._serve(world, report, event, fresh, vehicles, decided, pushes, cancels)
            if change is not None:
                changes.append(change)
        self._advise(world, advice, vehicles, pushes)
        self._take_back(world, cancels)
        return Dispatch(tuple(pushes), tuple(cancels), tuple(changes))

    def _close(self, subject: str, cancels: list[CancelPush]) -> EventChange:
        event = self._events.pop(subject)
        for session in event.told:
            cancels.append(_cancel(event, session))
        return EventChange(event.event_id, EventState.CLOSED, event.opened, event.report, event.warned, ())

    def _serve(
        self,
        world: World,
        report: HazardReport,
        event: _Event,
        fresh: bool,
        vehicles: ConnectedVehicles,
        decided: MonoNs,
        pushes: list[Push],
        cancels: list[CancelPush],
    ) -> EventChange | None:
        old, event.report = event.report, report
        selection = select(report, vehicles, self._index, self.rules)
        trace: list[TraceStep] = list(explain_event(world, report, decided)) if fresh else []
        bodies: dict[object, _Body] = {}
        before = event.warned
        concerned: set[str] = set()
        passed_over = {(vehicles.views[row].session, reason) for row, reason in selection.passed_over}
        for _, reason in passed_over - event.passed_over:
            self._counters.drop(reason)
        event.passed_over = passed_over
        for chosen in sorted(selection.chosen, key=lambda c: -c.severity):
            session = vehicles.views[chosen.row].session
            concerned.add(session)
            held = event.told.get(session)
            if held is not None:
                held.concerned = world.mono
                if not self._again(held, chosen, report, world.mono):
                    continue
            pushes.append(
                self._push(world, event, chosen, held is None, fresh, vehicles, decided, bodies, trace)
            )
        for session in [s for s in event.told if s not in concerned]:
            if world.mono - event.told[session].concerned >= self.rules.release_s * 1e9:
                del event.told[session]
                cancels.append(_cancel(event, session))
        known = (old.severity, old.code) == (report.severity, report.code)
        if not fresh and known and event.warned == before:
            return None
        return EventChange(event.event_id, EventState.OPEN, event.opened, report, event.warned, tuple(trace))

    def _again(self, held: _Told, chosen: Chosen, report: HazardReport, mono: MonoNs) -> bool:
        if chosen.severity is not held.severity or chosen.action.value != held.action:
            return True
        return mono - held.sent >= self.rules.refresh * report.ttl_ms * 1e6

    def _push(
        self,
        world: World,
        event: _Event,
        chosen: Chosen,
        first: bool,
        fresh: bool,
        vehicles: ConnectedVehicles,
        decided: MonoNs,
        bodies: dict[object, _Body],
        trace: list[TraceStep],
    ) -> Push:
        view = vehicles.views[chosen.row]
        marks: tuple[TraceMark, ...] = ()
        if first:
            found = chosen.trigger or (event.report.trigger if fresh else trigger_of(view))
            trigger = self._since(found)
            selected = self._clock.mono()
            marks = marks_of(trigger, decided, selected)
            if view.session not in event.ever:
                trace.append(explain_selection(world, view, chosen, selected, trigger, trigger is found))
                event.warned += 1
                event.ever[view.session] = None
                if len(event.ever) > _REMEMBERED:
                    del event.ever[next(iter(event.ever))]
        made = self._body(event, chosen, view.track_id, marks, bodies)
        event.told[view.session] = _Told(chosen.severity, chosen.action.value, world.mono, world.mono)
        return Push(
            view.session,
            FrameKind.WARNING,
            event.key,
            priority_of(chosen.severity),
            self._clock.utc(),
            event.report.ttl_ms,
            made.body,
            made.warning,
        )

    def _since(self, trigger: Trigger) -> Trigger:
        """The trigger as the latency counts it. An input that the step before looked at and that did not
        suffice then has not been waiting: it is time that has brought the danger, since that look."""
        if trigger.fused >= self._before:
            return trigger
        return trigger._replace(arrived=self._before, ingested=self._before, fused=self._before)

    def _body(
        self,
        event: _Event,
        chosen: Chosen,
        receiver: int,
        marks: tuple[TraceMark, ...],
        bodies: dict[object, _Body],
    ) -> _Body:
        """Body of a warning, encoded once for all receivers that are told the same."""
        report = event.report
        distance = None if chosen.distance_m is None else round(chosen.distance_m, 1)
        ttc = None if chosen.time_to_conflict_s is None else round(chosen.time_to_conflict_s, 2)
        mine = any(party.track_id == receiver for party in report.parties)
        same = (
            chosen.severity,
            chosen.action,
            chosen.advised_speed_mps,
            chosen.by == "link",
            distance,
            ttc,
            receiver if mine else 0,
            marks[:-1],
        )
        known = bodies.get(same)
        if known is not None:
            return known
        lat, lon = self._plane.to_lat_lon(report.x_m, report.y_m)
        lane = "" if report.lane is None or chosen.by == "link" else str(report.lane)[:_LANE_CHARS]
        warning = Warning(
            kind=report.kind,
            severity=chosen.severity,
            event_id=event.event_id,
            trace_id=report.trigger.trace_id,
            place=Place(lat, lon, lane),
            action=chosen.action,
            distance_m=distance,
            time_to_conflict_s=ttc,
            advised_speed_mps=chosen.advised_speed_mps,
            parties=tuple(p for p in report.parties if p.track_id != receiver)[:_PARTIES],
            evidence=report.evidence,
            marks=marks,
        )
        made = _Body(warning, encode_body(warning))
        bodies[same] = made
        return made

    def _advise(
        self, world: World, advice: list[AdviceReport], vehicles: ConnectedVehicles, pushes: list[Push]
    ) -> None:
        for item in advice:
            row = vehicles.row_of.get(item.track_id)
            if row is None:
                continue
            view = vehicles.views[row]
            key = advice_key(item.kind, item.subject)
            prompt = tuple(item.values.get(name) for name in item.prompt)
            known = self._advice.get((view.session, key))
            if known is not None:
                known.held = world.mono
                due = world.mono - known.sent >= self.rules.refresh * item.ttl_ms * 1e6
                if not due and known.prompt == prompt:
                    continue
            lat, lon = self._plane.to_lat_lon(item.x_m, item.y_m)
            lane = "" if item.lane is None else str(item.lane)[:_LANE_CHARS]
            body = Advice(item.kind, Place(lat, lon, lane), item.trace_id or view.trace_id, item.values)
            self._advice[view.session, key] = _Advised(body, prompt, world.mono, world.mono)
            pushes.append(
                Push(
                    view.session,
                    FrameKind.ADVICE,
                    key,
                    _ADVICE_PRIORITY,
                    self._clock.utc(),
                    item.ttl_ms,
                    encode_body(body),
                    body,
                )
            )

    def _take_back(self, world: World, cancels: list[CancelPush]) -> None:
        """End the advice that no app repeats: its vehicle must not follow it for the rest of its lifetime."""
        for (session, key), known in list(self._advice.items()):
            if world.mono - known.held >= self.rules.release_s * 1e9:
                del self._advice[session, key]
                cancel = Cancel(CancelReason.RESOLVED, "", known.body.trace_id)
                cancels.append(CancelPush(session, key, _ADVICE_PRIORITY, encode_body(cancel), cancel))


def _sorted_out(outputs: Iterable[Output]) -> tuple[dict[str, HazardReport], list[AdviceReport]]:
    """Reports by subject, the worst first, and advice."""
    reports: list[HazardReport] = []
    advice: list[AdviceReport] = []
    for output in outputs:
        if isinstance(output, HazardReport):
            reports.append(output)
        else:
            advice.append(output)
    by_subject: dict[str, HazardReport] = {}
    for report in sorted(reports, key=lambda each: -each.severity):
        by_subject.setdefault(report.subject, report)
    return by_subject, advice


def _cancel(event: _Event, session: str) -> CancelPush:
    cancel = Cancel(CancelReason.RESOLVED, event.event_id, event.report.trigger.trace_id)
    return CancelPush(session, event.key, priority_of(Severity.URGENT), encode_body(cancel), cancel)
