from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from wayside.observe import TraceMark

ShortText = Annotated[str, Meta(max_length=64)]
LongText = Annotated[str, Meta(max_length=512)]
Latitude = Annotated[float, Meta(ge=-90.0, le=90.0)]
Longitude = Annotated[float, Meta(ge=-180.0, le=180.0)]
Finite = Annotated[float, Meta(ge=-1e9, le=1e9)]  # a bound, so that no infinity and no not-a-number passes


class WarningKind(StrEnum):
    """Danger that a warning speaks of; the values are the applications' short names (T/CSAE 53)."""

    VULNERABLE_ROAD_USER = "vrucw"
    RED_LIGHT_VIOLATION = "rlvw"
    HAZARDOUS_LOCATION = "hlw"
    SPEED_LIMIT = "slw"
    TRAFFIC_JAM = "tjw"
    INTERSECTION_COLLISION = "icw"
    LEFT_TURN = "lta"
    EMERGENCY_VEHICLE = "evw"


class AdviceKind(StrEnum):
    """Comfort or efficiency that an advice speaks of: light ahead, green light optimal speed, sign."""

    SIGNAL_STATE = "signal_state"
    GREEN_LIGHT_SPEED = "glosa"
    IN_VEHICLE_SIGN = "ivs"


class Severity(IntEnum):
    """How much is at stake; larger is worse."""

    INFORM = 1
    ADVISE = 2
    URGENT = 3


class Action(StrEnum):
    """What the driver should do. GIVE_WAY: move aside for one who comes from behind."""

    WATCH = "watch"
    GIVE_WAY = "give_way"
    SLOW_DOWN = "slow_down"
    BRAKE = "brake"
    STOP = "stop"


class CancelReason(StrEnum):
    """Why a warning ended before its lifetime did."""

    RESOLVED = "resolved"
    WITHDRAWN = "withdrawn"


class Refusal(StrEnum):
    """Why a session was not opened, or was ended by the edge."""

    BAD_TOKEN = "bad_token"
    BAD_HELLO = "bad_hello"
    UNKNOWN_DIALECT = "unknown_dialect"
    FULL = "full"
    TOO_FAST = "too_fast"
    TOO_SLOW = "too_slow"
    BAD_FRAMES = "bad_frames"
    REPLACED = "replaced"
    SHUTTING_DOWN = "shutting_down"


class Outcome(StrEnum):
    """What the vehicle did with a warning."""

    CALLED = "called"
    EXPIRED = "expired"
    DUPLICATE = "duplicate"


class Hello(msgspec.Struct, frozen=True):
    """First frame of a vehicle. token: shared secret of the site. resume, last_seq: what the session that
    was cut had, to take it up again."""

    vehicle_id: Annotated[str, Meta(min_length=1, max_length=64)]
    dialect: ShortText
    token: Annotated[str, Meta(max_length=256)] = ""
    resume: ShortText = ""
    last_seq: int = 0
    software: ShortText = ""


class Welcome(msgspec.Struct, frozen=True):
    """The edge's answer. resumed: whether the earlier session goes on. keepalive_s: the vehicle sends
    something at least this often. server_utc_ms: the edge's time of day."""

    session_id: ShortText
    resume: ShortText
    site: ShortText
    dialect: ShortText
    server_utc_ms: int
    keepalive_s: Annotated[float, Meta(gt=0.0, le=3_600.0)]
    resumed: bool = False


class Refused(msgspec.Struct, frozen=True):
    """The session is not opened, or ends. retry_after_s: negative when trying again is useless."""

    reason: Refusal
    detail: LongText = ""
    retry_after_s: Annotated[float, Meta(ge=-1.0, le=3_600.0)] = 1.0


class ClockPing(msgspec.Struct, frozen=True):
    """Vehicle's monotonic nanoseconds when it sent this."""

    sent_ns: int


class ClockPong(msgspec.Struct, frozen=True):
    """Answer to a ping: its `sent_ns`, and the edge's clocks at receipt and answer, nanoseconds."""

    sent_ns: int
    edge_received_ns: int
    edge_sent_ns: int
    edge_sent_utc_ns: int


class Place(msgspec.Struct, frozen=True):
    """Where something is. lane: `intersection/lane` of the site's MAP, empty when on none."""

    lat_deg: Latitude
    lon_deg: Longitude
    lane: ShortText = ""


class Party(msgspec.Struct, frozen=True):
    """Another participant of the danger. kind: car, truck, bus, motorcycle, bicycle, pedestrian, unknown.

    heading_deg: clockwise from north. track_id: identity at the edge, for the trace."""

    kind: ShortText
    lat_deg: Latitude
    lon_deg: Longitude
    speed_mps: Finite
    heading_deg: Finite
    track_id: int = 0


class Warning(msgspec.Struct, frozen=True):
    """A danger ahead of one vehicle.

    event_id: identity of the danger at the edge, the same for all vehicles and for the record. place:
    where the conflict is. distance_m: from the vehicle along its way, at `created_ms`.
    time_to_conflict_s: None for a standing hazard. advised_speed_mps: None when the action says it all.
    evidence: the app's values and parameters, with units in the names. marks: instants at the edge up to
    the selection, its monotonic clock.
    """

    kind: WarningKind
    severity: Severity
    event_id: ShortText
    trace_id: ShortText
    place: Place
    action: Action
    distance_m: Finite | None = None
    time_to_conflict_s: Finite | None = None
    advised_speed_mps: Finite | None = None
    parties: Annotated[tuple[Party, ...], Meta(max_length=16)] = ()
    evidence: dict[str, float | int | str | bool] = {}
    marks: tuple[TraceMark, ...] = ()


class Advice(msgspec.Struct, frozen=True):
    """Something that helps without being a danger. values: names with units in them."""

    kind: AdviceKind
    place: Place
    trace_id: ShortText = ""
    values: dict[str, float | int | str | bool] = {}


class Cancel(msgspec.Struct, frozen=True):
    """Ends the warning or advice whose frame carried the same key."""

    reason: CancelReason
    event_id: ShortText = ""
    trace_id: ShortText = ""


class Receipt(msgspec.Struct, frozen=True):
    """What became of the warning frame `seq`.

    received_ns, called_ns: vehicle's monotonic clock; called_ns is 0 unless the outcome is CALLED.
    edge_minus_vehicle_ns: the vehicle's estimate of the difference of the two monotonic clocks.
    """

    seq: int
    trace_id: ShortText
    outcome: Outcome
    received_ns: int
    called_ns: int
    edge_minus_vehicle_ns: int


class Bye(msgspec.Struct, frozen=True):
    """An orderly end."""

    detail: LongText = ""
