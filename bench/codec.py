"""Codec: microseconds per message of the Python walker beside asn1tools, on real messages.

Both do the same job: octets to the value of the whole frame, J2735's open types and BSM Part II included,
and back. The walker always checks ranges and sizes; asn1tools is measured as it comes (without) and with
its checks. Rounds are interleaved and the least of each is shown, in CPU time of this process.

    python bench/codec.py [--json] [--rounds N]
"""

import argparse
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any

import asn1tools

from wayside.asn1 import MessageSet, load
from wayside.asn1._sources import MODULES, TABLE_NAME
from wayside.asn1._table import OpenField, Sequence, parse_table

VECTORS = Path(__file__).parents[1] / "tests" / "vectors"
LEAST_S = 0.004
MESSAGES = [
    ("csae.json", "bsmFrame", 1.0),
    ("csae.json", "rsmFrame", 0.0),
    ("csae.json", "rsiFrame", 0.0),
    ("csae.json", "spatFrame", 0.0),
    ("csae.json", "spatFrame", 1.0),
    ("j2735.json", "BasicSafetyMessage", 0.0),
    ("j2735.json", "BasicSafetyMessage", 0.5),
    ("j2735.json", "SPAT", 0.6),
    ("j2735.json", "MapData", 0.6),
    ("j2735.json", "TravelerInformation", 0.6),
    ("j2735.json", "SensorDataSharingMessage", 1.0),
]


class Peer:
    """asn1tools over the same module texts; fills in what it leaves as octets."""

    def __init__(self, messages: MessageSet, checked: bool) -> None:
        paths = sorted(map(str, (MODULES / messages.dialect).glob("*.asn")))
        self._spec = asn1tools.compile_files(paths, "uper")
        self._checked = checked
        names = {index: name for name, index in messages.table.types.items()}

        def types(owner: str) -> dict[int, str]:
            node = messages.table.nodes[messages.table.types[owner]]
            assert isinstance(node, Sequence) and isinstance(node.open, OpenField)
            return {number: names[index] for number, index in node.open.nodes.items()}

        self._open = messages.dialect.startswith("j2735")
        if self._open:
            self._frames, self._parts = types("MessageFrame"), types("PartIIcontent")

    def decode(self, octets: bytes) -> Any:
        frame = self._decode("MessageFrame", octets)
        if self._open and frame["messageId"] in self._frames:
            frame["value"] = value = self._decode(self._frames[frame["messageId"]], frame["value"])
            for part in value.get("partII", ()) if frame["messageId"] == 20 else ():
                if part["partII-Id"] in self._parts:
                    name = self._parts[part["partII-Id"]]
                    part["partII-Value"] = self._decode(name, part["partII-Value"])
        return frame

    def encode(self, frame: Any) -> bytes:
        if self._open and frame["messageId"] in self._frames:
            value = frame["value"]
            if frame["messageId"] == 20 and "partII" in value:
                value = {**value, "partII": [self._part(part) for part in value["partII"]]}
            frame = {**frame, "value": self._encode(self._frames[frame["messageId"]], value)}
        return self._encode("MessageFrame", frame)

    def _part(self, part: dict[str, Any]) -> dict[str, Any]:
        name = self._parts.get(part["partII-Id"])
        return part if name is None else {**part, "partII-Value": self._encode(name, part["partII-Value"])}

    def _decode(self, name: str, octets: bytes) -> Any:
        return self._spec.decode(name, octets, check_constraints=self._checked)

    def _encode(self, name: str, value: Any) -> bytes:
        octets: bytes = self._spec.encode(name, value, check_constraints=self._checked)
        return octets


def sample(name: str, message: str, of_size: float) -> dict[str, Any]:
    """The entry of one kind at this place in order of size (0 the shortest, 1 the longest)."""
    entries = json.loads((VECTORS / name).read_text("utf-8"))
    found = sorted((e for e in entries if e["message"] == message), key=lambda e: len(e["hex"]))
    entry: dict[str, Any] = found[round(of_size * (len(found) - 1))]
    return entry


def per_call(call: Callable[[], object]) -> tuple[Callable[[], object], int]:
    """The call, and how often it runs in one round."""
    start = process_time()
    call()
    count = 1
    while process_time() - start < LEAST_S:
        call()
        count += 1
    return call, count


