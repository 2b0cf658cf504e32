"""What the traffic process and its parent say to one another: frames of a u32 length (little-endian) and a
msgpack body, one request and one answer at a time."""

from __future__ import annotations

import struct
from enum import StrEnum
from typing import BinaryIO

import msgspec

MAX_FRAME_BYTES = 4_000_000
_LENGTH = struct.Struct("<I")


class TrafficReason(StrEnum):
    """Why the traffic process cannot go on."""

    ENDED = "ended"
    LATE = "late"
    BAD_FRAME = "bad_frame"
    FAILED = "failed"


class TrafficError(Exception):
    """The traffic process ended, did not answer in time, said what is no frame, or told of a failure."""

    def __init__(self, reason: TrafficReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Setup(msgspec.Struct, frozen=True, tag_field="say", tag="setup"):
    """First request. net: path of the net. present: motor vehicles on the road at once that the demand aims
    at. walkers_per_s, cyclists_per_s: over the whole corridor. closed: lanes (ids) that new traffic does not
    use. step_s: length of a step. begin_s: where in the signals' programs time 0 is."""

    net: str
    seed: int
    present: float
    walkers_per_s: float
    cyclists_per_s: float
    step_s: float
    begin_s: float = 0.0
    closed: tuple[str, ...] = ()


class SetSpeed(msgspec.Struct, frozen=True, tag_field="say", tag="speed"):
    """Hold a speed until released. hard: braking may exceed the vehicle's comfort. Gaps, signals and right of
    way bound it all the same."""

    vehicle: int
    speed_mps: float
    hard: bool = False


class SlowDown(msgspec.Struct, frozen=True, tag_field="say", tag="slow"):
    """Go to a speed evenly within a time, then as before."""

    vehicle: int
    speed_mps: float
    within_s: float


class Resume(msgspec.Struct, frozen=True, tag_field="say", tag="resume"):
    """Drive by oneself again."""

    vehicle: int


class Stop(msgspec.Struct, frozen=True, tag_field="say", tag="stop"):
    """Stop on a lane at a place (front, from the lane's start) for a time."""

    vehicle: int
    lane: str
    place_m: float
    stand_s: float


class KeepLane(msgspec.Struct, frozen=True, tag_field="say", tag="lane"):
    """Go to a lane of the present edge and stay for a time."""

    vehicle: int
    index: int
    within_s: float


class Enter(msgspec.Struct, frozen=True, tag_field="say", tag="enter"):
    """Put a vehicle on the road. type: name of a vehicle type. edges: its route. place_m: front."""

    vehicle: int
    type: str
    edges: tuple[str, ...]
    lane: int
    place_m: float
    speed_mps: float
    speed_factor: float = 1.0


Order = SetSpeed | SlowDown | Resume | Stop | KeepLane | Enter


class Step(msgspec.Struct, frozen=True, tag_field="say", tag="step"):
    """Carry out the orders, then go on by one step. Orders to vehicles that have left do nothing."""

    orders: tuple[Order, ...] = ()


class Entered(msgspec.Struct, frozen=True, array_like=True):
    """Somebody came up: vehicle type ("pedestrian" on foot), route, and wished speed over the limit."""

    id: int
    type: str
    edges: tuple[str, ...]
    speed_factor: float


class Moved(msgspec.Struct, frozen=True, array_like=True):
    """Where a vehicle or somebody on foot is. x_m, y_m: middle of the front. lane: "" on foot. place_m: of
    the front along the lane. aside_m: off the lane's centre, left positive. signals: SUMO's bits (1 right
    blinker, 2 left, 8 brake)."""

    id: int
    x_m: float
    y_m: float
    yaw_rad: float
    speed_mps: float
    accel_mps2: float
    lane: str
    place_m: float
    aside_m: float
    signals: int


class Lights(msgspec.Struct, frozen=True, array_like=True):
    """State of all links of one signal, SUMO's letters, and when the program goes on."""

    state: str
    changes_in_s: float


class State(msgspec.Struct, frozen=True, tag_field="say", tag="state"):
    """Answer to a step."""

    now_s: float
    entered: tuple[Entered, ...]
    left: tuple[int, ...]
    moved: tuple[Moved, ...]
    lights: dict[str, Lights]


class Ready(msgspec.Struct, frozen=True, tag_field="say", tag="ready"):
    """Answer to the set-up. version: of SUMO."""

    version: str


class Failed(msgspec.Struct, frozen=True, tag_field="say", tag="failed"):
    """Instead of any answer; the process then ends."""

    detail: str


Request = Setup | Step
Answer = Ready | State | Failed

_requests: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
_answers: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)
_encode = msgspec.msgpack.Encoder().encode


def frame(message: Request | Answer) -> bytes:
    """Octets of one frame."""
    body = _encode(message)
    return _LENGTH.pack(len(body)) + body


def answer_of(body: bytes) -> Answer:
    """Answer in a body. Raises TrafficError."""
    try:
        return _answers.decode(body)
    except msgspec.MsgspecError as error:
        raise TrafficError(TrafficReason.BAD_FRAME, str(error)) from None


def request_of(body: bytes) -> Request:
    """Request in a body. Raises TrafficError."""
    try:
        return _requests.decode(body)
    except msgspec.MsgspecError as error:
        raise TrafficError(TrafficReason.BAD_FRAME, str(error)) from None


def length_of(head: bytes) -> int:
    """Length of the body behind a head of four octets. Raises TrafficError when it is beyond the limit."""
    length = int(_LENGTH.unpack(head)[0])
    if length > MAX_FRAME_BYTES:
        raise TrafficError(TrafficReason.BAD_FRAME, f"{length} octets, at most {MAX_FRAME_BYTES}")
    return length


def read_body(stream: BinaryIO) -> bytes | None:
    """Next body of a blocking stream; None at its end. Raises TrafficError for one cut off."""
    head = stream.read(_LENGTH.size)
    if not head:
        return None
    if len(head) < _LENGTH.size:
        raise TrafficError(TrafficReason.BAD_FRAME, "cut off within a length")
    length = length_of(head)
    body = stream.read(length)
    if len(body) < length:
        raise TrafficError(TrafficReason.BAD_FRAME, f"cut off after {len(body)} of {length} octets")
    return body
