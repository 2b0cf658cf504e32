from __future__ import annotations

from typing import NamedTuple

from wayside.clock import UtcNs
from wayside.link import Advice, Cancel, FrameKind, Warning
from wayside.mec.apps import HazardReport
from wayside.observe import TraceStep
from wayside.records import EventState


class Push(NamedTuple):
    """A frame for one session. kind: WARNING or ADVICE. key, priority, ttl_ms: for its header. created:
    start of its lifetime. body: encoded `warning`, shared by all sessions that are told the same."""

    session: str
    kind: FrameKind
    key: int
    priority: int
    created: UtcNs
    ttl_ms: int
    body: bytes
    warning: Warning | Advice


class CancelPush(NamedTuple):
    """The end of what was pushed to a session under a key; never to be coalesced away."""

    session: str
    key: int
    priority: int
    body: bytes
    cancel: Cancel


class OpenEvent(NamedTuple):
    """A danger that stands. opened: when it was first reported. report: as of the last step."""

    event_id: str
    subject: str
    opened: UtcNs
    report: HazardReport


class EventChange(NamedTuple):
    """A danger that is new, has changed (severity, code, vehicles warned) or is over, for ledger and centre.

    warned: vehicles told so far, each counted once. trace: the steps that explain it; new ones only.
    """

    event_id: str
    state: EventState
    opened: UtcNs
    report: HazardReport
    warned: int
    trace: tuple[TraceStep, ...]


class Dispatch(NamedTuple):
    """What one step sends and reports."""

    pushes: tuple[Push, ...]
    cancels: tuple[CancelPush, ...]
    events: tuple[EventChange, ...]