def measure(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Least microseconds per call of each, over interleaved rounds."""
    planned = {name: per_call(call) for name, call in calls.items()}
    least = dict.fromkeys(calls, float("inf"))
    for _ in range(rounds):
        for name, (call, count) in planned.items():
            start = process_time()
            for _ in range(count):
                call()
            least[name] = min(least[name], (process_time() - start) / count * 1e6)
    return least


def load_ms(dialect: str, rounds: int) -> float:
    """Least milliseconds from the table file to a usable message set."""
    data = (MODULES / dialect / TABLE_NAME).read_bytes()
    spent = []
    for _ in range(rounds):
        start = process_time()
        MessageSet(parse_table(data))
        spent.append(process_time() - start)
    return min(spent) * 1e3


def compare(messages: MessageSet, peers: tuple[Peer, Peer], octets: bytes, rounds: int) -> dict[str, Any]:
    """Figures of one message; empty when asn1tools does not agree on it."""
    plain, checked = peers
    value = messages.decode(octets)
    try:
        agreed = plain.decode(octets) == value and plain.encode(value) == octets
    except NotImplementedError:
        agreed = False
    if not agreed:
        return {}
    row: dict[str, Any] = {}
    for verb, given in (("decode", octets), ("encode", value)):
        calls: dict[str, Callable[[], object]] = {
            "walker": partial(getattr(messages, verb), given),
            "asn1tools": partial(getattr(plain, verb), given),
            "asn1tools_checked": partial(getattr(checked, verb), given),
        }
        least = measure(calls, rounds)
        row |= {f"{who}_{verb}_us": round(us, 2) for who, us in least.items()}
        row[f"{verb}_ratio"] = round(least["asn1tools"] / least["walker"], 2)
        row[f"{verb}_ratio_checked"] = round(least["asn1tools_checked"] / least["walker"], 2)
    return row


def show(rows: list[dict[str, Any]], loads: dict[str, float]) -> None:
    """The table for people."""
    print("microseconds of CPU; ratio = asn1tools without (with) its checks / walker, above 1 is faster")
    print(f"{'message':<40}{'octets':>7}{'decode':>9}{'ratio':>14}{'encode':>9}{'ratio':>14}")
    for row in rows:
        print(f"{row['dialect'] + ' ' + row['message']:<40}{row['octets']:>7}", end="")
        for verb in ("decode", "encode"):
            ratio = f"{row[f'{verb}_ratio']:.1f} ({row[f'{verb}_ratio_checked']:.1f})"
            print(f"{row[f'walker_{verb}_us']:>9.1f}{ratio:>14}", end="")
        print()
    print("load, ms: " + ", ".join(f"{dialect} {ms}" for dialect, ms in loads.items()))


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Microseconds per message of the Python walker beside asn1tools, on real messages.",
        epilog="example: python bench/codec.py --rounds 5 --json",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--rounds", type=int, default=9, help="interleaved rounds (default 9)")
    args = parser.parse_args()
    peers: dict[str, tuple[Peer, Peer]] = {}
    rows: list[dict[str, Any]] = []
    for name, message, of_size in MESSAGES:
        entry = sample(name, message, of_size)
        messages = load(entry["dialect"])
        if messages.dialect not in peers:
            print(f"compiling {messages.dialect} with asn1tools", file=sys.stderr)
            peers[messages.dialect] = Peer(messages, False), Peer(messages, True)
        octets = bytes.fromhex(entry["hex"])
        print(f"measuring {message}, {len(octets)} octets", file=sys.stderr)
        figures = compare(messages, peers[messages.dialect], octets, args.rounds)
        if figures:
            rows.append({"dialect": messages.dialect, "message": message, "octets": len(octets), **figures})
        else:
            print(f"{message}: asn1tools disagrees; left out", file=sys.stderr)
    loads = {dialect: round(load_ms(dialect, args.rounds), 2) for dialect in peers}
    if args.json:
        print(json.dumps({"messages": rows, "load_ms": loads}, indent=2))
    else:
        show(rows, loads)
    return 0


if __name__ == "__main__":
    sys.exit(main())
