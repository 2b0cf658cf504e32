"""Link frames against their byte-exact vectors, damaged frames, and the mailbox both ends use."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from wayside.clock import MonoNs
from wayside.link import (
    HEADER_BYTES,
    SUBPROTOCOL,
    Advice,
    AdviceKind,
    Bye,
    Cancel,
    ClockPing,
    ClockPong,
    Flag,
    Frame,
    FrameKind,
    FrameTemplate,
    Header,
    Hello,
    LinkError,
    LinkReason,
    Loss,
    Mailbox,
    Party,
    Place,
    Receipt,
    Refused,
    Severity,
    Warning,
    WarningKind,
    Welcome,
    advice_key,
    decode_body,
    decode_frame,
    encode_body,
    encode_frame,
    priority_of,
    warning_key,
)

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "link_frames.json").read_text(encoding="utf-8")
)
BODIES: dict[FrameKind, type[msgspec.Struct]] = {
    FrameKind.HELLO: Hello,
    FrameKind.WELCOME: Welcome,
    FrameKind.REFUSED: Refused,
    FrameKind.CLOCK_PING: ClockPing,
    FrameKind.CLOCK_PONG: ClockPong,
    FrameKind.WARNING: Warning,
    FrameKind.ADVICE: Advice,
    FrameKind.CANCEL: Cancel,
    FrameKind.RECEIPT: Receipt,
    FrameKind.BYE: Bye,
}
VECTOR_IDS = [frame["name"] for frame in VECTORS["frames"]]


@pytest.mark.parametrize("vector", VECTORS["frames"], ids=VECTOR_IDS)
def test_vector_is_read_and_written_octet_for_octet(vector: dict[str, Any]) -> None:
    octets = bytes.fromhex(vector["octets"])
    header, body = decode_frame(octets)
    assert header == Header(
        FrameKind(vector["kind"]),
        Flag(vector["flags"]),
        vector["priority"],
        vector["seq"],
        int(vector["key"], 16),
        vector["created_ms"],
        vector["ttl_ms"],
    )
    if header.kind is FrameKind.MESSAGE:
        assert body.hex() == vector["body"]
        assert encode_frame(header, body) == octets
    else:
        content = decode_body(Frame(header, body), BODIES[header.kind])
        assert json.loads(msgspec.json.encode(content)) == vector["body"]
        assert encode_frame(header, encode_body(content)) == octets


def test_every_kind_of_frame_has_a_vector() -> None:
    assert {FrameKind(frame["kind"]) for frame in VECTORS["frames"]} == set(FrameKind)
    assert VECTORS["subprotocol"] == SUBPROTOCOL


@pytest.mark.parametrize(
    ("name", "kind", "subject"),
    [
        ("advice_glosa", AdviceKind.GREEN_LIGHT_SPEED, ""),
        ("advice_ivs", AdviceKind.IN_VEHICLE_SIGN, "limit-40"),
    ],
)
def test_an_advice_has_the_key_of_what_it_is_about(name: str, kind: AdviceKind, subject: str) -> None:
    (vector,) = (frame for frame in VECTORS["frames"] if frame["name"] == name)
    assert int(vector["key"], 16) == advice_key(kind, subject)


def test_template_is_the_encoded_frame_with_another_number() -> None:
    header = Header(FrameKind.WARNING, Flag.DEGRADED, 240, 0, 2**64 - 1, -5, 2**32 - 1)
    template = FrameTemplate(header, b"body")
    assert template.numbered(7) == encode_frame(header._replace(seq=7), b"body")
    assert template.numbered(2**32 + 9, Flag.RESUMED) == encode_frame(
        header._replace(seq=9, flags=Flag.DEGRADED | Flag.RESUMED), b"body"
    )


def reason_of(data: bytes, limit: int = 65_536) -> LinkReason:
    with pytest.raises(LinkError) as error:
        decode_frame(data, limit)
    return error.value.reason


@pytest.mark.drops(LinkReason.SHORT_FRAME, LinkReason.FRAME_TOO_LARGE, LinkReason.UNKNOWN_KIND)
def test_damaged_header_has_a_reason() -> None:
    good = bytes.fromhex(VECTORS["frames"][0]["octets"])
    assert reason_of(good[: HEADER_BYTES - 1]) is LinkReason.SHORT_FRAME
    assert reason_of(b"") is LinkReason.SHORT_FRAME
    assert reason_of(good, len(good) - 1) is LinkReason.FRAME_TOO_LARGE
    assert reason_of(b"\x00" + good[1:]) is LinkReason.UNKNOWN_KIND


@pytest.mark.drops(LinkReason.BAD_BODY)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        b"\x93\x01\x02\x03",
        msgspec.msgpack.encode({"kind": "vrucw"}),
        b"\x91" * 20_000,
        msgspec.msgpack.encode({"lat_deg": 1.0}),
        b"\x81\xa4kind\xa1\xff",
    ],
    ids=["empty", "reserved octet", "array", "members missing", "nested too deep", "wrong map", "no UTF-8"],
)
def test_damaged_body_has_a_reason(body: bytes) -> None:
    header = Header(FrameKind.WARNING, Flag(0), 0, 1, 1, 0, 1)
    with pytest.raises(LinkError) as error:
        decode_body(Frame(header, body), Warning)
    assert error.value.reason is LinkReason.BAD_BODY


@pytest.mark.parametrize("lat_deg", [math.nan, math.inf, -90.001, 91.0])
def test_a_place_that_is_none_is_refused(lat_deg: float) -> None:
    octets = msgspec.msgpack.encode({"lat_deg": lat_deg, "lon_deg": 117.0})
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(octets, type=Place)


def test_a_speed_that_is_none_is_refused() -> None:
    party = {"kind": "car", "lat_deg": 39.0, "lon_deg": 117.0, "heading_deg": 0.0}
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(msgspec.msgpack.encode({**party, "speed_mps": math.nan}), type=Party)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode({**party, "speed_mps": 3}), type=Party)


def test_a_body_of_another_kind_is_refused() -> None:
    frame = decode_frame(bytes.fromhex(VECTORS["frames"][0]["octets"]))
    with pytest.raises(LinkError) as error:
        decode_body(frame, Warning)
    assert error.value.reason is LinkReason.BAD_BODY


@given(st.binary(max_size=300))
def test_no_octets_do_more_than_raise_link_error(data: bytes) -> None:
    for octets in (data, bytes([FrameKind.WARNING]) + data):
        try:
            frame = decode_frame(octets)
            if frame.header.kind in BODIES:
                decode_body(frame, BODIES[frame.header.kind])
        except LinkError:
            continue


def test_key_is_fixed_by_kind_and_event() -> None:
    key = warning_key(WarningKind.VULNERABLE_ROAD_USER, "vru-17")
    assert key == int(next(f["key"] for f in VECTORS["frames"] if f["name"] == "warning"), 16)
    assert key != warning_key(WarningKind.RED_LIGHT_VIOLATION, "vru-17")
    assert [priority_of(s) for s in sorted(Severity)] == sorted(priority_of(s) for s in Severity)


class Item(NamedTuple):
    """What the mailbox machine posts; `number` tells them apart."""

    number: int
    key: int
    priority: int
    ends: bool
    expires: int

    def expired(self, now: MonoNs) -> bool:
        return not self.ends and now >= self.expires


class MailboxMachine(RuleBasedStateMachine):
    """Random traffic of one vehicle against what the mailbox promises."""

    LIMIT = 4

    def __init__(self) -> None:
        super().__init__()
        self.lost: list[tuple[Item, Loss]] = []
        self.mailbox: Mailbox[Item] = Mailbox(self.LIMIT, lambda item, loss: self.lost.append((item, loss)))
        self.now = 0
        self.number = 0
        self.seen: set[int] = set()
        self.owed: dict[int, int] = {}  # key → number of the cancel that must still go out
        self.waiting: dict[int, Item] = {}  # number → item that may still go out
        self.ended_before: dict[int, int] = {}  # key → items up to this number were ended by a cancel
        self.broken = False

    def posted(self, key: int, priority: int, ends: bool, lives: int) -> None:
        self.number += 1
        item = Item(self.number, key, priority, ends, self.now + lives)
        fits = self.mailbox.put(item, seen=key in self.seen)
        if ends:
            self.ended_before[key] = item.number
            if key in self.seen:
                self.owed[key] = item.number
        else:
            self.waiting[item.number] = item
        if not fits:
            # Only cancels wait: the session is over, nothing is promised any more.
            assert len(self.owed) >= self.LIMIT
            self.broken = True

    @precondition(lambda self: not self.broken)
    @rule(key=st.integers(1, 6), priority=st.sampled_from([80, 160, 240]), lives=st.integers(0, 6))
    def post(self, key: int, priority: int, lives: int) -> None:
        self.posted(key, priority, False, lives)

    @precondition(lambda self: not self.broken)
    @rule(key=st.integers(1, 6), priority=st.sampled_from([80, 240]))
    def cancel(self, key: int, priority: int) -> None:
        self.posted(key, priority, True, 0)

    @precondition(lambda self: not self.broken)
    @rule(priority=st.sampled_from([80, 240]))
    def post_unkeyed(self, priority: int) -> None:
        self.posted(0, priority, False, 3)

    @rule(step=st.integers(0, 4))
    def pass_time(self, step: int) -> None:
        self.now += step

    @precondition(lambda self: not self.broken)
    @rule()
    def take(self) -> None:
        taken = self.mailbox.take(MonoNs(self.now))
        if taken is None:
            assert not self.owed, "a cancel was lost"
            return
        item, again = taken
        assert not again
        if item.ends:
            assert self.owed.pop(item.key) == item.number, "not the newest cancel of its key"
            return
        assert not item.expired(MonoNs(self.now)), "an expired item was written"
        assert item.key not in self.owed, "an item overtook the cancel of its key"
        assert item.number > self.ended_before.get(item.key, 0) or not item.key, (
            "a cancelled item was written"
        )
        lost = {gone.number for gone, _ in self.lost}
        for other in self.waiting.values():
            still_waits = other.number != item.number and other.number not in lost
            if still_waits and not other.expired(MonoNs(self.now)):
                cancelled = other.key and other.number <= self.ended_before.get(other.key, 0)
                assert cancelled or other.priority <= item.priority, "a less urgent item went first"
        del self.waiting[item.number]
        if item.key:
            self.seen.add(item.key)

    @invariant()
    def bounded_and_accounted(self) -> None:
        assert len(self.mailbox) <= self.LIMIT
        for item, loss in self.lost:
            self.waiting.pop(item.number, None)
            assert not item.ends, "a cancel was dropped"
            if loss is Loss.EXPIRED:
                assert item.expired(MonoNs(self.now))


MailboxMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestMailbox = MailboxMachine.TestCase


def mailbox(limit: int = 8) -> tuple[Mailbox[Item], list[tuple[int, Loss]]]:
    lost: list[tuple[int, Loss]] = []
    return Mailbox(limit, lambda item, loss: lost.append((item.number, loss))), lost


def drained(box: Mailbox[Item], now: int = 0) -> list[int]:
    numbers = []
    while (taken := box.take(MonoNs(now))) is not None:
        numbers.append(taken[0].number)
    return numbers


def test_emergency_overtakes_and_the_rest_keeps_its_order() -> None:
    box, lost = mailbox()
    for number, (key, priority) in enumerate([(1, 80), (2, 160), (3, 80), (4, 240), (5, 160)]):
        box.put(Item(number, key, priority, False, 9), seen=False)
    assert drained(box) == [3, 1, 4, 0, 2]
    assert lost == []


def test_newer_replaces_older_in_its_place() -> None:
    box, lost = mailbox()
    box.put(Item(1, 1, 80, False, 9), seen=False)
    box.put(Item(2, 2, 80, False, 9), seen=False)
    box.put(Item(3, 1, 80, False, 9), seen=False)
    assert drained(box) == [3, 2]
    assert lost == [(1, Loss.SUPERSEDED)]


def test_new_warning_never_overtakes_the_cancel_before_it() -> None:
    box, _ = mailbox()
    box.put(Item(1, 7, 80, True, 0), seen=True)
    box.put(Item(2, 8, 160, False, 9), seen=False)
    box.put(Item(3, 7, 240, False, 9), seen=True)
    assert drained(box) == [1, 3, 2]


def test_cancel_of_what_was_never_written_vanishes_with_it() -> None:
    box, lost = mailbox()
    box.put(Item(1, 7, 240, False, 9), seen=False)
    assert box.put(Item(2, 7, 240, True, 0), seen=False)
    assert drained(box) == []
    assert lost == [(1, Loss.SUPERSEDED)]


def test_full_mailbox_loses_the_oldest_of_the_lowest_priority_and_no_cancel() -> None:
    box, lost = mailbox(limit=2)
    box.put(Item(1, 1, 80, True, 0), seen=True)
    box.put(Item(2, 2, 240, False, 9), seen=False)
    assert box.put(Item(3, 3, 160, False, 9), seen=False)
    assert lost == [(3, Loss.FULL)]
    assert box.put(Item(4, 4, 80, True, 0), seen=True)
    assert lost == [(3, Loss.FULL), (2, Loss.FULL)]
    assert not box.put(Item(5, 5, 80, True, 0), seen=True)


def test_restored_items_come_first_and_yield_to_newer_ones() -> None:
    box, _ = mailbox()
    box.put(Item(10, 1, 80, False, 9), seen=True)
    box.put(Item(11, 2, 80, False, 9), seen=True)
    assert box.restore([Item(1, 3, 80, False, 9), Item(2, 1, 80, False, 9), Item(3, 2, 80, True, 0)])
    taken = []
    while (got := box.take(MonoNs(0))) is not None:
        taken.append((got[0].number, got[1]))
    assert taken == [(1, True), (10, False), (3, False), (11, False)]
