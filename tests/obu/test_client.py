"""The SDK on virtual time: states, expiry, resume, delivery, and what a slow or failing user may do."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from wayside.asn1 import load
from wayside.link import (
    Advice,
    AdviceKind,
    Bye,
    Flag,
    FrameKind,
    Hello,
    Outcome,
    Place,
    Receipt,
    Refusal,
    Refused,
    Severity,
)
from wayside.observe import WaysideError
from wayside.obu import (
    ObuClient,
    ObuError,
    ObuReason,
    ObuState,
    ReceivedAdvice,
    ReceivedCancel,
    ReceivedMessage,
    ReceivedWarning,
    StateChange,
)
from wayside.obu._delivery import WAITING_LIMIT

Road = Any


def outcomes(road: Road) -> list[tuple[int, Outcome]]:
    return [(r.seq, r.outcome) for r in road.edge.line.bodies(Receipt)]


async def test_connects_compares_clocks_and_reports_its_state(road: Road) -> None:
    changes: list[StateChange] = []
    client = ObuClient(["a"], vehicle_id="v1", clock=road.clock, connector=road.edge.connect)
    road.clients.append(client)
    client.on_state(changes.append)
    assert client.state is ObuState.OFFLINE
    await client.start()
    await client.connected(1.0)
    await road.settle()
    assert [change.state for change in changes] == [ObuState.CONNECTING, ObuState.CONNECTED]
    status = client.status()
    assert (status.rtt_ms, status.edge_minus_vehicle_ms, status.utc_minus_vehicle_ms) == (0.0, 5_000.0, 0.0)
    assert status.site == "test"
    await client.close()
    assert changes[-1].state is ObuState.CLOSED
    assert road.edge.line.up[-1].header.kind is FrameKind.BYE


async def test_a_warning_reaches_stream_and_callback_and_is_receipted_once(road: Road) -> None:
    client = await road.vehicle()
    stream = client.warnings()
    called: list[ReceivedWarning] = []

    async def on_warning(warning: ReceivedWarning) -> None:
        called.append(warning)

    client.on_warning(on_warning)
    seq = road.edge.line.warn()
    warning = await anext(stream)
    await road.settle()
    assert called == [warning]
    assert warning.trace_id == "trace-e1"
    assert warning.valid_until - road.clock.mono() == 1_000_000_000
    assert not warning.degraded
    (receipt,) = road.edge.line.bodies(Receipt)
    assert receipt == Receipt(
        seq, "trace-e1", Outcome.CALLED, warning.received, receipt.called_ns, 5_000_000_000
    )
    assert receipt.called_ns >= warning.received
    assert client.active() == [warning]


async def test_filters_by_kind_and_severity(road: Road) -> None:
    client = await road.vehicle()
    urgent = client.warnings(min_severity=Severity.URGENT)
    none = client.warnings(kinds=["rlvw"])
    road.edge.line.warn("e1", key=1, severity=Severity.ADVISE, priority=160)
    road.edge.line.warn("e2", key=2)
    assert (await anext(urgent)).warning.event_id == "e2"
    await client.close()
    assert [w async for w in urgent] == []
    assert [w async for w in none] == []


@pytest.mark.drops(ObuReason.EXPIRED)
async def test_expiry_is_judged_again_by_the_edges_clock(road: Road) -> None:
    client = await road.vehicle()
    called: list[ReceivedWarning] = []

    async def on_warning(warning: ReceivedWarning) -> None:
        called.append(warning)

    client.on_warning(on_warning)
    seq = road.edge.line.warn(age_ms=1_000)
    await road.settle()
    assert called == []
    assert outcomes(road) == [(seq, Outcome.EXPIRED)]
    road.edge.line.warn("e2", key=2, age_ms=990)
    await road.settle()
    assert [w.remaining_s(road.clock.mono()) for w in called] == [pytest.approx(0.01)]
    assert client.counters.dropped(ObuReason.EXPIRED) == 1


async def test_what_waits_too_long_for_the_user_never_reaches_him(road: Road) -> None:
    client = await road.vehicle()
    stream = client.warnings()
    seq = road.edge.line.warn()
    road.edge.line.warn("e2", key=2, ttl_ms=5_000)
    await road.settle()
    road.clock.advance(1.0)
    assert (await anext(stream)).warning.event_id == "e2"
    await road.settle()
    assert outcomes(road)[0] == (seq, Outcome.EXPIRED)
    assert [w.warning.event_id for w in client.active()] == ["e2"]


@pytest.mark.parametrize("doubt", ["edge", "no answer"])
async def test_without_a_trusted_clock_the_lifetime_counts_from_arrival(road: Road, doubt: str) -> None:
    road.edge.utc_offset_ns = 3_600_000_000_000
    road.edge.hold_pongs = doubt == "no answer"
    client = await road.vehicle()
    stream = client.warnings()
    flags = Flag.DEGRADED if doubt == "edge" else Flag(0)
    road.edge.line.warn(age_ms=10_000_000, flags=flags)
    warning = await anext(stream)
    assert warning.degraded
    assert warning.remaining_s(road.clock.mono()) == 1.0
    if doubt == "edge":
        assert client.state is ObuState.DEGRADED
        road.edge.line.warn("e2", key=2)
        await anext(stream)
        assert client.state is ObuState.CONNECTED
    else:
        await road.pass_time(1.5)
        assert client.state is ObuState.DEGRADED


async def test_a_created_time_ahead_of_now_lengthens_nothing(road: Road) -> None:
    client = await road.vehicle()
    stream = client.warnings()
    road.edge.line.warn(age_ms=-60_000)
    assert (await anext(stream)).remaining_s(road.clock.mono()) == 1.0


async def test_pings_that_stop_degrade_and_silence_reconnects(road: Road) -> None:
    client = await road.vehicle()
    road.edge.hold_pongs = True
    await road.pass_time(7.0)
    assert client.state is ObuState.DEGRADED
    await road.pass_time(9.0)
    assert len(road.edge.lines) == 2
    road.edge.hold_pongs = False
    await road.pass_time(2.0)
    assert client.state is ObuState.CONNECTED
    assert client.status().resumes == 1


@pytest.mark.drops(ObuReason.LOST)
async def test_a_lost_session_is_taken_up_with_token_and_last_seq(road: Road) -> None:
    client = await road.vehicle()
    stream = client.warnings()
    seq = road.edge.line.warn()
    await anext(stream)
    road.edge.line.drop()
    await road.settle()
    assert client.state is ObuState.OFFLINE
    await road.pass_time(0.3)
    (hello,) = road.edge.line.bodies(Hello)
    assert (hello.resume, hello.last_seq) == ("resume-1", seq)
    assert client.state is ObuState.CONNECTED
    assert client.counters.dropped(ObuReason.LOST) == 1


@pytest.mark.drops(ObuReason.DUPLICATE)
async def test_what_was_here_before_the_cut_is_not_shown_twice(road: Road) -> None:
    client = await road.vehicle()
    stream = client.warnings()
    road.edge.line.warn(ttl_ms=5_000)
    first = await anext(stream)
    road.edge.line.drop()
    await road.pass_time(0.3)
    age_ms = round((road.clock.utc() - first.created) / 1e6)
    seq = road.edge.line.warn(ttl_ms=5_000, age_ms=age_ms, flags=Flag.RESUMED)
    road.edge.line.warn("e2", key=2, ttl_ms=5_000, flags=Flag.RESUMED)
    second = await anext(stream)
    assert second.warning.event_id == "e2" and second.resumed
    await road.settle()
    assert (seq, Outcome.DUPLICATE) in outcomes(road)
    assert client.counters.dropped(ObuReason.DUPLICATE) == 1


async def test_frames_sent_again_at_once_are_judged_by_what_the_old_connection_taught(road: Road) -> None:
    client = await road.vehicle()
    stream = client.warnings()
    road.edge.line.drop()
    road.edge.hold_pongs = True
    await road.pass_time(0.3)
    road.edge.line.warn(age_ms=2_000, flags=Flag.RESUMED)
    road.edge.line.warn("e2", key=2)
    assert (await anext(stream)).warning.event_id == "e2"


@pytest.mark.drops(ObuReason.UNREACHABLE)
async def test_fails_over_to_the_next_server_and_backs_off(road: Road) -> None:
    road.edge.reachable = lambda server: server == "edge-b"
    client = await road.vehicle(("edge-a", "edge-b"))
    assert road.edge.attempts == ["edge-a", "edge-b"]
    assert client.state is ObuState.CONNECTED
    assert client.status().server == "edge-b"
    assert client.counters.dropped(ObuReason.UNREACHABLE) == 1
    road.edge.reachable = lambda _: False
    road.edge.line.drop()
    await road.pass_time(60.0)
    assert 10 <= len(road.edge.attempts) <= 60
    assert set(road.edge.attempts[2:]) == {"edge-a", "edge-b"}
    with pytest.raises(ObuError) as error:
        await client.connected(0.01)
    assert error.value.reason is ObuReason.UNREACHABLE
    assert "nobody there" in str(error.value)


@pytest.mark.drops(ObuReason.REFUSED)
async def test_refused_for_good_ends_the_client_and_says_why(road: Road) -> None:
    road.edge.refused = Refused(Refusal.BAD_TOKEN, "wrong token", -1.0)
    client = await road.vehicle()
    assert client.state is ObuState.CLOSED
    with pytest.raises(ObuError, match="wrong token") as error:
        await client.connected(1.0)
    assert error.value.reason is ObuReason.REFUSED
    with pytest.raises(ObuError, match="wrong token"):
        await anext(client.warnings())
    assert road.edge.attempts == ["edge-a"]


async def test_refused_for_now_waits_as_told(road: Road) -> None:
    road.edge.refused = Refused(Refusal.FULL, "2 vehicles", 5.0)
    client = await road.vehicle()
    await road.pass_time(4.9)
    assert len(road.edge.attempts) == 1
    road.edge.refused = None
    await road.pass_time(3.0)
    assert client.state is ObuState.CONNECTED


async def test_an_edge_that_does_not_answer_hello_is_given_up(road: Road) -> None:
    road.edge.answer_hello = False
    client = await road.vehicle()
    await road.pass_time(5.5)
    assert road.edge.lines[0].closed
    road.edge.answer_hello = True
    await road.pass_time(5.5)
    assert client.state is ObuState.CONNECTED


@pytest.mark.drops(ObuReason.UNEXPECTED_FRAME)
async def test_damaged_frames_of_the_edge_are_counted_and_survived(road: Road) -> None:
    client = await road.vehicle()
    stream = client.warnings()
    line = road.edge.line
    line.raw(b"")
    line.raw(b"\xff" * 40)
    line.down(FrameKind.WARNING, b"\xc1", key=1, ttl_ms=1_000)
    line.down(FrameKind.HELLO, Hello("v", "d"))
    line.warn()
    assert (await anext(stream)).warning.event_id == "e1"
    assert client.counters.drops() == {
        "link": {"bad_body": 1, "short_frame": 1, "unknown_kind": 1},
        "obu": {"unexpected_frame": 1},
    }
    for _ in range(20):
        line.raw(b"\x00")
    await road.pass_time(0.3)
    assert len(road.edge.lines) == 2
    assert client.state is ObuState.CONNECTED


@pytest.mark.drops(ObuReason.SUPERSEDED)
async def test_newer_replaces_older_and_a_cancel_takes_back_what_waits(road: Road) -> None:
    client = await road.vehicle()
    stream = client.warnings()
    cancels: list[ReceivedCancel] = []

    async def on_cancel(cancel: ReceivedCancel) -> None:
        cancels.append(cancel)

    client.on_cancel(on_cancel)
    road.edge.line.warn("old", key=1)
    road.edge.line.warn("new", key=1)
    road.edge.line.warn("gone", key=2)
    road.edge.line.cancel(key=2)
    await road.settle()
    assert (await anext(stream)).warning.event_id == "new"
    assert [cancel.key for cancel in cancels] == [2]
    assert client.counters.dropped(ObuReason.SUPERSEDED) == 2
    assert [w.key for w in client.active()] == [1]


@pytest.mark.drops(ObuReason.QUEUE_FULL)
async def test_a_queue_nobody_reads_is_bounded_and_keeps_the_urgent(road: Road) -> None:
    client = await road.vehicle()
    stream = client.warnings()
    road.edge.line.warn("urgent", key=1, ttl_ms=60_000)
    for key in range(2, WAITING_LIMIT + 12):
        road.edge.line.warn("minor", key=key, ttl_ms=60_000, severity=Severity.INFORM, priority=80)
    await road.settle()
    assert client.counters.dropped(ObuReason.QUEUE_FULL) == 11
    assert (await anext(stream)).warning.event_id == "urgent"


async def test_a_slow_callback_holds_up_neither_the_link_nor_the_stream(road: Road) -> None:
    client = await road.vehicle()
    stream = client.warnings()
    entered, go_on = threading.Event(), threading.Event()
    seen: list[str] = []

    def slow(warning: ReceivedWarning) -> None:
        entered.set()
        go_on.wait(10)
        seen.append(warning.warning.event_id)

    client.on_warning(slow)
    road.edge.line.warn("e1", key=1)
    await anext(stream)
    await asyncio.to_thread(entered.wait, 10)
    road.edge.line.warn("stale", key=2)
    await anext(stream)
    await road.pass_time(1.0)
    road.edge.line.warn("e3", key=3)
    assert (await anext(stream)).warning.event_id == "e3"
    assert client.state is ObuState.CONNECTED
    done = asyncio.Event()

    async def last(warning: ReceivedWarning) -> None:
        if warning.warning.event_id == "e3":
            done.set()

    client.on_warning(last)
    go_on.set()
    async with asyncio.timeout(5):
        await done.wait()
    assert seen == ["e1", "e3"]
    assert client.counters.dropped(ObuReason.EXPIRED) >= 1


@pytest.mark.drops(ObuReason.CALLBACK_FAILED)
async def test_a_failing_callback_is_reported_and_the_others_are_called(
    road: Road, caplog: pytest.LogCaptureFixture
) -> None:
    client = await road.vehicle()
    called: list[str] = []

    async def fails(_: ReceivedWarning) -> None:
        raise RuntimeError("a fault of the user")

    async def works(warning: ReceivedWarning) -> None:
        called.append(warning.warning.event_id)

    def fails_too(_: StateChange) -> None:
        raise RuntimeError("another fault")

    client.on_warning(fails)
    unsubscribe = client.on_warning(works)
    client.on_state(fails_too)
    road.edge.line.warn()
    await road.settle()
    unsubscribe()
    road.edge.line.warn("e2", key=2)
    await road.settle()
    assert called == ["e1"]
    road.edge.line.drop()
    await road.settle()
    assert client.counters.dropped(ObuReason.CALLBACK_FAILED) == 3
    assert "a fault of the user" in caplog.text and "another fault" in caplog.text


async def test_messages_and_advice_come_down(road: Road) -> None:
    client = await road.vehicle()
    messages: list[ReceivedMessage] = []
    advice: list[ReceivedAdvice] = []

    async def on_message(message: ReceivedMessage) -> None:
        messages.append(message)

    async def on_advice(received: ReceivedAdvice) -> None:
        advice.append(received)

    client.on_message(on_message)
    client.on_advice(on_advice)
    line = road.edge.line
    line.down(FrameKind.MESSAGE, b"spat", key=1, ttl_ms=500)
    line.down(FrameKind.MESSAGE, b"stale", key=2, ttl_ms=500, age_ms=600)
    line.down(FrameKind.MESSAGE, b"map", key=3)
    signal = Advice(AdviceKind.SIGNAL_STATE, Place(39.0, 117.0), values={"state": "red"})
    line.down(FrameKind.ADVICE, signal, key=4, ttl_ms=500)
    line.down(FrameKind.ADVICE, signal, key=5, ttl_ms=500, age_ms=600)
    await road.settle()
    assert [(m.data, m.dialect) for m in messages] == [(b"spat", "csae53-2020"), (b"map", "csae53-2020")]
    assert [a.advice for a in advice] == [signal]
    assert client.counters.dropped(ObuReason.EXPIRED) == 2


@pytest.mark.drops(ObuReason.NOT_CONNECTED)
async def test_safety_messages_go_up_when_there_is_a_session(road: Road) -> None:
    client = await road.vehicle()
    assert await client.send_bsm(b"uper")
    await road.settle()
    assert road.edge.line.up[-1].body == b"uper"
    road.edge.reachable = lambda _: False
    road.edge.line.drop()
    await road.settle()
    assert not await client.send_bsm(b"uper")
    assert client.counters.dropped(ObuReason.NOT_CONNECTED) == 1


@pytest.mark.drops(ObuReason.NOT_SENT_IN_TIME)
async def test_a_safety_message_too_old_is_not_sent(road: Road) -> None:
    client = await road.vehicle()
    await road.settle()
    assert await client.send_bsm(b"old")
    road.clock.advance(0.6)
    assert await client.send_bsm(b"new")
    await road.settle()
    assert [f.body for f in road.edge.line.up if f.header.kind is FrameKind.MESSAGE] == [b"new"]
    assert client.counters.dropped(ObuReason.NOT_SENT_IN_TIME) == 1


@pytest.mark.drops(ObuReason.BAD_MESSAGE)
async def test_a_wire_value_is_encoded_or_refused(road: Road) -> None:
    client = await road.vehicle(dialect="j2735-2024")
    with pytest.raises(ObuError) as error:
        await client.send_bsm({"messageId": 20, "value": "nonsense", "extra": 1})
    assert error.value.reason is ObuReason.BAD_MESSAGE


VECTOR = next(
    vector
    for vector in json.loads((Path(__file__).parents[1] / "vectors" / "csae.json").read_text("utf-8"))
    if vector["dialect"] == "csae53-2020" and vector["message"] == "bsmFrame"
)


async def test_messages_go_up_typed_and_come_down_undecoded(road: Road) -> None:
    from wayside.asn1.messages import BasicSafety, Position
    from wayside.asn1.translate import to_message

    client = await road.vehicle()
    messages: list[ReceivedMessage] = []

    async def on_message(message: ReceivedMessage) -> None:
        messages.append(message)

    client.on_message(on_message)
    road.edge.line.down(FrameKind.MESSAGE, bytes.fromhex(VECTOR["hex"]), key=1, ttl_ms=500)
    road.edge.line.down(FrameKind.MESSAGE, b"\xff\xff", key=2, ttl_ms=500)
    await road.settle()
    good, bad = messages
    wire = good.wire()
    assert wire[0] == "bsmFrame" and wire[1]["msgCnt"] == VECTOR["decoded"][1]["msgCnt"]
    typed = good.typed()
    assert isinstance(typed, BasicSafety) and typed.msg_count == wire[1]["msgCnt"]
    with pytest.raises(WaysideError):
        bad.wire()
    assert await client.send_bsm(wire)
    sent = BasicSafety(bytes(8), 5, Position(39.0, 117.0), speed_mps=10.0, heading_deg=90.0)
    assert await client.send_bsm(sent)
    await road.settle()
    up = [frame.body for frame in road.edge.line.up if frame.header.kind is FrameKind.MESSAGE]
    assert up[0] == bytes.fromhex(VECTOR["hex"])[: len(up[0])]
    again = to_message("csae53-2020", load("csae53-2020").decode(up[1]), near=road.clock.utc()).message
    assert isinstance(again, BasicSafety)
    assert (again.msg_count, again.position.lat_deg, again.heading_deg) == (5, 39.0, 90.0)
    with pytest.raises(ObuError) as error:
        await client.send_bsm(BasicSafety(bytes(8), 5, Position(400.0, 117.0)))
    assert error.value.reason is ObuReason.BAD_MESSAGE


async def test_goodbye_of_the_edge_reconnects(road: Road) -> None:
    client = await road.vehicle()
    road.edge.line.down(FrameKind.BYE, Bye("restart"))
    await road.pass_time(0.3)
    assert len(road.edge.lines) == 2
    assert client.state is ObuState.CONNECTED


async def test_a_new_session_forgets_receipts_of_the_old(road: Road) -> None:
    client = await road.vehicle()
    road.edge.resumes = False
    road.edge.line.drop()
    await road.pass_time(0.3)
    assert client.status().resumes == 0
    assert client.state is ObuState.CONNECTED
    assert road.edge.line.bodies(Receipt) == []


@pytest.mark.parametrize("steps", range(0, 40, 3))
async def test_closing_at_any_moment_leaves_nothing_behind(road: Road, steps: int) -> None:
    client = ObuClient(["a"], vehicle_id="v", clock=road.clock, connector=road.edge.connect)
    stream = client.warnings()
    waiter = asyncio.ensure_future(anext(stream, None))
    await client.start()
    for _ in range(steps):
        await asyncio.sleep(0)
    await client.close()
    assert await waiter is None
    assert client.state is ObuState.CLOSED
    assert all(line.closed for line in road.edge.lines)


async def test_closing_in_back_off_and_while_connecting_leaves_nothing_behind(road: Road) -> None:
    road.edge.reachable = lambda _: False
    client = await road.vehicle()
    assert client.state is ObuState.OFFLINE
    await client.close()
    hangs = asyncio.Event()

    async def never(_: str) -> Any:
        hangs.set()
        await asyncio.Event().wait()

    other = ObuClient(["a"], vehicle_id="v", clock=road.clock, connector=never)
    await other.start()
    await hangs.wait()
    assert other.state is ObuState.CONNECTING
    await other.close()
    await other.close()


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="servers"):
        ObuClient([], vehicle_id="v")
    with pytest.raises(ValueError, match="servers"):
        ObuClient("ws://x/", vehicle_id="v")
    with pytest.raises(ValueError, match="vehicle_id"):
        ObuClient(["ws://x/"], vehicle_id="")


async def test_starts_once(road: Road) -> None:
    client = await road.vehicle()
    with pytest.raises(RuntimeError, match="once"):
        await client.start()
