"""Damaged input: nothing but DecodeError, in bounded time; what is accepted encodes to an equal value."""

import json
import tracemalloc
from pathlib import Path
from random import Random
from time import process_time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wayside.asn1 import CodecReason, DecodeError, EncodeError, dialects, load
from wayside.asn1.samples import Samples

VECTORS = Path(__file__).parents[1] / "vectors"
SEED = 20260
ROUNDS = 40
FRAMES = 6


def frames(dialect: str) -> list[bytes]:
    """The real messages of a dialect, and made ones where there are few."""
    name = "csae.json" if dialect.startswith("csae") else "j2735.json"
    entries: list[dict[str, Any]] = json.loads((VECTORS / name).read_text("utf-8"))
    real = [bytes.fromhex(entry["hex"]) for entry in entries if entry["dialect"] == dialect]
    messages = load(dialect)
    made = [Samples(messages.table, Random(seed)).of("MessageFrame") for seed in range(FRAMES - len(real))]
    return [*real, *(messages.encode(value) for value in made)]


def hold(dialect: str, octets: bytes) -> bool:
    """Decode; an accepted value must survive encoding. True when it was accepted."""
    messages = load(dialect)
    try:
        value, bits = messages.decode_prefix(octets)
    except DecodeError as error:
        assert 0 <= error.bit_offset <= len(octets) * 8
        assert str(error)
        return False
    assert 0 < bits <= len(octets) * 8
    assert messages.decode(messages.encode(value)) == value
    return True


@pytest.mark.parametrize("dialect", dialects())
def test_flipped_bits(dialect: str) -> None:
    rng = Random(SEED)
    accepted = refused = 0
    for octets in frames(dialect):
        for _ in range(ROUNDS):
            damaged = bytearray(octets)
            for _ in range(rng.randint(1, 4)):
                at = rng.randrange(len(damaged) * 8)
                damaged[at >> 3] ^= 128 >> (at & 7)
            if hold(dialect, bytes(damaged)):
                accepted += 1
            else:
                refused += 1
    assert accepted and refused


@pytest.mark.parametrize("dialect", dialects())
def test_spliced_messages(dialect: str) -> None:
    rng = Random(SEED)
    originals = frames(dialect)
    for octets in originals:
        for _ in range(ROUNDS // 2):
            other = rng.choice(originals)
            hold(dialect, octets[: rng.randrange(len(octets))] + other[rng.randrange(len(other)) :])


@pytest.mark.parametrize("dialect", dialects())
@settings(max_examples=150, deadline=None, derandomize=True)
@given(octets=st.binary(max_size=120))
def test_random_octets(dialect: str, octets: bytes) -> None:
    hold(dialect, octets)
    for head in (b"\x00\x12", b"\x00\x14", b"\x10", b"\x40", b"\x80\x7f\x00\x0c\x7c"):
        hold(dialect, head + octets)


@pytest.mark.parametrize("dialect", dialects())
@settings(max_examples=10, deadline=None, derandomize=True)
@given(octets=st.binary(max_size=40))
def test_random_octets_as_any_type(dialect: str, octets: bytes) -> None:
    messages = load(dialect)
    for type_name in messages.type_names:
        try:
            value, _ = messages.decode_prefix(octets, type_name)
        except DecodeError:
            continue
        assert messages.decode(messages.encode(value, type_name), type_name) == value


HOSTILE = {
    "ones": b"\xff" * 65536,
    "zeros": b"\x00" * 65536,
    "map of ones": b"\x00\x12\xc3" + b"\xff" * 49152,
    "map of zeros": b"\x00\x12\xc3" + b"\x00" * 49152 + b"\x00",
    "spat": b"\x00\x13\xc3" + b"\x0f" * 49152 + b"\x00",
    "tim": b"\x00\x1f\xc3" + b"\x55" * 49152 + b"\x00",
    "bsm with regions": b"\x00\x14\xc3" + b"\xaa" * 49152 + b"\x00",
    "unknown frame": b"\x80\xff" + b"\xc1" * 60000,
}


@pytest.mark.parametrize("octets", [pytest.param(octets, id=name) for name, octets in HOSTILE.items()])
@pytest.mark.parametrize("dialect", dialects())
def test_large_hostile_input_is_bounded(dialect: str, octets: bytes) -> None:
    messages = load(dialect)
    hold_nothing(messages, octets)
    tracemalloc.start()
    start = process_time()
    try:
        hold_nothing(messages, octets)
        spent = process_time() - start
        grown = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert grown < 64 * 2**20
    assert spent < 2.0


def hold_nothing(messages: Any, octets: bytes) -> None:
    try:
        messages.decode_prefix(octets)
    except DecodeError as error:
        assert error.reason in set(CodecReason)


def test_a_message_over_the_size_limit_is_refused_unread() -> None:
    with pytest.raises(DecodeError) as refused:
        load("csae53-2020").decode(bytes(65537))
    assert refused.value.reason is CodecReason.TOO_LONG


def test_error_says_what_where_and_why() -> None:
    messages = load("j2735-2024")
    octets = next(o for o in frames("j2735-2024") if o[:2] == b"\x00\x14")
    frame = messages.decode(octets)
    core = {**frame["value"]["coreData"], "speed": 9000}
    with pytest.raises(EncodeError) as refused:
        messages.encode({**frame, "value": {"coreData": core}})
    assert "value.coreData.speed" in str(refused.value)
    assert "9000 in 0..8191" in str(refused.value)
    with pytest.raises(DecodeError) as cut:
        messages.decode(octets[:3] + b"\x05" + octets[4:9])
    assert cut.value.path.startswith("value")
