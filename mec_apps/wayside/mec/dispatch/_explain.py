from __future__ import annotations

from wayside.clock import MonoNs, UtcNs
from wayside.mec.apps import HazardReport, Trigger
from wayside.mec.dispatch._selection import Chosen
from wayside.mec.world import TrackView, World
from wayside.observe import Stage, TraceMark, TraceStep


def marks_of(trigger: Trigger, decided: MonoNs, selected: MonoNs) -> tuple[TraceMark, ...]:
    """Instants of a warning's way up to its selection."""
    return (
        TraceMark(Stage.ARRIVED, trigger.arrived),
        TraceMark(Stage.INGESTED, trigger.ingested),
        TraceMark(Stage.FUSED, trigger.fused),
        TraceMark(Stage.DECIDED, decided),
        TraceMark(Stage.SELECTED, selected),
    )


def explain_event(world: World, report: HazardReport, decided: MonoNs) -> tuple[TraceStep, ...]:
    """Steps of a new danger: the detection that triggered it, its track, the app with its values."""
    trigger = report.trigger

    def then(mono: MonoNs) -> UtcNs:
        return UtcNs(world.now - (world.mono - mono))

    steps = [
        TraceStep(
            "detection",
            then(trigger.arrived),
            {
                "trace_id": trigger.trace_id,
                "ingest_ms": round((trigger.ingested - trigger.arrived) / 1e6, 3),
                "confirm_ms": round(trigger.confirm_ns / 1e6, 3),
            },
        )
    ]
    track = next((v for v in world.tracks.views if v.track_id == trigger.track_id), None)
    if track is not None:
        steps.append(TraceStep("track", then(trigger.fused), _track_values(track)))
    steps.append(
        TraceStep(
            "app",
            then(decided),
            {
                "app": report.app,
                "subject": report.subject,
                "severity": int(report.severity),
                "action": report.action.value,
                **({} if report.code is None else {"code": report.code}),
                **report.evidence,
            },
        )
    )
    return tuple(steps)


def explain_selection(
    world: World, view: TrackView, chosen: Chosen, selected: MonoNs, trigger: Trigger, by_input: bool
) -> TraceStep:
    """Step of one vehicle that is told for the first time. by_input: whether an input has brought the danger
    rather than the passing of time since the look before."""
    values: dict[str, float | int | str] = {
        "session": view.session,
        "track": view.track_id,
        "by": chosen.by,
        "severity": int(chosen.severity),
        "action": chosen.action.value,
        "accuracy_m": round(view.accuracy_m, 2),
        "speed_mps": round(view.speed_mps, 2),
        "confirm_ms": round(trigger.confirm_ns / 1e6, 3),
        "brought_by": "input" if by_input else "time",
    }
    if view.lane is not None:
        values["lane"] = str(view.lane)
    if chosen.distance_m is not None:
        values["distance_m"] = round(chosen.distance_m, 1)
    if chosen.time_to_conflict_s is not None:
        values["time_to_conflict_s"] = round(chosen.time_to_conflict_s, 2)
    return TraceStep("selection", UtcNs(world.now + (selected - world.mono)), values)


def _track_values(track: TrackView) -> dict[str, float | int | str]:
    return {
        "track": track.track_id,
        "kind": track.kind.value,
        "x_m": round(track.x_m, 2),
        "y_m": round(track.y_m, 2),
        "speed_mps": round(track.speed_mps, 2),
        "yaw_rad": round(track.yaw_rad, 3),
        "existence": round(track.existence, 3),
        "accuracy_m": round(track.accuracy_m, 2),
        "age_s": round(track.age_s, 2),
        "lane": "" if track.lane is None else str(track.lane),
        "sources": ",".join(track.sources[:8]),
    }
