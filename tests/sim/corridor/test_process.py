"""The traffic process: what crosses its pipes, and each way in which it can fail its parent."""

from __future__ import annotations

import io
import json
import sys
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayside.sim.corridor import TrafficError, TrafficReason, speed
from wayside.sim.corridor._frames import (
    MAX_FRAME_BYTES,
    Enter,
    KeepLane,
    Order,
    Ready,
    Resume,
    SetSpeed,
    Setup,
    SlowDown,
    Step,
    Stop,
    answer_of,
    frame,
    length_of,
    read_body,
    request_of,
)
from wayside.sim.corridor._net import NET_FILE
from wayside.sim.corridor._process import TrafficProcess
from wayside.sim.corridor.traffic import serve

SETUP = Setup(str(NET_FILE), 1, 0.0, 0.0, 0.0, 0.1)
_READY = "import os,sys,time;sys.stdin.buffer.raw.read(4000);os.write(1,bytes.fromhex('%s'));"
READY = _READY % frame(Ready("none")).hex()


def child(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


@pytest.mark.drops(TrafficReason.ENDED)
def test_a_child_that_ends_is_told_with_its_code() -> None:
    with pytest.raises(TrafficError, match="ended: exit code 3") as told:
        TrafficProcess(SETUP, command=child("import sys;sys.stdin.buffer.raw.read(4000);sys.exit(3)"))
    assert told.value.reason is TrafficReason.ENDED


def test_a_child_that_ends_later_is_told_at_the_next_step() -> None:
    process = TrafficProcess(SETUP, command=child(READY))
    with pytest.raises(TrafficError) as told:
        process.send(())
        process.receive()
    assert told.value.reason is TrafficReason.ENDED
    process.close()
    with pytest.raises(TrafficError, match="closed"):
        process.receive()


@pytest.mark.drops(TrafficReason.LATE)
def test_a_child_that_does_not_answer_in_time_is_given_up() -> None:
    process = TrafficProcess(SETUP, timeout_s=20.0, command=child(READY + "sys.stdin.buffer.read()"))
    process._timeout_s = 0.05
    process.send(())
    with pytest.raises(TrafficError, match="late"):
        process.receive()
    process.close()


@pytest.mark.drops(TrafficReason.BAD_FRAME)
@pytest.mark.parametrize("octets", ["ffffffff", "01000000c1", "0100000090"])
def test_an_answer_that_is_no_frame_is_refused(octets: str) -> None:
    code = f"import os,sys;sys.stdin.buffer.raw.read(4000);os.write(1,bytes.fromhex('{octets}'));"
    code += "sys.stdin.read()"
    with pytest.raises(TrafficError) as told:
        TrafficProcess(SETUP, command=child(code))
    assert told.value.reason is TrafficReason.BAD_FRAME


@pytest.mark.joint
@pytest.mark.drops(TrafficReason.FAILED)
def test_a_net_that_is_not_there_is_told_by_the_child(libsumo: None) -> None:
    with pytest.raises(TrafficError, match="nowhere") as told:
        TrafficProcess(Setup("/nowhere/net.xml", 1, 0.0, 0.0, 0.0, 0.1))
    assert told.value.reason is TrafficReason.FAILED


@given(
    st.lists(
        st.one_of(
            st.builds(SetSpeed, st.integers(0, 2**31), st.floats(0, 60), st.booleans()),
            st.builds(SlowDown, st.integers(0, 2**31), st.floats(0, 60), st.floats(0, 10)),
            st.builds(Resume, st.integers(0, 2**31)),
            st.builds(Stop, st.integers(0, 2**31), st.text(max_size=9), st.floats(0, 900), st.floats(0, 90)),
            st.builds(KeepLane, st.integers(0, 2**31), st.integers(0, 5), st.floats(0, 90)),
            st.builds(
                Enter,
                st.integers(0, 2**31),
                st.just("car"),
                st.tuples(st.text(max_size=5)),
                st.integers(0, 5),
                st.floats(0, 900),
                st.floats(0, 60),
            ),
        ),
        max_size=20,
    )
)
def test_requests_come_out_as_they_went_in(orders: list[Order]) -> None:
    body = read_body(io.BytesIO(frame(Step(tuple(orders)))))
    assert body is not None and request_of(body) == Step(tuple(orders))


@given(st.binary(max_size=200))
def test_any_octets_are_a_frame_or_a_refusal(data: bytes) -> None:
    for read in (request_of, answer_of):
        try:
            read(data)
        except TrafficError as error:
            assert error.reason is TrafficReason.BAD_FRAME


def test_a_stream_that_breaks_off_is_no_end() -> None:
    whole = frame(Step())
    assert read_body(io.BytesIO(b"")) is None
    for size in range(1, len(whole)):
        with pytest.raises(TrafficError, match="cut off"):
            read_body(io.BytesIO(whole[:size]))
    with pytest.raises(TrafficError, match="at most"):
        length_of((MAX_FRAME_BYTES + 1).to_bytes(4, "little"))


@pytest.mark.parametrize("requests", [frame(Step()), b"\x01\x00\x00\x00\xc1"])
def test_the_child_refuses_what_makes_no_sense(requests: bytes) -> None:
    with pytest.raises(TrafficError) as told:
        serve(SimpleNamespace(), io.BytesIO(requests), io.BytesIO())
    assert told.value.reason is TrafficReason.BAD_FRAME


@pytest.mark.joint
def test_the_speed_is_told_for_traffic_and_for_the_road(
    libsumo: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert speed.main(["--present", "20", "--steps", "5", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["what"] for row in rows] == ["traffic alone", "road", "road with conflicts measured"]
    assert all(row["steps_per_s"] > 0.0 and row["users_mean"] > 5.0 for row in rows)
