"""`wayside asn1 decode|encode|dialects`: the codec on the command line."""

import argparse
import difflib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ._sets import FRAME, MessageSet, dialects, load

DEFAULT_DIALECT = "csae53-2020"
_HEX = b"0123456789abcdefABCDEF"
_BETWEEN = b" \t\r\n:"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_PRINTABLE = bytes(range(32, 127)) + b"\t\r\n"


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the parser `asn1` with its sub-commands."""
    parser = subparsers.add_parser(
        "asn1",
        help="decode and encode V2X messages",
        description="Decode and encode V2X messages of the dialects this program knows.",
        epilog="example: wayside asn1 dialects",
    )
    commands = parser.add_subparsers(dest="asn1_command", metavar="COMMAND", required=True)
    decode = commands.add_parser(
        "decode",
        help="octets of a message to its value",
        description="Decode one message. Octets behind it are reported, or refused with --strict.",
        epilog="example: wayside asn1 decode --dialect j2735-2024 --json 00141e...",
    )
    decode.add_argument("hex", nargs="?", help="the message in hexadecimal; without it, standard input")
    decode.add_argument("--file", type=Path, help="file with the message, in hexadecimal or as it is")
    decode.add_argument("--strict", action="store_true", help="refuse octets behind the message")
    decode.set_defaults(func=_decode)
    encode = commands.add_parser(
        "encode",
        help="value of a message to its octets",
        description=(
            "Encode one message, given in the form that `decode --json` prints: its whole output or only the "
            "value. OCTET STRING is hexadecimal, BIT STRING [hexadecimal, bits], CHOICE [alternative, value]."
        ),
        epilog="example: wayside asn1 decode --json --file map.bin | wayside asn1 encode",
    )
    encode.add_argument("value", nargs="?", help="JSON; without it, standard input")
    encode.add_argument("--file", type=Path, help="file with the JSON")
    encode.set_defaults(func=_encode)
    for command, otherwise in ((decode, ""), (encode, "what the JSON names, or ")):
        command.add_argument("--dialect", choices=dialects(), help=f"without it {otherwise}{DEFAULT_DIALECT}")
        command.add_argument("--type", help=f"type to decode or encode; without it {FRAME}")
        command.add_argument("--json", action="store_true", help="print JSON")
    listing = commands.add_parser(
        "dialects",
        help="the dialects and what is proved of them",
        description="List the dialects: standard, messages, number of types, and what real messages prove.",
        epilog="example: wayside asn1 dialects --json",
    )
    listing.add_argument("--json", action="store_true", help="print JSON, with the names of all types")
    listing.set_defaults(func=_dialects)


def _decode(args: argparse.Namespace) -> int:
    messages = load(args.dialect or DEFAULT_DIALECT)
    type_name = args.type or FRAME
    if type_name not in messages.type_names:
        return _fail(_no_type(messages, type_name))
    try:
        data = _octets(_input(args.hex, args.file), binary=args.hex is None)
    except (OSError, ValueError) as error:
        return _fail(f"cannot read the message: {error}")
    if args.strict:
        value = messages.decode(data, type_name)
    value, bits = messages.decode_prefix(data, type_name)
    octets = max((bits + 7) // 8, 1)
    trailing = data[octets:]
    message = messages.frame_name(value) if type_name == FRAME else type_name
    if args.json:
        print(
            json.dumps(
                {
                    "dialect": messages.dialect,
                    "type": type_name,
                    "message": message,
                    "octets": octets,
                    "bits": bits,
                    "trailing_hex": trailing.hex(),
                    "value": messages.to_json(value, type_name),
                },
                indent=2,
                ensure_ascii=False,
            )
        )
        return 0
    print(f"{messages.dialect} {message}: {octets} octets ({bits} bits)")
    for line in _lines(value, 1):
        print(line)
    if trailing:
        print(f"and {len(trailing)} octets behind the message: {_short(trailing.hex())}")
    return 0


def _encode(args: argparse.Namespace) -> int:
    try:
        value = json.loads(_input(args.value, args.file))
    except (OSError, ValueError, RecursionError) as error:
        return _fail(f"cannot read the JSON: {error}")
    dialect, type_name = args.dialect, args.type
    if isinstance(value, dict) and value.keys() >= {"dialect", "type", "value"}:
        dialect = dialect or value["dialect"]
        type_name = type_name or value["type"]
        value = value["value"]
    messages: MessageSet = load(str(dialect or DEFAULT_DIALECT))
    type_name = str(type_name or FRAME)
    if type_name not in messages.type_names:
        return _fail(_no_type(messages, type_name))
    octets = messages.encode(messages.from_json(value, type_name), type_name)
    if args.json:
        print(json.dumps({"dialect": messages.dialect, "type": type_name, "hex": octets.hex()}))
    else:
        print(octets.hex())
    return 0


def _dialects(args: argparse.Namespace) -> int:
    rows = [
        {
            "dialect": name,
            "standard": load(name).title,
            "messages": list(load(name).carried),
            "types": list(load(name).type_names),
            "status": load(name).status,
        }
        for name in dialects()
    ]
    if args.json:
        print(json.dumps(rows, indent=2))
        return 0
    for row in rows:
        print(f"{row['dialect']:<14}{row['standard']}")
        print(f"{'':<14}messages: {', '.join(row['messages'])}; {len(row['types'])} types")
        print(f"{'':<14}{row['status']}")
    return 0


def _input(word: str | None, path: Path | None) -> bytes:
    if path is not None:
        if word is not None:
            raise ValueError("give it as an argument or with --file, not both")
        return path.read_bytes()
    return sys.stdin.buffer.read() if word is None else word.encode()


def _octets(given: bytes, *, binary: bool) -> bytes:
    """Hexadecimal text as octets (white space, colons, a leading 0x allowed); what is no text as it is."""
    content = given.removeprefix(_BYTE_ORDER_MARK)
    text = content.translate(None, _BETWEEN)
    if text[:2] in (b"0x", b"0X"):
        text = text[2:]
    other = text.translate(None, _HEX)
    if other:
        if binary and content.translate(None, _PRINTABLE):
            return given
        raise ValueError(f"{other.decode(errors='backslashreplace')[0]!r} is no hexadecimal digit")
    if not text:
        raise ValueError("it is empty")
    if len(text) % 2:
        raise ValueError("an odd number of hexadecimal digits")
    return bytes.fromhex(text.decode())


def _no_type(messages: MessageSet, name: str) -> str:
    by_lower = {known.lower(): known for known in messages.type_names}
    near = [by_lower[low] for low in difflib.get_close_matches(name.lower()[:60], by_lower)]
    similar = f"; similar: {', '.join(near)}" if near else ""
    return f"{messages.dialect} has no type {name[:60]!r}{similar}; all: wayside asn1 dialects --json"


def _lines(value: Any, depth: int) -> Iterator[str]:
    """A wire value as indented text."""
    pad = "  " * depth
    items: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        items = [(str(name), item) for name, item in value.items()]
    elif isinstance(value, list):
        items = [(f"[{at}]", item) for at, item in enumerate(value)]
    elif _is_choice(value):
        items = [value]
    else:
        yield pad + _leaf(value)
    for name, item in items:
        if isinstance(item, dict | list) or _is_choice(item):
            yield f"{pad}{name}:"
            yield from _lines(item, depth + 1)
        else:
            yield f"{pad}{name}: {_leaf(item)}"


def _is_choice(value: Any) -> bool:
    return isinstance(value, tuple) and isinstance(value[0], str)


def _leaf(value: Any) -> str:
    match value:
        case bytes():
            return _short(value.hex()) or "(no octets)"
        case (bytes(octets), int(bits)):
            return f"{int.from_bytes(octets, 'big') >> (-bits & 7):0{bits}b} (bits)" if bits else "(no bits)"
        case str():
            return value if value.isprintable() else repr(value)
    return str(value)


def _short(text: str) -> str:
    return text if len(text) <= 120 else f"{text[:120]}... ({len(text) // 2} octets)"


def _fail(what: str) -> int:
    print(f"wayside asn1: {what}", file=sys.stderr)
    return 1
